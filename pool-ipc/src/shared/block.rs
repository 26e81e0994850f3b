//! The memory of one shared object.

use std::any::Any;
use std::fs::File;
use std::io;
use std::mem::size_of;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::*};

use memmap2::{Advice, Mmap, MmapOptions, MmapRaw};

use super::{Location, table};
use crate::exit::random;
use crate::own::generation;
use crate::sys::memory;

/// How many bytes of a block come before the object's own.
pub const HEAD: usize = 64;
/// The head, as `u64`s.
const MAGIC_AT: usize = 0;
const ID_AT: Range<usize> = 1..3;
const KIND_AT: usize = 3;
const LEN_AT: usize = 4;
/// As `u32`s: not 0 when its creator has dropped it. What nobody can write has this elsewhere.
const RETIRED_AT: usize = 10;
const TAG_AT: usize = 6;

const MAGIC: u64 = u64::from_le_bytes(*b"poolblk1");

/// Memory that several processes have mapped: a head that says what it is, and the memory of one object. A clone
/// is the same block.
#[derive(Debug, Clone)]
pub struct Block(Arc<Mapped>);

#[derive(Debug)]
pub(super) struct Mapped {
    file: File,
    map: Map,
    id: u128,
    /// In which generation of this process it was created; `None`: by somebody else.
    created: Option<u32>,
    /// How often it was asked whether it is retired, if it is frozen.
    asked: AtomicU32,
}

#[derive(Debug)]
enum Map {
    Writable(MmapRaw),
    /// Nobody can write it, here or anywhere.
    Frozen(Mmap),
}

/// How often it is asked whether a frozen block is retired until the system is: that is a call of the system, between
/// two tasks.
const SELDOM: u32 = 32;

impl Block {
    /// A new block for an object of this kind, with `len` bytes for the object, all zero. Memory is taken where it is
    /// written.
    ///
    /// # Errors
    /// The system refuses the memory, its address space or a descriptor.
    pub fn create(kind: u32, len: usize) -> io::Result<Block> {
        Block::create_tagged(kind, 0, len)
    }

    /// The same with a word in the head that tells objects of one kind apart.
    ///
    /// # Errors
    /// As [`create`](Block::create).
    pub fn create_tagged(kind: u32, tag: u64, len: usize) -> io::Result<Block> {
        let whole = whole(len)?;
        let file = memory::segment(c"pool-shared", whole as u64).map_err(|error| too_large(error, len))?;
        let map = map_writable(&file, whole).map_err(|error| too_large(error, len))?;
        let head = Head { id: u128::from_le_bytes(random()?), kind, tag, len };
        let mapped = Mapped {
            file,
            map: Map::Writable(map),
            id: head.id,
            created: Some(generation()),
            asked: AtomicU32::new(0),
        };
        let block = Block(Arc::new(mapped));
        for (word, value) in block.0.all64().iter().zip(head.words()) {
            // ORDERING: nobody else has it before this function returns.
            word.store(value, Relaxed);
        }
        table::note(&block);
        Ok(block)
    }

    /// A block that was just frozen, with this head.
    pub(super) fn of_frozen(file: File, head: &Head) -> io::Result<Block> {
        let map = map_frozen(&file)?;
        let block = Block(Arc::new(Mapped {
            file,
            map: Map::Frozen(map),
            id: head.id,
            created: Some(generation()),
            asked: AtomicU32::new(0),
        }));
        table::note(&block);
        Ok(block)
    }

    /// The block of an object of this kind that lies at `location`.
    ///
    /// # Errors
    /// It is not there any more, or is something else.
    pub fn open(location: &Location, kind: u32) -> io::Result<Block> {
        Block::adopt(location.id, kind, false, || location.descriptor())
    }

    /// The block of an object of this kind with this id, of which `descriptor` gives a descriptor if it is not
    /// mapped yet.
    pub(super) fn adopt(
        id: u128,
        kind: u32,
        frozen: bool,
        descriptor: impl FnOnce() -> io::Result<OwnedFd>,
    ) -> io::Result<Block> {
        let (block, is_recent) = match table::recent(id) {
            Some(block) => (block, true),
            None => match table::find(id) {
                Some(block) => (block, false),
                None => (table::settle(Block(Arc::new(Mapped::map(descriptor()?, id)?))), false),
            },
        };
        // ORDERING: written before the block was passed on.
        let own = block.0.all64()[KIND_AT].load(Relaxed);
        if own != u64::from(kind) || block.is_frozen() != frozen {
            return Err(invalid(format!("a shared object of another kind ({own} instead of {kind})")));
        }
        if !is_recent {
            table::recall(&block);
        }
        Ok(block)
    }

    /// What [`create_tagged`](Block::create_tagged) was given.
    pub fn tag(&self) -> u64 {
        // ORDERING: written before the block was passed on.
        self.0.all64()[TAG_AT].load(Relaxed)
    }

    /// What to pass to another process instead of the block.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn locate(&self) -> io::Result<Location> {
        Location::of(self)
    }

    /// How many bytes the object has.
    #[inline]
    pub fn len(&self) -> usize {
        self.0.len() - HEAD
    }

    /// Whether the object has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The object's memory as words of 32 bits. None of them may also be used as a part of another size.
    #[inline]
    pub fn words(&self) -> &[AtomicU32] {
        &self.0.all32()[HEAD / size_of::<u32>()..]
    }

    /// The object's memory as words of 64 bits.
    #[inline]
    pub fn words64(&self) -> &[AtomicU64] {
        &self.0.all64()[HEAD / size_of::<u64>()..]
    }

    /// The object's memory as words of 16 bits.
    pub fn words16(&self) -> &[AtomicU16] {
        &self.0.all16()[HEAD / size_of::<u16>()..]
    }

    /// The object's memory as bytes.
    pub fn words8(&self) -> &[AtomicU8] {
        &self.0.all8()[HEAD..]
    }

    /// Copies bytes of the object, from `at` on, into `bytes`. Where another process writes them meanwhile, the copy is
    /// a mixture.
    ///
    /// # Errors
    /// The object has no such bytes.
    #[inline]
    pub fn read(&self, at: usize, bytes: &mut [u8]) -> io::Result<()> {
        let from = self.place(at, bytes.len())?;
        // SAFETY: `place` checked that the mapping has that many bytes from there on; `bytes` is ours alone, and
        // cannot overlap with a mapping that is never lent out as a slice.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Makes room for `len` more bytes in `bytes`, to [append](Block::append_to) bytes of the object.
    ///
    /// # Errors
    /// There is no room, or not so much of the object: a length that was read from the block and has no memory behind it
    /// must not make the reader allocate.
    #[inline]
    pub fn reserve(&self, bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
        const MUCH: usize = 1 << 16;
        if bytes.capacity() - bytes.len() >= len {
            return Ok(());
        }
        if len > MUCH && memory::allocated(&self.0.file)? < len as u64 {
            return Err(invalid(format!("a length of {len} bytes, which nobody wrote")));
        }
        if bytes.is_empty() {
            *bytes = memory::reserve_bytes(len)?;
        }
        bytes.try_reserve(len).map_err(|_| io::ErrorKind::OutOfMemory.into())
    }

    /// Appends `len` bytes of the object, from `at` on, to `bytes`, as [`read`](Block::read).
    ///
    /// # Errors
    /// The object has no such bytes, or there is no [room](Block::reserve) for them.
    #[inline]
    pub fn append_to(&self, bytes: &mut Vec<u8>, at: usize, len: usize) -> io::Result<()> {
        let from = self.place(at, len)?;
        self.reserve(bytes, len)?;
        // SAFETY: `place` checked that the mapping has that many bytes from there on; there is room for them behind
        // the vector's own, and they are all written before the length is set. Where another process writes
        // meanwhile the copy is a mixture, of bytes all the same.
        unsafe {
            let to = bytes.as_mut_ptr().add(bytes.len());
            std::ptr::copy_nonoverlapping(from, to, len);
            bytes.set_len(bytes.len() + len);
        }
        Ok(())
    }

    /// Copies `len` bytes of the object from one place to another.
    ///
    /// # Errors
    /// The object has no such bytes.
    pub fn copy(&self, from: usize, to: usize, len: usize) -> io::Result<()> {
        let (from, to) = (self.place(from, len)?, self.place(to, len)?);
        // SAFETY: `place` checked both ranges, which may overlap.
        unsafe { std::ptr::copy(from, to, len) };
        Ok(())
    }

    /// Copies `bytes` to the object's bytes from `at` on.
    ///
    /// # Errors
    /// The object has no such bytes.
    #[inline]
    pub fn write(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let to = self.place(at, bytes.len())?;
        // SAFETY: as in `read`; the mapping is writable.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        Ok(())
    }

    /// Gives the memory behind whole pages of the object's bytes back to the system; they read as zeros then.
    pub fn give_back(&self, range: Range<usize>) {
        // What is not given back stays as it is; it is asked for to save memory.
        let _ = memory::give_back(&self.0.file, (HEAD + range.start) as u64, range.len() as u64);
    }

    #[inline]
    pub(super) fn place(&self, at: usize, len: usize) -> io::Result<*mut u8> {
        let outside = || invalid(format!("{len} bytes from {at} on, in a shared object of {}", self.len()));
        at.checked_add(len).filter(|end| *end <= self.len()).ok_or_else(outside)?;
        match &self.0.map {
            Map::Writable(map) => Ok(map.as_mut_ptr().wrapping_add(HEAD + at)),
            Map::Frozen(_) => Err(io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// The object's bytes, if nobody can write them.
    pub(super) fn frozen(&self) -> Option<&[u8]> {
        match &self.0.map {
            Map::Writable(_) => None,
            Map::Frozen(map) => map.get(HEAD..),
        }
    }

    fn is_frozen(&self) -> bool {
        matches!(self.0.map, Map::Frozen(_))
    }

    /// By which it is told from all others: a random number.
    pub fn id(&self) -> u128 {
        self.0.id
    }

    pub(crate) fn into_shared(self) -> Arc<dyn Any + Send + Sync> {
        self.0
    }

    pub(super) fn as_shared(&self) -> &Arc<Mapped> {
        &self.0
    }

    /// Whether its creator has dropped it.
    pub(super) fn is_retired(&self) -> bool {
        match self.0.map {
            // ORDERING: a hint to forget it.
            Map::Writable(_) => self.0.all32()[RETIRED_AT].load(Relaxed) != 0,
            Map::Frozen(_) => {
                self.0.asked.fetch_add(1, Relaxed).is_multiple_of(SELDOM) && memory::is_marked(&self.0.file)
            }
        }
    }
}

impl From<Arc<Mapped>> for Block {
    fn from(mapped: Arc<Mapped>) -> Block {
        Block(mapped)
    }
}

impl AsFd for Block {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.file.as_fd()
    }
}

impl AsRawFd for Block {
    fn as_raw_fd(&self) -> i32 {
        self.0.file.as_raw_fd()
    }
}

impl Mapped {
    /// Maps what somebody else made, if it is the block with this id.
    fn map(descriptor: OwnedFd, id: u128) -> io::Result<Mapped> {
        let file = File::from(descriptor);
        // A file that could be cut short under the mapping would be a fault waiting to happen.
        if !memory::is_fixed(&file) {
            return Err(invalid("a descriptor that is not of a shared object".to_owned()));
        }
        let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        if len < HEAD {
            return Err(invalid("a shared object without a head".to_owned()));
        }
        let map = match memory::is_unwritable(&file) {
            true => Map::Frozen(map_frozen(&file)?),
            false => Map::Writable(map_writable(&file, len)?),
        };
        let mapped = Mapped { file, map, id, created: None, asked: AtomicU32::new(0) };
        let head = mapped.all64();
        // ORDERING: all of it was written before the block was passed on, and is not believed but compared.
        let own = u128::from(head[ID_AT.start].load(Relaxed))
            | u128::from(head[ID_AT.start + 1].load(Relaxed)) << 64;
        let is_whole = head[LEN_AT].load(Relaxed) == (len - HEAD) as u64;
        if head[MAGIC_AT].load(Relaxed) != MAGIC || own != id || !is_whole {
            return Err(invalid("not the shared object that was meant".to_owned()));
        }
        Ok(mapped)
    }

    fn len(&self) -> usize {
        match &self.map {
            Map::Writable(map) => map.len(),
            Map::Frozen(map) => map.len(),
        }
    }

    fn start(&self) -> *const u8 {
        match &self.map {
            Map::Writable(map) => map.as_ptr(),
            Map::Frozen(map) => map.as_ptr(),
        }
    }

    fn all8(&self) -> &[AtomicU8] {
        // SAFETY: the mapping is aligned to a page, has that many words, stays as long as `self`, and is reached
        // through atomics or by copying alone. One that is frozen is not writable: of it nobody but this module has
        // words, and it loads them only.
        unsafe { std::slice::from_raw_parts(self.start().cast(), self.len()) }
    }

    fn all16(&self) -> &[AtomicU16] {
        // SAFETY: as in `all8`.
        unsafe { std::slice::from_raw_parts(self.start().cast(), self.len() / size_of::<u16>()) }
    }

    #[inline]
    fn all32(&self) -> &[AtomicU32] {
        // SAFETY: as in `all8`.
        unsafe { std::slice::from_raw_parts(self.start().cast(), self.len() / size_of::<u32>()) }
    }

    #[inline]
    fn all64(&self) -> &[AtomicU64] {
        // SAFETY: as in `all8`.
        unsafe { std::slice::from_raw_parts(self.start().cast(), self.len() / size_of::<u64>()) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        table::drop_note(self.id);
        if self.created == Some(generation()) {
            match self.map {
                // ORDERING: a hint; see `is_retired`.
                Map::Writable(_) => self.all32()[RETIRED_AT].store(1, Relaxed),
                Map::Frozen(_) => memory::mark(&self.file),
            }
        }
    }
}

/// What a head says.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) id: u128,
    pub(super) kind: u32,
    pub(super) tag: u64,
    pub(super) len: usize,
}

impl Head {
    pub(super) fn words(&self) -> [u64; HEAD / size_of::<u64>()] {
        let mut words = [0; HEAD / size_of::<u64>()];
        words[MAGIC_AT] = MAGIC;
        words[ID_AT.start] = self.id as u64;
        words[ID_AT.start + 1] = (self.id >> 64) as u64;
        words[KIND_AT] = self.kind.into();
        words[LEN_AT] = self.len as u64;
        words[TAG_AT] = self.tag;
        words
    }
}

/// How many bytes a block for `len` bytes has.
pub(super) fn whole(len: usize) -> io::Result<usize> {
    let whole = len.checked_add(HEAD).filter(|whole| isize::try_from(*whole).is_ok());
    whole.ok_or_else(|| too_large(io::ErrorKind::OutOfMemory.into(), len))
}

pub(super) fn too_large(error: io::Error, len: usize) -> io::Error {
    io::Error::new(error.kind(), format!("{len} bytes of shared memory: {error}"))
}

/// A mapping of which the system guarantees that it never changes.
fn map_frozen(file: &File) -> io::Result<Mmap> {
    debug_assert!(memory::is_fixed(file) && memory::is_unwritable(file));
    // SAFETY: the file is sealed against being resized and written. The system grants the latter only when nobody
    // has it mapped for writing, and never takes it back: so the bytes are the same for ever. (A private mapping,
    // because a shared one of what nobody can write is refused before Linux 6.7 if the descriptor could write.)
    unsafe { MmapOptions::new().map_copy_read_only(file) }
}

fn map_writable(file: &File, len: usize) -> io::Result<MmapRaw> {
    /// Above this a block is no part of a core dump, which would take memory for all of it.
    const DUMPED: usize = 1 << 24;
    let map = MmapOptions::new().len(len).map_raw(file)?;
    if len > DUMPED {
        map.advise(Advice::DontDump)?;
    }
    Ok(map)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::Place;

    #[test]
    fn a_block_is_mapped_once_however_often_it_is_opened() {
        let block = Block::create(7, 100).unwrap();
        let location = block.locate().unwrap();
        let again = Block::open(&location, 7).unwrap();
        assert!(Arc::ptr_eq(&block.0, &again.0));
    }

    #[test]
    fn a_block_of_another_process_is_the_same_memory() {
        let block = Block::create(7, 100).unwrap();
        block.write(40, b"hello").unwrap();
        // As a stranger would see it.
        let mapped = Mapped::map(block.as_fd().try_clone_to_owned().unwrap(), block.id()).unwrap();
        let other = Block(Arc::new(mapped));
        let mut bytes = [0; 5];
        other.read(40, &mut bytes).unwrap();
        assert_eq!(&bytes, b"hello");
        other.words()[0].store(5, Relaxed);
        assert_eq!(block.words()[0].load(Relaxed), 5);
        assert!(!other.is_retired());
        drop(block);
        assert!(other.is_retired());
    }

    #[test]
    fn what_is_not_the_block_meant_is_refused() {
        let block = Block::create(7, 100).unwrap();
        let location = block.locate().unwrap();
        assert!(Block::open(&location, 8).is_err(), "another kind");
        let descriptor = || block.as_fd().try_clone_to_owned().unwrap();
        assert!(Mapped::map(descriptor(), block.id() + 1).is_err(), "another id");
        let file = memory::growing(c"x", 4096).unwrap();
        assert!(Mapped::map(file.into(), 0).is_err(), "not sealed");
        let file = memory::segment(c"x", 4096).unwrap();
        assert!(Mapped::map(file.into(), 0).is_err(), "no magic");
        let file = memory::segment(c"x", 3).unwrap();
        assert!(Mapped::map(file.into(), 0).is_err(), "no head");
        let file = memory::sealed(c"x", &[&[0; HEAD]]).unwrap();
        assert!(Mapped::map(file.into(), 0).is_err(), "frozen, no magic");
        let nowhere = Location { id: 1, place: Place::Held { pid: std::process::id(), descriptor: 1 << 20 } };
        assert!(Block::open(&nowhere, 7).is_err());
    }

    #[test]
    fn bytes_outside_are_an_error() {
        let block = Block::create(0, 10).unwrap();
        block.write(5, &[1; 5]).unwrap();
        assert!(block.write(6, &[1; 5]).is_err());
        assert!(block.read(usize::MAX, &mut [0; 2]).is_err());
        assert!(Block::create(0, usize::MAX).is_err());
        assert!(Block::create(0, 1 << 62).is_err());
    }
}
