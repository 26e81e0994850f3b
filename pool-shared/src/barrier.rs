//! A place where so many wait for each other.

use std::fmt;
use std::io;
use std::time::Duration;

use pool_ipc::shared::Block;

use crate::crossing::{Kind, passed};
use crate::error::BrokenBarrier;
use crate::rounds::{FEWEST_ROUND_WORDS, Rounds, round_words};
use crate::sync::end_of;

const MOST_PARTIES: u32 = 1 << 16;

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

passed!(Barrier, Kind::Barrier, FEWEST_ROUND_WORDS);

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
        let words = round_words(parties as usize);
        let barrier = Barrier(Block::create(Kind::Barrier as u32, words * size_of::<u64>())?);
        barrier.rounds().begin(parties);
        Ok(barrier)
    }

    /// Waits until all parties are there. Each gets another number from 0 up; exactly one gets 0.
    ///
    /// # Errors
    /// The barrier is broken, or the round was: by [`abort`](Barrier::abort) or [`reset`](Barrier::reset), a party's
    /// timeout, or its death.
    pub fn wait(&self) -> Result<usize, BrokenBarrier> {
        self.rounds().pass(None, || {})
    }

    /// As [`wait`](Barrier::wait), for at most `timeout`. If that is over, the barrier is broken.
    ///
    /// # Errors
    /// As [`wait`](Barrier::wait), and the timeout.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize, BrokenBarrier> {
        self.rounds().pass(end_of(timeout), || {})
    }

    /// As [`wait`](Barrier::wait). The last party that comes runs its `action` before anybody goes on; where all
    /// bring the same, it is run exactly once in a round.
    ///
    /// # Errors
    /// As [`wait`](Barrier::wait), and for the others a panic of the action, which breaks the barrier.
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        self.rounds().pass(None, action)
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
        self.rounds().pass(end_of(timeout), action)
    }

    /// Breaks the barrier: all who wait, and who come before a [`reset`](Barrier::reset), get an error.
    pub fn abort(&self) {
        self.rounds().abort();
    }

    /// Makes the barrier as new: all who wait get an error; who comes after that waits as at first.
    pub fn reset(&self) {
        self.rounds().reset();
    }

    /// Whether it is broken.
    pub fn is_broken(&self) -> bool {
        self.rounds().is_broken()
    }

    /// How many parties there are.
    pub fn parties(&self) -> u32 {
        self.rounds().parties()
    }

    /// How many parties wait.
    pub fn waiting(&self) -> usize {
        self.rounds().waiting()
    }

    fn rounds(&self) -> Rounds<'_> {
        Rounds::new(self.0.words64())
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
