//! Large arrays that are made once and read everywhere.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use bytemuck::Pod;
use pool_ipc::shared::{Draft, Filling, Frozen, Location};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::plain::{bytes_of_items, tag};
use crate::crossing::{self, Encoded, Kind};

/// An array that is made once, never changes, and is passed as a handle: whatever its size, to pass it costs what
/// passing a few numbers costs, and every process reads the same memory in place. A clone is the same array.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::SharedVec;
///
/// fn sum(numbers: SharedVec<u64>) -> u64 {
///     numbers.iter().sum()
/// }
///
/// let numbers = SharedVec::from_slice(&[1_u64, 2, 3])?;
/// let child = Process::spawn(sum, numbers.clone())?;
/// assert_eq!(child.join()?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is filled in place through a draft, from an iterator, or from a slice:
///
/// ```
/// use pool_shared::SharedVec;
///
/// let mut draft = SharedVec::draft(1_000)?;
/// for (nth, item) in draft.iter_mut().enumerate() {
///     *item = nth as f32 / 2.0;
/// }
/// let halves: SharedVec<f32> = draft.freeze()?;
/// assert_eq!(halves[7], 3.5);
///
/// let squares = SharedVec::try_from_iter((0..100_u32).map(|n| n * n))?;
/// assert_eq!(squares.last(), Some(&9_801));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// The items are plain data ([`Pod`]): numbers, arrays of such, and structs that derive it. That they do not change is
/// enforced by the system, which lets nobody write the memory once it is frozen; so no process has to trust another.
///
/// **When a process dies** that made it or reads it, nothing happens to the others. The memory goes back to the system
/// when nobody has it any more.
///
/// A process that is given it by a task must be able to come by it: see the table in `docs/shared.md`.
pub struct SharedVec<T> {
    block: Frozen,
    items: PhantomData<T>,
}

impl<T: Pod> SharedVec<T> {
    /// An array with these items.
    ///
    /// # Errors
    /// The system refuses the memory, its address space or a descriptor.
    pub fn from_slice(items: &[T]) -> io::Result<SharedVec<T>> {
        let mut filling = Filling::new(Kind::SharedVec as u32, tag::<T>())?;
        filling.write(bytemuck::cast_slice(items))?;
        filling.freeze().map(SharedVec::new)
    }

    /// An array with the items that the iterator gives.
    ///
    /// # Errors
    /// As [`from_slice`](SharedVec::from_slice).
    pub fn try_from_iter(items: impl IntoIterator<Item = T>) -> io::Result<SharedVec<T>> {
        let mut filling = Filling::new(Kind::SharedVec as u32, tag::<T>())?;
        items.into_iter().try_for_each(|item| filling.write(bytemuck::bytes_of(&item)))?;
        filling.freeze().map(SharedVec::new)
    }

    /// An array of `len` items, to be filled in place; all its bytes are zero.
    ///
    /// # Errors
    /// As [`from_slice`](SharedVec::from_slice). The memory itself is taken where it is written.
    pub fn draft(len: usize) -> io::Result<SharedVecDraft<T>> {
        let draft = Draft::new(Kind::SharedVec as u32, tag::<T>(), bytes_of_items::<T>(len))?;
        Ok(SharedVecDraft { draft, items: PhantomData })
    }

    /// The items. The same as `&*array`; a loop that asks for it once is the fastest.
    pub fn as_slice(&self) -> &[T] {
        // Its place and length were looked at when it was made or opened.
        bytemuck::try_cast_slice(self.block.bytes()).unwrap_or_default()
    }

    fn new(block: Frozen) -> SharedVec<T> {
        SharedVec { block, items: PhantomData }
    }
}

impl<T: Pod> Deref for SharedVec<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: Pod> AsRef<[T]> for SharedVec<T> {
    fn as_ref(&self) -> &[T] {
        self
    }
}

impl<'a, T: Pod> IntoIterator for &'a SharedVec<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T> Clone for SharedVec<T> {
    fn clone(&self) -> SharedVec<T> {
        SharedVec { block: self.block.clone(), items: PhantomData }
    }
}

impl<T: Pod + PartialEq> PartialEq for SharedVec<T> {
    fn eq(&self, other: &SharedVec<T>) -> bool {
        **self == **other
    }
}

impl<T: Pod> fmt::Debug for SharedVec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedVec").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl<T> Serialize for SharedVec<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crossing::put(self.block.locate(), serializer)
    }
}

impl<'de, T: Pod> Deserialize<'de> for SharedVec<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedVec<T>, D::Error> {
        let open = |location: &Location| {
            let block = Frozen::open(location, Kind::SharedVec as u32)?;
            if block.tag() != tag::<T>() || bytemuck::try_cast_slice::<u8, T>(block.bytes()).is_err() {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "items of another type"));
            }
            Ok(SharedVec::new(block))
        };
        let encoded = Encoded::deserialize(deserializer)?;
        encoded.open_by(Kind::SharedVec, open).map_err(D::Error::custom)
    }
}

/// A [`SharedVec`] that is being filled: made by [`SharedVec::draft`], and in the memory of this process alone.
pub struct SharedVecDraft<T> {
    draft: Draft,
    items: PhantomData<T>,
}

impl<T: Pod> SharedVecDraft<T> {
    /// The array as it is now. Nothing is copied, unless a process that the program forked by itself meanwhile has the
    /// memory too.
    ///
    /// # Errors
    /// The system refuses a descriptor or the address space.
    pub fn freeze(self) -> io::Result<SharedVec<T>> {
        self.draft.freeze().map(SharedVec::new)
    }
}

impl<T: Pod> Deref for SharedVecDraft<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        bytemuck::try_cast_slice(self.draft.bytes()).unwrap_or_default()
    }
}

impl<T: Pod> DerefMut for SharedVecDraft<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        bytemuck::try_cast_slice_mut(self.draft.bytes_mut()).unwrap_or_default()
    }
}

impl<T: Pod> fmt::Debug for SharedVecDraft<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedVecDraft").field("len", &self.len()).finish_non_exhaustive()
    }
}
