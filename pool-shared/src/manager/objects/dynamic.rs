//! A value of one type that holds values of many.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::{DictProxy, ListProxy};

/// A value whose type is seen at run time, for containers with mixed contents: as a key or an item, as Python's
/// containers have them.
///
/// ```
/// use pool_shared::{Dynamic, Manager};
///
/// let manager = Manager::start()?;
/// let dict = manager.dict::<Dynamic, Dynamic>()?;
/// // Python: dict.update({1: "1", "2": 2, 0.25: None})
/// dict.update([
///     (1.into(), "1".into()),
///     ("2".into(), 2.into()),
///     (0.25.into(), Dynamic::None),
/// ])?;
/// assert_eq!(dict.get(&Dynamic::from(1))?, Some("1".into()));
/// assert_eq!(dict.get(&Dynamic::from("2"))?.and_then(|two| two.as_int()), Some(2));
/// assert_eq!(dict.get(&Dynamic::from(0.25))?, Some(Dynamic::None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Two are equal if they are of the same kind and have the same content: unlike in Python `1` is not `1.0`, and not
/// `true`. Floats are compared by their bits, so that a NaN is found again, and `0.0` is not `-0.0`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Dynamic {
    /// Nothing.
    #[default]
    None,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Values in an order, which are a part of this one.
    List(Vec<Dynamic>),
    /// A managed list of such values: the live one.
    ListProxy(ListProxy<Dynamic>),
    /// A managed dict of such values: the live one.
    DictProxy(DictProxy<Dynamic, Dynamic>),
}

impl Dynamic {
    /// Whether it is [`None`](Dynamic::None).
    pub fn is_none(&self) -> bool {
        matches!(self, Dynamic::None)
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Dynamic::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Dynamic::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// The number, if it is one; a whole number too, as the nearest `f64`.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Dynamic::Float(value) => Some(*value),
            Dynamic::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Dynamic::Str(value) => Some(value),
            _ => None,
        }
    }

    /// The bytes, if it is such.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Dynamic::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The values, if it is a list of its own.
    pub fn as_list(&self) -> Option<&[Dynamic]> {
        match self {
            Dynamic::List(value) => Some(value),
            _ => None,
        }
    }

    /// The managed list, if it is a proxy of one.
    pub fn as_list_proxy(&self) -> Option<&ListProxy<Dynamic>> {
        match self {
            Dynamic::ListProxy(value) => Some(value),
            _ => None,
        }
    }

    /// The managed dict, if it is a proxy of one.
    pub fn as_dict_proxy(&self) -> Option<&DictProxy<Dynamic, Dynamic>> {
        match self {
            Dynamic::DictProxy(value) => Some(value),
            _ => None,
        }
    }
}

impl PartialEq for Dynamic {
    fn eq(&self, other: &Dynamic) -> bool {
        match (self, other) {
            (Dynamic::None, Dynamic::None) => true,
            (Dynamic::Bool(a), Dynamic::Bool(b)) => a == b,
            (Dynamic::Int(a), Dynamic::Int(b)) => a == b,
            (Dynamic::Float(a), Dynamic::Float(b)) => a.to_bits() == b.to_bits(),
            (Dynamic::Str(a), Dynamic::Str(b)) => a == b,
            (Dynamic::Bytes(a), Dynamic::Bytes(b)) => a == b,
            (Dynamic::List(a), Dynamic::List(b)) => a == b,
            (Dynamic::ListProxy(a), Dynamic::ListProxy(b)) => a == b,
            (Dynamic::DictProxy(a), Dynamic::DictProxy(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Dynamic {}

impl Hash for Dynamic {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Dynamic::None => {}
            Dynamic::Bool(value) => value.hash(state),
            Dynamic::Int(value) => value.hash(state),
            Dynamic::Float(value) => value.to_bits().hash(state),
            Dynamic::Str(value) => value.hash(state),
            Dynamic::Bytes(value) => value.hash(state),
            Dynamic::List(value) => value.hash(state),
            Dynamic::ListProxy(value) => value.hash(state),
            Dynamic::DictProxy(value) => value.hash(state),
        }
    }
}

/// The content alone, as one would write it.
impl fmt::Debug for Dynamic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dynamic::None => f.write_str("None"),
            Dynamic::Bool(value) => value.fmt(f),
            Dynamic::Int(value) => value.fmt(f),
            Dynamic::Float(value) => value.fmt(f),
            Dynamic::Str(value) => value.fmt(f),
            Dynamic::Bytes(value) => value.fmt(f),
            Dynamic::List(value) => value.fmt(f),
            Dynamic::ListProxy(value) => value.fmt(f),
            Dynamic::DictProxy(value) => value.fmt(f),
        }
    }
}

macro_rules! from {
    ($($of:ty => $kind:ident),* $(,)?) => {$(
        impl From<$of> for Dynamic {
            fn from(value: $of) -> Dynamic {
                Dynamic::$kind(value.into())
            }
        }
    )*};
}

from! {
    bool => Bool,
    i8 => Int, i16 => Int, i32 => Int, i64 => Int, u8 => Int, u16 => Int, u32 => Int,
    f32 => Float, f64 => Float,
    &str => Str, String => Str,
    Vec<u8> => Bytes,
    Vec<Dynamic> => List,
    ListProxy<Dynamic> => ListProxy,
    DictProxy<Dynamic, Dynamic> => DictProxy,
}

/// `None` is [`Dynamic::None`].
impl<T: Into<Dynamic>> From<Option<T>> for Dynamic {
    fn from(value: Option<T>) -> Dynamic {
        value.map_or(Dynamic::None, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use pool_core::codec;

    use super::*;

    #[test]
    #[expect(clippy::mutable_key_type, reason = "which object a proxy is of does not change")]
    fn every_kind_is_a_key_and_crosses() {
        let kinds: Vec<Dynamic> = vec![
            Dynamic::None,
            true.into(),
            1.into(),
            1.0.into(),
            "1".into(),
            vec![1_u8].into(),
            vec![Dynamic::from(1)].into(),
            f64::NAN.into(),
            0.0.into(),
            (-0.0).into(),
            Some("text").into(),
        ];
        let mut bytes = Vec::new();
        codec::encode(&kinds, &mut bytes).unwrap();
        let crossed: Vec<Dynamic> = codec::decode(&bytes).unwrap();
        assert_eq!(crossed, kinds);
        let places: HashMap<Dynamic, usize> = crossed.into_iter().zip(0..).collect();
        assert_eq!(places.len(), kinds.len());
        for (nth, kind) in kinds.iter().enumerate() {
            assert_eq!(places[kind], nth, "{kind:?}");
        }
        assert_eq!(Dynamic::from(None::<i32>), Dynamic::None);
    }

    #[test]
    fn what_it_is_shows() {
        let one = Dynamic::from(1);
        assert_eq!(
            (one.as_int(), one.as_float(), one.as_bool(), one.as_str()),
            (Some(1), Some(1.0), None, None)
        );
        let list = Dynamic::from(vec!["a".into(), Dynamic::None, vec![1_u8, 2].into()]);
        assert_eq!(format!("{list:?}"), r#"["a", None, [1, 2]]"#);
        assert!(list.as_list().is_some_and(|list| list[1].is_none() && list[2].as_bytes() == Some(&[1, 2])));
    }
}
