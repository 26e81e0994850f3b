//! One direction of a lane in memory: a header and ring that stay where they are, and an arena whose
//! mapping grows with what is put there.
//!
//! The segment is sparse and as large as any payload may be; pages exist once they are written. One
//! side writes a segment, the other maps it read-only, and no fork of either has it; so a stray write of a worker cannot change a
//! request, and a reader has to copy before it believes what it read.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw, RemapOptions};

use crate::own::Own;
use crate::sys::memory;

/// Where the arena starts; a multiple of the largest page size in use.
const ARENA_AT: u64 = 2 << 20;
/// How large a payload may be, or all payloads of a lane together.
pub(crate) const ARENA_MAX: u64 = 1 << 40;
/// The arena's first mapping, and the least it grows to.
const FIRST: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Segment {
    file: Own<File>,
    head: ManuallyDrop<MmapRaw>,
    keep_head: bool,
    arena: Option<MmapRaw>,
    writable: bool,
}

impl Segment {
    /// A new segment, mapped for writing, whose head has room for `head` bytes.
    pub(crate) fn create(name: &CStr, head: usize) -> io::Result<Segment> {
        Segment::map(Segment::file_for_the_other_side(name)?, head, true)
    }

    /// The file of a new segment that the other side is to write.
    pub(crate) fn file_for_the_other_side(name: &CStr) -> io::Result<File> {
        memory::segment(name, ARENA_AT + ARENA_MAX)
    }

    /// A segment that the other side made.
    pub(crate) fn map(file: File, head: usize, writable: bool) -> io::Result<Segment> {
        let mut options = MmapOptions::new();
        options.len(head);
        let head = if writable { options.map_raw(&file)? } else { options.map_raw_read_only(&file)? };
        head.advise(Advice::DontFork)?;
        let file = Own::new(file);
        Ok(Segment { file, head: ManuallyDrop::new(head), keep_head: false, arena: None, writable })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The start of the head, which stays in place as long as the segment is mapped.
    pub(crate) fn head(&self) -> *mut u8 {
        self.head.as_mut_ptr()
    }

    /// The start of the head, which from now on is mapped for as long as the process lives.
    pub(crate) fn leak_head(&mut self) -> NonNull<u8> {
        let head = NonNull::new(self.head.as_mut_ptr()).unwrap_or(NonNull::dangling());
        self.keep_head = true;
        head
    }

    /// Maps the arena at least up to `end`, and returns its start, valid until the next call.
    pub(crate) fn arena(&mut self, end: u64) -> io::Result<*mut u8> {
        if end > ARENA_MAX {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "a payload larger than a lane can hold"));
        }
        let len = end.next_power_of_two().max(FIRST) as usize;
        match &mut self.arena {
            Some(arena) if arena.len() as u64 >= end => {}
            Some(arena) => {
                // SAFETY: no pointer into the arena outlives the call that got it from here.
                unsafe { arena.remap(len, RemapOptions::new().may_move(true))? };
            }
            None => {
                let mut options = MmapOptions::new();
                options.offset(ARENA_AT).len(len);
                let mapped = if self.writable {
                    options.map_raw(&*self.file)
                } else {
                    options.map_raw_read_only(&*self.file)
                };
                let mapped = mapped?;
                mapped.advise(Advice::DontFork)?;
                // Large payloads fault in far faster by huge pages; without them they only cost more.
                let _ = mapped.advise(Advice::HugePage);
                self.arena = Some(mapped);
            }
        }
        Ok(self.arena.as_ref().map_or(std::ptr::null_mut(), MmapRaw::as_mut_ptr))
    }

    /// Copies `bytes` into the arena.
    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        debug_assert!(self.writable);
        if bytes.is_empty() {
            return Ok(());
        }
        let arena = self.arena(at + bytes.len() as u64)?;
        // SAFETY: the mapping covers `at + len` and is writable. The other side does not read this
        // range before the index that announces it is published, after this copy.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), arena.add(at as usize), bytes.len()) };
        Ok(())
    }

    /// Copies `len` bytes out of the arena, into memory that the other side cannot touch.
    ///
    /// # Errors
    /// The range does not exist, or nobody ever wrote that much: a length that a reader was told and
    /// that has no memory behind it must not make the reader allocate.
    pub(crate) fn read(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        let nonsense =
            || io::Error::new(io::ErrorKind::InvalidData, "a payload's place in memory makes no sense");
        let end = at.checked_add(len).filter(|end| *end <= ARENA_MAX).ok_or_else(nonsense)?;
        if len > FIRST && memory::allocated(&self.file)? < len {
            return Err(nonsense());
        }
        let mut bytes = memory::reserve_bytes(len as usize)?;
        let arena = self.arena(end)?;
        let spare: &mut [MaybeUninit<u8>] = bytes.spare_capacity_mut();
        // SAFETY: the mapping covers `end`; `spare` has room for `len` bytes, all of which are written
        // before the length is set. The other side may write while we copy: then the copy is garbage,
        // which whoever decodes it has to expect anyway.
        unsafe {
            std::ptr::copy_nonoverlapping(arena.add(at as usize), spare.as_mut_ptr().cast(), len as usize);
            bytes.set_len(len as usize);
        }
        Ok(bytes)
    }

    /// Gives the memory behind a range of the arena back to the system.
    pub(crate) fn give_back(&self, range: std::ops::Range<u64>) {
        // What is not given back stays warm; the next burst uses it.
        let _ = memory::give_back(&self.file, ARENA_AT + range.start, range.end - range.start);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if !self.keep_head {
            // SAFETY: dropped once, here; nothing points into it but what borrows this value.
            unsafe { ManuallyDrop::drop(&mut self.head) };
        }
    }
}
