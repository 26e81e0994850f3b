//! For any input, chunk size, number of workers and window, every method gives what the serial
//! iterator gives: in order where order is promised.

use pool::{Pool, with};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Backend, on_every_backend};

type Item = (u64, String);

fn task((number, text): Item) -> (String, u64) {
    let reversed = text.chars().rev().collect();
    (reversed, number.wrapping_mul(31) ^ text.len() as u64)
}

/// Fails for some items.
fn fragile(item: Item) -> u64 {
    assert!(!item.0.is_multiple_of(5), "{}", item.0);
    item.0
}

/// One case: the input, and how it is to be run.
#[derive(Debug, Clone)]
struct Case {
    items: Vec<Item>,
    workers: usize,
    chunk: Option<usize>,
    window: Option<usize>,
}

fn cases() -> impl Strategy<Value = Case> {
    let items = prop_oneof![
        4 => vec((any::<u64>(), ".{0,12}"), 0..40),
        1 => vec((any::<u64>(), "[a-z]{0,3}"), 200..600),
    ];
    let option = || prop_oneof![Just(None), (1..20usize).prop_map(Some), (1..1_000usize).prop_map(Some)];
    (items, 1..=4usize, option(), option()).prop_map(|(items, workers, chunk, window)| Case {
        items,
        workers,
        chunk,
        window,
    })
}

fn check<B: Backend>(property: impl Fn(&pool::View, Vec<Item>) -> Result<(), TestCaseError>) {
    let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&cases(), |case| {
        let mut view = B::shared(case.workers).retries(0);
        if let Some(size) = case.chunk {
            view = view.chunk_size(size);
        }
        if let Some(window) = case.window {
            view = view.window(window);
        }
        property(&view, case.items)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn serial(items: &[Item]) -> Vec<(String, u64)> {
    items.iter().cloned().map(task).collect()
}

fn map_equals_the_serial_map<B: Backend>() {
    check::<B>(|pool, items| {
        let expected = serial(&items);
        prop_assert_eq!(&pool.map(task, items.clone()).unwrap(), &expected);
        prop_assert_eq!(&pool.map_async(task, items.clone()).get().unwrap(), &expected);
        // Of unknown length.
        prop_assert_eq!(&pool.map(task, items.into_iter().filter(|_| true)).unwrap(), &expected);
        Ok(())
    });
}

fn starmap_equals_the_serial_map<B: Backend>() {
    check::<B>(|pool, items| {
        let expected = serial(&items);
        let two = |number: u64, text: String| task((number, text));
        prop_assert_eq!(&pool.starmap(two, items.clone()).unwrap(), &expected);
        prop_assert_eq!(&pool.starmap_async(two, items).get().unwrap(), &expected);
        Ok(())
    });
}

fn imap_equals_the_serial_map<B: Backend>() {
    check::<B>(|pool, items| {
        let expected = serial(&items);
        let results: Vec<_> = pool.imap(task, items).map(Result::unwrap).collect();
        prop_assert_eq!(results, expected);
        Ok(())
    });
}

fn imap_unordered_equals_the_serial_map_but_for_the_order<B: Backend>() {
    check::<B>(|pool, items| {
        let mut expected = serial(&items);
        let mut results: Vec<_> = pool.imap_unordered(task, items).map(Result::unwrap).collect();
        results.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(results, expected);
        Ok(())
    });
}

fn apply_equals_the_call<B: Backend>() {
    check::<B>(|pool, items| {
        let expected = serial(&items);
        let handles: Vec<_> = items.iter().cloned().map(|item| pool.apply_async(task, item)).collect();
        let mut results: Vec<_> = handles.into_iter().rev().map(|handle| handle.get().unwrap()).collect();
        results.reverse();
        prop_assert_eq!(results, expected);
        if let Some(item) = items.into_iter().next() {
            prop_assert_eq!(pool.apply(task, item.clone()).unwrap(), task(item));
        }
        Ok(())
    });
}

fn a_context_changes_nothing_of_it<B: Backend>() {
    check::<B>(|pool, items| {
        let prefixed = |prefix: &String, item: Item| (prefix.clone(), task(item));
        let prefix = items.first().map_or_else(String::new, |item| item.1.clone());
        let expected: Vec<_> = items.iter().cloned().map(|item| prefixed(&prefix, item)).collect();
        prop_assert_eq!(&pool.map(with(prefix.clone(), prefixed), items.clone()).unwrap(), &expected);
        let results: Vec<_> = pool.imap(with(prefix, prefixed), items).map(Result::unwrap).collect();
        prop_assert_eq!(results, expected);
        Ok(())
    });
}

fn failures_are_where_they_are_in_the_serial_map<B: Backend>() {
    check::<B>(|pool, items| {
        let fails = |item: &Item| item.0.is_multiple_of(5);
        let results: Vec<_> = pool.imap(fragile, items.clone()).collect();
        prop_assert_eq!(results.len(), items.len());
        for (at, (item, result)) in items.iter().zip(results).enumerate() {
            match result {
                Ok(value) => prop_assert!(value == item.0 && !fails(item)),
                Err(error) => prop_assert!(fails(item) && error.is_panic() && error.item() == Some(at)),
            }
        }
        let first = items.iter().position(fails);
        match pool.map(fragile, items) {
            Ok(_) => prop_assert_eq!(first, None),
            Err(error) => prop_assert_eq!(error.item(), first),
        }
        Ok(())
    });
}

on_every_backend!(
    map_equals_the_serial_map,
    starmap_equals_the_serial_map,
    imap_equals_the_serial_map,
    imap_unordered_equals_the_serial_map_but_for_the_order,
    apply_equals_the_call,
    a_context_changes_nothing_of_it,
    failures_are_where_they_are_in_the_serial_map,
);
