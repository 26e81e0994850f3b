//! The four copies an echo of bytes cannot avoid when it goes through a shared arena, at the speed
//! of bare `memcpy`.
//!
//! ```text
//!  parent                              ║  child
//!  1. private ──────> arena            ║
//!                                      ║  2. arena ───> private
//!                                      ║  3. private ─> arena
//!  4. arena ────────> private          ║
//! ```
//!
//! The arena is reused, so its pages are warm. For the private side there are two yardsticks: with
//! **fresh** buffers each destination is a newly allocated `Vec`, as the value that a task or its
//! caller receives must be, and the kernel zeroes its pages one fault at a time; with **reused**
//! buffers nothing is allocated, which no API that hands out values can do.

use std::sync::atomic::Ordering::Acquire;

use super::futex_ping_pong::{await_change, tell};
use crate::child::Child;
use crate::figure::Side;
use crate::shared::Shared;
use crate::{Result, timing};

/// The name of the other process.
pub const CHILD: &str = "arena-copies";

/// Who pays for the private buffers.
#[derive(Clone, Copy, PartialEq)]
pub enum Buffers {
    /// Each destination is a new allocation.
    Fresh,
    /// One buffer serves all rounds.
    Reused,
}

/// The name of the side with fresh buffers, which the bounds refer to.
pub const FRESH: &str = "four copies, fresh buffers";

/// The name of the side with reused buffers.
pub const REUSED: &str = "four copies, reused buffers";

/// Each slice: the seconds of one echo of `len` bytes.
pub fn side(len: usize, buffers: Buffers) -> Result<Side> {
    let (name, word) = match buffers {
        Buffers::Fresh => (FRESH, "fresh"),
        Buffers::Reused => (REUSED, "reused"),
    };
    let (shared, memory) = Shared::create(len)?;
    let mut child = Child::spawn(CHILD, &format!("{word} {len}"), Some(memory))?;
    let source = crate::work::bytes(len);
    let mut private = Vec::new();
    Ok(Side::limit(name, move || {
        let (ping, pong) = (shared.word(0), shared.word(1));
        // ORDERING: Acquire; only this process writes the word, any ordering serves.
        let number = ping.load(Acquire);
        if buffers == Buffers::Fresh {
            private = Vec::new();
        }
        let (time, answered) = timing::once(|| {
            shared.fill_arena(&source);
            tell(ping, number.wrapping_add(1));
            await_change(pong, number, || child.check())?;
            shared.drain_arena(&mut private);
            Result::Ok(())
        });
        answered?;
        assert!(private == source, "the echo differs");
        Ok(vec![time])
    }))
}

/// Copies each request out of the arena and back into it.
pub fn child(argument: &str) -> Result<()> {
    let (buffers, len) = argument.split_once(' ').ok_or("needs buffers and length")?;
    let shared = Shared::inherited(len.parse()?)?;
    let (ping, pong) = (shared.word(0), shared.word(1));
    let mut private = Vec::new();
    let mut number = 0_u32;
    loop {
        await_change(ping, number, || Ok(()))?;
        number = number.wrapping_add(1);
        shared.drain_arena(&mut private);
        shared.fill_arena(&private);
        tell(pong, number);
        if buffers == "fresh" {
            private = Vec::new();
        }
    }
}
