//! The types that a manager has of itself: for each the value in the server, and the proxy.

mod dict;

pub use dict::{Dict, DictProxy};

/// `proxy!(DictProxy<K, V>, Dict<K, V>)`: what every proxy is, around a [`Proxy`](super::Proxy).
macro_rules! proxy {
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
    };
}
use proxy;
