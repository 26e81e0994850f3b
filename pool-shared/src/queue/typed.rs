//! A queue of values.

use std::io;
use std::marker::PhantomData;

use pool_core::codec;
use pool_core::scratch::with_scratch;
use pool_ipc::passing;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::{Core, Fault, Item};
use super::error::{GetError, PutError};
use super::until::Until;
use crate::crossing::Kind;
use crate::ends::Found;

pub(super) struct Typed<T> {
    pub(super) core: Core,
    /// Items go in and come out, and none is in here.
    _items: PhantomData<fn(T) -> T>,
}

impl<T> Typed<T> {
    pub(super) fn create(kind: Kind, bound: Option<usize>, bytes: Option<u64>) -> io::Result<Typed<T>> {
        if bound == Some(0) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a queue that has no room for any item"));
        }
        Ok(Typed { core: Core::create(kind, bound, bytes)?, _items: PhantomData })
    }

    pub(super) fn of(core: Core) -> Typed<T> {
        Typed { core, _items: PhantomData }
    }
}

impl<T> Clone for Typed<T> {
    fn clone(&self) -> Typed<T> {
        Typed::of(self.core.clone())
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Typed<T> {
    #[inline]
    pub(super) fn put(&self, item: T, until: Until) -> Result<(), PutError<T>> {
        let put = if let Some((bytes, len)) = codec::number(&item) {
            self.core.put(Item::number(&bytes, len), until)
        } else {
            codec::with_plain(&item, |bytes| self.core.put(Item::new(bytes), until)).unwrap_or_else(|| {
                with_scratch(|bytes| {
                    // Objects inside of it go as held by this process: nothing goes along with an item.
                    passing::bare(|| codec::encode(&item, bytes)).map_err(invalid)?;
                    self.core.put(Item::new(bytes), until)
                })
            })
        };
        put.map_err(|fault| match fault {
            Fault::Time => PutError::Full(item),
            Fault::Closed => PutError::Closed(item),
            Fault::Failed(error) => PutError::Failed(item, error),
        })
    }

    #[inline]
    pub(super) fn get(&self, until: Until) -> Result<T, GetError> {
        let got = if codec::is_plain::<T>() {
            let mut bytes = Vec::new();
            self.core.get(&mut bytes, until).and_then(|small| {
                small.inspect(|small| bytes.extend_from_slice(small.bytes()));
                match codec::from_plain(bytes) {
                    Some(item) => item.map_err(invalid),
                    None => unreachable!("asked just now"),
                }
            })
        } else if codec::is_number::<T>() {
            // Nothing is appended to it, unless somebody put something else.
            self.get_with(&mut Vec::new(), until)
        } else {
            with_scratch(|bytes| self.get_with(bytes, until))
        };
        got.map_err(|fault| match fault {
            Fault::Time => GetError::Empty,
            Fault::Closed => GetError::Closed,
            Fault::Failed(error) => GetError::Failed(error),
        })
    }

    #[inline]
    fn get_with(&self, bytes: &mut Vec<u8>, until: Until) -> Result<T, Fault> {
        let small = self.core.get(bytes, until)?;
        codec::decode(small.as_ref().map_or(bytes, Found::bytes)).map_err(invalid)
    }
}

fn invalid(error: codec::CodecError) -> Fault {
    Fault::Failed(io::Error::new(io::ErrorKind::InvalidData, error))
}
