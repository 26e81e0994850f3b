//! Permits of which there are so many.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::manager::error::{Fault, Refusal};
use crate::manager::method::Waits;
use crate::manager::objects::{opaque, proxy};
use crate::manager::server::{Caller, Ended, Line, Monitor, Patience, Session, State};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// A managed semaphore in the server; a bounded one never has more permits than at first.
pub struct ManagedSemaphore<const BOUNDED: bool>(Monitor<Permits>);

struct Permits {
    total: u64,
    /// How many each client has; none has none.
    held: HashMap<u128, (Arc<Session>, u64)>,
    line: Line,
}

impl State for Permits {
    fn line(&mut self, number: usize) -> Option<&mut Line> {
        (number == 0).then_some(&mut self.line)
    }

    fn ready(&self, _line: usize) -> usize {
        usize::try_from(self.spare()).unwrap_or(usize::MAX)
    }
}

impl Permits {
    fn spare(&self) -> u64 {
        self.total.saturating_sub(self.held.values().map(|(_, count)| count).sum())
    }

    /// A permit of this client's goes back, or else one of another's; `false`: nobody has any.
    fn give_back(&mut self, session: u128) -> bool {
        let own = self.held.contains_key(&session).then_some(session);
        let Some(holder) = own.or_else(|| self.held.keys().next().copied()) else { return false };
        if let Some((_, count)) = self.held.get_mut(&holder) {
            *count -= 1;
            if *count == 0 {
                self.held.remove(&holder);
            }
        }
        true
    }
}

opaque!(ManagedSemaphore<const BOUNDED: bool>, <BOUNDED>);

impl<const BOUNDED: bool> ManagedSemaphore<BOUNDED> {
    const ACQUIRE: Method<Self, Patience, bool> =
        Method::beside("acquire", |semaphore, caller, patience| semaphore.acquire(caller, patience));
    const RELEASE: Method<Self, (), ()> = Method::beside("release", |semaphore, caller, ()| {
        let mut permits = semaphore.0.lock();
        if !permits.give_back(caller.session.id) {
            if BOUNDED {
                return Err(Refusal::TooMany.into());
            }
            permits.total = permits.total.saturating_add(1);
        }
        Ok(())
    });
    /// What a permit that is dropped does: it makes none that was not there.
    const GIVE_BACK: Method<Self, (), ()> = Method::beside("give_back", |semaphore, caller, ()| {
        semaphore.0.lock().give_back(caller.session.id);
        Ok(())
    });
    const USE_UP: Method<Self, (), ()> = Method::beside("use_up", |semaphore, caller, ()| {
        let mut permits = semaphore.0.lock();
        if permits.give_back(caller.session.id) {
            permits.total = permits.total.saturating_sub(1);
        }
        Ok(())
    });
    const AVAILABLE: Method<Self, (), u64> =
        Method::beside("available", |semaphore, _, ()| Ok(semaphore.0.lock().spare()));
    const WAITING: Method<Self, (), u64> =
        Method::beside("waiting", |semaphore, _, ()| Ok(semaphore.0.lock().line.len() as u64));

    fn new(permits: u32) -> Self {
        let permits = Permits { total: permits.into(), held: HashMap::new(), line: Line::default() };
        ManagedSemaphore(Monitor::new(permits))
    }

    fn acquire(&self, caller: &Caller, patience: Patience) -> std::result::Result<bool, Fault> {
        let taken = self.0.wait(caller, patience, 0, |permits, before| {
            if permits.spare() <= before as u64 {
                permits.held.retain(|_, (session, _)| !session.is_over());
            }
            (permits.spare() > before as u64).then(|| {
                let new = || (caller.session.clone(), 0);
                permits.held.entry(caller.session.id).or_insert_with(new).1 += 1;
            })
        });
        match taken {
            Ok(()) => Ok(true),
            Err(Ended::Time) => Ok(false),
            Err(Ended::Unwanted) => Err(Ended::Unwanted.into()),
        }
    }
}

impl<const BOUNDED: bool> Waits for ManagedSemaphore<BOUNDED> {
    const NAME: &'static str = if BOUNDED { "bounded semaphore" } else { "semaphore" };

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::ACQUIRE)
            .with(&Self::RELEASE)
            .with(&Self::GIVE_BACK)
            .with(&Self::USE_UP)
            .with(&Self::AVAILABLE)
            .with(&Self::WAITING)
    }

    fn forget(&self, session: u128) {
        self.0.lock().held.remove(&session);
    }

    fn wake(&self) {
        self.0.wake();
    }
}

/// Makes a proxy of semaphores of one kind.
macro_rules! semaphore {
    ($(#[$doc:meta])* $proxy:ident, $bounded:literal, $make:ident, $(#[$made:meta])* $(; $(#[$release:meta])*)?) => {
        $(#[$doc])*
        pub struct $proxy(Proxy<ManagedSemaphore<$bounded>>);

        proxy!($proxy<>, ManagedSemaphore<$bounded>);

        impl Manager {
            $(#[$made])*
            ///
            /// # Errors
            /// [`Gone`](ManagerError::Gone): the server has ended.
            pub fn $make(&self, permits: u32) -> Result<$proxy> {
                self.create_waiting(|permits: u32| ManagedSemaphore::<$bounded>::new(permits), permits).map($proxy)
            }
        }

        impl $proxy {
            /// Takes a permit, until what this gives is dropped.
            ///
            /// # Errors
            /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
            pub fn permit(&self) -> Result<ManagedPermit<'_>> {
                self.acquire()?;
                Ok(ManagedPermit::of(self))
            }

            /// Takes a permit, if one is free and nobody waits for it.
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn try_permit(&self) -> Result<Option<ManagedPermit<'_>>> {
                Ok(self.try_acquire()?.then(|| ManagedPermit::of(self)))
            }

            /// Takes a permit, unless that takes longer than `timeout`.
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn permit_timeout(&self, timeout: Duration) -> Result<Option<ManagedPermit<'_>>> {
                Ok(self.acquire_timeout(timeout)?.then(|| ManagedPermit::of(self)))
            }

            /// Takes a permit, until [`release`](Self::release).
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn acquire(&self) -> Result<()> {
                self.0.call(&ManagedSemaphore::ACQUIRE, Patience::EVER).map(drop)
            }

            /// Takes a permit (`true`), if one is free and nobody waits for it.
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn try_acquire(&self) -> Result<bool> {
                self.0.call(&ManagedSemaphore::ACQUIRE, Patience::NONE)
            }

            /// Takes a permit (`true`), unless that takes longer than `timeout` (`false`).
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn acquire_timeout(&self, timeout: Duration) -> Result<bool> {
                self.0.call(&ManagedSemaphore::ACQUIRE, timeout.into())
            }

            $($(#[$release])*)?
            pub fn release(&self) -> Result<()> {
                self.0.call(&ManagedSemaphore::RELEASE, ())
            }

            /// How many permits are free now.
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn available(&self) -> Result<u64> {
                self.0.call(&ManagedSemaphore::AVAILABLE, ())
            }

            /// How many calls wait for one.
            ///
            /// # Errors
            /// As [`permit`](Self::permit).
            pub fn waiting(&self) -> Result<u64> {
                self.0.call(&ManagedSemaphore::WAITING, ())
            }
        }

        impl Permitted for $proxy {
            fn give_back(&self) -> Result<()> {
                self.0.call(&ManagedSemaphore::GIVE_BACK, ())
            }

            fn use_up(&self) -> Result<()> {
                self.0.call(&ManagedSemaphore::USE_UP, ())
            }
        }
    };
}

semaphore!(
    /// A proxy of so many permits for all clients, as Python's `Manager().Semaphore()`. Who waits is served in the order
    /// in which they came.
    ///
    /// **A holder that ends.** Permits belong to the process that took them: when it ends, in whatever way, or drops its
    /// last proxy of the semaphore, they go back. A permit that one takes and another gives back is right as well, as
    /// with [`Semaphore`](crate::Semaphore); and where permits are counts of something, use them up with
    /// [`ManagedPermit::forget`].
    ///
    /// ```
    /// use pool_process::Process;
    /// use pool_shared::{Manager, SemaphoreProxy};
    ///
    /// let manager = Manager::start()?;
    /// let semaphore = manager.semaphore(2)?;
    /// let _permit = semaphore.permit()?;
    /// // One that ends with a permit in its hands.
    /// Process::spawn(|semaphore: SemaphoreProxy| semaphore.acquire().is_ok(), semaphore.clone())?.join()?;
    /// semaphore.acquire()?;
    /// assert!(!semaphore.try_acquire()?);
    /// semaphore.release()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    SemaphoreProxy,
    false,
    semaphore,
    /// A new semaphore, of so many permits.
    ;
    /// Gives back a permit of this process's; if it has none, one of another's; if nobody has one, there is one more
    /// than before.
    ///
    /// # Errors
    /// As [`permit`](Self::permit).
);

semaphore!(
    /// A proxy of a semaphore that never has more permits than at first, as Python's `Manager().BoundedSemaphore()`; a
    /// [`SemaphoreProxy`] otherwise.
    ///
    /// ```
    /// use pool_shared::{Manager, ManagerError, ReleaseError};
    ///
    /// let manager = Manager::start()?;
    /// let semaphore = manager.bounded_semaphore(1)?;
    /// semaphore.acquire()?;
    /// semaphore.release()?;
    /// assert!(matches!(semaphore.release(), Err(ManagerError::Release(ReleaseError::TooMany))));
    /// # Ok::<(), ManagerError>(())
    /// ```
    BoundedSemaphoreProxy,
    true,
    bounded_semaphore,
    /// A new semaphore, of so many permits and never more.
    ;
    /// Gives back a permit of this process's; if it has none, one of another's.
    ///
    /// # Errors
    /// [`Release`](ManagerError::Release): nobody has one; and as [`permit`](Self::permit).
);

trait Permitted {
    fn give_back(&self) -> Result<()>;
    fn use_up(&self) -> Result<()>;
}

/// A permit of a [`SemaphoreProxy`] or a [`BoundedSemaphoreProxy`], which goes back when this is dropped.
#[must_use = "the permit goes back when this is dropped"]
pub struct ManagedPermit<'a> {
    semaphore: Option<&'a dyn Permitted>,
}

impl<'a> ManagedPermit<'a> {
    fn of(semaphore: &'a dyn Permitted) -> ManagedPermit<'a> {
        ManagedPermit { semaphore: Some(semaphore) }
    }

    /// Uses the permit up: it does not go back, and there is one less.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn forget(mut self) -> Result<()> {
        self.semaphore.take().map_or(Ok(()), Permitted::use_up)
    }
}

impl Drop for ManagedPermit<'_> {
    fn drop(&mut self) {
        // It may have been released by another meanwhile; and with the server it is gone.
        let _ = self.semaphore.take().map(Permitted::give_back);
    }
}

impl std::fmt::Debug for ManagedPermit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedPermit").finish_non_exhaustive()
    }
}
