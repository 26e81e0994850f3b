//! All items, in order.

use pool::Pool;

use crate::support::{Backend, Gate, Marks, Scratch, crew, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

fn squares(count: u64) -> Vec<u64> {
    (0..count).map(square).collect()
}

fn map_keeps_the_order_of_the_input<B: Backend>() {
    let pool = B::pool(2);
    for count in [1, 2, 3, 7, 8, 9, 1_000] {
        assert_eq!(pool.map(square, 0..count).unwrap(), squares(count));
    }
}

fn map_keeps_the_order_with_any_chunk_size<B: Backend>() {
    let pool = B::pool(2);
    for size in [1, 3, 99, 100, 101, 1 << 40, usize::MAX] {
        assert_eq!(pool.chunk_size(size).map(square, 0..100).unwrap(), squares(100), "chunks of {size}");
    }
}

fn map_keeps_the_order_when_the_first_item_is_done_last<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let last_is_done = scratch.marks("last");
    let last_first = |(x, last_is_done): (u64, Marks)| {
        match x {
            0 => last_is_done.wait_for(1),
            29 => last_is_done.add(),
            _ => {}
        }
        x
    };
    let items: Vec<_> = (0..30).map(|x| (x, last_is_done.clone())).collect();
    assert_eq!(pool.chunk_size(1).map(last_first, items).unwrap(), (0..30).collect::<Vec<_>>());
}

fn map_over_nothing_gives_nothing<B: Backend>() {
    let pool = B::pool(2);
    assert!(pool.map(square, []).unwrap().is_empty());
    assert!(pool.chunk_size(1).map(square, std::iter::empty()).unwrap().is_empty());
    assert!(pool.map_async(square, Vec::new()).get().unwrap().is_empty());
    assert!(pool.starmap(|a: u64, b: u64| a + b, []).unwrap().is_empty());
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
}

fn map_takes_inputs_of_unknown_length<B: Backend>() {
    let pool = B::pool(2);
    let even = (0..200u64).filter(|x| x % 2 == 0);
    let expected: Vec<u64> = even.clone().map(square).collect();
    assert_eq!(pool.map(square, even).unwrap(), expected);
}

fn map_async_equals_the_serial_map<B: Backend>() {
    let pool = B::pool(2);
    let handles: Vec<_> = (0..20u64).map(|n| pool.map_async(square, n..n + 50)).collect();
    for (n, handle) in (0u64..).zip(handles) {
        assert_eq!(handle.get().unwrap(), (n..n + 50).map(square).collect::<Vec<_>>());
    }
}

fn map_of_many_items<B: Backend>() {
    let pool = B::pool(2);
    assert_eq!(pool.map(|x: u64| x + 1, 0..200_000).unwrap(), (1..=200_000).collect::<Vec<u64>>());
}

fn map_with_more_workers_than_items_and_cores<B: Backend>() {
    let pool = B::pool(8);
    assert_eq!(pool.map(square, 0..3).unwrap(), squares(3));
    assert_eq!(pool.map(square, 0..1_000).unwrap(), squares(1_000));
    crew(&pool, 8);
}

fn map_on_one_worker<B: Backend>() {
    let pool = B::pool(1);
    assert_eq!(pool.map(square, 0..1_000).unwrap(), squares(1_000));
}

fn one_slow_item_holds_up_only_its_worker<B: Backend>() {
    // Short tasks first, so that the pool has reason to think that what follows is short too.
    let pool = B::pool(2);
    pool.chunk_size(1).map(square, 0..2_000).unwrap();
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let hold_the_first = |(x, gate): (u64, Gate)| {
        if x == 0 {
            gate.wait();
        }
        x
    };
    let items: Vec<_> = (0..40).map(|x| (x, gate.clone())).collect();
    let mut results = pool.imap_unordered(hold_the_first, items).map(Result::unwrap);
    let first = results.by_ref().take(39).min();
    assert_eq!(first, Some(1), "39 items passed the slow one");
    gate.open();
    assert_eq!(results.collect::<Vec<_>>(), [0]);
}

on_every_backend!(
    map_keeps_the_order_of_the_input,
    map_keeps_the_order_with_any_chunk_size,
    map_keeps_the_order_when_the_first_item_is_done_last,
    map_over_nothing_gives_nothing,
    map_takes_inputs_of_unknown_length,
    map_async_equals_the_serial_map,
    map_of_many_items,
    map_with_more_workers_than_items_and_cores,
    map_on_one_worker,
    one_slow_item_holds_up_only_its_worker,
);
