//! The executor of the whole program.

use std::path::PathBuf;
use std::sync::Arc;

use pool::futures::{ProcessPoolExecutor, ThreadPoolExecutor};
use pool::{AnyPool, ErrorKind, Pool, Process, ProcessPool, StartMethod, at_exit};

use crate::support::{Gate, Scratch, alone_on_every_backend, alone_on_every_start_method, crew};
use crate::{Executors, held, mark};

fn it_is_one_for_the_whole_program<B: Executors>() {
    let executor = B::global().unwrap();
    assert_eq!(executor.max_workers(), std::thread::available_parallelism().unwrap().get());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let again = B::global().unwrap();
                assert!(Arc::ptr_eq(&executor, &again));
                assert_eq!(again.submit(|x: u64| x + 1, 1).result().unwrap(), 2);
            });
        }
    });
}

fn the_first_calls_at_once_make_one<B: Executors>() {
    let all: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..8).map(|_| scope.spawn(|| B::global().unwrap())).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(all.iter().all(|executor| Arc::ptr_eq(executor, &all[0])));
}

fn it_is_resized_for_whoever_asks_for_another_size<B: Executors>() {
    let executor = B::global_with(2).unwrap();
    for workers in [2, 3, 1, 2] {
        let again = B::global_with(workers).unwrap();
        assert!(Arc::ptr_eq(&executor, &again));
        assert_eq!(again.max_workers(), workers);
        let _all = crew(again.pool(), workers);
    }
    assert_eq!(B::global_with(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(B::global().unwrap().max_workers(), 2);
}

fn after_its_end_there_is_another<B: Executors>() {
    let first = B::global_with(1).unwrap();
    first.shutdown(true, false);
    let second = B::global_with(2).unwrap();
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(second.submit(|x: u64| x + 1, 1).result().unwrap(), 2);
    assert_eq!(first.submit(|x: u64| x, 1).result().unwrap_err().kind(), ErrorKind::Closed);
    second.pool().terminate();
    let third = B::global().unwrap();
    assert_eq!(third.submit(|x: u64| x + 1, 1).result().unwrap(), 2);
}

/// Not even where the one that was shut down is nobody's any more.
fn nobody_waits_for_the_one_that_is_replaced<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let first = B::global_with(1).unwrap();
    let running = first.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    first.shutdown(false, false);
    drop(first);
    assert_eq!(B::global_with(1).unwrap().submit(|x: u64| x + 1, 1).result().unwrap(), 2);
    gate.open();
    running.result().unwrap();
}

fn a_worker_has_one_of_its_own<B: Executors>() {
    let nested = |x: u64| {
        let executor = ProcessPoolExecutor::global_with(1).unwrap();
        executor.submit(|x: u64| (x + 1, std::process::id()), x).result().unwrap()
    };
    let (two, inner) = B::global().unwrap().submit(nested, 1).result().unwrap();
    assert!(two == 2 && inner != std::process::id());
}

alone_on_every_backend!(
    it_is_one_for_the_whole_program,
    the_first_calls_at_once_make_one,
    it_is_resized_for_whoever_asks_for_another_size,
    after_its_end_there_is_another,
    nobody_waits_for_the_one_that_is_replaced,
    a_worker_has_one_of_its_own,
);

/// The child is a copy of a program that has both, and asks for its own; of what it has in its memory it is told
/// that this is another's.
fn a_forked_child_has_its_own(method: StartMethod) {
    let (threads, processes) =
        (ThreadPoolExecutor::global().unwrap(), ProcessPoolExecutor::global_with(1).unwrap());
    let ours = processes.submit(|()| std::process::id(), ()).result().unwrap();
    assert_eq!(threads.submit(|x: u64| x + 1, 1).result().unwrap(), 2);
    let child = ProcessPool::builder().workers(1).start_method(method).allow_fork_with_threads(true);
    let child = child.build().unwrap();
    let ask = |()| {
        let by_a_thread = ThreadPoolExecutor::global().unwrap().submit(|()| std::process::id(), ());
        let executor = ProcessPoolExecutor::global_with(1).unwrap();
        let by_a_process = executor.submit(|()| std::process::id(), ());
        (by_a_thread.result().unwrap(), by_a_process.result().unwrap())
    };
    let (itself, its_own) = child.apply(ask, ()).unwrap();
    assert!(itself != std::process::id() && its_own != itself && its_own != ours);
    assert!(processes.pool().backend().refusal().is_none());
}

/// A program: it ends with tasks that were not waited for.
fn ends_early((folder, gate): (PathBuf, Gate)) {
    let scratch = Scratch::at(folder);
    let executor = ProcessPoolExecutor::global_with(1).unwrap();
    drop(executor.submit(held, (scratch.marks("begun"), gate)));
    drop(executor.submit(mark, scratch.marks("ran")));
}

fn a_program_that_ends_lets_its_processes_finish(method: StartMethod) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let program = Process::builder().start_method(method).allow_fork_with_threads(true);
    let program = program.spawn(ends_early, (scratch.path().to_owned(), gate.clone())).unwrap();
    scratch.marks("begun").wait_for(1);
    gate.open();
    program.join().unwrap();
    assert_eq!(scratch.marks("ran").count(), 1);
}

/// A program: it ends while the executor that it had before has tasks.
fn ends_after_another((folder, gate): (PathBuf, Gate)) {
    let scratch = Scratch::at(folder);
    let executor = ProcessPoolExecutor::global_with(1).unwrap();
    drop(executor.submit(held, (scratch.marks("begun"), gate)));
    drop(executor.submit(mark, scratch.marks("ran")));
    scratch.marks("begun").wait_for(1);
    executor.shutdown(false, false);
    drop(executor);
    ProcessPoolExecutor::global_with(1).unwrap();
    let ending = scratch.marks("ending");
    at_exit(Some(1), move || ending.add()).leave_to_exit();
}

fn a_program_that_ends_waits_for_an_executor_that_was_replaced(method: StartMethod) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let program = Process::builder().start_method(method).allow_fork_with_threads(true);
    let program = program.spawn(ends_after_another, (scratch.path().to_owned(), gate.clone())).unwrap();
    scratch.marks("ending").wait_for(1);
    gate.open();
    program.join().unwrap();
    assert_eq!(scratch.marks("ran").count(), 1);
}

mod of_children {
    use super::*;

    alone_on_every_start_method!(
        a_forked_child_has_its_own,
        a_program_that_ends_lets_its_processes_finish,
        a_program_that_ends_waits_for_an_executor_that_was_replaced,
    );
}
