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

/// Some inputs are shared out without being taken item by item.
fn a_map_is_the_same_over_every_kind_of_input<B: Backend>() {
    let pool = B::pool(2);
    let view = pool.chunk_size(3);
    let expected = squares(20);
    let numbers: Vec<u64> = (0..20).collect();
    assert_eq!(view.map(square, numbers.clone()).unwrap(), expected);
    assert_eq!(view.map(square, numbers.iter().copied()).unwrap(), expected);
    assert_eq!(view.map(square, (0..40).filter(|x| *x < 20)).unwrap(), expected);
    let mut half_taken = numbers.clone().into_iter();
    half_taken.nth(15);
    assert_eq!(view.map(square, half_taken).unwrap(), expected[16..]);
    assert_eq!(view.map(|x: u64| x.to_string(), numbers.clone()).unwrap()[19], "19");
    assert_eq!(view.map(|x: u64| (x % 2) as u8, numbers).unwrap()[..4], [0, 1, 0, 1]);
    let texts: Vec<String> = expected.iter().map(u64::to_string).collect();
    assert_eq!(view.map(|text: String| text, texts.clone()).unwrap(), texts);
    assert_eq!(view.map(|x: i8| i32::from(x) - 1, -128..127).unwrap(), (-129..126).collect::<Vec<i32>>());
    assert_eq!(view.map(|x: usize| x, usize::MAX - 4..usize::MAX).unwrap().len(), 4);
    assert_eq!(view.map(|()| 1_u8, vec![(); 5]).unwrap(), [1; 5]);
    assert_eq!(view.map(|()| (), vec![(); 5]).unwrap(), [(); 5]);
    assert!(view.map(square, 7..7).unwrap().is_empty());
    let error = view.map(|x: u32| 60 / x.abs_diff(7), 5..30_u32).unwrap_err();
    assert!(error.is_panic() && error.item() == Some(2), "{error}");
    let error = view.map(|x: i64| 60 / (x - 7), vec![5, 6, 7, 8, 7]).unwrap_err();
    assert!(error.is_panic() && error.item() == Some(2), "{error}");
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
    a_map_is_the_same_over_every_kind_of_input,
    map_keeps_the_order_when_the_first_item_is_done_last,
    map_over_nothing_gives_nothing,
    map_takes_inputs_of_unknown_length,
    map_async_equals_the_serial_map,
    map_of_many_items,
    map_with_more_workers_than_items_and_cores,
    map_on_one_worker,
    one_slow_item_holds_up_only_its_worker,
);
