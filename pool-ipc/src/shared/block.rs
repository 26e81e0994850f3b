//! The memory of one shared object.

use std::fs::File;
use std::io;
use std::mem::size_of;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::*};

use memmap2::{MmapOptions, MmapRaw};

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
/// As `u32`s: not 0 when its creator has dropped it.
const RETIRED_AT: usize = 10;

const MAGIC: u64 = u64::from_le_bytes(*b"poolblk1");

/// Memory that several processes have mapped: a head that says what it is, and the memory of one object. A clone
/// is the same block.
#[derive(Debug, Clone)]
pub struct Block(Arc<Mapped>);

#[derive(Debug)]
pub(super) struct Mapped {
    file: File,
    map: MmapRaw,
    id: u128,
    /// In which generation of this process it was created; `None`: by somebody else.
    created: Option<u32>,
}

impl Block {
    /// A new block for an object of this kind, with `len` bytes for the object, all zero. Memory is taken where it is
    /// written.
    ///
    /// # Errors
    /// The system refuses the memory, its address space or a descriptor.
    pub fn create(kind: u32, len: usize) -> io::Result<Block> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let whole =
            len.checked_add(HEAD).filter(|whole| isize::try_from(*whole).is_ok()).ok_or_else(too_large)?;
        let file = memory::segment(c"pool-shared", whole as u64)?;
        let map = MmapOptions::new().len(whole).map_raw(&file)?;
        let id = u128::from_le_bytes(random()?);
        let block = Block(Arc::new(Mapped { file, map, id, created: Some(generation()) }));
        let head = block.0.all64();
        // ORDERING: nobody else has it before this function returns.
        head[ID_AT.start].store(id as u64, Relaxed);
        head[ID_AT.start + 1].store((id >> 64) as u64, Relaxed);
        head[KIND_AT].store(kind.into(), Relaxed);
        head[LEN_AT].store(len as u64, Relaxed);
        head[MAGIC_AT].store(MAGIC, Relaxed);
        table::note(&block);
        Ok(block)
    }

    /// The block of an object of this kind that lies at `location`.
    ///
    /// # Errors
    /// It is not there any more, or is something else.
    pub fn open(location: &Location, kind: u32) -> io::Result<Block> {
        let block = match table::find(location.id) {
            Some(block) => block,
            None => {
                let mapped = Mapped::map(location.descriptor()?, location.id)?;
                table::settle(Block(Arc::new(mapped)))
            }
        };
        // ORDERING: written before the block was passed on.
        let own = block.0.all64()[KIND_AT].load(Relaxed);
        if own != u64::from(kind) {
            return Err(invalid(format!("a shared object of another kind ({own} instead of {kind})")));
        }
        table::recall(&block);
        Ok(block)
    }

    /// What to pass to another process instead of the block.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn locate(&self) -> io::Result<Location> {
        Location::of(self)
    }

    /// How many bytes the object has.
    pub fn len(&self) -> usize {
        self.0.map.len() - HEAD
    }

    /// Whether the object has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The object's memory as words of 32 bits. None of them may also be used as a part of another size.
    pub fn words(&self) -> &[AtomicU32] {
        &self.0.all32()[HEAD / size_of::<u32>()..]
    }

    /// The object's memory as words of 64 bits.
    pub fn words64(&self) -> &[AtomicU64] {
        &self.0.all64()[HEAD / size_of::<u64>()..]
    }

    /// Copies bytes of the object, from `at` on, into `bytes`. Where another process writes them meanwhile, the copy is
    /// a mixture.
    ///
    /// # Errors
    /// The object has no such bytes.
    pub fn read(&self, at: usize, bytes: &mut [u8]) -> io::Result<()> {
        let from = self.place(at, bytes.len())?;
        // SAFETY: `place` checked that the mapping has that many bytes from there on; `bytes` is ours alone, and
        // cannot overlap with a mapping that is never lent out as a slice.
        unsafe { std::ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Copies `bytes` to the object's bytes from `at` on.
    ///
    /// # Errors
    /// The object has no such bytes.
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

    pub(super) fn place(&self, at: usize, len: usize) -> io::Result<*mut u8> {
        let outside = || invalid(format!("{len} bytes from {at} on, in a shared object of {}", self.len()));
        at.checked_add(len).filter(|end| *end <= self.len()).ok_or_else(outside)?;
        Ok(self.0.map.as_mut_ptr().wrapping_add(HEAD + at))
    }

    pub(super) fn id(&self) -> u128 {
        self.0.id
    }

    pub(super) fn as_shared(&self) -> &Arc<Mapped> {
        &self.0
    }

    /// Whether its creator has dropped it.
    pub(super) fn is_retired(&self) -> bool {
        // ORDERING: a hint to forget it.
        self.0.all32()[RETIRED_AT].load(Relaxed) != 0
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
        let map = MmapOptions::new().len(len).map_raw(&file)?;
        let mapped = Mapped { file, map, id, created: None };
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

    fn all32(&self) -> &[AtomicU32] {
        // SAFETY: the mapping is aligned to a page, has that many words, is writable, stays as long as `self`, and is
        // reached through atomics or by copying alone.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.map.len() / size_of::<u32>()) }
    }

    fn all64(&self) -> &[AtomicU64] {
        // SAFETY: as in `all32`.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast(), self.map.len() / size_of::<u64>()) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        table::drop_note(self.id);
        if self.created == Some(generation()) {
            // ORDERING: a hint; see `is_retired`.
            self.all32()[RETIRED_AT].store(1, Relaxed);
        }
    }
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
