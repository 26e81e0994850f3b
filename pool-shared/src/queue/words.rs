//! Where in a queue's block its words are.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use pool_ipc::shared::Block;

use super::ledger::{self, Ledger};
use crate::crossing::Kind;
use crate::ends::{END_WORDS, End};
use crate::raw::RawLock;

/// The object's words: which ring is in use; the most items, 0: as many as there may be.
const RING: usize = 0;
const BOUND: usize = 1;
/// Of a joinable queue: how often everything was done; 1: somebody sleeps on that.
const DONE: usize = 2;
const JOINS: usize = 3;
/// Where the ends are. In the block each line is one of the processor's.
const TAIL: usize = 16;
const HEAD: usize = TAIL + END_WORDS;
/// Where they are over, and who has taken what begins.
const LEDGER: usize = HEAD + END_WORDS;
/// The rings begin at a page, behind the block's own head.
const PAGE: usize = 4096;

/// No queue has more items.
pub(super) const MOST: u32 = 1 << 30;

/// An end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Tail = TAIL as isize,
    Head = HEAD as isize,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Tail => Side::Head,
            Side::Head => Side::Tail,
        }
    }
}

/// The words of a queue, found once for each use: what is always there and where is known when this is compiled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    all: &'a [AtomicU32; LEDGER],
    /// The same, as the locks have them.
    all64: &'a [AtomicU64; LEDGER / 2],
}

impl<'a> Words<'a> {
    #[inline]
    pub(super) fn of(block: &'a Block) -> Words<'a> {
        match (block.words().first_chunk(), block.words64().first_chunk()) {
            (Some(all), Some(all64)) => Words { all, all64 },
            _ => unreachable!("a block that was made or checked too small"),
        }
    }

    #[inline]
    pub(super) fn end(self, side: Side) -> End<'a> {
        match self.all.get(side as usize..).and_then(<[AtomicU32]>::first_chunk) {
            Some(words) => End::new(words),
            None => unreachable!("both ends are there"),
        }
    }

    #[inline]
    pub(super) fn lock(self, side: Side) -> RawLock<'a> {
        RawLock::new(&self.all64[side as usize / 2..])
    }

    #[inline]
    pub(super) fn tail(self) -> End<'a> {
        self.end(Side::Tail)
    }

    #[inline]
    pub(super) fn head(self) -> End<'a> {
        self.end(Side::Head)
    }

    /// The number of the ring in use. It is written under both locks.
    #[inline]
    pub(super) fn ring(self) -> &'a AtomicU32 {
        &self.all[RING]
    }

    /// The most items, if that was said.
    #[inline]
    pub(super) fn bound(self) -> Option<u32> {
        // ORDERING: never changes.
        match self.all[BOUND].load(Relaxed) {
            0 => None,
            bound => Some(bound),
        }
    }

    /// Of a new queue.
    pub(super) fn set_bound(self, bound: Option<usize>) {
        let bound = bound.map_or(0, |bound| bound.clamp(1, MOST as usize) as u32);
        // ORDERING: written before it is passed on.
        self.all[BOUND].store(bound, Relaxed);
    }

    /// Of a joinable queue: how often everything was done, and whether somebody sleeps on that.
    pub(super) fn joins(self) -> (&'a AtomicU32, &'a AtomicU32) {
        (&self.all[DONE], &self.all[JOINS])
    }
}

/// The ledger of a joinable queue.
pub(super) fn ledger(block: &Block) -> Ledger<'_> {
    Ledger::new(&block.words64()[LEDGER / 2..])
}

/// Where the rings begin in the object.
pub(super) fn base(kind: Kind) -> usize {
    let ledger = if kind == Kind::JoinableQueue { ledger::BYTES } else { 0 };
    (pool_ipc::shared::HEAD + LEDGER * size_of::<u32>() + ledger).next_multiple_of(PAGE)
        - pool_ipc::shared::HEAD
}
