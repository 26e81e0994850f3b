//! Keys and values.

use std::hash::Hash;

use hashlink::LinkedHashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::manager::{Managed, Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// A managed dict in the server: keys and values, in the order in which the keys came.
pub struct Dict<K, V>(LinkedHashMap<K, V>);

/// A proxy of a managed [`Dict`].
pub struct DictProxy<K, V>(Proxy<Dict<K, V>>);

impl<K, V> Dict<K, V>
where
    K: Key,
    V: Item,
{
    const GET: Method<Self, K, Option<V>> = Method::new("get", |dict, key| dict.0.get(&key).cloned());
    const INSERT: Method<Self, (K, V), Option<V>> =
        Method::new("insert", |dict, (key, value)| dict.0.insert(key, value));
}

/// What a key can be.
pub trait Key: Serialize + DeserializeOwned + Clone + Eq + Hash + Send + 'static {}
impl<K: Serialize + DeserializeOwned + Clone + Eq + Hash + Send + 'static> Key for K {}

/// What an item can be.
pub trait Item: Serialize + DeserializeOwned + Clone + Send + 'static {}
impl<V: Serialize + DeserializeOwned + Clone + Send + 'static> Item for V {}

impl<K: Key, V: Item> Managed for Dict<K, V> {
    const NAME: &'static str = "dict";

    fn methods() -> Methods<Self> {
        Methods::new().with(&Self::GET).with(&Self::INSERT)
    }
}

impl Manager {
    /// A new dict, with nothing in it.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn dict<K: Key, V: Item>(&self) -> Result<DictProxy<K, V>> {
        self.create(|()| Dict(LinkedHashMap::new()), ()).map(DictProxy)
    }
}

impl<K: Key, V: Item> DictProxy<K, V> {
    /// The value of `key`.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn get(&self, key: K) -> Result<Option<V>> {
        self.0.call(&Dict::GET, key)
    }

    /// Puts `value` under `key`; what was there before.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn insert(&self, key: K, value: V) -> Result<Option<V>> {
        self.0.call(&Dict::INSERT, (key, value))
    }
}

crate::manager::objects::proxy!(DictProxy<K, V>, Dict<K, V>);
