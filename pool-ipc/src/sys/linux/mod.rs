//! Linux, kernel 5.10 or later.

pub(crate) mod born;
pub(crate) mod core;
pub(crate) mod events;
pub(crate) mod exit;
pub(crate) mod futex;
pub(crate) mod image;
pub(crate) mod life;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod named_socket;
pub(crate) mod process;
pub(crate) mod setting;
pub(crate) mod socket;

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The result of a system call that returns -1 and sets `errno` when it fails.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A call that is made again when a signal interrupts it.
fn retry(mut call: impl FnMut() -> libc::c_int) -> io::Result<libc::c_int> {
    loop {
        match check(call()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// A length of time as the system wants it; what it cannot say is as long as it can.
fn timespec(length: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: length.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: length.subsec_nanos().into(),
    }
}

/// The same descriptor by a number that is none of the standard ones: where the program has closed a standard
/// stream, the system gives its number to the next who asks, and what is printed would go there.
fn beside_streams(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    if descriptor.as_raw_fd() > 2 {
        return Ok(descriptor);
    }
    // SAFETY: a plain system call; the result is checked and owned.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::fcntl(descriptor.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3))?)) }
}
