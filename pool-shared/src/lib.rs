//! What processes of one program need between them: locks, values, arrays, queues and pipes.
//!
//! The names are those of Python's `multiprocessing`. Every object can be a part of the argument of a `Process`, of an
//! initializer or of any pool's task, and works the same between threads. A process that dies while it has an object
//! in its hands costs what it had in its hands, and nobody else waits for it.
//!
//! `docs/shared.md` in the repository is the shape of all of it.

#![forbid(unsafe_code)]

mod raw;
mod sync;

// Under `--cfg loom` the agreements alone are compiled, without any feature, and their models are run.
#[cfg(feature = "connection")]
mod connection;
#[cfg(not(loom))]
mod crossing;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod lock;
#[cfg(feature = "memory")]
mod plain;
#[cfg(feature = "memory")]
mod shared_vec;

/// What the items of arrays and values are: [`Pod`](bytemuck::Pod), plain data. With its feature `derive`, structs of
/// such are such.
#[cfg(feature = "memory")]
pub use bytemuck;
#[cfg(feature = "connection")]
pub use connection::{
    Address, AuthenticationError, Client, ConnectError, Connection, ConnectionError, IntoAddress, Listener,
    Receiver, Sender, Waitable, one_way, pipe, wait,
};
#[cfg(not(loom))]
pub use error::ReleaseError;
#[cfg(not(loom))]
pub use event::Event;
#[cfg(not(loom))]
pub use lock::{Lock, LockGuard};
#[cfg(feature = "memory")]
pub use shared_vec::{SharedVec, SharedVecDraft};
