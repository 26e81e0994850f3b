//! Listening for connections, and connecting.

use std::fmt;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pool_ipc::own::Stays;
use pool_ipc::{passing, stream};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::{Address, IntoAddress};
use super::ends::Connection;
use super::error::ConnectError;
use super::handshake::{PATIENCE, Secret};
use super::line::{LIMIT, Line};

/// Listens for connections from any process, as Python's `multiprocessing.connection.Listener`: each one that it
/// accepts sends `T` and receives `U`.
///
/// It listens on a socket file, an abstract name or TCP: see [`Address`]. An address at which somebody
/// listens cannot be bound again.
///
/// A socket file goes with the listener, when it is closed or dropped. A process that is killed leaves its file, at which
/// nobody can connect any more: to bind it again is an error ("address in use"), as nobody can know whose it
/// is; remove it first. An abstract name is not left.
///
/// **A listener can be passed** as a [`Connection`] can: in an argument, a result, or through a connection on this machine.
/// It is then the same socket in both processes, and whoever accepts a client first has it. Its key goes along. The socket
/// file stays with the listener that bound it, and goes with that: keep it, and pass what
/// [`try_clone`](Listener::try_clone) gives.
///
/// With a [`key`](Listener::key) each side shows the other that it has the key (HMAC-SHA-256 of random challenges), before
/// anything else that it sends is looked at. What is sent afterwards is not encrypted, nor protected against somebody in
/// between: for that, and for TCP across machines, use a tunnel (SSH, TLS). Without a key whoever can connect is
/// believed to be this program: a value is read as the type that it should have, and any bytes give a value or an
/// error.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{Address, Client, Connection, Listener};
///
/// fn ask(address: Address) -> usize {
///     let server: Connection<String, usize> = Client::new().key(b"secret").connect(&address).unwrap();
///     server.send(&"hello".to_owned()).unwrap();
///     server.recv().unwrap()
/// }
///
/// let listener = Listener::<usize, String>::bind("127.0.0.1:0")?.key(b"secret");
/// let child = Process::spawn(ask, listener.address().clone())?;
/// let client = listener.accept()?;
/// let text = client.recv()?;
/// client.send(&text.len())?;
/// assert_eq!(child.join()?, 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Listener<T, U = T> {
    socket: Socket,
    address: Address,
    /// The file that was made for it.
    file: Option<SocketFile>,
    secret: Option<Secret>,
    closed: AtomicBool,
    types: PhantomData<fn(T) -> U>,
}

enum Socket {
    Unix(Stays<UnixListener>),
    Tcp(Stays<TcpListener>),
}

impl<T, U> Listener<T, U> {
    /// Listens at an address: an [`Address`], or a text or path that is one.
    ///
    /// # Errors
    /// [`Address`](ConnectError::Address) for a text that is none; [`System`](ConnectError::System) when
    /// somebody listens there already, there is a file, or the system refuses.
    pub fn bind(address: impl IntoAddress) -> Result<Listener<T, U>, ConnectError> {
        let mut address = address.into_address()?;
        let mut file = None;
        let socket = match &mut address {
            Address::Path(path) => {
                let socket = UnixListener::bind(&*path).map_err(|error| explain(error, path))?;
                file = SocketFile::at(path);
                Socket::unix(socket)?
            }
            Address::Abstract(name) => {
                Socket::unix(UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)?)?
            }
            Address::Tcp(address) => {
                let socket = TcpListener::bind(&**address)?;
                *address = socket.local_addr()?.to_string();
                socket.set_nonblocking(true)?;
                Socket::Tcp(Stays::new(socket))
            }
        };
        Ok(Listener {
            socket,
            address,
            file,
            secret: None,
            closed: AtomicBool::new(false),
            types: PhantomData,
        })
    }

    /// Accepts those alone who have this key, and shows them that it has it too. A client may take 10 seconds for it;
    /// meanwhile this call of [`accept`](Listener::accept) serves nobody else.
    #[must_use]
    pub fn key(self, key: &[u8]) -> Listener<T, U> {
        self.key_within(key, PATIENCE)
    }

    /// The same with another limit of time for each client.
    #[must_use]
    pub fn key_within(mut self, key: &[u8], timeout: Duration) -> Listener<T, U> {
        self.secret = Some(Secret::new(key, timeout));
        self
    }

    /// The same listener once more, to be passed to another process or used by another thread. The socket file stays
    /// with the one that bound it.
    ///
    /// # Errors
    /// It is closed, or the system refuses a descriptor.
    pub fn try_clone(&self) -> io::Result<Listener<T, U>> {
        if self.is_closed() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a listener that is closed"));
        }
        let socket = Socket::of(&self.address, self.as_fd().try_clone_to_owned()?)?;
        Ok(Listener::sharing(socket, self.address.clone(), self.secret.clone()))
    }

    /// A listener on a socket that another one bound.
    fn sharing(socket: Socket, address: Address, secret: Option<Secret>) -> Listener<T, U> {
        Listener { socket, address, file: None, secret, closed: AtomicBool::new(false), types: PhantomData }
    }

    fn is_closed(&self) -> bool {
        // ORDERING: as in `accept`.
        self.closed.load(Relaxed)
    }

    /// Where it listens; for TCP with the port that it has.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for a client. Threads may wait at the same time.
    ///
    /// # Errors
    /// [`Authentication`](ConnectError::Authentication) when a client did not show the key: the next call waits for
    /// the next client. [`Closed`](ConnectError::Closed) once it is closed. [`System`](ConnectError::System) when the
    /// system refuses a descriptor.
    pub fn accept(&self) -> Result<Connection<T, U>, ConnectError> {
        self.accept_within(None)
    }

    /// The same, but waits at most for `timeout`. A handshake has its own time.
    ///
    /// # Errors
    /// As [`accept`](Listener::accept); [`TimedOut`](ConnectError::TimedOut) when nobody came.
    pub fn accept_timeout(&self, timeout: Duration) -> Result<Connection<T, U>, ConnectError> {
        self.accept_within(Some(timeout))
    }

    fn accept_within(&self, timeout: Option<Duration>) -> Result<Connection<T, U>, ConnectError> {
        // A time past the end of time is none.
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let socket = loop {
            // ORDERING: whoever closes stops the socket as well, which says the same.
            if self.closed.load(Relaxed) {
                return Err(ConnectError::Closed);
            }
            match self.socket.accept() {
                Ok(socket) => break socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // In another process.
                    if stream::is_stopped(self.as_fd()) {
                        return Err(ConnectError::Closed);
                    }
                    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                    if !stream::readable(self.as_fd(), left) {
                        return Err(ConnectError::TimedOut);
                    }
                }
                // A client that has gone again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                // Closed meanwhile.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return Err(ConnectError::Closed);
                }
                Err(error) => return Err(error.into()),
            }
        };
        if let Some(secret) = &self.secret {
            secret.receive(socket.as_fd())?;
        }
        Ok(Connection::of(Line::new(socket, LIMIT)?))
    }

    /// Listens no more: whoever waits in [`accept`](Listener::accept) gets
    /// [`Closed`](ConnectError::Closed), and so does who comes later, in every process that has this listener.
    /// Connections that were accepted stay.
    pub fn close(&self) {
        // ORDERING: as in `accept`; the swap lets one do it.
        if self.closed.swap(true, Relaxed) {
            return;
        }
        if let Some(file) = &self.file {
            file.remove();
        }
        stream::stop(self.as_fd());
    }
}

#[cfg(feature = "manager")]
impl<T, U> Listener<T, U> {
    /// Its socket, which does not wait in an accept, its address, and the file that is to be removed.
    pub(crate) fn into_parts(mut self) -> io::Result<(OwnedFd, Address, Option<SocketFile>)> {
        let socket = self.as_fd().try_clone_to_owned()?;
        Ok((socket, self.address.clone(), self.file.take()))
    }
}

// Who wanted to connect may be gone, or accepted by another thread, by the time of the accept: so that does not wait.
impl Socket {
    fn unix(socket: UnixListener) -> io::Result<Socket> {
        socket.set_nonblocking(true)?;
        Ok(Socket::Unix(Stays::new(socket)))
    }

    /// A socket that listens at this address already.
    fn of(address: &Address, socket: OwnedFd) -> io::Result<Socket> {
        // Only a socket of the right family says where it is.
        match address {
            Address::Tcp(_) => {
                let socket = TcpListener::from(socket);
                socket.local_addr()?;
                Ok(Socket::Tcp(Stays::new(socket)))
            }
            Address::Path(_) | Address::Abstract(_) => {
                let socket = UnixListener::from(socket);
                socket.local_addr()?;
                Socket::unix(socket)
            }
        }
    }

    fn accept(&self) -> io::Result<OwnedFd> {
        match self {
            Socket::Unix(socket) => Ok(socket.accept()?.0.into()),
            Socket::Tcp(socket) => {
                let stream = socket.accept()?.0;
                // A message is sent as a whole: there is nothing to wait for.
                stream.set_nodelay(true)?;
                Ok(stream.into())
            }
        }
    }
}

impl<T, U> Drop for Listener<T, U> {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            file.remove();
        }
    }
}

impl<T, U> AsFd for Listener<T, U> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl<T, U> fmt::Debug for Listener<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, has_key) = (format_args!("{}", self.address), self.secret.is_some());
        f.debug_struct("Listener").field("address", &address).field("has_key", &has_key).finish()
    }
}

/// A listener as it crosses: the place of its descriptor, where it listens, its key and how long that may take.
#[derive(Serialize, Deserialize)]
struct Encoded {
    place: u64,
    address: Address,
    secret: Option<(Vec<u8>, Duration)>,
}

impl<T, U> Serialize for Listener<T, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_closed() {
            return Err(S::Error::custom("a listener that is closed"));
        }
        let place = match passing::list(self.as_fd()) {
            Some(place) => place.map_err(|error| format!("a listener cannot be passed: {error}")),
            None => {
                Err("a listener can be passed in an argument or a result, and through a connection on this \
                 machine, but not in a context or elsewhere"
                    .to_owned())
            }
        };
        let secret = self.secret.as_ref().map(Secret::parts);
        let place = place.map_err(S::Error::custom)?;
        Encoded { place, address: self.address.clone(), secret }.serialize(serializer)
    }
}

impl<'de, T, U> Deserialize<'de> for Listener<T, U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Listener<T, U>, D::Error> {
        let Encoded { place, address, secret } = Encoded::deserialize(deserializer)?;
        let socket = passing::take(place)
            .ok_or_else(|| D::Error::custom("a listener whose descriptor did not come along"))?;
        let socket =
            Socket::of(&address, socket).map_err(|error| D::Error::custom(format!("a listener: {error}")))?;
        let secret = secret.map(|(key, patience)| Secret::new(&key, patience));
        Ok(Listener::sharing(socket, address, secret))
    }
}

/// A socket file, and how to know it again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SocketFile {
    path: PathBuf,
    device: u64,
    node: u64,
    /// Who is to remove it: who made it, and whoever is told of it.
    #[serde(skip, default = "std::process::id")]
    pid: u32,
}

impl SocketFile {
    /// The one that has just been made here.
    fn at(path: &Path) -> Option<SocketFile> {
        // The program may change its folder.
        let path = std::path::absolute(path).ok()?;
        let found = fs::symlink_metadata(&path).ok()?;
        Some(SocketFile { path, device: found.dev(), node: found.ino(), pid: std::process::id() })
    }

    /// Removes it, if it is not another's by now. In a process that was forked it is its parent's.
    pub(crate) fn remove(&self) {
        let same = |found: fs::Metadata| (found.dev(), found.ino()) == (self.device, self.node);
        if self.pid == std::process::id() && fs::symlink_metadata(&self.path).is_ok_and(same) {
            // Nothing depends on it, and there is nobody to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn explain(error: io::Error, path: &Path) -> ConnectError {
    if error.kind() != io::ErrorKind::AddrInUse {
        return error.into();
    }
    let text = format!(
        "{} is there already; if no program listens there, one that was killed has left it: remove it",
        path.display()
    );
    io::Error::new(io::ErrorKind::AddrInUse, text).into()
}

/// How to connect to a [`Listener`], as Python's `multiprocessing.connection.Client`.
#[derive(Clone, Default)]
pub struct Client {
    secret: Option<Secret>,
}

impl Client {
    /// Connects without a key.
    pub fn new() -> Client {
        Client::default()
    }

    /// Shows the listener that it has this key, and wants the same of it. The listener may take 10 seconds to accept the
    /// connection and do so.
    #[must_use]
    pub fn key(self, key: &[u8]) -> Client {
        self.key_within(key, PATIENCE)
    }

    /// The same with another limit of time.
    #[must_use]
    pub fn key_within(mut self, key: &[u8], timeout: Duration) -> Client {
        self.secret = Some(Secret::new(key, timeout));
        self
    }

    /// Connects: what it sends is `T`, and what it receives `U`.
    ///
    /// Without a key the connection is there before the listener has accepted it: it can send, and be dropped, and the
    /// listener receives what was sent.
    ///
    /// # Errors
    /// [`Address`](ConnectError::Address) for a text that is none, [`System`](ConnectError::System) when nobody listens
    /// there, [`Authentication`](ConnectError::Authentication) when the two keys differ or the listener has none.
    pub fn connect<T, U>(&self, address: impl IntoAddress) -> Result<Connection<T, U>, ConnectError> {
        let socket = dial(&address.into_address()?)?;
        if let Some(secret) = &self.secret {
            secret.connect(socket.as_fd())?;
        }
        Ok(Connection::of(Line::new(socket, LIMIT)?))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("has_key", &self.secret.is_some()).finish()
    }
}

/// A connection to who listens at this address, with whom nothing has been spoken.
pub(crate) fn dial(address: &Address) -> io::Result<OwnedFd> {
    Ok(match address {
        Address::Path(path) => again(|| UnixStream::connect(path))?.into(),
        Address::Abstract(name) => {
            let address = SocketAddr::from_abstract_name(name)?;
            again(|| UnixStream::connect_addr(&address))?.into()
        }
        Address::Tcp(address) => {
            let stream = again(|| TcpStream::connect(&**address))?;
            stream.set_nodelay(true)?;
            stream.into()
        }
    })
}

/// Again after every signal.
fn again<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}
