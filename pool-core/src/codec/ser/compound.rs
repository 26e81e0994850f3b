//! Values of several parts while they are written: sequences and maps, tuples and structs.

use serde::{Serialize, ser};

use super::super::CodecError;
use super::{Done, Encoder};

/// A sequence or map being written.
pub(in super::super) struct Counted<'a> {
    pub(super) enc: Encoder<'a>,
    /// Where the length stands.
    pub(super) at: usize,
    pub(super) announced: usize,
    pub(super) count: usize,
    /// Where the current map entry began.
    pub(super) entry: usize,
}

impl Counted<'_> {
    #[inline(always)]
    fn finish(self) -> Done {
        if self.count != self.announced {
            let len = (self.count as u64).to_le_bytes();
            self.enc.out[self.at..self.at + 8].copy_from_slice(&len);
        }
        self.enc.state.depth -= 1;
        Ok(())
    }
}

/// A tuple, struct or variant being written.
pub(in super::super) struct Fields<'a> {
    pub(super) enc: Encoder<'a>,
    pub(super) left: usize,
    /// Whether it is a level of depth: a variant.
    pub(super) nested: bool,
}

impl Fields<'_> {
    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.left = self.left.wrapping_sub(1);
        value.serialize(self.enc.within())
    }

    #[inline(always)]
    fn finish(self) -> Done {
        if self.left != 0 {
            return Err(CodecError::invalid(
                "the value has another number of fields than it announced: correct its `Serialize`",
            ));
        }
        if self.nested {
            self.enc.state.depth -= 1;
        }
        Ok(())
    }

    #[cold]
    fn skip(&self) -> Done {
        match self.enc.state.lenient {
            true => Ok(()),
            false => Err(CodecError::not_self_describing()),
        }
    }
}

impl ser::SerializeSeq for Counted<'_> {
    type Ok = ();
    type Error = CodecError;

    #[inline(always)]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        let before = self.enc.out.len();
        self.count += 1;
        value.serialize(self.enc.within())?;
        self.enc.pay(before)
    }

    #[inline(always)]
    fn end(self) -> Done {
        self.finish()
    }
}

impl ser::SerializeMap for Counted<'_> {
    type Ok = ();
    type Error = CodecError;

    #[inline(always)]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.entry = self.enc.out.len();
        self.count += 1;
        key.serialize(self.enc.within())
    }

    #[inline(always)]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(self.enc.within())?;
        self.enc.pay(self.entry)
    }

    #[inline(always)]
    fn end(self) -> Done {
        self.finish()
    }
}

macro_rules! fields {
    ($($kind:ident $method:ident ($($key:ty)?) $($skip:ident)?),*) => {$(
        impl ser::$kind for Fields<'_> {
            type Ok = ();
            type Error = CodecError;

            #[inline(always)]
            fn $method<T: Serialize + ?Sized>(&mut self, $(_: $key,)? value: &T) -> Done {
                self.field(value)
            }

            $(fn $skip(&mut self, _: &'static str) -> Done {
                self.skip()
            })?

            #[inline(always)]
            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

fields!(
    SerializeTuple serialize_element (),
    SerializeTupleStruct serialize_field (),
    SerializeTupleVariant serialize_field (),
    SerializeStruct serialize_field (&'static str) skip_field,
    SerializeStructVariant serialize_field (&'static str) skip_field
);
