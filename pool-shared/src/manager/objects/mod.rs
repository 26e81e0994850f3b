//! The types that a manager has of itself: for each the value in the server, and the proxy.

mod array;
mod barrier;
mod condition;
mod dict;
mod dynamic;
mod event;
mod list;
mod lock;
mod namespace;
mod pool;
mod queue;
mod rlock;
mod semaphore;
mod set;
mod value;

use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ManagerError;

pub use array::{ArrayProxy, ManagedArray};
pub use barrier::{BarrierProxy, ManagedBarrier};
pub use condition::{ConditionProxy, ManagedCondition};
pub use dict::{Dict, DictProxy};
pub use dynamic::Dynamic;
pub use event::{EventProxy, ManagedEvent};
pub use list::{List, ListProxy};
pub use lock::{LockProxy, ManagedGuard, ManagedLock};
pub use namespace::{Namespace, NamespaceProxy};
pub use pool::{ManagedPool, ManagedResult, PoolProxy, ResultProxy};
pub use queue::{JoinableQueueProxy, ManagedQueue, QueueProxy};
pub use rlock::{ManagedRLock, RLockProxy};
pub use semaphore::{BoundedSemaphoreProxy, ManagedPermit, ManagedSemaphore, SemaphoreProxy};
pub use set::{Set, SetProxy};
pub use value::{ManagedValue, ValueProxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// What a managed container's items can be: every owned serde type that can be cloned, proxies among them.
pub trait ManagedItem: Serialize + DeserializeOwned + Clone + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Clone + Send + 'static> ManagedItem for T {}

/// What a managed dict's keys and a managed set's items can be: an item that can be found by its hash.
pub trait ManagedKey: ManagedItem + Eq + Hash {}
impl<K: ManagedItem + Eq + Hash> ManagedKey for K {}

/// `proxy!(DictProxy<K, V>, Dict<K, V>)`: what every proxy is, around a [`Proxy`](super::Proxy).
macro_rules! proxy {
    ($proxy:ident, $object:ty) => {
        $crate::manager::objects::proxy! { $proxy<>, $object }
    };
    ($proxy:ident<$($of:ident),*>, $object:ty) => {
        impl<$($of),*> Clone for $proxy<$($of),*> {
            fn clone(&self) -> Self {
                $proxy(self.0.clone())
            }
        }

        /// Whether both are of the same object.
        impl<$($of),*> PartialEq for $proxy<$($of),*> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<$($of),*> Eq for $proxy<$($of),*> {}

        impl<$($of),*> std::hash::Hash for $proxy<$($of),*> {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.0.hash(state);
            }
        }

        impl<$($of),*> serde::Serialize for $proxy<$($of),*> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de, $($of: 'static),*> serde::Deserialize<'de> for $proxy<$($of),*> {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                $crate::manager::Proxy::deserialize(deserializer).map($proxy)
            }
        }

        impl<$($of),*> std::fmt::Debug for $proxy<$($of),*> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($proxy)).field(&self.0).finish()
            }
        }

        /// A proxy of the same object, for methods that this one has not.
        impl<$($of),*> From<$crate::manager::Proxy<$object>> for $proxy<$($of),*> {
            fn from(proxy: $crate::manager::Proxy<$object>) -> Self {
                $proxy(proxy)
            }
        }

        /// A proxy of the same object, to [publish](crate::Proxy::publish) it, say.
        impl<$($of),*> From<$proxy<$($of),*>> for $crate::manager::Proxy<$object> {
            fn from(proxy: $proxy<$($of),*>) -> Self {
                proxy.0
            }
        }
    };
}
use proxy;

/// `with_lock!(ListProxy<T: ManagedItem>, Vec<T>, |list| &mut list.0)`: a function is run on what the object is in the
/// server.
macro_rules! with_lock {
    ($proxy:ident<$($of:ident: $bound:path),*>, $lent:ty, |$object:ident| $place:expr) => {
        impl<$($of: $bound),*> $proxy<$($of),*> {
            /// Runs `f` in the server, alone with what the object is there, and gives what it returns: a change of any
            /// kind as a whole, in one call. `f` captures nothing, as a task of a pool; `context` is what it gets along.
            ///
            /// # Errors
            /// [`Panicked`]($crate::ManagerError::Panicked): `f` did; [`OtherBuild`]($crate::ManagerError::OtherBuild):
            /// the server runs another build of the program, which has not this function.
            pub fn with_lock<C, R, F>(&self, context: C, f: F) -> $crate::manager::objects::Result<R>
            where
                C: serde::Serialize + serde::de::DeserializeOwned + 'static,
                R: serde::Serialize + serde::de::DeserializeOwned + 'static,
                F: Fn(&mut $lent, C) -> R + Copy + Send + Sync + 'static,
            {
                // One that captures nothing, as `f` is nothing but its type.
                self.0.with(context, move |$object, context| f($place, context))
            }
        }
    };
}
use with_lock;

/// The text form of a type in the server, which says nothing of what is in it.
macro_rules! opaque {
    ($object:ident $(<$($of:tt $($name:ident : $type:ty)?),*>, <$($use:ident),*>)?) => {
        impl $(<$($of $($name: $type)?),*>)? std::fmt::Debug for $object $(<$($use),*>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($object)).finish_non_exhaustive()
            }
        }
    };
}
use opaque;
