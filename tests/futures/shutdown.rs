//! The end of an executor.

use std::path::PathBuf;

use pool::futures::ThreadPoolExecutor;
use pool::{ErrorKind, Process, at_exit};

use crate::support::{Census, Gate, Marks, Scratch, alone_on_every_backend, on_every_backend};
use crate::{Executors, held, mark};

fn submit_after_a_shutdown_is_an_error<B: Executors>() {
    let executor = B::executor(1);
    executor.shutdown(true, false);
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap_err().kind(), ErrorKind::Closed);
    executor.shutdown(true, true);
}

fn a_shutdown_does_all_that_is_queued<B: Executors>() {
    let scratch = Scratch::new();
    let executor = B::executor(2);
    let futures: Vec<_> = (0..50).map(|_| executor.submit(mark, scratch.marks("ran"))).collect();
    executor.shutdown(true, false);
    assert_eq!(scratch.marks("ran").count(), 50);
    futures.into_iter().for_each(|future| future.result().unwrap());
}

fn a_shutdown_cancels_what_has_not_begun_if_asked<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun, ran) = (scratch.gate("gate"), scratch.marks("begun"), scratch.marks("ran"));
    let executor = B::executor(2);
    // Short ones first, so that a lane of a process is filled ahead.
    (0..50).for_each(|_| executor.submit(|x: u64| assert_eq!(x, 1), 1).result().unwrap());
    let running: Vec<_> = (0..2).map(|_| executor.submit(held, (begun.clone(), gate.clone()))).collect();
    begun.wait_for(2);
    let queued: Vec<_> = (0..50).map(|_| executor.submit(mark, ran.clone())).collect();
    executor.shutdown(false, true);
    assert!(queued.iter().all(|future| future.exception().is_err_and(|error| error.is_cancelled())));
    assert!(queued.iter().all(|future| future.cancelled()));
    assert!(running.iter().all(|future| future.running()));
    gate.open();
    for future in running {
        future.result().unwrap();
    }
    executor.shutdown(true, false);
    assert_eq!(ran.count(), 0);
}

fn a_cancel_right_before_a_shutdown_does_not_hang<B: Executors>() {
    for _ in 0..10 {
        let scratch = Scratch::new();
        let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
        let executor = B::executor(1);
        let running = executor.submit(held, (begun.clone(), gate.clone()));
        begun.wait_for(1);
        let pending = executor.submit(mark, scratch.marks("ran"));
        assert!(pending.cancel());
        gate.open();
        executor.shutdown(true, true);
        assert!(running.result().is_ok());
    }
}

fn after_a_shutdown_that_does_not_wait_a_running_task_ends_well<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = B::executor(1);
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    let queued = executor.submit(mark, scratch.marks("ran"));
    begun.wait_for(1);
    executor.shutdown(false, false);
    gate.open();
    running.result().unwrap();
    queued.result().unwrap();
}

on_every_backend!(
    submit_after_a_shutdown_is_an_error,
    a_shutdown_does_all_that_is_queued,
    a_shutdown_cancels_what_has_not_begun_if_asked,
    a_cancel_right_before_a_shutdown_does_not_hang,
    after_a_shutdown_that_does_not_wait_a_running_task_ends_well,
);

fn a_drop_does_what_is_queued_and_leaves_nothing<B: Executors>() {
    // The first may start what stays for the program.
    drop(B::executor(1));
    let before = Census::settled();
    let scratch = Scratch::new();
    {
        let executor = B::executor(3);
        (0..50).for_each(|_| drop(executor.submit(mark, scratch.marks("ran"))));
    }
    assert_eq!(scratch.marks("ran").count(), 50);
    before.assert_no_more();
}

fn a_shutdown_leaves_no_worker_and_a_drop_nothing<B: Executors>() {
    drop(B::executor(1));
    let before = Census::settled();
    let executor = B::executor(3);
    let futures: Vec<_> = (0..50).map(|x: u64| executor.submit(|x: u64| x, x)).collect();
    executor.shutdown(true, false);
    // It keeps its descriptors until it is dropped.
    before.assert_nobody_left();
    // Futures outlive their executor, and keep what they need of it.
    drop(executor);
    for future in futures {
        future.result().unwrap();
    }
    before.assert_no_more();
}

/// A program: it ends with a task still running.
fn ends_early<B: Executors>((folder, gate): (PathBuf, Gate)) {
    let scratch = Scratch::at(folder);
    let executor = B::executor(1);
    drop(executor.submit(held, (scratch.marks("begun"), gate)));
    drop(executor.submit(mark, scratch.marks("ran")));
}

fn a_program_that_ends_lets_its_tasks_finish<B: Executors>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let program = Process::spawn(ends_early::<B>, (scratch.path().to_owned(), gate.clone())).unwrap();
    scratch.marks("begun").wait_for(1);
    gate.open();
    program.join().unwrap();
    assert_eq!(scratch.marks("ran").count(), 1);
}

/// A program: it submits when it ends.
fn submits_late<B: Executors>(refused: Marks) {
    let executor = B::executor(1);
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap(), 1);
    executor.shutdown(true, false);
    at_exit(Some(0), move || {
        if executor.submit(|x: u64| x, 1).result().unwrap_err().kind() == ErrorKind::Closed {
            refused.add();
        }
    })
    .leave_to_exit();
}

fn a_submit_at_the_end_of_a_program_is_refused<B: Executors>() {
    let scratch = Scratch::new();
    Process::spawn(submits_late::<B>, scratch.marks("refused")).unwrap().join().unwrap();
    scratch.marks("refused").wait_for(1);
}

mod alone {
    use super::*;

    alone_on_every_backend!(
        a_drop_does_what_is_queued_and_leaves_nothing,
        a_shutdown_leaves_no_worker_and_a_drop_nothing,
        a_program_that_ends_lets_its_tasks_finish,
        a_submit_at_the_end_of_a_program_is_refused,
    );
}

fn name_of_its_thread(_: ()) -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn threads_have_the_prefix_and_a_number() {
    crate::support::guarded(|| {
        let executor =
            ThreadPoolExecutor::builder().max_workers(1).thread_name_prefix("parsers").build().unwrap();
        assert_eq!(executor.submit(name_of_its_thread, ()).result().unwrap(), "parsers-worker-1");
    });
}

#[test]
fn threads_have_names_by_default_and_no_two_the_same() {
    crate::support::guarded(|| {
        let executors = [ThreadPoolExecutor::new(1).unwrap(), ThreadPoolExecutor::new(1).unwrap()];
        let [one, two] = executors.map(|executor| executor.submit(name_of_its_thread, ()).result().unwrap());
        assert!(
            one.starts_with("ThreadPool-") && two.starts_with("ThreadPool-") && one != two,
            "{one} {two}"
        );
    });
}

#[test]
fn the_default_has_a_worker_for_each_core() {
    crate::support::guarded(|| {
        let cores = std::thread::available_parallelism().unwrap().get();
        assert_eq!(ThreadPoolExecutor::builder().build().unwrap().max_workers(), cores);
        assert_eq!(crate::by(pool::StartMethod::Spawn).build().unwrap().max_workers(), cores);
        assert_eq!(ThreadPoolExecutor::new(0).unwrap_err().kind(), ErrorKind::InvalidArgument);
        let none = crate::by(pool::StartMethod::Spawn).max_workers(0).build();
        assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidArgument);
    });
}
