//! A submitted task costs one allocation: of argument, result and what the future sees of both.
//!
//! A program of its own, as it counts every allocation of the process: one test, so that nothing else allocates
//! beside it.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

#[path = "support/mod.rs"]
mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use pool::futures::{Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor};
use pool::{Pool, ThreadPool};
use support::guarded;

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to `System` unchanged; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // ORDERING: a count, which is read when the threads that add to it are known to be done.
        COUNT.fetch_add(1, Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TASKS: usize = 20_000;

/// For queues and lanes that grow, and for what the pools' own threads do meanwhile.
const BESIDES: usize = TASKS / 100;

/// How many allocations it takes to submit so many tasks and to have all their results.
fn count<P: Pool>(executor: &Executor<P>) -> usize {
    let mut futures: Vec<Future<u64>> = Vec::with_capacity(TASKS);
    let before = COUNT.load(Relaxed);
    futures.extend((0..TASKS as u64).map(|x| executor.submit(|x: u64| x + 1, x)));
    // A wait that sleeps leaves a waker. That is the price of the sleep, and not of the task.
    while !futures.iter().all(Future::done) {
        std::thread::yield_now();
    }
    let sum: u64 = futures.drain(..).map(|future| future.result().unwrap()).sum();
    let after = COUNT.load(Relaxed);
    assert_eq!(sum, (1..=TASKS as u64).sum());
    after - before
}

#[test]
fn a_submitted_task_costs_one_allocation() {
    guarded(|| {
        let threads = ThreadPoolExecutor::new(2).unwrap();
        let processes = ProcessPoolExecutor::new(2).unwrap();
        let over_a_pool = Executor::over(ThreadPool::new(2).unwrap());
        // The first time queues and lanes get their size.
        let _ = (count(&threads), count(&processes), count(&over_a_pool));
        for (name, count) in
            [("threads", count(&threads)), ("processes", count(&processes)), ("a pool", count(&over_a_pool))]
        {
            println!("{name}: {count} allocations for {TASKS} tasks");
            assert!(count <= TASKS + BESIDES, "{name}: {count} allocations for {TASKS} tasks");
        }
    });
}
