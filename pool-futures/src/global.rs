//! An executor of the whole program: made when it is first asked for, and another when that takes no more tasks.
//!
//! A forked child has its parent's executor in its memory, whose workers are not its own, and perhaps a lock that
//! a thread held which is not there any more. So it never touches that, and has a place of its own, further down a
//! chain.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use pool_core::{AnyPool, Pool, Result};

use crate::executor::Executor;

/// A worker of such an executor leaves after so long without a task: a hundred times what it takes to start one
/// that has something to load, so that coming back costs little.
pub(crate) const IDLE: Duration = Duration::from_secs(10);

pub(crate) struct Place<P: AnyPool> {
    /// Whose it is: set when it is first used.
    pid: OnceLock<u32>,
    executor: Mutex<Option<Arc<Executor<P>>>>,
    /// Of a child that was forked.
    next: OnceLock<Box<Place<P>>>,
}

impl<P: AnyPool> Place<P> {
    pub(crate) const fn new() -> Place<P> {
        Place { pid: OnceLock::new(), executor: Mutex::new(None), next: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Executor<P>>>> {
        let me = std::process::id();
        let mut place = self;
        while *place.pid.get_or_init(|| me) != me {
            place = place.next.get_or_init(|| Box::new(Place::new()));
        }
        // Nothing is half done where an executor's start panics.
        place.executor.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut place = self.lock();
        if let Some(executor) = &*place {
            let resized = match max_workers {
                Some(workers) if workers != executor.max_workers() => executor.pool().resize(workers),
                _ => Ok(()),
            };
            if executor.takes_tasks() {
                return resized.map(|()| executor.clone());
            }
        }
        let executor = Arc::new(make()?);
        let old = place.replace(executor.clone());
        drop(place);
        if let Some(old) = old {
            see_out(old);
        }
        Ok(executor)
    }

    /// Ends it, when all that was submitted is done.
    #[cfg(feature = "process")]
    pub(crate) fn end(&self) {
        let executor = self.lock().take();
        if let Some(executor) = executor {
            executor.shutdown(true, false);
        }
    }
}

/// Drops an executor that was replaced. That waits for its work, and perhaps it is its own task that asked for
/// another; so not here.
fn see_out<P: AnyPool + Send + Sync + 'static>(old: Arc<Executor<P>>) {
    // Where the system gives no thread, it is dropped here.
    let _ = std::thread::Builder::new().name("pool-replaced".into()).spawn(move || drop(old));
}
