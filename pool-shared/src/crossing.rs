//! How an object is encoded: as where its block is.

use std::io;

use pool_ipc::shared::{Block, Location, Place};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a block holds. Each object has one of its own, so that a queue is never read as a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Kind {
    Event = 1,
    Lock = 2,
    RLock = 3,
    Semaphore = 4,
    BoundedSemaphore = 5,
    Condition = 6,
    Barrier = 7,
    RwLock = 8,
    Once = 9,
    #[cfg(feature = "memory")]
    SharedVec = 32,
    #[cfg(feature = "memory")]
    Value = 33,
    #[cfg(feature = "memory")]
    RawValue = 34,
    #[cfg(feature = "memory")]
    Array = 35,
    #[cfg(feature = "memory")]
    RawArray = 36,
    #[cfg(feature = "memory")]
    SharedMemory = 37,
    #[cfg(feature = "memory")]
    ShareableList = 38,
    #[cfg(feature = "queue")]
    Queue = 64,
    #[cfg(feature = "queue")]
    SimpleQueue = 65,
    #[cfg(feature = "queue")]
    JoinableQueue = 66,
    #[cfg(feature = "manager")]
    ManagerLane = 96,
}

/// Where a block is, as it crosses.
#[derive(Serialize, Deserialize)]
pub(crate) struct Encoded {
    id: u128,
    /// The process that has it; 0: its descriptor came along.
    pid: u32,
    place: u64,
}

impl Encoded {
    /// Of a block that is there, if that can be said.
    pub(crate) fn of(location: io::Result<Location>) -> io::Result<Encoded> {
        let location = location.map_err(|error| {
            io::Error::new(error.kind(), format!("a shared object cannot be passed on: {error}"))
        })?;
        let (pid, place) = match location.place {
            Place::Listed(place) => (0, place),
            Place::Held { pid, descriptor } => (pid, u64::from(descriptor.unsigned_abs())),
        };
        Ok(Encoded { id: location.id, pid, place })
    }

    fn location(&self) -> Location {
        let place = match self.pid {
            0 => Place::Listed(self.place),
            pid => Place::Held { pid, descriptor: i32::try_from(self.place).unwrap_or(-1) },
        };
        Location { id: self.id, place }
    }

    /// What `open` makes of the place of an object of this kind.
    pub(crate) fn open_by<U>(
        &self,
        kind: Kind,
        open: impl FnOnce(&Location) -> io::Result<U>,
    ) -> io::Result<U> {
        open(&self.location())
            .map_err(|error| io::Error::new(error.kind(), format!("a shared object ({kind:?}): {error}")))
    }

    /// The block of an object of this kind.
    pub(crate) fn open(&self, kind: Kind) -> io::Result<Block> {
        self.open_by(kind, |location| Block::open(location, kind as u32))
    }
}

/// Encodes where `block` is.
pub(crate) fn serialize<S: Serializer>(block: &Block, serializer: S) -> Result<S::Ok, S::Error> {
    put(block.locate(), serializer)
}

/// Encodes where a block is.
pub(crate) fn put<S: Serializer>(location: io::Result<Location>, serializer: S) -> Result<S::Ok, S::Error> {
    Encoded::of(location).map_err(S::Error::custom)?.serialize(serializer)
}

/// The block of an object of this kind.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(kind: Kind, deserializer: D) -> Result<Block, D::Error> {
    Encoded::deserialize(deserializer)?.open(kind).map_err(D::Error::custom)
}

/// The same of a block whose descriptor came along: nobody else's descriptors are looked at.
#[cfg(feature = "manager")]
pub(crate) fn deserialize_along<'de, D: Deserializer<'de>>(
    kind: Kind,
    deserializer: D,
) -> Result<Block, D::Error> {
    let encoded = Encoded::deserialize(deserializer)?;
    if encoded.pid != 0 {
        return Err(D::Error::custom(format!(
            "a shared object ({kind:?}) whose descriptor did not come along"
        )));
    }
    encoded.open(kind).map_err(D::Error::custom)
}

/// The block of an object of this kind, which has at least `words` of 64 bits.
pub(crate) fn deserialize_words<'de, D: Deserializer<'de>>(
    kind: Kind,
    words: usize,
    deserializer: D,
) -> Result<Block, D::Error> {
    let block = deserialize(kind, deserializer)?;
    if block.words64().len() < words {
        return Err(D::Error::custom(format!("a shared object ({kind:?}) of only {} bytes", block.len())));
    }
    Ok(block)
}

/// A block as a part of an object of several.
pub(crate) struct Part<'a>(pub(crate) &'a Block);

impl Serialize for Part<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self::serialize(self.0, serializer)
    }
}

/// `passed!(Object, Kind::Object, words)`: an object that is a block alone, of at least so many words of 64 bits, is
/// encoded as where that is.
macro_rules! passed {
    ($object:ident, $kind:expr, $words:expr) => {
        impl serde::Serialize for $object {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                $crate::crossing::serialize(&self.0, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $object {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$object, D::Error> {
                $crate::crossing::deserialize_words($kind, $words, deserializer).map($object)
            }
        }
    };
}
pub(crate) use passed;
