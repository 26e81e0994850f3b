//! The memory that one worker shares with its pool, and nobody else.
//!
//! ```text
//!            pool                                                        worker
//!   PoolLane::send ──> [ requests: ring │ arena ] ──(mapped read-only)──> WorkerLane::next
//!   PoolLane::receive <──(mapped read-only)── [ replies: ring │ arena ] <── WorkerLane::reply
//! ```
//!
//! Each direction is a segment of its own, written by one side and read by the other: so a worker
//! that writes where it should not spoils its own replies and nothing else, and the pool can read a
//! request back from its own memory when the worker that had it is gone.
//!
//! A ring has [`CAPACITY`] slots of 64 bytes. A payload of up to 40 bytes travels in its slot; a larger
//! one lies in the arena behind the ring and the slot says where. The words by which the two sides
//! agree who has which slot are described in `protocol.rs`, where bytes lie in an arena in `arena.rs`.
//!
//! The worker answers requests one by one, in order. What it wrote is not trusted: a reply is copied
//! before anyone looks at it, every index is read once and checked, and a length with no memory behind
//! it is an error.

mod luggage;
mod pool;
mod worker;

#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;

use crate::own::Own;
use crate::protocol::{Line, PoolWords, WorkerWords};
use crate::sync::AtomicU32;
use crate::sys::life::Life;

pub use crate::protocol::Tell;
pub use luggage::Luggage;
pub use pool::{End, LaneError, Output, PoolLane, Reply, Request, Returned};
pub use worker::{Ready, WorkerLane};

/// How many requests a lane holds.
pub const CAPACITY: usize = 256;

/// Up to this many bytes travel in the slot.
const INLINE: usize = 40;

/// A request or a reply, or where it is.
#[repr(C)]
#[derive(Clone, Copy)]
struct Slot {
    /// Request: the name of the function. Reply: the status word.
    what: u64,
    /// Length of the payload. Above [`INLINE`], `place[0]` is its position in the arena.
    len: u64,
    /// Request: the word passed to the function, and the length of the context (`context`), which
    /// lies before the payload in the arena.
    word: u32,
    flags: u16,
    /// On which core this was written.
    core: u16,
    place: [u64; INLINE / 8],
}

/// The payload (and context, whose length is `place[1]`) is in the arena, whatever its length.
const IN_ARENA: u16 = 1;
/// Descriptors come along over the line. With a request they have the number in `place[2]`, and it is in the arena.
const ACCOMPANIED: u16 = 2;

const _: () = assert!(size_of::<Slot>() == 64);

/// The first [`INLINE`] of `bytes`, and zeros, as words of this machine's order. Word by word: for so few
/// bytes a call of memcpy costs more than the copy.
#[inline]
fn words_of(bytes: &[u8]) -> [u64; INLINE / 8] {
    let mut words = [0; INLINE / 8];
    let (whole, rest) = bytes.as_chunks::<8>();
    for (word, bytes) in words.iter_mut().zip(whole) {
        *word = u64::from_ne_bytes(*bytes);
    }
    if !rest.is_empty()
        && let Some(word) = words.get_mut(whole.len())
    {
        let mut last = [0; 8];
        for (place, byte) in last.iter_mut().zip(rest) {
            *place = *byte;
        }
        *word = u64::from_ne_bytes(last);
    }
    words
}

/// The head of the requests' segment.
#[repr(C)]
struct PoolHead {
    words: PoolWords,
    /// How many cores the pool's process may use; 0: not known. Written before the worker is born.
    cores: Line<AtomicU32>,
    slots: [Slot; CAPACITY],
}

/// The head of the replies' segment.
#[repr(C)]
struct WorkerHead {
    words: WorkerWords,
    /// [`READY`] once the worker is ready.
    state: Line<AtomicU32>,
    /// 1 when the task's stack overflowed.
    overflow: Line<AtomicU32>,
    /// Of the thread that answers requests, and of the other one.
    lives: Line<[Life; 2]>,
    slots: [Slot; CAPACITY],
}

const READY: u32 = 1;

/// Which of the lives: that of the thread that answers requests, and that of the one that hears commands.
const ANSWERS: usize = 0;
const LISTENS: usize = 1;

/// The status word of a reply that the lane itself gave, because the function could not: the output is
/// a text that says why.
pub const REFUSED: u32 = u32::MAX;
/// The same, said by the pool's half: the reply is there, and no memory to copy it to.
pub const NO_ROOM: u32 = u32::MAX - 1;

/// What a worker needs to attach to its lane: descriptors to pass at its birth, in this order.
#[derive(Debug)]
pub struct Ends {
    /// The requests, read-only.
    pub requests: Own<OwnedFd>,
    /// The replies.
    pub replies: Own<OwnedFd>,
    /// The alarm.
    pub alarm: Own<OwnedFd>,
}
