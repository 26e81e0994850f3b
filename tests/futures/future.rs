//! One future.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool::futures::Future;
use pool::{ErrorKind, Pool};

use crate::support::{Scratch, eventually, on_every_backend};
use crate::{Executors, held, mark, refuse};

const NOW: Duration = Duration::ZERO;

/// `N` futures of which the first runs and the others are pending, on one worker; what they wait for.
macro_rules! one_runs {
    ($scratch:ident, $executor:ident, $gate:ident, $running:ident) => {
        let $scratch = Scratch::new();
        let ($gate, begun) = ($scratch.gate("gate"), $scratch.marks("begun"));
        let $executor = B::executor(1);
        let $running = $executor.submit(held, (begun.clone(), $gate.clone()));
        begun.wait_for(1);
    };
}

fn cancel_succeeds_for_what_has_not_begun_alone<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let marks = scratch.marks("ran");
    let pending = executor.submit(mark, marks.clone());
    let last = executor.submit(mark, marks.clone());
    assert!(!running.cancel() && !running.cancelled());
    assert!(pending.cancel() && pending.cancel());
    assert!(pending.cancelled() && pending.done() && !pending.running());
    gate.open();
    running.exception().unwrap();
    assert!(!running.cancel() && !running.cancelled());
    last.result().unwrap();
    assert_eq!(marks.count(), 1, "what was cancelled never ran");
}

fn every_state_is_told_from_the_others<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let pending = executor.submit(mark, scratch.marks("ran"));
    let states = |future: &dyn Fn() -> (bool, bool, bool)| future();
    assert_eq!(states(&|| (running.running(), running.done(), running.cancelled())), (true, false, false));
    assert_eq!(states(&|| (pending.running(), pending.done(), pending.cancelled())), (false, false, false));
    assert!(pending.cancel());
    assert_eq!(states(&|| (pending.running(), pending.done(), pending.cancelled())), (false, true, true));
    gate.open();
    running.exception().unwrap();
    assert_eq!(states(&|| (running.running(), running.done(), running.cancelled())), (false, true, false));
}

fn many_that_wait_are_cancelled_in_any_order<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let ran = scratch.marks("ran");
    let mut futures: Vec<_> = (0..300).map(|_| executor.submit(mark, ran.clone())).collect();
    let kept = futures.remove(150);
    let (first, last) = futures.split_at(150);
    assert!(first.iter().all(Future::cancel) && last.iter().rev().all(Future::cancel));
    gate.open();
    kept.result().unwrap();
    running.result().unwrap();
    assert_eq!(ran.count(), 1);
}

fn what_is_cancelled_while_it_may_begin_either_runs_or_never_does<B: Executors>() {
    let scratch = Scratch::new();
    let ran = scratch.marks("ran");
    let executor = B::executor(2);
    let futures: Vec<_> = (0..400).map(|_| executor.submit(mark, ran.clone())).collect();
    let cancelled = futures.iter().filter(|future| future.cancel()).count();
    let done = futures.into_iter().filter_map(|future| future.result().ok()).count();
    assert_eq!(cancelled + done, 400);
    executor.shutdown(true, false);
    assert_eq!(ran.count(), done as u64);
}

fn result_says_what_there_is_within_its_time<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let pending = executor.submit(mark, scratch.marks("ran"));
    let bad = executor.submit(refuse, 7);
    assert!(running.result_timeout(NOW).unwrap_err().is_timeout() && !running.done());
    assert!(pending.result_timeout(NOW).unwrap_err().is_timeout() && !pending.done());
    assert!(pending.cancel());
    assert!(pending.result_timeout(NOW).unwrap_err().is_cancelled());
    assert!(pending.cancelled(), "an error stays");
    gate.open();
    assert!(running.result_timeout(Duration::MAX).is_ok());
    assert_eq!(running.result_timeout(NOW).unwrap_err().kind(), ErrorKind::Taken);
    assert!(bad.result_timeout(Duration::MAX).unwrap_err().is_panic());
    assert!(bad.result().unwrap_err().is_panic());
}

fn exception_says_what_there_is_within_its_time<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let pending = executor.submit(mark, scratch.marks("ran"));
    let bad = executor.submit(refuse, 7);
    assert!(running.exception_timeout(NOW).unwrap_err().is_timeout());
    assert!(pending.cancel());
    assert!(pending.exception_timeout(NOW).unwrap_err().is_cancelled());
    assert!(pending.exception().unwrap_err().is_cancelled());
    gate.open();
    assert!(running.exception_timeout(Duration::MAX).unwrap().is_none());
    let panic = bad.exception().unwrap().unwrap();
    assert!(panic.is_panic() && panic.to_string().contains("no 7 here"), "{panic}");
    assert!(running.result().is_ok(), "the value stays");
}

fn exception_blocks_until_there_is_an_end<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| running.exception());
        gate.open();
        assert!(waiting.join().unwrap().unwrap().is_none());
    });
}

fn callbacks_see_a_value_an_error_and_a_cancellation<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let good = executor.submit(|x: u64| x + 1, 1);
    let bad = executor.submit(refuse, 7);
    let cancelled = executor.submit(refuse, 8);
    let (sender, seen) = channel();
    for (name, future) in [("good", &good), ("bad", &bad), ("cancelled", &cancelled)] {
        let sender = sender.clone();
        future.add_done_callback(move |result| {
            let seen = result.as_ref().map(|value| *value).map_err(|error| error.kind());
            sender.send((name, seen)).unwrap();
        });
    }
    assert!(cancelled.cancel());
    // It was called by `cancel`.
    assert_eq!(seen.try_recv().unwrap(), ("cancelled", Err(ErrorKind::Cancelled)));
    gate.open();
    assert_eq!(seen.recv().unwrap(), ("good", Ok(2)));
    assert_eq!(seen.recv().unwrap(), ("bad", Err(ErrorKind::Panicked)));
    drop(sender);
    assert!(seen.recv().is_err(), "once is once");
    assert_eq!(good.result().unwrap(), 2);
    drop(running);
}

fn callbacks_of_what_has_ended_are_called_at_once<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let cancelled = executor.submit(refuse, 8);
    assert!(cancelled.cancel());
    gate.open();
    let good = executor.submit(|x: u64| x + 1, 1);
    let bad = executor.submit(refuse, 7);
    let taken = executor.submit(|x: u64| x, 5);
    assert_eq!(taken.result_timeout(Duration::MAX).unwrap(), 5);
    let (sender, seen) = channel();
    for future in [&good, &bad, &cancelled, &taken] {
        let _ = future.exception();
        let sender = sender.clone();
        future.add_done_callback(move |result| {
            sender.send(result.as_ref().map(|value| *value).map_err(|error| error.kind())).unwrap();
        });
        let _ = future.exception();
    }
    let seen: Vec<_> = std::iter::from_fn(|| seen.try_recv().ok()).collect();
    let kinds = [ErrorKind::Panicked, ErrorKind::Cancelled, ErrorKind::Taken];
    assert_eq!(seen, [Ok(2), Err(kinds[0]), Err(kinds[1]), Err(kinds[2])]);
    drop(running);
}

fn a_callback_that_panics_harms_nobody<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let (sender, seen) = channel();
    let again = sender.clone();
    running.add_done_callback(|_| panic!("by a callback"));
    running.add_done_callback(move |_| sender.send("the next").unwrap());
    gate.open();
    assert_eq!(seen.recv().unwrap(), "the next");
    running.exception().unwrap();
    running.add_done_callback(|_| panic!("by a late callback"));
    running.add_done_callback(move |_| again.send("the late one").unwrap());
    assert_eq!(seen.recv().unwrap(), "the late one");
    assert!(running.result().is_ok());
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap(), 1);
}

fn its_text_shows_the_state_and_the_kind_of_its_end<B: Executors>() {
    one_runs!(scratch, executor, gate, running);
    let cancelled = executor.submit(refuse, 8);
    assert_eq!(format!("{running:?}"), "Future { state: running }");
    assert_eq!(format!("{cancelled:?}"), "Future { state: pending }");
    cancelled.cancel();
    assert_eq!(format!("{cancelled:?}"), "Future { state: cancelled }");
    gate.open();
    let bad = executor.submit(refuse, 7);
    let _ = (running.exception(), bad.exception());
    assert_eq!(format!("{running:?}"), "Future { state: finished, returned: u32 }");
    assert_eq!(format!("{bad:?}"), "Future { state: finished, raised: Panicked }");
}

fn dropping_a_future_detaches_its_task<B: Executors>() {
    let scratch = Scratch::new();
    let ran = scratch.marks("ran");
    let executor = B::executor(1);
    for _ in 0..20 {
        drop(executor.submit(mark, ran.clone()));
    }
    executor.shutdown(true, false);
    assert_eq!(ran.count(), 20);
}

fn a_future_is_awaited<B: Executors>() {
    let executor = B::executor(2);
    let mut future = executor.submit(|x: u64| x + 1, 1);
    let mut context = Context::from_waker(Waker::noop());
    let value = Mutex::new(None);
    eventually("the future was ready", || {
        match std::pin::Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(result) => *value.lock().unwrap() = Some(result.unwrap()),
            Poll::Pending => return false,
        }
        true
    });
    assert_eq!(value.into_inner().unwrap(), Some(2));
}

fn the_handle_of_a_pool_becomes_a_future<B: Executors>() {
    let pool = Arc::new(B::pool(1));
    let future = Future::from(pool.map_async(|x: u64| x * x, 0..4));
    assert!(!future.cancel(), "a map has begun");
    assert_eq!(future.result().unwrap(), [0, 1, 4, 9]);
}

on_every_backend!(
    cancel_succeeds_for_what_has_not_begun_alone,
    every_state_is_told_from_the_others,
    many_that_wait_are_cancelled_in_any_order,
    what_is_cancelled_while_it_may_begin_either_runs_or_never_does,
    result_says_what_there_is_within_its_time,
    exception_says_what_there_is_within_its_time,
    exception_blocks_until_there_is_an_end,
    callbacks_see_a_value_an_error_and_a_cancellation,
    callbacks_of_what_has_ended_are_called_at_once,
    a_callback_that_panics_harms_nobody,
    its_text_shows_the_state_and_the_kind_of_its_end,
    dropping_a_future_detaches_its_task,
    a_future_is_awaited,
    the_handle_of_a_pool_becomes_a_future,
);
