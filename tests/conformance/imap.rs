//! Results one by one, from an input that is taken lazily.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use pool::{ErrorKind, Pool};

use crate::support::{Backend, Gate, Marks, Scratch, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

fn imap_keeps_the_order_and_ends<B: Backend>() {
    let pool = B::pool(2);
    for size in [1, 3, 100, 1_000] {
        let mut results = pool.chunk_size(size).imap(square, 0..100);
        for x in 0..100 {
            assert_eq!(results.next().unwrap().unwrap(), square(x));
        }
        assert!(results.next().is_none());
        assert!(results.next().is_none(), "it stays at its end");
    }
}

fn imap_keeps_the_order_when_the_first_item_is_done_last<B: Backend>() {
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
    let results: Vec<u64> = pool.imap(last_first, items).map(Result::unwrap).collect();
    assert_eq!(results, (0..30).collect::<Vec<_>>());
}

fn imap_says_how_many_results_there_are_at_least_and_at_most<B: Backend>() {
    let pool = B::pool(2);
    let mut results = pool.chunk_size(4).window(8).imap(square, 0..21);
    for given in 0..21 {
        let (least, most) = results.size_hint();
        assert!(least <= 21 - given && most.unwrap() >= 21 - given, "{least} {most:?} after {given}");
        assert!(least > 0 || given > 0);
        assert_eq!(results.given(), given);
        results.next().unwrap().unwrap();
    }
    assert!(results.next().is_none());
    assert_eq!((results.size_hint().0, results.given()), (0, 21));
    assert_eq!(pool.imap(square, 0..).size_hint().1, None);
}

fn a_fold_of_imap_sees_what_next_would_give<B: Backend>() {
    let pool = B::pool(2);
    let results =
        |size| pool.chunk_size(size).imap(|x: u64| if x % 10 == 9 { panic!("{x}") } else { x }, 0..100);
    for size in [1, 7, 100] {
        let mut begun = results(size);
        let first = begun.next().unwrap().unwrap();
        let folded = begun.fold(vec![Some(first)], |mut all, result| {
            all.push(result.map_err(|error| assert!(error.is_panic())).ok());
            all
        });
        assert_eq!(folded, (0..100).map(|x| (x % 10 != 9).then_some(x)).collect::<Vec<_>>());
    }
}

fn imap_over_nothing_gives_nothing<B: Backend>() {
    let pool = B::pool(2);
    assert!(pool.imap(square, []).next().is_none());
    assert!(pool.imap_unordered(square, []).next().is_none());
    assert!(pool.chunk_size(5).imap(square, []).next().is_none());
}

fn imap_unordered_gives_every_result_once<B: Backend>() {
    let pool = B::pool(2);
    for size in [1, 7, 1_000] {
        let results = pool.chunk_size(size).imap_unordered(square, 0..300);
        let mut results: Vec<u64> = results.map(Result::unwrap).collect();
        results.sort_unstable();
        assert_eq!(results, (0..300).map(square).collect::<Vec<_>>());
    }
}

fn imap_unordered_gives_what_is_there_first<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let gate = scratch.gate("first");
    let wait_for_item_0 = |(x, gate): (u64, Gate)| {
        if x == 0 {
            gate.wait();
        }
        x
    };
    let items: Vec<_> = (0..20).map(|x| (x, gate.clone())).collect();
    let mut results = pool.imap_unordered(wait_for_item_0, items);
    // The gate opens only after this: if item 0 held up any of the others, it would hang.
    let mut others: Vec<u64> = results.by_ref().take(19).map(Result::unwrap).collect();
    others.sort_unstable();
    assert_eq!(others, (1..20).collect::<Vec<_>>());
    gate.open();
    assert_eq!(results.next().unwrap().unwrap(), 0);
    assert!(results.next().is_none());
}

/// An input without end that tells how much was taken of it.
fn endless() -> (Arc<AtomicUsize>, impl Iterator<Item = u64>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    (taken, (0..).inspect(move |_| _ = count.fetch_add(1, SeqCst)))
}

fn imap_takes_no_more_than_its_window<B: Backend>() {
    let pool = B::pool(2);
    for (window, size) in [(1, 1), (2, 1), (7, 1), (64, 1), (7, 3), (9, 3), (10, 100), (1, 5)] {
        for ordered in [true, false] {
            let (taken, items) = endless();
            let view = pool.window(window).chunk_size(size);
            let mut results = match ordered {
                true => view.imap(square, items),
                false => view.imap_unordered(square, items),
            };
            assert!(taken.load(SeqCst) <= window, "{window} {size}: {} at once", taken.load(SeqCst));
            for given in 1..=100 {
                results.next().unwrap().unwrap();
                let ahead = taken.load(SeqCst) - given;
                // What was given is out of the window; a chunk is, when all of it was given.
                assert!(ahead <= window, "window {window}, chunks of {size}: {ahead} ahead");
            }
        }
    }
}

fn imap_has_a_window_by_default<B: Backend>() {
    let pool = B::pool(2);
    let (taken, items) = endless();
    let results: Vec<u64> = pool.imap(square, items).take(1_000).map(Result::unwrap).collect();
    assert_eq!(results, (0..1_000).map(square).collect::<Vec<_>>());
    assert!(taken.load(SeqCst) <= 1_000 + 64 * 2, "{}", taken.load(SeqCst));
}

fn imap_begins_before_the_first_next<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let begun = scratch.marks("begun");
    let results = pool.imap(|begun: Marks| begun.add(), vec![begun.clone(); 5]);
    begun.wait_for(5);
    assert_eq!(results.count(), 5);
}

fn imap_goes_on_after_a_failed_item<B: Backend>() {
    let pool = B::pool(2);
    let fail_sometimes = |x: u64| {
        assert!(x % 4 != 2, "item {x} fails");
        x
    };
    for size in [1, 3, 5, 100] {
        let results: Vec<_> = pool.chunk_size(size).imap(fail_sometimes, 0..20).collect();
        assert_eq!(results.len(), 20, "chunks of {size}");
        for (x, result) in results.into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, x as u64),
                Err(error) => {
                    assert_eq!((x % 4, error.item()), (2, Some(x)));
                    assert_eq!(error.panic().unwrap().message, format!("item {x} fails"));
                }
            }
        }
        let mut failed: Vec<_> = pool
            .chunk_size(size)
            .imap_unordered(fail_sometimes, 0..20)
            .filter_map(|result| result.err().and_then(|error| error.item()))
            .collect();
        failed.sort_unstable();
        assert_eq!(failed, [2, 6, 10, 14, 18]);
    }
}

fn imap_dropped_half_way_leaves_the_pool_usable<B: Backend>() {
    let pool = B::pool(2);
    for _ in 0..20 {
        let (_, items) = endless();
        let mut results = pool.imap(square, items);
        assert_eq!(results.next().unwrap().unwrap(), 0);
        drop(results);
        assert_eq!(pool.apply(square, 5).unwrap(), 25);
    }
    pool.close();
    pool.join().unwrap();
}

fn imap_dropped_does_not_begin_what_waits<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let hold = |(begun, gate): (Marks, Gate)| {
        begun.add();
        gate.wait();
    };
    let results = pool.window(50).imap(hold, vec![(begun.clone(), gate.clone()); 50]);
    begun.wait_for(1);
    drop(results);
    gate.open();
    pool.close();
    pool.join().unwrap();
    // A process may have one or two tasks in its lane beside the one in hand.
    assert!(begun.count() < 10, "{} of 50 were begun for nobody", begun.count());
}

fn next_timeout_can_be_asked_again<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let mut results = pool.imap(|gate: Gate| gate.wait(), [gate.clone()]);
    for _ in 0..3 {
        let error = results.next_timeout(Duration::from_millis(5)).unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
    gate.open();
    results.next_timeout(Duration::from_secs(60)).unwrap().unwrap();
    assert!(results.next_timeout(Duration::ZERO).is_none());
}

fn many_imaps_at_once_do_not_mix<B: Backend>() {
    let pool = B::pool(2);
    let mut all: Vec<_> = (0..10u64).map(|n| pool.window(3).imap(square, n..)).collect();
    for step in 0..50 {
        for (n, results) in (0..).zip(&mut all) {
            assert_eq!(results.next().unwrap().unwrap(), square(n + step));
        }
    }
}

fn imap_outlives_its_pool<B: Backend>() {
    let pool = B::pool(2);
    let (taken, items) = endless();
    let mut results = pool.imap(square, items);
    assert_eq!(results.next().unwrap().unwrap(), 0);
    drop(pool);
    let rest: Vec<_> = results.collect();
    assert!(rest.len() <= 2 * taken.load(SeqCst), "it comes to an end");
    assert!(rest.iter().flat_map(|result| result.as_ref().err()).all(|error| error.is_closed()));
    // Behind one that was still being worked on there may be others that were done.
    assert!(rest.iter().any(Result::is_err), "what ends an endless input is an error");
}

fn imap_of_a_closed_pool_says_so_and_ends<B: Backend>() {
    let pool = B::pool(2);
    pool.close();
    for ordered in [true, false] {
        let (_, items) = endless();
        let mut results = match ordered {
            true => pool.imap(square, items),
            false => pool.imap_unordered(square, items),
        };
        assert_eq!(results.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
        assert!(results.count() < 10_000, "an endless input ends here");
    }
    pool.join().unwrap();
}

on_every_backend!(
    imap_keeps_the_order_and_ends,
    imap_keeps_the_order_when_the_first_item_is_done_last,
    imap_says_how_many_results_there_are_at_least_and_at_most,
    a_fold_of_imap_sees_what_next_would_give,
    imap_over_nothing_gives_nothing,
    imap_unordered_gives_every_result_once,
    imap_unordered_gives_what_is_there_first,
    imap_takes_no_more_than_its_window,
    imap_has_a_window_by_default,
    imap_begins_before_the_first_next,
    imap_goes_on_after_a_failed_item,
    imap_dropped_half_way_leaves_the_pool_usable,
    imap_dropped_does_not_begin_what_waits,
    next_timeout_can_be_asked_again,
    many_imaps_at_once_do_not_mix,
    imap_outlives_its_pool,
    imap_of_a_closed_pool_says_so_and_ends,
);
