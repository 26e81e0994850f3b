//! The agreement of a barrier: a lock over who waits in this round.
//!
//! ```text
//!  parties  how many there are
//!  round    which this is
//!  broken   1: the barrier is broken
//!  acting   who is the last of this round, and runs its action
//!  rows     who waits, and its number; the word that it sleeps on
//! ```
//!
//! | a row | moved by | to |
//! |---|---|---|
//! | free (0) | who comes, and is not the last | a name |
//! | a name | the last of the round, when the action is done | passed: a name, `PASSED` |
//! | | who breaks the barrier or the round | failed: a name, `FAILED` |
//! | passed or failed | its owner | free |
//!
//! Each that waits looks, after a slice, whether the one that acts is still there, and the one whose number is the next:
//! so they look after each other in a circle, and who finds a dead one breaks the barrier.

use std::time::Instant;

use crate::error::BrokenBarrier;
use crate::raw::{LOCK_WORDS, RawLock};
use crate::rows::{Row, Rows, words_for};
use crate::sync::{
    AtomicU64, FIRST, Relaxed, SECOND, Waits, is_alive, this_thread, wait_low, wake_low, yield_now,
};

const ROWS_AT: usize = LOCK_WORDS + 4;
/// No barrier has fewer words of 64 bits.
pub(crate) const FEWEST_ROUND_WORDS: usize = ROWS_AT + 1;

/// How many words it has for so many parties. Those that a round has woken leave when they come to it, and the next round
/// has begun.
pub(crate) const fn round_words(parties: usize) -> usize {
    ROWS_AT + words_for(if cfg!(loom) { 2 * parties - 1 } else { 2 * parties + 14 })
}

/// In a party's row: the round is complete; the round is broken.
const PASSED: u64 = FIRST;
const FAILED: u64 = SECOND;

#[derive(Clone, Copy)]
pub(crate) struct Rounds<'a> {
    lock: RawLock<'a>,
    parties: &'a AtomicU64,
    round: &'a AtomicU64,
    broken: &'a AtomicU64,
    acting: &'a AtomicU64,
    rows: Rows<'a>,
}

/// What the one who comes finds.
enum Arrival<'a> {
    Waits(Row<'a>),
    IsLast,
    /// The action of a round that is complete is being run, by this one.
    During(u64),
    /// There is no row: those that the last round woke have not left yet.
    Crowded,
}

// ORDERING of all accesses here: under the lock. What a party did before it came is seen by all who go on, because
// the last takes the lock after it, and they read what the last wrote under it, or after it with Acquire.
impl<'a> Rounds<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Rounds<'a> {
        let [parties, round, broken, acting, rows @ ..] = &words[LOCK_WORDS..] else {
            unreachable!("a block that was made or checked too small")
        };
        let (lock, rows) = (RawLock::new(words), Rows::new(rows));
        Rounds { lock, parties, round, broken, acting, rows }
    }

    /// Of a new barrier.
    pub(crate) fn begin(self, parties: u32) {
        self.parties.store(parties.into(), Relaxed);
    }

    pub(crate) fn parties(self) -> u32 {
        self.parties.load(Relaxed) as u32
    }

    pub(crate) fn is_broken(self) -> bool {
        self.broken.load(Relaxed) != 0
    }

    pub(crate) fn waiting(self) -> usize {
        let _held = self.lock.hold();
        self.waiting_rows().count()
    }

    /// Breaks the barrier.
    pub(crate) fn abort(self) {
        self.abort_if(|| true);
    }

    /// Breaks the round, and makes the barrier as new.
    pub(crate) fn reset(self) {
        let _held = self.lock.hold();
        self.end_round(FAILED);
        self.broken.store(0, Relaxed);
    }

    /// Waits for the others, or is the last, which runs `action` before they go on. Each gets another number.
    pub(crate) fn pass(self, end: Option<Instant>, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        let mut waits = Waits::until(end);
        loop {
            let held = self.lock.hold();
            let arrival = self.arrive()?;
            match arrival {
                Arrival::Waits(row) => {
                    let index = usize::try_from(row.number()).unwrap_or(usize::MAX);
                    drop(held);
                    return self.wait_in(row, waits).map(|()| index);
                }
                Arrival::IsLast => {
                    self.acting.store(this_thread(), Relaxed);
                    let round = self.round.load(Relaxed);
                    drop(held);
                    return self.act(round, action);
                }
                Arrival::During(actor) => {
                    drop(held);
                    let slice = waits.slice();
                    match slice {
                        Some(slice) => wait_low(self.acting, actor, Some(slice)),
                        None => self.abort(),
                    }
                    if !is_alive(actor) {
                        self.abort_if_acting(actor);
                    }
                }
                Arrival::Crowded => {
                    self.rows.bury();
                    drop(held);
                    yield_now();
                }
            }
        }
    }

    /// Under the lock.
    fn arrive(self) -> Result<Arrival<'a>, BrokenBarrier> {
        if self.broken.load(Relaxed) != 0 {
            return Err(BrokenBarrier);
        }
        let actor = self.acting.load(Relaxed);
        if actor != 0 {
            return Ok(Arrival::During(actor));
        }
        let there = self.waiting_rows().count() as u64;
        if there + 1 >= self.parties.load(Relaxed) {
            return Ok(Arrival::IsLast);
        }
        Ok(self.rows.add(this_thread(), there).map_or(Arrival::Crowded, Arrival::Waits))
    }

    /// Runs the action, and lets all go on.
    fn act(self, round: u64, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        /// Breaks the barrier, unless the action has come to its end.
        struct Running<'a>(Rounds<'a>);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let running = Running(self);
        action();
        std::mem::forget(running);
        let _held = self.lock.hold();
        let is_broken = self.broken.load(Relaxed) != 0;
        if is_broken || self.round.load(Relaxed) != round {
            return Err(BrokenBarrier);
        }
        let index = self.waiting_rows().count();
        self.end_round(PASSED);
        Ok(index)
    }

    /// Waits for the end of the round. Without the lock.
    fn wait_in(self, row: Row<'a>, mut waits: Waits) -> Result<(), BrokenBarrier> {
        let me = row.who();
        loop {
            let slice = waits.slice();
            if let Some(slice) = slice {
                wait_low(row.who, me, Some(slice));
            }
            let held = self.lock.hold();
            let now = row.who.load(Relaxed);
            if now == me {
                let actor = self.acting.load(Relaxed);
                let next = self.after(&row);
                drop(held);
                let has_died = |who: u64| who != 0 && !is_alive(who);
                if slice.is_none() || has_died(actor) {
                    self.abort_round_of(&row);
                } else if has_died(next) {
                    self.abort_if_waiting(next);
                }
                continue;
            }
            row.remove();
            return if now & PASSED != 0 { Ok(()) } else { Err(BrokenBarrier) };
        }
    }

    /// The party whose death is for the owner of this row to see: each looks after one, in a circle.
    fn after(self, row: &Row<'_>) -> u64 {
        let own = row.number();
        let next = self.waiting_rows().filter(|other| other.number() > own).min_by_key(Row::number);
        next.or_else(|| self.waiting_rows().min_by_key(Row::number)).map_or(0, |next| next.who())
    }

    fn waiting_rows(self) -> impl Iterator<Item = Row<'a>> {
        self.rows.iter().filter(|row| row.who.load(Relaxed) & (PASSED | FAILED) == 0)
    }

    /// Under the lock.
    fn end_round(self, outcome: u64) {
        let round = self.round;
        round.store(round.load(Relaxed).wrapping_add(1), Relaxed);
        if self.acting.swap(0, Relaxed) != 0 {
            wake_low(self.acting, u32::MAX);
        }
        for row in self.waiting_rows() {
            row.who.fetch_or(outcome, Relaxed);
            wake_low(row.who, 1);
        }
    }

    fn abort_if(self, is_so: impl FnOnce() -> bool) {
        let _held = self.lock.hold();
        if is_so() {
            self.broken.store(1, Relaxed);
            self.end_round(FAILED);
        }
    }

    /// Unless the round of this row has ended.
    fn abort_round_of(self, row: &Row<'_>) {
        self.abort_if(|| row.who.load(Relaxed) & (PASSED | FAILED) == 0);
    }

    fn abort_if_acting(self, who: u64) {
        self.abort_if(|| self.acting.load(Relaxed) == who);
    }

    fn abort_if_waiting(self, who: u64) {
        self.abort_if(|| self.waiting_rows().any(|row| row.who() == who));
    }
}

/// The models were seen to fail with each of these: the end of a round wakes nobody, or nobody that waits for its action;
/// it is written without the lock; a row is read and left without it; who acts is written after the lock is given back,
/// or not looked at by those who come; the round not compared after the action; the barrier not marked as broken; a time
/// that is over breaks the barrier whatever has become of the round.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    struct Shared {
        words: Vec<AtomicU64>,
        /// What each party has done; read and written as plain memory is.
        done: [AtomicU64; 3],
        actions: AtomicU64,
    }

    impl Shared {
        fn rounds(&self) -> Rounds<'_> {
            Rounds::new(&self.words)
        }

        /// One party's way through so many rounds; in how many it was number 0.
        fn pass(&self, party: usize, rounds: u64) -> u64 {
            let parties = self.rounds().parties() as usize;
            (1..=rounds)
                .map(|round| {
                    self.done[party].store(round, Relaxed);
                    let act = || self.actions.store(self.actions.load(Relaxed) + 1, Relaxed);
                    let index = self.rounds().pass(None, act).unwrap();
                    assert!(index < parties);
                    assert!(self.done[..parties].iter().all(|done| done.load(Relaxed) >= round));
                    assert!(self.actions.load(Relaxed) >= round);
                    u64::from(index == 0)
                })
                .sum()
        }
    }

    fn bounded(parties: u32, preemptions: usize, model: impl Fn(Arc<Shared>) + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(move || {
            let words = (0..round_words(parties as usize)).map(|_| AtomicU64::new(0)).collect();
            let done = [(); 3].map(|()| AtomicU64::new(0));
            let shared = Arc::new(Shared { words, done, actions: AtomicU64::new(0) });
            shared.rounds().begin(parties);
            model(shared.clone());
            assert_eq!(shared.rounds().rows.iter().count(), 0);
            assert_eq!(shared.rounds().acting.load(Relaxed), 0);
        });
    }

    fn pass(parties: u32, rounds: u64, preemptions: usize) {
        bounded(parties, preemptions, move |shared| {
            let others: Vec<_> = (1..parties as usize)
                .map(|party| {
                    let theirs = shared.clone();
                    thread::spawn(move || theirs.pass(party, rounds))
                })
                .collect();
            let mut first = shared.pass(0, rounds);
            for other in others {
                first += other.join().unwrap();
            }
            assert_eq!(first, rounds);
            assert_eq!(shared.actions.load(Relaxed), rounds);
        });
    }

    /// All go on when all are there and the action is done, see what each did before, and nobody is left asleep.
    #[test]
    fn two_parties_pass_two_rounds() {
        pass(2, 2, 2);
    }

    #[test]
    fn three_parties_pass_a_round() {
        pass(3, 1, 2);
    }

    /// Who comes while the action of a round runs waits for its end. Each is a round by itself here.
    #[test]
    fn actions_run_one_after_the_other() {
        bounded(1, 2, |shared| {
            let others = [(); 2].map(|()| {
                let theirs = shared.clone();
                thread::spawn(move || theirs.pass(0, 1))
            });
            shared.pass(0, 1);
            for other in others {
                assert_eq!(other.join().unwrap(), 1);
            }
            assert_eq!(shared.actions.load(Relaxed), 3);
        });
    }

    /// Who waits when the barrier is broken, or comes after that, hears it.
    #[test]
    fn a_broken_barrier_leaves_nobody_waiting() {
        bounded(3, 3, |shared| {
            let others = [(); 2].map(|()| {
                let theirs = shared.clone();
                thread::spawn(move || theirs.rounds().pass(None, || {}))
            });
            shared.rounds().abort();
            for other in others {
                assert_eq!(other.join().unwrap(), Err(BrokenBarrier));
            }
        });
    }

    /// One whose time is over breaks its own round, unless that is complete, and then nothing.
    #[test]
    fn a_time_that_is_over_breaks_the_round_or_nothing() {
        bounded(2, 3, |shared| {
            let pass = |shared: &Shared| shared.rounds().pass(Some(Instant::now()), || {}).is_ok();
            let theirs = shared.clone();
            let other = thread::spawn(move || pass(&theirs));
            let mine = pass(&shared);
            assert_eq!(mine, other.join().unwrap());
            assert_eq!(mine, !shared.rounds().is_broken());
        });
    }

    /// A round that is broken while its action runs is broken for all, whatever the barrier is afterwards.
    #[test]
    fn a_round_is_broken_for_all_or_none() {
        bounded(2, 2, |shared| {
            let theirs = shared.clone();
            let resets = thread::spawn(move || {
                theirs.rounds().abort();
                theirs.rounds().reset();
            });
            let theirs = shared.clone();
            // The time of whoever is left alone is over at once: it breaks its round.
            let other = thread::spawn(move || theirs.rounds().pass(Some(Instant::now()), || {}).is_ok());
            let mine = shared.rounds().pass(Some(Instant::now()), || {}).is_ok();
            resets.join().unwrap();
            assert_eq!(mine, other.join().unwrap());
        });
    }
}
