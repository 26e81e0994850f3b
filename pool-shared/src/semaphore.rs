//! Permits of which there are so many.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use pool_ipc::shared::Block;

use crate::crossing::{Kind, passed};
use crate::error::ReleaseError;
use crate::permits::{PERMIT_WORDS, Permits, Surplus};
use crate::sync::end_of;

/// Makes a semaphore of permits that a [`Surplus`] is allowed of or not.
macro_rules! semaphore {
    ($(#[$doc:meta])* $name:ident, $surplus:expr, $(#[$release:meta])*) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Block);

        passed!($name, Kind::$name, PERMIT_WORDS);

        impl $name {
            /// A new one, of so many permits.
            ///
            /// # Errors
            /// The system refuses the memory or a descriptor.
            pub fn new(permits: u32) -> io::Result<$name> {
                let block = Block::create(Kind::$name as u32, PERMIT_WORDS * size_of::<u64>())?;
                Permits::new(block.words64()).begin(permits.into());
                Ok($name(block))
            }

            /// Takes a permit, until what this gives is dropped.
            pub fn permit(&self) -> Permit<'_> {
                self.acquire();
                self.taken()
            }

            /// Takes a permit, if one is free and nobody waits for it.
            pub fn try_permit(&self) -> Option<Permit<'_>> {
                self.try_acquire().then(|| self.taken())
            }

            /// Takes a permit, unless that takes longer than `timeout`.
            pub fn permit_timeout(&self, timeout: Duration) -> Option<Permit<'_>> {
                self.acquire_timeout(timeout).then(|| self.taken())
            }

            /// Takes a permit, until [`release`](Self::release).
            pub fn acquire(&self) {
                while !self.acquire_until(None) {}
            }

            /// Takes a permit (`true`), if one is free and nobody waits for it.
            pub fn try_acquire(&self) -> bool {
                self.permits().try_acquire()
            }

            /// Takes a permit (`true`), unless that takes longer than `timeout` (`false`).
            pub fn acquire_timeout(&self, timeout: Duration) -> bool {
                self.acquire_until(end_of(timeout))
            }

            $(#[$release])*
            pub fn release(&self) -> Result<(), ReleaseError> {
                if self.permits().release($surplus) { Ok(()) } else { Err(ReleaseError::TooMany) }
            }

            /// How many permits are free now. Those of a process that died are when somebody has waited for one.
            pub fn available(&self) -> u64 {
                self.permits().free()
            }

            fn acquire_until(&self, end: Option<Instant>) -> bool {
                self.permits().acquire_until(end)
            }

            fn taken(&self) -> Permit<'_> {
                Permit { permits: self.permits(), is_forgotten: false }
            }

            fn permits(&self) -> Permits<'_> {
                Permits::new(self.0.words64())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let permits = self.permits();
                f.debug_struct(stringify!($name))
                    .field("available", &permits.free())
                    .field("waiting", &permits.waiting())
                    .finish()
            }
        }
    };
}

semaphore!(
    /// So many permits for all processes, as Python's `multiprocessing.Semaphore`. A clone is the same semaphore, and so
    /// is what another process decodes.
    ///
    /// Taking a permit that is free and giving it back take no system call. Who waits is served in the order in which
    /// they came (the first 4096 of them).
    ///
    /// **A holder that dies.** Permits belong to the process that took them. Those of a process that has ended, in
    /// whatever way, go back within about 100 ms of somebody waiting for one. A permit that one takes and another
    /// gives back is right as well: [`release`](Semaphore::release) by who has none gives back one of another's.
    /// So where permits are counts of something, made by one process and used up by others, use them up with
    /// [`Permit::forget`]: otherwise those that a process has used up come back when it ends. (What 1025 processes
    /// and more have at the same time is not known to be theirs, and does not go back.)
    ///
    /// ```
    /// use pool_process::Process;
    /// use pool_shared::Semaphore;
    ///
    /// let semaphore = Semaphore::new(2)?;
    /// let _permit = semaphore.permit();
    /// // One that ends with a permit in its hands.
    /// Process::spawn(|semaphore: Semaphore| semaphore.acquire(), semaphore.clone())?.join()?;
    /// semaphore.acquire();
    /// assert!(!semaphore.try_acquire());
    /// semaphore.release()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Semaphore,
    Surplus::Allowed,
    /// Gives back a permit of this process's; if it has none, one of another's; if nobody has one, there is one more
    /// than before.
    ///
    /// # Errors
    /// None. It is that of a [`BoundedSemaphore`].
);

semaphore!(
    /// A [`Semaphore`] that never has more permits than at first, as Python's `multiprocessing.BoundedSemaphore`.
    ///
    /// ```
    /// use pool_shared::{BoundedSemaphore, ReleaseError};
    ///
    /// let semaphore = BoundedSemaphore::new(1)?;
    /// semaphore.acquire();
    /// semaphore.release()?;
    /// assert_eq!(semaphore.release(), Err(ReleaseError::TooMany));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    BoundedSemaphore,
    Surplus::Refused,
    /// Gives back a permit of this process's; if it has none, one of another's.
    ///
    /// # Errors
    /// Nobody has one.
);

/// A permit of a [`Semaphore`] or a [`BoundedSemaphore`], which goes back when this is dropped.
#[must_use = "the permit goes back when this is dropped"]
pub struct Permit<'a> {
    permits: Permits<'a>,
    is_forgotten: bool,
}

impl Permit<'_> {
    /// Uses the permit up: it does not go back, and there is one less.
    pub fn forget(mut self) {
        self.permits.forget();
        self.is_forgotten = true;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.is_forgotten {
            // It may have been released by another meanwhile.
            self.permits.release(Surplus::Refused);
        }
    }
}

impl fmt::Debug for Permit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("available", &self.permits.free()).finish()
    }
}
