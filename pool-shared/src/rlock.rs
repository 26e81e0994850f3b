//! A lock that its holder may take again.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use pool_ipc::shared::{Block, id_of};

use crate::crossing::{Kind, passed};
use crate::error::ReleaseError;
use crate::raw::{LOCK_WORDS, RawLock};
use crate::sync::{AtomicU64, Relaxed, end_of, this_thread};

const WORDS: usize = LOCK_WORDS + 1;

/// A [`Lock`](crate::Lock) that the thread that has it may take again, as Python's `multiprocessing.RLock`. It is free
/// when it has been released as often as it was acquired, and nobody else may release it.
///
/// **A holder that dies** holds it no more, however often it had taken it; the next one gets the lock marked as
/// [abandoned](RLock::is_abandoned), as with [`Lock`](crate::Lock).
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{RLock, ReleaseError};
///
/// let lock = RLock::new()?;
/// let _once = lock.lock();
/// let _twice = lock.lock();
/// let child = Process::spawn(|lock: RLock| lock.release() == Err(ReleaseError::NotOwner), lock.clone())?;
/// assert!(child.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RLock(Block);

passed!(RLock, Kind::RLock, WORDS);

impl RLock {
    /// A new lock, which nobody holds.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<RLock> {
        Ok(RLock(Block::create(Kind::RLock as u32, WORDS * size_of::<u64>())?))
    }

    /// Takes the lock, or takes it once more, until the guard is dropped.
    pub fn lock(&self) -> RLockGuard<'_> {
        self.acquire();
        RLockGuard::new(self)
    }

    /// Takes the lock, if it is free or this thread's.
    pub fn try_lock(&self) -> Option<RLockGuard<'_>> {
        self.try_acquire().then(|| RLockGuard::new(self))
    }

    /// Takes the lock, unless that takes longer than `timeout`.
    pub fn lock_timeout(&self, timeout: Duration) -> Option<RLockGuard<'_>> {
        self.acquire_timeout(timeout).then(|| RLockGuard::new(self))
    }

    /// Takes the lock, or takes it once more, until this thread calls [`release`](RLock::release).
    pub fn acquire(&self) {
        while !self.acquire_until(None) {}
    }

    /// Takes the lock (`true`), if it is free or this thread's.
    pub fn try_acquire(&self) -> bool {
        self.enter(|| self.raw().try_acquire().is_some())
    }

    /// Takes the lock (`true`), unless that takes longer than `timeout` (`false`).
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        self.acquire_until(end_of(timeout))
    }

    pub(crate) fn acquire_until(&self, end: Option<Instant>) -> bool {
        self.enter(|| self.raw().acquire_until(end).is_some())
    }

    #[inline]
    fn enter(&self, acquire: impl FnOnce() -> bool) -> bool {
        // ORDERING: under the lock.
        if self.is_mine() {
            self.depth().store(self.depth().load(Relaxed).saturating_add(1), Relaxed);
            return true;
        }
        let acquired = acquire();
        if acquired {
            // Whatever one that died with it left.
            self.depth().store(1, Relaxed);
        }
        acquired
    }

    /// Gives the lock back once.
    ///
    /// # Errors
    /// This thread does not have it.
    pub fn release(&self) -> Result<(), ReleaseError> {
        if !self.is_mine() {
            let is_free = self.raw().holder() == 0;
            return Err(if is_free { ReleaseError::NotLocked } else { ReleaseError::NotOwner });
        }
        // ORDERING: under the lock.
        match self.depth().load(Relaxed) {
            depth @ 2.. => self.depth().store(depth - 1, Relaxed),
            _ => drop(self.raw().release()),
        }
        Ok(())
    }

    /// Gives the lock back, however often this thread, which has it, has taken it.
    pub(crate) fn release_whole(&self) -> u64 {
        // ORDERING: under the lock.
        let depth = self.depth().load(Relaxed);
        self.raw().release();
        depth
    }

    /// Takes the lock as often as it was released at once.
    pub(crate) fn acquire_whole(&self, depth: u64) {
        let _ = self.raw().acquire();
        self.depth().store(depth, Relaxed);
    }

    /// Whether somebody has it.
    pub fn is_locked(&self) -> bool {
        self.raw().holder() != 0
    }

    /// Whether this thread has it.
    pub fn is_mine(&self) -> bool {
        self.raw().holder() == this_thread()
    }

    /// Whether a holder died with it, and nobody has cleared that. For who has the lock.
    pub fn is_abandoned(&self) -> bool {
        self.raw().is_abandoned()
    }

    /// Says that what the lock protects is well again. For who has the lock.
    pub fn clear_abandoned(&self) {
        self.raw().clear_abandoned();
    }

    pub(crate) fn raw(&self) -> RawLock<'_> {
        RawLock::new(self.0.words64())
    }

    fn depth(&self) -> &AtomicU64 {
        &self.0.words64()[LOCK_WORDS]
    }
}

impl fmt::Debug for RLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let raw = self.raw();
        let mut shown = f.debug_struct("RLock");
        match id_of(raw.holder()) {
            0 => shown.field("is_locked", &false),
            thread => {
                shown.field("is_locked", &true).field("by_thread", &thread);
                shown.field("times", &self.depth().load(Relaxed))
            }
        };
        shown.field("is_abandoned", &raw.is_abandoned()).finish()
    }
}

/// Holds an [`RLock`], and gives it back once when it is dropped. It stays with the thread that took the lock.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct RLockGuard<'a> {
    lock: &'a RLock,
    /// The lock is this thread's.
    _stays: PhantomData<*const ()>,
}

impl<'a> RLockGuard<'a> {
    fn new(lock: &'a RLock) -> RLockGuard<'a> {
        RLockGuard { lock, _stays: PhantomData }
    }

    /// As [`RLock::is_abandoned`].
    pub fn is_abandoned(&self) -> bool {
        self.lock.is_abandoned()
    }

    /// As [`RLock::clear_abandoned`].
    pub fn clear_abandoned(&self) {
        self.lock.clear_abandoned();
    }
}

impl Drop for RLockGuard<'_> {
    fn drop(&mut self) {
        // Somebody may have released it more often than acquired.
        let _ = self.lock.release();
    }
}

impl fmt::Debug for RLockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RLockGuard").field("lock", &self.lock).finish()
    }
}
