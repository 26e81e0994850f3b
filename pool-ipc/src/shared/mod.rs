//! Memory that several processes have, and sleeping on a word of it: what shared objects are made of.
//!
//! A [`Block`] is one object's memory. It is found again by its id ([`table`]), so that a process maps it once;
//! [`Location`] is what crosses to another process instead of it. A [`Frozen`] block is one that nobody can write any
//! more.

mod block;
mod frozen;
mod location;
mod table;

use std::sync::atomic::AtomicU32;
use std::time::Duration;

pub use block::{Block, HEAD};
pub use frozen::{Draft, Filling, Frozen};
pub use location::{Location, Place};
pub(crate) use table::freeze;
pub use table::{forget, forget_retired, remember};

use crate::sys::futex;

/// Sleeps while `word` is `expected`, at most for `timeout`. Returns early for any reason or none: look again.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    futex::wait(word, expected, timeout);
}

/// Wakes up to `count` threads, of any process, that sleep on `word`; how many it woke.
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    futex::wake(word, count.try_into().unwrap_or(i32::MAX))
}
