//! The executor over a pool of threads.

use std::sync::Arc;
use std::time::Duration;

use pool_core::{Message, Result, TaskFn};
use pool_thread::{ThreadPool, ThreadPoolBuilder};

use crate::executor::Executor;
use crate::global::{IDLE, Place};

/// An [`Executor`] over threads. One is started with it, the others when a task comes and none is free for it.
///
/// ```
/// use pool_futures::ThreadPoolExecutor;
///
/// let executor = ThreadPoolExecutor::new(2)?;
/// assert_eq!(executor.submit(|x: u64| x * x, 9).result()?, 81);
/// # Ok::<(), pool_core::Error>(())
/// ```
pub type ThreadPoolExecutor = Executor<ThreadPool>;

impl Executor<ThreadPool> {
    /// An executor over up to `max_workers` threads.
    ///
    /// # Errors
    /// [`InvalidArgument`](pool_core::ErrorKind::InvalidArgument) for 0, [`Os`](pool_core::ErrorKind::Os) when
    /// the system refuses a thread.
    pub fn new(max_workers: usize) -> Result<ThreadPoolExecutor> {
        ThreadPoolExecutor::builder().max_workers(max_workers).build()
    }

    /// The executor of the whole program: started by the first call, with a thread for each core at most, and the
    /// same one for every later call. Its threads leave when they have had nothing to do for 10 seconds, down to
    /// the last one. When it was shut down or is broken, the next call gives another; so does a call in a forked
    /// child.
    ///
    /// It is not dropped: at the end of the program its threads end with all others, whatever they are at. To wait
    /// for its work, wait for the futures, or [shut it down](Executor::shutdown).
    ///
    /// ```
    /// use pool_futures::ThreadPoolExecutor;
    ///
    /// let future = ThreadPoolExecutor::global()?.submit(|x: u64| x * x, 9);
    /// assert_eq!(future.result()?, 81);
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ThreadPoolExecutor::new`](Executor::<ThreadPool>::new).
    pub fn global() -> Result<Arc<ThreadPoolExecutor>> {
        global(None)
    }

    /// As [`global`](Executor::<ThreadPool>::global), with up to `max_workers` threads from now on, for all who use it. Threads
    /// that are too many leave after the task in hand; nobody waits for that.
    ///
    /// # Errors
    /// As [`ThreadPoolExecutor::new`](Executor::<ThreadPool>::new).
    pub fn global_with(max_workers: usize) -> Result<Arc<ThreadPoolExecutor>> {
        global(Some(max_workers))
    }

    /// An executor to be configured.
    pub fn builder() -> ThreadPoolExecutorBuilder {
        ThreadPoolExecutorBuilder::default()
    }
}

fn global(max_workers: Option<usize>) -> Result<Arc<ThreadPoolExecutor>> {
    static GLOBAL: Place<ThreadPool> = Place::new();
    GLOBAL.get(max_workers, || {
        let builder = ThreadPoolExecutor::builder().thread_name_prefix("global").idle_timeout(IDLE);
        match max_workers {
            Some(workers) => builder.max_workers(workers).build(),
            None => builder.build(),
        }
    })
}

/// Configures a [`ThreadPoolExecutor`].
#[derive(Debug, Clone, Default)]
pub struct ThreadPoolExecutorBuilder {
    pool: ThreadPoolBuilder,
    idle_timeout: Option<Duration>,
}

impl ThreadPoolExecutorBuilder {
    /// How many threads there are at most. Default: one per core that this process may use, where Python has `min(32, cores + 4)`:
    /// for tasks that wait rather than compute, ask for more.
    pub fn max_workers(mut self, workers: usize) -> ThreadPoolExecutorBuilder {
        self.pool = self.pool.workers(workers);
        self
    }

    /// The threads are called `PREFIX-worker-1` and so on. Default: `ThreadPool-1`, counting the program's thread
    /// pools.
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> ThreadPoolExecutorBuilder {
        self.pool = self.pool.name(prefix);
        self
    }

    /// Calls `f` with a copy of `arg` in every thread before its first task. One that panics breaks the executor:
    /// every future that has not begun ends with [`Broken`](pool_core::ErrorKind::Broken).
    pub fn initializer<F, A>(mut self, f: F, arg: A) -> ThreadPoolExecutorBuilder
    where
        F: TaskFn<A, Output = ()>,
        A: Message + Clone + Sync,
    {
        self.pool = self.pool.initializer(f, arg);
        self
    }

    /// A thread that has had nothing to do for this long leaves, down to the last one. Default: they stay.
    pub fn idle_timeout(mut self, after: Duration) -> ThreadPoolExecutorBuilder {
        self.idle_timeout = Some(after);
        self
    }

    /// Starts the executor.
    ///
    /// # Errors
    /// As [`ThreadPoolExecutor::new`](Executor::<ThreadPool>::new).
    pub fn build(self) -> Result<ThreadPoolExecutor> {
        // Threads that may leave are started as there is work; these never leave unless that was asked.
        let idle = self.idle_timeout.unwrap_or(Duration::MAX);
        Ok(Executor::over(self.pool.idle_timeout(idle).build()?))
    }
}
