//! What processes of one program need between them: locks, values, arrays, queues and pipes.
//!
//! The names are those of Python's `multiprocessing`. Every object can be a part of the argument of a `Process`, of an
//! initializer or of any pool's task, and works the same between threads. A process that dies while it has an object
//! in its hands costs what it had in its hands, and nobody else waits for it.
//!
//! `docs/shared.md` in the repository is the shape of all of it.

#![forbid(unsafe_code)]

mod access;
mod claim;
#[cfg(any(feature = "queue", loom))]
mod ends;
mod error;
mod permits;
mod raw;
mod rounds;
mod rows;
mod sync;
mod waiters;

// Under `--cfg loom` the agreements alone are compiled, without any feature, and their models are run.
#[cfg(not(loom))]
mod barrier;
#[cfg(not(loom))]
mod condition;
#[cfg(feature = "connection")]
mod connection;
#[cfg(not(loom))]
mod crossing;
#[cfg(not(loom))]
mod event;
#[cfg(not(loom))]
mod lock;
#[cfg(feature = "manager")]
mod manager;
#[cfg(all(feature = "memory", not(loom)))]
mod memory;
#[cfg(not(loom))]
mod once;
#[cfg(feature = "queue")]
mod queue;
#[cfg(not(loom))]
mod rlock;
#[cfg(not(loom))]
mod rw_lock;
#[cfg(not(loom))]
mod semaphore;

#[cfg(not(loom))]
pub use barrier::Barrier;
/// What the items of arrays and values are: [`Pod`](bytemuck::Pod), plain data. With its feature `derive`, structs of
/// such are such.
#[cfg(all(feature = "memory", not(loom)))]
pub use bytemuck;
#[cfg(not(loom))]
pub use condition::{Condition, ConditionGuard};
#[cfg(feature = "connection")]
pub use connection::{
    Address, AuthenticationError, Client, ConnectError, Connection, ConnectionError, IntoAddress, Listener,
    Receiver, Sender, Waitable, one_way, pipe, wait,
};
#[cfg(not(loom))]
pub use error::{BrokenBarrier, ConditionError, ReleaseError};
#[cfg(not(loom))]
pub use event::Event;
#[cfg(not(loom))]
pub use lock::{Lock, LockGuard};
#[cfg(feature = "manager")]
pub use manager::*;
#[cfg(all(feature = "memory", not(loom)))]
pub use memory::*;
#[cfg(not(loom))]
pub use once::Once;
#[cfg(feature = "queue")]
pub use queue::{GetError, JoinError, JoinableQueue, PutError, Queue, SimpleQueue, TaskDoneError};
#[cfg(not(loom))]
pub use rlock::{RLock, RLockGuard};
#[cfg(not(loom))]
pub use rw_lock::{ReadGuard, RwLock, WriteGuard};
#[cfg(not(loom))]
pub use semaphore::{BoundedSemaphore, Permit, Semaphore};
