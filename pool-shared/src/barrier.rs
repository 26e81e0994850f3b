//! A place where so many wait for each other.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use pool_ipc::shared::Block;

use crate::crossing::{Kind, passed};
use crate::error::BrokenBarrier;
use crate::raw::{LOCK_WORDS, RawLock};
use crate::rows::{Row, Rows, words_for};
use crate::sync::{
    AtomicU64, FIRST, Relaxed, SECOND, Waits, end_of, is_alive, this_thread, wait_low, wake_low,
};

/// The words behind the lock: how many parties there are; which round this is; whether the barrier is broken; who
/// runs the action of this round.
const PARTIES: usize = LOCK_WORDS;
const ROUND: usize = LOCK_WORDS + 1;
const BROKEN: usize = LOCK_WORDS + 2;
const ACTING: usize = LOCK_WORDS + 3;
const ROWS_AT: usize = LOCK_WORDS + 4;

const MOST_PARTIES: u32 = 1 << 16;

/// In a party's row: the round is complete; the round is broken.
const PASSED: u64 = FIRST;
const FAILED: u64 = SECOND;

/// A place where a number of parties wait until all of them are there, over and over, as Python's
/// `multiprocessing.Barrier`. A clone is the same barrier, and so is what another process decodes.
///
/// **A party that dies** while it waits breaks the barrier, as if it had called [`abort`](Barrier::abort), within about
/// 50 ms, unless all others have come by then: it was there, and the round is complete. So does one that dies or
/// panics in the action of a round.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Barrier;
///
/// let barrier = Barrier::new(2)?;
/// let child = Process::spawn(|barrier: Barrier| barrier.wait().ok(), barrier.clone())?;
/// let mine = barrier.wait_with(|| println!("both are here"))?;
/// assert_eq!(child.join()?, Some(1 - mine));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Barrier(Block);

passed!(Barrier, Kind::Barrier, ROWS_AT + 1);

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
impl Barrier {
    /// A new barrier, for so many parties.
    ///
    /// # Errors
    /// There are no parties, or more than 65 536, or the system refuses the memory or a descriptor.
    pub fn new(parties: u32) -> io::Result<Barrier> {
        if parties == 0 || parties > MOST_PARTIES {
            let text = format!("a barrier of {parties} parties: there can be 1 to {MOST_PARTIES}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        // Those that a round has woken leave when they come to it.
        let words = ROWS_AT + words_for(2 * parties as usize + 14);
        let barrier = Barrier(Block::create(Kind::Barrier as u32, words * size_of::<u64>())?);
        barrier.word(PARTIES).store(parties.into(), Relaxed);
        Ok(barrier)
    }

    /// Waits until all parties are there. Each gets another number from 0 up; exactly one gets 0.
    ///
    /// # Errors
    /// The barrier is broken, or the round was: by [`abort`](Barrier::abort) or [`reset`](Barrier::reset), a party's
    /// timeout, or its death.
    pub fn wait(&self) -> Result<usize, BrokenBarrier> {
        self.pass(None, || {})
    }

    /// As [`wait`](Barrier::wait), for at most `timeout`. If that is over, the barrier is broken.
    ///
    /// # Errors
    /// As [`wait`](Barrier::wait), and the timeout.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, BrokenBarrier> {
        self.pass(end_of(timeout), || {})
    }

    /// As [`wait`](Barrier::wait). The last party that comes runs its `action` before anybody goes on; where all
    /// bring the same, it is run exactly once in a round.
    ///
    /// # Errors
    /// As [`wait`](Barrier::wait), and for the others a panic of the action, which breaks the barrier.
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        self.pass(None, action)
    }

    /// As [`wait_with`](Barrier::wait_with), for at most `timeout`, as [`wait_timeout`](Barrier::wait_timeout).
    ///
    /// # Errors
    /// As both.
    pub fn wait_with_timeout(
        &self,
        timeout: Duration,
        action: impl FnOnce(),
    ) -> Result<usize, BrokenBarrier> {
        self.pass(end_of(timeout), action)
    }

    fn pass(&self, end: Option<Instant>, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        let mut waits = Waits::until(end);
        loop {
            let held = self.raw().hold();
            let arrival = self.arrive()?;
            match arrival {
                Arrival::Waits(row) => {
                    let index = usize::try_from(row.number()).unwrap_or(usize::MAX);
                    drop(held);
                    return self.wait_in(row, waits).map(|()| index);
                }
                Arrival::IsLast => {
                    self.word(ACTING).store(this_thread(), Relaxed);
                    let round = self.word(ROUND).load(Relaxed);
                    drop(held);
                    return self.act(round, action);
                }
                Arrival::During(actor) => {
                    drop(held);
                    let slice = waits.slice();
                    match slice {
                        Some(slice) => wait_low(self.word(ACTING), actor, Some(slice)),
                        None => self.abort(),
                    }
                    if !is_alive(actor) {
                        self.abort_if_acting(actor);
                    }
                }
                Arrival::Crowded => {
                    self.rows().bury();
                    drop(held);
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Under the lock.
    fn arrive(&self) -> Result<Arrival<'_>, BrokenBarrier> {
        if self.word(BROKEN).load(Relaxed) != 0 {
            return Err(BrokenBarrier);
        }
        let actor = self.word(ACTING).load(Relaxed);
        if actor != 0 {
            return Ok(Arrival::During(actor));
        }
        let there = self.waiting_rows().count() as u64;
        if there + 1 >= self.word(PARTIES).load(Relaxed) {
            return Ok(Arrival::IsLast);
        }
        Ok(self.rows().add(this_thread(), there).map_or(Arrival::Crowded, Arrival::Waits))
    }

    /// Runs the action, and lets all go on.
    fn act(&self, round: u64, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        /// Breaks the barrier, unless the action has come to its end.
        struct Running<'a>(&'a Barrier);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.abort();
            }
        }
        let running = Running(self);
        action();
        std::mem::forget(running);
        let _held = self.raw().hold();
        let is_broken = self.word(BROKEN).load(Relaxed) != 0;
        if is_broken || self.word(ROUND).load(Relaxed) != round {
            return Err(BrokenBarrier);
        }
        let index = self.waiting_rows().count();
        self.end_round(PASSED);
        Ok(index)
    }

    /// Waits for the end of the round. Without the lock.
    fn wait_in(&self, row: Row<'_>, mut waits: Waits) -> Result<(), BrokenBarrier> {
        let me = row.who();
        loop {
            let slice = waits.slice();
            if let Some(slice) = slice {
                wait_low(row.who, me, Some(slice));
            }
            let held = self.raw().hold();
            let now = row.who.load(Relaxed);
            if now == me {
                let actor = self.word(ACTING).load(Relaxed);
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
    fn after(&self, row: &Row<'_>) -> u64 {
        let own = row.number();
        let next = self.waiting_rows().filter(|other| other.number() > own).min_by_key(Row::number);
        next.or_else(|| self.waiting_rows().min_by_key(Row::number)).map_or(0, |next| next.who())
    }

    fn waiting_rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows().iter().filter(|row| row.who.load(Relaxed) & (PASSED | FAILED) == 0)
    }

    /// Under the lock.
    fn end_round(&self, outcome: u64) {
        let round = self.word(ROUND);
        round.store(round.load(Relaxed).wrapping_add(1), Relaxed);
        if self.word(ACTING).swap(0, Relaxed) != 0 {
            wake_low(self.word(ACTING), u32::MAX);
        }
        for row in self.waiting_rows() {
            row.who.fetch_or(outcome, Relaxed);
            wake_low(row.who, 1);
        }
    }

    /// Breaks the barrier: all who wait, and who come before a [`reset`](Barrier::reset), get an error.
    pub fn abort(&self) {
        self.abort_if(|| true);
    }

    fn abort_if(&self, is_so: impl FnOnce() -> bool) {
        let _held = self.raw().hold();
        if is_so() {
            self.word(BROKEN).store(1, Relaxed);
            self.end_round(FAILED);
        }
    }

    /// Unless the round of this row has ended.
    fn abort_round_of(&self, row: &Row<'_>) {
        self.abort_if(|| row.who.load(Relaxed) & (PASSED | FAILED) == 0);
    }

    fn abort_if_acting(&self, who: u64) {
        self.abort_if(|| self.word(ACTING).load(Relaxed) == who);
    }

    fn abort_if_waiting(&self, who: u64) {
        self.abort_if(|| self.waiting_rows().any(|row| row.who() == who));
    }

    /// Makes the barrier as new: all who wait get an error; who comes after that waits as at first.
    pub fn reset(&self) {
        let _held = self.raw().hold();
        self.end_round(FAILED);
        self.word(BROKEN).store(0, Relaxed);
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.word(BROKEN).load(Relaxed) != 0
    }

    /// How many parties there are.
    pub fn parties(&self) -> u32 {
        self.word(PARTIES).load(Relaxed) as u32
    }

    /// How many parties wait.
    pub fn waiting(&self) -> usize {
        let _held = self.raw().hold();
        self.waiting_rows().count()
    }

    fn raw(&self) -> RawLock<'_> {
        RawLock::new(self.0.words64())
    }

    fn rows(&self) -> Rows<'_> {
        Rows::new(&self.0.words64()[ROWS_AT..])
    }

    fn word(&self, word: usize) -> &AtomicU64 {
        &self.0.words64()[word]
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("is_broken", &self.is_broken())
            .finish()
    }
}
