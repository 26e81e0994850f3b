//! `AsyncResult` as a `Future`, on an executor of a few lines.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use pool::{AsyncResult, Pool};

use crate::support::{Backend, Gate, Scratch, eventually, on_every_backend};

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A waker that counts.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn wait_at(gate: Gate) -> u64 {
    gate.wait();
    7
}

fn a_handle_can_be_awaited<B: Backend>() {
    let pool = B::pool(2);
    let sum = block_on(async {
        let first = pool.apply_async(|x: u64| x + 1, 1);
        let second = pool.map_async(|x: u64| x + 1, 0..10);
        first.await.unwrap() + second.await.unwrap().iter().sum::<u64>()
    });
    assert_eq!(sum, 2 + 55);
    for x in 0..200 {
        assert_eq!(block_on(pool.apply_async(|x: u64| x, x)).unwrap(), x);
    }
}

fn an_awaited_failure_is_an_error<B: Backend>() {
    let pool = B::pool(1);
    assert!(block_on(pool.apply_async(|x: u64| 1 / x, 0)).unwrap_err().is_panic());
}

fn nobody_but_the_waker_waits<B: Backend>() {
    // No thread blocks in the pool here: the wake-up must come by itself.
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let mut handle = pool.apply_async(wait_at, gate.clone());
    let woken = Arc::new(Woken::default());
    assert!(poll(&mut handle, &woken).is_pending());
    assert!(poll(&mut handle, &woken).is_pending(), "polled twice");
    assert_eq!(woken.0.load(SeqCst), 0);
    gate.open();
    eventually("the waker was woken", || woken.0.load(SeqCst) > 0);
    match poll(&mut handle, &woken) {
        Poll::Ready(result) => assert_eq!(result.unwrap(), 7),
        Poll::Pending => panic!("woken, and not ready"),
    }
}

fn poll(handle: &mut AsyncResult<u64>, woken: &Arc<Woken>) -> Poll<pool::Result<u64>> {
    Pin::new(handle).poll(&mut Context::from_waker(&Waker::from(woken.clone())))
}

fn the_last_waker_is_woken<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let mut handle = pool.apply_async(wait_at, gate.clone());
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    assert!(poll(&mut handle, &first).is_pending());
    assert!(poll(&mut handle, &second).is_pending());
    gate.open();
    eventually("the waker was woken", || second.0.load(SeqCst) > 0);
    assert!(poll(&mut handle, &second).is_ready());
}

fn a_future_moves_to_another_thread<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let mut handle = pool.apply_async(wait_at, gate.clone());
    assert!(poll(&mut handle, &Arc::default()).is_pending());
    let other = std::thread::spawn(move || block_on(handle));
    gate.open();
    assert_eq!(other.join().unwrap().unwrap(), 7);
}

fn a_polled_future_may_be_dropped<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let mut handle = pool.apply_async(wait_at, gate.clone());
    assert!(poll(&mut handle, &Arc::default()).is_pending());
    drop(handle);
    gate.open();
    assert_eq!(block_on(pool.apply_async(|x: u64| x, 1)).unwrap(), 1);
}

fn an_awaited_handle_outlives_its_pool<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let first = pool.apply_async(wait_at, gate.clone());
    let mut waiting = pool.apply_async(|x: u64| x, 1);
    let woken = Arc::new(Woken::default());
    assert!(poll(&mut waiting, &woken).is_pending());
    pool.terminate();
    assert!(block_on(waiting).unwrap_err().is_closed());
    assert!(woken.0.load(SeqCst) > 0);
    gate.open();
    drop(pool);
    first.wait();
}

fn a_waker_that_panics_harms_nobody<B: Backend>() {
    struct Angry;
    impl Wake for Angry {
        fn wake(self: Arc<Self>) {
            panic!("this waker panics on purpose");
        }
    }
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let mut handle = pool.apply_async(wait_at, gate.clone());
    let angry = Waker::from(Arc::new(Angry));
    assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&angry)).is_pending());
    gate.open();
    assert_eq!(handle.get().unwrap(), 7);
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
}

on_every_backend!(
    a_handle_can_be_awaited,
    an_awaited_failure_is_an_error,
    nobody_but_the_waker_waits,
    the_last_waker_is_woken,
    a_future_moves_to_another_thread,
    a_polled_future_may_be_dropped,
    an_awaited_handle_outlives_its_pool,
    a_waker_that_panics_harms_nobody,
);
