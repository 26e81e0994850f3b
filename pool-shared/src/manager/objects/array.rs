//! Items whose number does not change.

use std::ops::Range;

use super::{ManagedItem, Result};
use crate::manager::{Managed, Manager, ManagerError, Method, Methods, Proxy};

/// A managed array as it is in the server.
#[derive(Debug)]
pub struct ManagedArray<T>(Box<[T]>);

impl<T: ManagedItem> ManagedArray<T> {
    const GET: Method<Self, usize, Option<T>> =
        Method::new("get", |array, index| array.0.get(index).cloned());
    const SET: Method<Self, (usize, T), std::result::Result<T, usize>> =
        Method::new("set", |array, (index, item)| {
            let len = array.0.len();
            array.0.get_mut(index).map(|place| std::mem::replace(place, item)).ok_or(len)
        });
    const SLICE: Method<Self, (usize, usize), Vec<T>> = Method::new("slice", |array, (start, end)| {
        let end = end.min(array.0.len());
        array.0[start.min(end)..end].to_vec()
    });
    const SET_SLICE: Method<Self, (usize, Vec<T>), std::result::Result<(), usize>> =
        Method::new("set_slice", |array, (start, items)| {
            let len = array.0.len();
            let places = start.checked_add(items.len()).and_then(|end| array.0.get_mut(start..end));
            places.ok_or(len)?.iter_mut().zip(items).for_each(|(place, item)| *place = item);
            Ok(())
        });
    const LEN: Method<Self, (), usize> = Method::new("len", |array, ()| array.0.len());
    const TO_VEC: Method<Self, (), Vec<T>> = Method::new("to_vec", |array, ()| array.0.to_vec());
}

impl<T: ManagedItem> Managed for ManagedArray<T> {
    const NAME: &'static str = "array";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::GET)
            .with(&Self::SET)
            .with(&Self::SLICE)
            .with(&Self::SET_SLICE)
            .with(&Self::LEN)
            .with(&Self::TO_VEC)
    }
}

impl Manager {
    /// A new array of these items, whose number does not change.
    ///
    /// # Errors
    /// As [`create`](Manager::create).
    pub fn array<T: ManagedItem>(&self, items: impl IntoIterator<Item = T>) -> Result<ArrayProxy<T>> {
        let items: Vec<T> = items.into_iter().collect();
        self.create(|items: Vec<T>| ManagedArray(items.into_boxed_slice()), items).map(ArrayProxy)
    }
}

/// A proxy of an array in a [`Manager`]'s server, of items of any type, as Python's `Manager().Array()`. For plain
/// numbers between processes of one machine an [`Array`](crate::Array) is far quicker.
///
/// ```
/// use pool_shared::Manager;
///
/// let manager = Manager::start()?;
/// let array = manager.array([0.5, 1.5, 2.5])?;
/// assert_eq!(array.set(1, 4.0)?, 1.5);
/// let sum = array.with_lock((), |array, ()| array.iter().sum::<f64>())?;
/// assert_eq!((sum, array.get(3)?), (7.0, None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every method fails with [`Gone`](ManagerError::Gone) once the server has ended.
pub struct ArrayProxy<T>(Proxy<ManagedArray<T>>);

impl<T: ManagedItem> ArrayProxy<T> {
    /// The item at this place.
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        self.0.call(&ManagedArray::GET, index)
    }

    /// Puts `item` at this place; what was there.
    ///
    /// # Errors
    /// [`OutOfRange`](ManagerError::OutOfRange): there is no such place.
    pub fn set(&self, index: usize, item: T) -> Result<T> {
        let set = self.0.call(&ManagedArray::SET, (index, item))?;
        set.map_err(|len| ManagerError::OutOfRange { index, len })
    }

    /// The items of these places, as far as the array has them.
    pub fn slice(&self, range: Range<usize>) -> Result<Vec<T>> {
        self.0.call(&ManagedArray::SLICE, (range.start, range.end))
    }

    /// Puts `items` at this place and those behind it.
    ///
    /// # Errors
    /// [`OutOfRange`](ManagerError::OutOfRange): the last of these places is not there. Nothing was changed.
    pub fn set_slice(&self, start: usize, items: impl IntoIterator<Item = T>) -> Result<()> {
        let items: Vec<T> = items.into_iter().collect();
        let index = start.saturating_add(items.len().saturating_sub(1));
        let set = self.0.call(&ManagedArray::SET_SLICE, (start, items))?;
        set.map_err(|len| ManagerError::OutOfRange { index, len })
    }

    /// How many items there are.
    pub fn len(&self) -> Result<usize> {
        self.0.call(&ManagedArray::LEN, ())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All items.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.0.call(&ManagedArray::TO_VEC, ())
    }

    /// The items as they are now, one after the other.
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>> {
        Ok(self.to_vec()?.into_iter())
    }
}

super::proxy!(ArrayProxy<T>, ManagedArray<T>);
super::with_lock!(ArrayProxy<T: ManagedItem>, [T], |array| &mut array.0);
