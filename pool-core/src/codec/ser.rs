//! Writing: a serde `Serializer` that appends to a vector.
//!
//! A count that turns out other than announced is patched (sequences, maps) or refused (where the
//! reader takes it from the type), so that the bytes never disagree with themselves.

mod compound;

use std::fmt::{self, Write};

use serde::{Serialize, ser};

use super::{CodecError, INDEX, MAX_DEPTH, Shape};
use compound::{Counted, Fields};

type Done = Result<(), CodecError>;

/// Two pointers handed down by value, so that they stay in registers: a write then reaches the
/// vector without a detour.
pub(super) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    state: &'a mut State,
}

/// What an encoding keeps count of.
pub(super) struct State {
    /// Levels open around the value being written.
    depth: u32,
    /// How many more elements may take no bytes.
    free: u64,
    /// Whether fields may be left out: only where nobody reads the bytes.
    lenient: bool,
}

impl State {
    #[inline]
    pub(super) fn new(free: u64) -> Self {
        State { depth: 0, free, lenient: false }
    }

    /// Also takes what cannot be read back; for walking a value without overflowing the stack.
    pub(super) fn lenient(free: u64) -> Self {
        State { lenient: true, ..State::new(free) }
    }
}

impl<'a> Encoder<'a> {
    #[inline]
    pub(super) fn new(out: &'a mut Vec<u8>, state: &'a mut State) -> Self {
        Encoder { out, state }
    }

    /// The same encoder, for a value within.
    #[inline(always)]
    fn within(&mut self) -> Encoder<'_> {
        Encoder { out: self.out, state: self.state }
    }

    #[inline(always)]
    fn put(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    #[inline(always)]
    fn put_len(&mut self, len: usize) {
        self.put(&(len as u64).to_le_bytes());
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) -> Done {
        self.out.reserve(8 + bytes.len());
        self.put_len(bytes.len());
        self.put(bytes);
        Ok(())
    }

    #[inline(always)]
    fn enter(&mut self) -> Done {
        self.state.depth += 1;
        if self.state.depth > MAX_DEPTH {
            return Err(CodecError::too_deep());
        }
        Ok(())
    }

    #[inline(always)]
    fn put_variant(&mut self, index: u32, shape: Shape) -> Done {
        if index > INDEX {
            return Err(CodecError::invalid(
                "the enum has more variants than can be told apart: use fewer than 2^30",
            ));
        }
        self.put(&(index | shape as u32).to_le_bytes());
        Ok(())
    }

    #[inline(always)]
    fn put_field_count(&mut self, len: usize) -> Done {
        match u8::try_from(len) {
            Ok(len) if len < u8::MAX => self.put(&[len]),
            _ => {
                let len = u32::try_from(len)
                    .map_err(|_| CodecError::invalid("more than 2^32 fields: use a `Vec`"))?;
                self.put(&[u8::MAX]);
                self.put(&len.to_le_bytes());
            }
        }
        Ok(())
    }

    /// An element that ended at `before` took no bytes if nothing was written since.
    #[inline(always)]
    fn pay(&mut self, before: usize) -> Done {
        if self.out.len() == before {
            self.state.free = self.state.free.checked_sub(1).ok_or_else(|| {
                CodecError::invalid("more than 2^26 elements without content: send their number instead")
            })?;
        }
        Ok(())
    }

    #[inline]
    fn counted(mut self, len: Option<usize>) -> Result<Counted<'a>, CodecError> {
        self.enter()?;
        let announced = len.unwrap_or(0);
        // Right for eight-byte elements; the cap keeps a wrong guess cheap.
        self.out.reserve(8 + announced.saturating_mul(8).min(1 << 16));
        let at = self.out.len();
        self.put_len(announced);
        Ok(Counted { enc: self, at, announced, count: 0, entry: 0 })
    }

    #[inline(always)]
    fn fields(self, left: usize, nested: bool) -> Fields<'a> {
        Fields { enc: self, left, nested }
    }
}

macro_rules! numbers {
    ($($method:ident $number:ty),*) => {$(
        #[inline(always)]
        fn $method(mut self, value: $number) -> Done {
            self.put(&value.to_le_bytes());
            Ok(())
        }
    )*};
}

impl<'a> ser::Serializer for Encoder<'a> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Counted<'a>;
    type SerializeMap = Counted<'a>;
    type SerializeTuple = Fields<'a>;
    type SerializeTupleStruct = Fields<'a>;
    type SerializeTupleVariant = Fields<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    numbers!(
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64,
        serialize_u128 u128, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32,
        serialize_i64 i64, serialize_i128 i128, serialize_f32 f32, serialize_f64 f64
    );

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline(always)]
    fn serialize_bool(mut self, value: bool) -> Done {
        self.put(&[u8::from(value)]);
        Ok(())
    }

    #[inline(always)]
    fn serialize_char(mut self, value: char) -> Done {
        self.put(&u32::from(value).to_le_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_str(mut self, value: &str) -> Done {
        self.put_slice(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(mut self, value: &[u8]) -> Done {
        self.put_slice(value)
    }

    #[inline(always)]
    fn serialize_none(mut self) -> Done {
        self.put(&[0]);
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(mut self, value: &T) -> Done {
        self.enter()?;
        self.put(&[1]);
        value.serialize(self.within())?;
        self.state.depth -= 1;
        Ok(())
    }

    #[inline(always)]
    fn serialize_unit(self) -> Done {
        Ok(())
    }

    #[inline(always)]
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        Ok(())
    }

    #[inline(always)]
    fn serialize_unit_variant(mut self, _: &'static str, index: u32, _: &'static str) -> Done {
        self.put_variant(index, Shape::Unit)
    }

    #[inline(always)]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Done {
        self.enter()?;
        self.put_variant(index, Shape::Newtype)?;
        value.serialize(self.within())?;
        self.state.depth -= 1;
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Counted<'a>, CodecError> {
        self.counted(len)
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Counted<'a>, CodecError> {
        self.counted(len)
    }

    #[inline(always)]
    fn serialize_tuple(self, len: usize) -> Result<Fields<'a>, CodecError> {
        Ok(self.fields(len, false))
    }

    #[inline(always)]
    fn serialize_tuple_struct(mut self, _: &'static str, len: usize) -> Result<Fields<'a>, CodecError> {
        self.put_field_count(len)?;
        Ok(self.fields(len, false))
    }

    #[inline]
    fn serialize_tuple_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Fields<'a>, CodecError> {
        self.enter()?;
        self.put_variant(index, Shape::Tuple)?;
        self.put_field_count(len)?;
        Ok(self.fields(len, true))
    }

    #[inline(always)]
    fn serialize_struct(mut self, _: &'static str, len: usize) -> Result<Fields<'a>, CodecError> {
        self.put_field_count(len)?;
        Ok(self.fields(len, false))
    }

    #[inline]
    fn serialize_struct_variant(
        mut self,
        _: &'static str,
        index: u32,
        _: &'static str,
        len: usize,
    ) -> Result<Fields<'a>, CodecError> {
        self.enter()?;
        self.put_variant(index, Shape::Struct)?;
        self.put_field_count(len)?;
        Ok(self.fields(len, true))
    }

    fn collect_str<T: fmt::Display + ?Sized>(mut self, value: &T) -> Done {
        struct Text<'a>(&'a mut Vec<u8>);
        impl Write for Text<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.extend_from_slice(text.as_bytes());
                Ok(())
            }
        }
        let at = self.out.len();
        self.put_len(0);
        write!(Text(self.out), "{value}").map_err(ser::Error::custom)?;
        let len = (self.out.len() - at - 8) as u64;
        self.out[at..at + 8].copy_from_slice(&len.to_le_bytes());
        Ok(())
    }
}
