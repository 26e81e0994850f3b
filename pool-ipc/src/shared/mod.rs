//! Memory that several processes have, and sleeping on a word of it: what shared objects are made of.
//!
//! A [`Block`] is one object's memory. It is found again by its id ([`table`]), so that a process maps it once;
//! [`Location`] is what crosses to another process instead of it. A [`Frozen`] block is one that nobody can write any
//! more.
//! [`this_thread`] is how a thread signs what it takes, and [`is_alive`] whether the one who signed is still there.

mod block;
mod frozen;
mod location;
mod named;
mod table;
mod who;

use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

pub use block::{Block, HEAD};
pub use frozen::{Draft, Filling, Frozen};
pub use location::{Location, Place};
pub use named::{Door, Name, find, knock};
pub use table::{forget, forget_retired, remember};
pub use who::{WHO, id_of, is_alive, this_process, this_thread};

use crate::sys::futex;

/// The locks of shared objects, which a fork must not find held by a thread that the child does not have.
pub(crate) fn freeze() -> (impl Drop, impl Drop) {
    // In the order in which they are taken.
    let named = named::freeze();
    (table::freeze(), named)
}

/// Sleeps while `word` is `expected`, at most for `timeout`. Returns early for any reason or none: look again.
pub fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    futex::wait(word, expected, timeout);
}

/// Wakes up to `count` threads, of any process, that sleep on `word`; how many it woke.
pub fn wake(word: &AtomicU32, count: u32) -> u32 {
    futex::wake(word, count.try_into().unwrap_or(i32::MAX))
}

/// Sleeps while the low half of `word` is that of `expected`, as [`wait`].
pub fn wait_low(word: &AtomicU64, expected: u64, timeout: Option<Duration>) {
    futex::wait_low(word, expected, timeout);
}

/// Wakes up to `count` threads that sleep on the low half of `word`, as [`wake`].
pub fn wake_low(word: &AtomicU64, count: u32) -> u32 {
    futex::wake_low(word, count.try_into().unwrap_or(i32::MAX))
}

/// Adds `number`, which is below 2^11, to `word` and wakes all who sleep on it: who is killed meanwhile has done both
/// or neither.
pub fn add_and_wake(word: &AtomicU32, number: u32) {
    futex::add_and_wake(word, number);
}

/// Sets `bits`, which are below 2^11, in `word` and wakes all who sleep on it, as [`add_and_wake`].
pub fn set_and_wake(word: &AtomicU32, bits: u32) {
    futex::set_and_wake(word, bits);
}
