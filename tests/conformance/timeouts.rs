//! A task that runs past its limit ends, alone.

use std::time::Duration;

use pool::{ErrorKind, Pool};

use crate::support::{Backend, Gate, Scratch, crew, on_every_backend};

const LIMIT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_secs(60);

fn wait_at((stay, gate): (bool, Gate)) -> bool {
    if stay {
        gate.wait();
    }
    stay
}

fn a_task_over_its_limit_ends_and_the_others_do_not<B: Backend>() {
    let pool = B::pool(2);
    let before = crew(&pool, 2);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let stuck = pool.timeout(LIMIT).apply_async(wait_at, (true, gate.clone()));
    let others: Vec<_> = (0..50).map(|_| pool.apply_async(wait_at, (false, gate.clone()))).collect();
    let error = stuck.get().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.is_timeout());
    assert_eq!(error.worker().expect("the worker that had it").pid.is_some(), B::IS_PROCESS);
    for other in others {
        assert!(!other.get().unwrap());
    }
    let after = crew(&pool, 2);
    assert_eq!(after.intersection(&before).count(), 1, "one worker was replaced");
    gate.open();
}

fn every_worker_may_be_stuck_and_more<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let view = pool.timeout(LIMIT);
    let stuck: Vec<_> = (0..5).map(|_| view.apply_async(wait_at, (true, gate.clone()))).collect();
    let fine = pool.apply_async(wait_at, (false, gate.clone()));
    for handle in stuck {
        assert!(handle.get().unwrap_err().is_timeout());
    }
    assert!(!fine.get().unwrap());
    crew(&pool, 2);
    gate.open();
}

fn a_task_within_its_limit_is_not_touched<B: Backend>() {
    let pool = B::pool(2);
    let before = crew(&pool, 2);
    let view = pool.timeout(LONG);
    assert_eq!(view.map(|x: u64| x + 1, 0..1_000).unwrap().len(), 1_000);
    assert_eq!(view.apply(|x: u64| x, 5).unwrap(), 5);
    assert_eq!(pool.timeout(Duration::MAX).apply(|x: u64| x, 5).unwrap(), 5);
    assert_eq!(crew(&pool, 2), before);
}

/// The time counts from when the task starts: what waits for a worker does not run out of it.
fn waiting_for_a_worker_does_not_count<B: Backend>() {
    let pool = B::pool(1);
    // Time is what this is about: all together they take twice the limit, and each a small part of it.
    let nap = |x: u64| {
        std::thread::sleep(Duration::from_millis(20));
        x
    };
    let limit = Duration::from_millis(400);
    let results = pool.chunk_size(1).timeout(limit).map(nap, 0..40).unwrap();
    assert_eq!(results, (0..40).collect::<Vec<_>>());
}

fn imap_goes_on_after_a_timeout<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let items: Vec<_> = (0..10).map(|x| (x == 4, gate.clone())).collect();
    let results: Vec<_> = pool.timeout(LIMIT).imap(wait_at, items).collect();
    assert_eq!(results.len(), 10);
    for (x, result) in results.into_iter().enumerate() {
        match result {
            Ok(stayed) => assert!(!stayed && x != 4),
            Err(error) => assert_eq!((x, error.kind(), error.item()), (4, ErrorKind::TimedOut, Some(4))),
        }
    }
    gate.open();
}

fn map_reports_the_item_that_ran_out_of_time<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let items: Vec<_> = (0..10).map(|x| (x == 4, gate.clone())).collect();
    let error = pool.chunk_size(1).timeout(LIMIT).map(wait_at, items).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::TimedOut, Some(4)));
    gate.open();
}

fn a_pool_is_dropped_while_a_limit_runs<B: Backend>() {
    let pool = B::pool(1);
    assert_eq!(pool.timeout(LONG).apply(|x: u64| x, 1).unwrap(), 1);
    let queued = pool.timeout(LONG).map_async(|x: u64| x, 0..1_000);
    drop(pool);
    assert!(queued.ready());
}

on_every_backend!(
    a_task_over_its_limit_ends_and_the_others_do_not,
    every_worker_may_be_stuck_and_more,
    a_task_within_its_limit_is_not_touched,
    waiting_for_a_worker_does_not_count,
    imap_goes_on_after_a_timeout,
    map_reports_the_item_that_ran_out_of_time,
    a_pool_is_dropped_while_a_limit_runs,
);
