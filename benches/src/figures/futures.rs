//! Many outstanding futures, awaited at once: what each costs must not depend on how many there are.

use pool::futures::{Executor, Future, ProcessPoolExecutor, ReturnWhen, ThreadPoolExecutor};
use pool::{Pool, futures};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::placement::Placement;
use crate::{Result, timing};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        growth(
            "as_completed_processes",
            "{n} futures outstanding, given by as_completed; 2 processes; the time of each",
            |n| sides(n, ProcessPoolExecutor::new(WORKERS)?, as_completed),
        ),
        growth(
            "as_completed_threads",
            "{n} futures outstanding, given by as_completed; 2 threads; the time of each",
            |n| sides(n, ThreadPoolExecutor::new(WORKERS)?, as_completed),
        ),
        growth(
            "wait_processes",
            "{n} futures outstanding, awaited by wait; 2 processes; the time of each",
            |n| sides(n, ProcessPoolExecutor::new(WORKERS)?, wait),
        ),
        growth(
            "wait_threads",
            "{n} futures outstanding, awaited by wait; 2 threads; the time of each",
            |n| sides(n, ThreadPoolExecutor::new(WORKERS)?, wait),
        ),
        growth(
            "join_all_tokio_processes",
            "{n} futures outstanding, awaited by join_all under tokio; 2 processes; the time of each",
            |n| sides(n, ProcessPoolExecutor::new(WORKERS)?, join_all_under_tokio),
        ),
        growth(
            "join_all_tokio_threads",
            "{n} futures outstanding, awaited by join_all under tokio; 2 threads; the time of each",
            |n| sides(n, ThreadPoolExecutor::new(WORKERS)?, join_all_under_tokio),
        ),
        growth(
            "join_all_smol_processes",
            "{n} futures outstanding, awaited by join_all under smol; 2 processes; the time of each",
            |n| sides(n, ProcessPoolExecutor::new(WORKERS)?, join_all_under_smol),
        ),
        growth(
            "join_all_smol_threads",
            "{n} futures outstanding, awaited by join_all under smol; 2 threads; the time of each",
            |n| sides(n, ThreadPoolExecutor::new(WORKERS)?, join_all_under_smol),
        ),
    ]
}

const WORKERS: usize = 2;

const A_HUNDREDTH: &str = "a future of a hundredth of them";
const A_TENTH: &str = "a future of a tenth of them";

/// More than 1, because a hundredth of them fits into a cache. A quadratic growth would be 100.
const NO_GROWTH: Bound = Bound::AtMost(1.5, A_HUNDREDTH);

fn growth(name: &'static str, what: &'static str, sides: fn(usize) -> Result<Vec<Side>>) -> Figure {
    Figure {
        name,
        what,
        n: 100_000,
        reading: Reading::Time,
        slices: 1,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides,
        bounds: &[NO_GROWTH],
    }
}

/// Awaits them all, and gives the sum of their values.
type Await = fn(Vec<Future<u64>>) -> Result<u64>;

/// Each side submits as many tasks, in batches of which it awaits one before it submits the next.
fn sides<P: Pool + 'static>(n: usize, executor: Executor<P>, sum: Await) -> Result<Vec<Side>> {
    let executor = std::rc::Rc::new(executor);
    let in_batches = |batches: usize| {
        let (executor, size) = (executor.clone(), n / batches);
        move || {
            let (time, done) =
                timing::once(|| (0..batches).try_for_each(|_| one_batch(&executor, size, sum)));
            done?;
            Ok(vec![time / n as f64])
        }
    };
    Ok(vec![
        Side::subject("a future of all of them", in_batches(1)),
        Side::remark(A_TENTH, in_batches(10)),
        Side::remark(A_HUNDREDTH, in_batches(100)),
    ])
}

fn one_batch<P: Pool>(executor: &Executor<P>, size: usize, sum: Await) -> Result<()> {
    let futures = (0..size as u64).map(|x| executor.submit(|x: u64| x + 1, x)).collect();
    assert_eq!(sum(futures)?, (1..=size as u64).sum(), "the results differ");
    Ok(())
}

fn as_completed(futures: Vec<Future<u64>>) -> Result<u64> {
    futures::as_completed(futures, None).map(|future| Ok(future?.result()?)).sum()
}

fn wait(futures: Vec<Future<u64>>) -> Result<u64> {
    let waited = futures::wait(futures, None, ReturnWhen::AllCompleted);
    waited.done.into_iter().map(|future| Ok(future.result()?)).sum()
}

fn join_all_under_tokio(futures: Vec<Future<u64>>) -> Result<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    Ok(runtime.block_on(join_all(futures)).into_iter().sum::<pool::Result<u64>>()?)
}

fn join_all_under_smol(futures: Vec<Future<u64>>) -> Result<u64> {
    Ok(smol::block_on(join_all(futures)).into_iter().sum::<pool::Result<u64>>()?)
}

async fn join_all(futures: Vec<Future<u64>>) -> Vec<pool::Result<u64>> {
    futures_util::future::join_all(futures).await
}
