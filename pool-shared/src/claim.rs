//! The agreement of what is done once: one word, that says who does it.
//!
//! | the word | moved by | to |
//! |---|---|---|
//! | nobody (0) | who comes | a name |
//! | a name | the one who has it, when all is done | `DONE` |
//! | | the one who has it, when it gives up | nobody |
//! | a name, and that one is dead | who has waited for a slice and looked | that one's name |
//!
//! `WAITED` in it: somebody sleeps on the word. Who moves it on to `DONE` or to nobody wakes all.

use crate::sync::{
    Acquire, AtomicU64, FIRST, Relaxed, Release, SECOND, WHO, Waits, is_alive, this_thread, wait_low,
    wake_low,
};

const DONE: u64 = FIRST;
const WAITED: u64 = SECOND;

#[derive(Clone, Copy)]
pub(crate) struct Claim<'a>(&'a AtomicU64);

impl<'a> Claim<'a> {
    pub(crate) fn new(word: &'a AtomicU64) -> Claim<'a> {
        Claim(word)
    }

    /// Whether it has been done.
    pub(crate) fn is_done(self) -> bool {
        // ORDERING: Acquire: what was written before it was done; pairs with the release in `end`.
        self.0.load(Acquire) & DONE != 0
    }

    /// Whether this thread is to do it. `false`: it is done.
    pub(crate) fn begin(self) -> bool {
        let me = this_thread();
        let mut waits = Waits::until(None);
        let mut before = None;
        loop {
            // ORDERING: Acquire, as in `is_done`.
            let seen = self.0.load(Acquire);
            if seen & DONE != 0 {
                return false;
            }
            let runner = seen & WHO;
            if runner == 0 || before == Some(seen) && !is_alive(runner) {
                // ORDERING: Acquire: what one that gave up has written.
                if self.0.compare_exchange(seen, me | seen & WAITED, Acquire, Relaxed).is_ok() {
                    return true;
                }
                continue;
            }
            let asleep = seen | WAITED;
            if seen != asleep && self.0.compare_exchange(seen, asleep, Relaxed, Relaxed).is_err() {
                continue;
            }
            wait_low(self.0, asleep, waits.slice());
            before = Some(asleep);
        }
    }

    /// It is done. For who began.
    pub(crate) fn complete(self) {
        self.end(DONE);
    }

    /// It is not done: another may begin. For who began.
    pub(crate) fn give_up(self) {
        self.end(0);
    }

    fn end(self, outcome: u64) {
        // ORDERING: Release: what was written meanwhile; pairs with the loads of the word.
        if self.0.swap(outcome, Release) & WAITED != 0 {
            wake_low(self.0, u32::MAX);
        }
    }
}

/// The models were seen to fail with each of these: the release in `end`, the load in `begin` or its exchange, made relaxed;
/// `WAITED` not set, or read before the word is moved on in a second step; one that sleeps woken instead of all.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    struct Shared {
        word: AtomicU64,
        /// Read and written as plain memory is.
        written: AtomicU64,
    }

    /// So many threads come at once. The first `failures` of those that begin give up.
    fn come(threads: u64, failures: u64, preemptions: usize) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(preemptions);
        model.check(move || {
            let shared = Arc::new(Shared { word: AtomicU64::new(0), written: AtomicU64::new(0) });
            let come = move |shared: &Shared| {
                let claim = Claim::new(&shared.word);
                if claim.begin() {
                    let begun = shared.written.load(Relaxed);
                    shared.written.store(begun + 1, Relaxed);
                    if begun < failures { claim.give_up() } else { claim.complete() }
                }
                // Who gave up comes again, as any other.
                if claim.begin() {
                    shared.written.store(shared.written.load(Relaxed) + 1, Relaxed);
                    claim.complete();
                }
                assert_eq!(shared.written.load(Relaxed), failures + 1);
                assert!(claim.is_done());
            };
            let others: Vec<_> = (1..threads)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || come(&shared))
                })
                .collect();
            come(&shared);
            others.into_iter().for_each(|other| other.join().unwrap());
        });
    }

    /// One does it; the others wait for that, see what it wrote, and nobody is left asleep.
    #[test]
    fn one_of_three_does_it() {
        come(3, 0, 3);
    }

    /// What one that gave up wrote is seen by the next.
    #[test]
    fn what_one_gave_up_another_does() {
        come(2, 1, 4);
    }
}
