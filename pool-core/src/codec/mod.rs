//! Values as bytes: how arguments and results cross to another process and back.
//!
//! Both sides run the same build, so the bytes need not describe themselves: numbers are written
//! at their width, little-endian, and nothing is named. That is the fastest serde format there
//! is, and it holds two dangers. A type that relies on names being there (`flatten`, `untagged`)
//! would be read as something else; and the other side may be broken or hostile, so that a length
//! or a nesting read from it may be anything.
//!
//! We promise: [`decode`] of [`encode`]'s bytes gives the value back, or one of the two gives a
//! [`CodecError`], never another value; and any bytes at all give an error or a value, with no
//! panic, no endless loop, no allocation out of proportion to the input, and nesting bounded by
//! [`MAX_DEPTH`].
//!
//! Three things are beyond us: a `Serialize` and a `Deserialize` written by hand that disagree;
//! `skip_serializing` on one field with `skip_deserializing` on another of the same struct, whose
//! numbers of fields agree; and, in [`Described`] only, a type that contains itself through an
//! `Option` and nothing else, on which MessagePack's reader overflows the stack.
//!
//! | data | path |
//! |---|---|
//! | anything serde carries | [`encode`], [`decode`] |
//! | `Vec<u8>`, `String`, a `Vec` of numbers, as the whole value | [`into_plain`], [`from_plain`]: its memory is its encoding |
//! | a `Vec` of numbers inside a struct | wrap it in [`Plain`]: memory speed |
//! | `flatten`, `untagged`, tagged enums, `skip_serializing_if`, `serde_json::Value` | refused with a typed error; wrap it in [`Described`] |
//!
//! The format, where each length is a `u64` (a sequence may exceed 4 GiB, and a fixed width can be
//! patched in after the elements):
//!
//! | data | bytes |
//! |---|---|
//! | integers, floats, `bool`, `char` | 1, 2, 4, 8 or 16; `bool` 1; `char` 4 |
//! | `Option` | 0, or 1 and the value |
//! | `str`, bytes, sequence, map | length, then the content |
//! | tuple, array | the elements |
//! | struct, tuple struct | number of fields in one byte (from 255 on: 255 and a `u32`), then the fields |
//! | enum | `u32`: index, and the variant's shape in the top two bits; then as the struct |
//! | unit, newtype | nothing; the value |
//!
//! The number of fields and the shape are what an asymmetric `#[serde(skip_serializing)]` trips
//! over, which would otherwise shift every byte that follows.

mod de;
mod described;
mod error;
mod number;
mod plain;
mod ser;

use serde::{Serialize, de::DeserializeOwned};

pub use described::Described;
pub use error::{CodecError, CodecErrorKind};
pub use number::{is_number, number};
pub use plain::{
    Plain, PlainBuf, from_plain, from_plain_slice, into_plain, is_plain, make_room_by, with_plain,
};

/// How deep a value may nest: each `Some`, each variant with content, each sequence and each map
/// is a level. Structs and tuples are none, as a type can only contain itself through one of the
/// former.
pub const MAX_DEPTH: u32 = 128;

/// How many elements that take no bytes, such as those of a `Vec<()>`, one encoding may hold.
///
/// Nothing in the input pays for them, so a hostile length is stopped by this alone; it is high
/// enough for the results of a large `map` that returns nothing.
const MAX_FREE: u64 = 1 << 26;

/// The shape of an enum variant, kept in the top two bits of its index.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Shape {
    Unit = 0,
    Newtype = 1 << 30,
    Tuple = 2 << 30,
    Struct = 3 << 30,
}

/// The bits of a variant's word that are its index.
const INDEX: u32 = (1 << 30) - 1;

/// Appends the encoding of `value` to `out`.
///
/// # Errors
///
/// `NotSelfDescribing` where a field is left out by `skip_serializing_if`, `TooDeep` beyond
/// [`MAX_DEPTH`], `Invalid` where the value contradicts a length it gave, and `Message` where its
/// own `Serialize` refuses. `out` is then as it was.
///
/// ```
/// use pool_core::codec;
///
/// let mut bytes = Vec::new();
/// codec::encode(&("temperature", 21.5), &mut bytes)?;
/// let (name, degrees): (String, f64) = codec::decode(&bytes)?;
/// assert_eq!((name.as_str(), degrees), ("temperature", 21.5));
/// # Ok::<(), codec::CodecError>(())
/// ```
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let start = out.len();
    let mut state = ser::State::new(MAX_FREE);
    let result = value.serialize(ser::Encoder::new(out, &mut state));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Reads a value back from the bytes [`encode`] wrote for it; all bytes must be used.
///
/// # Errors
///
/// Any bytes may be given. What is not an encoding of a `T` is `Truncated`, `TrailingBytes`,
/// `Invalid` or `TooDeep`; a type that asks what the bytes contain is `NotSelfDescribing`;
/// `Message` comes from the type's own `Deserialize`.
///
/// ```
/// use pool_core::codec::{self, CodecErrorKind};
///
/// assert_eq!(codec::decode::<u16>(&[1, 1]), Ok(257));
/// let error = codec::decode::<u16>(&[1, 1, 1]).unwrap_err();
/// assert_eq!(error.kind(), CodecErrorKind::TrailingBytes);
/// ```
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut decoder = de::Decoder::new(bytes, MAX_FREE);
    let value = T::deserialize(&mut decoder)?;
    decoder.finish()?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<T: Serialize>(value: T) -> Vec<u8> {
        let mut out = Vec::new();
        encode(&value, &mut out).unwrap();
        out
    }

    #[derive(Serialize)]
    struct Point {
        x: u16,
        y: u8,
    }

    #[derive(Serialize)]
    struct Pair(u8, u8);

    #[derive(Serialize)]
    enum Choice {
        Unit,
        Newtype(u8),
        Tuple(u8, u8),
        Struct { x: u8 },
    }

    #[test]
    fn the_format_is_the_one_written_down() {
        assert_eq!(bytes(0x0102_u16), [2, 1]);
        assert_eq!(bytes(-1_i128), [0xff; 16]);
        assert_eq!(bytes((true, 'a', ())), [1, b'a', 0, 0, 0]);
        assert_eq!(bytes((None::<u8>, Some(7_u8))), [0, 1, 7]);
        assert_eq!(bytes("ab"), [2, 0, 0, 0, 0, 0, 0, 0, b'a', b'b']);
        assert_eq!(bytes([3_u8, 4]), [3, 4]);
        assert_eq!(bytes(vec![3_u8, 4]), [2, 0, 0, 0, 0, 0, 0, 0, 3, 4]);
        assert_eq!(bytes(Point { x: 1, y: 2 }), [2, 1, 0, 2]);
        assert_eq!(bytes(Pair(1, 2)), [2, 1, 2]);
        assert_eq!(bytes(Choice::Unit), [0, 0, 0, 0]);
        assert_eq!(bytes(Choice::Newtype(9)), [1, 0, 0, 0x40, 9]);
        assert_eq!(bytes(Choice::Tuple(8, 9)), [2, 0, 0, 0x80, 2, 8, 9]);
        assert_eq!(bytes(Choice::Struct { x: 9 }), [3, 0, 0, 0xc0, 1, 9]);
    }

    #[test]
    fn elements_without_bytes_have_a_budget_on_both_sides() {
        let value = vec![vec![(); 3], vec![(); 2]];
        let mut out = Vec::new();
        let write = |free, out: &mut _| {
            let mut state = ser::State::new(free);
            value.serialize(ser::Encoder::new(out, &mut state))
        };
        write(5, &mut out).unwrap();
        let read = |free| Vec::<Vec<()>>::deserialize(&mut de::Decoder::new(&out, free));
        use serde::Deserialize;
        assert_eq!(read(5).unwrap(), value);
        assert_eq!(read(4).unwrap_err().kind(), CodecErrorKind::Truncated);

        let mut out = Vec::new();
        assert_eq!(write(4, &mut out).unwrap_err().kind(), CodecErrorKind::Invalid);
    }

    #[test]
    fn a_result_of_the_codec_is_one_word() {
        assert_eq!(size_of::<Result<(), CodecError>>(), size_of::<usize>());
    }
}
