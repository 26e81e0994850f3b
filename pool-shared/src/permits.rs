//! The agreement of a semaphore: a lock over how many permits there are, and who has them.
//!
//! ```text
//!  total   how many permits there are
//!  nameless  how many of them are with processes that found no row
//!  holders   process, and how many it has
//!  line      who waits, in the order in which they came
//! ```
//!
//! How many are free is not written anywhere: `total` less what the holders have. So taking one and giving one back
//! are the store of one word each, and whoever is killed has done it or has not. The permits of a process that died are
//! its row; taking out the row gives them back.
//!
//! Who gives a permit back calls the first in the line, and nobody who comes later takes it: that one takes it
//! itself when it has woken. A first that is dead is taken out by any other that waits.

use std::time::Instant;

use crate::raw::{LOCK_WORDS, RawLock};
use crate::rows::{Line, Row, Rows, words_for, words_for_line};
use crate::sync::{AtomicU64, Relaxed, is_alive, this_process, this_thread};

/// How many processes can have permits at a time, and be known to.
const HOLDERS: usize = if cfg!(loom) { 1 } else { 1024 };
/// How many threads can wait in the order in which they came. Any more wait without order.
const LINE: usize = if cfg!(loom) { 2 } else { 4096 };

const COUNTS: usize = 2;
const HOLDERS_AT: usize = LOCK_WORDS + COUNTS;
const LINE_AT: usize = HOLDERS_AT + words_for(HOLDERS);
/// How many words of 64 bits it has.
pub(crate) const PERMIT_WORDS: usize = LINE_AT + words_for_line(LINE);

#[derive(Clone, Copy)]
pub(crate) struct Permits<'a> {
    lock: RawLock<'a>,
    total: &'a AtomicU64,
    nameless: &'a AtomicU64,
    holders: Rows<'a>,
    line: Line<'a>,
}

/// A permit that nobody had was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surplus {
    Allowed,
    Refused,
}

// ORDERING of all accesses here: under the lock.
impl<'a> Permits<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Permits<'a> {
        Permits {
            lock: RawLock::new(words),
            total: &words[LOCK_WORDS],
            nameless: &words[LOCK_WORDS + 1],
            holders: Rows::new(&words[HOLDERS_AT..LINE_AT]),
            line: Line::new(&words[LINE_AT..]),
        }
    }

    /// Before anybody has it.
    pub(crate) fn begin(self, permits: u64) {
        self.total.store(permits, Relaxed);
    }

    /// How many permits are free. Those of the dead are when somebody has waited for one.
    pub(crate) fn free(self) -> u64 {
        let _held = self.lock.hold();
        self.spare()
    }

    fn spare(self) -> u64 {
        let held = self
            .holders
            .iter()
            .map(|row| row.number())
            .fold(self.nameless.load(Relaxed), u64::saturating_add);
        self.total.load(Relaxed).saturating_sub(held)
    }

    /// Takes a permit if one is free, and nobody waits for it.
    pub(crate) fn try_acquire(self) -> bool {
        let _held = self.lock.hold();
        if self.spare() == 0 {
            self.holders.bury();
        } else {
            self.line.bury_first();
        }
        let is_free = self.spare() > 0 && self.line.first().is_none();
        if is_free {
            self.take();
        }
        is_free
    }

    /// Takes a permit; `false`: not before `end`.
    pub(crate) fn acquire_until(self, end: Option<Instant>) -> bool {
        let held = self.lock.hold();
        if self.spare() > 0 && self.line.first().is_none() {
            self.take();
            return true;
        }
        let place = self.line.join(this_thread(), false);
        drop(held);
        let take = |place: Option<&Row<'a>>| {
            let is_next = self.line.is_next(place, |_| true);
            if is_next && self.spare() == 0 {
                self.holders.bury();
            }
            let takes = is_next && self.spare() > 0;
            if takes {
                self.take();
            }
            takes
        };
        self.line.wait(self.lock, place, end, take, || self.call_next())
    }

    fn take(self) {
        let process = this_process();
        if let Some(row) = self.holders.iter().find(|row| row.who() == process) {
            row.number.store(row.number().saturating_add(1), Relaxed);
            return;
        }
        let added = self.holders.add(process, 1).is_some() || {
            self.holders.bury();
            self.holders.add(process, 1).is_some()
        };
        if !added {
            self.nameless.store(self.nameless.load(Relaxed).saturating_add(1), Relaxed);
        }
    }

    /// Gives back a permit: one of this process's; if it has none, one of another's; if nobody has one, there is one
    /// more than before. `false`: there may not be.
    pub(crate) fn release(self, surplus: Surplus) -> bool {
        let _held = self.lock.hold();
        let is_released = self.give_back() || {
            if surplus == Surplus::Allowed {
                self.total.store(self.total.load(Relaxed).saturating_add(1), Relaxed);
            }
            surplus == Surplus::Allowed
        };
        self.call_next();
        is_released
    }

    /// A permit of this process is no permit any more.
    pub(crate) fn forget(self) {
        let _held = self.lock.hold();
        // First the total: who is killed in between dies with that permit in its hands, and it does not go back.
        let total = self.total.load(Relaxed);
        self.total.store(total.saturating_sub(1), Relaxed);
        if !self.give_back() {
            self.total.store(total, Relaxed);
        }
    }

    fn give_back(self) -> bool {
        let process = this_process();
        let own = self.holders.iter().find(|row| row.who() == process);
        if let Some(row) = own.or_else(|| self.holders.iter().next()) {
            match row.number() {
                0 | 1 => row.remove(),
                count => row.number.store(count - 1, Relaxed),
            }
            return true;
        }
        let nameless = self.nameless.load(Relaxed);
        self.nameless.store(nameless.saturating_sub(1), Relaxed);
        nameless > 0
    }

    /// Something has changed: who is first may have its turn now.
    fn call_next(self) {
        if self.spare() > 0
            && let Some(first) = self.line.first()
        {
            first.call();
        }
    }

    /// How many wait.
    pub(crate) fn waiting(self) -> usize {
        let _held = self.lock.hold();
        self.line.iter().filter(|row| is_alive(row.who())).count()
    }
}

/// The models were seen to fail with each of these: who gives a permit back calls nobody; who takes one does not call
/// the next; a call that wakes nobody.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn permits(permits: u64) -> Arc<Vec<AtomicU64>> {
        let words: Vec<_> = (0..PERMIT_WORDS).map(|_| AtomicU64::new(0)).collect();
        Permits::new(&words).begin(permits);
        Arc::new(words)
    }

    fn bounded(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(model);
    }

    /// No more have a permit than there are, and nobody is left asleep.
    #[test]
    fn one_permit_between_two_is_one() {
        bounded(3, || {
            let words = permits(1);
            let inside = Arc::new(AtomicU64::new(0));
            let enter = move |words: &[AtomicU64], inside: &AtomicU64| {
                let permits = Permits::new(words);
                assert!(permits.acquire_until(None));
                assert_eq!(inside.fetch_add(1, Relaxed), 0);
                inside.fetch_sub(1, Relaxed);
                assert!(permits.release(Surplus::Refused));
            };
            let other = {
                let (words, inside) = (words.clone(), inside.clone());
                thread::spawn(move || enter(&words, &inside))
            };
            enter(&words, &inside);
            other.join().unwrap();
            assert_eq!(Permits::new(&words).free(), 1);
            assert!(!Permits::new(&words).release(Surplus::Refused));
        });
    }

    /// Permits that are given out reach all who wait for one.
    #[test]
    fn two_who_wait_get_the_two_that_are_released() {
        bounded(2, || {
            let words = permits(0);
            let others = [(); 2].map(|()| {
                let words = words.clone();
                thread::spawn(move || assert!(Permits::new(&words).acquire_until(None)))
            });
            let permits = Permits::new(&words);
            // While one has what the other waits for, giving back is giving that one back: make two first.
            permits.begin_more(2);
            others.map(|other| other.join().unwrap());
            assert_eq!(permits.free(), 0);
        });
    }

    impl Permits<'_> {
        fn begin_more(self, more: u64) {
            let _held = self.lock.hold();
            self.total.store(self.total.load(Relaxed) + more, Relaxed);
            self.call_next();
        }
    }
}
