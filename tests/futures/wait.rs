//! Waiting for some of many.

use std::time::Duration;

use pool::futures::{Future, ReturnWhen, wait};

use crate::support::{Scratch, on_every_backend};
use crate::{Executors, held, refuse};

use ReturnWhen::*;

/// One that is held and one that ends at once, on two workers.
macro_rules! a_held_one {
    ($scratch:ident, $executor:ident, $gate:ident, $held:ident) => {
        let $scratch = Scratch::new();
        let $gate = $scratch.gate("gate");
        let $executor = B::executor(2);
        let $held = $executor
            .submit(|x: (crate::support::Marks, crate::support::Gate)| u64::from(held(x)), {
                ($scratch.marks("begun"), $gate.clone())
            });
    };
}

fn the_first_to_end_ends_the_wait<B: Executors>() {
    a_held_one!(scratch, executor, gate, slow);
    let fast = executor.submit(|x: u64| x, 1);
    let waited = wait([slow, fast], None, FirstCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
    assert!(waited.done[0].done() && !waited.not_done[0].done());
    gate.open();
}

fn what_has_ended_before_ends_the_wait_at_once<B: Executors>() {
    a_held_one!(scratch, executor, gate, slow);
    let (first, second) = (executor.submit(|x: u64| x, 1), executor.submit(|x: u64| x, 2));
    let _ = (first.exception(), second.exception());
    let waited = wait([first, slow, second], None, FirstCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1), "all that have ended are told");
    gate.open();
}

fn the_first_failure_ends_the_wait<B: Executors>() {
    a_held_one!(scratch, executor, gate, slow);
    let (good, bad) = (executor.submit(|x: u64| x, 1), executor.submit(refuse, 2));
    let waited = wait([slow, good, bad], None, FirstException);
    assert!(!waited.not_done.is_empty());
    let bad: Vec<_> = waited.done.iter().filter(|future| future.exception().unwrap().is_some()).collect();
    assert_eq!(bad.len(), 1);
    gate.open();
}

fn a_failure_of_before_ends_the_wait_at_once<B: Executors>() {
    a_held_one!(scratch, executor, gate, slow);
    let bad = executor.submit(refuse, 2);
    bad.exception().unwrap();
    let waited = wait([slow, bad], Some(Duration::MAX), FirstException);
    assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1));
    gate.open();
}

fn what_was_cancelled_has_ended_and_is_no_failure<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = B::executor(1);
    let slow = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let cancelled = executor.submit(held, (begun.clone(), gate.clone()));
    assert!(cancelled.cancel());
    let waited = wait([slow, cancelled], Some(Duration::ZERO), FirstException);
    assert_eq!((waited.done.len(), waited.not_done.len()), (1, 1), "it waited on, to its time-out");
    let waited = wait(waited.not_done.into_iter().chain(waited.done), None, FirstCompleted);
    assert!(waited.done[0].cancelled());
    gate.open();
    assert_eq!(wait(waited.not_done, None, FirstException).done.len(), 1, "all have ended, and none failed");
}

fn a_wait_for_all_has_failures_too<B: Executors>() {
    a_held_one!(scratch, executor, gate, slow);
    let (good, bad) = (executor.submit(|x: u64| x, 1), executor.submit(refuse, 2));
    let waited = wait([slow, good, bad], Some(Duration::ZERO), AllCompleted);
    assert_eq!(waited.done.len() + waited.not_done.len(), 3);
    assert!(!waited.not_done.is_empty());
    gate.open();
    let waited = wait(waited.done.into_iter().chain(waited.not_done), None, AllCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (3, 0));
}

fn a_hundred_that_end_at_once_do_not_confuse_a_wait<B: Executors>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(4);
    let futures: Vec<_> =
        (0..100).map(|_| executor.submit(|gate: crate::support::Gate| gate.wait(), gate.clone())).collect();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(futures, None, AllCompleted));
        gate.open();
        assert_eq!(waiting.join().unwrap().done.len(), 100);
    });
}

fn futures_of_two_executors_are_waited_for_together<B: Executors>() {
    let (one, two) = (B::executor(1), crate::support::Thread::executor(1));
    let three = B::executor(1);
    for _ in 0..20 {
        let futures: Vec<Future<u64>> = (0..30)
            .map(|x: u64| match x % 3 {
                0 => one.submit(|x: u64| x, x),
                1 => two.submit(|x: u64| x, x),
                _ => three.submit(|x: u64| x, x),
            })
            .collect();
        let waited = wait(futures, None, AllCompleted);
        let values: Vec<u64> = waited.done.into_iter().map(|future| future.result().unwrap()).collect();
        assert_eq!(values, (0..30).collect::<Vec<_>>(), "in the order of the input");
    }
}

fn many_outstanding_futures_are_waited_for<B: Executors>() {
    let executor = B::executor(2);
    let futures: Vec<_> = (0..10_000).map(|x: u64| executor.submit(|x: u64| x, x)).collect();
    assert_eq!(wait(futures, None, AllCompleted).done.len(), 10_000);
    assert!(wait(Vec::<Future<u64>>::new(), None, FirstCompleted).done.is_empty());
}

on_every_backend!(
    the_first_to_end_ends_the_wait,
    what_has_ended_before_ends_the_wait_at_once,
    the_first_failure_ends_the_wait,
    a_failure_of_before_ends_the_wait_at_once,
    what_was_cancelled_has_ended_and_is_no_failure,
    a_wait_for_all_has_failures_too,
    a_hundred_that_end_at_once_do_not_confuse_a_wait,
    futures_of_two_executors_are_waited_for_together,
    many_outstanding_futures_are_waited_for,
);
