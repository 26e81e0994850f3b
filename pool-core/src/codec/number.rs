//! A number as the whole value: its bytes, without the machinery that other values need.
//!
//! No code of the user's runs while a number is encoded, nothing goes along with it, and it fits into a word or two. So
//! whoever sends one needs no buffer and nothing that catches panics, which would take longer than the rest.

use std::any::{Any, TypeId};

/// The encoding of a number: its bytes, and how many they are.
type Bytes = ([u8; 16], usize);

/// Calls a macro with every such number. Not `usize` and `isize`, whose encoding is not always as wide as they are.
macro_rules! with_numbers {
    ($callback:ident) => {
        $callback!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128, f32, f64)
    };
}

/// Whether a `T` is a number that [`number`] gives the encoding of. Folds to a constant.
#[inline(always)]
pub fn is_number<T: 'static>() -> bool {
    let id = TypeId::of::<T>();
    macro_rules! any_of {
        ($($number:ty),*) => { $(id == TypeId::of::<$number>())||* };
    }
    with_numbers!(any_of)
}

/// The encoding of `value`, the same as [`encode`](super::encode) gives: its bytes with zeros behind them, and how many
/// they are. `None` if it is no number of fixed width. Folds to a constant `None` or a copy.
///
/// ```
/// use pool_core::codec;
///
/// let (bytes, len) = codec::number(&258_u16).unwrap();
/// assert_eq!(bytes[..len], [2, 1]);
/// assert!(codec::is_number::<u16>() && !codec::is_number::<(u16, u16)>());
/// ```
#[inline(always)]
pub fn number<T: 'static>(value: &T) -> Option<Bytes> {
    let value: &dyn Any = value;
    macro_rules! try_each {
        ($($number:ty),*) => {
            $(if let Some(number) = value.downcast_ref::<$number>() {
                return Some(padded(number.to_le_bytes()));
            })*
        };
    }
    with_numbers!(try_each);
    None
}

#[inline(always)]
fn padded<const N: usize>(bytes: [u8; N]) -> Bytes {
    let mut all = [0; 16];
    all[..N].copy_from_slice(&bytes);
    (all, N)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::encode;

    #[test]
    fn a_number_is_encoded_as_it_is_in_any_other_value() {
        macro_rules! check {
            ($($value:expr),*) => {$(
                let mut bytes = Vec::new();
                encode(&$value, &mut bytes).unwrap();
                let (all, len) = number(&$value).unwrap();
                assert_eq!(&all[..len], bytes);
            )*};
        }
        check!(1_u8, 0x0102_u16, 0x01020304_u32, u64::MAX - 1, 1_u128 << 100);
        check!(-1_i8, -2_i16, -3_i32, i64::MIN, -5_i128, 1.5_f32, -2.25_f64);
        assert_eq!(number(&true), None);
        assert_eq!(number(&7_usize), None);
        assert_eq!(number(&(1_u8, 2_u8)), None);
    }
}
