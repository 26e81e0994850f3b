//! A client process, and what it has of each object.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::lock;

/// A client process.
pub(crate) struct Session {
    pub(crate) id: u128,
    /// How many proxies of each object it has.
    counts: Mutex<HashMap<u64, u64>>,
    /// Changes when it has no proxy of some object any more.
    epoch: AtomicU64,
    /// Whether its client has gone. What it has may be taken by others from here on, though it has not been taken
    /// back yet: so nobody who gets one thing of it finds another still held.
    over: AtomicBool,
    /// How many channels it has.
    pub(super) channels: Mutex<usize>,
}

impl Session {
    pub(super) fn new(id: u128) -> Session {
        Session {
            id,
            counts: Mutex::default(),
            epoch: AtomicU64::new(0),
            over: AtomicBool::new(false),
            channels: Mutex::new(0),
        }
    }

    /// Counts one more proxy of the object.
    pub(crate) fn add(&self, object: u64) {
        *lock(&self.counts).entry(object).or_default() += 1;
    }

    /// Counts one less. `None`: it has none; otherwise whether that was the last.
    pub(crate) fn remove(&self, object: u64) -> Option<bool> {
        let mut counts = lock(&self.counts);
        let count = counts.get_mut(&object)?;
        *count -= 1;
        let last = *count == 0;
        if last {
            counts.remove(&object);
            // ORDERING: a cache of what it has is used by its own channels alone, and a client that releases an object
            // and calls it at the same time may get either answer.
            self.epoch.fetch_add(1, Relaxed);
        }
        Some(last)
    }

    /// Whether it has a proxy of the object.
    pub(crate) fn has(&self, object: u64) -> bool {
        lock(&self.counts).contains_key(&object)
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Relaxed)
    }

    /// Whether its client has gone.
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: with `end`: whoever has heard of the end by an object of it, which a lock guards, sees this.
        self.over.load(Relaxed)
    }

    /// Its client has gone.
    pub(super) fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// All its counts, which it has no more.
    pub(super) fn take_counts(&self) -> HashMap<u64, u64> {
        std::mem::take(&mut *lock(&self.counts))
    }
}
