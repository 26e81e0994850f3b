//! The fastest round trip two processes can have: each spins on a word the other one writes.
//!
//! ```text
//!  parent                              ║  child
//!  ping = n  ──────────────────────────╫─> sees ping = n
//!  sees pong = n  <────────────────────╫── pong = n
//! ```
//!
//! A spinning child would eat one of two cores while the other sides are measured, so between its
//! turns it sleeps on a third word, `allowed`: how many round trips it may serve in all.

use std::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::child::Child;
use crate::figure::Side;
use crate::shared::{Shared, futex_wait, futex_wake};
use crate::{Result, timing};

/// The name of the other process.
pub const CHILD: &str = "spin-ping-pong";

/// The name of the side.
pub const NAME: &str = "bare spinning ping-pong";

/// Each slice: the seconds of each of `trips` round trips.
pub fn side(trips: usize) -> Result<Side> {
    let (shared, memory) = Shared::create(0)?;
    let mut child = Child::spawn(CHILD, "", Some(memory))?;
    let mut done = 0;
    Ok(Side::limit(NAME, move || {
        let words = Words::of(&shared);
        // ORDERING: Relaxed; the futex call orders it, and the word carries nothing else.
        words.allowed.fetch_add(u32::try_from(trips)?, Relaxed);
        futex_wake(words.allowed);
        timing::each(trips, || {
            done += 1;
            words.round_trip(done, &mut child)
        })
    }))
}

/// Serves what is allowed, then sleeps until more is.
pub fn child() -> Result<()> {
    let shared = Shared::inherited(0)?;
    let words = Words::of(&shared);
    let mut served = 0_u64;
    loop {
        // ORDERING: Relaxed; see `side`.
        let allowed = words.allowed.load(Relaxed);
        while served < u64::from(allowed) {
            served += 1;
            // ORDERING: Acquire, with the parent's Release in `round_trip`.
            while words.ping.load(Acquire) != served {
                std::hint::spin_loop();
            }
            // ORDERING: Release, with the parent's Acquire in `round_trip`.
            words.pong.store(served, Release);
        }
        futex_wait(words.allowed, allowed);
    }
}

struct Words<'a> {
    allowed: &'a AtomicU32,
    ping: &'a AtomicU64,
    pong: &'a AtomicU64,
}

impl<'a> Words<'a> {
    fn of(shared: &'a Shared) -> Words<'a> {
        Words { allowed: shared.word(0), ping: shared.sequence(1), pong: shared.sequence(2) }
    }

    fn round_trip(&self, number: u64, child: &mut Child) -> Result<()> {
        const LOOK_AFTER: u32 = 1 << 24;
        // ORDERING: Release, with the child's Acquire.
        self.ping.store(number, Release);
        let mut spins = 0_u32;
        // ORDERING: Acquire, with the child's Release.
        while self.pong.load(Acquire) != number {
            std::hint::spin_loop();
            spins = spins.wrapping_add(1);
            if spins.is_multiple_of(LOOK_AFTER) {
                child.check()?;
            }
        }
        Ok(())
    }
}
