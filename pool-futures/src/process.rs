//! The executor over a pool of processes.

use std::num::NonZeroUsize;
use std::time::Duration;

use pool_core::{Message, Pool, Result, TaskFn};
use pool_process::{ProcessPool, ProcessPoolBuilder, StartMethod};

use crate::executor::Executor;

/// An [`Executor`] over processes. One is started with it, the others as there is work that those which are
/// there have no room for; a worker that dies is replaced when one is needed.
///
/// ```
/// use pool_futures::ProcessPoolExecutor;
///
/// let executor = ProcessPoolExecutor::new(2)?;
/// assert_eq!(executor.submit(|x: u64| x * x, 9).result()?, 81);
/// # Ok::<(), pool_core::Error>(())
/// ```
pub type ProcessPoolExecutor = Executor<ProcessPool>;

impl Executor<ProcessPool> {
    /// An executor over up to `max_workers` processes.
    ///
    /// # Errors
    /// As [`ProcessPool::new`].
    pub fn new(max_workers: usize) -> Result<ProcessPoolExecutor> {
        ProcessPoolExecutor::builder().max_workers(max_workers).build()
    }

    /// An executor to be configured.
    pub fn builder() -> ProcessPoolExecutorBuilder {
        ProcessPoolExecutorBuilder::default()
    }

    /// Takes no more tasks, cancels the futures of those that have not begun, and asks every worker to end
    /// (SIGTERM): the futures of what they have in hand fail with
    /// [`WorkerDied`](pool_core::ErrorKind::WorkerDied). A worker that handles or ignores the signal finishes its
    /// task.
    pub fn terminate_workers(&self) {
        self.pool().terminate_workers();
    }

    /// Takes no more tasks and kills every worker (SIGKILL); every future that has not ended ends with
    /// [`Terminated`](pool_core::ErrorKind::Terminated).
    pub fn kill_workers(&self) {
        self.pool().terminate();
    }
}

/// Configures a [`ProcessPoolExecutor`].
#[derive(Debug, Clone, Default)]
pub struct ProcessPoolExecutorBuilder {
    pool: ProcessPoolBuilder,
    max_workers: Option<usize>,
    idle_timeout: Option<Duration>,
    broken_on_worker_death: bool,
}

impl ProcessPoolExecutorBuilder {
    /// How many processes there are at most. Default: one per core that this process may use.
    pub fn max_workers(mut self, workers: usize) -> ProcessPoolExecutorBuilder {
        self.max_workers = Some(workers);
        self
    }

    /// Calls `f(arg)` in every worker before its first task. One that fails breaks the executor: every future
    /// that has not ended ends with [`Broken`](pool_core::ErrorKind::Broken), and the text says why.
    pub fn initializer<F, A>(mut self, f: F, arg: A) -> ProcessPoolExecutorBuilder
    where
        F: TaskFn<A, Output = ()>,
        A: Message,
    {
        self.pool = self.pool.initializer(f, arg);
        self
    }

    /// How many tasks a worker does before another takes its place. 0 is an error of `build`. Default: any number.
    /// Python refuses this under the start method `fork`; here every method has it.
    pub fn max_tasks_per_child(mut self, tasks: usize) -> ProcessPoolExecutorBuilder {
        self.pool = self.pool.max_tasks_per_worker(tasks);
        self
    }

    /// How workers are started. Default: as [`ProcessPoolBuilder::start_method`].
    pub fn start_method(mut self, method: StartMethod) -> ProcessPoolExecutorBuilder {
        self.pool = self.pool.start_method(method);
        self
    }

    /// Whether the death of one worker breaks the executor, as in Python: every other future that has not ended,
    /// and every later one, ends with [`Broken`](pool_core::ErrorKind::Broken). Default: no; the one future fails
    /// with [`WorkerDied`](pool_core::ErrorKind::WorkerDied), and the executor goes on.
    ///
    /// A worker that the executor recycles, or kills for a time-out, has not died.
    pub fn broken_on_worker_death(mut self, broken: bool) -> ProcessPoolExecutorBuilder {
        self.broken_on_worker_death = broken;
        self
    }

    /// A worker that has had nothing to do for this long leaves, down to the last one. Default: they stay.
    pub fn idle_timeout(mut self, after: Duration) -> ProcessPoolExecutorBuilder {
        self.idle_timeout = Some(after);
        self
    }

    /// Sets any other option of the pool. Its `workers` and `idle_timeout` are those given here.
    ///
    /// ```
    /// # use pool_futures::ProcessPoolExecutor;
    /// let builder = ProcessPoolExecutor::builder().pool(|pool| pool.name("parsers").nice(10));
    /// # drop(builder);
    /// ```
    pub fn pool(
        mut self,
        set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder,
    ) -> ProcessPoolExecutorBuilder {
        self.pool = set(self.pool);
        self
    }

    /// Starts the executor.
    ///
    /// # Errors
    /// As [`ProcessPoolBuilder::build`].
    pub fn build(self) -> Result<ProcessPoolExecutor> {
        let available = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let most = self.max_workers.unwrap_or_else(available);
        // A pool whose workers may leave starts them as there is work; these never leave unless that was asked.
        let idle = self.idle_timeout.unwrap_or(Duration::MAX);
        let mut pool = self.pool.workers(most.min(1)).idle_timeout(idle);
        if self.broken_on_worker_death {
            pool = pool.restart_limit(0, Duration::MAX);
        }
        let pool = pool.build()?;
        if most > 1 {
            pool.resize(most)?;
        }
        Ok(Executor::over(pool))
    }
}
