//! The lock that processes share, alone and contended.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::thread;

use pool::shared::Lock;
use pool::{Pool, ProcessPool};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::peers::cpython;
use crate::placement::Placement;
use crate::{Result, timing};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            name: "lock",
            what: "a lock that nobody else wants taken and given back {n} times",
            n: 1_000_000,
            reading: Reading::Rate("/s"),
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: alone,
            bounds: &[Bound::AtMost(2.0, MUTEX)],
        },
        Figure {
            name: "lock_contended",
            what: "a lock taken and given back {n} times by two processes, half of them each",
            n: 1_000_000,
            reading: Reading::Rate("/s"),
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: contended,
            bounds: &[],
        },
    ]
}

const MUTEX: &str = "std's Mutex";

fn alone(n: usize) -> Result<Vec<Side>> {
    let lock = Lock::new()?;
    let mutex = Mutex::new(());
    let take = move || {
        let (time, ()) = timing::once(|| (0..n).for_each(|_| drop(black_box(&lock).lock())));
        Ok(vec![time])
    };
    let by_threads = move || {
        let (time, ()) = timing::once(|| (0..n).for_each(|_| enter(black_box(&mutex))));
        Ok(vec![time])
    };
    let mut sides = vec![Side::subject("Lock", take), Side::limit(MUTEX, by_threads)];
    // A tenth of it, for its slowness.
    sides.extend(cpython::side("CPython's Lock", ALONE, n / 10).map(|side| side.scaled(10.0)));
    Ok(sides)
}

fn enter(mutex: &Mutex<()>) {
    drop(mutex.lock().unwrap_or_else(PoisonError::into_inner));
}

fn contended(n: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(2)?;
    let lock = Lock::new()?;
    let take = move || {
        let (time, done) = timing::once(|| {
            let take = |(lock, n): (Lock, usize)| (0..n).for_each(|_| drop(lock.lock()));
            pool.chunk_size(1).map(take, [(lock.clone(), n / 2), (lock.clone(), n / 2)])
        });
        done?;
        Ok(vec![time])
    };
    let mutex = Mutex::new(());
    let by_threads = move || {
        let take = || (0..n / 2).for_each(|_| enter(&mutex));
        let (time, ()) = timing::once(|| {
            thread::scope(|scope| {
                scope.spawn(take);
                scope.spawn(take);
            });
        });
        Ok(vec![time])
    };
    let mut sides = vec![Side::subject("Lock", take), Side::remark("std's Mutex, two threads", by_threads)];
    sides.extend(cpython::side("CPython's Lock", CONTENDED, n / 10).map(|side| side.scaled(10.0)));
    Ok(sides)
}

const ALONE: &str = "
import multiprocessing, sys, time
lock = multiprocessing.Lock()
acquire, release, n = lock.acquire, lock.release, int(sys.argv[1])
begin = time.perf_counter()
for _ in range(n):
    acquire()
    release()
print(time.perf_counter() - begin)
";

const CONTENDED: &str = "
import multiprocessing, sys, time
def take(lock, n, start):
    start.wait()
    for _ in range(n):
        lock.acquire()
        lock.release()
context = multiprocessing.get_context('fork')
lock, start = context.Lock(), context.Barrier(3)
n = int(sys.argv[1]) // 2
children = [context.Process(target=take, args=(lock, n, start)) for _ in range(2)]
for child in children: child.start()
start.wait()
begin = time.perf_counter()
for child in children: child.join()
print(time.perf_counter() - begin)
";
