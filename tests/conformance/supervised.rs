//! What every pool does for its workers: an initializer, and tasks that are tried again.

use std::sync::OnceLock;

use pool::{ErrorKind, Pool, with};

use crate::support::{Backend, Marks, Scratch, crew, on_every_backend};

fn mark(marks: Marks) {
    marks.add();
}

fn an_initializer_runs_once_in_every_worker_before_its_first_task<B: Backend>() {
    let scratch = Scratch::new();
    let marks = scratch.marks("initialized");
    let pool = B::initialized(3, mark, marks.clone()).unwrap();
    let seen = pool.chunk_size(1).map(|marks: Marks| marks.count(), vec![marks.clone(); 30]).unwrap();
    assert!(seen.into_iter().all(|count| (1..=3).contains(&count)));
    crew(&pool, 3);
    assert_eq!(marks.count(), 3);
    pool.resize(5).unwrap();
    crew(&pool, 5);
    assert_eq!(marks.count(), 5, "also in those that come later");
}

fn an_initializer_leaves_what_tasks_need<B: Backend>() {
    static TABLE: OnceLock<Vec<u64>> = OnceLock::new();
    // On threads every worker sets the same.
    let fill = |table: Vec<u64>| drop(TABLE.set(table));
    let pool = B::initialized(2, fill, vec![5, 6, 7]).unwrap();
    let looked_up = pool.map(|x: usize| TABLE.get().map(|table| table[x]), [0, 1, 2]).unwrap();
    assert_eq!(looked_up, [Some(5), Some(6), Some(7)]);
}

fn an_initializer_may_have_a_context<B: Backend>() {
    let scratch = Scratch::new();
    let marks = scratch.marks("initialized");
    let pool = B::initialized(2, with(marks.clone(), |marks: &Marks, _: u64| marks.add()), 7).unwrap();
    crew(&pool, 2);
    assert_eq!(marks.count(), 2);
}

fn an_initializer_that_panics_breaks_the_pool<B: Backend>() {
    let pool = B::initialized(2, |x: u64| panic!("no model {x}"), 7).unwrap();
    let handles: Vec<_> = (0..10u64).map(|x| pool.apply_async(|x: u64| x, x)).collect();
    let mapped = pool.map_async(|x: u64| x, 0..100);
    for handle in handles {
        let error = handle.get().unwrap_err();
        assert!(error.is_broken(), "{error}");
        let text = error.to_string();
        assert!(text.contains("no model 7") && text.contains("supervised.rs:"), "{text}");
        assert!(text.contains("-worker-"), "{text}");
    }
    assert!(mapped.get().unwrap_err().is_broken());
    // For good, and for every method.
    assert!(pool.apply(|x: u64| x, 1).unwrap_err().is_broken());
    assert!(pool.map(|x: u64| x, []).unwrap_err().is_broken());
    assert!(pool.imap(|x: u64| x, 0..).next().unwrap().unwrap_err().is_broken());
    assert!(pool.resize(3).unwrap_err().is_broken());
    assert_eq!(pool.join().unwrap_err().kind(), ErrorKind::StillOpen);
    pool.close();
    assert!(pool.apply(|x: u64| x, 1).unwrap_err().is_broken());
    pool.join().unwrap();
    assert!(pool.apply(|x: u64| x, 1).unwrap_err().is_broken());
}

/// Panics the first `panics` times.
fn fragile((tries, panics): (Marks, u64)) -> u64 {
    tries.add();
    assert!(tries.count() > panics, "try {}", tries.count());
    tries.count()
}

fn a_panic_is_tried_again_when_asked<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let view = pool.retries(2).retry_panics();
    assert_eq!(view.apply(fragile, (scratch.marks("apply"), 2)).unwrap(), 3);
    let items: Vec<_> = (0..6u64).map(|x| (scratch.marks(&format!("map-{x}")), x % 3)).collect();
    assert_eq!(view.chunk_size(1).map(fragile, items).unwrap(), [1, 2, 3, 1, 2, 3]);
    let items: Vec<_> = (0..6u64).map(|x| (scratch.marks(&format!("imap-{x}")), x % 3)).collect();
    for (x, result) in (0..).zip(view.imap(fragile, items)) {
        assert_eq!(result.unwrap(), x % 3 + 1, "item {x}");
    }
    let large = |(tries, bytes): (Marks, Vec<u8>)| {
        fragile((tries, 1));
        bytes
    };
    assert!(view.apply(large, (scratch.marks("large"), vec![7; 1 << 20])).unwrap() == vec![7; 1 << 20]);
    // An array that goes as memory.
    let first = scratch.marks("plain");
    let plain = with(first, |first: &Marks, numbers: Vec<u64>| {
        first.add();
        assert!(first.count() > 1);
        numbers
    });
    assert_eq!(view.apply(plain, (0..1_000).collect()).unwrap(), (0..1_000).collect::<Vec<u64>>());
}

fn panics_use_tries_up<B: Backend>() {
    let pool = B::pool(2);
    for retries in 0..3 {
        let scratch = Scratch::new();
        let tries = scratch.marks("tries");
        let error = pool.retries(retries).retry_panics().apply(fragile, (tries.clone(), 100)).unwrap_err();
        assert!(error.is_panic() && error.to_string().contains(&format!("try {}", retries + 1)), "{error}");
        assert_eq!(tries.count(), u64::from(retries) + 1);
    }
}

fn a_panic_is_not_tried_again_unasked<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let tries = scratch.marks("tries");
    assert!(pool.retries(3).apply(fragile, (tries.clone(), 100)).unwrap_err().is_panic());
    assert_eq!(tries.count(), 1);
    // And never without a number.
    assert!(pool.retry_panics().apply(fragile, (tries.clone(), 100)).unwrap_err().is_panic());
    assert_eq!(tries.count(), 2);
}

fn a_cancelled_task_is_not_tried_again<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let task = |(begun, gate): (Marks, crate::support::Gate)| -> u64 {
        begun.add();
        gate.wait();
        panic!("late");
    };
    let handle = pool.retries(100).retry_panics().apply_async(task, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    assert!(handle.cancel());
    gate.open();
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
    assert_eq!(begun.count(), 1);
}

on_every_backend!(
    an_initializer_runs_once_in_every_worker_before_its_first_task,
    an_initializer_leaves_what_tasks_need,
    an_initializer_may_have_a_context,
    an_initializer_that_panics_breaks_the_pool,
    a_panic_is_tried_again_when_asked,
    panics_use_tries_up,
    a_panic_is_not_tried_again_unasked,
    a_cancelled_task_is_not_tried_again,
);
