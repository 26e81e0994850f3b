//! Sockets with a name that is in no file system, for processes of the same user: unix(7), "abstract".

use std::io;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use super::{beside_streams, check};

/// The name is gone with the socket. Users are told apart, since all of them see the same names.
fn address(name: &str) -> io::Result<SocketAddr> {
    // SAFETY: a plain system call.
    let user = unsafe { libc::geteuid() };
    SocketAddr::from_abstract_name(format!("pool/{user}/{name}"))
}

/// A socket of this name, that does not wait. An error of the kind `AddrInUse`: there is one.
pub(crate) fn listen(name: &str) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(&address(name)?)?;
    listener.set_nonblocking(true)?;
    Ok(UnixListener::from(beside_streams(listener.into())?))
}

/// Who has connected to the listener, if it is the same user; an error of the kind `WouldBlock`: nobody has.
pub(crate) fn accept(listener: &UnixListener) -> io::Result<UnixStream> {
    loop {
        let stream = UnixStream::from(beside_streams(listener.accept()?.0.into())?);
        if is_same_user(&stream)? {
            return Ok(stream);
        }
    }
}

/// A connection to the listener of this name, which is of the same user.
pub(crate) fn connect(name: &str) -> io::Result<UnixStream> {
    let stream = UnixStream::from(beside_streams(UnixStream::connect_addr(&address(name)?)?.into())?);
    if is_same_user(&stream)? { Ok(stream) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

fn is_same_user(stream: &UnixStream) -> io::Result<bool> {
    let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut len = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `peer` has room for `len` bytes, and any bytes are one.
    unsafe {
        let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERCRED);
        let into = (&raw mut peer).cast();
        check(libc::getsockopt(stream.as_raw_fd(), level, option, into, &mut len))?;
        Ok(peer.uid == libc::geteuid())
    }
}
