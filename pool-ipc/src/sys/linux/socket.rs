//! Sockets that carry descriptors: socketpair(2), unix(7). Some keep messages apart, others are streams of bytes.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{beside_streams, check, retry};

/// How many descriptors one message can carry (SCM_MAX_FD).
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// Two sockets that keep messages apart, each of which hears what the other says, and the end when the other is gone.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair_of(libc::SOCK_SEQPACKET)
}

/// The same as streams of bytes.
pub(crate) fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    pair_of(libc::SOCK_STREAM)
}

fn pair_of(kind: libc::c_int) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut both = [-1; 2];
    // SAFETY: `both` has room for the two descriptors, which are owned from here on.
    let [one, other] = unsafe {
        let kind = kind | libc::SOCK_CLOEXEC;
        check(libc::socketpair(libc::AF_UNIX, kind, 0, both.as_mut_ptr()))?;
        both.map(|descriptor| OwnedFd::from_raw_fd(descriptor))
    };
    Ok((beside_streams(one)?, beside_streams(other)?))
}

/// Room for the control message of [`MOST_DESCRIPTORS`], aligned as one has to be.
#[repr(C, align(8))]
struct Room([MaybeUninit<u8>; ROOM]);
// SAFETY: arithmetic on a number.
const ROOM: usize = unsafe { libc::CMSG_SPACE((MOST_DESCRIPTORS * size_of::<RawFd>()) as u32) as usize };

impl Room {
    fn new() -> Room {
        Room([MaybeUninit::zeroed(); ROOM])
    }

    /// Has `message` carry these descriptors.
    ///
    /// # Safety
    /// `self` lives, and is not moved, until `message` has been sent.
    unsafe fn attach<D: AsFd>(&mut self, message: &mut libc::msghdr, descriptors: &[D]) -> io::Result<()> {
        if descriptors.is_empty() {
            return Ok(());
        }
        if descriptors.len() > MOST_DESCRIPTORS {
            let text =
                format!("{} descriptors in one message: {MOST_DESCRIPTORS} can be sent", descriptors.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let len = (descriptors.len() * size_of::<RawFd>()) as u32;
        // SAFETY: the room holds a header and the descriptors, whose number is within its bound.
        unsafe {
            message.msg_control = self.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(len) as _;
            let head = libc::CMSG_FIRSTHDR(message);
            (*head).cmsg_level = libc::SOL_SOCKET;
            (*head).cmsg_type = libc::SCM_RIGHTS;
            (*head).cmsg_len = libc::CMSG_LEN(len) as _;
            let place = libc::CMSG_DATA(head).cast::<RawFd>();
            for (nth, descriptor) in descriptors.iter().enumerate() {
                place.add(nth).write_unaligned(descriptor.as_fd().as_raw_fd());
            }
        }
        Ok(())
    }

    /// Takes the descriptors that came with `message`.
    ///
    /// # Safety
    /// The system has just filled `message`, whose control message lies in a room that still lives. To be called once.
    unsafe fn detach(message: &libc::msghdr) -> Vec<OwnedFd> {
        let mut descriptors = Vec::new();
        // SAFETY: the headers that the macros find were written by the kernel, and its descriptors are new and
        // owned by nobody else.
        unsafe {
            let mut head = libc::CMSG_FIRSTHDR(message);
            while !head.is_null() {
                if ((*head).cmsg_level, (*head).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                    let place = libc::CMSG_DATA(head).cast::<RawFd>();
                    let size = (*head).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                    descriptors.extend(
                        (0..size / size_of::<RawFd>())
                            .map(|nth| OwnedFd::from_raw_fd(place.add(nth).read_unaligned())),
                    );
                }
                head = libc::CMSG_NXTHDR(message, head);
            }
        }
        descriptors
    }
}

/// sendmsg(2), again after every signal that came before anything was sent; how much was sent.
fn send_message(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[impl AsFd],
    flags: libc::c_int,
) -> io::Result<usize> {
    if let ([part], []) = (parts, descriptors) {
        let flags = flags | libc::MSG_NOSIGNAL;
        // SAFETY: so many valid bytes.
        return transferred(|| unsafe {
            libc::send(socket.as_raw_fd(), part.as_ptr().cast(), part.len(), flags)
        });
    }
    let mut room = Room::new();
    // SAFETY: all-zero is a valid msghdr; an IoSlice is an iovec. What it points to lives until the call returns, and
    // sendmsg only reads.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = parts.as_ptr().cast_mut().cast();
        message.msg_iovlen = parts.len() as _;
        room.attach(&mut message, descriptors)?;
        transferred(|| libc::sendmsg(socket.as_raw_fd(), &message, flags | libc::MSG_NOSIGNAL))
    }
}

/// The result of a call that says how many bytes it has moved, made again after a signal.
fn transferred(mut call: impl FnMut() -> isize) -> io::Result<usize> {
    loop {
        if let Ok(len) = usize::try_from(call()) {
            return Ok(len);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends one message with at most [`MOST_DESCRIPTORS`] descriptors, without waiting.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    send_message(socket, &[IoSlice::new(bytes)], descriptors, libc::MSG_DONTWAIT).map(drop)
}

/// Sends the first of these bytes into a stream, with at most [`MOST_DESCRIPTORS`] descriptors; how many it was.
/// Without `wait`, no room is an error.
pub(crate) fn send_some(
    socket: BorrowedFd<'_>,
    parts: &[IoSlice<'_>],
    descriptors: &[impl AsFd],
    wait: bool,
) -> io::Result<usize> {
    send_message(socket, parts, descriptors, if wait { 0 } else { libc::MSG_DONTWAIT })
}

/// Receives one message: how many of `bytes` it filled, and what came with it. Length 0 and nothing
/// with it is the end of the line. Without `wait`, a message that is not there is an error.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    wait: bool,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let flags = if wait { 0 } else { libc::MSG_DONTWAIT };
    let (len, descriptors, cut) = receive_message(socket, bytes, flags)?;
    if cut {
        return Err(io::Error::other("a message or its descriptors were cut short"));
    }
    Ok((len, descriptors))
}

/// Receives bytes of a stream, with what came with the first of them. With `wait` as many as there is room for, but
/// fewer at the stream's end or after a signal. The last of the three: not all descriptors could be taken in.
pub(crate) fn receive_first(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    wait: bool,
) -> io::Result<(usize, Vec<OwnedFd>, bool)> {
    receive_message(socket, bytes, if wait { libc::MSG_WAITALL } else { libc::MSG_DONTWAIT })
}

/// recvmsg(2), again after every signal.
fn receive_message(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    flags: libc::c_int,
) -> io::Result<(usize, Vec<OwnedFd>, bool)> {
    // What the system does not fill is not looked at.
    let mut room = Room([MaybeUninit::uninit(); ROOM]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid msghdr; what it points to lives until the call returns, with the sizes
    // given; `room` until its descriptors are taken.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = room.0.as_mut_ptr().cast();
        message.msg_controllen = ROOM as _;
        let flags = flags | libc::MSG_CMSG_CLOEXEC;
        let len = transferred(|| libc::recvmsg(socket.as_raw_fd(), &mut message, flags))?;
        let descriptors = Room::detach(&message);
        Ok((len, descriptors, message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0))
    }
}

/// Receives bytes of a stream; descriptors that come with them are closed. `wait` as in [`receive_first`].
pub(crate) fn receive_some(
    socket: BorrowedFd<'_>,
    bytes: &mut [MaybeUninit<u8>],
    wait: bool,
) -> io::Result<usize> {
    let flags = if wait { libc::MSG_WAITALL } else { libc::MSG_DONTWAIT };
    // SAFETY: the call writes at most that many bytes, from there on.
    transferred(|| unsafe { libc::recv(socket.as_raw_fd(), bytes.as_mut_ptr().cast(), bytes.len(), flags) })
}

/// Whether the descriptor is a stream socket of this machine alone (`Some(true)`), or of a network (`Some(false)`).
pub(crate) fn stream_kind(socket: BorrowedFd<'_>) -> io::Result<Option<bool>> {
    let option = |name| {
        let mut value: libc::c_int = 0;
        let mut len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the option is an int, and there is room for one.
        retry(|| unsafe {
            let value = (&raw mut value).cast();
            libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, name, value, &mut len)
        })?;
        Ok::<_, io::Error>(value)
    };
    let kind = (option(libc::SO_TYPE)?, option(libc::SO_DOMAIN)?, option(libc::SO_ACCEPTCONN)?);
    Ok(match kind {
        (libc::SOCK_STREAM, libc::AF_UNIX, 0) => Some(true),
        (libc::SOCK_STREAM, libc::AF_INET | libc::AF_INET6, 0) => Some(false),
        _ => None,
    })
}

/// Stops a listening socket: whoever waits for it is woken, and nobody can connect to it any more, whoever else has it.
pub(crate) fn stop(socket: BorrowedFd<'_>) {
    // SAFETY: a plain system call. It fails where it has been stopped before.
    unsafe { libc::shutdown(socket.as_raw_fd(), libc::SHUT_RDWR) };
}

/// Has the system look after a connection of a network on which nothing comes: the other side is gone if it has not
/// answered for about a minute.
pub(crate) fn keep_alive(socket: BorrowedFd<'_>) -> io::Result<()> {
    let settings = [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 30),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 10),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3),
    ];
    for (level, name, value) in settings {
        let value: libc::c_int = value;
        // SAFETY: each option is an int, and is given one.
        retry(|| unsafe {
            let (value, len) = ((&raw const value).cast(), size_of::<libc::c_int>() as libc::socklen_t);
            libc::setsockopt(socket.as_raw_fd(), level, name, value, len)
        })?;
    }
    Ok(())
}
