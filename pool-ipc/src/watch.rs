//! Waiting for many things at once: children that end, alarms that ring, a knock from this process.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::sys::events::{Alarm, Poll};

/// A set of things to wait for.
#[derive(Debug)]
pub struct Watch {
    poll: Poll,
    knock: Alarm,
}

/// The token of a knock.
const KNOCK: u64 = u64::MAX;

impl Watch {
    /// An empty set.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn new() -> io::Result<Watch> {
        let watch = Watch { poll: Poll::new()?, knock: Alarm::new()? };
        watch.poll.add(watch.knock.as_fd(), KNOCK)?;
        Ok(watch)
    }

    /// Has [`wait`](Watch::wait) report `token` (any but `u64::MAX`) while `thing` is readable.
    ///
    /// # Errors
    /// The system refuses.
    pub fn add(&self, thing: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.poll.add(thing, token)
    }

    /// Takes `thing` out of the set.
    pub fn remove(&self, thing: BorrowedFd<'_>) {
        self.poll.remove(thing);
    }

    /// Wakes the thread that waits, from any other.
    pub fn knock(&self) {
        self.knock.ring();
    }

    /// Sleeps until something is ready, somebody knocks or `timeout` is over; `ready` then has the tokens
    /// of what is ready, and may be empty.
    pub fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<u64>) {
        ready.clear();
        self.poll.wait(timeout, ready);
        ready.retain(|token| {
            if *token == KNOCK {
                self.knock.silence();
            }
            *token != KNOCK
        });
    }
}
