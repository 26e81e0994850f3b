//! Futures that give their task up when they are dropped.

use std::time::Duration;

use pool::futures::as_completed_stream;
use pool::{ErrorKind, StartMethod};

use crate::runtimes::{Runtime, Smol, Tokio, next};
use crate::support::{Scratch, alone_on_every_start_method, eventually, is_alive, on_every_backend};
use crate::{Executors, by, held, mark};

/// A time-out drops what it waited for, as the slower branch of a select does.
async fn within<R: Runtime, T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        R::sleep(time).await;
        None
    };
    smol::future::or(async { Some(future.await) }, late).await
}

fn a_time_out_cancels<B: Executors, R: Runtime>() {
    let scratch = Scratch::new();
    let (gate, begun, ran) = (scratch.gate("gate"), scratch.marks("begun"), scratch.marks("ran"));
    let executor = B::executor(1);
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let late = within::<R, _>(Duration::from_millis(1), executor.submit(mark, ran.clone()).cancel_on_drop());
    assert!(R::block_on(late).is_none());
    // What lets go runs all the same.
    let goes_on = scratch.marks("goes on");
    let late = within::<R, _>(Duration::from_millis(1), executor.submit(mark, goes_on.clone()));
    assert!(R::block_on(late).is_none());
    let mut detached = executor.submit(mark, goes_on.clone()).cancel_on_drop();
    detached.detach();
    drop(detached);
    gate.open();
    running.result().unwrap();
    executor.shutdown(true, false);
    assert_eq!((ran.count(), goes_on.count()), (0, 2));
}

fn a_time_out_cancels_what_has_not_begun<B: Executors>() {
    a_time_out_cancels::<B, Tokio>();
    a_time_out_cancels::<B, Smol>();
}

fn what_was_awaited_to_its_end_is_not_disturbed<B: Executors>() {
    let executor = B::executor(2);
    smol::block_on(async {
        for x in 0..100 {
            assert_eq!(executor.submit(|x: u64| x, x).cancel_on_drop().await.unwrap(), x);
            assert_eq!(executor.submit(|x: u64| x, x).kill_on_drop().await.unwrap(), x);
        }
    });
    let done = executor.submit(|x: u64| x, 1).kill_on_drop();
    eventually("it was done", || done.done());
    drop(done);
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap(), 1);
}

fn one_that_runs_is_not_disturbed_by_a_cancel<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun, ran) = (scratch.gate("gate"), scratch.marks("begun"), scratch.marks("ran"));
    let executor = B::executor(1);
    let running = executor.submit(
        |(begun, gate, ran)| {
            held((begun, gate));
            mark(ran);
        },
        (begun.clone(), gate.clone(), ran.clone()),
    );
    begun.wait_for(1);
    drop(running.cancel_on_drop());
    gate.open();
    executor.shutdown(true, false);
    assert_eq!(ran.count(), 1);
}

fn a_stream_of_futures_cancels_those_it_has_not_given<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun, ran) = (scratch.gate("gate"), scratch.marks("begun"), scratch.marks("ran"));
    let executor = B::executor(1);
    let first = executor.submit(mark, begun.clone());
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(2);
    let queued: Vec<_> = (0..50).map(|_| executor.submit(mark, ran.clone())).collect();
    let mut ended = as_completed_stream([first].into_iter().chain(queued)).cancel_on_drop();
    smol::block_on(next(&mut ended)).unwrap().result().unwrap();
    drop(ended);
    gate.open();
    running.result().unwrap();
    executor.shutdown(true, false);
    assert_eq!(ran.count(), 0);
}

on_every_backend!(
    a_time_out_cancels_what_has_not_begun,
    what_was_awaited_to_its_end_is_not_disturbed,
    one_that_runs_is_not_disturbed_by_a_cancel,
    a_stream_of_futures_cancels_those_it_has_not_given,
);

fn a_process_that_runs_it_is_killed_if_asked(method: StartMethod) {
    let scratch = Scratch::new();
    let (never, begun) = (scratch.gate("never"), scratch.marks("begun"));
    let executor = by(method).max_workers(1).build().unwrap();
    let pid = executor.submit(|()| std::process::id(), ()).result().unwrap();
    let running = executor.submit(held, (begun.clone(), never.clone())).kill_on_drop();
    begun.wait_for(1);
    assert!(smol::block_on(within::<Smol, _>(Duration::from_millis(1), running)).is_none());
    eventually("the worker was killed", || !is_alive(pid));
    assert_ne!(executor.submit(|()| std::process::id(), ()).result().unwrap(), pid);
}

fn processes_that_run_the_futures_of_a_stream_are_killed_if_asked(method: StartMethod) {
    let scratch = Scratch::new();
    let (never, begun) = (scratch.gate("never"), scratch.marks("begun"));
    let executor = by(method).max_workers(2).build().unwrap();
    let futures: Vec<_> = (0..20).map(|_| executor.submit(held, (begun.clone(), never.clone()))).collect();
    begun.wait_for(2);
    drop(as_completed_stream(futures).kill_on_drop());
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap(), 1);
    executor.shutdown(true, false);
    assert_eq!(begun.count(), 2);
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap_err().kind(), ErrorKind::Closed);
}

mod of_processes {
    use super::*;

    alone_on_every_start_method!(
        a_process_that_runs_it_is_killed_if_asked,
        processes_that_run_the_futures_of_a_stream_are_killed_if_asked,
    );
}
