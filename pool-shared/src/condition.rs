//! Waiting, under a lock, for what others do under it.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use pool_ipc::shared::Block;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crossing::{self, Kind};
use crate::error::{ConditionError, ReleaseError};
use crate::lock::{Lock, LockGuard};
use crate::rlock::{RLock, RLockGuard};
use crate::sync::{end_of, this_thread};
use crate::waiters::{WAITER_WORDS, Waiters};

/// Waiting, under a lock, for what others do under the same lock, as Python's `multiprocessing.Condition`. A clone is the
/// same condition, and so is what another process decodes.
///
/// Each [`notify`](Condition::notify) ends one wait: of those that wait, the one that began first. Who waits is
/// woken by that, by the end of its timeout, and by nothing else; a signal handler runs, and the wait goes on.
///
/// **A process that dies.** A waiter that dies has not taken what it was notified of: the notification goes to the
/// next of those that waited when it was given, within about 150 ms. Who dies with the lock in its hands leaves it as
/// [`Lock`] and [`RLock`] say: ask [`is_abandoned`](Condition::is_abandoned).
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{Condition, Semaphore};
///
/// let (changed, items) = (Condition::new()?, Semaphore::new(0)?);
/// let child = Process::spawn(
///     |(changed, items): (Condition, Semaphore)| {
///         let _guard = changed.lock();
///         changed.wait_for(|| items.available() == 2).is_ok()
///     },
///     (changed.clone(), items.clone()),
/// )?;
/// for _ in 0..2 {
///     let _guard = changed.lock();
///     items.release()?;
///     changed.notify(1)?;
/// }
/// assert!(child.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Condition {
    block: Block,
    lock: Inner,
}

#[derive(Clone, Serialize, Deserialize)]
enum Inner {
    Lock(Lock),
    RLock(RLock),
}

impl Condition {
    /// A condition with an [`RLock`] of its own.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<Condition> {
        Condition::with_rlock(&RLock::new()?)
    }

    /// A condition that goes with this lock.
    ///
    /// # Errors
    /// As [`new`](Condition::new).
    pub fn with_lock(lock: &Lock) -> io::Result<Condition> {
        Condition::with(Inner::Lock(lock.clone()))
    }

    /// A condition that goes with this lock. A wait gives it back however often it was taken, and takes it as often
    /// again.
    ///
    /// # Errors
    /// As [`new`](Condition::new).
    pub fn with_rlock(lock: &RLock) -> io::Result<Condition> {
        Condition::with(Inner::RLock(lock.clone()))
    }

    fn with(lock: Inner) -> io::Result<Condition> {
        let block = Block::create(Kind::Condition as u32, WAITER_WORDS * size_of::<u64>())?;
        Ok(Condition { block, lock })
    }

    /// Takes the lock, until the guard is dropped.
    pub fn lock(&self) -> ConditionGuard<'_> {
        ConditionGuard(match &self.lock {
            Inner::Lock(lock) => Guard::Lock(lock.lock()),
            Inner::RLock(lock) => Guard::RLock(lock.lock()),
        })
    }

    /// Takes the lock, until [`release`](Condition::release).
    pub fn acquire(&self) {
        match &self.lock {
            Inner::Lock(lock) => lock.acquire(),
            Inner::RLock(lock) => lock.acquire(),
        }
    }

    /// Takes the lock (`true`), unless others have it.
    pub fn try_acquire(&self) -> bool {
        match &self.lock {
            Inner::Lock(lock) => lock.try_acquire(),
            Inner::RLock(lock) => lock.try_acquire(),
        }
    }

    /// Takes the lock (`true`), unless that takes longer than `timeout` (`false`).
    pub fn acquire_timeout(&self, timeout: Duration) -> bool {
        match &self.lock {
            Inner::Lock(lock) => lock.acquire_timeout(timeout),
            Inner::RLock(lock) => lock.acquire_timeout(timeout),
        }
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// As that of the lock's `release`.
    pub fn release(&self) -> Result<(), ReleaseError> {
        match &self.lock {
            Inner::Lock(lock) => lock.release(),
            Inner::RLock(lock) => lock.release(),
        }
    }

    /// Whether somebody died with the lock, and nobody has cleared that. For who has the lock.
    pub fn is_abandoned(&self) -> bool {
        match &self.lock {
            Inner::Lock(lock) => lock.is_abandoned(),
            Inner::RLock(lock) => lock.is_abandoned(),
        }
    }

    /// Says that what the lock protects is well again. For who has the lock.
    pub fn clear_abandoned(&self) {
        match &self.lock {
            Inner::Lock(lock) => lock.clear_abandoned(),
            Inner::RLock(lock) => lock.clear_abandoned(),
        }
    }

    /// Gives the lock back, waits until notified, and takes the lock again.
    ///
    /// # Errors
    /// This thread does not have the lock, or too many (16 384) wait already.
    pub fn wait(&self) -> Result<(), ConditionError> {
        self.wait_until(None).map(drop)
    }

    /// As [`wait`](Condition::wait), until notified (`true`), for at most `timeout` (`false`). Then the lock is taken
    /// again, however long that takes.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool, ConditionError> {
        self.wait_until(end_of(timeout))
    }

    /// Waits until `is_so`, which is called with the lock held: at first, and whenever this thread was notified.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    pub fn wait_for(&self, is_so: impl FnMut() -> bool) -> Result<(), ConditionError> {
        self.wait_for_until(is_so, None).map(drop)
    }

    /// As [`wait_for`](Condition::wait_for), for at most `timeout`; what `is_so` gave at last.
    ///
    /// # Errors
    /// As [`wait`](Condition::wait).
    pub fn wait_for_timeout(
        &self,
        is_so: impl FnMut() -> bool,
        timeout: Duration,
    ) -> Result<bool, ConditionError> {
        self.wait_for_until(is_so, end_of(timeout))
    }

    fn wait_for_until(
        &self,
        mut is_so: impl FnMut() -> bool,
        end: Option<Instant>,
    ) -> Result<bool, ConditionError> {
        loop {
            if is_so() {
                return Ok(true);
            }
            if !self.wait_until(end)? && end.is_some() {
                return Ok(is_so());
            }
        }
    }

    fn wait_until(&self, end: Option<Instant>) -> Result<bool, ConditionError> {
        self.must_be_mine()?;
        let waiters = self.waiters();
        let row = waiters.enter().ok_or(ConditionError::TooManyWaiters)?;
        let depth = match &self.lock {
            Inner::Lock(lock) => u64::from(lock.raw().release()),
            Inner::RLock(lock) => lock.release_whole(),
        };
        let notified = waiters.sleep(row, end);
        match &self.lock {
            Inner::Lock(lock) => lock.acquire(),
            Inner::RLock(lock) => lock.acquire_whole(depth),
        }
        if notified {
            waiters.leave(row);
        }
        Ok(notified)
    }

    /// Ends the waits of the `count` that began first, or of all if there are fewer; how many.
    ///
    /// # Errors
    /// This thread does not have the lock.
    pub fn notify(&self, count: usize) -> Result<usize, ConditionError> {
        self.must_be_mine()?;
        Ok(self.waiters().notify(count))
    }

    /// Ends the waits of all that wait; how many.
    ///
    /// # Errors
    /// This thread does not have the lock.
    pub fn notify_all(&self) -> Result<usize, ConditionError> {
        self.notify(usize::MAX)
    }

    /// How many wait and have not been notified.
    ///
    /// # Errors
    /// This thread does not have the lock.
    pub fn waiting(&self) -> Result<usize, ConditionError> {
        self.must_be_mine()?;
        Ok(self.waiters().count())
    }

    fn must_be_mine(&self) -> Result<(), ConditionError> {
        if self.holder() == this_thread() { Ok(()) } else { Err(ConditionError::NotOwner) }
    }

    fn holder(&self) -> u64 {
        match &self.lock {
            Inner::Lock(lock) => lock.raw().holder(),
            Inner::RLock(lock) => lock.raw().holder(),
        }
    }

    fn waiters(&self) -> Waiters<'_> {
        Waiters::new(self.block.words64())
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Condition");
        match &self.lock {
            Inner::Lock(lock) => shown.field("lock", lock),
            Inner::RLock(lock) => shown.field("lock", lock),
        };
        shown.field("waiting", &self.waiters().count()).finish()
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (crossing::Part(&self.block), &self.lock).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Condition, D::Error> {
        let (Waiting(block), lock) = Deserialize::deserialize(deserializer)?;
        Ok(Condition { block, lock })
    }
}

/// The block, without the lock.
struct Waiting(Block);

impl<'de> Deserialize<'de> for Waiting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Waiting, D::Error> {
        crossing::deserialize_words(Kind::Condition, WAITER_WORDS, deserializer).map(Waiting)
    }
}

/// Holds the lock of a [`Condition`], and gives it back when it is dropped. It stays with the thread that took the lock.
#[derive(Debug)]
#[must_use = "the lock is given back when the guard is dropped"]
pub struct ConditionGuard<'a>(#[expect(dead_code, reason = "to be dropped, and shown")] Guard<'a>);

#[derive(Debug)]
#[expect(dead_code, reason = "to be dropped, and shown")]
enum Guard<'a> {
    Lock(LockGuard<'a>),
    RLock(RLockGuard<'a>),
}
