//! Executors and futures: what CPython's tests of `concurrent.futures` look at, and what is ours.
//!
//! A behaviour is a function generic over [`Executors`], run on threads and on processes by each start method,
//! under the watchdog. Where a worker has to be a process, the test takes the start method.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod as_completed;
mod crash;
mod executor;
mod future;
mod global;
mod map;
mod on_drop;
mod runtimes;
mod shutdown;
mod streams;
mod wait;
mod workers;

use std::sync::Arc;

use pool::futures::{Executor, ProcessPoolExecutor, ProcessPoolExecutorBuilder, ThreadPoolExecutor};
use pool::{Message, Result, StartMethod, TaskFn};
use support::{Backend, Gate, Marks, Process, Thread};

/// What differs between executors.
pub(crate) trait Executors: Backend {
    fn executor(workers: usize) -> Executor<Self::Pool>;
    fn with_initializer<F, A>(workers: usize, f: F, arg: A) -> Result<Executor<Self::Pool>>
    where
        F: TaskFn<A, Output = ()>,
        A: Message + Clone + Sync;
    fn global() -> Result<Arc<Executor<Self::Pool>>>;
    fn global_with(workers: usize) -> Result<Arc<Executor<Self::Pool>>>;
}

impl Executors for Thread {
    fn global() -> Result<Arc<ThreadPoolExecutor>> {
        ThreadPoolExecutor::global()
    }

    fn global_with(workers: usize) -> Result<Arc<ThreadPoolExecutor>> {
        ThreadPoolExecutor::global_with(workers)
    }

    fn executor(workers: usize) -> ThreadPoolExecutor {
        ThreadPoolExecutor::new(workers).expect("an executor")
    }

    fn with_initializer<F, A>(workers: usize, f: F, arg: A) -> Result<ThreadPoolExecutor>
    where
        F: TaskFn<A, Output = ()>,
        A: Message + Clone + Sync,
    {
        ThreadPoolExecutor::builder().max_workers(workers).initializer(f, arg).build()
    }
}

impl Executors for Process {
    fn global() -> Result<Arc<ProcessPoolExecutor>> {
        set_default_method();
        ProcessPoolExecutor::global()
    }

    fn global_with(workers: usize) -> Result<Arc<ProcessPoolExecutor>> {
        set_default_method();
        ProcessPoolExecutor::global_with(workers)
    }

    fn executor(workers: usize) -> ProcessPoolExecutor {
        by(support::method()).max_workers(workers).build().expect("an executor")
    }

    fn with_initializer<F, A>(workers: usize, f: F, arg: A) -> Result<ProcessPoolExecutor>
    where
        F: TaskFn<A, Output = ()>,
        A: Message + Clone + Sync,
    {
        by(support::method()).max_workers(workers).initializer(f, arg).build()
    }
}

/// But for `Fork`, which would be refused beside the threads of the test harness.
fn set_default_method() {
    if support::method() != StartMethod::Fork {
        support::method().set_default();
    }
}

/// The test harness has threads, of which none holds a lock in a program that runs one test.
pub(crate) fn by(method: StartMethod) -> ProcessPoolExecutorBuilder {
    ProcessPoolExecutor::builder().start_method(method).pool(|pool| pool.allow_fork_with_threads(true))
}

/// A task: says that it has begun, and waits.
pub(crate) fn held((begun, gate): (Marks, Gate)) -> u32 {
    begun.add();
    gate.wait();
    std::process::id()
}

/// A task that fails.
pub(crate) fn refuse(x: u64) -> u64 {
    panic!("no {x} here")
}

/// A task that leaves a mark.
pub(crate) fn mark(marks: Marks) {
    marks.add();
}
