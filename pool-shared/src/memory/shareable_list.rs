//! A list of scalars in named memory.
//!
//! ```text
//!  words of 64 bits:  lock (3) │ count │ slots: place and capacity, state │ ...
//!  bytes:             for each slot two areas of its capacity
//! ```
//!
//! A slot's state is one word: the type of its item, how long that is, and in which of the two areas it lies. An item is
//! written into the other area and then shown by the store of that word. So a process that is killed while it sets an
//! item leaves the old one or the new one, and the next one needs to repair nothing.

use std::fmt;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

use pool_ipc::shared::Block;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::named::{EncodedName, NamedBlock};
use crate::crossing::Kind;
use crate::raw::{LOCK_WORDS, RawLock};

/// An item of a [`ShareableList`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// Nothing.
    None,
    /// Yes or no.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A number.
    Float(f64),
    /// A text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

macro_rules! scalar_from {
    ($($type:ty => $variant:ident $into:ident),+) => {
        $(impl From<$type> for Scalar {
            fn from(value: $type) -> Scalar {
                Scalar::$variant(value.$into())
            }
        })+
    };
}
scalar_from! { bool => Bool into, i64 => Int into, i32 => Int into, f64 => Float into, String => Str into, &str => Str into, Vec<u8> => Bytes into, &[u8] => Bytes into }

impl<const N: usize> From<&[u8; N]> for Scalar {
    fn from(value: &[u8; N]) -> Scalar {
        Scalar::Bytes(value.to_vec())
    }
}

impl From<()> for Scalar {
    fn from((): ()) -> Scalar {
        Scalar::None
    }
}

impl Scalar {
    /// Its type as the state's word has it, and its bytes.
    fn encode(&self) -> (u64, Vec<u8>) {
        match self {
            Scalar::None => (NONE, Vec::new()),
            Scalar::Bool(value) => (BOOL, vec![u8::from(*value)]),
            Scalar::Int(value) => (INT, value.to_ne_bytes().to_vec()),
            Scalar::Float(value) => (FLOAT, value.to_ne_bytes().to_vec()),
            Scalar::Str(value) => (STR, value.clone().into_bytes()),
            Scalar::Bytes(value) => (BYTES, value.clone()),
        }
    }

    fn decode(tag: u64, bytes: Vec<u8>) -> Option<Scalar> {
        let number = || <[u8; 8]>::try_from(&bytes[..]).ok();
        Some(match tag {
            NONE => Scalar::None,
            BOOL => Scalar::Bool(*bytes.first()? != 0),
            INT => Scalar::Int(i64::from_ne_bytes(number()?)),
            FLOAT => Scalar::Float(f64::from_ne_bytes(number()?)),
            STR => Scalar::Str(String::from_utf8(bytes).ok()?),
            BYTES => Scalar::Bytes(bytes),
            _ => return None,
        })
    }
}

const NONE: u64 = 0;
const BOOL: u64 = 1;
const INT: u64 = 2;
const FLOAT: u64 = 3;
const STR: u64 = 4;
const BYTES: u64 = 5;

/// Why an item of a [`ShareableList`] cannot be had or set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ShareableListError {
    /// There is no such item.
    OutOfRange {
        /// The index that was meant.
        index: isize,
        /// How many items there are.
        len: usize,
    },
    /// The item has more bytes than there is room for in its slot.
    TooLong {
        /// How many bytes it has.
        bytes: usize,
        /// How many there is room for.
        capacity: usize,
    },
    /// What is in memory is no item: something wrote there that is no list.
    Damaged,
}

impl fmt::Display for ShareableListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ShareableListError::OutOfRange { index, len } => write!(f, "item {index} of a list of {len}"),
            ShareableListError::TooLong { bytes, capacity } => {
                write!(f, "an item of {bytes} bytes, where there is room for {capacity}")
            }
            ShareableListError::Damaged => f.write_str("a list whose memory was written by something else"),
        }
    }
}

impl std::error::Error for ShareableListError {}

type Result<T, E = ShareableListError> = std::result::Result<T, E>;

/// A list of scalars of mixed types in named memory, as Python's `multiprocessing.shared_memory.ShareableList`. A clone is
/// the same list, and so is what another process decodes, or attaches to by name.
///
/// Its length is fixed. Each item can be changed, also to another type, within the room that its slot has: what the
/// first item there needed, rounded up to a multiple of 8 bytes, and at least 8. Negative indices count from the end.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{Scalar, ShareableList};
///
/// let list = ShareableList::create(None, ["howdy".into(), 42.into(), true.into(), ().into()])?;
/// let child = Process::spawn(|list: ShareableList| list.set(-1, 2.5).unwrap(), list.clone())?;
/// child.join()?;
/// assert_eq!(list.get(3)?, Scalar::Float(2.5));
/// assert!(list.set(1, "far too long").is_err());
/// assert_eq!(list.get(1)?, Scalar::Int(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The memory belongs to who created the list, as that of a [`SharedMemory`](crate::SharedMemory): see there.
///
/// **When a process dies** while it sets an item, the item is the old one or the new one.
#[derive(Clone)]
pub struct ShareableList {
    memory: NamedBlock,
    len: usize,
}

/// In words of 64 bits.
const COUNT_AT: usize = LOCK_WORDS;
const SLOTS_AT: usize = COUNT_AT + 1;
const SLOT_WORDS: usize = 2;

/// Where a slot's two areas are, in bytes.
#[derive(Clone, Copy)]
struct Slot {
    place: usize,
    capacity: usize,
}

/// The bits of a slot's state: the length, the area, the type.
const LEN_BITS: u32 = 48;
const SECOND_AREA: u64 = 1 << LEN_BITS;
const TAG_AT: u32 = LEN_BITS + 1;

impl ShareableList {
    /// A new list of these items with this name; `None`: with one that is made up.
    ///
    /// # Errors
    /// As [`SharedMemory::create`](crate::SharedMemory::create).
    pub fn create(name: Option<&str>, items: impl IntoIterator<Item = Scalar>) -> io::Result<ShareableList> {
        let layout = Layout::of(items)?;
        let block = Block::create(Kind::ShareableList as u32, layout.size)?;
        layout.fill(&block)?;
        ShareableList::new(NamedBlock::create(name, block)?)
    }

    /// The list of this name.
    ///
    /// # Errors
    /// As [`SharedMemory::attach`](crate::SharedMemory::attach).
    pub fn attach(name: &str) -> io::Result<ShareableList> {
        ShareableList::new(NamedBlock::attach(Kind::ShareableList, name)?)
    }

    pub(super) fn new(memory: NamedBlock) -> io::Result<ShareableList> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, ShareableListError::Damaged);
        let words = memory.block.words64();
        // ORDERING: as in `create`.
        let count = words.get(COUNT_AT).ok_or_else(damaged)?.load(Relaxed);
        let len = usize::try_from(count).ok().filter(|len| *len <= words.len() / SLOT_WORDS);
        let len = len.filter(|len| SLOTS_AT + len * SLOT_WORDS <= words.len()).ok_or_else(damaged)?;
        Ok(ShareableList { memory, len })
    }

    /// How many items it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no items.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The name of its memory.
    pub fn name(&self) -> &str {
        self.memory.name()
    }

    /// A copy of an item.
    ///
    /// # Errors
    /// There is no such item, or it is damaged.
    pub fn get(&self, index: isize) -> Result<Scalar> {
        let nth = self.nth(index)?;
        self.locked(|| self.load(nth))
    }

    /// Makes an item this one, of whatever type.
    ///
    /// # Errors
    /// There is no such item, or no room for this one; nothing is changed.
    pub fn set(&self, index: isize, item: impl Into<Scalar>) -> Result<()> {
        let nth = self.nth(index)?;
        let (tag, bytes) = item.into().encode();
        self.locked(|| {
            let (slot, state) = self.slot(nth)?;
            if bytes.len() > slot.capacity {
                return Err(ShareableListError::TooLong { bytes: bytes.len(), capacity: slot.capacity });
            }
            let area = !state & SECOND_AREA;
            let damaged = |_| ShareableListError::Damaged;
            self.memory.block.write(slot.area(area), &bytes).map_err(damaged)?;
            let state = tag << TAG_AT | area | bytes.len() as u64;
            // ORDERING: who loads it has the lock; one that was killed comes before whoever gets the lock after it.
            self.memory.block.words64()[SLOTS_AT + nth * SLOT_WORDS + 1].store(state, Relaxed);
            Ok(())
        })
    }

    /// Copies of all items.
    ///
    /// # Errors
    /// One is damaged.
    pub fn to_vec(&self) -> Result<Vec<Scalar>> {
        self.locked(|| (0..self.len).map(|nth| self.load(nth)).collect())
    }

    /// How many items are this one.
    ///
    /// # Errors
    /// One is damaged.
    pub fn count(&self, item: impl Into<Scalar>) -> Result<usize> {
        let item = item.into();
        Ok(self.to_vec()?.iter().filter(|other| **other == item).count())
    }

    /// Where the first item is that is this one; `None`: there is none.
    ///
    /// # Errors
    /// One is damaged.
    pub fn index(&self, item: impl Into<Scalar>) -> Result<Option<usize>> {
        let item = item.into();
        Ok(self.to_vec()?.iter().position(|other| *other == item))
    }

    /// The types of the items, as Python's `struct` writes them: `q` an integer, `d` a number, `xxxxxxx?` a `bool`,
    /// `xxxxxx?x` nothing, and `16s` a text or bytes in a slot of 16 bytes.
    ///
    /// # Errors
    /// An item is damaged.
    pub fn format(&self) -> Result<String> {
        let code = |nth| {
            let (slot, state) = self.slot(nth)?;
            Ok(match state >> TAG_AT {
                NONE => "xxxxxx?x".to_owned(),
                BOOL => "xxxxxxx?".to_owned(),
                INT => "q".to_owned(),
                FLOAT => "d".to_owned(),
                STR | BYTES => format!("{}s", slot.capacity),
                _ => return Err(ShareableListError::Damaged),
            })
        };
        self.locked(|| (0..self.len).map(code).collect())
    }

    /// A new list of the same items, as they are now, with this name; `None`: with one that is made up.
    ///
    /// # Errors
    /// As [`create`](ShareableList::create); an item is damaged.
    pub fn copy(&self, name: Option<&str>) -> io::Result<ShareableList> {
        let items = self.to_vec().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        ShareableList::create(name, items)
    }

    /// As [`SharedMemory::unlink`](crate::SharedMemory::unlink).
    ///
    /// # Errors
    /// As there.
    pub fn unlink(&self) -> io::Result<()> {
        self.memory.unlink()
    }

    fn nth(&self, index: isize) -> Result<usize> {
        let len = self.len;
        let nth = if index < 0 { len.checked_sub(index.unsigned_abs()) } else { Some(index.unsigned_abs()) };
        nth.filter(|nth| *nth < len).ok_or(ShareableListError::OutOfRange { index, len })
    }

    fn locked<R>(&self, body: impl FnOnce() -> R) -> R {
        struct Unlock<'a>(RawLock<'a>);
        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        let lock = RawLock::new(self.memory.block.words64());
        // What a dead holder leaves is whole.
        let _ = lock.acquire();
        let _unlock = Unlock(lock);
        body()
    }

    /// For who has the lock.
    fn slot(&self, nth: usize) -> Result<(Slot, u64)> {
        let words = self.memory.block.words64().get(SLOTS_AT + nth * SLOT_WORDS..);
        let Some([place, state, ..]) = words else { return Err(ShareableListError::Damaged) };
        // ORDERING: the place never changes; for the state see `set`.
        let (place, state) = (place.load(Relaxed), state.load(Relaxed));
        let slot = Slot { place: (place >> 32) as usize * 8, capacity: place as u32 as usize };
        Ok((slot, state))
    }

    /// For who has the lock.
    fn load(&self, nth: usize) -> Result<Scalar> {
        let (slot, state) = self.slot(nth)?;
        let len = (state & (SECOND_AREA - 1)) as usize;
        if len > slot.capacity || slot.place + 2 * slot.capacity > self.memory.block.len() {
            return Err(ShareableListError::Damaged);
        }
        let mut bytes = vec![0; len];
        let damaged = |_| ShareableListError::Damaged;
        self.memory.block.read(slot.area(state & SECOND_AREA), &mut bytes).map_err(damaged)?;
        Scalar::decode(state >> TAG_AT, bytes).ok_or(ShareableListError::Damaged)
    }
}

/// A list before it has memory.
pub(super) struct Layout {
    /// How many bytes it needs.
    pub(super) size: usize,
    /// Each with the type and the bytes of its item.
    slots: Vec<(Slot, u64, Vec<u8>)>,
}

impl Layout {
    pub(super) fn of(items: impl IntoIterator<Item = Scalar>) -> io::Result<Layout> {
        let items: Vec<(u64, Vec<u8>)> = items.into_iter().map(|item| item.encode()).collect();
        let mut size = (SLOTS_AT + items.len() * SLOT_WORDS) * size_of::<u64>();
        let mut slots = Vec::with_capacity(items.len());
        for (tag, bytes) in items {
            let slot = Slot { place: size, capacity: bytes.len().next_multiple_of(8).max(8) };
            size += 2 * slot.capacity;
            slots.push((slot, tag, bytes));
        }
        let is_small = |(slot, ..): &(Slot, _, _)| {
            u32::try_from(slot.capacity).is_ok() && u32::try_from(slot.place / 8).is_ok()
        };
        if !slots.iter().all(is_small) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a list with an item of 4 GiB, or of 32 GiB",
            ));
        }
        Ok(Layout { size, slots })
    }

    /// Writes the list into its memory, which nobody else has yet.
    pub(super) fn fill(&self, block: &Block) -> io::Result<()> {
        let words = block.words64();
        for (nth, (slot, tag, bytes)) in self.slots.iter().enumerate() {
            block.write(slot.place, bytes)?;
            let at = SLOTS_AT + nth * SLOT_WORDS;
            // ORDERING: whoever else gets the block gets it through the system.
            words[at].store((slot.place as u64 / 8) << 32 | slot.capacity as u64, Relaxed);
            words[at + 1].store(tag << TAG_AT | bytes.len() as u64, Relaxed);
        }
        words[COUNT_AT].store(self.slots.len() as u64, Relaxed);
        Ok(())
    }
}

impl Slot {
    fn area(&self, area: u64) -> usize {
        if area == 0 { self.place } else { self.place + self.capacity }
    }
}

impl fmt::Debug for ShareableList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShareableList").field("name", &self.name()).field("len", &self.len).finish()
    }
}

impl Serialize for ShareableList {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.memory.encoded().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ShareableList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<ShareableList, D::Error> {
        let memory = EncodedName::deserialize(deserializer)?.open(Kind::ShareableList);
        memory.and_then(ShareableList::new).map_err(D::Error::custom)
    }
}
