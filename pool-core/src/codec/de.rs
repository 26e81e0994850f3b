//! Reading: a serde `Deserializer` over a slice that trusts nothing in it.
//!
//! Every read is checked against what is left. A length is believed no further than the input can
//! pay for it: all hints together never exceed the input's length, as each element takes a byte,
//! and those that take none have a budget of their own.

mod access;

use serde::de::{self, Visitor};

use super::{CodecError, CodecErrorKind, MAX_DEPTH};
use access::{Elements, Fields, Named, Variant};

pub(super) struct Decoder<'de> {
    input: &'de [u8],
    /// How much of `input` is read. A position rather than a shrinking slice: one word to store
    /// and load again for each read, not two.
    at: usize,
    /// Levels open around the value being read.
    depth: u32,
    /// How many more elements may take no bytes.
    free: u64,
    /// How many more elements may be reserved for in advance.
    hints: usize,
    /// Set when a sequence or map has given its last element, cleared by who opened it: the
    /// `Elements` themselves move into the visitor, where they stay in registers.
    ended: bool,
}

impl<'de> Decoder<'de> {
    #[inline]
    pub(super) fn new(input: &'de [u8], free: u64) -> Self {
        Decoder { input, at: 0, depth: 0, free, hints: input.len(), ended: false }
    }

    pub(super) fn finish(&self) -> Result<(), CodecError> {
        match self.rest().is_empty() {
            true => Ok(()),
            false => Err(CodecError::trailing()),
        }
    }

    /// What is not read yet.
    #[inline(always)]
    fn rest(&self) -> &'de [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    fn take<const N: usize>(&mut self) -> Result<[u8; N], CodecError> {
        let Some(head) = self.rest().first_chunk::<N>() else {
            return Err(CodecError::truncated());
        };
        self.at += N;
        Ok(*head)
    }

    #[inline(always)]
    fn take_u32(&mut self) -> Result<u32, CodecError> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    #[inline(always)]
    fn take_len(&mut self) -> Result<u64, CodecError> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    #[inline]
    fn take_slice(&mut self) -> Result<&'de [u8], CodecError> {
        let len = usize::try_from(self.take_len()?).map_err(|_| CodecError::truncated())?;
        let Some(head) = self.rest().get(..len) else {
            return Err(CodecError::truncated());
        };
        self.at += len;
        Ok(head)
    }

    #[inline]
    fn take_str(&mut self) -> Result<&'de str, CodecError> {
        std::str::from_utf8(self.take_slice()?)
            .map_err(|_| CodecError::invalid("text is not UTF-8: check that both sides mean the same type"))
    }

    #[inline(always)]
    fn take_field_count(&mut self) -> Result<usize, CodecError> {
        let [count] = self.take()?;
        match count {
            u8::MAX => Ok(self.take_u32()? as usize),
            count => Ok(usize::from(count)),
        }
    }

    #[inline(always)]
    fn enter(&mut self) -> Result<(), CodecError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(CodecError::too_deep());
        }
        Ok(())
    }

    /// Opens a sequence or map, if what is left could hold that many elements.
    #[inline]
    fn elements(&mut self) -> Result<Elements<'_, 'de>, CodecError> {
        self.enter()?;
        let left = self.take_len()?;
        if left > (self.rest().len() as u64).saturating_add(self.free) {
            return Err(CodecError::truncated());
        }
        let hint = left.min(self.hints as u64) as usize;
        self.hints -= hint;
        self.ended = left == 0;
        let entry = self.at;
        Ok(Elements { de: self, left, hint, entry })
    }

    /// Closes a sequence or map, if all of it was read.
    #[inline(always)]
    fn end<T>(&mut self, value: T) -> Result<T, CodecError> {
        if !std::mem::take(&mut self.ended) {
            return Err(unread());
        }
        self.depth -= 1;
        Ok(value)
    }

    /// Reads exactly `left` elements with `visitor`.
    #[inline(always)]
    fn tuple<V: Visitor<'de>>(&mut self, left: usize, visitor: V) -> Result<V::Value, CodecError> {
        let mut fields = Fields { de: self, left };
        let value = visitor.visit_seq(&mut fields)?;
        match fields.left {
            0 => Ok(value),
            _ => Err(unread()),
        }
    }

    /// Reads a tuple struct, which must have been written with `declared` fields.
    #[inline(always)]
    fn tuple_struct<V: Visitor<'de>>(&mut self, declared: usize, visitor: V) -> Result<V::Value, CodecError> {
        match self.take_field_count()? == declared {
            true => self.tuple(declared, visitor),
            false => Err(CodecError::not_self_describing()),
        }
    }

    /// Reads a struct, whose `names` include aliases: how many fields it has shows only when it
    /// reads them.
    #[inline(always)]
    fn named<V: Visitor<'de>>(
        &mut self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        let count = self.take_field_count()?;
        if count > names.len() {
            return Err(CodecError::not_self_describing());
        }
        let mut fields = Named(Fields { de: self, left: count });
        match visitor.visit_seq(&mut fields) {
            Ok(value) if fields.0.left == 0 => Ok(value),
            Ok(_) => Err(CodecError::not_self_describing()),
            Err(error) => Err(blame(error, count != names.len())),
        }
    }
}

/// Where a field was left out, the fields after it are read from the wrong bytes, and what they
/// complain about is not what went wrong. (Aliases look the same from here, so that damaged bytes
/// of a struct that has some are reported so as well.)
#[cold]
fn blame(error: CodecError, left_out: bool) -> CodecError {
    match error.kind() {
        CodecErrorKind::Truncated | CodecErrorKind::Invalid if left_out => CodecError::not_self_describing(),
        _ => error,
    }
}

#[cold]
fn unread() -> CodecError {
    CodecError::invalid("the type left elements unread: correct its `Deserialize`")
}

macro_rules! numbers {
    ($($method:ident $visit:ident $number:ty),*) => {$(
        #[inline(always)]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
            visitor.$visit(<$number>::from_le_bytes(self.take()?))
        }
    )*};
}

macro_rules! refused {
    ($($method:ident)*) => {$(
        #[cold]
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, CodecError> {
            Err(CodecError::not_self_describing())
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &mut Decoder<'de> {
    type Error = CodecError;

    numbers!(
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128, deserialize_i8 visit_i8 i8,
        deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64
    );

    // Who asks what comes next, or for a field's name, needs bytes that say so.
    refused!(deserialize_any deserialize_ignored_any deserialize_identifier);

    #[inline(always)]
    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline(always)]
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.take()? {
            [0] => visitor.visit_bool(false),
            [1] => visitor.visit_bool(true),
            _ => Err(CodecError::invalid(
                "a bool is neither 0 nor 1: check that both sides mean the same type",
            )),
        }
    }

    #[inline]
    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match char::from_u32(self.take_u32()?) {
            Some(value) => visitor.visit_char(value),
            None => Err(CodecError::invalid(
                "a char is no Unicode scalar value: check that both sides mean the same type",
            )),
        }
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_str(self.take_str()?)
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_str(self.take_str()?)
    }

    #[inline]
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_bytes(self.take_slice()?)
    }

    #[inline]
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_bytes(self.take_slice()?)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self.take()? {
            [0] => visitor.visit_none(),
            [1] => {
                self.enter()?;
                let value = visitor.visit_some(&mut *self)?;
                self.depth -= 1;
                Ok(value)
            }
            _ => Err(CodecError::invalid(
                "an option is neither 0 nor 1: check that both sides mean the same type",
            )),
        }
    }

    #[inline(always)]
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    #[inline(always)]
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_unit()
    }

    #[inline(always)]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let value = visitor.visit_seq(self.elements()?)?;
        self.end(value)
    }

    #[inline]
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        let value = visitor.visit_map(self.elements()?)?;
        self.end(value)
    }

    #[inline(always)]
    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.tuple(len, visitor)
    }

    #[inline(always)]
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.tuple_struct(len, visitor)
    }

    #[inline(always)]
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.named(names, visitor)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        let word = self.take_u32()?;
        visitor.visit_enum(Variant { de: self, word })
    }
}
