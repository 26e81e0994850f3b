//! The user's end: building a pool, and dropping it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use pool_core::{AnyPool, Backend, Message, Result, Settings, SharedInitializer, TaskFn};

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
    /// [`InvalidArgument`](pool_core::ErrorKind::InvalidArgument) for 0 workers, [`Os`](pool_core::ErrorKind::Os) when the
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
    settings: Settings,
    initializer: Option<SharedInitializer>,
    idle_timeout: Option<Duration>,
}

impl ThreadPoolBuilder {
    /// How many threads. Default: one per core that this process may use.
    pub fn workers(mut self, workers: usize) -> ThreadPoolBuilder {
        self.settings.workers = Some(workers);
        self
    }

    /// The pool's name; its threads are called `NAME-worker-1` and so on. Default: `ThreadPool-1`,
    /// counting the program's thread pools.
    pub fn name(mut self, name: impl Into<String>) -> ThreadPoolBuilder {
        self.settings.name = Some(name.into());
        self
    }

    /// Calls `f` with a copy of `arg` in every thread before its first task; also in those that come later, in
    /// place of others. Threads of a [`scope`](ThreadPool::scope) are none of the pool's.
    ///
    /// An initializer that panics breaks the pool: every task that has not begun ends with
    /// [`Broken`](pool_core::ErrorKind::Broken), and the text says what the panic was and where.
    ///
    /// ```
    /// use pool_core::Pool;
    /// use pool_thread::ThreadPool;
    /// use std::cell::Cell;
    ///
    /// thread_local!(static SEED: Cell<u64> = const { Cell::new(0) });
    ///
    /// let pool = ThreadPool::builder().workers(2).initializer(|seed: u64| SEED.set(seed), 7).build()?;
    /// assert_eq!(pool.apply(|x: u64| x + SEED.get(), 1)?, 8);
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    pub fn initializer<F, A>(mut self, f: F, arg: A) -> ThreadPoolBuilder
    where
        F: TaskFn<A, Output = ()>,
        A: Message + Clone + Sync,
    {
        self.initializer = Some(SharedInitializer::new(f, arg));
        self
    }

    /// Threads come on demand: one is started with the pool, the others when a task comes and none of those that
    /// are there is free for it. One that has had nothing to do for so long leaves, down to the last one;
    /// [`Duration::MAX`] is never. When the system refuses a thread, those that are there do the work. Default: all
    /// are started with the pool, and stay.
    ///
    /// ```
    /// use pool_core::Pool;
    /// use pool_thread::ThreadPool;
    /// use std::time::Duration;
    ///
    /// let pool = ThreadPool::builder().workers(64).idle_timeout(Duration::from_secs(10)).build()?;
    /// assert_eq!(pool.apply(|x: u64| x + 1, 1)?, 2);
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    pub fn idle_timeout(mut self, after: Duration) -> ThreadPoolBuilder {
        self.idle_timeout = Some(after);
        self
    }

    /// Starts the pool.
    ///
    /// # Errors
    /// As [`ThreadPool::new`]; of threads that did start, none is left.
    pub fn build(self) -> Result<ThreadPool> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let workers = self.settings.count()?;
        let name = self.settings.name("ThreadPool", &COUNT)?;
        let shared = Shared::start(workers, name, self.initializer, self.idle_timeout)?;
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
