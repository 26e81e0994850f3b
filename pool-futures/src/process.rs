//! The executor over a pool of processes.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{Message, Pool, Result, TaskFn};
use pool_process::{ProcessPool, ProcessPoolBuilder, StartMethod, at_exit};

use crate::executor::Executor;
use crate::global::{IDLE, Place};

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

    /// The executor of the whole program: started by the first call, with a process for each core at most, and the
    /// same one for every later call. Its workers leave when they have had nothing to do for 10 seconds, down to
    /// the last one. When it was shut down or is broken, the next call gives another; so does a call in a forked
    /// child. loky's `get_reusable_executor`.
    ///
    /// It is not dropped. At the normal end of the program all that was submitted is done, to those that it replaced
    /// too, and its workers leave, with the finalizers of priority 0 ([`at_exit`](pool_process::at_exit)). A task that
    /// never ends keeps the program from ending, unless its worker is
    /// [killed](Executor::<ProcessPool>::kill_workers) before.
    ///
    /// ```
    /// use pool_futures::ProcessPoolExecutor;
    ///
    /// let future = ProcessPoolExecutor::global()?.submit(|x: u64| x * x, 9);
    /// assert_eq!(future.result()?, 81);
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ProcessPool::new`]. Where the program's default is [`StartMethod::Fork`], that is refused as soon as
    /// the program has another thread.
    pub fn global() -> Result<Arc<ProcessPoolExecutor>> {
        global(None)
    }

    /// As [`global`](Executor::<ProcessPool>::global), with up to `max_workers` processes from now on, for all who use it.
    /// Workers that are too many leave after the task in hand; nobody waits for that.
    ///
    /// # Errors
    /// As [`global`](Executor::<ProcessPool>::global).
    pub fn global_with(max_workers: usize) -> Result<Arc<ProcessPoolExecutor>> {
        global(Some(max_workers))
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

fn global(max_workers: Option<usize>) -> Result<Arc<ProcessPoolExecutor>> {
    static GLOBAL: Place<ProcessPool> = Place::new();
    GLOBAL.get(max_workers, || {
        let builder = ProcessPoolExecutor::builder().pool(|pool| pool.name("global")).idle_timeout(IDLE);
        let executor = match max_workers {
            Some(workers) => builder.max_workers(workers).build()?,
            None => builder.build()?,
        };
        // One for each that is made: the first that runs ends the last that is there, the others find none.
        at_exit(Some(0), || GLOBAL.end()).leave_to_exit();
        Ok(executor)
    })
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
