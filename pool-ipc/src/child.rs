//! A child process, held by a handle that names it and no other, whatever becomes of its id.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::sys::process;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// Somebody else reaped it.
    Unknown,
}

/// A child. Dropping it neither kills nor reaps it.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    handle: OwnedFd,
}

impl Child {
    pub(crate) fn hold(pid: u32) -> io::Result<Child> {
        match process::open_handle(pid) {
            Ok(handle) => Ok(Child { pid, handle }),
            Err(error) => {
                process::abandon(pid);
                Err(error)
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends it at once (SIGKILL). Nothing happens when it has ended already.
    pub fn kill(&self) {
        process::kill(self.handle.as_fd());
    }

    /// Reaps it, if it has ended.
    pub fn reap(&self) -> Option<Ended> {
        process::reap(self.handle.as_fd())
    }
}

impl AsFd for Child {
    /// Readable once the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}
