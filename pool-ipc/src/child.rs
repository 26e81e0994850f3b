//! A child process, held by a handle that names it and no other, whatever becomes of its id.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::line::Line;
use crate::own::Own;
use crate::sys::events::{self, Alarm};
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

/// A child. Dropping it neither kills nor reaps it, but ends its [`Line`].
#[derive(Debug)]
pub struct Child {
    pid: u32,
    handle: Own<OwnedFd>,
    line: Line,
}

impl Child {
    pub(crate) fn hold(pid: u32, line: Line) -> io::Result<Child> {
        match process::open_handle(pid) {
            Ok(handle) => Ok(Child { pid, handle: Own::new(handle), line }),
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

    /// Ends and reaps one that nobody is to have.
    pub(crate) fn abandon(self) {
        self.kill();
        if events::readable(self.handle.as_fd(), None) {
            let _ = self.reap();
        }
    }

    pub(crate) fn handle(&self) -> &Own<OwnedFd> {
        &self.handle
    }

    /// The line to it.
    pub fn line(&self) -> &Line {
        &self.line
    }

    /// How much of its memory is resident now, shared memory included, in bytes.
    ///
    /// # Errors
    /// The system does not say; of a child that was reaped, never call it.
    pub fn resident_bytes(&self) -> io::Result<u64> {
        process::resident_bytes(self.pid)
    }

    /// Why it could not start, once it has ended with [`MISBORN`](crate::birth::MISBORN). Asked once: the
    /// answer is taken off the line.
    pub fn refusal(&self) -> Option<String> {
        self.line.refusal()
    }

    /// Ends it at once (SIGKILL). Nothing happens when it has ended already.
    pub fn kill(&self) {
        // It fails when the child was reaped, and then it has ended.
        let _ = process::signal(self.handle.as_fd(), process::KILL);
    }

    /// Asks it to end (SIGTERM). Nothing happens when it has ended already.
    pub fn terminate(&self) {
        let _ = process::signal(self.handle.as_fd(), process::TERMINATE);
    }

    /// Sends it a signal, by the system's number.
    ///
    /// # Errors
    /// It was reaped already, or there is no such signal.
    pub fn send_signal(&self, number: i32) -> io::Result<()> {
        process::signal(self.handle.as_fd(), number)
    }

    /// Reaps it, if it has ended. The second time the answer is [`Ended::Unknown`].
    pub fn reap(&self) -> Option<Ended> {
        process::reap(self.handle.as_fd())
    }

    /// Waits until it has ended, and does not reap it; `false`: `timeout` was over before. `None` is no
    /// limit.
    ///
    /// # Errors
    /// The system cannot wait.
    pub fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        Ok(events::readable(self.handle.as_fd(), timeout))
    }
}

impl AsFd for Child {
    /// Readable once the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

/// Waits until `thing` is readable (`true`), for at most `timeout` (`false`), whatever signals arrive.
pub fn wait_until_readable(thing: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    events::readable(thing, timeout)
}

/// What is readable once this process's parent, whose id was `pid` at the birth, has ended.
///
/// # Errors
/// The system refuses a descriptor.
pub fn end_of_parent(pid: u32) -> io::Result<OwnedFd> {
    let is_ours = || std::os::unix::process::parent_id() == pid;
    if is_ours() {
        match process::open_handle(pid) {
            // Still our parent: so the id was its own, and nobody else's, when the handle was opened.
            Ok(handle) if is_ours() => return Ok(handle),
            Err(error) if is_ours() => return Err(error),
            _ => {}
        }
    }
    let ended = Alarm::new()?;
    ended.ring();
    Ok(ended.into_descriptor())
}
