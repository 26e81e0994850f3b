//! What an executor does with a task.

use std::collections::BTreeSet;

use pool::{ErrorKind, star, with};
use serde::{Deserialize, Serialize};

use crate::support::{Marks, Scratch, on_every_backend, whoami};
use crate::{Executors, held, mark, refuse};

fn submit_gives_a_future_with_the_result<B: Executors>() {
    let executor = B::executor(2);
    assert_eq!(executor.submit(|x: u64| x * x, 9).result().unwrap(), 81);
    let power = executor.submit(star(|base: u64, exponent: u32| base.pow(exponent)), (2, 5));
    assert_eq!(power.result().unwrap(), 32);
    assert_eq!(executor.submit(with(3u64, |factor, x: u64| factor * x), 5).result().unwrap(), 15);
}

/// Leaves a mark when it is dropped.
#[derive(Serialize, Deserialize)]
struct Counted(Marks);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.add();
    }
}

fn nothing_of_a_task_is_kept_though_its_future_was_dropped<B: Executors>() {
    let scratch = Scratch::new();
    let executor = B::executor(1);
    drop(executor.submit(|_: Counted| (), Counted(scratch.marks("dropped"))));
    // Here, and in the worker where that is elsewhere; while the executor lives.
    scratch.marks("dropped").wait_for(if B::IS_PROCESS { 2 } else { 1 });
}

fn an_initializer_has_run_in_every_worker_before_any_task<B: Executors>() {
    use std::cell::Cell;
    thread_local!(static READY: Cell<u64> = const { Cell::new(0) });
    let executor = B::with_initializer(2, |x: u64| READY.set(x), 7).unwrap();
    for result in executor.map(|_: u64| READY.get(), 0..50) {
        assert_eq!(result.unwrap(), 7);
    }
}

fn an_initializer_that_fails_breaks_the_executor<B: Executors>() {
    let executor = B::with_initializer(2, |()| panic!("no model"), ()).unwrap();
    let pending = executor.submit(|x: u64| x, 1);
    let error = pending.result().unwrap_err();
    assert!(error.is_broken() && error.to_string().contains("no model"), "{error}");
    assert!(executor.submit(|x: u64| x, 1).result().unwrap_err().is_broken());
}

fn an_error_says_what_happened_and_where<B: Executors>() {
    let executor = B::executor(1);
    let error = executor.submit(refuse, 7).result().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    let panic = error.panic().unwrap();
    assert!(panic.message.contains("no 7 here"));
    assert!(panic.location.as_ref().unwrap().contains("tests/futures/main.rs"), "{panic:?}");
    assert_eq!(error.worker().unwrap().pid.is_some(), B::IS_PROCESS);
}

fn a_task_that_panics_costs_its_own_future_alone<B: Executors>() {
    let executor = B::executor(1);
    let before = executor.submit(|()| std::process::id(), ()).result().unwrap();
    let futures: Vec<_> = (0..10).map(|x| executor.submit(refuse, x)).collect();
    assert!(futures.into_iter().all(|future| future.result().unwrap_err().is_panic()));
    assert_eq!(executor.submit(|()| std::process::id(), ()).result().unwrap(), before);
}

fn tasks_that_follow_each_other_reuse_one_worker<B: Executors>() {
    let executor = B::executor(if B::IS_PROCESS { 3 } else { 1 });
    let workers: BTreeSet<_> =
        (0..10).map(|_| executor.submit(|()| whoami(), ()).result().unwrap()).collect();
    assert_eq!(workers.len(), 1);
}

fn a_hundred_submits_at_once_do_not_block<B: Executors>() {
    let scratch = Scratch::new();
    let executor = B::executor(2);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| drop(executor.submit(mark, scratch.marks("ran")))));
        }
    });
    executor.shutdown(true, false);
    assert_eq!(scratch.marks("ran").count(), 400);
}

fn many_tasks_that_block_have_all_workers_and_no_more<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = B::executor(3);
    let task = |(begun, gate)| {
        held((begun, gate));
        whoami()
    };
    let futures: Vec<_> = (0..30).map(|_| executor.submit(task, (begun.clone(), gate.clone()))).collect();
    begun.wait_for(3);
    gate.open();
    let workers: BTreeSet<_> = futures.into_iter().map(|future| future.result().unwrap()).collect();
    assert_eq!(workers.len(), 3);
}

on_every_backend!(
    submit_gives_a_future_with_the_result,
    nothing_of_a_task_is_kept_though_its_future_was_dropped,
    an_initializer_has_run_in_every_worker_before_any_task,
    an_initializer_that_fails_breaks_the_executor,
    an_error_says_what_happened_and_where,
    a_task_that_panics_costs_its_own_future_alone,
    tasks_that_follow_each_other_reuse_one_worker,
    a_hundred_submits_at_once_do_not_block,
    many_tasks_that_block_have_all_workers_and_no_more,
);
