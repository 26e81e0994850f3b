//! What the agreements between processes are made of: atomic words, sleeping on them, and who is there. Those of the
//! system, or loom's when the agreements are checked: there nobody dies, and time does not pass.

#[cfg(loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(loom))]
pub(crate) use pool_ipc::shared::{is_alive, this_process, this_thread, wait_low, wake_low};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;
#[cfg(loom)]
pub(crate) use std::sync::atomic::Ordering::SeqCst;
pub(crate) use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
#[cfg(all(not(loom), feature = "queue"))]
pub(crate) use std::sync::atomic::{AtomicU32, Ordering::SeqCst, fence};
#[cfg(not(loom))]
pub(crate) use std::thread::yield_now;

#[cfg(loom)]
pub(crate) use model::{is_alive, this_process, this_thread, wait_low, wake_low};

use std::time::{Duration, Instant};

/// The bits of a word that name somebody; the two bits between them are [`FIRST`] and [`SECOND`].
pub(crate) const WHO: u64 = !(FIRST | SECOND);
pub(crate) const FIRST: u64 = 1 << 31;
pub(crate) const SECOND: u64 = 1 << 30;
#[cfg(not(loom))]
const _: () = assert!(WHO == pool_ipc::shared::WHO);

/// A wait in slices: after each, whoever waits looks whether those it waits for are still there.
pub(crate) struct Waits {
    began: Instant,
    end: Option<Instant>,
    slice: Duration,
    longest: Duration,
}

const SHORTEST: Duration = Duration::from_millis(4);
const LONGEST: Duration = Duration::from_millis(32);
/// Where a death matters only together with something else that is rare.
const LAZY: Duration = Duration::from_millis(128);

impl Waits {
    pub(crate) fn until(end: Option<Instant>) -> Waits {
        Waits { began: Instant::now(), end, slice: SHORTEST, longest: LONGEST }
    }

    pub(crate) fn lazily_until(end: Option<Instant>) -> Waits {
        Waits { longest: LAZY, ..Waits::until(end) }
    }

    /// How long to sleep; `None`: time is over.
    pub(crate) fn slice(&mut self) -> Option<Duration> {
        let slice = self.slice;
        self.slice = (slice * 2).min(self.longest);
        let Some(end) = self.end else { return Some(slice) };
        let left = end.saturating_duration_since(Instant::now());
        (left > Duration::ZERO).then(|| left.min(slice))
    }

    /// Whether it has lasted so long.
    pub(crate) fn has_lasted(&self, time: Duration) -> bool {
        // In a model the time has always come.
        cfg!(loom) || self.began.elapsed() >= time
    }
}

/// When `timeout` will be over; `None`: a time past the end of time.
pub(crate) fn end_of(timeout: Duration) -> Option<Instant> {
    Instant::now().checked_add(timeout)
}

/// A futex of loom's parts. A thread is woken by `wake_low` alone: one that nobody wakes is a deadlock, which loom
/// reports.
#[cfg(loom)]
mod model {
    use super::AtomicU64;
    use loom::sync::{Arc, Condvar, Mutex};
    use std::cell::Cell;
    use std::sync::atomic::Ordering::Relaxed;
    use std::time::Duration;

    type Sleeper = Arc<(Mutex<bool>, Condvar)>;

    loom::lazy_static! {
        static ref SLEEPERS: Mutex<Vec<(usize, Sleeper)>> = Mutex::new(Vec::new());
        static ref NAMES: Mutex<u64> = Mutex::new(0);
    }

    loom::thread_local! {
        static NAME: Cell<u64> = Cell::new(0);
    }

    pub(crate) fn this_thread() -> u64 {
        NAME.with(|name| {
            if name.get() == 0 {
                let mut names = NAMES.lock().unwrap();
                *names += 1;
                name.set(*names);
            }
            name.get()
        })
    }

    pub(crate) fn this_process() -> u64 {
        1
    }

    pub(crate) fn is_alive(_: u64) -> bool {
        true
    }

    pub(crate) fn wait_low(word: &AtomicU64, expected: u64, _: Option<Duration>) {
        let sleeper = {
            let mut sleepers = SLEEPERS.lock().unwrap();
            if word.load(Relaxed) as u32 != expected as u32 {
                return;
            }
            let sleeper = Sleeper::new((Mutex::new(false), Condvar::new()));
            sleepers.push((address(word), sleeper.clone()));
            sleeper
        };
        let mut woken = sleeper.0.lock().unwrap();
        while !*woken {
            woken = sleeper.1.wait(woken).unwrap();
        }
    }

    pub(crate) fn wake_low(word: &AtomicU64, count: u32) -> u32 {
        let mut sleepers = SLEEPERS.lock().unwrap();
        let mut woken = 0;
        while woken < count {
            let Some(place) = sleepers.iter().position(|(at, _)| *at == address(word)) else { break };
            let (_, sleeper) = sleepers.remove(place);
            *sleeper.0.lock().unwrap() = true;
            sleeper.1.notify_one();
            woken += 1;
        }
        woken
    }

    fn address(word: &AtomicU64) -> usize {
        std::ptr::from_ref(word).addr()
    }
}
