//! `on_success` and `on_error`.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

use pool::{AsyncResult, ErrorKind, Pool};

use crate::support::{Backend, Gate, Scratch, on_every_backend};

fn wait_at(gate: Gate) -> u64 {
    gate.wait();
    7
}

fn fail_at(gate: Gate) -> u64 {
    gate.wait();
    panic!("as it should")
}

/// How often each callback of a handle was called.
#[derive(Clone, Default)]
struct Calls(Arc<[AtomicUsize; 2]>);

impl Calls {
    fn count<R: 'static>(&self, handle: &AsyncResult<R>) {
        let (success, error) = (self.clone(), self.clone());
        handle
            .on_success(move |_| _ = success.0[0].fetch_add(1, SeqCst))
            .on_error(move |_| _ = error.0[1].fetch_add(1, SeqCst));
    }

    fn are(&self) -> (usize, usize) {
        (self.0[0].load(SeqCst), self.0[1].load(SeqCst))
    }
}

fn the_right_callback_is_called_once_before_get_returns<B: Backend>() {
    let pool = B::pool(1);
    for _ in 0..50 {
        let scratch = Scratch::new();
        let gate = scratch.gate("gate");
        let (well, badly) = (Calls::default(), Calls::default());
        let good = pool.apply_async(wait_at, gate.clone());
        let bad = pool.apply_async(fail_at, gate.clone());
        well.count(&good);
        badly.count(&bad);
        assert_eq!((well.are(), badly.are()), ((0, 0), (0, 0)));
        gate.open();
        assert_eq!(good.get().unwrap(), 7);
        assert_eq!(well.are(), (1, 0));
        assert!(bad.get().unwrap_err().is_panic());
        assert_eq!(badly.are(), (0, 1));
    }
}

fn callback_and_get_see_the_same<B: Backend>() {
    let pool = B::pool(1);
    let (sender, seen) = mpsc::channel();
    let handle = pool.apply_async(|x: u64| vec![x; 3], 5);
    let also = sender.clone();
    handle.on_success(move |value| sender.send(Ok(value.clone())).unwrap());
    assert_eq!(seen.recv().unwrap(), Ok(handle.get().unwrap()));
    let handle = pool.apply_async(|x: u64| vec![1 / x], 0);
    handle.on_error(move |error| also.send(Err(error.to_string())).unwrap());
    assert_eq!(seen.recv().unwrap(), Err(handle.get().unwrap_err().to_string()));
}

fn of_a_call_that_has_ended_it_is_called_at_once<B: Backend>() {
    let pool = B::pool(1);
    let good = pool.apply_async(|x: u64| x, 1);
    let bad = pool.apply_async(|x: u64| 1 / x, 0);
    good.wait();
    bad.wait();
    let (well, badly) = (Calls::default(), Calls::default());
    well.count(&good);
    badly.count(&bad);
    assert_eq!((well.are(), badly.are()), ((1, 0), (0, 1)));
    assert_eq!(good.get().unwrap(), 1);
}

fn all_of_several_callbacks_are_called<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let handle = pool.apply_async(wait_at, gate.clone());
    let calls = Calls::default();
    (0..10).for_each(|_| calls.count(&handle));
    gate.open();
    handle.wait();
    (0..10).for_each(|_| calls.count(&handle));
    assert_eq!(calls.are(), (20, 0));
}

fn a_callback_added_by_a_callback_is_called<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    for ended_before in [false, true] {
        let handle = Arc::new(pool.apply_async(wait_at, gate.clone()));
        if ended_before {
            handle.wait();
        }
        let (sender, called) = mpsc::channel();
        let inner = handle.clone();
        handle.on_success(move |_| {
            inner.on_success(move |value| sender.send(*value).unwrap());
        });
        gate.open();
        handle.wait();
        // With the handle goes a callback that was kept and never called: then this fails at once.
        drop(handle);
        assert_eq!(called.recv(), Ok(7), "of a call that had ended before: {ended_before}");
    }
}

/// The callback of one thread does not take the result from another.
fn a_result_can_be_had_while_a_callback_looks_at_it<B: Backend>() {
    let pool = B::pool(1);
    let handle = pool.apply_async(|x: u64| x, 5);
    handle.wait();
    let (sender, begun) = mpsc::channel();
    let (asking, asked) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            handle.on_success(move |_| {
                sender.send(()).unwrap();
                asked.recv().unwrap();
                // It looks on while the other asks.
                (0..1_000).for_each(|_| std::thread::yield_now());
            });
        });
        begun.recv().unwrap();
        asking.send(()).unwrap();
        assert!(handle.successful(), "it has a value, whoever looks at it");
        assert_eq!(handle.get_timeout(std::time::Duration::from_secs(60)).unwrap(), 5);
    });
}

fn callbacks_of_map_async<B: Backend>() {
    let pool = B::pool(2);
    let (sender, seen) = mpsc::channel();
    let handle = pool.map_async(|x: u64| x + 1, 0..100);
    handle.on_success(move |all: &Vec<u64>| sender.send(all.len()).unwrap());
    assert_eq!(seen.recv().unwrap(), 100);
    let (sender, seen) = mpsc::channel();
    let handle = pool.map_async(|x: u64| 100 / (50 - x), 0..100);
    handle.on_error(move |error| sender.send((error.kind(), error.item())).unwrap());
    assert_eq!(seen.recv().unwrap(), (ErrorKind::Panicked, Some(50)));
}

fn a_panicking_callback_harms_nobody<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let handle = pool.apply_async(wait_at, gate.clone());
    let calls = Calls::default();
    handle.on_success(|_| panic!("this callback panics on purpose"));
    calls.count(&handle);
    gate.open();
    handle.wait();
    handle.on_success(|_| panic!("so does this one"));
    assert_eq!(handle.get().unwrap(), 7);
    assert_eq!(calls.are(), (1, 0), "the next callback was called");
    let (sender, called) = mpsc::channel();
    let next = pool.apply_async(|x: u64| x, 1);
    next.on_success(move |x| sender.send(*x).unwrap());
    assert_eq!(called.recv().unwrap(), 1);
}

fn a_dropped_handle_still_calls_back<B: Backend>() {
    let pool = B::pool(2);
    let (sender, called) = mpsc::channel();
    for x in 0..100u64 {
        let sender = sender.clone();
        pool.apply_async(|x: u64| x, x).on_success(move |x| sender.send(*x).unwrap());
    }
    let mut all: Vec<u64> = called.into_iter().take(100).collect();
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
}

fn a_callback_may_use_the_pool<B: Backend>() {
    let pool = Arc::new(B::pool(1));
    let (sender, called) = mpsc::channel();
    let again = pool.clone();
    let handle = pool.apply_async(|x: u64| x + 1, 1);
    handle.on_success(move |x| sender.send(again.apply(|x: u64| x + 1, *x).unwrap()).unwrap());
    assert_eq!(called.recv().unwrap(), 3);
    handle.wait();
}

fn a_callback_may_drop_the_pool<B: Backend>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let pool = B::pool(1);
    let handle = pool.apply_async(wait_at, gate.clone());
    handle.on_success(move |_| drop(pool));
    gate.open();
    assert_eq!(handle.get().unwrap(), 7);
}

fn callbacks_hear_of_cancel_and_terminate<B: Backend>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let pool = B::pool(1);
    let first = pool.apply_async(wait_at, gate.clone());
    let (sender, heard) = mpsc::channel();
    let cancelled = pool.apply_async(|x: u64| x, 1);
    let terminated = pool.apply_async(|x: u64| x, 1);
    for handle in [&cancelled, &terminated] {
        let sender = sender.clone();
        handle.on_error(move |error| sender.send(error.kind()).unwrap());
    }
    cancelled.cancel();
    assert_eq!(heard.recv().unwrap(), ErrorKind::Cancelled);
    pool.terminate();
    assert_eq!(heard.recv().unwrap(), ErrorKind::Terminated);
    gate.open();
    first.wait();
    pool.join().unwrap();
}

fn join_waits_for_the_callbacks<B: Backend>() {
    let pool = B::pool(2);
    let calls = Calls::default();
    for x in 0..50u64 {
        let handle = pool.apply_async(|x: u64| x, x);
        calls.count(&handle);
    }
    pool.close();
    pool.join().unwrap();
    assert_eq!(calls.are(), (50, 0));
}

on_every_backend!(
    the_right_callback_is_called_once_before_get_returns,
    callback_and_get_see_the_same,
    of_a_call_that_has_ended_it_is_called_at_once,
    all_of_several_callbacks_are_called,
    a_callback_added_by_a_callback_is_called,
    a_result_can_be_had_while_a_callback_looks_at_it,
    callbacks_of_map_async,
    a_panicking_callback_harms_nobody,
    a_dropped_handle_still_calls_back,
    a_callback_may_use_the_pool,
    a_callback_may_drop_the_pool,
    callbacks_hear_of_cancel_and_terminate,
    join_waits_for_the_callbacks,
);
