//! Locks, in the server: that of [`LockProxy`], and what it and the one of `rlock.rs` have in common.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use crate::manager::error::{Fault, Refusal};
use crate::manager::method::Waits;
use crate::manager::objects::condition::{ConditionProxy, ManagedCondition};
use crate::manager::objects::{opaque, proxy};
use crate::manager::server::{Apart, Caller, Ended, Line, Monitor, Patience, Session, State};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// A thread of a client.
struct Who {
    session: Arc<Session>,
    thread: u32,
}

impl Who {
    fn of(caller: &Caller) -> Who {
        Who { session: caller.session.clone(), thread: caller.thread }
    }

    fn is(&self, caller: &Caller) -> bool {
        self.session.id == caller.session.id && self.thread == caller.thread
    }
}

/// A lock, which its owner may take again or not, as it is used.
#[derive(Default)]
pub(super) struct Core(Monitor<Holding>);

#[derive(Default)]
struct Holding {
    owner: Option<Who>,
    /// How often the owner has taken it.
    depth: u64,
    is_abandoned: bool,
    line: Line,
}

impl State for Holding {
    const BARGES: bool = true;

    fn line(&mut self, number: usize) -> Option<&mut Line> {
        (number == 0).then_some(&mut self.line)
    }

    fn ready(&self, _line: usize) -> usize {
        usize::from(self.owner.is_none())
    }
}

impl Holding {
    fn has(&self, caller: &Caller) -> bool {
        self.owner.as_ref().is_some_and(|owner| owner.is(caller))
    }

    /// The owner has gone, if this is so of it.
    fn forget_if(&mut self, has_gone: impl FnOnce(&Session) -> bool) {
        if self.owner.take_if(|owner| has_gone(&owner.session)).is_some() {
            self.is_abandoned = true;
        }
    }
}

impl Core {
    /// Takes it; `false`: not within that time.
    pub(super) fn acquire(&self, caller: &Caller, patience: Patience) -> std::result::Result<bool, Fault> {
        self.acquire_times(caller, patience, 1)
    }

    /// Takes it as often as it was released at once.
    pub(super) fn acquire_times(
        &self,
        caller: &Caller,
        patience: Patience,
        depth: u64,
    ) -> std::result::Result<bool, Fault> {
        let taken = self.0.wait(caller, patience, 0, |holding, before| {
            holding.forget_if(Session::is_over);
            (holding.owner.is_none() && before == 0).then(|| {
                holding.owner = Some(Who::of(caller));
                holding.depth = depth;
            })
        });
        match taken {
            Ok(()) => Ok(true),
            Err(Ended::Time) => Ok(false),
            Err(Ended::Unwanted) => Err(Ended::Unwanted.into()),
        }
    }

    /// Takes it once more, if the caller has it.
    pub(super) fn acquire_again(&self, caller: &Caller) -> bool {
        let mut holding = self.0.lock();
        let is_mine = holding.has(caller);
        if is_mine {
            holding.depth = holding.depth.saturating_add(1);
        }
        is_mine
    }

    /// Gives it back, whoever has it.
    fn release(&self) -> std::result::Result<(), Fault> {
        let mut holding = self.0.lock();
        holding.owner.take().map(drop).ok_or_else(|| Refusal::NotLocked.into())
    }

    /// Gives it back once, if it is the caller's.
    pub(super) fn release_own(&self, caller: &Caller) -> std::result::Result<(), Fault> {
        let mut holding = self.0.lock();
        if !holding.has(caller) {
            let is_free = holding.owner.is_none();
            return Err(if is_free { Refusal::NotLocked } else { Refusal::NotOwner }.into());
        }
        holding.depth -= 1;
        if holding.depth == 0 {
            holding.owner = None;
        }
        Ok(())
    }

    /// Gives it back, however often the caller has taken it; `None`: it is not the caller's.
    pub(super) fn release_whole(&self, caller: &Caller) -> Option<u64> {
        let mut holding = self.0.lock();
        holding.owner.take_if(|owner| owner.is(caller))?;
        Some(holding.depth)
    }

    pub(super) fn is_locked(&self) -> bool {
        self.0.lock().owner.is_some()
    }

    pub(super) fn is_mine(&self, caller: &Caller) -> bool {
        self.0.lock().has(caller)
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.0.lock().is_abandoned
    }

    pub(super) fn clear_abandoned(&self) {
        self.0.lock().is_abandoned = false;
    }

    pub(super) fn forget(&self, session: u128) {
        self.0.lock().forget_if(|owner| owner.id == session);
    }

    pub(super) fn wake(&self) {
        self.0.wake();
    }
}

/// A managed lock in the server.
#[derive(Default)]
pub struct ManagedLock(Arc<Core>);

/// A proxy of a lock that one thread of all clients has at a time, as Python's `Manager().Lock()`. Everything that
/// [`Lock`](crate::Lock) says holds here too, but for this:
///
/// - What a thread takes is its process's when it comes to deaths: a process that ends, in whatever way, or drops its
///   last proxy of the lock, holds it no more, and the next one gets it marked as
///   [abandoned](LockProxy::is_abandoned). A thread that ends keeps it.
/// - Each call is a round trip to the server, and may fail if that has ended.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{LockProxy, Manager};
///
/// let manager = Manager::start()?;
/// let lock = manager.lock()?;
/// let guard = lock.lock()?;
/// let child = |lock: LockProxy| lock.try_acquire().is_ok_and(|acquired| !acquired);
/// assert!(Process::spawn(child, lock.clone())?.join()?);
/// drop(guard);
///
/// // One that ends with the lock in its hands.
/// Process::spawn(|lock: LockProxy| lock.acquire().is_ok(), lock.clone())?.join()?;
/// assert!(lock.lock()?.is_abandoned()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct LockProxy(Proxy<ManagedLock>);

proxy!(LockProxy, ManagedLock);

opaque!(ManagedLock);

impl ManagedLock {
    const ACQUIRE: Method<Self, Patience, bool> =
        Method::beside("acquire", |lock, caller, patience| lock.0.acquire(caller, patience));
    const RELEASE: Method<Self, (), ()> = Method::beside("release", |lock, _, ()| lock.0.release());
    const IS_LOCKED: Method<Self, (), bool> =
        Method::beside("is_locked", |lock, _, ()| Ok(lock.0.is_locked()));
    const IS_ABANDONED: Method<Self, (), bool> =
        Method::beside("is_abandoned", |lock, _, ()| Ok(lock.0.is_abandoned()));
    const CLEAR: Method<Self, (), ()> = Method::beside("clear_abandoned", |lock, _, ()| {
        lock.0.clear_abandoned();
        Ok(())
    });
    const CONDITION: Method<Self, (), u64> = Method::beside("condition", |lock, caller, ()| {
        Ok(caller.insert(Box::new(Apart::new(ManagedCondition::new(lock.0.clone())))))
    });
}

impl Waits for ManagedLock {
    const NAME: &'static str = "lock";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::ACQUIRE)
            .with(&Self::RELEASE)
            .with(&Self::IS_LOCKED)
            .with(&Self::IS_ABANDONED)
            .with(&Self::CLEAR)
            .with(&Self::CONDITION)
    }

    fn forget(&self, session: u128) {
        self.0.forget(session);
    }

    fn wake(&self) {
        self.0.wake();
    }
}

impl Manager {
    /// A new lock, which nobody holds.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn lock(&self) -> Result<LockProxy> {
        self.create_waiting(|()| ManagedLock::default(), ()).map(LockProxy)
    }
}

impl LockProxy {
    /// Takes the lock, until the guard is dropped. A thread that has it already waits for ever.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
    pub fn lock(&self) -> Result<ManagedGuard<'_>> {
        self.acquire()?;
        Ok(ManagedGuard::new(self))
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn try_lock(&self) -> Result<Option<ManagedGuard<'_>>> {
        Ok(self.try_acquire()?.then(|| ManagedGuard::new(self)))
    }

    /// Takes the lock, unless that takes longer than `timeout`.
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ManagedGuard<'_>>> {
        Ok(self.acquire_timeout(timeout)?.then(|| ManagedGuard::new(self)))
    }

    /// Takes the lock, until somebody calls [`release`](LockProxy::release).
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn acquire(&self) -> Result<()> {
        self.0.call(&ManagedLock::ACQUIRE, Patience::EVER).map(drop)
    }

    /// Takes the lock if it is free (`true`), until somebody calls [`release`](LockProxy::release).
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn try_acquire(&self) -> Result<bool> {
        self.0.call(&ManagedLock::ACQUIRE, Patience::NONE)
    }

    /// Takes the lock (`true`), unless that takes longer than `timeout` (`false`).
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<bool> {
        self.0.call(&ManagedLock::ACQUIRE, timeout.into())
    }

    /// Gives the lock back, whoever took it.
    ///
    /// # Errors
    /// [`Release`](ManagerError::Release): nobody had it; and as [`lock`](LockProxy::lock).
    pub fn release(&self) -> Result<()> {
        self.0.call(&ManagedLock::RELEASE, ())
    }

    /// Whether somebody holds it.
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn is_locked(&self) -> Result<bool> {
        self.0.call(&ManagedLock::IS_LOCKED, ())
    }

    /// Whether a holder died with it, and nobody has cleared that. For who holds the lock.
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn is_abandoned(&self) -> Result<bool> {
        self.0.call(&ManagedLock::IS_ABANDONED, ())
    }

    /// Says that what the lock protects is well again. For who holds the lock.
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn clear_abandoned(&self) -> Result<()> {
        self.0.call(&ManagedLock::CLEAR, ())
    }

    /// A new condition that goes with this lock.
    ///
    /// # Errors
    /// As [`lock`](LockProxy::lock).
    pub fn condition(&self) -> Result<ConditionProxy> {
        let number = self.0.call(&ManagedLock::CONDITION, ())?;
        Ok(ConditionProxy::with_lock(self.0.sibling(number)?, self.clone()))
    }
}

/// What a [`ManagedGuard`] gives back.
pub(super) trait Guards {
    fn give_back(&self) -> Result<()>;
    fn is_abandoned(&self) -> Result<bool>;
    fn clear_abandoned(&self) -> Result<()>;
}

impl Guards for LockProxy {
    fn give_back(&self) -> Result<()> {
        self.release()
    }

    fn is_abandoned(&self) -> Result<bool> {
        self.is_abandoned()
    }

    fn clear_abandoned(&self) -> Result<()> {
        self.clear_abandoned()
    }
}

/// Holds a [`LockProxy`], an [`RLockProxy`](crate::RLockProxy) or a [`ConditionProxy`], and gives it back when it is
/// dropped. It stays with the thread that took the lock.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct ManagedGuard<'a> {
    lock: &'a dyn Guards,
    /// The lock is this thread's.
    _stays: PhantomData<*const ()>,
}

impl<'a> ManagedGuard<'a> {
    pub(super) fn new(lock: &'a dyn Guards) -> ManagedGuard<'a> {
        ManagedGuard { lock, _stays: PhantomData }
    }

    /// As [`LockProxy::is_abandoned`].
    ///
    /// # Errors
    /// As that.
    pub fn is_abandoned(&self) -> Result<bool> {
        self.lock.is_abandoned()
    }

    /// As [`LockProxy::clear_abandoned`].
    ///
    /// # Errors
    /// As that.
    pub fn clear_abandoned(&self) -> Result<()> {
        self.lock.clear_abandoned()
    }
}

impl Drop for ManagedGuard<'_> {
    fn drop(&mut self) {
        // Somebody else may have given it back; and with the server the lock is gone.
        let _ = self.lock.give_back();
    }
}

impl std::fmt::Debug for ManagedGuard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedGuard").finish_non_exhaustive()
    }
}
