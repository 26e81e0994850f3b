//! The way in for types that need their names and types in the bytes.
//!
//! The value is written as MessagePack with field names, and that as one run of bytes, so a
//! `Described` can stand anywhere in another value. MessagePack's reader follows nesting and
//! lengths as it finds them, and its writer any depth; both are checked here first. What takes no
//! bytes in MessagePack, `Some` and newtypes, cannot be checked so: see [`Described`].

use std::cell::Cell;
use std::fmt;

use rmp_serde::decode::Error as ReadError;
use serde::de::{self, DeserializeOwned};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

use super::ser::{Encoder, State};
use super::{CodecError, MAX_DEPTH, MAX_FREE};

/// A value that travels with its names and types, for types that need them.
///
/// The default encoding refuses `flatten`, `untagged`, internally and adjacently tagged enums,
/// `skip_serializing_if` and `serde_json::Value`. Wrapped, they work; the bytes are larger and
/// reading and writing take several times as long. As in most formats that describe themselves,
/// `Some(None)` and `Some(())` come back as `None`; for the same reason a type that contains itself
/// through an `Option` and nothing else (`struct Link(Option<Box<Link>>)`) must not be wrapped: reading it overflows the stack. A
/// `Described` inside a `Described` is fine up to four levels.
///
/// ```
/// use pool_core::codec::{self, CodecErrorKind, Described};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Debug, PartialEq)]
/// #[serde(untagged)]
/// enum Id {
///     Number(u64),
///     Name(String),
/// }
///
/// let mut bytes = Vec::new();
/// codec::encode(&Id::Number(7), &mut bytes)?;
/// let error = codec::decode::<Id>(&bytes).unwrap_err();
/// assert_eq!(error.kind(), CodecErrorKind::NotSelfDescribing);
///
/// bytes.clear();
/// codec::encode(&Described(Id::Number(7)), &mut bytes)?;
/// let Described(id) = codec::decode::<Described<Id>>(&bytes)?;
/// assert_eq!(id, Id::Number(7));
/// # Ok::<(), codec::CodecError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Described<T>(
    /// The value.
    pub T,
);

impl<T> From<T> for Described<T> {
    fn from(value: T) -> Self {
        Described(value)
    }
}

impl<T: Serialize> Serialize for Described<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let _level = Level::enter().map_err(ser::Error::custom)?;
        let bytes = write(&self.0).map_err(ser::Error::custom)?;
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Described<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<T>(std::marker::PhantomData<T>);

        impl<'de, T: DeserializeOwned> de::Visitor<'de> for Bytes<T> {
            type Value = Described<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a described value")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Described<T>, E> {
                read(bytes).map(Described).map_err(E::custom)
            }

            // Formats without bytes, such as JSON, write them as a sequence.
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Described<T>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                self.visit_bytes(&bytes)
            }
        }

        let _level = Level::enter().map_err(de::Error::custom)?;
        deserializer.deserialize_bytes(Bytes(std::marker::PhantomData))
    }
}

fn write<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    // MessagePack's writer has no limit, so the value is walked by ours first.
    let mut bytes = Vec::new();
    let mut state = State::lenient(MAX_FREE);
    value.serialize(Encoder::new(&mut bytes, &mut state))?;
    bytes.clear();
    let mut writer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    value.serialize(&mut writer).map_err(ser::Error::custom)?;
    check(&bytes)?;
    Ok(bytes)
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    check(bytes)?;
    rmp_serde::from_slice(bytes).map_err(|error| match error {
        ReadError::Syntax(text) | ReadError::Uncategorized(text) => de::Error::custom(text),
        other => de::Error::custom(other),
    })
}

/// One `Described` inside another: each starts a reader of its own, whose depth starts anew.
struct Level;

thread_local! {
    static LEVELS: Cell<u32> = const { Cell::new(0) };
}

impl Level {
    const MAX: u32 = 4;

    fn enter() -> Result<Level, CodecError> {
        let levels = LEVELS.get() + 1;
        if levels > Self::MAX {
            return Err(CodecError::too_deep());
        }
        LEVELS.set(levels);
        Ok(Level)
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        LEVELS.set(LEVELS.get() - 1);
    }
}

/// Whether `bytes` are one MessagePack value, all of it there, nested no deeper than allowed.
fn check(mut bytes: &[u8]) -> Result<(), CodecError> {
    // Values still to come in each array or map that is open.
    let mut open: Vec<u64> = Vec::new();
    loop {
        let [marker] = *take::<1>(&mut bytes)?;
        let (skip, values) = match marker {
            0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => (0, None),
            0x80..=0x8f => (0, Some(2 * u64::from(marker & 15))),
            0x90..=0x9f => (0, Some(u64::from(marker & 15))),
            0xa0..=0xbf => (u64::from(marker & 31), None),
            0xc1 => return Err(CodecError::invalid("no such marker in MessagePack")),
            0xc4 | 0xd9 => (take_u8(&mut bytes)?, None),
            0xc5 | 0xda => (take_u16(&mut bytes)?, None),
            0xc6 | 0xdb => (take_u32(&mut bytes)?, None),
            0xc7 => (take_u8(&mut bytes)? + 1, None),
            0xc8 => (take_u16(&mut bytes)? + 1, None),
            0xc9 => (take_u32(&mut bytes)? + 1, None),
            0xcc | 0xd0 => (1, None),
            0xcd | 0xd1 => (2, None),
            0xca | 0xce | 0xd2 => (4, None),
            0xcb | 0xcf | 0xd3 => (8, None),
            0xd4..=0xd8 => (1 + (1 << (marker - 0xd4)), None),
            0xdc => (0, Some(take_u16(&mut bytes)?)),
            0xdd => (0, Some(take_u32(&mut bytes)?)),
            0xde => (0, Some(2 * take_u16(&mut bytes)?)),
            0xdf => (0, Some(2 * take_u32(&mut bytes)?)),
        };
        let skip = usize::try_from(skip).map_err(|_| CodecError::truncated())?;
        bytes = bytes.get(skip..).ok_or_else(CodecError::truncated)?;
        if let Some(values) = values {
            if open.len() as u32 == MAX_DEPTH {
                return Err(CodecError::too_deep());
            }
            open.push(values);
        }
        while open.last() == Some(&0) {
            open.pop();
        }
        match open.last_mut() {
            Some(values) => *values -= 1,
            None if bytes.is_empty() => return Ok(()),
            None => return Err(CodecError::trailing()),
        }
    }
}

fn take<'b, const N: usize>(bytes: &mut &'b [u8]) -> Result<&'b [u8; N], CodecError> {
    let (head, rest) = bytes.split_first_chunk().ok_or_else(CodecError::truncated)?;
    *bytes = rest;
    Ok(head)
}

fn take_u8(bytes: &mut &[u8]) -> Result<u64, CodecError> {
    take(bytes).map(|number| u64::from(u8::from_be_bytes(*number)))
}

fn take_u16(bytes: &mut &[u8]) -> Result<u64, CodecError> {
    take(bytes).map(|number| u64::from(u16::from_be_bytes(*number)))
}

fn take_u32(bytes: &mut &[u8]) -> Result<u64, CodecError> {
    take(bytes).map(|number| u64::from(u32::from_be_bytes(*number)))
}
