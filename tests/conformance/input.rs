//! Inputs that fail or lie.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pool::Pool;

use crate::support::{Backend, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

/// Counts up, and panics instead of giving item `at`.
fn failing(at: u64) -> impl Iterator<Item = u64> {
    failing_with_length(at, u64::MAX).filter(|_| true)
}

/// The same, and says its length.
fn failing_with_length(at: u64, len: u64) -> impl Iterator<Item = u64> {
    (0..len).inspect(move |x| assert!(*x != at, "the input fails at {at}"))
}

fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

fn a_panic_of_the_input_of_map_is_the_callers<B: Backend>() {
    let pool = B::pool(2);
    for at in [0, 1, 10, 99] {
        for size in [1, 7, 1_000] {
            let view = pool.chunk_size(size);
            let unwound = catch_unwind(AssertUnwindSafe(|| view.map(square, failing(at))));
            assert_eq!(message(unwound.unwrap_err()), format!("the input fails at {at}"));
            let unwound = catch_unwind(AssertUnwindSafe(|| view.map(square, failing_with_length(at, 100))));
            assert_eq!(message(unwound.unwrap_err()), format!("the input fails at {at}"));
            let unwound = catch_unwind(AssertUnwindSafe(|| view.map_async(square, failing(at))));
            assert!(unwound.is_err());
        }
        assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9], "the pool is usable");
    }
    pool.close();
    pool.join().unwrap();
}

fn a_panic_of_the_input_of_imap_is_the_callers<B: Backend>() {
    let pool = B::pool(2);
    for ordered in [true, false] {
        for size in [1, 3] {
            let view = pool.window(6).chunk_size(size);
            let mut given = 0;
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let results = match ordered {
                    true => view.imap(square, failing(20)),
                    false => view.imap_unordered(square, failing(20)),
                };
                for result in results {
                    result.unwrap();
                    given += 1;
                }
            }));
            assert_eq!(message(unwound.unwrap_err()), "the input fails at 20");
            assert!((20 - 6 - size as u64..=20).contains(&given), "{given} results before it");
            assert_eq!(pool.map(square, 0..4).unwrap(), [0, 1, 4, 9]);
        }
    }
    // In the making already.
    let unwound = catch_unwind(AssertUnwindSafe(|| pool.imap(square, failing(0))));
    assert!(unwound.is_err());
    pool.close();
    pool.join().unwrap();
}

/// Says that it has other than it has.
struct Liar {
    items: std::ops::Range<u64>,
    says: (usize, Option<usize>),
}

impl Iterator for Liar {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.items.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.says
    }
}

fn an_input_that_lies_about_its_length<B: Backend>() {
    let pool = B::pool(2);
    let lies = [
        (0, Some(0)),
        (3, Some(3)),
        (100, Some(100)),
        (1_000, None),
        (0, Some(1)),
        (5, Some(2)),
        (0, Some(usize::MAX)),
    ];
    for says in lies {
        for len in [0, 1, 10, 50] {
            let expected: Vec<u64> = (0..len).map(square).collect();
            let liar = || Liar { items: 0..len, says };
            assert_eq!(pool.map(square, liar()).unwrap(), expected, "{len} items, says {says:?}");
            assert_eq!(pool.chunk_size(4).map(square, liar()).unwrap(), expected);
            assert_eq!(pool.imap(square, liar()).map(Result::unwrap).collect::<Vec<_>>(), expected);
            let chunked = pool.chunk_size(4).imap(square, liar());
            assert_eq!(chunked.map(Result::unwrap).collect::<Vec<_>>(), expected);
        }
    }
}

/// The input is endless, and says so: a map of it would have no result, ever.
fn an_input_without_end_is_refused_by_map<B: Backend>() {
    let pool = B::pool(2);
    let refused = |error: pool::Error| {
        assert_eq!(error.kind(), pool::ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("`imap`"), "{error}");
    };
    refused(pool.map(square, 0..).unwrap_err());
    refused(pool.map_async(square, std::iter::repeat(7)).get().unwrap_err());
    refused(pool.starmap(|a: u64, b: u64| a + b, (0..).zip(0..)).unwrap_err());
    assert_eq!(pool.map(square, (0..).take(3)).unwrap(), [0, 1, 4]);
    assert_eq!(pool.imap(square, 0..).take(3).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 4]);
}

/// After its end it would go on, if it were asked.
struct Flickering(u64);

impl Iterator for Flickering {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0 += 1;
        (!self.0.is_multiple_of(10)).then_some(self.0)
    }
}

fn an_input_is_not_asked_again_after_its_end<B: Backend>() {
    let pool = B::pool(2);
    let identity = |x: u64| x;
    for size in [1, 2, 3, 4, 9, 10] {
        let view = pool.chunk_size(size);
        assert_eq!(view.map(identity, Flickering(0)).unwrap(), (1..10).collect::<Vec<_>>());
        let mut results: Vec<_> = view.imap(identity, Flickering(0)).map(Result::unwrap).collect();
        assert_eq!(results, (1..10).collect::<Vec<_>>(), "chunks of {size}");
        results = view.window(3).imap(identity, Flickering(0)).map(Result::unwrap).collect();
        assert_eq!(results, (1..10).collect::<Vec<_>>());
    }
}

fn an_input_may_use_the_pool<B: Backend>() {
    let pool = B::pool(1);
    let items = (0..10u64).map(|x| pool.apply(|x: u64| x + 1, x).unwrap());
    assert_eq!(pool.chunk_size(2).map(square, items).unwrap()[9], 100);
    let results = pool.imap(square, (0..200u64).map(|x| pool.apply(|x: u64| x + 1, x).unwrap()));
    assert_eq!(results.map(Result::unwrap).last(), Some(40_000));
}

fn the_results_of_one_imap_feed_another<B: Backend>() {
    let pool = B::pool(2);
    let first = pool.window(4).imap(|x: u64| x + 1, 0..);
    let second = pool.window(4).imap(square, first.map(Result::unwrap));
    let results: Vec<u64> = second.take(300).map(Result::unwrap).collect();
    assert_eq!(results, (1..=300).map(square).collect::<Vec<_>>());
}

on_every_backend!(
    a_panic_of_the_input_of_map_is_the_callers,
    a_panic_of_the_input_of_imap_is_the_callers,
    an_input_that_lies_about_its_length,
    an_input_without_end_is_refused_by_map,
    an_input_is_not_asked_again_after_its_end,
    an_input_may_use_the_pool,
    the_results_of_one_imap_feed_another,
);
