//! What a process pool can be told about its workers' lives.

use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{EncodedInitializer, Error, ErrorKind, Exit, Message, Result, TaskFn, Worker};
use pool_ipc::birth::Setting;

use crate::hooks::Hooks;
use crate::pool::ProcessPoolBuilder;
use crate::porter;
use crate::scheduler::Policy;

/// The options of a builder that concern the lives of workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lives {
    pub(crate) policy: Policy,
    /// What every worker does first, or why it cannot be sent.
    initializer: Option<std::result::Result<EncodedInitializer, Arc<Error>>>,
    pub(crate) hooks: Hooks,
    pub(crate) surroundings: Surroundings,
    /// The first option that makes no sense.
    wrong: Option<&'static str>,
}

/// What workers have otherwise than the program.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    setting: Setting,
    /// The cores of each worker in turn; none: any core.
    cores: Vec<Vec<usize>>,
}

impl Surroundings {
    /// What the worker of a seat is born with.
    pub(crate) fn of(&self, seat: usize) -> Setting {
        let cores = self.cores.get(seat.checked_rem(self.cores.len()).unwrap_or(0)).cloned();
        Setting { cores, ..self.setting.clone() }
    }
}

impl Lives {
    /// What every worker does first.
    ///
    /// # Errors
    /// An option makes no sense, or the initializer cannot be encoded.
    pub(crate) fn initializer(&self) -> Result<Option<EncodedInitializer>> {
        if let Some(wrong) = self.wrong {
            return Err(Error::new(ErrorKind::InvalidArgument, wrong));
        }
        match &self.initializer {
            None => Ok(None),
            Some(Ok(initializer)) => Ok(Some(initializer.clone())),
            Some(Err(error)) => {
                let text = format!("the initializer cannot be sent: {error}");
                Err(Error::new(error.kind(), text).with_source(error.clone()))
            }
        }
    }

    fn variable(&mut self, name: OsString, value: Option<OsString>) {
        let bytes = name.as_encoded_bytes();
        let wrong = bytes.is_empty() || bytes.contains(&b'=') || bytes.contains(&0);
        self.refuse(wrong, "a variable of the environment has a name that is empty or has `=` or NUL in it");
        self.surroundings.setting.environment.push((name, value));
    }

    fn refuse(&mut self, wrong: bool, why: &'static str) {
        if wrong {
            self.wrong.get_or_insert(why);
        }
    }
}

impl ProcessPoolBuilder {
    /// Calls `f(arg)` in every worker before its first task; also in those that come later, in place of
    /// others.
    ///
    /// An initializer that panics, ends its process, or whose argument does not decode, breaks the pool:
    /// every call ends with [`Broken`](ErrorKind::Broken), and the text says what happened and where.
    ///
    /// ```
    /// use pool_core::Pool;
    /// use pool_process::ProcessPool;
    /// use std::sync::OnceLock;
    ///
    /// static MODEL: OnceLock<String> = OnceLock::new();
    ///
    /// let pool = ProcessPool::builder()
    ///     .workers(2)
    ///     .initializer(|path: String| MODEL.set(format!("the model of {path}")).unwrap(), "a.bin".to_string())
    ///     .build()?;
    /// assert_eq!(pool.apply(|_: ()| MODEL.get().cloned(), ())?, Some("the model of a.bin".to_string()));
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    pub fn initializer<F, A>(mut self, f: F, arg: A) -> ProcessPoolBuilder
    where
        F: TaskFn<A, Output = ()>,
        A: Message,
    {
        porter::hire();
        self.lives.initializer = Some(EncodedInitializer::new(f, arg).map_err(Arc::new));
        self
    }

    /// How long an initializer may take, from its worker's start; one that takes longer breaks the pool.
    /// Default: without end.
    pub fn initializer_timeout(mut self, limit: Duration) -> ProcessPoolBuilder {
        self.lives.policy.initializer_timeout = Some(limit);
        self
    }

    /// How many tasks a worker does before it leaves and another takes its place: never more. A task is a
    /// chunk of a call's items. Python's `maxtasksperchild`. 0 is an error of `build`. Default: any number.
    ///
    /// The next worker is started when the last task of the old one has ended, while that runs its exit
    /// handlers; they have 5 seconds.
    pub fn max_tasks_per_worker(mut self, tasks: usize) -> ProcessPoolBuilder {
        self.lives.policy.max_tasks = NonZeroUsize::new(tasks);
        self.lives.refuse(tasks == 0, "max_tasks_per_worker is 0; it must be at least 1");
        self
    }

    /// How large a worker may be after a task, in bytes of resident memory: one that is larger leaves and
    /// another takes its place. Default: any size.
    ///
    /// The size is that of `/proc/PID/statm`, shared memory included, read after every task, which costs some
    /// 10 µs; tasks are sent to workers one by one.
    pub fn max_memory_per_worker(mut self, bytes: u64) -> ProcessPoolBuilder {
        self.lives.policy.max_memory = Some(bytes);
        self
    }

    /// How many workers may die within `period`; one more breaks the pool.
    ///
    /// Counted are workers that ended in any way by themselves or by somebody else's hand; not those that the
    /// pool recycled, sent away, or killed for a time-out or a cancelled task.
    ///
    /// Default: any number, so that a pool withstands whatever its tasks do to it. Workers that die before they
    /// are ready for tasks break the pool in any case, when that has happened several times in a row.
    pub fn restart_limit(mut self, deaths: usize, period: Duration) -> ProcessPoolBuilder {
        self.lives.policy.restart_limit = Some((deaths, period));
        self
    }

    /// A worker that has had nothing to do for this long leaves, down to the last one; they come back when
    /// there is work that the others have no room for. Default: they stay.
    pub fn idle_timeout(mut self, after: Duration) -> ProcessPoolBuilder {
        self.lives.policy.idle_timeout = Some(after);
        self
    }

    /// Sets a variable of the workers' environment. Without this they have the program's.
    ///
    /// A name that is empty or has a `=` or a NUL in it is an error of `build`, and so is a value with a NUL.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> ProcessPoolBuilder {
        let (name, value) = (name.into(), value.into());
        let nul = value.as_encoded_bytes().contains(&0);
        self.lives.refuse(nul, "a variable of the environment has a value with a NUL in it");
        self.lives.variable(name, Some(value));
        self
    }

    /// Removes a variable from the workers' environment. As [`env`](ProcessPoolBuilder::env).
    pub fn env_remove(mut self, name: impl Into<OsString>) -> ProcessPoolBuilder {
        self.lives.variable(name.into(), None);
        self
    }

    /// The workers' working directory. Default: the program's, as it is when a worker starts. One that a
    /// worker cannot go to breaks the pool, and the text says why.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> ProcessPoolBuilder {
        self.lives.surroundings.setting.directory = Some(directory.into());
        self
    }

    /// The workers' niceness, from -20 (favoured) to 19, as `setpriority(2)` has it. Default: the program's.
    /// Less than that needs a privilege: without it the pool is broken, and the text says so.
    pub fn nice(mut self, niceness: i32) -> ProcessPoolBuilder {
        self.lives.refuse(!(-20..=19).contains(&niceness), "a niceness is from -20 to 19");
        self.lives.surroundings.setting.niceness = Some(niceness);
        self
    }

    /// Pins workers to cores, numbered from 0: the first worker to the first set, the second to the second,
    /// and when there are more workers than sets, from the first again. A worker that takes the place of
    /// another has its set. Default: any core that the program may use.
    ///
    /// No set, or an empty one, is an error of `build`. A core that the machine does not have breaks the pool,
    /// and the text says so.
    ///
    /// ```no_run
    /// # use pool_process::ProcessPool;
    /// let one_each = ProcessPool::builder().workers(4).cpus([[0], [1], [2], [3]]).build()?;
    /// let by_halves = ProcessPool::builder().workers(8).cpus([0..4, 4..8]).build()?;
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    pub fn cpus<S>(mut self, sets: impl IntoIterator<Item = S>) -> ProcessPoolBuilder
    where
        S: IntoIterator<Item = usize>,
    {
        let sets: Vec<Vec<usize>> = sets.into_iter().map(|set| set.into_iter().collect()).collect();
        let nothing = sets.is_empty() || sets.iter().any(Vec::is_empty);
        self.lives.refuse(nothing, "cpus without a core; name at least one for each set");
        self.lives.surroundings.cores = sets;
        self
    }

    /// A hard limit on a worker's memory, in bytes of address space (`RLIMIT_AS` of `setrlimit(2)`). An
    /// allocation beyond it fails: most code aborts then, and its task ends with
    /// [`WorkerDied`](ErrorKind::WorkerDied). Default: the program's limit.
    ///
    /// Address space is more than what is resident: code, stacks and the memory shared with the pool count.
    /// A limit too small to start in breaks the pool.
    pub fn memory_limit(mut self, bytes: u64) -> ProcessPoolBuilder {
        self.lives.surroundings.setting.memory = Some(bytes);
        self
    }

    /// Calls `hook` for each worker process that was started.
    ///
    /// Hooks run in this program, on the thread that callbacks run on, in the order of what happened. A hook
    /// that panics is reported on standard error, and nothing else is affected.
    pub fn on_worker_start(mut self, hook: impl Fn(&Worker) + Send + Sync + 'static) -> ProcessPoolBuilder {
        self.lives.hooks.on_start = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` for each worker process that has ended, with how it did; as
    /// [`on_worker_start`](ProcessPoolBuilder::on_worker_start). When [`join`](pool_core::Pool::join) or the
    /// drop of the pool returns, it was called for all of them.
    pub fn on_worker_exit(
        mut self,
        hook: impl Fn(&Worker, Exit) + Send + Sync + 'static,
    ) -> ProcessPoolBuilder {
        self.lives.hooks.on_exit = Some(Arc::new(hook));
        self
    }
}
