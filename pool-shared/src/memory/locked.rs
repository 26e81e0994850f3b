//! Items with a lock: their own, or one that was given.

use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use bytemuck::Pod;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::plain::Items;
use crate::crossing::{Encoded, Kind};
use crate::lock::{Lock, LockGuard};
use crate::raw::RawLock;
use crate::sync::end_of;

pub(crate) struct Locked<T> {
    items: Items<T>,
    /// `None`: its own, in the room before the items.
    lock: Option<Lock>,
}

impl<T: Pod> Locked<T> {
    pub(crate) fn create(kind: Kind, len: usize, lock: Option<&Lock>) -> io::Result<Locked<T>> {
        Ok(Locked { items: Items::create(kind, len)?, lock: lock.cloned() })
    }

    pub(crate) fn items(&self) -> &Items<T> {
        &self.items
    }

    pub(crate) fn lock(&self) -> Held<'_, T> {
        let hold = match &self.lock {
            Some(lock) => Hold::Given(lock.lock()),
            None => {
                let _ = self.own().acquire();
                Hold::Own(self.own())
            }
        };
        self.held(hold)
    }

    pub(crate) fn try_lock(&self) -> Option<Held<'_, T>> {
        let hold = match &self.lock {
            Some(lock) => Hold::Given(lock.try_lock()?),
            None => self.own().try_acquire().map(|_| Hold::Own(self.own()))?,
        };
        Some(self.held(hold))
    }

    pub(crate) fn lock_timeout(&self, timeout: Duration) -> Option<Held<'_, T>> {
        let hold = match &self.lock {
            Some(lock) => Hold::Given(lock.lock_timeout(timeout)?),
            None => self.own().acquire_until(end_of(timeout)).map(|_| Hold::Own(self.own()))?,
        };
        Some(self.held(hold))
    }

    fn own(&self) -> RawLock<'_> {
        RawLock::new(self.items.block().words64())
    }

    fn held<'a>(&'a self, hold: Hold<'a>) -> Held<'a, T> {
        Held { hold, items: &self.items, stays: PhantomData }
    }

    pub(crate) fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.items.encoded().map_err(S::Error::custom)?, &self.lock).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        kind: Kind,
        deserializer: D,
    ) -> Result<Locked<T>, D::Error> {
        let (encoded, lock) = <(Encoded, Option<Lock>)>::deserialize(deserializer)?;
        Ok(Locked { items: Items::open(&encoded, kind).map_err(D::Error::custom)?, lock })
    }
}

impl<T> Clone for Locked<T> {
    fn clone(&self) -> Locked<T> {
        Locked { items: self.items.clone(), lock: self.lock.clone() }
    }
}

/// Items whose lock this thread has.
pub(crate) struct Held<'a, T> {
    hold: Hold<'a>,
    pub(crate) items: &'a Items<T>,
    /// The lock is this thread's: when the thread has ended, nobody holds it.
    stays: PhantomData<*const ()>,
}

enum Hold<'a> {
    Own(RawLock<'a>),
    Given(LockGuard<'a>),
}

impl<T> Held<'_, T> {
    pub(crate) fn is_abandoned(&self) -> bool {
        match &self.hold {
            Hold::Own(lock) => lock.is_abandoned(),
            Hold::Given(lock) => lock.is_abandoned(),
        }
    }

    pub(crate) fn clear_abandoned(&self) {
        match &self.hold {
            Hold::Own(lock) => lock.clear_abandoned(),
            Hold::Given(lock) => lock.clear_abandoned(),
        }
    }
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        if let Hold::Own(lock) = &self.hold {
            lock.release();
        }
    }
}
