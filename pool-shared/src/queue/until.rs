//! How long to wait.

use std::time::{Duration, Instant};

use crate::raw::{Acquired, RawLock};

/// Who does not want to wait for items or room waits so long for one who puts or gets at this very moment.
const GRACE: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// Not at all.
    Now,
    Then(Instant),
    Ever,
}

impl Until {
    /// A time past the end of time is none.
    pub(crate) fn after(timeout: Duration) -> Until {
        Instant::now().checked_add(timeout).map_or(Until::Ever, Until::Then)
    }

    /// How long it is until then; `None`: for ever.
    pub(crate) fn left(self) -> Option<Duration> {
        match self {
            Until::Now => Some(Duration::ZERO),
            Until::Then(end) => Some(end.saturating_duration_since(Instant::now())),
            Until::Ever => None,
        }
    }

    /// Takes the lock of an end, which others hold while they copy an item.
    #[inline]
    pub(crate) fn acquire(self, lock: RawLock<'_>) -> Option<Acquired> {
        lock.acquire_free().or_else(|| self.acquire_held(lock))
    }

    #[cold]
    fn acquire_held(self, lock: RawLock<'_>) -> Option<Acquired> {
        match self {
            Until::Now => lock.try_acquire().or_else(|| lock.acquire_until(Some(Instant::now() + GRACE))),
            Until::Then(end) => lock.acquire_until(Some(end)),
            Until::Ever => Some(lock.acquire()),
        }
    }

    pub(crate) fn is_over(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}
