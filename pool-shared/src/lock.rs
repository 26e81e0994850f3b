//! A lock that one at a time has.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use pool_ipc::shared::{Block, id_of};

use crate::crossing::{Kind, passed};
use crate::error::ReleaseError;
use crate::raw::{LOCK_WORDS, RawLock};
use crate::sync::end_of;

/// A lock that one thread of all processes has at a time, as Python's `multiprocessing.Lock`. A clone is the same lock,
/// and so is what another process decodes.
///
/// Taking a lock that is free and giving it back take no system call. Nobody waits for ever for a lock that others
/// use: who has been passed over for a millisecond gets it next.
///
/// **A holder that dies.** A thread that ends while it holds the lock, or whose process does, in whatever way, holds it no
/// more: the next one gets the lock within about 50 ms, marked as [abandoned](Lock::is_abandoned), for what the lock
/// protects may be half done. The mark stays, for all who have the lock after that, until one of them
/// [clears](Lock::clear_abandoned) it.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Lock;
///
/// let lock = Lock::new()?;
/// let guard = lock.lock();
/// let child = Process::spawn(|lock: Lock| lock.try_lock().is_some(), lock.clone())?;
/// assert!(!child.join()?);
/// drop(guard);
///
/// // One that ends with the lock in its hands.
/// Process::spawn(|lock: Lock| lock.acquire(), lock.clone())?.join()?;
/// let guard = lock.lock();
/// assert!(guard.is_abandoned());
/// guard.clear_abandoned();
/// # drop(guard);
/// # assert!(!lock.lock().is_abandoned());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lock(Block);

passed!(Lock, Kind::Lock, LOCK_WORDS);

impl Lock {
    /// A new lock, which nobody holds.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<Lock> {
        Ok(Lock(Block::create(Kind::Lock as u32, LOCK_WORDS * size_of::<u64>())?))
    }

    /// Takes the lock, until the guard is dropped. A thread that has it already waits for ever.
    pub fn lock(&self) -> LockGuard<'_> {
        self.acquire();
        LockGuard::new(self)
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<LockGuard<'_>> {
        self.try_acquire().then(|| LockGuard::new(self))
    }

    /// Takes the lock, unless that takes longer than `timeout`.
    pub fn lock_timeout(&self, timeout: Duration) -> Option<LockGuard<'_>> {
        self.acquire_timeout(timeout).then(|| LockGuard::new(self))
    }

    /// Takes the lock, until somebody calls [`release`](Lock::release).
    pub fn acquire(&self) {
        let _ = self.raw().acquire();
    }

    /// Takes the lock if it is free (`true`), until somebody calls [`release`](Lock::release).
    pub fn try_acquire(&self) -> bool {
        self.raw().try_acquire().is_some()
    }

    /// Takes the lock (`true`), unless that takes longer than `timeout` (`false`).
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        self.acquire_until(end_of(timeout))
    }

    pub(crate) fn acquire_until(&self, end: Option<Instant>) -> bool {
        self.raw().acquire_until(end).is_some()
    }

    /// Gives the lock back, whoever took it.
    ///
    /// # Errors
    /// Nobody had it.
    pub fn release(&self) -> Result<(), ReleaseError> {
        if self.raw().release() { Ok(()) } else { Err(ReleaseError::NotLocked) }
    }

    /// Whether somebody holds it.
    pub fn is_locked(&self) -> bool {
        self.raw().holder() != 0
    }

    /// Whether a holder died with it, and nobody has cleared that. For who holds the lock.
    pub fn is_abandoned(&self) -> bool {
        self.raw().is_abandoned()
    }

    /// Says that what the lock protects is well again. For who holds the lock.
    pub fn clear_abandoned(&self) {
        self.raw().clear_abandoned();
    }

    pub(crate) fn raw(&self) -> RawLock<'_> {
        RawLock::new(self.0.words64())
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raw = self.raw();
        let mut shown = f.debug_struct("Lock");
        match id_of(raw.holder()) {
            0 => shown.field("is_locked", &false),
            thread => shown.field("is_locked", &true).field("by_thread", &thread),
        };
        shown.field("is_abandoned", &raw.is_abandoned()).finish()
    }
}

/// Holds a [`Lock`], and gives it back when it is dropped. It stays with the thread that took the lock.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct LockGuard<'a> {
    lock: &'a Lock,
    /// The lock is this thread's: when the thread has ended, nobody holds it.
    _stays: PhantomData<*const ()>,
}

impl<'a> LockGuard<'a> {
    fn new(lock: &'a Lock) -> LockGuard<'a> {
        LockGuard { lock, _stays: PhantomData }
    }

    /// As [`Lock::is_abandoned`].
    pub fn is_abandoned(&self) -> bool {
        self.lock.is_abandoned()
    }

    /// As [`Lock::clear_abandoned`].
    pub fn clear_abandoned(&self) {
        self.lock.clear_abandoned();
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        self.lock.raw().release();
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LockGuard").field("lock", &self.lock).finish()
    }
}
