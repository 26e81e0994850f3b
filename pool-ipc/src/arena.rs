//! Where in an arena the payloads of a lane lie: plain arithmetic, no memory.
//!
//! Payloads are freed in the order in which they were placed (a worker answers in order), so they
//! form a ring; but the ring has no fixed size. When everything is free the next payload goes to the
//! start, which is warm; when there is no room before the oldest, the arena grows.

use std::collections::VecDeque;
use std::ops::Range;

/// A payload starts on a multiple of this, so that wide copies are aligned.
const ALIGN: u64 = 64;
/// The ring goes on growing up to this size before it looks for room at the start.
const SOFT: u64 = 1 << 20;

#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// Oldest first. Payloads without bytes here (inline, or empty) have an empty range.
    live: VecDeque<Range<u64>>,
    /// End of the highest payload placed since the arena was last empty.
    high: u64,
    /// The most that was ever used since the last `trim`.
    peak: u64,
}

impl Arena {
    /// Places a payload of `len` bytes behind all others.
    pub(crate) fn place(&mut self, len: u64) -> Range<u64> {
        let at = if len == 0 { 0 } else { self.find(len) };
        let range = at..at + len;
        self.high = self.high.max(range.end);
        self.peak = self.peak.max(range.end);
        self.live.push_back(range.clone());
        range
    }

    fn find(&mut self, len: u64) -> u64 {
        let Some(last) = self.live.iter().rev().find(|range| !range.is_empty()) else {
            self.high = 0;
            return 0;
        };
        let after = last.end.next_multiple_of(ALIGN);
        let is_free = |at: u64| {
            self.live.iter().all(|range| range.is_empty() || at + len <= range.start || range.end <= at)
        };
        if after + len <= self.high.max(SOFT) && is_free(after) {
            after
        } else if is_free(0) {
            0
        } else {
            self.high.next_multiple_of(ALIGN)
        }
    }

    /// Frees the oldest payload.
    pub(crate) fn free_oldest(&mut self) {
        self.live.pop_front();
    }

    /// Frees the newest payload.
    pub(crate) fn free_newest(&mut self) {
        self.live.pop_back();
    }

    /// The payload that is `nth` from the oldest.
    #[cfg(test)]
    pub(crate) fn get(&self, nth: usize) -> Option<&Range<u64>> {
        self.live.get(nth)
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// How much memory a trim would give back, if it can be done now.
    pub(crate) fn spare(&self) -> u64 {
        if self.is_empty() { self.peak.saturating_sub(SOFT) } else { 0 }
    }

    /// Whether there will be something to give back once all is free.
    pub(crate) fn has_burst(&self) -> bool {
        self.peak > SOFT
    }

    /// Forgets the memory beyond what is kept warm; returns the range to give back.
    pub(crate) fn trim(&mut self) -> Option<Range<u64>> {
        let spare = self.spare();
        (spare > 0).then(|| {
            self.peak = SOFT;
            SOFT..SOFT + spare
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_arena_starts_over() {
        let mut arena = Arena::default();
        for _ in 0..3 {
            assert_eq!(arena.place(100), 0..100);
            arena.free_oldest();
        }
    }

    #[test]
    fn payloads_never_overlap() {
        // A small generator of its own, so that the sequence is the same in every run.
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let mut arena = Arena::default();
        for _ in 0..20_000 {
            match random(5) {
                0 | 1 => {
                    let len = if random(3) == 0 { random(700_000) } else { random(100) };
                    let new = arena.place(len);
                    let (newest, older) = (arena.len() - 1, arena.len() - 1);
                    assert_eq!(arena.get(newest), Some(&new));
                    for nth in 0..older {
                        let old = arena.get(nth).unwrap();
                        assert!(
                            old.is_empty() || new.is_empty() || old.end <= new.start || new.end <= old.start
                        );
                    }
                    if arena.len() > 40 {
                        arena.free_oldest();
                    }
                }
                2 => arena.free_newest(),
                _ => arena.free_oldest(),
            }
        }
    }

    #[test]
    fn a_burst_is_given_back_once() {
        let mut arena = Arena::default();
        arena.place(64 << 20);
        assert_eq!(arena.trim(), None);
        arena.free_oldest();
        assert_eq!(arena.trim(), Some(SOFT..64 << 20));
        assert_eq!(arena.trim(), None);
    }
}
