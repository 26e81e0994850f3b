//! What can go wrong with a managed object.

use std::error::Error;
use std::{fmt, io};

use pool_core::PanicInfo;
use pool_core::codec::CodecError;
use serde::{Deserialize, Serialize};

use super::wire::VERSION;
use crate::connection::{Address, ConnectError};
use crate::error::{BrokenBarrier, ConditionError, ReleaseError};
use crate::queue::{JoinError, TaskDoneError};

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
    /// What was asked for cannot be made or done so.
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
    /// Of a lock or a semaphore: what was to be given back is not this caller's to give.
    Release(ReleaseError),
    /// Of a condition: it cannot be waited for or notified now.
    Condition(ConditionError),
    /// Of a barrier.
    Broken(BrokenBarrier),
    /// Of a queue: it is full, empty, or closed. Its methods say so in errors of their own.
    Queue(QueueState),
    /// Of a joinable queue: more was reported as done than was got.
    TaskDone(TaskDoneError),
    /// Of a joinable queue: a join ended before everything was done.
    Join(JoinError),
    /// A pool in the server, or a task on it, failed.
    Pool(pool_core::Error),
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
            ManagerError::Release(error) => error.fmt(f),
            ManagerError::Condition(error) => error.fmt(f),
            ManagerError::Broken(error) => error.fmt(f),
            ManagerError::Queue(state) => write!(f, "the queue is {}", format!("{state:?}").to_lowercase()),
            ManagerError::TaskDone(error) => error.fmt(f),
            ManagerError::Join(error) => error.fmt(f),
            ManagerError::Pool(error) => write!(f, "a pool of the manager: {error}"),
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
            ManagerError::Pool(error) => Some(error),
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

/// What a queue is that refuses an item, or gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum QueueState {
    /// It has as many items as it has room for.
    Full,
    /// It has no item.
    Empty,
    /// It is closed; for who gets: and nothing is left in it.
    Closed,
}

/// What an object answers that knows the caller's mistake, or does what was asked no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    NotLocked,
    NotOwner,
    TooMany,
    NotOwnerOfCondition,
    Broken,
    Queue(QueueState),
    NothingToReport,
    Lost(u64),
    NotDone,
}

impl From<Refusal> for ManagerError {
    fn from(refusal: Refusal) -> ManagerError {
        match refusal {
            Refusal::NotLocked => ManagerError::Release(ReleaseError::NotLocked),
            Refusal::NotOwner => ManagerError::Release(ReleaseError::NotOwner),
            Refusal::TooMany => ManagerError::Release(ReleaseError::TooMany),
            Refusal::NotOwnerOfCondition => ManagerError::Condition(ConditionError::NotOwner),
            Refusal::Broken => ManagerError::Broken(BrokenBarrier),
            Refusal::Queue(state) => ManagerError::Queue(state),
            Refusal::NothingToReport => ManagerError::TaskDone(TaskDoneError),
            Refusal::Lost(items) => {
                ManagerError::Join(JoinError::Lost(usize::try_from(items).unwrap_or(usize::MAX)))
            }
            Refusal::NotDone => ManagerError::Join(JoinError::Timeout),
        }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Fault {
        Fault::Answered(refusal)
    }
}

/// What the server answers instead of a value.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Fault {
    NoObject,
    NoMethod,
    Panicked {
        message: String,
        location: Option<String>,
        backtrace: Option<String>,
    },
    Refused(String),
    OtherBuild,
    NotFound(String),
    TooLong(u64),
    Misuse(String),
    Deadlock,
    Answered(Refusal),
    /// The server ends, and with it a wait.
    Gone,
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
            Fault::Answered(refusal) => refusal.into(),
            Fault::Gone => ManagerError::Gone,
        }
    }
}

impl From<PanicInfo> for Fault {
    fn from(panic: PanicInfo) -> Fault {
        Fault::Panicked { message: panic.message, location: panic.location, backtrace: panic.backtrace }
    }
}
