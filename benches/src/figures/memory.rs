//! Memory that processes share: passing it, and changing it under its lock.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use pool::shared::{SharedVec, Value};
use pool::{Pool, ProcessPool};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::peers::cpython;
use crate::placement::Placement;
use crate::{Result, timing};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            name: "shared_vec_1gib",
            what: "1 GiB as a SharedVec to a worker process that reads an item; p50, turns every {n}",
            n: 1_000,
            reading: Reading::Time,
            slices: 8,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: passing,
            bounds: &[Bound::AtMost(1.2, EMPTY)],
        },
        Figure {
            name: "value",
            what: "{n} increments under the lock by two processes, half of them each",
            n: 400_000,
            reading: Reading::Rate("/s"),
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: counting,
            bounds: &[],
        },
    ]
}

const EMPTY: &str = "an empty task";

fn passing(trips: usize) -> Result<Vec<Side>> {
    let mut draft = SharedVec::<u64>::draft((1 << 30) / size_of::<u64>())?;
    draft.fill(7);
    let array = draft.freeze()?;
    let pool = Arc::new(ProcessPool::new(1)?);
    let other = pool.clone();
    let pass = move || {
        let read = |array: SharedVec<u64>| assert_eq!(array[array.len() - 1], 7);
        timing::each(trips, || Ok(pool.apply(read, array.clone())?))
    };
    let nothing = move || timing::each(trips, || Ok(other.apply(|()| (), ())?));
    Ok(vec![Side::subject("apply to a SharedVec", pass), Side::limit(EMPTY, nothing)])
}

fn counting(n: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(2)?;
    let value = Value::new(0_u64)?;
    let count = move || {
        let before = value.get();
        let (time, done) = timing::once(|| {
            let increment =
                |(value, n): (Value<u64>, usize)| (0..n).for_each(|_| value.with(|value| *value += 1));
            pool.chunk_size(1).map(increment, [(value.clone(), n / 2), (value.clone(), n / 2)])
        });
        done?;
        assert_eq!(value.get() - before, n as u64 / 2 * 2);
        Ok(vec![time])
    };
    let mut sides = vec![Side::subject("Value::with", count), by_threads(n)];
    // A tenth of it, for its slowness.
    let slower = |side: Side| side.scaled(10.0);
    sides.extend(cpython::side("CPython's Value and its lock", PYTHON, n / 10).map(slower));
    Ok(sides)
}

fn by_threads(n: usize) -> Side {
    let value = Mutex::new(0_u64);
    Side::remark("std's Mutex, two threads", move || {
        let increment =
            || (0..n / 2).for_each(|_| *value.lock().unwrap_or_else(PoisonError::into_inner) += 1);
        let (time, ()) = timing::once(|| {
            thread::scope(|scope| {
                scope.spawn(increment);
                scope.spawn(increment);
            });
        });
        Ok(vec![time])
    })
}

const PYTHON: &str = "
import multiprocessing, sys, time
def count(value, n, start):
    start.wait()
    for _ in range(n):
        with value.get_lock():
            value.value += 1
context = multiprocessing.get_context('fork')
value, start = context.Value('Q', 0), context.Barrier(3)
n = int(sys.argv[1]) // 2
children = [context.Process(target=count, args=(value, n, start)) for _ in range(2)]
for child in children: child.start()
start.wait()
begin = time.perf_counter()
for child in children: child.join()
print(time.perf_counter() - begin)
";
