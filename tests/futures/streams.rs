//! `imap` as a stream.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use pool::futures::PoolStreams;
use pool::{AnyPool, ErrorKind, Pool};

use crate::runtimes::next;
use crate::support::{Marks, Scratch, on_every_backend};
use crate::{Executors, held};

fn results_come_in_order_or_as_they_arrive<B: Executors>() {
    let executor = B::executor(2);
    smol::block_on(async {
        for chunk in [1, 7, 1_000] {
            let pool = executor.pool().chunk_size(chunk);
            let mut squares = pool.imap_stream(|x: u64| x * x, 0..500);
            for x in 0..500 {
                assert_eq!(next(&mut squares).await.unwrap().unwrap(), x * x);
            }
            assert!(next(&mut squares).await.is_none());
            assert!(next(&mut squares).await.is_none(), "it stays at its end");
            let mut results = pool.imap_unordered_stream(|x: u64| x, 0..500);
            let mut seen = Vec::new();
            while let Some(result) = next(&mut results).await {
                seen.push(result.unwrap());
            }
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..500));
        }
        assert!(next(&mut executor.pool().imap_stream(|x: u64| x, [])).await.is_none());
    });
}

fn an_item_that_fails_is_an_error_in_its_place<B: Executors>() {
    let executor = B::executor(2);
    smol::block_on(async {
        let mut results = executor.pool().chunk_size(2).imap_stream(|x: u64| 12 / x, [1, 0, 3]);
        assert_eq!(next(&mut results).await.unwrap().unwrap(), 12);
        let error = next(&mut results).await.unwrap().unwrap_err();
        assert!(error.is_panic() && error.item() == Some(1), "{error}");
        assert_eq!(next(&mut results).await.unwrap().unwrap(), 4);
        assert!(next(&mut results).await.is_none());
    });
}

/// What an endless input has given.
#[derive(Clone, Default)]
struct Taken(Arc<AtomicUsize>);

impl Taken {
    fn count(&self) -> usize {
        self.0.load(SeqCst)
    }

    fn input(&self) -> impl Iterator<Item = u64> + use<> {
        let taken = self.clone();
        (0..).inspect(move |_| {
            taken.0.fetch_add(1, SeqCst);
        })
    }
}

fn an_endless_input_is_taken_as_it_is_polled_and_no_further_than_the_window<B: Executors>() {
    let executor = B::executor(2);
    for (chunk, window) in [(1, 1), (1, 10), (4, 10), (100, 10)] {
        let taken = Taken::default();
        let pool = executor.pool().chunk_size(chunk).window(window);
        let mut results = pool.imap_stream(|x: u64| x, taken.input());
        assert_eq!(taken.count(), 0, "nothing before the first poll");
        smol::block_on(async {
            for x in 0..200 {
                assert_eq!(next(&mut results).await.unwrap().unwrap(), x);
                assert!(taken.count() <= x as usize + window, "{} at {x}", taken.count());
            }
        });
        // Nobody polls: nothing is taken, whatever is done meanwhile.
        let before = taken.count();
        assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap(), 1);
        assert_eq!(taken.count(), before);
    }
}

fn what_no_worker_was_given_is_not_run_when_the_stream_is_dropped<B: Executors>() {
    let scratch = Scratch::new();
    let (gate, begun, ran) = (scratch.gate("gate"), scratch.marks("begun"), scratch.marks("ran"));
    let executor = B::executor(1);
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let mark = |ran: Marks| ran.add();
    let mut results = executor.pool().imap_stream(mark, (0..50).map(|_| ran.clone()));
    let polled = pin!(&mut results).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    drop(results);
    gate.open();
    running.result().unwrap();
    executor.shutdown(true, false);
    assert_eq!(ran.count(), 0);
}

/// The second item comes of the first one's result, although a chunk has room for both.
fn an_input_that_waits_for_results_gets_them<B: Executors>() {
    let executor = B::executor(2);
    let (sender, receiver) = smol::channel::unbounded();
    let pool = executor.pool().chunk_size(8);
    let mut results = pool.imap_from(|x: u64| x + 1, Box::pin(receiver));
    smol::block_on(async {
        let mut x = 0;
        for _ in 0..50 {
            sender.send(x).await.unwrap();
            x = next(&mut results).await.unwrap().unwrap();
        }
        assert_eq!(x, 50);
        // It has nothing now, and then more than the window.
        let send = async {
            (0..3_000).for_each(|x| sender.try_send(x).unwrap());
            sender.close();
        };
        let receive = async {
            for x in 0..3_000 {
                assert_eq!(next(&mut results).await.unwrap().unwrap(), x + 1);
            }
            next(&mut results).await
        };
        assert!(smol::future::zip(receive, send).await.0.is_none());
    });
}

fn an_input_stream_is_taken_no_further_than_the_window<B: Executors>() {
    let executor = B::executor(2);
    let (sender, receiver) = smol::channel::bounded(1_000);
    (0..1_000).for_each(|x: u64| sender.try_send(x).unwrap());
    let left = receiver.clone();
    let pool = executor.pool().window(10);
    let mut results = pool.imap_unordered_from(|x: u64| x, Box::pin(receiver));
    smol::block_on(async {
        for count in 1..=500 {
            let _ = next(&mut results).await.unwrap().unwrap();
            assert!(1_000 - left.len() < count + 10);
        }
    });
}

fn a_pool_that_takes_no_more_ends_the_stream<B: Executors>() {
    let executor = B::executor(1);
    let mut endless = executor.pool().imap_stream(|x: u64| x, 0..);
    smol::block_on(async {
        assert_eq!(next(&mut endless).await.unwrap().unwrap(), 0);
        executor.pool().terminate();
        let mut last = None;
        while let Some(result) = next(&mut endless).await {
            last = Some(result);
        }
        assert_eq!(last.unwrap().unwrap_err().kind(), ErrorKind::Terminated);
        let nothing: [u64; 0] = [];
        let mut over_nothing = executor.pool().imap_stream(|x: u64| x, nothing);
        let refused = next(&mut over_nothing).await.unwrap().unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Terminated);
        assert!(next(&mut over_nothing).await.is_none());
    });
}

fn a_wrong_option_is_an_error_of_the_stream<B: Executors>() {
    let executor = B::executor(1);
    let mut results = executor.pool().chunk_size(0).imap_stream(|x: u64| x, 0..);
    smol::block_on(async {
        let error = next(&mut results).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(next(&mut results).await.is_none());
    });
}

fn a_pool_chosen_at_run_time_has_streams<B: Executors>() {
    let pool = B::pool(1);
    let any: &dyn AnyPool = &pool;
    let mut results = any.imap_stream(|x: u64| x + 1, [1]);
    assert_eq!(smol::block_on(next(&mut results)).unwrap().unwrap(), 2);
    // Polled after its end, with any waker.
    assert!(matches!(pin!(results).poll_next(&mut Context::from_waker(Waker::noop())), Poll::Ready(None)));
}

on_every_backend!(
    results_come_in_order_or_as_they_arrive,
    an_item_that_fails_is_an_error_in_its_place,
    an_endless_input_is_taken_as_it_is_polled_and_no_further_than_the_window,
    what_no_worker_was_given_is_not_run_when_the_stream_is_dropped,
    an_input_that_waits_for_results_gets_them,
    an_input_stream_is_taken_no_further_than_the_window,
    a_pool_that_takes_no_more_ends_the_stream,
    a_wrong_option_is_an_error_of_the_stream,
    a_pool_chosen_at_run_time_has_streams,
);
