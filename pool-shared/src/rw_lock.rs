//! A lock that many have to read, or one to write.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use pool_ipc::shared::Block;

use crate::access::{ACCESS_WORDS, Access, For};
use crate::crossing::{Kind, passed};
use crate::sync::end_of;

/// A lock that many threads of all processes have at a time to read, or one to write. A clone is the same lock, and
/// so is what another process decodes.
///
/// Taking it when it can be had and giving it back take no system call. Others get it in the order in which they
/// came, readers that follow each other together; so neither readers nor writers starve. A thread that reads may
/// read once more; one that reads and wants to write, or the other way round, waits for itself.
///
/// **A holder that dies** holds it no more, and who waits gets it within about 100 ms. If it was writing, the lock is
/// marked as [abandoned](RwLock::is_abandoned) until somebody [clears](RwLock::clear_abandoned) that. A dead reader has
/// changed nothing, and leaves no mark.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::RwLock;
///
/// let lock = RwLock::new()?;
/// let guard = lock.read();
/// let tries = |lock: RwLock| (lock.try_read().is_some(), lock.try_write().is_some());
/// assert_eq!(Process::spawn(tries, lock.clone())?.join()?, (true, false));
/// drop(guard);
/// let guard = lock.write();
/// assert_eq!(Process::spawn(tries, lock.clone())?.join()?, (false, false));
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RwLock(Block);

passed!(RwLock, Kind::RwLock, ACCESS_WORDS);

impl RwLock {
    /// A new lock, which nobody holds.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<RwLock> {
        Ok(RwLock(Block::create(Kind::RwLock as u32, ACCESS_WORDS * size_of::<u64>())?))
    }

    /// Takes the lock to read, until the guard is dropped.
    pub fn read(&self) -> ReadGuard<'_> {
        while !self.access().acquire_until(For::Reading, None) {}
        ReadGuard::new(self)
    }

    /// Takes the lock to read, if it can be had and nobody waits to write.
    pub fn try_read(&self) -> Option<ReadGuard<'_>> {
        self.access().try_acquire(For::Reading).then(|| ReadGuard::new(self))
    }

    /// Takes the lock to read, unless that takes longer than `timeout`.
    pub fn read_timeout(&self, timeout: Duration) -> Option<ReadGuard<'_>> {
        self.access().acquire_until(For::Reading, end_of(timeout)).then(|| ReadGuard::new(self))
    }

    /// Takes the lock to write, until the guard is dropped.
    pub fn write(&self) -> WriteGuard<'_> {
        while !self.access().acquire_until(For::Writing, None) {}
        WriteGuard::new(self)
    }

    /// Takes the lock to write, if it can be had and nobody waits for it.
    pub fn try_write(&self) -> Option<WriteGuard<'_>> {
        self.access().try_acquire(For::Writing).then(|| WriteGuard::new(self))
    }

    /// Takes the lock to write, unless that takes longer than `timeout`.
    pub fn write_timeout(&self, timeout: Duration) -> Option<WriteGuard<'_>> {
        self.access().acquire_until(For::Writing, end_of(timeout)).then(|| WriteGuard::new(self))
    }

    /// Whether one that wrote died with it, and nobody has cleared that. For who has the lock.
    pub fn is_abandoned(&self) -> bool {
        self.access().is_marked()
    }

    /// Says that what the lock protects is well again. For who has the lock to write.
    pub fn clear_abandoned(&self) {
        self.access().clear_mark();
    }

    fn access(&self) -> Access<'_> {
        Access::new(self.0.words64())
    }
}

impl fmt::Debug for RwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (is_written, readers) = self.access().holders();
        f.debug_struct("RwLock")
            .field("is_written", &is_written)
            .field("readers", &readers)
            .field("is_abandoned", &self.is_abandoned())
            .finish()
    }
}

/// Makes the guard of a kind of taking.
macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $what:expr) => {
        $(#[$doc])*
        #[must_use = "the lock is given back when the guard is dropped"]
        pub struct $name<'a> {
            lock: &'a RwLock,
            /// The lock is this thread's.
            _stays: PhantomData<*const ()>,
        }

        impl<'a> $name<'a> {
            fn new(lock: &'a RwLock) -> $name<'a> {
                $name { lock, _stays: PhantomData }
            }

            /// As [`RwLock::is_abandoned`].
            pub fn is_abandoned(&self) -> bool {
                self.lock.is_abandoned()
            }
        }

        impl Drop for $name<'_> {
            fn drop(&mut self) {
                self.lock.access().release($what);
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("lock", &self.lock).finish()
            }
        }
    };
}

guard!(
    /// Has an [`RwLock`] to read, until it is dropped. It stays with the thread that took the lock.
    ReadGuard,
    For::Reading
);
guard!(
    /// Has an [`RwLock`] to write, until it is dropped. It stays with the thread that took the lock.
    WriteGuard,
    For::Writing
);

impl WriteGuard<'_> {
    /// As [`RwLock::clear_abandoned`].
    pub fn clear_abandoned(&self) {
        self.lock.clear_abandoned();
    }
}
