//! Inside async runtimes that have one thread: nothing of a pool blocks it.
//!
//! In each test the tasks wait at a gate, which a timer of the runtime opens. A call that blocked the thread would
//! keep the timer from ticking, and hang.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream;
use pool::Pool;
use pool::futures::{PoolStreams, as_completed_stream};

use crate::Executors;
use crate::support::{Gate, Scratch, on_every_backend};

/// A runtime of one thread.
pub(crate) trait Runtime {
    fn block_on<T>(future: impl Future<Output = T>) -> T;
    fn sleep(time: Duration) -> impl Future<Output = ()>;
}

pub(crate) struct Tokio;
pub(crate) struct Smol;

impl Runtime for Tokio {
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(future)
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }
}

impl Runtime for Smol {
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        smol::block_on(future)
    }

    async fn sleep(time: Duration) {
        smol::Timer::after(time).await;
    }
}

pub(crate) async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// Runs `work` while a timer ticks, which opens the gate after some time.
fn while_a_timer_ticks<R: Runtime, T>(gate: &Gate, work: impl Future<Output = T>) -> T {
    let timer = async {
        for _ in 0..5 {
            R::sleep(Duration::from_millis(1)).await;
        }
        gate.open();
        pending().await
    };
    R::block_on(smol::future::or(timer, work))
}

fn pass((x, gate): (u64, Gate)) -> u64 {
    gate.wait();
    x
}

const MANY: u64 = 2_000;
const SUM: u64 = (MANY - 1) * MANY / 2;

fn awaits<B: Executors, R: Runtime>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(2);
    let work = async {
        let one = executor.submit(pass, (7, gate.clone()));
        let bad = executor.submit(|x: u64| 1 / x, 0);
        assert_eq!(one.await.unwrap(), 7);
        assert!(bad.await.unwrap_err().is_panic());
        executor.submit(|x: u64| x + 1, 1).await.unwrap()
    };
    assert_eq!(while_a_timer_ticks::<R, _>(&gate, work), 2);
}

/// More than the lanes of all workers hold.
fn awaits_many<B: Executors, R: Runtime>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(2);
    let work = async {
        let futures: Vec<_> = (0..MANY).map(|x| executor.submit(pass, (x, gate.clone()))).collect();
        let mut sum = 0;
        for future in futures {
            sum += future.await.unwrap();
        }
        sum
    };
    assert_eq!(while_a_timer_ticks::<R, _>(&gate, work), SUM);
}

fn awaits_as_they_end<B: Executors, R: Runtime>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(2);
    let work = async {
        let futures = (0..MANY).map(|x| executor.submit(pass, (x, gate.clone())));
        let mut ended = as_completed_stream(futures);
        let mut sum = 0;
        while let Some(future) = next(&mut ended).await {
            sum += future.await.unwrap();
        }
        sum
    };
    assert_eq!(while_a_timer_ticks::<R, _>(&gate, work), SUM);
}

fn awaits_streams<B: Executors, R: Runtime>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(2);
    let items = || (0..MANY).map(|x| (x, gate.clone()));
    let work = async {
        let mut results = executor.pool().chunk_size(3).imap_stream(pass, items());
        let mut expected = 0;
        while let Some(result) = next(&mut results).await {
            assert_eq!(result.unwrap(), expected);
            expected += 1;
        }
        let mut results = executor.pool().imap_unordered_stream(pass, items());
        let mut sum = 0;
        while let Some(result) = next(&mut results).await {
            sum += result.unwrap();
        }
        (expected, sum)
    };
    assert_eq!(while_a_timer_ticks::<R, _>(&gate, work), (MANY, SUM));
}

/// Several tasks of the runtime have one executor.
fn shares<B: Executors, R: Runtime>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(2);
    let work = async {
        let one = async { executor.submit(pass, (1, gate.clone())).await.unwrap() };
        let many = async {
            let mut results = executor.pool().imap_stream(pass, (0..100).map(|x| (x, gate.clone())));
            let mut count = 0;
            while next(&mut results).await.is_some() {
                count += 1;
            }
            count
        };
        smol::future::zip(one, many).await
    };
    assert_eq!(while_a_timer_ticks::<R, _>(&gate, work), (1, 100));
}

macro_rules! on_both_runtimes {
    ($($test:ident => $body:ident),+ $(,)?) => {
        $(fn $test<B: Executors>() {
            $body::<B, Tokio>();
            $body::<B, Smol>();
        })+
        on_every_backend!($($test),+);
    };
}

on_both_runtimes!(
    a_future_is_awaited_while_a_timer_ticks => awaits,
    many_futures_are_submitted_and_awaited_while_a_timer_ticks => awaits_many,
    futures_are_awaited_as_they_end_while_a_timer_ticks => awaits_as_they_end,
    streams_of_results_are_awaited_while_a_timer_ticks => awaits_streams,
    tasks_of_a_runtime_share_an_executor => shares,
);
