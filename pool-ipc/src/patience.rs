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
    /// How often in a row all patience was in vain before a short sleep.
    vain: u32,
    /// So many waits do not look any more, until one tries again with all patience.
    rest: u32,
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

/// How many cores this process may use.
pub fn cores() -> u32 {
    match known_cores() {
        0 => {
            let cores = thread::available_parallelism().map_or(1, usize::from) as u32;
            // ORDERING: as in `known_cores`.
            CORES.store(cores, Relaxed);
            cores
        }
        known => known,
    }
}

/// About 120 µs of looks: more than a wake-up across idle cores takes, 50 to 90 µs on virtual machines.
const MOST: u32 = 3000;
/// Looks where each core has something better to do: about 6 µs, a little more than a short task takes.
const FEW: u32 = 150;
/// What patience grows from.
const SEED: u32 = 30;
/// On a shared core: how often to yield, and how many yields that let somebody else run are enough.
const YIELDS: u32 = 8;
const LONG_YIELDS: u32 = 2;
const LONG_YIELD: Duration = Duration::from_micros(2);
/// A sleep shorter than this might have been better spent looking. It has two wake-ups in it where the other side
/// slept too: whoever takes it for a long wait sleeps for ever, and so does the other side.
const WORTH: Duration = Duration::from_micros(250);
/// After a try in vain, the next is after twice as many waits: after at most 2 to the power of this.
const RARELY: u32 = 5;
/// So many short waits in a row are a rush.
const RUSH: u32 = 8;

impl Patience {
    /// The most patience that this machine is worth.
    #[expect(clippy::new_without_default, reason = "what it will be depends on the machine")]
    pub const fn new() -> Patience {
        Patience { looks: MOST, most: None, short: 0, vain: 0, rest: 0, told: 0 }
    }

    /// The same, where the starter's number of cores is known; it may be 0.
    pub(crate) const fn told(cores: u32) -> Patience {
        Patience { told: cores, ..Patience::new() }
    }

    /// Whoever is waited for was last seen on another core than this: then there is more than one, whatever this
    /// thread itself may run on. Unless it may run on more cores than it has the time of, by a quota.
    #[inline]
    pub fn seen_elsewhere(&mut self) {
        if !matches!(self.most, Some(1..)) {
            self.have_more_than_one();
        }
    }

    #[cold]
    fn have_more_than_one(&mut self) {
        let most = if self.cores_of_process() >= allowed_cores() { MOST } else { 0 };
        (self.most, self.looks, self.vain, self.rest) = (Some(most), most, 0, 0);
    }

    /// As it was told, or found out.
    fn cores_of_process(&self) -> u32 {
        if self.told == 0 { cores() } else { self.told }
    }

    #[cold]
    fn ask(&mut self) -> u32 {
        // This thread may have been given fewer of them.
        let cores = self.cores_of_process().min(allowed_cores());
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
                (self.looks, self.vain, self.rest) = (most, 0, 0);
                self.short = self.short.saturating_add(1);
                return true;
            }
            hint::spin_loop();
        }
        done()
    }

    /// Looks a few times, where so many are waited for that they need all cores: each look goes by all of them. How long
    /// a sleep after it is says nothing.
    #[inline]
    pub fn glance(busy: u32, done: impl Fn() -> bool) -> bool {
        for _ in 0..FEW / (1 + busy / 8) {
            if done() {
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
        if length >= WORTH {
            self.looks /= 2;
            self.short = 0;
            return;
        }
        self.short = self.short.saturating_add(1);
        let most = self.most.unwrap_or(0);
        if self.rest > 0 {
            self.rest -= 1;
            self.looks = if self.rest == 0 { most } else { 0 };
        } else if self.looks < most {
            self.looks = (self.looks * 2 + SEED).min(most);
        } else {
            // Whatever comes takes a little longer than it pays to look for.
            self.vain = (self.vain + 1).min(RARELY);
            (self.rest, self.looks) = (1 << self.vain, 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits that looking does not shorten, with sleeps of so many microseconds: how often each looked.
    fn in_vain(patience: &mut Patience, waits: usize, sleep: u64) -> Vec<u32> {
        let wait = |_| {
            let looks = patience.looks;
            assert!(!patience.spin(false, || false));
            patience.slept(Duration::from_micros(sleep));
            looks
        };
        (0..waits).map(wait).collect()
    }

    fn of_two_cores() -> Patience {
        Patience { most: Some(MOST), ..Patience::new() }
    }

    #[test]
    fn after_long_sleeps_nobody_looks() {
        let looks = in_vain(&mut of_two_cores(), 20, 1_000);
        assert!(looks.is_sorted_by(|one, next| one > next || *next == 0), "{looks:?}");
        assert_eq!(looks[12..], [0; 8]);
    }

    #[test]
    fn where_looking_is_in_vain_it_is_tried_at_ever_longer_distances() {
        let mut patience = of_two_cores();
        in_vain(&mut patience, 500, 100);
        let looks = in_vain(&mut patience, 132, 100);
        assert_eq!(looks.iter().filter(|looks| **looks == MOST).count(), 4);
        assert_eq!(looks.iter().filter(|looks| **looks == 0).count(), 128);
    }

    #[test]
    fn two_that_both_sleep_find_out_that_looking_is_worth_it() {
        let mut patience = of_two_cores();
        in_vain(&mut patience, 20, 1_000);
        assert_eq!(patience.looks, 0);
        // Two wake-ups across cores; looking would have seen the answer after one.
        let looks = in_vain(&mut patience, 7, 180);
        assert!(looks.is_sorted(), "{looks:?}");
        assert_eq!(patience.looks, MOST);
        assert!(patience.spin(false, || true));
        assert_eq!((patience.looks, patience.vain, patience.rest), (MOST, 0, 0));
    }

    #[test]
    fn on_one_core_nobody_looks() {
        let mut patience = Patience { most: Some(0), looks: 0, ..Patience::new() };
        assert_eq!(in_vain(&mut patience, 100, 10), [0; 100]);
    }
}
