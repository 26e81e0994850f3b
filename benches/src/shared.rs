//! Memory that two processes share, and words in it to wait on.
//!
//! The memory is a nameless file (`memfd_create(2)`), mapped by both; the child gets it as its
//! standard input, so no descriptor is left open across `exec` by accident. The head holds a few
//! words, each on cache lines of its own; the arena for bytes follows.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use crate::Result;

/// Two cache lines: processors fetch lines in pairs.
const LINE: usize = 128;

/// One page of words before the arena.
const HEAD: usize = 4096;

/// A mapping of memory shared by two processes.
pub struct Shared {
    start: NonNull<u8>,
    arena_len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; its words are atomics, and its
// arena is reached only through raw pointers.
unsafe impl Send for Shared {}

impl Shared {
    /// New memory with an arena of so many bytes, and the file to give to the child.
    pub fn create(arena_len: usize) -> Result<(Shared, File)> {
        // SAFETY: the name is a C string; the call touches no other memory of ours.
        let fd = unsafe { libc::memfd_create(c"yardstick".as_ptr(), libc::MFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the descriptor is open, and nobody else owns it.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len((HEAD + arena_len) as u64)?;
        Ok((Shared::map(file.as_raw_fd(), arena_len)?, file))
    }

    /// The memory that this child was given as its standard input.
    pub fn inherited(arena_len: usize) -> Result<Shared> {
        Shared::map(io::stdin().as_raw_fd(), arena_len)
    }

    fn map(fd: i32, arena_len: usize) -> Result<Shared> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let len = HEAD + arena_len;
        // SAFETY: a new mapping at an address of the kernel's choice replaces no other.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, libc::MAP_SHARED, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        let start = NonNull::new(start.cast()).ok_or("mapped at address zero")?;
        Ok(Shared { start, arena_len })
    }

    /// The `i`-th word to wait on.
    pub fn word(&self, i: usize) -> &AtomicU32 {
        // SAFETY: as `line` says; zeroed memory is a valid word.
        unsafe { self.line(i).cast().as_ref() }
    }

    /// The `i`-th word to spin on. Lines are numbered through: `i` must differ from every
    /// [`word`](Shared::word) in use.
    pub fn sequence(&self, i: usize) -> &AtomicU64 {
        // SAFETY: as `line` says; zeroed memory is a valid word.
        unsafe { self.line(i).cast().as_ref() }
    }

    /// The start of the `i`-th pair of cache lines: inside the head, aligned, mapped as long as
    /// `self` lives, and accessed by both processes as atomics only.
    fn line(&self, i: usize) -> NonNull<u8> {
        assert!((i + 1) * LINE <= HEAD);
        // SAFETY: within the mapping, as just asserted.
        unsafe { self.start.add(i * LINE) }
    }

    /// Copies `bytes` to the start of the arena. The other process must not touch it meanwhile.
    pub fn fill_arena(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.arena_len);
        // SAFETY: both ranges are valid for that length, and do not overlap as the arena is no
        // Rust allocation; the peers take turns on the arena by their words.
        unsafe {
            let arena = self.start.as_ptr().add(HEAD);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), arena, bytes.len());
        }
    }

    /// Copies the arena to `bytes`, which is emptied first and keeps its allocation if it is large
    /// enough. The other process must not write meanwhile.
    pub fn drain_arena(&self, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.reserve_exact(self.arena_len);
        // SAFETY: the vector has room for the length of the arena, all of which is initialised by
        // the copy; the rest as in `fill_arena`.
        unsafe {
            let arena = self.start.as_ptr().add(HEAD);
            std::ptr::copy_nonoverlapping(arena, bytes.as_mut_ptr(), self.arena_len);
            bytes.set_len(self.arena_len);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `map`, and all borrows of it have ended.
        unsafe { libc::munmap(self.start.as_ptr().cast(), HEAD + self.arena_len) };
    }
}

/// Sleeps until `word` is woken, unless it no longer holds `seen`. Returns after a second at the
/// latest, so that a waiter can see whether its peer still lives; the caller looks and repeats.
pub fn futex_wait(word: &AtomicU32, seen: u32) {
    let patience = Duration::from_secs(1);
    let timeout = libc::timespec { tv_sec: patience.as_secs() as libc::time_t, tv_nsec: 0 };
    // SAFETY: the word and the timeout live through the call, which reads both.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, seen, &timeout) };
}

/// Wakes the one process that may sleep on `word`.
pub fn futex_wake(word: &AtomicU32) {
    // SAFETY: the kernel uses the address of the word as a key only.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, 1) };
}
