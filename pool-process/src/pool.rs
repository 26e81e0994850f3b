//! The user's end: building a pool, and dropping it.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pool_core::{AnyPool, Backend, Error, ErrorKind, Result, Settings};
use pool_ipc::start_method::{StartMethod, Starter};
use pool_ipc::{limits, own};

use crate::options::Lives;
use crate::porter;
use crate::post::Outfit;
use crate::shared::{Shared, lock};
use crate::supervisor::supervise;

/// A pool of worker processes.
///
/// ```
/// use pool_core::Pool;
/// use pool_process::ProcessPool;
///
/// let pool = ProcessPool::new(2)?;
/// assert_eq!(pool.map(|x: u64| x * x, 0..5)?, [0, 1, 4, 9, 16]);
/// pool.close();
/// pool.join()?;
/// # Ok::<(), pool_core::Error>(())
/// ```
///
/// How a worker is started is for you to choose: [`StartMethod`]. By default it is this program, executed
/// again and caught before `main`: constructors of the program run in it, `main` does not. It keeps the standard streams, the environment, the working directory and the
/// arguments, and has no other descriptor of the program. It ignores the terminal's Ctrl-C, and it dies
/// with the program, however that ends.
///
/// A task that panics is an error of that task, and its worker goes on. A task that ends its process
/// (`abort`, `exit`, a signal, a stack overflow) is an error of that task too, which says how it ended;
/// the worker is replaced, and every other task goes on.
///
/// Dropping the pool terminates it: the workers are killed and reaped.
pub struct ProcessPool {
    shared: Arc<Shared>,
    backend: Arc<dyn Backend>,
    method: StartMethod,
}

/// How long Drop waits for killed workers to be gone. The system needs milliseconds, unless one hangs in
/// a device.
const DROP_GRACE: Duration = Duration::from_secs(10);

impl ProcessPool {
    /// A pool of `workers` processes.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for 0 workers, and for [`StartMethod::Fork`] in a
    /// program that has other threads; [`Os`](ErrorKind::Os) when the
    /// system refuses a process, or this program is one that cannot be executed again (the text says
    /// why). Of workers that did start, none is left.
    pub fn new(workers: usize) -> Result<ProcessPool> {
        ProcessPool::builder().workers(workers).build()
    }

    /// A pool to be configured.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::default()
    }

    /// Takes no more tasks, ends those that no worker has begun with [`Cancelled`](ErrorKind::Cancelled), and
    /// asks every worker to end (SIGTERM). Its task ends with [`WorkerDied`](ErrorKind::WorkerDied), and is not
    /// tried again; a worker that handles or ignores the signal goes on with it.
    /// [`terminate`](pool_core::Pool::terminate) asks nobody.
    pub fn terminate_workers(&self) {
        if !self.shared.is_foreign() {
            self.shared.visit(|hub, now| hub.terminate_workers(now));
        }
    }

    /// How its workers are started.
    pub fn start_method(&self) -> StartMethod {
        self.method
    }
}

/// Configures a [`ProcessPool`].
#[derive(Debug, Clone, Default)]
pub struct ProcessPoolBuilder {
    settings: Settings,
    pub(crate) lives: Lives,
    start_method: Option<StartMethod>,
    allow_fork_with_threads: bool,
    forward_logs: bool,
}

impl ProcessPoolBuilder {
    /// How many processes. Default: one per core that this process may use.
    ///
    /// Each takes five descriptors of this program: with the usual limit of 1 024 (`ulimit -n`) there is room
    /// for 200.
    pub fn workers(mut self, workers: usize) -> ProcessPoolBuilder {
        self.settings.workers = Some(workers);
        self
    }

    /// The pool's name; its workers are called `NAME-worker-1` and so on. Default: `ProcessPool-1`,
    /// counting the program's process pools.
    pub fn name(mut self, name: impl Into<String>) -> ProcessPoolBuilder {
        self.settings.name = Some(name.into());
        self
    }

    /// Whether records that workers make with the crate `log` go to this program's logger, as
    /// [`ProcessBuilder::forward_logs`](crate::ProcessBuilder::forward_logs) says of a process. Default: false.
    #[cfg(feature = "log")]
    pub fn forward_logs(mut self, forward: bool) -> ProcessPoolBuilder {
        self.forward_logs = forward;
        self
    }

    /// How workers are started. Default: [`StartMethod::default_method`], which is `Spawn` unless the program
    /// chose another.
    pub fn start_method(mut self, method: StartMethod) -> ProcessPoolBuilder {
        self.start_method = Some(method);
        self
    }

    /// Whether [`StartMethod::Fork`] is used although the program has other threads, whose locks stay locked
    /// in the workers for ever: see its dangers. Default: no. With other methods it means nothing.
    pub fn allow_fork_with_threads(mut self, allow: bool) -> ProcessPoolBuilder {
        self.allow_fork_with_threads = allow;
        self
    }

    /// Starts the pool. Workers are on their way when it returns; tasks may be given at once.
    ///
    /// # Errors
    /// As [`ProcessPool::new`]; and [`Encode`](ErrorKind::Encode) when the initializer's argument cannot be
    /// encoded.
    pub fn build(self) -> Result<ProcessPool> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let workers = self.settings.count()?;
        let method = self.start_method.unwrap_or_else(StartMethod::default_method);
        let initializer = self.lives.initializer()?;
        let name = self.settings.name("ProcessPool", &COUNT)?;
        let Lives { policy, hooks, surroundings, .. } = self.lives;
        let refused = |error: std::io::Error| {
            // It is not the system that refuses to fork beside other threads.
            let kind = match (method, error.kind()) {
                (StartMethod::Fork, std::io::ErrorKind::Unsupported) => ErrorKind::InvalidArgument,
                _ => ErrorKind::Os,
            };
            let error = limits::explain(error);
            let text = format!("cannot start a process pool of {workers}: {error}");
            Error::new(kind, text).with_source(error)
        };
        porter::hire();
        let starter = Starter::new(method, self.allow_fork_with_threads).map_err(refused)?;
        let mut shared =
            Shared::new(name, workers, policy, initializer, hooks, surroundings).map_err(refused)?;
        shared.forward_logs = self.forward_logs;
        let shared = Arc::new(shared);
        let (started, first) = mpsc::channel();
        // A few ahead, because each takes more descriptors before its worker is born than after.
        let (outfit, outfits) = mpsc::sync_channel(2);
        let supervised = shared.clone();
        let supervise = move || supervise(&supervised, starter, outfits.into_iter(), &started);
        let thread = own::thread(format!("{}-supervisor", shared.name), supervise).map_err(refused)?;
        *lock(&shared.supervisor) = Some(thread);
        let pool = ProcessPool { backend: shared.clone(), shared, method };
        // While the supervisor starts one worker, this thread makes what the next one needs. When a start
        // has failed, nobody takes it.
        for _ in 0..workers {
            if outfit.send(Outfit::make()).is_err() {
                break;
            }
        }
        drop(outfit);
        // On an error the pool is dropped here, which sees the workers out that did start.
        first
            .recv()
            .unwrap_or_else(|_| Err(std::io::Error::other("the supervisor ended")))
            .map_err(refused)?;
        Ok(pool)
    }
}

impl AnyPool for ProcessPool {
    fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl Drop for ProcessPool {
    fn drop(&mut self) {
        if self.shared.is_foreign() {
            return;
        }
        self.shared.terminate();
        if self.shared.gone.wait(Instant::now().checked_add(DROP_GRACE)) {
            self.shared.clean_up();
        }
    }
}

impl std::fmt::Debug for ProcessPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.shared.fmt(f)
    }
}
