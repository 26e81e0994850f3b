//! Values whose memory is their encoding: bytes, text, and vectors of numbers.
//!
//! Element by element a megabyte of bytes costs milliseconds in any serde format; as memory it
//! costs a copy. Rust has no specialisation, so a generic caller asks at run time: the type's id
//! is compared, which the compiler folds away, and the value moves through `dyn Any`. Numbers are
//! in the machine's own byte order, as both sides run the same build.

mod nested;

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::OnceLock;

use bytemuck::Pod;

use super::CodecError;
pub use nested::Plain;

/// Calls a macro with every number whose vectors are plain; `u8` is apart, as text joins it.
macro_rules! with_numbers {
    ($callback:ident) => {
        $callback!(
            U16 u16, U32 u32, U64 u64, U128 u128, Usize usize,
            I8 i8, I16 i16, I32 i32, I64 i64, I128 i128, Isize isize,
            F32 f32, F64 f64
        );
    };
}

macro_rules! define {
    ($($name:ident $number:ty),*) => {
        enum Store {
            Bytes(Vec<u8>),
            $($name(Vec<$number>),)*
        }

        impl AsRef<[u8]> for Store {
            fn as_ref(&self) -> &[u8] {
                match self {
                    Store::Bytes(bytes) => bytes,
                    $(Store::$name(numbers) => bytemuck::cast_slice(numbers),)*
                }
            }
        }

        /// Folds to a constant, so that a value that is not plain pays nothing.
        #[inline(always)]
        fn is_plain_id(id: TypeId) -> bool {
            id == TypeId::of::<Vec<u8>>()
                || id == TypeId::of::<String>()
                $(|| id == TypeId::of::<Vec<$number>>())*
        }

        fn store(value: &mut dyn Any) -> Option<Store> {
            if let Some(bytes) = taken::<Vec<u8>>(value) {
                return Some(Store::Bytes(bytes));
            }
            if let Some(text) = taken::<String>(value) {
                return Some(Store::Bytes(text.into_bytes()));
            }
            $(if let Some(numbers) = taken::<Vec<$number>>(value) {
                return Some(Store::$name(numbers));
            })*
            None
        }

        fn view(value: &dyn Any) -> Option<&[u8]> {
            if let Some(bytes) = value.downcast_ref::<Vec<u8>>() {
                return Some(bytes);
            }
            if let Some(text) = value.downcast_ref::<String>() {
                return Some(text.as_bytes());
            }
            $(if let Some(numbers) = value.downcast_ref::<Vec<$number>>() {
                return Some(bytemuck::cast_slice(numbers));
            })*
            None
        }

        /// Fills `slot`, an empty `Option` of a vector of numbers other than `u8`.
        fn fill(slot: &mut dyn Any, bytes: &[u8]) -> Option<Result<(), CodecError>> {
            $(if let Some(slot) = slot.downcast_mut::<Option<Vec<$number>>>() {
                return Some(numbers(bytes).map(|numbers| *slot = Some(numbers)));
            })*
            None
        }
    };
}

with_numbers!(define);

/// Takes the value out of an `Option<T>` behind `dyn Any`.
fn taken<T: 'static>(value: &mut dyn Any) -> Option<T> {
    value.downcast_mut::<Option<T>>()?.take()
}

/// Copies bytes into a vector of numbers.
fn numbers<N: Pod>(bytes: &[u8]) -> Result<Vec<N>, CodecError> {
    if !bytes.len().is_multiple_of(size_of::<N>()) {
        return Err(CodecError::truncated());
    }
    Ok(match bytemuck::try_cast_slice(bytes) {
        Ok(aligned) => aligned.to_vec(),
        Err(_) => bytes.chunks_exact(size_of::<N>()).map(bytemuck::pod_read_unaligned).collect(),
    })
}

fn text(bytes: Vec<u8>) -> Result<String, CodecError> {
    String::from_utf8(bytes)
        .map_err(|_| CodecError::invalid("text is not UTF-8: check that both sides mean the same type"))
}

/// A plain value, kept as it is and viewed as bytes.
///
/// Made by [`into_plain`]; nothing is copied.
pub struct PlainBuf(Store);

impl AsRef<[u8]> for PlainBuf {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for PlainBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PlainBuf({} bytes)", self.as_ref().len())
    }
}

/// Whether `T` is plain: `Vec<u8>`, `String`, or a `Vec` of integers or floats.
///
/// ```
/// use pool_core::codec::is_plain;
///
/// assert!(is_plain::<Vec<f64>>() && is_plain::<String>());
/// assert!(!is_plain::<f64>() && !is_plain::<Vec<String>>());
/// ```
#[inline]
pub fn is_plain<T: 'static>() -> bool {
    is_plain_id(TypeId::of::<T>())
}

/// Moves a plain value into a buffer that can be viewed as bytes.
///
/// # Errors
///
/// The value itself comes back if its type is not plain.
///
/// ```
/// use pool_core::codec;
///
/// let bytes = codec::into_plain(vec![1.0_f64, 2.0]).unwrap();
/// assert_eq!(bytes.as_ref().len(), 16);
/// assert_eq!(codec::into_plain(7_u64).unwrap_err(), 7);
/// ```
#[inline]
pub fn into_plain<T: 'static + Send>(value: T) -> Result<PlainBuf, T> {
    if !is_plain::<T>() {
        return Err(value);
    }
    let mut slot = Some(value);
    match (store(&mut slot), slot) {
        (Some(store), _) => Ok(PlainBuf(store)),
        (None, Some(value)) => Err(value),
        (None, None) => unreachable!("the slot is emptied only into the store"),
    }
}

/// Makes a plain value of its bytes; `None` if `T` is not plain.
///
/// `Vec<u8>` and `String` take over the buffer; numbers are copied once.
///
/// # Errors
///
/// `Truncated` where the bytes are no whole number of elements, `Invalid` where text is not UTF-8.
///
/// ```
/// use pool_core::codec;
///
/// let text = codec::from_plain::<String>(b"hello".to_vec());
/// assert_eq!(text, Some(Ok("hello".to_string())));
/// assert_eq!(codec::from_plain::<u64>(vec![0; 8]), None);
/// ```
#[inline]
pub fn from_plain<T: 'static>(bytes: Vec<u8>) -> Option<Result<T, CodecError>> {
    if !is_plain::<T>() {
        return None;
    }
    let mut slot: Option<T> = None;
    let any: &mut dyn Any = &mut slot;
    if let Some(slot) = any.downcast_mut::<Option<Vec<u8>>>() {
        *slot = Some(bytes);
    } else if let Some(slot) = any.downcast_mut::<Option<String>>() {
        match text(bytes) {
            Ok(text) => *slot = Some(text),
            Err(error) => return Some(Err(error)),
        }
    } else if let Err(error) = fill(any, &bytes)? {
        return Some(Err(error));
    }
    slot.map(Ok)
}

/// Makes a plain value of a copy of its bytes; `None` if `T` is not plain.
///
/// # Errors
///
/// As [`from_plain`].
///
/// ```
/// use pool_core::codec;
///
/// let numbers = codec::from_plain_slice::<Vec<u16>>(&[1, 0, 2]);
/// assert!(numbers.unwrap().is_err());
/// ```
#[inline]
pub fn from_plain_slice<T: 'static>(bytes: &[u8]) -> Option<Result<T, CodecError>> {
    if !is_plain::<T>() {
        return None;
    }
    let id = TypeId::of::<T>();
    if id == TypeId::of::<Vec<u8>>() || id == TypeId::of::<String>() {
        return from_plain(copy(bytes));
    }
    let mut slot: Option<T> = None;
    match fill(&mut slot, bytes)? {
        Ok(()) => slot.map(Ok),
        Err(error) => Some(Err(error)),
    }
}

/// How room for many bytes is made, where there is a cheaper way than the allocator's.
static ROOM: OnceLock<fn(usize) -> Vec<u8>> = OnceLock::new();

/// From so many bytes on, fresh memory costs more than the copy into it.
const MANY: usize = 1 << 20;

/// Has room for large byte arrays made by `room`, which returns an empty vector with at least the
/// capacity asked for, or less where it fails. The first call counts.
pub fn make_room_by(room: fn(usize) -> Vec<u8>) {
    let _ = ROOM.set(room);
}

fn copy(bytes: &[u8]) -> Vec<u8> {
    let mut copy = match ROOM.get() {
        Some(room) if bytes.len() >= MANY => room(bytes.len()),
        _ => Vec::new(),
    };
    copy.extend_from_slice(bytes);
    copy
}

/// Calls `f` with a plain value's bytes; `None` if `T` is not plain.
///
/// ```
/// use pool_core::codec;
///
/// assert_eq!(codec::with_plain(&vec![1_u32, 2], |bytes| bytes.len()), Some(8));
/// assert_eq!(codec::with_plain(&1_u32, |bytes| bytes.len()), None);
/// ```
#[inline]
pub fn with_plain<T: 'static, U>(value: &T, f: impl FnOnce(&[u8]) -> U) -> Option<U> {
    if !is_plain::<T>() {
        return None;
    }
    view(value).map(f)
}
