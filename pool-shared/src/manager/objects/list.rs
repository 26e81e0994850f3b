//! Items in an order.

use std::cmp::Ordering;
use std::ops::{Deref, DerefMut, Range};

use super::{ManagedItem, Result};
use crate::manager::{Managed, Manager, ManagerError, Method, Methods, Proxy};

/// A managed list as it is in the server: a [`Vec`].
#[derive(Debug)]
pub struct List<T>(Vec<T>);

impl<T> Deref for List<T> {
    type Target = Vec<T>;
    fn deref(&self) -> &Vec<T> {
        &self.0
    }
}

impl<T> DerefMut for List<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.0
    }
}

/// A place that is not there in a list of this length.
type NoPlace = usize;

impl<T: ManagedItem> List<T> {
    const PUSH: Method<Self, T, ()> = Method::new("push", |list, item| list.push(item));
    const EXTEND: Method<Self, Vec<T>, ()> = Method::new("extend", |list, items| list.extend(items));
    const INSERT: Method<Self, (usize, T), std::result::Result<(), NoPlace>> =
        Method::new("insert", |list, (index, item)| {
            if index > list.len() {
                return Err(list.len());
            }
            list.insert(index, item);
            Ok(())
        });
    const GET: Method<Self, usize, Option<T>> = Method::new("get", |list, index| list.get(index).cloned());
    const GET_MANY: Method<Self, Vec<usize>, Vec<Option<T>>> = Method::new("get_many", |list, indices| {
        indices.iter().map(|index| list.get(*index).cloned()).collect()
    });
    const SET: Method<Self, (usize, T), std::result::Result<T, NoPlace>> =
        Method::new("set", |list, (index, item)| {
            let len = list.len();
            list.get_mut(index).map(|place| std::mem::replace(place, item)).ok_or(len)
        });
    const SLICE: Method<Self, (usize, usize), Vec<T>> =
        Method::new("slice", |list, (start, end)| list[within(start..end, list.len())].to_vec());
    const SET_SLICE: Method<Self, (usize, usize, Vec<T>), Vec<T>> =
        Method::new("set_slice", |list, (start, end, items)| {
            let range = within(start..end, list.len());
            list.splice(range, items).collect()
        });
    const POP: Method<Self, (), Option<T>> = Method::new("pop", |list, ()| list.pop());
    const POP_AT: Method<Self, usize, Option<T>> =
        Method::new("pop_at", |list, index| (index < list.len()).then(|| list.remove(index)));
    const TRUNCATE: Method<Self, usize, ()> = Method::new("truncate", |list, len| list.truncate(len));
    const CLEAR: Method<Self, (), ()> = Method::new("clear", |list, ()| list.clear());
    const REVERSE: Method<Self, (), ()> = Method::new("reverse", |list, ()| list.reverse());
    const REPEAT: Method<Self, usize, std::result::Result<(), String>> =
        Method::new("repeat", |list, times| {
            let Some(more) = times.checked_sub(1) else {
                list.clear();
                return Ok(());
            };
            let once = list.len();
            let room = once.checked_mul(more).ok_or("a list cannot be that long")?;
            list.try_reserve_exact(room).map_err(|error| error.to_string())?;
            (0..more).for_each(|_| list.extend_from_within(..once));
            Ok(())
        });
    const LEN: Method<Self, (), usize> = Method::new("len", |list, ()| list.len());
    const TO_VEC: Method<Self, (), Vec<T>> = Method::new("to_vec", |list, ()| list.0.clone());
}

/// What of `range` a list of this length has.
fn within(range: Range<usize>, len: usize) -> Range<usize> {
    let end = range.end.min(len);
    range.start.min(end)..end
}

impl<T: ManagedItem> Managed for List<T> {
    const NAME: &'static str = "list";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::PUSH)
            .with(&Self::EXTEND)
            .with(&Self::INSERT)
            .with(&Self::GET)
            .with(&Self::GET_MANY)
            .with(&Self::SET)
            .with(&Self::SLICE)
            .with(&Self::SET_SLICE)
            .with(&Self::POP)
            .with(&Self::POP_AT)
            .with(&Self::TRUNCATE)
            .with(&Self::CLEAR)
            .with(&Self::REVERSE)
            .with(&Self::REPEAT)
            .with(&Self::LEN)
            .with(&Self::TO_VEC)
    }
}

impl Manager {
    /// A new list of these items.
    ///
    /// # Errors
    /// As [`create`](Manager::create).
    pub fn list<T: ManagedItem>(&self, items: impl IntoIterator<Item = T>) -> Result<ListProxy<T>> {
        self.create(List, items.into_iter().collect::<Vec<T>>()).map(ListProxy)
    }
}

/// A proxy of a list in a [`Manager`]'s server, as Python's `Manager().list()`.
///
/// Every method is one call, and as a whole: a round trip is what it costs, so many items at a time cost little more
/// than one.
///
/// ```
/// use pool_shared::Manager;
///
/// let manager = Manager::start()?;
/// let list = manager.list([3, 1, 2])?;
/// list.push(5)?;
/// list.extend([4, 6])?;
/// list.sort()?;
/// assert_eq!(list.to_vec()?, [1, 2, 3, 4, 5, 6]);
/// assert_eq!(list.slice(1..3)?, [2, 3]);
/// assert_eq!(list.pop()?, Some(6));
/// let sum = list.with_lock(10, |list, limit: i32| {
///     list.retain(|item| *item < limit);
///     list.iter().sum::<i32>()
/// })?;
/// assert_eq!(sum, 15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`iter`](ListProxy::iter) and [`to_vec`](ListProxy::to_vec) give what was there at one moment; changes that come
/// later do not disturb them.
///
/// An item can be a proxy, and is kept alive by the list. A list that is reached from itself that way keeps itself alive
/// until the server ends: take it out first.
///
/// Every method fails with [`Gone`](ManagerError::Gone) once the server has ended, and with
/// [`TooLong`](ManagerError::TooLong) if a message would be longer than the server's limit. Those that compare items run
/// code of the type, and fail with [`OtherBuild`](ManagerError::OtherBuild) on a server of another build.
pub struct ListProxy<T>(Proxy<List<T>>);

impl<T: ManagedItem> ListProxy<T> {
    /// Puts `item` behind all others. Python's `append`.
    pub fn push(&self, item: T) -> Result<()> {
        self.0.call(&List::PUSH, item)
    }

    /// Puts many behind all others.
    pub fn extend(&self, items: impl IntoIterator<Item = T>) -> Result<()> {
        self.0.call(&List::EXTEND, items.into_iter().collect())
    }

    /// Puts `item` at this place, and what was there and behind it one further.
    ///
    /// # Errors
    /// [`OutOfRange`](ManagerError::OutOfRange): the list is shorter.
    pub fn insert(&self, index: usize, item: T) -> Result<()> {
        self.0.call(&List::INSERT, (index, item))?.map_err(|len| ManagerError::OutOfRange { index, len })
    }

    /// The item at this place.
    pub fn get(&self, index: usize) -> Result<Option<T>> {
        self.0.call(&List::GET, index)
    }

    /// The items at many places.
    pub fn get_many(&self, indices: impl IntoIterator<Item = usize>) -> Result<Vec<Option<T>>> {
        self.0.call(&List::GET_MANY, indices.into_iter().collect())
    }

    /// Puts `item` at this place; what was there.
    ///
    /// # Errors
    /// [`OutOfRange`](ManagerError::OutOfRange): there is no such place.
    pub fn set(&self, index: usize, item: T) -> Result<T> {
        self.0.call(&List::SET, (index, item))?.map_err(|len| ManagerError::OutOfRange { index, len })
    }

    /// The items of these places, as far as the list has them.
    pub fn slice(&self, range: Range<usize>) -> Result<Vec<T>> {
        self.0.call(&List::SLICE, (range.start, range.end))
    }

    /// Puts `items` in place of the items of these places, as far as the list has them; what was there.
    pub fn set_slice(&self, range: Range<usize>, items: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
        self.0.call(&List::SET_SLICE, (range.start, range.end, items.into_iter().collect()))
    }

    /// Takes the last item out.
    pub fn pop(&self) -> Result<Option<T>> {
        self.0.call(&List::POP, ())
    }

    /// Takes the item at this place out. Python's `pop(index)` and `del`.
    pub fn pop_at(&self, index: usize) -> Result<Option<T>> {
        self.0.call(&List::POP_AT, index)
    }

    /// Takes all but the first `len` out.
    pub fn truncate(&self, len: usize) -> Result<()> {
        self.0.call(&List::TRUNCATE, len)
    }

    /// Takes everything out.
    pub fn clear(&self) -> Result<()> {
        self.0.call(&List::CLEAR, ())
    }

    /// Turns the order around.
    pub fn reverse(&self) -> Result<()> {
        self.0.call(&List::REVERSE, ())
    }

    /// Makes it so many times what it was, in place. Python's `list *= times`.
    ///
    /// # Errors
    /// [`Refused`](ManagerError::Refused): there is no memory for it.
    pub fn repeat(&self, times: usize) -> Result<()> {
        self.0.call(&List::REPEAT, times)?.map_err(ManagerError::Refused)
    }

    /// How many items there are.
    pub fn len(&self) -> Result<usize> {
        self.0.call(&List::LEN, ())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All items.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.0.call(&List::TO_VEC, ())
    }

    /// The items as they are now, one after the other.
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>> {
        Ok(self.to_vec()?.into_iter())
    }

    /// All items, and these behind them. Python's `list + items`.
    pub fn concat(&self, items: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
        let mut all = self.to_vec()?;
        all.extend(items);
        Ok(all)
    }

    /// Where `item` is first.
    pub fn index_of(&self, item: T) -> Result<Option<usize>>
    where
        T: PartialEq,
    {
        self.with_lock(item, |list, item| list.iter().position(|other| *other == item))
    }

    /// How often `item` is there.
    pub fn count(&self, item: T) -> Result<usize>
    where
        T: PartialEq,
    {
        self.with_lock(item, |list, item| list.iter().filter(|other| **other == item).count())
    }

    /// Whether `item` is there.
    pub fn contains(&self, item: T) -> Result<bool>
    where
        T: PartialEq,
    {
        self.with_lock(item, |list, item| list.contains(&item))
    }

    /// Takes the first out that equals `item`; whether there was one.
    pub fn remove(&self, item: T) -> Result<bool>
    where
        T: PartialEq,
    {
        self.with_lock(item, |list, item| match list.iter().position(|other| *other == item) {
            Some(index) => {
                list.remove(index);
                true
            }
            None => false,
        })
    }

    /// Sorts the items; equal ones stay in their order.
    pub fn sort(&self) -> Result<()>
    where
        T: Ord,
    {
        self.with_lock((), |list, ()| list.sort())
    }

    /// Sorts the items by `compare`, which captures nothing. For floats, say: `f64::total_cmp`.
    ///
    /// # Errors
    /// [`Panicked`](ManagerError::Panicked): `compare` did.
    pub fn sort_by<F>(&self, compare: F) -> Result<()>
    where
        F: Fn(&T, &T) -> Ordering + Copy + Send + Sync + 'static,
    {
        self.with_lock((), move |list, ()| list.sort_by(compare))
    }

    /// Sorts the items by what `key` gives for each, which captures nothing.
    ///
    /// # Errors
    /// [`Panicked`](ManagerError::Panicked): `key` did.
    pub fn sort_by_key<K, F>(&self, key: F) -> Result<()>
    where
        K: Ord,
        F: Fn(&T) -> K + Copy + Send + Sync + 'static,
    {
        self.with_lock((), move |list, ()| list.sort_by_key(key))
    }
}

super::proxy!(ListProxy<T>, List<T>);
super::with_lock!(ListProxy<T: ManagedItem>, Vec<T>, |list| &mut list.0);
