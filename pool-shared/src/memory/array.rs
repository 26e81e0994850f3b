//! Arrays that processes share.

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

/// The array has no such items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutOfBounds {
    /// The first item that was meant.
    pub index: usize,
    /// How many.
    pub count: usize,
    /// How many items the array has.
    pub len: usize,
}

impl fmt::Display for OutOfBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OutOfBounds { index, count, len } = self;
        match count {
            1 => write!(f, "item {index} of an array of {len}"),
            _ => write!(f, "{count} items from {index} on, of an array of {len}"),
        }
    }
}

impl std::error::Error for OutOfBounds {}

impl<T: Pod> Items<T> {
    fn check(&self, index: usize, count: usize) -> Result<(), OutOfBounds> {
        let len = self.len();
        let end = index.checked_add(count).filter(|end| *end <= len);
        end.map(drop).ok_or(OutOfBounds { index, count, len })
    }

    fn try_get(&self, index: usize) -> Result<T, OutOfBounds> {
        self.check(index, 1)?;
        Ok(self.get(index))
    }

    fn try_set(&self, index: usize, item: T) -> Result<(), OutOfBounds> {
        self.try_write(index, &[item])
    }

    fn try_read(&self, start: usize, items: &mut [T]) -> Result<(), OutOfBounds> {
        self.check(start, items.len())?;
        self.load(start, items);
        Ok(())
    }

    fn try_write(&self, start: usize, items: &[T]) -> Result<(), OutOfBounds> {
        self.check(start, items.len())?;
        self.store(start, items);
        Ok(())
    }

    fn to_vec(&self) -> Vec<T> {
        let mut items = vec![T::zeroed(); self.len()];
        self.load(0, &mut items);
        items
    }

    fn create_of(kind: Kind, items: &[T]) -> io::Result<Items<T>> {
        let created = Items::create(kind, items.len())?;
        created.store(0, items);
        Ok(created)
    }
}

/// The calls that all arrays have. Each is a copy, and `$what` of the items.
macro_rules! about_items {
    ($note:literal) => {
        #[doc = concat!("A copy of an item.", $note)]
        ///
        /// # Errors
        /// There is no such item.
        pub fn get(&self, index: usize) -> Result<T, OutOfBounds> {
            self.items().try_get(index)
        }

        #[doc = concat!("Makes an item this one.", $note)]
        ///
        /// # Errors
        /// There is no such item.
        pub fn set(&self, index: usize, item: T) -> Result<(), OutOfBounds> {
            self.items().try_set(index, item)
        }

        #[doc = concat!("Copies items, from `start` on, as many as `items` has room for.", $note)]
        ///
        /// # Errors
        /// The array does not have so many; nothing is copied.
        pub fn read(&self, start: usize, items: &mut [T]) -> Result<(), OutOfBounds> {
            self.items().try_read(start, items)
        }

        #[doc = concat!("Makes the items from `start` on these.", $note)]
        ///
        /// # Errors
        /// The array does not have so many; nothing is changed.
        pub fn write(&self, start: usize, items: &[T]) -> Result<(), OutOfBounds> {
            self.items().try_write(start, items)
        }

        #[doc = concat!("A copy of all items.", $note)]
        pub fn to_vec(&self) -> Vec<T> {
            self.items().to_vec()
        }
    };
}

/// An array of fixed length that processes share, with a lock, as Python's `multiprocessing.Array`. A clone is the same
/// array, and so is what another process decodes.
///
/// `T` is plain data ([`Pod`]): a number, an array of such, or a struct that derives it.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Array;
///
/// fn double(numbers: Array<f64>) {
///     numbers.with(|numbers| numbers.iter_mut().for_each(|number| *number *= 2.0));
/// }
///
/// let numbers = Array::from_slice(&[1.0, 2.0, 3.0])?;
/// Process::spawn(double, numbers.clone())?.join()?;
/// assert_eq!(numbers.to_vec(), [2.0, 4.0, 6.0]);
///
/// let counts = Array::<u32>::zeroed(1_000)?;
/// let guard = counts.lock();
/// for index in 0..1_000 {
///     guard.set(index, guard.get(index)? + 1)?; // under one lock
/// }
/// # drop(guard);
/// # assert_eq!(counts.get(999)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every call here takes the lock and gives it back; [`lock`](Array::lock) keeps it for many calls. What a call gives is
/// a copy: nothing refers to shared memory. What only one process writes, and then many read, is better a
/// [`SharedVec`](crate::SharedVec), which is read in place.
///
/// **When a process dies** that has the lock, the next one gets it, marked as [abandoned](ArrayGuard::is_abandoned) until
/// somebody [clears](ArrayGuard::clear_abandoned) that: some items may be written and others not. An item that is a
/// number of up to 64 bits is whole.
pub struct Array<T>(Locked<T>);

impl<T: Pod> Array<T> {
    /// An array of these items, with a lock of its own.
    ///
    /// # Errors
    /// The system refuses the memory, its address space or a descriptor.
    pub fn from_slice(items: &[T]) -> io::Result<Array<T>> {
        Array::create(items.len(), None).inspect(|array| array.items().store(0, items))
    }

    /// An array of `len` items whose bytes are all zero, with a lock of its own. The memory itself is taken where it is
    /// written.
    ///
    /// # Errors
    /// As [`from_slice`](Array::from_slice).
    pub fn zeroed(len: usize) -> io::Result<Array<T>> {
        Array::create(len, None)
    }

    /// As [`from_slice`](Array::from_slice), with this lock, which may be that of other objects too.
    ///
    /// # Errors
    /// As [`from_slice`](Array::from_slice).
    pub fn with_lock(items: &[T], lock: &Lock) -> io::Result<Array<T>> {
        Array::create(items.len(), Some(lock)).inspect(|array| array.items().store(0, items))
    }

    /// As [`zeroed`](Array::zeroed), with this lock, which may be that of other objects too.
    ///
    /// # Errors
    /// As [`from_slice`](Array::from_slice).
    pub fn zeroed_with_lock(len: usize, lock: &Lock) -> io::Result<Array<T>> {
        Array::create(len, Some(lock))
    }

    fn create(len: usize, lock: Option<&Lock>) -> io::Result<Array<T>> {
        Locked::create(Kind::Array, len, lock).map(Array)
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        self.items().len()
    }

    /// Whether it has no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the lock, until the guard is dropped. A thread that has it already waits for ever, here and in every
    /// other call of the array.
    pub fn lock(&self) -> ArrayGuard<'_, T> {
        ArrayGuard(self.0.lock())
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<ArrayGuard<'_, T>> {
        self.0.try_lock().map(ArrayGuard)
    }

    /// Takes the lock, unless that takes longer than `timeout`.
    pub fn lock_timeout(&self, timeout: Duration) -> Option<ArrayGuard<'_, T>> {
        self.0.lock_timeout(timeout).map(ArrayGuard)
    }

    /// As [`ArrayGuard::get`], under the lock.
    ///
    /// # Errors
    /// There is no such item.
    pub fn get(&self, index: usize) -> Result<T, OutOfBounds> {
        self.lock().get(index)
    }

    /// As [`ArrayGuard::set`], under the lock.
    ///
    /// # Errors
    /// There is no such item.
    pub fn set(&self, index: usize, item: T) -> Result<(), OutOfBounds> {
        self.lock().set(index, item)
    }

    /// As [`ArrayGuard::read`], under the lock.
    ///
    /// # Errors
    /// The array does not have so many; nothing is copied.
    pub fn read(&self, start: usize, items: &mut [T]) -> Result<(), OutOfBounds> {
        self.lock().read(start, items)
    }

    /// As [`ArrayGuard::write`], under the lock.
    ///
    /// # Errors
    /// The array does not have so many; nothing is changed.
    pub fn write(&self, start: usize, items: &[T]) -> Result<(), OutOfBounds> {
        self.lock().write(start, items)
    }

    /// As [`ArrayGuard::to_vec`], under the lock.
    pub fn to_vec(&self) -> Vec<T> {
        self.lock().to_vec()
    }

    /// Gives `change` a copy of all items, and makes them what the copy is after that. The lock is held meanwhile. For
    /// a part of a large array, [`ArrayGuard::read`] and [`ArrayGuard::write`] copy less.
    pub fn with<R>(&self, change: impl FnOnce(&mut [T]) -> R) -> R {
        let guard = self.lock();
        let mut items = guard.to_vec();
        let result = change(&mut items);
        self.items().store(0, &items);
        drop(guard);
        result
    }

    fn items(&self) -> &Items<T> {
        self.0.items()
    }
}

impl<T> Clone for Array<T> {
    fn clone(&self) -> Array<T> {
        Array(self.0.clone())
    }
}

impl<T: Pod> fmt::Debug for Array<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Array").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T: Pod> Serialize for Array<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for Array<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Array<T>, D::Error> {
        Locked::deserialize(Kind::Array, deserializer).map(Array)
    }
}

/// Holds the lock of an [`Array`], and gives it back when it is dropped. It stays with the thread that took the lock.
#[must_use = "the lock is given back when the guard is dropped"]
pub struct ArrayGuard<'a, T>(Held<'a, T>);

impl<T: Pod> ArrayGuard<'_, T> {
    about_items!("");

    /// Copies of all items, one by one.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.items().len()).map(|index| self.items().get(index))
    }

    /// Whether a process died with the lock, and nobody has cleared that.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned()
    }

    /// Says that the array is well again.
    pub fn clear_abandoned(&self) {
        self.0.clear_abandoned();
    }

    fn items(&self) -> &Items<T> {
        self.0.items
    }
}

impl<T: Pod> fmt::Debug for ArrayGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArrayGuard").field("len", &self.items().len()).finish_non_exhaustive()
    }
}

/// An array of fixed length that processes share, without a lock, as Python's `multiprocessing.RawArray`. A clone is the
/// same array, and so is what another process decodes.
///
/// An item that is a number of up to 64 bits is read and written whole; a larger one that another process writes
/// meanwhile may be read as a mixture of old and new.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::RawArray;
///
/// fn fill((part, first): (RawArray<u32>, usize)) {
///     for index in first..first + 50 {
///         part.set(index, index as u32).unwrap();
///     }
/// }
///
/// let squares = RawArray::<u32>::zeroed(100)?;
/// let children = [0, 50].map(|first| Process::spawn(fill, (squares.clone(), first)));
/// for child in children {
///     child?.join()?;
/// }
/// assert!(squares.iter().eq(0..100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **When a process dies** nothing happens to the array, but that some of what it was writing is not written.
pub struct RawArray<T>(Items<T>);

impl<T: Pod> RawArray<T> {
    /// An array of these items.
    ///
    /// # Errors
    /// The system refuses the memory, its address space or a descriptor.
    pub fn from_slice(items: &[T]) -> io::Result<RawArray<T>> {
        Items::create_of(Kind::RawArray, items).map(RawArray)
    }

    /// An array of `len` items whose bytes are all zero. The memory itself is taken where it is written.
    ///
    /// # Errors
    /// As [`from_slice`](RawArray::from_slice).
    pub fn zeroed(len: usize) -> io::Result<RawArray<T>> {
        Items::create(Kind::RawArray, len).map(RawArray)
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    about_items!(" Others may write meanwhile.");

    /// Copies of all items, one by one.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..self.len()).map(|index| self.0.get(index))
    }

    fn items(&self) -> &Items<T> {
        &self.0
    }
}

impl<T> Clone for RawArray<T> {
    fn clone(&self) -> RawArray<T> {
        RawArray(self.0.clone())
    }
}

impl<T: Pod> fmt::Debug for RawArray<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawArray").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Serialize for RawArray<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encoded().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for RawArray<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawArray<T>, D::Error> {
        let encoded = Encoded::deserialize(deserializer)?;
        Items::open(&encoded, Kind::RawArray).map(RawArray).map_err(D::Error::custom)
    }
}
