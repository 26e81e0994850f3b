//! Panics of the user's code are errors; they cost neither the pool nor a worker.

use std::panic::{catch_unwind, panic_any, resume_unwind};

use pool::Pool;

use crate::support::{Backend, Marks, Scratch, crew, on_every_backend};

const LINE: u32 = line!() + 2;
fn explode(x: u64) -> u64 {
    panic!("item {x} is bad")
}

fn the_error_has_message_and_place<B: Backend>() {
    let pool = B::pool(1);
    let error = pool.apply(explode, 3).unwrap_err();
    assert!(error.is_panic());
    let panic = error.panic().unwrap();
    assert_eq!(panic.message, "item 3 is bad");
    let place = panic.location.as_deref().unwrap();
    assert!(place.contains(&format!("panics.rs:{LINE}:")), "{place}");
    let text = error.to_string();
    assert!(text.contains("item 3 is bad") && text.contains(place), "{text}");
}

fn the_error_has_the_index_of_the_item<B: Backend>() {
    let pool = B::pool(2);
    for size in [1, 3, 100] {
        let error = pool.chunk_size(size).map(|x: u64| 100 / (30 - x), 10..50).unwrap_err();
        assert_eq!(error.item(), Some(20), "chunks of {size}");
        assert!(error.panic().unwrap().message.contains("divide by zero"));
        assert!(error.to_string().starts_with("item 20: "), "{error}");
    }
}

fn every_method_reports_a_panic<B: Backend>() {
    let pool = B::pool(2);
    assert!(pool.apply_async(explode, 1).get().unwrap_err().is_panic());
    assert!(pool.map(explode, 0..3).unwrap_err().is_panic());
    assert!(pool.map_async(explode, 0..3).get().unwrap_err().is_panic());
    assert!(pool.imap(explode, 0..3).all(|result| result.unwrap_err().is_panic()));
    assert_eq!(pool.imap_unordered(explode, 0..3).filter(Result::is_err).count(), 3);
    assert!(pool.starmap(|a: u64, b: u64| a / b, [(1, 0)]).unwrap_err().is_panic());
}

fn a_panic_costs_no_worker<B: Backend>() {
    let pool = B::pool(2);
    let before = crew(&pool, 2);
    let handles: Vec<_> = (0..50).map(|x| pool.apply_async(explode, x)).collect();
    for (x, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.get().unwrap_err().panic().unwrap().message, format!("item {x} is bad"));
    }
    assert!(pool.map(explode, 0..50).is_err());
    assert_eq!(pool.map(|x: u64| x + 1, 0..3).unwrap(), [1, 2, 3]);
    assert_eq!(crew(&pool, 2), before);
}

fn maps_error_is_of_the_first_failing_item<B: Backend>() {
    let pool = B::pool(2);
    let fail_late_first = |(x, later): (u64, Option<Marks>)| {
        match (x, later) {
            (10, Some(later)) => later.wait_for(1),
            (50, Some(later)) => later.add(),
            (10 | 50, None) => {}
            _ => return x,
        }
        panic!("item {x}")
    };
    let scratch = Scratch::new();
    for size in [1, 3, 7, 40, 100] {
        // In one chunk the later one does not come before the first.
        let later = (size < 100).then(|| scratch.marks(&format!("later-{size}")));
        let items: Vec<_> = (0..100).map(|x| (x, later.clone())).collect();
        let error = pool.chunk_size(size).map(fail_late_first, items).unwrap_err();
        assert_eq!(error.item(), Some(10), "chunks of {size}: {error}");
    }
}

/// When every item fails, the first does.
fn maps_error_is_of_the_first_item_when_all_fail<B: Backend>() {
    let pool = B::pool(2);
    for round in 0..500 {
        let error = pool.chunk_size(1).map(explode, 0..8).unwrap_err();
        assert_eq!(error.item(), Some(0), "round {round}: {error}");
    }
}

/// The failing item waits behind a slow one when a later item fails.
fn maps_error_is_of_the_first_failing_item_behind_a_slow_one<B: Backend>() {
    let pool = B::pool(2);
    let view = pool.chunk_size(1);
    let fail = |(x, failed): (u64, Marks)| {
        match x {
            0 => failed.wait_for(1),
            6.. => {
                failed.add();
                panic!("item {x}")
            }
            _ => {}
        }
        x
    };
    let scratch = Scratch::new();
    for round in 0..20 {
        // Short tasks first, so that the pool has reason to send several at once.
        view.map(|x: u64| x, 0..500).unwrap();
        let failed = scratch.marks(&format!("failed-{round}"));
        let items: Vec<_> = (0..40).map(|x| (x, failed.clone())).collect();
        let error = view.map(fail, items).unwrap_err();
        assert_eq!(error.item(), Some(6), "{error}");
    }
}

fn the_error_names_the_worker<B: Backend>() {
    let pool = B::pool(2);
    let one = pool.apply(explode, 0).unwrap_err();
    let gathered = pool.map(explode, 0..8).unwrap_err();
    let streamed = pool.imap(explode, 0..1).next().unwrap().unwrap_err();
    for error in [one, gathered, streamed] {
        let worker = error.worker().expect("a worker had the task");
        assert!(worker.name.contains("-worker-"), "{}", worker.name);
        assert_eq!(worker.pid.is_some(), B::IS_PROCESS);
        assert_ne!(worker.pid, Some(std::process::id()));
    }
}

fn throw_a_number(x: u64) {
    panic_any(x)
}

fn a_payload_that_is_no_text<B: Backend>() {
    let pool = B::pool(1);
    let error = pool.apply(throw_a_number, 5).unwrap_err();
    assert!(error.is_panic() && !error.panic().unwrap().message.is_empty());
    assert!(error.panic().unwrap().location.as_deref().unwrap().contains("panics.rs:"));
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload panics too");
    }
}

fn throw_a_bomb(_: u64) {
    panic_any(Bomb)
}

fn a_payload_that_panics_when_dropped<B: Backend>() {
    let pool = B::pool(1);
    let before = crew(&pool, 1);
    assert!(pool.apply(throw_a_bomb, 0).unwrap_err().is_panic());
    let error = pool.map(throw_a_bomb, 0..3).unwrap_err();
    assert_eq!((error.is_panic(), error.item()), (true, Some(0)));
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
    assert_eq!(crew(&pool, 1), before);
}

fn a_task_may_catch_its_own_panic<B: Backend>() {
    let pool = B::pool(1);
    let caught = pool.apply(|x: u64| catch_unwind(|| 1 / x).is_err(), 0).unwrap();
    assert!(caught);
    let error = pool.apply(explode, 4).unwrap_err();
    assert_eq!(error.panic().unwrap().message, "item 4 is bad");
    assert!(error.panic().unwrap().location.as_deref().unwrap().contains(&format!(":{LINE}:")));
}

fn resume(text: String) {
    resume_unwind(Box::new(text))
}

/// `resume_unwind` calls no panic hook, so nothing is known of its place; least of all the place of
/// another panic, which an earlier task caught itself.
fn a_resumed_panic_has_no_place_of_another<B: Backend>() {
    let pool = B::pool(1);
    assert!(pool.apply(|x: u64| catch_unwind(|| 1 / x).is_err(), 0).unwrap());
    let error = pool.apply(resume, "resumed".to_owned()).unwrap_err();
    let panic = error.panic().unwrap();
    assert_eq!(panic.message, "resumed");
    assert_eq!(panic.location, None, "the place is that of another panic");
}

fn a_panic_in_a_thread_of_a_task_is_that_threads<B: Backend>() {
    let pool = B::pool(1);
    let nested = |x: u64| std::thread::spawn(move || 1 / x).join().is_err();
    assert!(pool.apply(nested, 0).unwrap());
    assert!(!pool.apply(nested, 1).unwrap());
}

fn a_panic_in_a_drop_of_a_local_is_the_tasks<B: Backend>() {
    let pool = B::pool(1);
    let error = pool.apply(|()| drop(Bomb), ()).unwrap_err();
    assert_eq!(error.panic().unwrap().message, "the payload panics too");
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
}

fn a_users_result_is_a_value<B: Backend>() {
    let pool = B::pool(2);
    let parse = |text: String| text.parse::<u64>().map_err(|error| error.to_string());
    let results = pool.map(parse, ["7", "x"].map(String::from)).unwrap();
    assert_eq!(results[0], Ok(7));
    assert!(results[1].is_err());
}

on_every_backend!(
    the_error_has_message_and_place,
    the_error_has_the_index_of_the_item,
    every_method_reports_a_panic,
    a_panic_costs_no_worker,
    maps_error_is_of_the_first_failing_item,
    maps_error_is_of_the_first_item_when_all_fail,
    maps_error_is_of_the_first_failing_item_behind_a_slow_one,
    the_error_names_the_worker,
    a_payload_that_is_no_text,
    a_payload_that_panics_when_dropped,
    a_task_may_catch_its_own_panic,
    a_resumed_panic_has_no_place_of_another,
    a_panic_in_a_thread_of_a_task_is_that_threads,
    a_panic_in_a_drop_of_a_local_is_the_tasks,
    a_users_result_is_a_value,
);
