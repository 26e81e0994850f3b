//! What can go wrong with a managed object.

use std::error::Error;
use std::{fmt, io};

use pool_core::PanicInfo;
use pool_core::codec::CodecError;
use serde::{Deserialize, Serialize};

use super::wire::VERSION;
use crate::connection::{Address, ConnectError};

/// Why a call on a managed object, or on its manager, gave nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum ManagerError {
    /// The server has ended, or closed this connection. What became of the call is not known.
    Gone,
    /// There is no such object any more.
    NoObject,
    /// The object has no such method, or does not show it to its proxies.
    NoMethod(String),
    /// The method panicked. The object lives on, as the method left it.
    Panicked(Box<PanicInfo>),
    /// The argument cannot be encoded. Nothing was sent.
    Encode(CodecError),
    /// The result cannot be decoded.
    Decode(CodecError),
    /// The server could not decode the argument, or not encode the result.
    Refused(String),
    /// What was asked names a function of the program, and the server runs another build of it. Objects that it has
    /// published, and types that it has registered, can be used all the same.
    OtherBuild,
    /// Nothing is published or registered under this name.
    NotFound(String),
    /// A message is longer than the server's or this side's limit.
    TooLong(u64),
    /// Of a lock, a condition or a queue: this caller may not do that now.
    Misuse(String),
    /// There is no such place in a list or an array.
    OutOfRange {
        /// The place that was asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// An attribute of a namespace is of another type than the one that was asked for.
    OtherType {
        /// The attribute's name.
        name: String,
        /// What its type is called.
        found: String,
    },
    /// A method of an object calls an object whose method is waiting for this one, itself most likely: it would wait for
    /// ever.
    Deadlock,
    /// A proxy was met that says nothing of where its server is.
    NoServer,
    /// A proxy was met whose server cannot be reached without its key: it is on another machine, of another user,
    /// or has ended. [Connect](crate::Manager::connect) to it first.
    NeedsKey(Address),
    /// Who listens there is no manager.
    NoManager,
    /// The manager speaks this version of the protocol, and this program another one.
    OtherVersion(u32),
    /// The manager has as many connections as it allows.
    TooManyConnections,
    /// There is no connection to the server.
    Connect(ConnectError),
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ManagerError::Gone => f.write_str("the manager's server is gone"),
            ManagerError::NoObject => f.write_str("the managed object is not there any more"),
            ManagerError::NoMethod(name) => write!(f, "the managed object has no method `{name}` for its proxies"),
            ManagerError::Panicked(panic) => {
                write!(f, "a method of the managed object panicked: {}", panic.message)?;
                panic.location.iter().try_for_each(|place| write!(f, ", at {place}"))
            }
            ManagerError::Encode(error) => write!(f, "an argument cannot be sent to the manager: {error}"),
            ManagerError::Decode(error) => write!(f, "a result of the manager cannot be read: {error}"),
            ManagerError::Refused(why) => write!(f, "the manager refuses the call: {why}"),
            ManagerError::OtherBuild => f.write_str(
                "the manager runs another build of the program, so that it has not this function: use objects that \
                 it has published, or types that it has registered",
            ),
            ManagerError::NotFound(name) => write!(f, "the manager has nothing of the name `{name}`"),
            ManagerError::TooLong(len) => write!(f, "a message of {len} bytes is more than the manager allows"),
            ManagerError::Misuse(why) => f.write_str(why),
            ManagerError::OutOfRange { index, len } => write!(f, "there is no place {index} among {len} items"),
            ManagerError::OtherType { name, found } => write!(f, "the attribute `{name}` is a `{found}`"),
            ManagerError::Deadlock => f.write_str("a managed object calls one that waits for it, and would wait for ever"),
            ManagerError::NoServer => f.write_str("a proxy came without its server's address"),
            ManagerError::NeedsKey(address) => write!(
                f,
                "the manager at {address} is gone, or cannot be reached without its key: connect to it first, with \
                 `Manager::connect`"
            ),
            ManagerError::NoManager => f.write_str("who listens there is no manager"),
            ManagerError::OtherVersion(theirs) => {
                write!(f, "the manager speaks version {theirs} of the protocol, and this program {VERSION}")
            }
            ManagerError::TooManyConnections => {
                f.write_str("the manager has as many connections as it allows")
            }
            ManagerError::Connect(error) => write!(f, "the manager cannot be reached: {error}"),
            ManagerError::System(error) => write!(f, "the system refuses a connection to the manager: {error}"),
        }
    }
}

impl Error for ManagerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ManagerError::Encode(error) | ManagerError::Decode(error) => Some(error),
            ManagerError::Connect(error) => Some(error),
            ManagerError::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ManagerError {
    fn from(error: io::Error) -> ManagerError {
        ManagerError::System(error)
    }
}

impl From<ConnectError> for ManagerError {
    fn from(error: ConnectError) -> ManagerError {
        ManagerError::Connect(error)
    }
}

/// What the server answers instead of a value.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Fault {
    NoObject,
    NoMethod,
    Panicked { message: String, location: Option<String>, backtrace: Option<String> },
    Refused(String),
    OtherBuild,
    NotFound(String),
    TooLong(u64),
    Misuse(String),
    Deadlock,
}

impl Fault {
    /// As the caller of this method has it.
    pub(crate) fn explain(self, method: &str) -> ManagerError {
        match self {
            Fault::NoObject => ManagerError::NoObject,
            Fault::NoMethod => ManagerError::NoMethod(method.to_owned()),
            Fault::Panicked { message, location, backtrace } => {
                ManagerError::Panicked(Box::new(PanicInfo { message, location, backtrace }))
            }
            Fault::Refused(why) => ManagerError::Refused(why),
            Fault::OtherBuild => ManagerError::OtherBuild,
            Fault::NotFound(name) => ManagerError::NotFound(name),
            Fault::TooLong(len) => ManagerError::TooLong(len),
            Fault::Misuse(why) => ManagerError::Misuse(why),
            Fault::Deadlock => ManagerError::Deadlock,
        }
    }
}

impl From<PanicInfo> for Fault {
    fn from(panic: PanicInfo) -> Fault {
        Fault::Panicked { message: panic.message, location: panic.location, backtrace: panic.backtrace }
    }
}
