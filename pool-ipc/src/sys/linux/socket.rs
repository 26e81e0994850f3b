//! Pairs of connected sockets that keep messages apart and carry descriptors: socketpair(2), unix(7).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{beside_streams, check};

/// How many descriptors one message can carry (SCM_MAX_FD).
pub(crate) const MOST_DESCRIPTORS: usize = 253;

/// Two sockets, each of which hears what the other says, and the end when the other is gone.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut both = [-1; 2];
    // SAFETY: `both` has room for the two descriptors, which are owned from here on.
    let [one, other] = unsafe {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
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

/// Sends one message with at most [`MOST_DESCRIPTORS`] descriptors, without waiting.
pub(crate) fn send(socket: BorrowedFd<'_>, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut room = Room([MaybeUninit::zeroed(); ROOM]);
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid msghdr; what it points to lives until the call returns, and sendmsg
    // only reads. The room holds a header and the descriptors, whose number is within its bound.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        if !descriptors.is_empty() {
            if descriptors.len() > MOST_DESCRIPTORS {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            let len = size_of_val(descriptors) as u32;
            message.msg_control = room.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(len) as _;
            let head = libc::CMSG_FIRSTHDR(&message);
            (*head).cmsg_level = libc::SOL_SOCKET;
            (*head).cmsg_type = libc::SCM_RIGHTS;
            (*head).cmsg_len = libc::CMSG_LEN(len) as _;
            let place = libc::CMSG_DATA(head).cast::<RawFd>();
            for (nth, descriptor) in descriptors.iter().enumerate() {
                place.add(nth).write_unaligned(descriptor.as_raw_fd());
            }
        }
        loop {
            let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
            if libc::sendmsg(socket.as_raw_fd(), &message, flags) >= 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

/// Receives one message: how many of `bytes` it filled, and what came with it. Length 0 and nothing
/// with it is the end of the line. Without `wait`, a message that is not there is an error.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    bytes: &mut [u8],
    wait: bool,
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut room = Room([MaybeUninit::zeroed(); ROOM]);
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all-zero is a valid msghdr; what it points to lives until the call returns, with the sizes
    // given. The headers that the macros find were written by the kernel, and its descriptors are new and
    // owned by nobody else.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &mut part;
        message.msg_iovlen = 1;
        message.msg_control = room.0.as_mut_ptr().cast();
        message.msg_controllen = ROOM as _;
        let flags = libc::MSG_CMSG_CLOEXEC | if wait { 0 } else { libc::MSG_DONTWAIT };
        let len = loop {
            let len = libc::recvmsg(socket.as_raw_fd(), &mut message, flags);
            if len >= 0 {
                break len as usize;
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        };
        let mut descriptors = Vec::new();
        let mut head = libc::CMSG_FIRSTHDR(&message);
        while !head.is_null() {
            if ((*head).cmsg_level, (*head).cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
                let place = libc::CMSG_DATA(head).cast::<RawFd>();
                let size = (*head).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                descriptors.extend(
                    (0..size / size_of::<RawFd>())
                        .map(|nth| OwnedFd::from_raw_fd(place.add(nth).read_unaligned())),
                );
            }
            head = libc::CMSG_NXTHDR(&message, head);
        }
        if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            return Err(io::Error::other("a message or its descriptors were cut short"));
        }
        Ok((len, descriptors))
    }
}
