//! `Executor::map`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crate::support::{Gate, Marks, Scratch, on_every_backend};
use crate::{Executors, mark};

fn results_come_in_the_order_of_the_items<B: Executors>() {
    let executor = B::executor(2);
    let squares: Vec<u64> = (0..200).map(|x| x * x).collect();
    let of = |results: &mut dyn Iterator<Item = pool::Result<u64>>| {
        results.collect::<pool::Result<Vec<_>>>().unwrap()
    };
    assert_eq!(of(&mut executor.map(|x: u64| x * x, 0..200)), squares);
    assert_eq!(of(&mut executor.chunk_size(7).map(|x: u64| x * x, 0..200)), squares);
    assert_eq!(of(&mut executor.buffer_size(3).chunk_size(2).map(|x: u64| x * x, 0..200)), squares);
    let powers = executor.map(|(x, y): (u64, u32)| x.pow(y), [2, 3].into_iter().zip([5, 2]));
    assert_eq!(powers.map(Result::unwrap).collect::<Vec<_>>(), [32, 9]);
}

fn a_fold_is_what_the_single_results_are<B: Executors>() {
    let executor = B::executor(2);
    for limit in [None, Some(Duration::from_secs(3600))] {
        let view = executor.chunk_size(7);
        let view = limit.map_or(view.clone(), |limit| view.timeout(limit));
        let mut results = view.map(|x: u64| x + 1, 0..100);
        assert_eq!(results.next().unwrap().unwrap(), 1);
        let (least, most) = results.size_hint();
        assert!(least <= 99 && most.unwrap() >= 99);
        assert_eq!(results.fold(0, |sum, result| sum + result.unwrap()), (2..=100).sum::<u64>());
    }
}

fn an_item_that_fails_is_an_error_in_its_place<B: Executors>() {
    let executor = B::executor(2);
    let results: Vec<_> = executor.map(|x: u64| 10 / x, [5, 2, 0, 1]).collect();
    assert_eq!([results[0].as_ref().unwrap(), results[1].as_ref().unwrap()], [&2, &5]);
    let error = results[2].as_ref().unwrap_err();
    assert!(error.is_panic() && error.item() == Some(2), "{error}");
    assert_eq!(*results[3].as_ref().unwrap(), 10);
}

fn behind((gate, ran, held): (Gate, Marks, bool)) -> u64 {
    if held {
        gate.wait();
    }
    ran.add();
    1
}

fn after_its_time_a_map_gives_an_error_and_ends<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, ran) = (scratch.gate("gate"), scratch.marks("ran"));
    let executor = B::executor(1);
    // What is ready is given, whatever the time; the rest is not begun, but for what a worker has already: of a pool
    // of processes as many as its lane holds.
    let items = (0..1_000).map(|x| (gate.clone(), ran.clone(), x > 0));
    let mut results = executor.timeout(Duration::from_millis(200)).buffer_size(1_000).map(behind, items);
    ran.wait_for(1);
    assert_eq!(results.next().unwrap().unwrap(), 1);
    let error = results.next().unwrap().unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("1 results"), "{error}");
    assert!(results.next().is_none());
    gate.open();
    executor.shutdown(true, false);
    assert!(ran.count() < 1_000, "{}", ran.count());
}

fn all_of_a_map_is_run_though_nobody_reads_it<B: Executors>() {
    let scratch = Scratch::new();
    let ran = scratch.marks("ran");
    let executor = B::executor(2);
    let results = executor.buffer_size(40).map(mark, (0..40).map(|_| ran.clone()));
    ran.wait_for(40);
    assert_eq!(results.count(), 40);
}

fn an_endless_input_is_taken_no_further_than_the_buffer<B: Executors>() {
    let taken = Arc::new(AtomicU64::new(0));
    let executor = B::executor(2);
    let counted = taken.clone();
    let items = std::iter::repeat_with(move || counted.fetch_add(1, SeqCst));
    let mut results = executor.buffer_size(10).map(|x: u64| x, items);
    for x in 0..25 {
        assert_eq!(results.next().unwrap().unwrap(), x);
        assert!(taken.load(SeqCst) <= x + 11);
    }
}

fn a_shutdown_right_after_a_map_does_not_hang<B: Executors>() {
    let executor = B::executor(2);
    let results = executor.map(|x: u64| x, 0..50);
    executor.shutdown(true, false);
    assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
}

on_every_backend!(
    results_come_in_the_order_of_the_items,
    a_fold_is_what_the_single_results_are,
    an_item_that_fails_is_an_error_in_its_place,
    after_its_time_a_map_gives_an_error_and_ends,
    all_of_a_map_is_run_though_nobody_reads_it,
    an_endless_input_is_taken_no_further_than_the_buffer,
    a_shutdown_right_after_a_map_does_not_hang,
);
