//! Bytes in order through a stream socket, descriptors along with them, and waiting for several sockets at once.
//!
//! Each function makes one call of the system (again after every signal), so that a caller knows after each how far
//! it is. A socket of a program may be set not to block; whoever means to wait goes on after "would block".

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::sys::{events, socket};

/// Two connected sockets on this machine.
///
/// # Errors
/// The system refuses the descriptors.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    socket::stream_pair()
}

/// Which network a stream socket belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine alone: descriptors go through it.
    Machine,
    /// Others too.
    Network,
}

/// How far this socket reaches.
///
/// # Errors
/// It is no stream socket, or one that listens.
pub fn reach(socket: BorrowedFd<'_>) -> io::Result<Reach> {
    match socket::stream_kind(socket)? {
        Some(true) => Ok(Reach::Machine),
        Some(false) => Ok(Reach::Network),
        None => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a connected stream socket")),
    }
}

/// Sends the first of these bytes, and with them the descriptors; how many bytes it was. Without `wait`, no room is
/// an error.
///
/// # Errors
/// Of the system; more than 253 descriptors.
pub fn send(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[impl AsFd],
    wait: bool,
) -> io::Result<usize> {
    socket::send_some(socket, parts, descriptors, wait)
}

/// What [`receive_first`] received.
#[derive(Debug)]
pub struct First {
    /// How many bytes; 0 is the end.
    pub len: usize,
    /// What came along with them.
    pub descriptors: Vec<OwnedFd>,
    /// Whether there were more descriptors than this process may have.
    pub cut: bool,
}

/// Receives bytes, and the descriptors that came with the first of them. With `wait` it is as many bytes as there is
/// room for, but fewer at the end or after a signal.
///
/// # Errors
/// Of the system; without `wait`, that there is nothing.
pub fn receive_first(socket: BorrowedFd<'_>, bytes: &mut [u8], wait: bool) -> io::Result<First> {
    let (len, descriptors, cut) = socket::receive_first(socket, bytes, wait)?;
    Ok(First { len, descriptors, cut })
}

/// Receives bytes; 0 is the end. Descriptors that come with them are closed. `wait` as for [`receive_first`].
///
/// # Errors
/// As [`receive_first`].
pub fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8], wait: bool) -> io::Result<usize> {
    // SAFETY: bytes that are initialised can be seen as bytes that need not be; the call writes bytes alone.
    let bytes = unsafe { &mut *(std::ptr::from_mut(bytes) as *mut [MaybeUninit<u8>]) };
    socket::receive_some(socket, bytes, wait)
}

/// Receives bytes behind those that `bytes` has, at most `most` and as many as it has capacity for.
///
/// # Errors
/// As [`receive_first`].
pub fn receive_onto(
    socket: BorrowedFd<'_>,
    bytes: &mut Vec<u8>,
    most: usize,
    wait: bool,
) -> io::Result<usize> {
    let room = bytes.spare_capacity_mut();
    let most = most.min(room.len());
    let len = socket::receive_some(socket, &mut room[..most], wait)?;
    // SAFETY: the system has written that many bytes behind the ones that were there, within the capacity.
    unsafe { bytes.set_len(bytes.len() + len) };
    Ok(len)
}

/// Waits until there is something to receive or the end (`true`), for at most `timeout` (`false`).
pub fn readable(socket: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    events::readable(socket, timeout)
}

/// Waits until there is room to send (`true`), for at most `timeout` (`false`).
pub fn writable(socket: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    events::writable(socket, timeout)
}

/// Waits until one of these is readable or at its end, for at most `timeout`; the places of all that are.
///
/// # Errors
/// More descriptors than the process may have.
pub fn readable_of(descriptors: &[BorrowedFd<'_>], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    events::readable_of(descriptors, timeout)
}

/// Has the system look whether the other side of a TCP connection is there when nothing comes from it: after 30
/// seconds, and if it does not answer every 10, three times; then the connection is at its end.
///
/// # Errors
/// It is no TCP connection.
pub fn keep_alive(socket: BorrowedFd<'_>) -> io::Result<()> {
    socket::keep_alive(socket)
}

/// Whether somebody, in any process, has [stopped](stop) this listening socket.
pub fn is_stopped(listener: BorrowedFd<'_>) -> bool {
    events::is_over(listener)
}

/// Stops a socket, whoever has it too. A connected one is at its end for both sides; of a listening one, whoever waits
/// for it is woken, and nobody can connect to it any more.
pub fn stop(listener: BorrowedFd<'_>) {
    socket::stop(listener);
}

/// A descriptor that is readable once somebody has knocked.
#[derive(Debug)]
pub struct Knock(events::Alarm);

impl Knock {
    /// One on which nobody has knocked.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn new() -> io::Result<Knock> {
        events::Alarm::new().map(Knock)
    }

    /// Knocks, from any thread.
    pub fn knock(&self) {
        self.0.ring();
    }
}

impl AsFd for Knock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
