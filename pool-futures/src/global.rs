//! An executor of the whole program: made when it is first asked for, and another when that takes no more tasks.
//!
//! A forked child has its parent's executor in its memory, whose workers are not its own, and perhaps a lock that
//! a thread held which is not there any more. So it never touches that, and has a place of its own, further down a
//! chain.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use pool_core::{AnyPool, Pool, Result};

use crate::executor::Executor;

/// A worker of such an executor leaves after so long without a task: a hundred times what it takes to start one
/// that has something to load, so that coming back costs little.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Place<P: AnyPool> {
    /// Whose it is: set when it is first used.
    pid: OnceLock<u32>,
    held: Mutex<Held<P>>,
    /// Of a child that was forked.
    next: OnceLock<Box<Place<P>>>,
}

struct Held<P: AnyPool> {
    executor: Option<Arc<Executor<P>>>,
    /// Threads that see one out which was replaced.
    replaced: Vec<JoinHandle<()>>,
}

impl<P: AnyPool> Place<P> {
    pub(crate) const fn new() -> Place<P> {
        let held = Held { executor: None, replaced: Vec::new() };
        Place { pid: OnceLock::new(), held: Mutex::new(held), next: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Held<P>> {
        let me = std::process::id();
        let mut place = self;
        while *place.pid.get_or_init(|| me) != me {
            place = place.next.get_or_init(|| Box::new(Place::new()));
        }
        // Nothing is half done where an executor's start panics.
        place.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: AnyPool + Send + Sync + 'static> Place<P> {
    /// The executor, with so many workers at most if that is said; a new one if there is none that takes tasks.
    ///
    /// # Errors
    /// Of `make`, and of a resize.
    pub(crate) fn get(
        &self,
        max_workers: Option<usize>,
        make: impl FnOnce() -> Result<Executor<P>>,
    ) -> Result<Arc<Executor<P>>> {
        let mut held = self.lock();
        if let Some(executor) = &held.executor {
            let resized = match max_workers {
                Some(workers) if workers != executor.max_workers() => executor.pool().resize(workers),
                _ => Ok(()),
            };
            if executor.takes_tasks() {
                return resized.map(|()| executor.clone());
            }
        }
        let executor = Arc::new(make()?);
        let old = held.executor.replace(executor.clone());
        held.replaced.retain(|thread| !thread.is_finished());
        match old.map(see_out) {
            None => {}
            Some(Ok(thread)) => held.replaced.push(thread),
            Some(Err(old)) => {
                drop(held);
                drop(old);
            }
        }
        Ok(executor)
    }

    /// Ends it, when all that was submitted is done, to those that were replaced too.
    #[cfg(feature = "process")]
    pub(crate) fn end(&self) {
        let (executor, replaced) = {
            let mut held = self.lock();
            (held.executor.take(), std::mem::take(&mut held.replaced))
        };
        if let Some(executor) = executor {
            executor.shutdown(true, false);
        }
        for thread in replaced {
            // What it drops may be the user's, and end the program.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Waits for the work of an executor that was replaced, and drops it. Perhaps it is its own task that asked for
/// another; so not here, but on a thread. Gives it back where the system gives no thread.
fn see_out<P: AnyPool + Send + Sync + 'static>(
    old: Arc<Executor<P>>,
) -> std::result::Result<JoinHandle<()>, Option<Arc<Executor<P>>>> {
    let handed = Arc::new(Mutex::new(Some(old)));
    let take = |handed: &Mutex<Option<_>>| handed.lock().unwrap_or_else(PoisonError::into_inner).take();
    let theirs = handed.clone();
    let body = move || {
        if let Some(old) = take(&theirs) {
            // Others may have it still.
            old.shutdown(true, false);
        }
    };
    thread::Builder::new().name("pool-replaced".into()).spawn(body).map_err(|_| take(&handed))
}
