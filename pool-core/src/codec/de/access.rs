//! What is handed to a type's visitor: the elements, fields or variant it may read.

use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::super::{CodecError, INDEX, Shape};
use super::Decoder;

/// A sequence or map being read.
pub(super) struct Elements<'a, 'de> {
    pub(super) de: &'a mut Decoder<'de>,
    pub(super) left: u64,
    /// What to reserve for.
    pub(super) hint: usize,
    /// Where the current map entry began.
    pub(super) entry: usize,
}

impl Elements<'_, '_> {
    /// Closes an element, which took no bytes if reading still stands at `before`.
    #[inline(always)]
    fn close(&mut self, before: usize) -> Result<(), CodecError> {
        if self.de.at == before {
            self.de.free = self.de.free.checked_sub(1).ok_or_else(CodecError::truncated)?;
        }
        if self.left == 0 {
            self.de.ended = true;
        }
        Ok(())
    }
}

impl<'de> de::SeqAccess<'de> for Elements<'_, 'de> {
    type Error = CodecError;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let before = self.de.at;
        let value = seed.deserialize(&mut *self.de)?;
        self.close(before)?;
        Ok(Some(value))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint)
    }
}

impl<'de> de::MapAccess<'de> for Elements<'_, 'de> {
    type Error = CodecError;

    #[inline(always)]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, CodecError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        self.entry = self.de.at;
        Ok(Some(seed.deserialize(&mut *self.de)?))
    }

    #[inline(always)]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, CodecError> {
        let value = seed.deserialize(&mut *self.de)?;
        self.close(self.entry)?;
        Ok(value)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.hint)
    }
}

/// A tuple being read.
pub(super) struct Fields<'a, 'de> {
    pub(super) de: &'a mut Decoder<'de>,
    pub(super) left: usize,
}

/// A struct being read, to which asking for more fields than were written is an error: a field
/// was left out, and its default would hide that.
pub(super) struct Named<'a, 'de>(pub(super) Fields<'a, 'de>);

impl<'de> de::SeqAccess<'de> for &mut Fields<'_, 'de> {
    type Error = CodecError;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        Ok(Some(seed.deserialize(&mut *self.de)?))
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left.min(self.de.rest().len()))
    }
}

impl<'de> de::SeqAccess<'de> for &mut Named<'_, 'de> {
    type Error = CodecError;

    #[inline(always)]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        match (&mut self.0).next_element_seed(seed)? {
            Some(value) => Ok(Some(value)),
            None => Err(CodecError::not_self_describing()),
        }
    }
}

/// A variant being read: its word is taken, its content is not.
pub(super) struct Variant<'a, 'de> {
    pub(super) de: &'a mut Decoder<'de>,
    pub(super) word: u32,
}

impl<'de> Variant<'_, 'de> {
    /// Reads the content, if the variant was written in this shape.
    #[inline(always)]
    fn content<T>(
        self,
        shape: Shape,
        read: impl FnOnce(&mut Decoder<'de>) -> Result<T, CodecError>,
    ) -> Result<T, CodecError> {
        if self.word & !INDEX != shape as u32 {
            return Err(CodecError::not_self_describing());
        }
        self.de.enter()?;
        let value = read(&mut *self.de)?;
        self.de.depth -= 1;
        Ok(value)
    }
}

impl<'de> de::EnumAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;
    type Variant = Self;

    #[inline]
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), CodecError> {
        let index = (self.word & INDEX).into_deserializer();
        let value: Result<V::Value, CodecError> = seed.deserialize(index);
        Ok((value?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn unit_variant(self) -> Result<(), CodecError> {
        match self.word & !INDEX == Shape::Unit as u32 {
            true => Ok(()),
            false => Err(CodecError::not_self_describing()),
        }
    }

    #[inline]
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, CodecError> {
        self.content(Shape::Newtype, |de| seed.deserialize(de))
    }

    #[inline]
    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, CodecError> {
        self.content(Shape::Tuple, |de| de.tuple_struct(len, visitor))
    }

    #[inline]
    fn struct_variant<V: Visitor<'de>>(
        self,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.content(Shape::Struct, |de| de.named(names, visitor))
    }
}
