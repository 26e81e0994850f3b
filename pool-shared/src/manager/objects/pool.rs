//! A pool in the server, and the results that it owes.
//!
//! Who submits does so alone with the pool, and gets a proxy of the result, which waits by itself: nobody waits for
//! somebody else's tasks.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pool_core::{AsyncResult, Message, Pool};
use pool_process::ProcessPool;

use super::Result;
use crate::manager::error::Fault;
use crate::manager::method::Waits;
use crate::manager::server::{Caller, lock};
use crate::manager::{Managed, Manager, ManagerError, Method, Methods, Proxy};

/// What a pool gives.
type Outcome<R> = std::result::Result<R, pool_core::Error>;

/// A managed pool as it is in the server.
#[derive(Clone)]
pub struct ManagedPool {
    pool: Arc<ProcessPool>,
    /// It takes no more work.
    closed: Arc<AtomicBool>,
    calls: Arc<Calls>,
}

/// How many calls have not ended, and those that wait for it.
#[derive(Default)]
struct Calls {
    open: Mutex<usize>,
    changed: Condvar,
}

impl Calls {
    fn begin(&self) {
        *lock(&self.open) += 1;
    }

    fn end(&self) {
        *lock(&self.open) -= 1;
        self.changed.notify_all();
    }

    /// Has all that wait look whether they still should.
    fn wake(&self) {
        // With the lock: who has looked and does not sleep yet is woken too.
        let _open = lock(&self.open);
        self.changed.notify_all();
    }

    /// Waits until none is open; whether that is so in time, and while somebody wants to know.
    fn wait(&self, caller: &Caller, timeout: Option<Duration>) -> bool {
        if *lock(&self.open) == 0 {
            return true;
        }
        // A time past the end of time is none.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let _blocked = caller.blocked();
        let mut open = lock(&self.open);
        while *open > 0 && !caller.is_unwanted() {
            open = match end.map(|end| end.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => self.changed.wait_timeout(open, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(open).unwrap_or_else(PoisonError::into_inner),
            };
        }
        *open == 0
    }
}

impl ManagedPool {
    const WORKERS: Method<Self, (), usize> = Method::beside("workers", |pool, _, ()| Ok(pool.pool.workers()));
    const CLOSE: Method<Self, (), ()> = Method::beside("close", |pool, _, ()| {
        // ORDERING: before whoever closes it calls `join`, by whichever thread.
        pool.closed.store(true, SeqCst);
        pool.pool.close();
        Ok(())
    });
    const TERMINATE: Method<Self, (), ()> = Method::beside("terminate", |pool, _, ()| {
        pool.closed.store(true, SeqCst);
        pool.pool.terminate();
        Ok(())
    });
    const JOIN: Method<Self, (), Outcome<()>> = Method::beside("join", |pool, caller, ()| {
        // Of a pool that is open it is an error, which the pool knows. Otherwise what takes long is waited for here,
        // where a client that goes away ends the wait.
        if pool.closed.load(SeqCst) && !pool.calls.wait(caller, None) {
            return Err(Fault::Refused("nobody waits for it any more".to_owned()));
        }
        Ok(pool.pool.join())
    });

    /// The result of what `submit` gives to the pool.
    fn submit<R: Message>(&self, submit: impl FnOnce(&ProcessPool) -> AsyncResult<R>) -> Submitted<R> {
        let own = Arc::new(Calls::default());
        own.begin();
        self.calls.begin();
        let handle = submit(&self.pool);
        let (all, ended) = (self.calls.clone(), own.clone());
        handle.on_done(move |_| {
            ended.end();
            all.end();
        });
        Proxy::here_apart(ManagedResult { handle: Mutex::new(handle), call: own })
            .map_err(|error| error.to_string())
    }
}

type Submitted<R> = std::result::Result<Proxy<ManagedResult<R>>, String>;

impl Waits for ManagedPool {
    const NAME: &'static str = "pool";

    fn methods() -> Methods<Self> {
        Methods::new().with(&Self::WORKERS).with(&Self::CLOSE).with(&Self::TERMINATE).with(&Self::JOIN)
    }

    fn forget(&self, _session: u128) {}

    fn wake(&self) {
        self.calls.wake();
    }

    fn lent(&self) -> Option<Self> {
        Some(self.clone())
    }
}

impl std::fmt::Debug for ManagedPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedPool").field("pool", &self.pool).finish_non_exhaustive()
    }
}

/// The result of a call of a managed pool, as it is in the server.
pub struct ManagedResult<R> {
    handle: Mutex<AsyncResult<R>>,
    call: Arc<Calls>,
}

impl<R: Message> ManagedResult<R> {
    /// `None`: not in time.
    const GET: Method<Self, Option<Duration>, Option<Outcome<R>>> =
        Method::beside("get", |result, caller, timeout| {
            let ended = result.call.wait(caller, timeout);
            Ok(ended.then(|| result.ended().get_timeout(Duration::ZERO)))
        });
    const WAIT: Method<Self, Option<Duration>, bool> =
        Method::beside("wait", |result, caller, timeout| Ok(result.call.wait(caller, timeout)));
    const SUCCESSFUL: Method<Self, (), bool> = Method::beside("successful", |result, _, ()| {
        Ok(*lock(&result.call.open) == 0 && result.ended().successful())
    });
    const CANCEL: Method<Self, (), bool> =
        Method::beside("cancel", |result, _, ()| Ok(lock(&result.handle).cancel()));
}

impl<R> ManagedResult<R> {
    /// The handle of a call that has ended: as good as, while this is being told.
    fn ended(&self) -> MutexGuard<'_, AsyncResult<R>> {
        let handle = lock(&self.handle);
        handle.wait();
        handle
    }
}

impl<R: Message> Waits for ManagedResult<R> {
    const NAME: &'static str = "result";

    fn methods() -> Methods<Self> {
        Methods::new().with(&Self::GET).with(&Self::WAIT).with(&Self::SUCCESSFUL).with(&Self::CANCEL)
    }

    fn forget(&self, _session: u128) {}

    fn wake(&self) {
        self.call.wake();
    }
}

impl<R> std::fmt::Debug for ManagedResult<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedResult").finish_non_exhaustive()
    }
}

impl Manager {
    /// A new pool of so many worker processes, which are children of the server.
    ///
    /// # Errors
    /// [`Pool`](ManagerError::Pool): there can be no such pool; and as [`create`](Manager::create).
    pub fn pool(&self, workers: usize) -> Result<PoolProxy> {
        self.pool_with(workers, ProcessPool::new)
    }

    /// A new pool, which `make` makes of `context` in the server: with a builder, say. `make` captures nothing.
    ///
    /// # Errors
    /// [`Pool`](ManagerError::Pool): what `make` has failed with; and as [`create`](Manager::create).
    pub fn pool_with<C, F>(&self, context: C, make: F) -> Result<PoolProxy>
    where
        C: Message,
        F: Fn(C) -> pool_core::Result<ProcessPool> + Copy + Send + Sync + 'static,
    {
        let maker = self.create(|()| Maker, ())?;
        let made = maker.with(context, move |_: &mut Maker, context| match make(context) {
            Ok(pool) => {
                let (pool, closed, calls) = (Arc::new(pool), Arc::default(), Arc::default());
                Ok(Proxy::here_apart(ManagedPool { pool, closed, calls }).map_err(|error| error.to_string()))
            }
            Err(error) => Err(error),
        })?;
        let made: std::result::Result<Proxy<ManagedPool>, String> = made.map_err(ManagerError::Pool)?;
        made.map(PoolProxy).map_err(ManagerError::Refused)
    }
}

/// Makes one pool, or says why there is none.
struct Maker;

impl Managed for Maker {
    const NAME: &'static str = "maker of a pool";

    fn methods() -> Methods<Self> {
        Methods::new()
    }
}

/// A proxy of a pool of processes in a [`Manager`]'s server, as Python's `Manager().Pool()`: many clients share its
/// workers.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{Manager, PoolProxy};
///
/// let manager = Manager::start()?;
/// let pool = manager.pool(2)?;
/// let child = |pool: PoolProxy| pool.map(|x: u64| x * x, 0..5).map_err(|error| error.to_string());
/// assert_eq!(Process::spawn(child, pool.clone())?.join()??, [0, 1, 4, 9, 16]);
/// let later = pool.apply_async(|name: String| name.len(), "report.pdf".to_owned())?;
/// assert_eq!(later.get()?, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A task function captures nothing, as that of any pool. The pool is terminated when its last proxy goes.
///
/// Every method fails with [`Gone`](ManagerError::Gone) once the server has ended, and those that name a function with
/// [`OtherBuild`](ManagerError::OtherBuild) on a server of another build. What the pool or a task fails with is
/// [`Pool`](ManagerError::Pool).
pub struct PoolProxy(Proxy<ManagedPool>);

impl PoolProxy {
    /// Runs `f(arg)` on a worker, and waits for what it returns.
    pub fn apply<A, R, F>(&self, f: F, arg: A) -> Result<R>
    where
        A: Message,
        R: Message,
        F: Fn(A) -> R + Copy + Send + Sync + 'static,
    {
        self.apply_async(f, arg)?.get()
    }

    /// Has `f(arg)` run on a worker; a proxy of the result comes at once.
    pub fn apply_async<A, R, F>(&self, f: F, arg: A) -> Result<ResultProxy<R>>
    where
        A: Message,
        R: Message,
        F: Fn(A) -> R + Copy + Send + Sync + 'static,
    {
        let submitted: Submitted<R> = self
            .0
            .with(arg, move |pool: &mut ManagedPool, arg| pool.submit(|pool| pool.apply_async(f, arg)))?;
        submitted.map(ResultProxy).map_err(ManagerError::Refused)
    }

    /// Runs `f` on all items, and waits for the results, which are in the order of the items.
    pub fn map<A, R, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>>
    where
        A: Message,
        R: Message,
        F: Fn(A) -> R + Copy + Send + Sync + 'static,
    {
        self.map_async(f, items)?.get()
    }

    /// Has `f` run on all items; a proxy of the results comes at once.
    pub fn map_async<A, R, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<ResultProxy<Vec<R>>>
    where
        A: Message,
        R: Message,
        F: Fn(A) -> R + Copy + Send + Sync + 'static,
    {
        let items: Vec<A> = items.into_iter().collect();
        let submitted: Submitted<Vec<R>> =
            self.0.with(items, move |pool: &mut ManagedPool, items: Vec<A>| {
                pool.submit(|pool| pool.map_async(f, items))
            })?;
        submitted.map(ResultProxy).map_err(ManagerError::Refused)
    }

    /// How many workers it has.
    pub fn workers(&self) -> Result<usize> {
        self.0.call(&ManagedPool::WORKERS, ())
    }

    /// Takes no more work; what it has is done.
    pub fn close(&self) -> Result<()> {
        self.0.call(&ManagedPool::CLOSE, ())
    }

    /// Ends the pool now; what it has not done fails.
    pub fn terminate(&self) -> Result<()> {
        self.0.call(&ManagedPool::TERMINATE, ())
    }

    /// Waits until a pool that was closed or terminated has ended.
    ///
    /// # Errors
    /// [`Pool`](ManagerError::Pool): it was neither closed nor terminated.
    pub fn join(&self) -> Result<()> {
        self.0.call(&ManagedPool::JOIN, ())?.map_err(ManagerError::Pool)
    }
}

#[rustfmt::skip] // It takes the empty brackets away.
super::proxy!(PoolProxy<>, ManagedPool);

/// A proxy of the result of a call of a managed pool, which is in the server until somebody takes it, and goes with its
/// last proxy: then nobody hears of it, but the task is run.
pub struct ResultProxy<R>(Proxy<ManagedResult<R>>);

impl<R: Message> ResultProxy<R> {
    /// Waits for the result, and takes it.
    ///
    /// # Errors
    /// [`Pool`](ManagerError::Pool): what the call failed with, and that it was taken before.
    pub fn get(self) -> Result<R> {
        self.take(None)
    }

    /// Waits for the result for at most `timeout`, and takes it.
    ///
    /// # Errors
    /// [`Pool`](ManagerError::Pool): there is none yet, of the kind
    /// [`TimedOut`](pool_core::ErrorKind::TimedOut); what the call failed with; that it was taken before.
    pub fn get_timeout(&self, timeout: Duration) -> Result<R> {
        self.take(Some(timeout))
    }

    fn take(&self, timeout: Option<Duration>) -> Result<R> {
        match self.0.call(&ManagedResult::GET, timeout)? {
            Some(result) => result.map_err(ManagerError::Pool),
            None => {
                let waited = timeout.unwrap_or_default();
                let text = format!("no result within {waited:?}");
                Err(ManagerError::Pool(pool_core::Error::new(pool_core::ErrorKind::TimedOut, text)))
            }
        }
    }

    /// Waits until there is a result.
    pub fn wait(&self) -> Result<()> {
        self.0.call(&ManagedResult::WAIT, None).map(drop)
    }

    /// Waits until there is a result (`true`), for at most `timeout` (`false`).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        self.0.call(&ManagedResult::WAIT, Some(timeout))
    }

    /// Whether the call has ended, well or badly.
    pub fn ready(&self) -> Result<bool> {
        self.wait_timeout(Duration::ZERO)
    }

    /// Whether the call has ended with a value.
    pub fn successful(&self) -> Result<bool> {
        self.0.call(&ManagedResult::SUCCESSFUL, ())
    }

    /// Gives the call up, as [`AsyncResult::cancel`]; whether it had not ended before.
    pub fn cancel(&self) -> Result<bool> {
        self.0.call(&ManagedResult::CANCEL, ())
    }
}

super::proxy!(ResultProxy<R>, ManagedResult<R>);
