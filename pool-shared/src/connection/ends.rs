//! The ends of a connection, with the types of what goes through it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use pool_core::codec;
use pool_core::scratch::with_scratch;
use pool_ipc::{passing, stream};
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::ConnectionError;
use super::line::{HEAD, LIMIT, Line};

/// Two ends of a two-way connection on this machine, as Python's `Pipe()`: what one end sends, the other receives.
///
/// # Errors
/// The system refuses the descriptors.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{Connection, pipe};
///
/// fn lengths(asked: Connection<usize, String>) {
///     while let Ok(text) = asked.recv() {
///         asked.send(&text.len()).unwrap();
///     }
/// }
///
/// let (here, there) = pipe::<String, usize>()?;
/// let child = Process::spawn(lengths, there)?;
/// here.send(&"hello".to_owned())?;
/// assert_eq!(here.recv()?, 5);
/// drop(here); // the child sees the end
/// child.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pipe<T, U>() -> io::Result<(Connection<T, U>, Connection<U, T>)> {
    let (one, other) = stream::pair()?;
    Ok((Connection::of(Line::new(one, LIMIT)?), Connection::of(Line::new(other, LIMIT)?)))
}

/// Two ends of a one-way connection on this machine, as Python's `Pipe(duplex=False)`.
///
/// # Errors
/// The system refuses the descriptors.
///
/// ```
/// let (sender, receiver) = pool_shared::one_way::<Vec<f64>>()?;
/// sender.send(&vec![0.5; 1_000])?;
/// assert_eq!(receiver.recv()?.len(), 1_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// What goes the other way does not compile:
///
/// ```compile_fail
/// let (sender, receiver) = pool_shared::one_way::<u8>().unwrap();
/// receiver.send(&1);
/// ```
pub fn one_way<T>() -> io::Result<(Sender<T>, Receiver<T>)> {
    let (sender, receiver) = pipe::<T, T>()?;
    Ok((Sender(sender), Receiver(receiver)))
}

/// One end of a connection that sends `T` and receives `U`.
///
/// It can be a part of the argument of a `Process` or of a pool's task, of a result, and of what is sent through another
/// connection on the same machine: who gets it has the same end, and who passed it can drop its own. In a context (`with`),
/// which goes to many workers, it is an encode error.
///
/// Threads may use one end at the same time: messages stay whole. Processes that hold the same end and send, or
/// receive, at the same time need a lock around that; [`poll`](Connection::poll) needs none.
///
/// A child by `StartMethod::Fork` has the ends that it is given, as any other child. In its copies of the program's other
/// ends, those in a `static` for example, the other side is gone. In `ForkMap`, whose closure captures, all ends are
/// copied, and an end counts as gone when every copy is.
pub struct Connection<T, U = T> {
    line: Line,
    direction: PhantomData<fn(T) -> U>,
}

impl<T, U> Connection<T, U> {
    pub(super) fn of(line: Line) -> Connection<T, U> {
        Connection { line, direction: PhantomData }
    }

    /// The longest message that it sends or receives, in bytes.
    pub fn limit(&self) -> u64 {
        self.line.limit()
    }

    /// Has it send and receive no message of more than so many bytes. Default: 16 GiB. Memory for a message is
    /// taken as the message arrives, whatever the length that it announces.
    pub fn set_limit(&mut self, bytes: u64) {
        self.line.set_limit(bytes);
    }

    /// Sends a value. Waits while the other end has too much that it has not received.
    ///
    /// Bytes, text and vectors of numbers go as they are in memory. A descriptor in the value
    /// (`Passed`, a connection, the memory of a shared object) goes with it where both ends are on
    /// this machine.
    ///
    /// # Errors
    /// [`End`](ConnectionError::End) when the other end is gone, [`Encode`](ConnectionError::Encode) when the value
    /// cannot be encoded, [`TooLong`](ConnectionError::TooLong) beyond the limit, [`Torn`](ConnectionError::Torn)
    /// after an error within a message.
    pub fn send(&self, value: &T) -> Result<(), ConnectionError>
    where
        T: Serialize + 'static,
    {
        self.send_within(value, None)
    }

    /// The same, but waits for room at most for `timeout`.
    ///
    /// # Errors
    /// As [`send`](Connection::send); [`TimedOut`](ConnectionError::TimedOut) when there is no room for a beginning in
    /// that time, [`Torn`](ConnectionError::Torn) when the other end stops receiving for as long within the message.
    pub fn send_timeout(&self, value: &T, timeout: Duration) -> Result<(), ConnectionError>
    where
        T: Serialize + 'static,
    {
        self.send_within(value, Some(timeout))
    }

    fn send_within(&self, value: &T, pause: Option<Duration>) -> Result<(), ConnectionError>
    where
        T: Serialize + 'static,
    {
        if let Some(sent) = codec::with_plain(value, |bytes| self.line.send(bytes, pause)) {
            return sent;
        }
        with_scratch(|bytes| {
            bytes.resize(HEAD, 0);
            let (encoded, descriptors) = self.line.encode(|| codec::encode(value, bytes));
            encoded.map_err(ConnectionError::Encode)?;
            self.line.send_behind_head(bytes, &descriptors, pause)
        })
    }

    /// Receives a value. Waits until one is there.
    ///
    /// # Errors
    /// [`End`](ConnectionError::End) when the other end is gone and nothing is left,
    /// [`Decode`](ConnectionError::Decode) when the message is no `U` (or a descriptor in it did not come along),
    /// [`TooLong`](ConnectionError::TooLong) beyond the limit, [`Torn`](ConnectionError::Torn) when the connection
    /// broke within a message.
    pub fn recv(&self) -> Result<U, ConnectionError>
    where
        U: DeserializeOwned + 'static,
    {
        self.recv_within(None)
    }

    /// The same, but waits at most for `timeout`.
    ///
    /// # Errors
    /// As [`recv`](Connection::recv); [`TimedOut`](ConnectionError::TimedOut) when no message begins in that time,
    /// [`Torn`](ConnectionError::Torn) when the other end stops sending for as long within one.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<U, ConnectionError>
    where
        U: DeserializeOwned + 'static,
    {
        self.recv_within(Some(timeout))
    }

    fn recv_within(&self, pause: Option<Duration>) -> Result<U, ConnectionError>
    where
        U: DeserializeOwned + 'static,
    {
        if codec::is_plain::<U>() {
            // It becomes the value.
            return self.recv_onto(&mut Vec::new(), pause);
        }
        with_scratch(|bytes| self.recv_onto(bytes, pause))
    }

    fn recv_onto(&self, bytes: &mut Vec<u8>, pause: Option<Duration>) -> Result<U, ConnectionError>
    where
        U: DeserializeOwned + 'static,
    {
        let descriptors = self.line.begin(pause)?.onto(bytes)?;
        if codec::is_plain::<U>()
            && let Some(value) = codec::from_plain(std::mem::take(bytes))
        {
            return value.map_err(ConnectionError::Decode);
        }
        passing::receiving(descriptors, || codec::decode(bytes)).map_err(ConnectionError::Decode)
    }

    /// Whether there is something to receive: a message, an error or the end. Waits for it at most for `timeout`; zero
    /// looks and returns. Takes nothing.
    pub fn poll(&self, timeout: Duration) -> bool {
        self.line.poll(timeout)
    }

    /// Sends bytes as they are, whatever the types of the connection.
    ///
    /// # Errors
    /// As [`send`](Connection::send), without encoding.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.line.send(bytes, None)
    }

    /// Receives a message as the bytes that it is.
    ///
    /// # Errors
    /// As [`recv`](Connection::recv), without decoding.
    pub fn recv_bytes(&self) -> Result<Vec<u8>, ConnectionError> {
        self.bytes_within(None)
    }

    fn bytes_within(&self, pause: Option<Duration>) -> Result<Vec<u8>, ConnectionError> {
        let mut bytes = Vec::new();
        self.line.begin(pause)?.onto(&mut bytes)?;
        Ok(bytes)
    }

    /// Receives a message into `buffer`, from `offset` on, and gives its length.
    ///
    /// # Errors
    /// As [`recv_bytes`](Connection::recv_bytes); [`TooSmall`](ConnectionError::TooSmall) with the message when it
    /// has no room there. An offset beyond the buffer is [`System`](ConnectionError::System) (invalid input), and
    /// nothing is received.
    pub fn recv_bytes_into(&self, buffer: &mut [u8], offset: usize) -> Result<usize, ConnectionError> {
        let size = buffer.len();
        let Some(room) = buffer.get_mut(offset..) else {
            let text = format!("offset {offset} in a buffer of {size} bytes");
            return Err(ConnectionError::System(io::Error::new(io::ErrorKind::InvalidInput, text)));
        };
        let incoming = self.line.begin(None)?;
        let len = incoming.len();
        match room.get_mut(..len) {
            Some(room) => incoming.into_slice(room).map(|()| len),
            None => {
                let mut message = Vec::new();
                incoming.onto(&mut message)?;
                Err(ConnectionError::TooSmall(message))
            }
        }
    }
}

/// The sending end of a one-way connection; see [`one_way`]. Passed on as a [`Connection`].
pub struct Sender<T>(Connection<T, T>);

impl<T> Sender<T> {
    /// Sends a value: see [`Connection::send`].
    ///
    /// # Errors
    /// As there.
    pub fn send(&self, value: &T) -> Result<(), ConnectionError>
    where
        T: Serialize + 'static,
    {
        self.0.send(value)
    }

    /// The same with a limit of time: see [`Connection::send_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn send_timeout(&self, value: &T, timeout: Duration) -> Result<(), ConnectionError>
    where
        T: Serialize + 'static,
    {
        self.0.send_timeout(value, timeout)
    }

    /// Sends bytes: see [`Connection::send_bytes`].
    ///
    /// # Errors
    /// As there.
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), ConnectionError> {
        self.0.send_bytes(bytes)
    }

    /// Sets the longest message: see [`Connection::set_limit`].
    pub fn set_limit(&mut self, bytes: u64) {
        self.0.set_limit(bytes);
    }
}

/// The receiving end of a one-way connection; see [`one_way`]. Passed on as a [`Connection`].
pub struct Receiver<T>(Connection<T, T>);

impl<T> Receiver<T> {
    /// Receives a value: see [`Connection::recv`].
    ///
    /// # Errors
    /// As there.
    pub fn recv(&self) -> Result<T, ConnectionError>
    where
        T: DeserializeOwned + 'static,
    {
        self.0.recv()
    }

    /// The same with a limit of time: see [`Connection::recv_timeout`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, ConnectionError>
    where
        T: DeserializeOwned + 'static,
    {
        self.0.recv_timeout(timeout)
    }

    /// Whether there is something to receive: see [`Connection::poll`].
    pub fn poll(&self, timeout: Duration) -> bool {
        self.0.poll(timeout)
    }

    /// Receives bytes: see [`Connection::recv_bytes`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_bytes(&self) -> Result<Vec<u8>, ConnectionError> {
        self.0.recv_bytes()
    }

    /// Receives bytes into a buffer: see [`Connection::recv_bytes_into`].
    ///
    /// # Errors
    /// As there.
    pub fn recv_bytes_into(&self, buffer: &mut [u8], offset: usize) -> Result<usize, ConnectionError> {
        self.0.recv_bytes_into(buffer, offset)
    }

    /// Sets the longest message: see [`Connection::set_limit`].
    pub fn set_limit(&mut self, bytes: u64) {
        self.0.set_limit(bytes);
    }
}

impl<T, U> AsFd for Connection<T, U> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

impl<T> AsFd for Sender<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T> AsFd for Receiver<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<T, U> From<Connection<T, U>> for OwnedFd {
    fn from(connection: Connection<T, U>) -> OwnedFd {
        connection.line.into_socket()
    }
}

/// A connection through a stream socket that something else has made.
impl<T, U> TryFrom<OwnedFd> for Connection<T, U> {
    type Error = io::Error;

    fn try_from(socket: OwnedFd) -> io::Result<Connection<T, U>> {
        Line::new(socket, LIMIT).map(Connection::of)
    }
}

impl<T, U> fmt::Debug for Connection<T, U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.line).finish()
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sender").field(&self.0.line).finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receiver").field(&self.0.line).finish()
    }
}

/// An end as it crosses: the place of its descriptor, and its limit.
#[derive(Serialize, Deserialize)]
struct Encoded {
    place: u64,
    limit: u64,
}

impl<T, U> Serialize for Connection<T, U> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.line.is_torn() {
            return Err(S::Error::custom("a connection that broke in the middle of a message"));
        }
        let place = match passing::list(self.as_fd()) {
            Some(place) => place.map_err(|error| format!("a connection cannot be passed: {error}")),
            None => Err(
                "a connection can be passed in an argument or a result, and through a connection on this \
                     machine, but not in a context or elsewhere"
                    .to_owned(),
            ),
        };
        Encoded { place: place.map_err(S::Error::custom)?, limit: self.line.limit() }.serialize(serializer)
    }
}

impl<'de, T, U> Deserialize<'de> for Connection<T, U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Connection<T, U>, D::Error> {
        let Encoded { place, limit } = Encoded::deserialize(deserializer)?;
        let socket = passing::take(place)
            .ok_or_else(|| D::Error::custom("a connection whose descriptor did not come along"))?;
        let line =
            Line::new(socket, limit).map_err(|error| D::Error::custom(format!("a connection: {error}")))?;
        Ok(Connection::of(line))
    }
}

impl<T> Serialize for Sender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Sender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Sender<T>, D::Error> {
        Connection::deserialize(deserializer).map(Sender)
    }
}

impl<T> Serialize for Receiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for Receiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Receiver<T>, D::Error> {
        Connection::deserialize(deserializer).map(Receiver)
    }
}
