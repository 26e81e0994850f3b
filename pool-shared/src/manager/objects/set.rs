//! Items that are there once.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, RandomState};

use hashlink::LinkedHashSet;

use super::{ManagedKey, Result};
use crate::manager::{Managed, Manager, Method, Methods, Proxy};

/// A managed set as it is in the server: items that are there once, in the order in which they came.
pub struct Set<T>(LinkedHashSet<T, RandomState>);

impl<T: Hash + Eq> Set<T> {
    /// With nothing in it.
    #[expect(clippy::new_without_default, reason = "made by a manager")]
    pub fn new() -> Set<T> {
        Set(LinkedHashSet::with_hasher(RandomState::new()))
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `item` is there.
    pub fn contains<Q: Hash + Eq + ?Sized>(&self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.contains(item)
    }

    /// Puts `item` in; whether it was not there. One that was there keeps its place.
    pub fn insert(&mut self, item: T) -> bool {
        let is_new = !self.0.contains(&item);
        if is_new {
            self.0.insert(item);
        }
        is_new
    }

    /// Takes `item` out; whether it was there.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.0.remove(item)
    }

    /// Takes the item out that came last.
    pub fn pop(&mut self) -> Option<T> {
        self.0.pop_back()
    }

    /// Keeps those of which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain_with_order(keep);
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The items, the first that came first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.0.iter()
    }
}

impl<T: Hash + Eq> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.insert(item);
        }
    }
}

impl<T: Hash + Eq> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Set<T> {
        let mut set = Set::new();
        set.extend(items);
        set
    }
}

impl<T: fmt::Debug> fmt::Debug for Set<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter()).finish()
    }
}

impl<T: ManagedKey> Set<T> {
    const ADD: Method<Self, T, bool> = Method::new("add", |set, item| set.insert(item));
    const UPDATE: Method<Self, Vec<T>, ()> = Method::new("update", |set, items| set.extend(items));
    const REMOVE: Method<Self, T, bool> = Method::new("remove", |set, item| set.remove(&item));
    const REMOVE_MANY: Method<Self, Vec<T>, usize> =
        Method::new("remove_many", |set, items| items.iter().filter(|item| set.remove(*item)).count());
    const POP: Method<Self, (), Option<T>> = Method::new("pop", |set, ()| set.pop());
    const CLEAR: Method<Self, (), ()> = Method::new("clear", |set, ()| set.clear());
    const CONTAINS: Method<Self, T, bool> = Method::new("contains", |set, item| set.contains(&item));
    const CONTAINS_MANY: Method<Self, Vec<T>, Vec<bool>> =
        Method::new("contains_many", |set, items| items.iter().map(|item| set.contains(item)).collect());
    const UNION: Method<Self, Vec<T>, Vec<T>> = Method::new("union", |set, items| {
        let others: Set<T> = items.into_iter().filter(|item| !set.contains(item)).collect();
        set.iter().chain(others.iter()).cloned().collect()
    });
    const INTERSECTION: Method<Self, Vec<T>, Vec<T>> = Method::new("intersection", |set, items| {
        let others: Set<T> = items.into_iter().collect();
        set.iter().filter(|item| others.contains(*item)).cloned().collect()
    });
    const DIFFERENCE: Method<Self, Vec<T>, Vec<T>> = Method::new("difference", |set, items| {
        let others: Set<T> = items.into_iter().collect();
        set.iter().filter(|item| !others.contains(*item)).cloned().collect()
    });
    const LEN: Method<Self, (), usize> = Method::new("len", |set, ()| set.len());
    const TO_VEC: Method<Self, (), Vec<T>> = Method::new("to_vec", |set, ()| set.iter().cloned().collect());
}

impl<T: ManagedKey> Managed for Set<T> {
    const NAME: &'static str = "set";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::ADD)
            .with(&Self::UPDATE)
            .with(&Self::REMOVE)
            .with(&Self::REMOVE_MANY)
            .with(&Self::POP)
            .with(&Self::CLEAR)
            .with(&Self::CONTAINS)
            .with(&Self::CONTAINS_MANY)
            .with(&Self::UNION)
            .with(&Self::INTERSECTION)
            .with(&Self::DIFFERENCE)
            .with(&Self::LEN)
            .with(&Self::TO_VEC)
    }
}

impl Manager {
    /// A new set of these items.
    ///
    /// # Errors
    /// As [`create`](Manager::create).
    pub fn set<T: ManagedKey>(&self, items: impl IntoIterator<Item = T>) -> Result<SetProxy<T>> {
        let items: Vec<T> = items.into_iter().collect();
        self.create(|items: Vec<T>| items.into_iter().collect::<Set<T>>(), items).map(SetProxy)
    }
}

/// A proxy of a set in a [`Manager`]'s server, as Python's `Manager().set()`.
///
/// Items are in the order in which they came. Every method is one call, and as a whole; many items at a time cost
/// little more than one.
///
/// ```
/// use pool_shared::Manager;
///
/// let manager = Manager::start()?;
/// let seen = manager.set(["a".to_owned()])?;
/// assert!(!seen.add("a".to_owned())?);
/// assert!(seen.add("b".to_owned())?);
/// assert!(seen.contains("b")?);
/// assert_eq!(seen.difference(["a".to_owned()])?, ["b"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every method fails with [`Gone`](crate::ManagerError::Gone) once the server has ended, and with
/// [`TooLong`](crate::ManagerError::TooLong) if a message would be longer than the server's limit.
pub struct SetProxy<T>(Proxy<Set<T>>);

impl<T: ManagedKey> SetProxy<T> {
    /// Puts `item` in; whether it was not there.
    pub fn add(&self, item: T) -> Result<bool> {
        self.0.call(&Set::ADD, item)
    }

    /// Puts many in.
    pub fn update(&self, items: impl IntoIterator<Item = T>) -> Result<()> {
        self.0.call(&Set::UPDATE, items.into_iter().collect())
    }

    /// Takes `item` out; whether it was there. Python's `discard`.
    pub fn remove<Q: ToOwned<Owned = T> + ?Sized>(&self, item: &Q) -> Result<bool> {
        self.0.call(&Set::REMOVE, item.to_owned())
    }

    /// Takes many out; how many of them were there. Python's `difference_update`.
    pub fn remove_many(&self, items: impl IntoIterator<Item = T>) -> Result<usize> {
        self.0.call(&Set::REMOVE_MANY, items.into_iter().collect())
    }

    /// Takes the item out that came last.
    pub fn pop(&self) -> Result<Option<T>> {
        self.0.call(&Set::POP, ())
    }

    /// Takes everything out.
    pub fn clear(&self) -> Result<()> {
        self.0.call(&Set::CLEAR, ())
    }

    /// Whether `item` is there.
    pub fn contains<Q: ToOwned<Owned = T> + ?Sized>(&self, item: &Q) -> Result<bool> {
        self.0.call(&Set::CONTAINS, item.to_owned())
    }

    /// Of each of `items` whether it is there.
    pub fn contains_many(&self, items: impl IntoIterator<Item = T>) -> Result<Vec<bool>> {
        self.0.call(&Set::CONTAINS_MANY, items.into_iter().collect())
    }

    /// What is in the set or in `items`.
    pub fn union(&self, items: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
        self.0.call(&Set::UNION, items.into_iter().collect())
    }

    /// What is in the set and in `items`.
    pub fn intersection(&self, items: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
        self.0.call(&Set::INTERSECTION, items.into_iter().collect())
    }

    /// What is in the set and not in `items`.
    pub fn difference(&self, items: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
        self.0.call(&Set::DIFFERENCE, items.into_iter().collect())
    }

    /// How many items there are.
    pub fn len(&self) -> Result<usize> {
        self.0.call(&Set::LEN, ())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All items, in the order in which they came.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.0.call(&Set::TO_VEC, ())
    }

    /// The items as they are now, one after the other.
    pub fn iter(&self) -> Result<std::vec::IntoIter<T>> {
        Ok(self.to_vec()?.into_iter())
    }

    /// A set of one's own. Python's `copy`.
    pub fn to_set(&self) -> Result<HashSet<T>> {
        Ok(self.iter()?.collect())
    }
}

super::proxy!(SetProxy<T>, Set<T>);
super::with_lock!(SetProxy<T: ManagedKey>, Set<T>, |set| set);
