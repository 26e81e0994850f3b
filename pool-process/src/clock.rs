//! The time, read at most once per visit to the hub, and only if somebody asks.

use std::cell::Cell;
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Clock(Cell<Option<Instant>>);

impl Clock {
    /// A clock that stands still.
    #[cfg(test)]
    pub(crate) fn at(now: Instant) -> Clock {
        Clock(Cell::new(Some(now)))
    }

    pub(crate) fn read(&self) -> Instant {
        match self.0.get() {
            Some(now) => now,
            None => {
                let now = Instant::now();
                self.0.set(Some(now));
                now
            }
        }
    }
}
