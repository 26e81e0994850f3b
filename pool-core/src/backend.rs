//! The seam: what a backend does for the pool above it.

use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::event::Event;
use crate::options::Options;
use crate::work::Task;

/// What fills the seam under [`Pool`](crate::Pool): it runs tasks on some kind of worker.
///
/// Nothing here assumes that a worker is a thread or a child process on this machine. A backend
/// owes each submitted task exactly one end, whatever happens to its workers; it may keep no lock
/// while it ends one, because an end can run the user's wakers.
pub trait Backend: Send + Sync {
    /// How many workers the pool keeps.
    fn workers(&self) -> usize;

    /// Keeps so many from now on, and at least one: more are started, or those that are too many leave,
    /// busy ones after the task in hand.
    ///
    /// # Errors
    /// The pool takes no more work, as [`refusal`](Backend::refusal) says; or no worker can be started.
    fn resize(&self, workers: usize) -> Result<()>;

    /// Why the pool takes no more work, when it does not.
    fn refusal(&self) -> Option<Error>;

    /// Queues a task. Never blocks on the workers. On a pool that takes no more work the task is
    /// ended with an error.
    fn submit(&self, task: Task);

    /// Whether workers run a task's [`Work`](crate::work::Work) where it stands. Items are then put where their
    /// values will be.
    fn shares_memory(&self) -> bool {
        false
    }

    /// Called by a thread that lays down and submits the chunks of one call one after the other, when so many of
    /// them are submitted: a place to let the workers begin while a chunk is still in the cache.
    fn between_chunks(&self, _submitted: usize) {}

    /// Blocks this thread until `event` is set (`true`) or `deadline` passes (`false`); meanwhile the
    /// thread may do the backend's work.
    fn wait(&self, event: &Event, deadline: Option<Instant>) -> bool;

    /// Someone is interested in results and will not call [`wait`](Backend::wait): a future, or a
    /// callback.
    fn attend(&self);

    /// Nobody wants this task any more, and it is ended already: drop it from the queue, or take its
    /// worker off it where that is possible.
    fn forget(&self, task: &Task);

    /// Whether a worker has begun this task, whose argument was taken: always, where workers call
    /// [`Work::run`](crate::work::Work::run). A task that has ended counts as begun or not.
    fn has_begun(&self, _task: &Task) -> bool {
        true
    }

    /// Takes back a task that no worker has begun, and that was not settled; whose argument was taken. After
    /// `true` it is [withheld](crate::work::Work::withhold), no worker will begin it, and the caller settles it.
    fn withdraw(&self, _task: &Task) -> bool {
        false
    }

    /// Runs the user's callback, on a thread that the pool's own progress does not depend on.
    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>);

    /// Takes no more tasks. Those that were submitted are still done.
    fn close(&self);

    /// Takes no more tasks, and ends those that no worker has begun with
    /// [`Cancelled`](crate::ErrorKind::Cancelled). The others are still done.
    fn cancel_queued(&self);

    /// Takes no more tasks, drops what is queued and stops the workers. Every task ends.
    fn terminate(&self);

    /// Waits until the workers are gone.
    ///
    /// # Errors
    /// [`StillOpen`](crate::ErrorKind::StillOpen) before `close` or `terminate`.
    fn join(&self) -> Result<()>;
}

/// A pool of whichever backend, to choose at run time: `&dyn AnyPool` has all of
/// [`Pool`](crate::Pool)'s methods.
///
/// ```
/// use pool_core::{AnyPool, Pool};
/// fn squares(pool: &dyn AnyPool) -> pool_core::Result<Vec<u64>> {
///     pool.map(|x: u64| x * x, 0..100)
/// }
/// ```
pub trait AnyPool {
    /// What runs the tasks.
    fn backend(&self) -> &Arc<dyn Backend>;

    /// The options its calls are made with: the defaults, except on a [`View`](crate::View).
    fn options(&self) -> Options {
        Options::default()
    }
}

impl<P: AnyPool + ?Sized> AnyPool for &P {
    fn backend(&self) -> &Arc<dyn Backend> {
        (**self).backend()
    }
    fn options(&self) -> Options {
        (**self).options()
    }
}

impl<P: AnyPool + ?Sized> AnyPool for Box<P> {
    fn backend(&self) -> &Arc<dyn Backend> {
        (**self).backend()
    }
    fn options(&self) -> Options {
        (**self).options()
    }
}

impl<P: AnyPool + ?Sized> AnyPool for Arc<P> {
    fn backend(&self) -> &Arc<dyn Backend> {
        (**self).backend()
    }
    fn options(&self) -> Options {
        (**self).options()
    }
}
