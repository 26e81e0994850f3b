//! Waiting for an object to change.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Caller, lock};

/// A state behind a lock, and those that wait for it to change.
#[derive(Debug, Default)]
pub(crate) struct Monitor<S> {
    state: Mutex<S>,
    changed: Condvar,
}

/// Why a wait ended without what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The time is over.
    Time,
    /// Nobody wants the answer any more: the client has gone, or the server ends.
    Unwanted,
}

impl<S> Monitor<S> {
    pub(crate) fn new(state: S) -> Monitor<S> {
        Monitor { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The state, for who does not wait for it to change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, S> {
        lock(&self.state)
    }

    /// Waits until `ready` makes something of the state, for at most `timeout`; `None`: for ever. Whoever changes the
    /// state calls [`wake`](Monitor::wake).
    pub(crate) fn wait<R>(
        &self,
        caller: &Caller,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Result<R, Ended> {
        // A time past the end of time is none.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.lock();
        if let Some(done) = ready(&mut state) {
            return Ok(done);
        }
        // Who takes it back does so without the lock of the state, and whoever wakes has that lock: so a client
        // that goes now is seen here, or wakes.
        let _blocked = caller.blocked();
        loop {
            if caller.is_unwanted() {
                return Err(Ended::Unwanted);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => return Err(Ended::Time),
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            if caller.is_unwanted() {
                return Err(Ended::Unwanted);
            }
            if let Some(done) = ready(&mut state) {
                return Ok(done);
            }
        }
    }

    /// Has all that wait look again.
    pub(crate) fn wake(&self) {
        // With the lock: who has looked and does not sleep yet is woken too.
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Changes the state, and has all that wait look again.
    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut S) -> R) -> R {
        let mut state = self.lock();
        let result = change(&mut state);
        self.changed.notify_all();
        result
    }
}
