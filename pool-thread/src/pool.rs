//! The user's end: building a pool, and dropping it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use pool_core::{AnyPool, Backend, Error, ErrorKind, Result};

use crate::shared::Shared;

/// A pool of threads.
///
/// ```
/// use pool_core::Pool;
/// use pool_thread::ThreadPool;
///
/// let pool = ThreadPool::new(2)?;
/// assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), pool_core::Error>(())
/// ```
///
/// Dropping the pool terminates it and waits for the tasks in hand, for a few seconds; a thread whose
/// task goes on after that is left behind.
#[derive(Debug)]
pub struct ThreadPool {
    shared: Arc<Shared>,
    backend: SeamOf,
}

/// The pool's shared part again, as what the surface works with.
struct SeamOf(Arc<dyn Backend>);

impl std::fmt::Debug for SeamOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Backend")
    }
}

/// How long Drop waits for tasks in hand.
const DROP_GRACE: Duration = Duration::from_secs(5);

impl ThreadPool {
    /// A pool of `workers` threads.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for 0 workers, [`Os`](ErrorKind::Os) when the
    /// system refuses a thread.
    pub fn new(workers: usize) -> Result<ThreadPool> {
        ThreadPool::builder().workers(workers).build()
    }

    /// A pool to be configured.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

/// Configures a [`ThreadPool`].
#[derive(Debug, Clone, Default)]
pub struct ThreadPoolBuilder {
    workers: Option<usize>,
    name: Option<String>,
}

impl ThreadPoolBuilder {
    /// How many threads. Default: one per core that this process may use.
    pub fn workers(mut self, workers: usize) -> ThreadPoolBuilder {
        self.workers = Some(workers);
        self
    }

    /// The pool's name; its threads are called `NAME-worker-1` and so on. Default: `ThreadPool-1`,
    /// counting the program's thread pools.
    pub fn name(mut self, name: impl Into<String>) -> ThreadPoolBuilder {
        self.name = Some(name.into());
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// As [`ThreadPool::new`]; of threads that did start, none is left.
    pub fn build(self) -> Result<ThreadPool> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let workers = match self.workers {
            Some(0) => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    "a pool of 0 workers; ask for at least 1",
                ));
            }
            Some(workers) => workers,
            None => std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
        };
        if self.name.as_ref().is_some_and(|name| name.contains(char::is_control)) {
            let text = "a pool's name with a control character; use printable text";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        // ORDERING: only uniqueness matters.
        let name = self.name.unwrap_or_else(|| format!("ThreadPool-{}", COUNT.fetch_add(1, Relaxed) + 1));
        let shared = Shared::start(workers, name)?;
        let backend = SeamOf(shared.clone());
        Ok(ThreadPool { shared, backend })
    }
}

impl AnyPool for ThreadPool {
    fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend.0
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.terminate();
        self.shared.wait_until_gone(Some(DROP_GRACE));
    }
}
