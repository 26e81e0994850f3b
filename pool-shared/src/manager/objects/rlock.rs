//! Locks that their holder may take again.

use std::sync::Arc;
use std::time::Duration;

use super::lock::{Core, Guards, ManagedGuard};
use crate::manager::method::Waits;
use crate::manager::objects::condition::{ConditionProxy, ManagedCondition};
use crate::manager::objects::{opaque, proxy};
use crate::manager::server::{Apart, Patience};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// A managed lock, which its holder may take again, in the server.
#[derive(Default)]
pub struct ManagedRLock(Arc<Core>);

/// A proxy of a lock that the thread that has it may take again, as Python's `Manager().RLock()`. It is free when it has
/// been released as often as it was acquired, and nobody else may release it.
///
/// **A process that ends** with it, or drops its last proxy of it, holds it no more, however often one of its threads
/// had taken it; the next one gets it marked as [abandoned](RLockProxy::is_abandoned). See
/// [`LockProxy`](crate::LockProxy).
///
/// ```
/// use pool_shared::{Manager, ManagerError, ReleaseError};
///
/// let manager = Manager::start()?;
/// let lock = manager.rlock()?;
/// let _once = lock.lock()?;
/// let _twice = lock.lock()?;
/// std::thread::scope(|scope| {
///     let other = scope.spawn(|| lock.release());
///     assert!(matches!(other.join(), Ok(Err(ManagerError::Release(ReleaseError::NotOwner)))));
/// });
/// # Ok::<(), ManagerError>(())
/// ```
pub struct RLockProxy(Proxy<ManagedRLock>);

proxy!(RLockProxy, ManagedRLock);

opaque!(ManagedRLock);

impl ManagedRLock {
    const ACQUIRE: Method<Self, Patience, bool> = Method::beside("acquire", |lock, caller, patience| {
        Ok(lock.0.acquire_again(caller) || lock.0.acquire(caller, patience)?)
    });
    const RELEASE: Method<Self, (), ()> =
        Method::beside("release", |lock, caller, ()| lock.0.release_own(caller));
    const IS_LOCKED: Method<Self, (), bool> =
        Method::beside("is_locked", |lock, _, ()| Ok(lock.0.is_locked()));
    const IS_MINE: Method<Self, (), bool> =
        Method::beside("is_mine", |lock, caller, ()| Ok(lock.0.is_mine(caller)));
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

impl Waits for ManagedRLock {
    const NAME: &'static str = "rlock";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::ACQUIRE)
            .with(&Self::RELEASE)
            .with(&Self::IS_LOCKED)
            .with(&Self::IS_MINE)
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
    /// A new lock, which nobody holds, and which its holder may take again.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn rlock(&self) -> Result<RLockProxy> {
        self.create_waiting(|()| ManagedRLock::default(), ()).map(RLockProxy)
    }
}

impl RLockProxy {
    /// Takes the lock, or takes it once more, until the guard is dropped.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
    pub fn lock(&self) -> Result<ManagedGuard<'_>> {
        self.acquire()?;
        Ok(ManagedGuard::new(self))
    }

    /// Takes the lock, if it is free or this thread's.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn try_lock(&self) -> Result<Option<ManagedGuard<'_>>> {
        Ok(self.try_acquire()?.then(|| ManagedGuard::new(self)))
    }

    /// Takes the lock, unless that takes longer than `timeout`.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn lock_timeout(&self, timeout: Duration) -> Result<Option<ManagedGuard<'_>>> {
        Ok(self.acquire_timeout(timeout)?.then(|| ManagedGuard::new(self)))
    }

    /// Takes the lock, or takes it once more, until this thread calls [`release`](RLockProxy::release).
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn acquire(&self) -> Result<()> {
        self.0.call(&ManagedRLock::ACQUIRE, Patience::EVER).map(drop)
    }

    /// Takes the lock (`true`), if it is free or this thread's.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn try_acquire(&self) -> Result<bool> {
        self.0.call(&ManagedRLock::ACQUIRE, Patience::NONE)
    }

    /// Takes the lock (`true`), unless that takes longer than `timeout` (`false`).
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<bool> {
        self.0.call(&ManagedRLock::ACQUIRE, timeout.into())
    }

    /// Gives the lock back once.
    ///
    /// # Errors
    /// [`Release`](ManagerError::Release): this thread does not have it; and as [`lock`](RLockProxy::lock).
    pub fn release(&self) -> Result<()> {
        self.0.call(&ManagedRLock::RELEASE, ())
    }

    /// Whether somebody has it.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn is_locked(&self) -> Result<bool> {
        self.0.call(&ManagedRLock::IS_LOCKED, ())
    }

    /// Whether this thread has it.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn is_mine(&self) -> Result<bool> {
        self.0.call(&ManagedRLock::IS_MINE, ())
    }

    /// Whether a holder died with it, and nobody has cleared that. For who has the lock.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn is_abandoned(&self) -> Result<bool> {
        self.0.call(&ManagedRLock::IS_ABANDONED, ())
    }

    /// Says that what the lock protects is well again. For who has the lock.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn clear_abandoned(&self) -> Result<()> {
        self.0.call(&ManagedRLock::CLEAR, ())
    }

    /// A new condition that goes with this lock. A wait gives it back however often it was taken, and takes it as
    /// often again.
    ///
    /// # Errors
    /// As [`lock`](RLockProxy::lock).
    pub fn condition(&self) -> Result<ConditionProxy> {
        let number = self.0.call(&ManagedRLock::CONDITION, ())?;
        Ok(ConditionProxy::with_rlock(self.0.sibling(number)?, self.clone()))
    }
}

impl Guards for RLockProxy {
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
