//! Where the user's callbacks run: one at a time, in order, on a thread that nothing else needs.
//!
//! A callback may block, or wait for another result of the same pool; so it runs neither on a worker
//! nor on a thread that keeps workers alive. The queue is here; the thread is the backend's, started
//! by the first callback, and it leaves when there was none for a while.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::lock;

/// A callback, ready to run.
pub type Callback = Box<dyn FnOnce() + Send>;

/// How long the thread waits for another callback before it leaves.
const LINGER: Duration = Duration::from_secs(1);

/// A queue of callbacks and the thread that runs them.
#[derive(Default)]
pub struct Callbacks {
    state: Mutex<State>,
    changed: Condvar,
    around: Option<Around>,
}

/// Calls its argument, which runs one callback.
pub type Around = fn(&mut dyn FnMut());

#[derive(Default)]
struct State {
    queue: VecDeque<Callback>,
    /// A thread is in `serve` and will look at the queue again.
    served: bool,
    thread: Option<JoinHandle<()>>,
    closing: bool,
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Callbacks").finish_non_exhaustive()
    }
}

impl Callbacks {
    /// Each callback is run by `around`.
    pub fn new(around: Around) -> Callbacks {
        Callbacks { around: Some(around), ..Callbacks::default() }
    }

    /// Queues `callback`. When no thread serves the queue, `start` makes one that runs its argument;
    /// if it cannot, or the pool is gone, the callback runs here.
    pub fn push(
        self: &Arc<Self>,
        callback: Callback,
        start: impl FnOnce(Callback) -> io::Result<JoinHandle<()>>,
    ) {
        let mut state = lock(&self.state);
        if state.closing {
            drop(state);
            return self.run(callback);
        }
        state.queue.push_back(callback);
        if state.served {
            self.changed.notify_one();
            return;
        }
        let this = self.clone();
        match start(Box::new(move || this.serve())) {
            Ok(thread) => {
                state.served = true;
                state.thread = Some(thread);
            }
            Err(_) => {
                let queue = std::mem::take(&mut state.queue);
                drop(state);
                queue.into_iter().for_each(|callback| self.run(callback));
            }
        }
    }

    fn serve(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some(callback) = state.queue.pop_front() {
                drop(state);
                self.run(callback);
                state = lock(&self.state);
            } else if state.closing {
                break;
            } else {
                let waited = self.changed.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
                state = waited.0;
                if waited.1.timed_out() && state.queue.is_empty() {
                    break;
                }
            }
        }
        state.served = false;
    }

    /// Runs what is queued and waits until the thread is gone. Later callbacks run where they are
    /// pushed.
    pub fn finish(&self) {
        let thread = {
            let mut state = lock(&self.state);
            state.closing = true;
            state.thread.take()
        };
        self.changed.notify_all();
        // A pool may be dropped by a callback; that thread cannot wait for itself.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }

    fn run(&self, callback: Callback) {
        let mut callback = Some(callback);
        let mut run = || {
            let Some(callback) = callback.take() else { return };
            if catch_unwind(AssertUnwindSafe(callback)).is_err() {
                eprintln!("pool: a callback panicked; nothing else is affected");
            }
        };
        match self.around {
            None => run(),
            Some(around) => around(&mut run),
        }
    }
}
