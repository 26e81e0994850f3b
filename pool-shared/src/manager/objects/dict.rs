//! Keys and values.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt;
use std::hash::{Hash, RandomState};

use hashlink::LinkedHashMap;

use super::{ManagedItem, ManagedKey, Result};
use crate::manager::{Managed, Manager, Method, Methods, Proxy};

/// A managed dict as it is in the server: keys and values, in the order in which the keys came.
///
/// The keys come from clients: they are hashed so that nobody can choose many of one hash.
pub struct Dict<K, V>(LinkedHashMap<K, V, RandomState>);

impl<K: Hash + Eq, V> Dict<K, V> {
    /// With nothing in it.
    #[expect(clippy::new_without_default, reason = "made by a manager")]
    pub fn new() -> Dict<K, V> {
        Dict(LinkedHashMap::with_hasher(RandomState::new()))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `key`.
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.0.get(key)
    }

    /// The value of `key`, to change it.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.get_mut(key)
    }

    /// The value of `key`, which is put there first if there is none.
    pub fn get_or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(value)
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Puts `value` under `key`; what was there before. A key that was there keeps its place.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.replace(key, value)
    }

    /// Takes `key` and its value out.
    pub fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.0.remove(key)
    }

    /// Takes the key out that came last, and its value.
    pub fn popitem(&mut self) -> Option<(K, V)> {
        self.0.pop_back()
    }

    /// Keeps those of which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.0.retain_with_order(keep);
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keys and values, the first that came first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.0.iter()
    }

    /// Keys, and values to change.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> + ExactSizeIterator {
        self.0.iter_mut()
    }
}

impl<K: Hash + Eq, V> Extend<(K, V)> for Dict<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, items: I) {
        for (key, value) in items {
            self.insert(key, value);
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Dict<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.iter()).finish()
    }
}

impl<K: ManagedKey, V: ManagedItem> Dict<K, V> {
    const GET: Method<Self, K, Option<V>> = Method::new("get", |dict, key| dict.get(&key).cloned());
    const GET_MANY: Method<Self, Vec<K>, Vec<Option<V>>> =
        Method::new("get_many", |dict, keys| keys.iter().map(|key| dict.get(key).cloned()).collect());
    const GET_OR_INSERT: Method<Self, (K, V), V> =
        Method::new("get_or_insert", |dict, (key, value)| dict.get_or_insert_with(key, || value).clone());
    const CONTAINS_KEY: Method<Self, K, bool> =
        Method::new("contains_key", |dict, key| dict.contains_key(&key));
    const INSERT: Method<Self, (K, V), Option<V>> =
        Method::new("insert", |dict, (key, value)| dict.insert(key, value));
    const UPDATE: Method<Self, Vec<(K, V)>, ()> = Method::new("update", |dict, items| dict.extend(items));
    const REMOVE: Method<Self, K, Option<V>> = Method::new("remove", |dict, key| dict.remove(&key));
    const REMOVE_MANY: Method<Self, Vec<K>, Vec<Option<V>>> =
        Method::new("remove_many", |dict, keys| keys.iter().map(|key| dict.remove(key)).collect());
    const POPITEM: Method<Self, (), Option<(K, V)>> = Method::new("popitem", |dict, ()| dict.popitem());
    const CLEAR: Method<Self, (), ()> = Method::new("clear", |dict, ()| dict.clear());
    const LEN: Method<Self, (), usize> = Method::new("len", |dict, ()| dict.len());
    const KEYS: Method<Self, (), Vec<K>> = Method::new("keys", |dict, ()| dict.0.keys().cloned().collect());
    const VALUES: Method<Self, (), Vec<V>> =
        Method::new("values", |dict, ()| dict.0.values().cloned().collect());
    const ITEMS: Method<Self, (), Vec<(K, V)>> = Method::new("items", |dict, ()| {
        dict.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    });
}

impl<K: ManagedKey, V: ManagedItem> Managed for Dict<K, V> {
    const NAME: &'static str = "dict";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::GET)
            .with(&Self::GET_MANY)
            .with(&Self::GET_OR_INSERT)
            .with(&Self::CONTAINS_KEY)
            .with(&Self::INSERT)
            .with(&Self::UPDATE)
            .with(&Self::REMOVE)
            .with(&Self::REMOVE_MANY)
            .with(&Self::POPITEM)
            .with(&Self::CLEAR)
            .with(&Self::LEN)
            .with(&Self::KEYS)
            .with(&Self::VALUES)
            .with(&Self::ITEMS)
    }
}

impl Manager {
    /// A new dict, with nothing in it.
    ///
    /// # Errors
    /// As [`create`](Manager::create).
    pub fn dict<K: ManagedKey, V: ManagedItem>(&self) -> Result<DictProxy<K, V>> {
        self.create(|()| Dict::new(), ()).map(DictProxy)
    }
}

/// A proxy of a dict in a [`Manager`]'s server, as Python's `Manager().dict()`.
///
/// Keys are in the order in which they came. Every method is one call, and as a whole: a round trip is what it costs,
/// so many keys at a time cost little more than one.
///
/// ```
/// use pool_shared::Manager;
///
/// let manager = Manager::start()?;
/// let ages = manager.dict::<String, u32>()?;
/// ages.insert("Ada".to_owned(), 36)?;
/// ages.update([("Alan".to_owned(), 41), ("Grace".to_owned(), 85)])?;
/// assert_eq!(ages.get("Alan")?, Some(41));
/// let older = ages.with_lock(1, |ages, years: u32| {
///     ages.iter_mut().for_each(|(_, age)| *age += years);
///     ages.len()
/// })?;
/// assert_eq!(older, 3);
/// assert_eq!(ages.values()?, [37, 42, 86]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`items`](DictProxy::items), [`keys`](DictProxy::keys), [`values`](DictProxy::values) and
/// [`iter`](DictProxy::iter) give what was there at one moment; changes that come later do not disturb them.
///
/// A value can be a proxy, and is kept alive by the dict. A dict that is reached from itself that way keeps itself
/// alive until the server ends: take it out first.
///
/// Every method fails with [`Gone`](crate::ManagerError::Gone) once the server has ended, and with
/// [`TooLong`](crate::ManagerError::TooLong) if a message would be longer than the server's limit.
pub struct DictProxy<K, V>(Proxy<Dict<K, V>>);

impl<K: ManagedKey, V: ManagedItem> DictProxy<K, V> {
    /// The value of `key`.
    pub fn get<Q: ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Result<Option<V>> {
        self.0.call(&Dict::GET, key.to_owned())
    }

    /// The value of `key`, or `default`.
    pub fn get_or<Q: ToOwned<Owned = K> + ?Sized>(&self, key: &Q, default: V) -> Result<V> {
        Ok(self.get(key)?.unwrap_or(default))
    }

    /// The values of many keys.
    pub fn get_many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<V>>> {
        self.0.call(&Dict::GET_MANY, keys.into_iter().collect())
    }

    /// The value of `key`, which is `value` from now on if there was none. Python's `setdefault`.
    pub fn get_or_insert(&self, key: K, value: V) -> Result<V> {
        self.0.call(&Dict::GET_OR_INSERT, (key, value))
    }

    /// Whether there is such a key.
    pub fn contains_key<Q: ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Result<bool> {
        self.0.call(&Dict::CONTAINS_KEY, key.to_owned())
    }

    /// Puts `value` under `key`; what was there before. A key that was there keeps its place.
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>> {
        self.0.call(&Dict::INSERT, (key, value))
    }

    /// Puts many in.
    pub fn update(&self, items: impl IntoIterator<Item = (K, V)>) -> Result<()> {
        self.0.call(&Dict::UPDATE, items.into_iter().collect())
    }

    /// Takes `key` and its value out. Python's `pop` and `del`.
    pub fn remove<Q: ToOwned<Owned = K> + ?Sized>(&self, key: &Q) -> Result<Option<V>> {
        self.0.call(&Dict::REMOVE, key.to_owned())
    }

    /// Takes many keys and their values out.
    pub fn remove_many(&self, keys: impl IntoIterator<Item = K>) -> Result<Vec<Option<V>>> {
        self.0.call(&Dict::REMOVE_MANY, keys.into_iter().collect())
    }

    /// Takes the key out that came last, and its value.
    pub fn popitem(&self) -> Result<Option<(K, V)>> {
        self.0.call(&Dict::POPITEM, ())
    }

    /// Takes everything out.
    pub fn clear(&self) -> Result<()> {
        self.0.call(&Dict::CLEAR, ())
    }

    /// How many keys there are.
    pub fn len(&self) -> Result<usize> {
        self.0.call(&Dict::LEN, ())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The keys, in the order in which they came.
    pub fn keys(&self) -> Result<Vec<K>> {
        self.0.call(&Dict::KEYS, ())
    }

    /// The values, in the order in which their keys came.
    pub fn values(&self) -> Result<Vec<V>> {
        self.0.call(&Dict::VALUES, ())
    }

    /// Keys and values, in the order in which the keys came.
    pub fn items(&self) -> Result<Vec<(K, V)>> {
        self.0.call(&Dict::ITEMS, ())
    }

    /// Keys and values as they are now, one after the other.
    pub fn iter(&self) -> Result<std::vec::IntoIter<(K, V)>> {
        Ok(self.items()?.into_iter())
    }

    /// A map of one's own. Python's `copy`.
    pub fn to_map(&self) -> Result<HashMap<K, V>> {
        Ok(self.items()?.into_iter().collect())
    }
}

super::proxy!(DictProxy<K, V>, Dict<K, V>);
super::with_lock!(DictProxy<K: ManagedKey, V: ManagedItem>, Dict<K, V>, |dict| dict);
