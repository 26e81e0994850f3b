//! Arguments, results and contexts are dropped when the call is over, on both sides of it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicIsize, Ordering::SeqCst};

use pool::{Pool, with};
use serde::{Deserialize, Serialize};

use crate::support::{Backend, Gate, Scratch, eventually, on_every_backend};

/// How many `Counted` there are in this process.
static LIVE: AtomicIsize = AtomicIsize::new(0);
/// Held by the test that counts.
static COUNTING: Mutex<()> = Mutex::new(());

/// A value that is counted while it lives.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
struct Counted(u64);

impl Counted {
    fn new(value: u64) -> Counted {
        LIVE.fetch_add(1, SeqCst);
        Counted(value)
    }
}

impl From<u64> for Counted {
    fn from(value: u64) -> Counted {
        Counted::new(value)
    }
}

impl From<Counted> for u64 {
    fn from(counted: Counted) -> u64 {
        counted.0
    }
}

impl Clone for Counted {
    fn clone(&self) -> Counted {
        Counted::new(self.0)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, SeqCst);
    }
}

/// Runs `body` while no other test counts, and waits until nothing that it made is left, neither
/// here nor in the workers.
fn nothing_is_kept<B: Backend>(body: impl FnOnce(&B::Pool)) {
    let _one_at_a_time = COUNTING.lock().unwrap_or_else(|poison| poison.into_inner());
    let pool = B::pool(1);
    body(&pool);
    eventually("all values were dropped here", || LIVE.load(SeqCst) == 0);
    eventually("all values were dropped in the worker", || {
        pool.apply(|()| LIVE.load(SeqCst), ()).unwrap() == 0
    });
}

fn of_apply<B: Backend>() {
    nothing_is_kept::<B>(|pool| {
        let result = pool.apply(|x: Counted| Counted::new(x.0 + 1), Counted::new(1)).unwrap();
        assert_eq!(result.0, 2);
        drop(result);
        drop(pool.apply_async(|x: Counted| x, Counted::new(1)));
        let handle = pool.apply_async(|x: Counted| x, Counted::new(1));
        handle.wait();
        assert!(handle.successful());
        drop(handle);
    });
}

fn of_map_and_imap<B: Backend>() {
    nothing_is_kept::<B>(|pool| {
        let items = || (0..100).map(Counted::new);
        assert_eq!(pool.map(|x: Counted| x, items()).unwrap().len(), 100);
        drop(pool.map_async(|x: Counted| x, items()));
        assert_eq!(pool.chunk_size(7).imap(|x: Counted| x, items()).count(), 100);
        assert_eq!(pool.imap_unordered(|x: Counted| x, items()).take(10).count(), 10);
    });
}

fn of_a_context<B: Backend>() {
    nothing_is_kept::<B>(|pool| {
        let add = |context: &Counted, x: u64| context.0 + x;
        assert_eq!(pool.map(with(Counted::new(5), add), 0..3).unwrap(), [5, 6, 7]);
        assert_eq!(pool.apply(with(Counted::new(5), add), 1).unwrap(), 6);
        // A worker keeps the last 8 contexts; these push them out.
        for other in 0..8u64 {
            pool.apply(with(other, |other: &u64, x: u64| other + x), 0).unwrap();
        }
    });
}

fn of_tasks_that_panic<B: Backend>() {
    nothing_is_kept::<B>(|pool| {
        let fail = |x: Counted| {
            assert!(x.0 != 5, "item 5");
            x
        };
        assert!(pool.apply(fail, Counted::new(5)).is_err());
        assert!(pool.map(fail, (0..20).map(Counted::new)).is_err());
        assert!(pool.chunk_size(4).map(fail, (0..20).map(Counted::new)).is_err());
        assert!(pool.chunk_size(4).map(fail, (0..20).map(Counted::new).collect::<Vec<_>>()).is_err());
        assert_eq!(pool.chunk_size(4).imap(fail, (0..20).map(Counted::new)).count(), 20);
    });
}

fn of_tasks_that_never_run<B: Backend>() {
    nothing_is_kept::<B>(|pool| {
        let scratch = Scratch::new();
        let gate = scratch.gate("gate");
        let first = pool.apply_async(|gate: Gate| gate.wait(), gate.clone());
        let cancelled = pool.apply_async(|x: Counted| x, Counted::new(1));
        assert!(cancelled.cancel());
        let mapped = pool.map_async(|x: Counted| x, (0..20).map(Counted::new));
        assert!(mapped.cancel());
        drop(mapped);
        let mapped = pool.map_async(|x: Counted| x, (0..20).map(Counted::new).collect::<Vec<_>>());
        assert!(mapped.cancel());
        drop(mapped);
        let streamed = pool.imap(|x: Counted| x, (0..20).map(Counted::new));
        drop(streamed);
        gate.open();
        first.get().unwrap();
        // `cancelled` is still held: what it was given is gone all the same.
        eventually("all values were dropped", || LIVE.load(SeqCst) == 0);
        drop(cancelled);
    });
}

fn of_a_pool_that_is_closed_or_terminated<B: Backend>() {
    nothing_is_kept::<B>(|_| {
        let pool = B::pool(1);
        let handles: Vec<_> = (0..100).map(|x| pool.apply_async(|x: Counted| x, Counted::new(x))).collect();
        let mapped = pool.map_async(|x: Counted| x, (0..100).map(Counted::new));
        let shared_out = pool.map_async(|x: Counted| x, (0..100).map(Counted::new).collect::<Vec<_>>());
        pool.terminate();
        drop(pool.apply_async(|x: Counted| x, Counted::new(1)));
        assert!(pool.map(|x: Counted| x, (0..5).map(Counted::new)).is_err());
        pool.join().unwrap();
        drop((handles, mapped, shared_out));
    });
}

on_every_backend!(
    of_apply,
    of_map_and_imap,
    of_a_context,
    of_tasks_that_panic,
    of_tasks_that_never_run,
    of_a_pool_that_is_closed_or_terminated,
);
