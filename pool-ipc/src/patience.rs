//! Spin, then sleep: how long to spin.
//!
//! A wake-up costs the other side a system call and this one a switch. Looking again and again costs a
//! core that may have something better to do; on a core that both sides share it even keeps the other
//! from doing what is waited for. So a wait looks for as long as the last waits suggest it is worth, and
//! where the other side was last seen on this very core it yields the core instead, a few times.

use std::hint;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::sys::core::allowed_cores;

/// What the last waits suggest.
#[derive(Debug)]
pub struct Patience {
    /// How often to look before sleeping.
    looks: u32,
    /// Asked of the system at the first wait: a worker's first task does not wait for the answer.
    most: Option<u32>,
    /// Waits in a row that were short.
    short: u32,
    /// How many cores whoever started this process may use, if it knew.
    told: u32,
}

/// How many cores this process may use, once somebody has asked. The answer is in several files, which takes as
/// long as a round trip across cores; so a process tells it to those that it starts.
static CORES: AtomicU32 = AtomicU32::new(0);

/// What to tell a child: 0 is nothing.
pub(crate) fn known_cores() -> u32 {
    // ORDERING: a number that stands for itself.
    CORES.load(Relaxed)
}

/// About 60 µs of looks, the price of a wake-up across idle cores.
const MOST: u32 = 1500;
/// What patience grows from.
const SEED: u32 = 30;
/// On a shared core: how often to yield, and how many yields that let somebody else run are enough.
const YIELDS: u32 = 8;
const LONG_YIELDS: u32 = 2;
const LONG_YIELD: Duration = Duration::from_micros(2);
/// A sleep shorter than this would have been better spent looking.
const WORTH: Duration = Duration::from_micros(60);
/// So many short waits in a row are a rush.
const RUSH: u32 = 8;

impl Patience {
    /// The most patience that this machine is worth.
    #[expect(clippy::new_without_default, reason = "what it will be depends on the machine")]
    pub const fn new() -> Patience {
        Patience { looks: MOST, most: None, short: 0, told: 0 }
    }

    /// The same, where the starter's number of cores is known; it may be 0.
    pub(crate) const fn told(cores: u32) -> Patience {
        Patience { told: cores, ..Patience::new() }
    }

    /// Whoever is waited for was last seen on another core than this: then there is more than one, whatever this
    /// thread itself may run on.
    #[inline]
    pub fn seen_elsewhere(&mut self) {
        if !matches!(self.most, Some(1..)) {
            (self.most, self.looks) = (Some(MOST), MOST);
        }
    }

    #[cold]
    fn ask(&mut self) -> u32 {
        let known = if self.told == 0 { known_cores() } else { self.told };
        let cores = match known {
            0 => {
                let cores = thread::available_parallelism().map_or(1, usize::from) as u32;
                CORES.store(cores, Relaxed);
                cores
            }
            // This process may have been given fewer of them.
            known => known.min(allowed_cores()),
        };
        let most = if cores > 1 { MOST } else { 0 };
        self.looks = self.looks.min(most);
        *self.most.insert(most)
    }

    /// Looks until `done`, or until patience runs out (`false`). `same_core`: whoever is waited for was
    /// last seen on this core.
    #[inline]
    pub fn spin(&mut self, same_core: bool, done: impl Fn() -> bool) -> bool {
        if same_core {
            return self.yield_until(done);
        }
        let most = match self.most {
            Some(most) => most,
            None => self.ask(),
        };
        for _ in 0..self.looks {
            if done() {
                self.looks = most;
                self.short = self.short.saturating_add(1);
                return true;
            }
            hint::spin_loop();
        }
        done()
    }

    fn yield_until(&mut self, done: impl Fn() -> bool) -> bool {
        // The first yield is usually enough, so the clock is not read for it.
        let (mut last, mut long): (Option<Instant>, u32) = (None, 0);
        for _ in 0..YIELDS {
            thread::yield_now();
            if done() {
                self.short = self.short.saturating_add(1);
                return true;
            }
            let now = Instant::now();
            long += u32::from(last.replace(now).is_some_and(|last| now - last > LONG_YIELD));
            if long == LONG_YIELDS {
                break;
            }
        }
        false
    }

    /// It was in vain, and the sleep after it lasted this long.
    pub fn slept(&mut self, length: Duration) {
        if length < WORTH {
            self.looks = (self.looks * 2 + SEED).min(self.most.unwrap_or(0));
            self.short = self.short.saturating_add(1);
        } else {
            self.looks /= 2;
            self.short = 0;
        }
    }

    /// The same of a wait that yielded instead of looking: it was not short.
    pub fn yielded_in_vain(&mut self) {
        self.short = 0;
    }

    /// Whether waits have been short for a while: worth a one-off effort to make them shorter.
    pub fn is_rush(&self) -> bool {
        self.short >= RUSH
    }
}
