//! A flag that processes wait for.

use std::fmt;
use std::io;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use pool_ipc::shared::{Block, wait, wake};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::crossing::{self, Kind};

/// A flag that processes and threads can wait for, as Python's `multiprocessing.Event`. A clone is the same event,
/// and so is what another process decodes.
///
/// Nothing is remembered of who waits: a process that dies in a `wait` is no concern of the others.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Event;
///
/// let ready = Event::new()?;
/// let child = Process::spawn(|ready: Event| ready.set(), ready.clone())?;
/// ready.wait();
/// child.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Event(Block);

/// The flag.
const SET: u32 = 1;
/// What is above it counts how often it was set, so that who waits notices a `set` that a `clear` followed.
const ONCE_MORE: u32 = 2;

impl Event {
    /// A new event, not set.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<Event> {
        Ok(Event(Block::create(Kind::Event as u32, size_of::<u32>())?))
    }

    /// Whether it is set.
    pub fn is_set(&self) -> bool {
        // ORDERING: what was written before `set` (its release) is seen by who sees the flag.
        self.word().load(Acquire) & SET != 0
    }

    /// Sets it, and wakes all who wait.
    pub fn set(&self) {
        let word = self.word();
        // ORDERING: release, for `is_set` and `wait`.
        let set = |word: u32| (word & SET == 0).then(|| word.wrapping_add(ONCE_MORE) | SET);
        if word.fetch_update(Release, Relaxed, set).is_ok() {
            wake(word, u32::MAX);
        }
    }

    /// Takes the flag back.
    pub fn clear(&self) {
        // ORDERING: nothing is handed over.
        self.word().fetch_and(!SET, Relaxed);
    }

    /// Waits until it is set.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Waits until it is set (`true`), for at most `timeout` (`false`).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // A time past the end of time is none.
        self.wait_until(Instant::now().checked_add(timeout))
    }

    fn wait_until(&self, end: Option<Instant>) -> bool {
        // ORDERING: as in `is_set`.
        let first = self.word().load(Acquire);
        let mut now = first;
        // The count differs: it was set, and perhaps cleared again.
        while now & SET == 0 && now == first {
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return false;
            }
            wait(self.word(), first, left);
            now = self.word().load(Acquire);
        }
        true
    }

    fn word(&self) -> &AtomicU32 {
        &self.0.words()[0]
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event").field("is_set", &self.is_set()).finish()
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crossing::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Event, D::Error> {
        crossing::deserialize(Kind::Event, deserializer).map(Event)
    }
}
