//! What can go wrong with connections.

use std::convert::Infallible;
use std::error::Error;
use std::{fmt, io};

use pool_core::codec::CodecError;

/// Why a message could not be sent or received.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The other end is gone. A receiver has had everything that was sent.
    End,
    /// A message was left in the middle: the other end went away or stopped there, or what came before on this
    /// connection was an error within a message. Nothing more goes in this direction.
    Torn,
    /// The time is over, and nothing was sent or received.
    TimedOut,
    /// A message is longer than the connection's limit. One to send was not sent; one to receive leaves the
    /// connection [`Torn`](ConnectionError::Torn).
    TooLong {
        /// How many bytes it has, or says to have.
        len: u64,
        /// How many the connection allows.
        limit: u64,
    },
    /// The buffer is too small for the message, which is here.
    TooSmall(Vec<u8>),
    /// The value cannot be encoded. Nothing was sent.
    Encode(CodecError),
    /// The message is not an encoding of the expected type. It is lost, and the next one can be received.
    Decode(CodecError),
    /// The listener at the other end wants a key, and this side connected without one.
    KeyWanted,
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionError::End => f.write_str("the other end of the connection is gone"),
            ConnectionError::Torn => f.write_str("the connection broke in the middle of a message"),
            ConnectionError::TimedOut => f.write_str("the time for a message is over"),
            ConnectionError::TooLong { len, limit } => {
                write!(f, "a message of {len} bytes, where {limit} are allowed: see `set_limit`")
            }
            ConnectionError::TooSmall(message) => {
                write!(f, "the buffer is too small for a message of {} bytes", message.len())
            }
            ConnectionError::Encode(error) => write!(f, "a value cannot be sent: {error}"),
            ConnectionError::Decode(error) => write!(f, "a message cannot be read: {error}"),
            ConnectionError::KeyWanted => {
                f.write_str("the listener wants a key: connect with `Client::new().key(..)`")
            }
            ConnectionError::System(error) => write!(f, "a connection failed: {error}"),
        }
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectionError::Encode(error) | ConnectionError::Decode(error) => Some(error),
            ConnectionError::System(error) => Some(error),
            _ => None,
        }
    }
}

/// Why there is no connection: of a listener, or of a client.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is of no kind that there is here.
    Address(String),
    /// The listener was closed.
    Closed,
    /// The time is over, and nobody came.
    TimedOut,
    /// The other side did not show that it has the key, or did not accept ours.
    Authentication(AuthenticationError),
    /// The system refuses: the address is in use, nobody listens there.
    System(io::Error),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Address(why) => f.write_str(why),
            ConnectError::Closed => f.write_str("the listener was closed"),
            ConnectError::TimedOut => f.write_str("nobody connected in time"),
            ConnectError::Authentication(error) => write!(f, "no authentication: {error}"),
            ConnectError::System(error) => write!(f, "no connection: {error}"),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectError::Authentication(error) => Some(error),
            ConnectError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> ConnectError {
        ConnectError::System(error)
    }
}

impl From<AuthenticationError> for ConnectError {
    fn from(error: AuthenticationError) -> ConnectError {
        ConnectError::Authentication(error)
    }
}

/// An address that is one already.
impl From<Infallible> for ConnectError {
    fn from(never: Infallible) -> ConnectError {
        match never {}
    }
}

/// Why the other side is not believed to have the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// It answered our challenge with something else than the key gives.
    WrongAnswer,
    /// It refused our answer to its challenge.
    Refused,
    /// What it sent is no handshake: it has no key, or is another kind of program.
    Malformed,
    /// It went away before the end of the handshake.
    Ended,
    /// It did not come to the end of the handshake in time.
    TimedOut,
}

impl fmt::Display for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AuthenticationError::WrongAnswer => "the other side has another key",
            AuthenticationError::Refused => "the other side refused our answer: it has another key",
            AuthenticationError::Malformed => "the other side sent something that is no handshake",
            AuthenticationError::Ended => "the other side went away before the end of the handshake",
            AuthenticationError::TimedOut => "the other side took too long for the handshake",
        })
    }
}

impl Error for AuthenticationError {}
