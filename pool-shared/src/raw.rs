//! The lock that everything else here is made with: three words of a block.
//!
//! ```text
//!  word    who holds it: thread id (30 bits) and start time (32 bits); 0: nobody
//!            WAITERS     somebody sleeps on this word
//!            HAND_OVER   the next to have it is the one who set this bit, and sleeps on `turn`
//!  turn    counts the hand-overs
//!  mark    1: somebody died with the lock, and nobody has taken the mark back
//! ```
//!
//! | the word | moved by | to |
//! |---|---|---|
//! | free (0) | anybody | held |
//! | held | its holder (of a `Lock`: anybody) | free; with `HAND_OVER`: reserved |
//! | held by one who died | who has waited for a slice and looked | held by that one, marked |
//! | reserved (`HAND_OVER`, nobody's id) | who set the bit; who has seen it so for a whole slice | held |
//!
//! Who it is and that it is held are one word, so that at every instant one can tell whose death would leave what.
//! Taking it and giving it back are one compare-and-swap each.
//!
//! Who is to sleep first sets `WAITERS`; who gives the lock back with that bit wakes one. That one cannot know
//! whether others sleep, so it takes the lock with the bit set. A thread that is awake is faster than one that has to be
//! woken and could have the lock over and over; so who was woken in vain, for a millisecond in all, has the lock
//! handed over.
//!
//! Every sleep ends after a slice, at most 32 ms: this is how the death of a holder, of one that was woken and of one that
//! the lock was handed to are noticed. No other message needs it: the models at the end have no slices.

use std::time::{Duration, Instant};

use crate::sync::{
    Acquire, AtomicU64, FIRST, Relaxed, Release, SECOND, WHO, Waits, is_alive, this_thread, wait_low,
    wake_low,
};

/// How many words of 64 bits it has.
pub(crate) const LOCK_WORDS: usize = 3;

const WAITERS: u64 = FIRST;
const HAND_OVER: u64 = SECOND;

/// How often to look before sleeping: about as long as it takes to hand over a small thing.
const LOOKS: u32 = if cfg!(loom) { 0 } else { 100 };

/// Who has been woken in vain for so long has it handed over.
const STARVED: Duration = Duration::from_millis(1);

/// What a lock was found like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Acquired {
    Clean,
    /// A holder died with it, and nobody has said since that all is well.
    Abandoned,
}

/// A lock in words of a block.
#[derive(Clone, Copy)]
pub(crate) struct RawLock<'a> {
    word: &'a AtomicU64,
    turn: &'a AtomicU64,
    mark: &'a AtomicU64,
}

impl<'a> RawLock<'a> {
    /// The lock in the first [`LOCK_WORDS`] of `words`; words that are zero are a free lock.
    pub(crate) fn new(words: &'a [AtomicU64]) -> RawLock<'a> {
        let [word, turn, mark, ..] = words else {
            unreachable!("a block that was made or checked too small")
        };
        RawLock { word, turn, mark }
    }

    /// Takes the lock, however long it takes.
    #[inline]
    pub(crate) fn acquire(&self) -> Acquired {
        loop {
            if let Some(acquired) = self.acquire_until(None) {
                return acquired;
            }
        }
    }

    /// Takes the lock; `None`: not before `end`.
    #[inline]
    pub(crate) fn acquire_until(&self, end: Option<Instant>) -> Option<Acquired> {
        self.acquire_free().or_else(|| self.contend(this_thread(), end))
    }

    /// Takes the lock if it is free and nobody waits for it.
    #[inline]
    pub(crate) fn acquire_free(&self) -> Option<Acquired> {
        // ORDERING: Acquire: what was written under the lock; pairs with the releases in `release`.
        self.word.compare_exchange(0, this_thread(), Acquire, Relaxed).ok().map(|_| self.mark())
    }

    /// Takes the lock, until what this gives is dropped. For what is whole again whoever dies with the lock.
    #[inline]
    pub(crate) fn hold(self) -> Held<'a> {
        if self.acquire() == Acquired::Abandoned {
            self.clear_abandoned();
        }
        Held(self)
    }

    /// Takes the lock if nobody has it, or who has it is dead.
    pub(crate) fn try_acquire(&self) -> Option<Acquired> {
        let me = this_thread();
        let mut seen = self.word.load(Relaxed);
        loop {
            let owner = seen & WHO;
            let is_reserved = owner == 0 && seen & HAND_OVER != 0;
            if is_reserved || owner == me || owner != 0 && is_alive(owner) {
                return None;
            }
            match self.take(me, seen, seen & (WAITERS | HAND_OVER)) {
                Ok(acquired) => return Some(acquired),
                Err(now) => seen = now,
            }
        }
    }

    /// Gives the lock back. Any thread may. `false`: nobody had it.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        let seen = self.word.load(Relaxed);
        // ORDERING: Release: what was written under the lock; pairs with the acquisitions.
        let is_simple =
            seen & WHO == seen && seen != 0 && self.word.compare_exchange(seen, 0, Release, Relaxed).is_ok();
        is_simple || self.release_and_tell()
    }

    /// Who holds it; 0: nobody.
    pub(crate) fn holder(&self) -> u64 {
        // ORDERING: Acquire: who finds it free sees what its last holder wrote; pairs with the releases in `release`.
        self.word.load(Acquire) & WHO
    }

    /// Whether somebody died with it, and nobody has cleared that.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.mark() == Acquired::Abandoned
    }

    /// All that the lock protects is well again. For its holder.
    pub(crate) fn clear_abandoned(&self) {
        // ORDERING: the mark is read and written under the lock.
        self.mark.store(0, Relaxed);
    }

    #[inline]
    fn mark(&self) -> Acquired {
        // ORDERING: as in `clear_abandoned`.
        if self.mark.load(Relaxed) == 0 { Acquired::Clean } else { Acquired::Abandoned }
    }

    /// Makes the word, if it is still `seen`, that of a lock held by this thread.
    fn take(&self, me: u64, seen: u64, bits: u64) -> Result<Acquired, u64> {
        // ORDERING: as in `acquire_until`. A dead holder's own writes are seen as far as it got: whoever took its
        // death from the kernel comes after all it did.
        self.word.compare_exchange(seen, me | bits, Acquire, Relaxed)?;
        if seen & WHO != 0 {
            // Should this thread die before, the next one finds a dead holder again.
            self.mark.store(1, Relaxed);
        }
        Ok(self.mark())
    }

    #[cold]
    fn contend(&self, me: u64, end: Option<Instant>) -> Option<Acquired> {
        self.look_for_a_while();
        let mut waits = Waits::until(end);
        // What is known of others from having slept: there may be more who sleep.
        let mut slept = 0;
        // The word at the last sleep. If it is still the same, who it names may be dead.
        let mut before = None;
        // Whether the lock was to be had meanwhile, and somebody else has it.
        let mut lost = false;
        // Whether `HAND_OVER` was set by this thread.
        let mut mine = false;
        loop {
            // ORDERING: Acquire: read before the word; pairs with the release in `release_and_tell`, so that who
            // sees the new turn sees the lock reserved.
            let turn = self.turn.load(Acquire);
            let seen = self.word.load(Relaxed);
            let owner = seen & WHO;
            let is_stale = before == Some(seen);
            mine &= seen & HAND_OVER != 0;
            let may_take = match owner {
                0 => seen & HAND_OVER == 0 || mine || is_stale,
                owner => is_stale && !is_alive(owner),
            };
            if may_take {
                // A holder's death is no reason to pass over who the lock was to be handed to.
                let reserved = if owner != 0 && !mine { seen & HAND_OVER } else { 0 };
                match self.take(me, seen, seen & WAITERS | slept | reserved) {
                    Ok(acquired) => return Some(acquired),
                    Err(_) => continue,
                }
            }
            lost |= before.is_some() && !is_stale;
            let claims = lost && seen & HAND_OVER == 0 && waits.has_lasted(STARVED);
            let next = seen | WAITERS | if claims { HAND_OVER } else { 0 };
            // ORDERING: the bits say nothing of other memory.
            if next != seen && self.word.compare_exchange(seen, next, Relaxed, Relaxed).is_err() {
                continue;
            }
            if claims {
                mine = true;
                // With the turn as it was before.
                continue;
            }
            let Some(slice) = waits.slice() else {
                self.give_up(mine);
                return None;
            };
            if mine {
                wait_low(self.turn, turn, Some(slice));
            } else {
                wait_low(self.word, next, Some(slice));
            }
            slept = WAITERS;
            before = Some(next);
        }
    }

    /// While the lock is held and nobody sleeps.
    fn look_for_a_while(&self) {
        for _ in 0..LOOKS {
            let seen = self.word.load(Relaxed);
            if seen == 0 || seen & (WAITERS | HAND_OVER) != 0 {
                return;
            }
            std::hint::spin_loop();
        }
    }

    /// Its time is over. `WAITERS` is set: whatever woke this thread, the next one will be.
    fn give_up(&self, mine: bool) {
        // ORDERING: as in `contend`.
        if mine && self.word.fetch_and(!HAND_OVER, Relaxed) & WHO == 0 {
            // It had been reserved for this thread.
            wake_low(self.word, 1);
        }
    }

    #[cold]
    fn release_and_tell(&self) -> bool {
        let mut seen = self.word.load(Relaxed);
        loop {
            if seen & WHO == 0 {
                return false;
            }
            let next = if seen & HAND_OVER != 0 { seen & !WHO } else { 0 };
            // ORDERING: Release, as in `release`.
            match self.word.compare_exchange(seen, next, Release, Relaxed) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        if seen & HAND_OVER != 0 {
            // ORDERING: Release: after the word; pairs with the load in `contend`.
            self.turn.fetch_add(1, Release);
            wake_low(self.turn, u32::MAX);
        } else if seen & WAITERS != 0 {
            wake_low(self.word, 1);
        }
        true
    }
}

/// Holds a lock, and gives it back when it is dropped.
pub(crate) struct Held<'a>(RawLock<'a>);

impl Drop for Held<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.release();
    }
}

/// The models were seen to fail with each of these: the release in `release` or in `release_and_tell`, or the acquisition
/// in `take`, made relaxed; the turn's release or its acquisition made relaxed; the turn read after the word; `slept` left
/// out of the word that a woken thread takes.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    struct Shared {
        words: Vec<AtomicU64>,
        /// Read and written as plain memory is: what was written may be seen late, but for the lock.
        count: AtomicU64,
    }

    impl Shared {
        fn count_up(&self) {
            let lock = RawLock::new(&self.words);
            assert_eq!(lock.acquire(), Acquired::Clean);
            self.count.store(self.count.load(Relaxed) + 1, Relaxed);
            assert!(lock.release());
        }
    }

    fn count(threads: u64, each: u64, preemptions: Option<usize>) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = preemptions;
        model.check(move || {
            let words = (0..LOCK_WORDS).map(|_| AtomicU64::new(0)).collect();
            let shared = Arc::new(Shared { words, count: AtomicU64::new(0) });
            let others: Vec<_> = (1..threads)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || (0..each).for_each(|_| shared.count_up()))
                })
                .collect();
            (0..each).for_each(|_| shared.count_up());
            others.into_iter().for_each(|other| other.join().unwrap());
            let lock = RawLock::new(&shared.words);
            assert!(lock.acquire() == Acquired::Clean && lock.release() && !lock.release());
            assert_eq!(shared.count.load(Relaxed), threads * each);
        });
    }

    /// One at a time, each sees what the last one wrote, and nobody is left asleep.
    #[test]
    fn two_threads_take_turns() {
        count(2, 2, Some(4));
    }

    #[test]
    fn three_threads_take_turns() {
        count(3, 1, Some(3));
    }
}
