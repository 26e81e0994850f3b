//! Futures in the order in which they end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_core::Stream;
use pool::futures::{AsCompletedStream, as_completed, as_completed_stream};

use crate::support::{Gate, Scratch, on_every_backend};
use crate::{Executors, refuse};

fn pass((x, gate): (u64, Gate)) -> u64 {
    gate.wait();
    x
}

fn futures_come_in_the_order_of_their_ends<B: Executors>() {
    let scratch = Scratch::new();
    let gates: Vec<_> = (0..3).map(|number| scratch.gate(&number.to_string())).collect();
    let executor = B::executor(3);
    let futures: Vec<_> = (0..3).map(|x| executor.submit(pass, (x, gates[x as usize].clone()))).collect();
    let mut ended = as_completed(futures, None);
    for x in [2, 0, 1] {
        gates[x as usize].open();
        assert_eq!(ended.next().unwrap().unwrap().result().unwrap(), x);
    }
    assert!(ended.next().is_none());
}

fn those_that_have_ended_come_before_the_time_out<B: Executors>() {
    for timeout in [Duration::ZERO, Duration::from_millis(20)] {
        let scratch = Scratch::new();
        let gate = scratch.gate("gate");
        let executor = B::executor(2);
        let held = executor.submit(pass, (1, gate.clone()));
        let (good, bad) = (executor.submit(|x: u64| x, 2), executor.submit(refuse, 3));
        let _ = (good.exception(), bad.exception());
        let mut ended = as_completed([held, good, bad], Some(timeout));
        assert_eq!(ended.next().unwrap().unwrap().result().unwrap(), 2);
        assert!(ended.next().unwrap().unwrap().result().unwrap_err().is_panic());
        assert!(ended.next().unwrap().unwrap_err().is_timeout());
        assert!(ended.next().is_none());
        gate.open();
    }
}

fn the_time_out_says_how_many_are_unfinished<B: Executors>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let executor = B::executor(1);
    let done = executor.submit(|x: u64| x, 2);
    done.exception().unwrap();
    let held = [executor.submit(pass, (1, gate.clone())), executor.submit(pass, (2, gate.clone()))];
    let mut ended = as_completed([done].into_iter().chain(held), Some(Duration::ZERO));
    assert!(ended.next().unwrap().is_ok());
    let error = ended.next().unwrap().unwrap_err();
    assert!(error.to_string().contains("2 (of 3) futures unfinished"), "{error}");
    gate.open();
}

fn a_future_that_was_given_is_not_kept<B: Executors>() {
    let executor = B::executor(1);
    let futures: Vec<_> = (0..10).map(|x: u64| executor.submit(|x: u64| vec![x], x)).collect();
    let kept = Arc::new(());
    for future in &futures {
        let kept = kept.clone();
        future.add_done_callback(move |_| drop(kept));
    }
    let mut count = 0;
    for future in as_completed(futures, None) {
        // It is ours: the value moves out, with nobody else to have it.
        count += future.unwrap().result().unwrap().len();
    }
    assert_eq!(count, 10);
    executor.shutdown(true, false);
    assert_eq!(Arc::strong_count(&kept), 1);
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn next<R>(stream: &mut AsCompletedStream<R>) -> Option<pool::futures::Future<R>> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match Pin::new(&mut *stream).poll_next(&mut Context::from_waker(&waker)) {
            Poll::Ready(next) => return next,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn a_stream_gives_them_as_they_end<B: Executors>() {
    let scratch = Scratch::new();
    let gates: Vec<_> = (0..3).map(|number| scratch.gate(&number.to_string())).collect();
    let executor = B::executor(3);
    let futures: Vec<_> = (0..3).map(|x| executor.submit(pass, (x, gates[x as usize].clone()))).collect();
    let mut ended = as_completed_stream(futures);
    for x in [1, 2, 0] {
        gates[x as usize].open();
        assert_eq!(next(&mut ended).unwrap().result().unwrap(), x);
    }
    assert!(next(&mut ended).is_none());
    let many: Vec<_> = (0..10_000).map(|x: u64| executor.submit(|x: u64| x, x)).collect();
    let mut ended = as_completed_stream(many);
    let sum: u64 = std::iter::from_fn(|| next(&mut ended)).map(|future| future.result().unwrap()).sum();
    assert_eq!(sum, 9_999 * 10_000 / 2);
}

fn many_outstanding_futures_come_once_each<B: Executors>() {
    let executor = B::executor(2);
    let futures: Vec<_> = (0..10_000).map(|x: u64| executor.submit(|x: u64| x, x)).collect();
    let values = as_completed(futures, None).map(|future| future.unwrap().result().unwrap());
    assert_eq!(values.sum::<u64>(), 9_999 * 10_000 / 2);
}

on_every_backend!(
    futures_come_in_the_order_of_their_ends,
    those_that_have_ended_come_before_the_time_out,
    the_time_out_says_how_many_are_unfinished,
    a_future_that_was_given_is_not_kept,
    a_stream_gives_them_as_they_end,
    many_outstanding_futures_come_once_each,
);
