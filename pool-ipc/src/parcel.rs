//! What a process that runs one function is given, and what it leaves behind.
//!
//! ```text
//!  the parent                                 ║  the child
//!  Parcel::pack(function, bytes)  ── sealed ──╫──> Call::open: maps it; nobody can change it
//!  Tray::create()  ────────────── empty ──────╫──> Outbox::put: the bytes first, their length last
//!  Tray::take, when the child has ended  <────╫──
//! ```
//!
//! Nothing can block half way, whatever the sizes: neither side waits for the other to read. A child that
//! dies in the middle leaves no half result, because its length is written last. The parent reads the tray
//! with read(2) and never maps it, so that a tray cut short is an error and not a fault; it takes no more
//! memory than the tray really holds.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use memmap2::{Mmap, MmapOptions, MmapRaw};

use crate::image::{self, Entry};
use crate::own::Own;
use crate::sync::AtomicU32;
use crate::sys::{born, memory};

/// A function and what it is called with, on the way to a child.
#[derive(Debug)]
pub struct Parcel(File);

/// Name of the function, word, and the lengths of context and input, each a `u64`.
const HEAD: usize = 32;

impl Parcel {
    /// Packs a call of `entry`.
    ///
    /// # Errors
    /// The function is not part of the main program, or there is no memory.
    pub fn pack(entry: Entry, word: u32, context: &[u8], input: &[u8]) -> io::Result<Parcel> {
        let mut head = [0; HEAD];
        let words =
            [image::name_of(entry as usize)?, u64::from(word), context.len() as u64, input.len() as u64];
        for (place, word) in head.chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Ok(Parcel(memory::sealed(c"pool-argument", &[&head, context, input])?))
    }
}

impl AsFd for Parcel {
    /// The descriptor to pass to the child.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A call, as the child sees it.
#[derive(Debug)]
pub struct Call {
    entry: Entry,
    word: u32,
    context_len: usize,
    content: Mmap,
}

impl Call {
    /// Opens the parcel that the process was born with.
    ///
    /// # Errors
    /// It cannot be mapped, or makes no sense.
    pub fn open(descriptor: OwnedFd) -> io::Result<Call> {
        // SAFETY: a parcel is sealed against writing and resizing before it is passed on: it cannot
        // change under the mapping.
        let content = unsafe { Mmap::map(&File::from(descriptor))? };
        let word = |index: usize| -> Option<u64> {
            let bytes = content.get(8 * index..8 * index + 8)?;
            bytes.try_into().ok().map(u64::from_le_bytes)
        };
        let read = || Some((word(0)?, word(1)? as u32, word(2)? as usize, word(3)? as usize));
        let whole = |context: usize, input| HEAD.checked_add(context)?.checked_add(input);
        let head = read().filter(|(_, _, context, input)| whole(*context, *input) == Some(content.len()));
        let Some((name, word, context_len, _)) = head else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a parcel of the wrong size"));
        };
        let address = image::address_of(name)?;
        // SAFETY: the name was made by `Parcel::pack` from an `Entry`, in the process of the same build
        // that this one was born of (the birth checked that), in a segment that nobody else can write.
        let entry = unsafe { std::mem::transmute::<usize, Entry>(address) };
        Ok(Call { entry, word, context_len, content })
    }

    /// Calls the function; what it puts out goes to `output`.
    pub fn make(&self, output: &mut dyn FnMut(u32, &[u8])) {
        let (context, input) = self.content[HEAD..].split_at(self.context_len);
        (self.entry)(self.word, context, input, output);
    }
}

/// The tray's head, in its first page: length of the outcome plus one (0: there is none), its status, and
/// the child's note of a stack overflow.
const LEN: u64 = 0;
const STATUS: u64 = 8;
const OVERFLOW: u64 = 12;
const CONTENT: u64 = 4096;

/// Where a child leaves its outcome, from the parent's side.
#[derive(Debug)]
pub struct Tray(Own<File>);

impl Tray {
    /// An empty tray.
    ///
    /// # Errors
    /// The system refuses a segment.
    pub fn create() -> io::Result<Tray> {
        Ok(Tray(Own::new(memory::growing(c"pool-result", CONTENT)?)))
    }

    /// The outcome, if the child left one. To be called when the child has ended.
    ///
    /// # Errors
    /// What lies there makes no sense, or there is no memory to copy it.
    pub fn take(&self) -> io::Result<Option<(u32, Vec<u8>)>> {
        let len = u64::from_le_bytes(self.read(LEN)?);
        let Some(len) = len.checked_sub(1) else { return Ok(None) };
        let status = u32::from_le_bytes(self.read(STATUS)?);
        // Bounded by memory that is in use already: a length alone costs nothing.
        if len > memory::allocated(&self.0)? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a result longer than what was written"));
        }
        let len = usize::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        let mut bytes = memory::reserve_bytes(len)?;
        bytes.resize(len, 0);
        self.0.read_exact_at(&mut bytes, CONTENT)?;
        Ok(Some((status, bytes)))
    }

    /// Whether the child noted that its stack overflowed.
    pub fn has_overflow(&self) -> bool {
        self.read(OVERFLOW).is_ok_and(|note| u32::from_le_bytes(note) != 0)
    }

    fn read<const N: usize>(&self, at: u64) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

impl AsFd for Tray {
    /// The descriptor to pass to the child.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The tray, from the child's side.
#[derive(Debug)]
pub struct Outbox {
    file: File,
    overflow: &'static AtomicU32,
}

impl Outbox {
    /// The tray that the process was born with.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn open(descriptor: OwnedFd) -> io::Result<Outbox> {
        let file = File::from(descriptor);
        let head: MmapRaw = MmapOptions::new().len(CONTENT as usize).map_raw(&file)?;
        // SAFETY: the head is one mapped page, which the parent gave the tray and nobody takes away, the
        // place in it is aligned, and it stays mapped for ever because `head` is forgotten.
        let overflow = unsafe { &*head.as_mut_ptr().add(OVERFLOW as usize).cast::<AtomicU32>() };
        std::mem::forget(head);
        Ok(Outbox { file, overflow })
    }

    /// Makes an overflow of this thread's stack known to the parent.
    ///
    /// # Errors
    /// The system refuses the handler.
    pub fn report_stack_overflow(&self) -> io::Result<()> {
        born::report_stack_overflow(self.overflow)
    }

    /// Leaves the outcome. To be called once.
    ///
    /// # Errors
    /// There is no memory; then there is no outcome.
    pub fn put(&self, status: u32, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, CONTENT)?;
        self.file.write_all_at(&status.to_le_bytes(), STATUS)?;
        self.file.write_all_at(&(bytes.len() as u64 + 1).to_le_bytes(), LEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(word: u32, context: &[u8], input: &[u8], output: &mut dyn FnMut(u32, &[u8])) {
        output(word, &[context, input].concat());
    }

    #[test]
    fn a_call_crosses_and_its_outcome_comes_back() {
        let parcel = Parcel::pack(join, 7, b"con", b"tent").unwrap();
        let tray = Tray::create().unwrap();
        assert_eq!(tray.take().unwrap(), None);
        let call = Call::open(parcel.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let outbox = Outbox::open(tray.as_fd().try_clone_to_owned().unwrap()).unwrap();
        call.make(&mut |status, bytes| outbox.put(status, bytes).unwrap());
        assert_eq!(tray.take().unwrap(), Some((7, b"content".to_vec())));
        assert_eq!(tray.take().unwrap(), Some((7, b"content".to_vec())), "as often as one likes");
        assert!(!tray.has_overflow());
    }

    #[test]
    fn a_parcel_cannot_be_changed() {
        let parcel = Parcel::pack(join, 0, b"", b"x").unwrap();
        assert!(parcel.0.write_all_at(b"y", HEAD as u64).is_err());
        assert!(parcel.0.set_len(0).is_err());
    }

    #[test]
    fn a_tray_that_was_tampered_with_is_an_error() {
        let tray = Tray::create().unwrap();
        for len in [u64::MAX, 1 << 50, 1 << 20] {
            tray.0.write_all_at(&len.to_le_bytes(), LEN).unwrap();
            assert!(tray.take().is_err());
        }
        // A sparse tray holds nothing, whatever its size.
        tray.0.set_len(1 << 40).unwrap();
        tray.0.write_all_at(&(1u64 << 39).to_le_bytes(), LEN).unwrap();
        assert!(tray.take().is_err());
        tray.0.set_len(3).unwrap();
        assert!(tray.take().is_err());
        assert!(!tray.has_overflow());
    }
}
