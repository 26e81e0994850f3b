//! One value that processes share.

use std::fmt;
use std::io;
use std::time::Duration;

use bytemuck::Pod;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::locked::{Held, Locked};
use super::plain::Items;
use crate::crossing::{Encoded, Kind};
use crate::lock::Lock;

/// One value that processes share, with a lock, as Python's `multiprocessing.Value`. A clone is the same value, and so is
/// what another process decodes.
///
/// `T` is plain data ([`Pod`]): a number, an array of such, or a struct that derives it.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Value;
///
/// let count = Value::new(0_u64)?;
/// let child = Process::spawn(
///     |count: Value<u64>| {
///         for _ in 0..1_000 {
///             count.with(|count| *count += 1);
///         }
///     },
///     count.clone(),
/// )?;
/// for _ in 0..1_000 {
///     count.with(|count| *count += 1);
/// }
/// child.join()?;
/// assert_eq!(count.get(), 2_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every call here takes the lock and gives it back. What a call gives is a copy: nothing refers to shared memory.
///
/// **When a process dies** that has the lock, the next one gets it, marked as [abandoned](ValueGuard::is_abandoned) until
/// somebody [clears](ValueGuard::clear_abandoned) that. The value is the old one or the new one where it is a number
/// of up to 64 bits; a larger one may be the new one in part, if the process was killed in the very moment of copying.
/// A process that dies, or panics, within the function given to [`with`](Value::with) has changed nothing.
pub struct Value<T>(Locked<T>);

impl<T: Pod> Value<T> {
    /// A value with a lock of its own.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new(value: T) -> io::Result<Value<T>> {
        Value::create(value, None)
    }

    /// A value with this lock, which may be that of other values too: who holds it has all of them for itself.
    ///
    /// # Errors
    /// As [`new`](Value::new).
    pub fn with_lock(value: T, lock: &Lock) -> io::Result<Value<T>> {
        Value::create(value, Some(lock))
    }

    fn create(value: T, lock: Option<&Lock>) -> io::Result<Value<T>> {
        let locked = Locked::create(Kind::Value, 1, lock)?;
        locked.items().store(0, &[value]);
        Ok(Value(locked))
    }

    /// A copy of the value.
    pub fn get(&self) -> T {
        self.lock().get()
    }

    /// Makes it this value.
    pub fn set(&self, value: T) {
        self.lock().set(value);
    }

    /// Makes it this value, and gives the one that it was.
    pub fn replace(&self, value: T) -> T {
        let guard = self.lock();
        let old = guard.get();
        guard.set(value);
        old
    }

    /// Gives `change` a copy of the value, and makes it what the copy is after that. The lock is held meanwhile: nobody
    /// else's change is lost.
    pub fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let guard = self.lock();
        let mut value = guard.get();
        let result = change(&mut value);
        guard.set(value);
        result
    }

    /// Takes the lock, until the guard is dropped. A thread that has it already waits for ever, here and in every
    /// other call of the value.
    pub fn lock(&self) -> ValueGuard<'_, T> {
        ValueGuard(self.0.lock())
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<ValueGuard<'_, T>> {
        self.0.try_lock().map(ValueGuard)
    }

    /// Takes the lock, unless that takes longer than `timeout`.
    pub fn lock_timeout(&self, timeout: Duration) -> Option<ValueGuard<'_, T>> {
        self.0.lock_timeout(timeout).map(ValueGuard)
    }
}

impl<T> Clone for Value<T> {
    fn clone(&self) -> Value<T> {
        Value(self.0.clone())
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Value<T> {
    /// Does not wait for the lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Value").field(&self.0.items().get(0)).finish()
    }
}

impl<T: Pod> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<T>, D::Error> {
        let value = Locked::deserialize(Kind::Value, deserializer)?;
        is_one(value.items()).map_err(D::Error::custom)?;
        Ok(Value(value))
    }
}

fn is_one<T: Pod>(items: &Items<T>) -> Result<(), &'static str> {
    if items.len() == 1 { Ok(()) } else { Err("a value that is not one") }
}

/// Holds the lock of a [`Value`], and gives it back when it is dropped. It stays with the thread that took the lock.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct ValueGuard<'a, T>(Held<'a, T>);

impl<T: Pod> ValueGuard<'_, T> {
    /// A copy of the value.
    pub fn get(&self) -> T {
        self.0.items.get(0)
    }

    /// Makes it this value.
    pub fn set(&self, value: T) {
        self.0.items.store(0, &[value]);
    }

    /// Whether a process died with the lock, and nobody has cleared that.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }

    /// Says that the value is well again.
    pub fn clear_abandoned(&self) {
        self.0.clear_abandoned();
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for ValueGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValueGuard").field(&self.get()).finish()
    }
}

/// One value that processes share, without a lock, as Python's `multiprocessing.RawValue`. A clone is the same value, and
/// so is what another process decodes.
///
/// A number of up to 64 bits is read and written whole; a larger value that another process writes meanwhile may be
/// read as a mixture of old and new. To add one is to read and to write: between the two another may write, and that is
/// lost. A [`Value`] is for those who need more.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::RawValue;
///
/// let progress = RawValue::new(0.0_f64)?;
/// let child = Process::spawn(|progress: RawValue<f64>| progress.set(0.5), progress.clone())?;
/// child.join()?;
/// assert_eq!(progress.get(), 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **When a process dies** nothing happens to the value, but that a large one may have been written in part.
pub struct RawValue<T>(Items<T>);

impl<T: Pod> RawValue<T> {
    /// A value.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new(value: T) -> io::Result<RawValue<T>> {
        let items = Items::create(Kind::RawValue, 1)?;
        items.store(0, &[value]);
        Ok(RawValue(items))
    }

    /// A copy of the value.
    pub fn get(&self) -> T {
        self.0.get(0)
    }

    /// Makes it this value.
    pub fn set(&self, value: T) {
        self.0.store(0, &[value]);
    }
}

impl<T> Clone for RawValue<T> {
    fn clone(&self) -> RawValue<T> {
        RawValue(self.0.clone())
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for RawValue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RawValue").field(&self.get()).finish()
    }
}

impl<T> Serialize for RawValue<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encoded().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for RawValue<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawValue<T>, D::Error> {
        let items =
            Items::open(&Encoded::deserialize(deserializer)?, Kind::RawValue).map_err(D::Error::custom)?;
        is_one(&items).map_err(D::Error::custom)?;
        Ok(RawValue(items))
    }
}
