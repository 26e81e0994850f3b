//! Blocks that are filled once and then never change, so that everybody may refer to what is in them.
//!
//! The guarantee is the system's: a file in memory is sealed against writing only when nobody has it mapped for
//! writing, and from then on for ever. So whoever opens one checks the seal, and need not trust whoever made it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::Location;
use super::block::{Block, HEAD, Head, too_large, whole};
use crate::exit::random;
use crate::own::NoFork;
use crate::sys::memory;

/// A block that nobody can write. A clone is the same one.
#[derive(Debug, Clone)]
pub struct Frozen(Block);

impl Frozen {
    /// The frozen block of an object of this kind that lies at `location`.
    ///
    /// # Errors
    /// It is not there any more, is something else, or can be written.
    pub fn open(location: &Location, kind: u32) -> io::Result<Frozen> {
        Block::adopt(location.id, kind, true, || location.descriptor()).map(Frozen)
    }

    /// What to pass to another process instead of the block.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn locate(&self) -> io::Result<Location> {
        self.0.locate()
    }

    /// The object's bytes. They lie at a multiple of 64, and never change.
    pub fn bytes(&self) -> &[u8] {
        self.0.frozen().unwrap_or_default()
    }

    /// What it was made with.
    pub fn tag(&self) -> u64 {
        self.0.tag()
    }
}

/// Memory of this process alone, to become a [`Frozen`] block.
#[derive(Debug)]
pub struct Draft {
    file: File,
    map: MmapRaw,
    head: Head,
}

impl Draft {
    /// `len` bytes, all zero. Memory is taken where it is written.
    ///
    /// # Errors
    /// The system refuses the memory, its address space or a descriptor.
    pub fn new(kind: u32, tag: u64, len: usize) -> io::Result<Draft> {
        let whole = whole(len)?;
        let head = Head { id: u128::from_le_bytes(random()?), kind, tag, len };
        let file = memory::growing(c"pool-frozen", whole as u64).map_err(|error| too_large(error, len))?;
        // A forked child that had it mapped would be one who can write it.
        let no_fork = NoFork::begin();
        let map = MmapOptions::new().len(whole).map_raw(&file).map_err(|error| too_large(error, len))?;
        map.advise(Advice::DontFork)?;
        drop(no_fork);
        Ok(Draft { file, map, head })
    }

    /// The bytes. They lie at a multiple of 64.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping has that many bytes after the head, which nobody else has: the file was never passed
        // on, and no other reference to the mapping is there, since this one borrows the draft.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(HEAD), self.head.len) }
    }

    /// The bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; this reference is the only one.
        unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr().add(HEAD), self.head.len) }
    }

    /// The block, as it is from now on.
    ///
    /// # Errors
    /// The system refuses a descriptor or the address space.
    pub fn freeze(self) -> io::Result<Frozen> {
        let Draft { file, map, head } = self;
        drop(map);
        match seal(&file, &head) {
            // A process that the program forked by itself at an unlucky moment still has it mapped.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                let mut copy = Filling::new(head.kind, head.tag)?;
                let mut part = vec![0; COPIED];
                let mut at = 0;
                while at < head.len {
                    let part = &mut part[..COPIED.min(head.len - at)];
                    file.read_exact_at(part, (HEAD + at) as u64)?;
                    copy.write(part)?;
                    at += part.len();
                }
                copy.freeze()
            }
            other => {
                other?;
                Block::of_frozen(file, &head).map(Frozen)
            }
        }
    }
}

/// How much is copied or written at a time.
const COPIED: usize = 256 << 10;

/// A [`Frozen`] block on its way, of whatever is written, one part after the other.
#[derive(Debug)]
pub struct Filling {
    file: BufWriter<File>,
    head: Head,
}

impl Filling {
    /// Nothing yet.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn new(kind: u32, tag: u64) -> io::Result<Filling> {
        let head = Head { id: u128::from_le_bytes(random()?), kind, tag, len: 0 };
        let mut file = BufWriter::with_capacity(COPIED, memory::growing(c"pool-frozen", 0)?);
        file.write_all(&[0; HEAD])?;
        Ok(Filling { file, head })
    }

    /// Adds `bytes`.
    ///
    /// # Errors
    /// The system refuses the memory.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.head.len += bytes.len();
        Ok(())
    }

    /// The block of what was written.
    ///
    /// # Errors
    /// The system refuses the memory, a descriptor or the address space.
    pub fn freeze(self) -> io::Result<Frozen> {
        let Filling { file, head } = self;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        seal(&file, &head)?;
        Block::of_frozen(file, &head).map(Frozen)
    }
}

fn seal(file: &File, head: &Head) -> io::Result<()> {
    let words: Vec<u8> = head.words().iter().flat_map(|word| word.to_ne_bytes()).collect();
    file.write_all_at(&words, 0)?;
    memory::freeze(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft_of(bytes: &[u8]) -> Draft {
        let mut draft = Draft::new(3, 9, bytes.len()).unwrap();
        draft.bytes_mut().copy_from_slice(bytes);
        draft
    }

    /// As a stranger would see it.
    fn opened_elsewhere(frozen: Frozen) -> io::Result<Block> {
        let id = frozen.0.id();
        let descriptor = std::os::fd::AsFd::as_fd(&frozen.0).try_clone_to_owned()?;
        drop(frozen);
        Block::adopt(id, 3, true, || Ok(descriptor))
    }

    #[test]
    fn what_was_filled_in_is_there_and_cannot_be_written() {
        let frozen = draft_of(b"hello").freeze().unwrap();
        assert_eq!((frozen.bytes(), frozen.tag()), (&b"hello"[..], 9));
        assert!(frozen.0.write(0, b"x").is_err());
        let block = opened_elsewhere(frozen).unwrap();
        assert_eq!(block.frozen(), Some(&b"hello"[..]));
        let file = File::options()
            .write(true)
            .open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&block)));
        assert!(file.unwrap().write_at(b"x", HEAD as u64).is_err());
    }

    #[test]
    fn what_is_written_in_parts_is_one() {
        let mut filling = Filling::new(3, 0).unwrap();
        let part = vec![7; COPIED - 1];
        (0..3).for_each(|_| filling.write(&part).unwrap());
        assert_eq!(filling.freeze().unwrap().bytes(), vec![7; 3 * (COPIED - 1)]);
        assert!(Filling::new(3, 0).unwrap().freeze().unwrap().bytes().is_empty());
    }

    #[test]
    fn a_draft_that_somebody_has_mapped_is_copied() {
        let bytes: Vec<u8> = (0..COPIED * 2 + 5).map(|n| n as u8).collect();
        let draft = draft_of(&bytes);
        let elsewhere = MmapOptions::new().map_raw(&draft.file).unwrap();
        let frozen = draft.freeze().unwrap();
        // SAFETY: the mapping has a byte there.
        unsafe { elsewhere.as_mut_ptr().add(HEAD).write(99) };
        assert!(frozen.bytes() == bytes);
    }

    #[test]
    fn whoever_has_it_sees_that_its_creator_dropped_it() {
        let frozen = draft_of(b"hello").freeze().unwrap();
        let location = frozen.locate().unwrap();
        let other = Frozen::open(&location, 3).unwrap();
        drop(frozen);
        assert!(!other.0.is_retired(), "the same mapping: it is in use here");
        let block = opened_elsewhere(other).unwrap();
        assert!(block.is_retired());
        assert_eq!(block.frozen(), Some(&b"hello"[..]));
    }

    #[test]
    fn one_that_can_be_written_is_none() {
        let block = Block::create(3, 5).unwrap();
        assert!(Frozen::open(&block.locate().unwrap(), 3).is_err());
        let frozen = draft_of(b"hello").freeze().unwrap();
        assert!(Block::open(&frozen.locate().unwrap(), 3).is_err());
        assert!(Frozen::open(&frozen.locate().unwrap(), 4).is_err());
    }
}
