//! The fastest round trip between two processes that both sleep until they are needed.
//!
//! The driver idles for a millisecond, as a program that has other things to do, then writes a
//! word, wakes the other process, and sleeps until that has answered. Nobody spins. What is
//! measured is two wake-ups: 8 to 16 µs if both sleep on one core of a virtual machine, 60 to
//! 95 µs if an idle core must be woken. The scheduler changes its mind about that by itself, so
//! compare only slices that lie close together.

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};

use crate::Result;
use crate::child::Child;
use crate::figure::Side;
use crate::shared::{Shared, futex_wait, futex_wake};
use crate::timing::after_idling;

/// The name of the other process.
pub const CHILD: &str = "futex-ping-pong";

/// The name of the side.
pub const NAME: &str = "bare futex park-and-wake";

/// Each slice: the seconds of each of `trips` round trips, without the idleness before it.
pub fn side(trips: usize) -> Result<Side> {
    let (shared, memory) = Shared::create(0)?;
    let mut child = Child::spawn(CHILD, "", Some(memory))?;
    let mut number = 0_u32;
    Ok(Side::limit(NAME, move || {
        let (ping, pong) = (shared.word(0), shared.word(1));
        after_idling(trips, || {
            number = number.wrapping_add(1);
            tell(ping, number);
            await_change(pong, number.wrapping_sub(1), || child.check())
        })
    }))
}

/// Answers each ping with a pong.
pub fn child() -> Result<()> {
    let shared = Shared::inherited(0)?;
    let (ping, pong) = (shared.word(0), shared.word(1));
    let mut number = 0_u32;
    loop {
        await_change(ping, number, || Ok(()))?;
        number = number.wrapping_add(1);
        tell(pong, number);
    }
}

/// Sets `word` and wakes who sleeps on it.
pub(super) fn tell(word: &AtomicU32, number: u32) {
    // ORDERING: Release, with the Acquire in `await_change` of the other process.
    word.store(number, Release);
    futex_wake(word);
}

/// Sleeps until `word` differs from `seen`, and about every second makes sure that it may.
pub(super) fn await_change(word: &AtomicU32, seen: u32, mut check: impl FnMut() -> Result<()>) -> Result<()> {
    // ORDERING: Acquire, with the Release in `tell` of the other process.
    while word.load(Acquire) == seen {
        futex_wait(word, seen);
        if word.load(Acquire) == seen {
            check()?;
        }
    }
    Ok(())
}
