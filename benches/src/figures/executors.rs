//! Executors beside the pools that they stand on, and beside CPython's.

use std::rc::Rc;

use pool::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
use pool::{Pool, ProcessPool, TaskFn, ThreadPool};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::peers::cpython;
use crate::placement::Placement;
use crate::{Result, timing, work};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        round_trip(
            "submit_processes",
            "submit of a u64 and its result, back to back; 2 processes; p50, turns every {n}",
            |n| round_trips(n, ProcessPoolExecutor::new(WORKERS)?, ProcessPool::new(WORKERS)?, PROCESSES),
        ),
        round_trip(
            "submit_threads",
            "submit of a u64 and its result, back to back; 2 threads; p50, turns every {n}",
            |n| round_trips(n, ThreadPoolExecutor::new(WORKERS)?, ThreadPool::new(WORKERS)?, THREADS),
        ),
        many("submit_many_processes", "{n} × submit of a u64, then all results; 2 processes", |n| {
            all_jobs(n, ProcessPoolExecutor::new(WORKERS)?, ProcessPool::new(WORKERS)?, PROCESSES)
        }),
        many("submit_many_threads", "{n} × submit of a u64, then all results; 2 threads", |n| {
            all_jobs(n, ThreadPoolExecutor::new(WORKERS)?, ThreadPool::new(WORKERS)?, THREADS)
        }),
        map(
            "executor_map_processes",
            "map of {n} u64, some 1 µs each, in chunks of 1 000; 2 processes",
            |n| {
                let (executor, pool) = (ProcessPoolExecutor::new(WORKERS)?, ProcessPool::new(WORKERS)?);
                maps(n, work::five_hundred_turns, executor, pool, PROCESSES)
            },
            &[Bound::AtMost(1.1, MAP)],
        ),
        map(
            "executor_map_threads",
            "map of {n} u64, some 1 µs each, in chunks of 1 000; 2 threads",
            |n| {
                let (executor, pool) = (ThreadPoolExecutor::new(WORKERS)?, ThreadPool::new(WORKERS)?);
                maps(n, work::five_hundred_turns, executor, pool, THREADS)
            },
            &[Bound::AtMost(1.1, MAP)],
        ),
        // Without a bound: where an item takes a nanosecond, an iterator that gives its result by itself takes more.
        map(
            "executor_map_small_processes",
            "map of {n} u64, |x| x + 1, in chunks of 1 000; 2 processes",
            |n| {
                let (executor, pool) = (ProcessPoolExecutor::new(WORKERS)?, ProcessPool::new(WORKERS)?);
                maps(n, work::increment, executor, pool, PROCESSES)
            },
            &[],
        ),
        map(
            "executor_map_small_threads",
            "map of {n} u64, |x| x + 1, in chunks of 1 000; 2 threads",
            |n| {
                let (executor, pool) = (ThreadPoolExecutor::new(WORKERS)?, ThreadPool::new(WORKERS)?);
                maps(n, work::increment, executor, pool, THREADS)
            },
            &[],
        ),
    ]
}

const WORKERS: usize = 2;
const CHUNK: usize = 1_000;

/// The names of the sides that bounds refer to.
const APPLY: &str = "apply of its pool";
const APPLY_ASYNC: &str = "Pool::apply_async";
const MAP: &str = "Pool::map";

/// One of CPython's executors, and the scripts that measure it.
#[derive(Clone, Copy)]
struct Python {
    name: &'static str,
    round_trip: &'static str,
    many: &'static str,
    map: &'static str,
}

macro_rules! python {
    ($name:literal, $executor:literal) => {
        Python {
            name: $name,
            round_trip: concat!("executor = lambda: ", $executor, include_str!("executors/round_trip.py")),
            many: concat!("executor = lambda: ", $executor, include_str!("executors/many.py")),
            map: concat!("executor = lambda: ", $executor, include_str!("executors/map.py")),
        }
    };
}

const PROCESSES: Python = python!(
    "CPython's ProcessPoolExecutor",
    "ProcessPoolExecutor(2, mp_context=multiprocessing.get_context('fork'))\n"
);
const THREADS: Python = python!("CPython's ThreadPoolExecutor", "ThreadPoolExecutor(2)\n");

fn round_trip(name: &'static str, what: &'static str, sides: fn(usize) -> Result<Vec<Side>>) -> Figure {
    Figure {
        name,
        what,
        n: 2_500,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides,
        bounds: &[Bound::AtMost(1.2, APPLY)],
    }
}

fn many(name: &'static str, what: &'static str, sides: fn(usize) -> Result<Vec<Side>>) -> Figure {
    Figure {
        name,
        what,
        n: 200_000,
        reading: Reading::Rate("tasks/s"),
        slices: 1,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides,
        bounds: &[Bound::AtLeast(0.7, APPLY_ASYNC)],
    }
}

fn map(
    name: &'static str,
    what: &'static str,
    sides: fn(usize) -> Result<Vec<Side>>,
    bounds: &'static [Bound],
) -> Figure {
    Figure {
        name,
        what,
        n: 1_000_000,
        reading: Reading::Rate("items/s"),
        slices: 1,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides,
        bounds,
    }
}

/// The bound is on the executor's own pool: two pools have their workers on different cores, and a round trip of
/// threads takes a third or three times as long with that.
fn round_trips<P: Pool + 'static>(
    trips: usize,
    executor: Executor<P>,
    pool: P,
    python: Python,
) -> Result<Vec<Side>> {
    let executor = Rc::new(executor);
    let submitted = executor.clone();
    let submit = move || {
        timing::each(trips, || {
            assert_eq!(submitted.submit(|x: u64| x + 1, 41).result()?, 42);
            Ok(())
        })
    };
    let mut sides = vec![
        Side::subject("Executor::submit", submit),
        Side::limit(APPLY, move || timing::each(trips, || apply(executor.pool()))),
        Side::remark("apply of another pool", move || timing::each(trips, || apply(&pool))),
    ];
    sides.extend(cpython::side(python.name, python.round_trip, trips.div_ceil(10)));
    Ok(sides)
}

fn apply(pool: &impl Pool) -> Result<()> {
    assert_eq!(pool.apply(|x: u64| x + 1, 41)?, 42);
    Ok(())
}

/// What CPython does is so much less, and its time then so much more.
const FEWER: usize = 100;

fn all_jobs<P: Pool + 'static>(
    jobs: usize,
    executor: Executor<P>,
    pool: P,
    python: Python,
) -> Result<Vec<Side>> {
    let submit = move || {
        let submit = |x| executor.submit(|x: u64| x + 1, x);
        work::all_jobs(jobs, submit, |future| Ok(future.result()?))
    };
    let apply_async = move || {
        let submit = |x| pool.apply_async(|x: u64| x + 1, x);
        work::all_jobs(jobs, submit, |handle| Ok(handle.get()?))
    };
    let mut sides = vec![Side::subject("Executor::submit", submit), Side::limit(APPLY_ASYNC, apply_async)];
    let python = cpython::side(python.name, python.many, jobs.div_ceil(FEWER));
    sides.extend(python.map(|side| side.scaled(FEWER as f64)));
    Ok(sides)
}

fn maps<F, P>(items: usize, f: F, executor: Executor<P>, pool: P, python: Python) -> Result<Vec<Side>>
where
    F: TaskFn<u64, Output = u64> + Fn(u64) -> u64 + Copy,
    P: Pool + 'static,
{
    let count = items as u64;
    let of_executor = move || {
        let results = executor.chunk_size(CHUNK).map(f, 0..count);
        Ok(results.collect::<pool::Result<Vec<u64>>>()?)
    };
    let of_pool = move || Ok(pool.chunk_size(CHUNK).map(f, 0..count)?);
    let mut sides = vec![
        Side::subject("Executor::map", work::mapping(count, 1, f, of_executor)),
        Side::limit(MAP, work::mapping(count, 1, f, of_pool)),
    ];
    let python = cpython::side(python.name, python.map, items.div_ceil(FEWER));
    sides.extend(python.map(|side| side.scaled(FEWER as f64)));
    Ok(sides)
}
