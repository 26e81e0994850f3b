//! The one word that all workers of a pool share with it.
//!
//! A caller that waits for results sleeps here, because it cannot sleep on many lanes at once. A worker
//! that was asked to tell (see [`Tell::Bell`](crate::lane::Tell)) changes the word and wakes whoever sleeps.
//! The word can be rung falsely, and a worker gone wild could even set it back at the wrong moment; so
//! a sleeper looks after its lanes whenever it wakes, and wakes at least once in [`LONGEST`].
//!
//! A worker that ends rings nothing. The kernel does, in a way: see [`End`].

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::Duration;

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::lane::End;
use crate::own::Own;
use crate::sys::{futex, memory};

/// No sleep is longer, so that a bell that was tampered with costs time and nothing else.
pub const LONGEST: Duration = Duration::from_secs(1);

/// On so many ends of workers a caller can sleep at once.
pub const MOST_ENDS: usize = futex::MOST_OTHERS;

/// The bell of a pool, as it or one of its workers holds it.
#[derive(Debug)]
pub struct Bell {
    page: MmapRaw,
    file: Own<File>,
}

const SIZE: usize = 4096;

impl Bell {
    /// A new bell.
    ///
    /// # Errors
    /// The system refuses a segment.
    pub fn create() -> io::Result<Bell> {
        Bell::map(memory::segment(c"pool-bell", SIZE as u64)?)
    }

    /// The bell whose descriptor the process was born with.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn attach(descriptor: OwnedFd) -> io::Result<Bell> {
        Bell::map(File::from(descriptor))
    }

    fn map(file: File) -> io::Result<Bell> {
        let page = MmapOptions::new().len(SIZE).map_raw(&file)?;
        // A fork of this process has nothing to do with this pool.
        page.advise(Advice::DontFork)?;
        Ok(Bell { page, file: Own::new(file) })
    }

    /// The descriptor to pass to a worker.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped writable for as long as `self` lives, and aligned.
        unsafe { &*self.page.as_mut_ptr().cast::<AtomicU32>() }
    }

    /// What to pass to [`wait`](Bell::wait): to be read before looking whether there is a need to wait.
    pub fn count(&self) -> u32 {
        // ORDERING: pairs with the ring's addition: what was written before a ring that is counted is seen.
        self.word().load(Acquire)
    }

    /// Sleeps until the bell has been rung since `count` was read, or one of these ends begins, or `timeout` is over, or
    /// for no reason. Before Linux 5.16 an end wakes nobody.
    pub fn wait(&self, count: u32, ends: &[Option<End>; MOST_ENDS], timeout: Option<Duration>) {
        let timeout = timeout.unwrap_or(LONGEST).min(LONGEST);
        if ends.iter().all(Option::is_none) {
            return futex::wait(self.word(), count, Some(timeout));
        }
        futex::wait_for_any(self.word(), count, ends.iter().flatten().map(|end| end.0), timeout);
    }

    /// Wakes whoever sleeps.
    pub fn ring(&self) {
        // ORDERING: Release, so that who sees the count sees what it was rung for.
        self.word().fetch_add(1, Release);
        futex::wake(self.word(), i32::MAX);
    }
}
