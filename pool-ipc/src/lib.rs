//! How two processes of one program share memory, wake each other and name functions.
//!
//! - [`birth`]: a process is born, whatever way; re-executing the program, and catching it before `main`.
//! - [`lane`]: the memory a worker shares with its pool: requests one way, replies the other.
//! - [`bell`]: the word on which a pool's caller sleeps until some worker has replied.
//! - [`patience`]: how long to spin before sleeping.
//! - [`mod@line`]: the socket between a child and who started it: its order, commands, why it cannot start.
//! - [`start_method`]: the ways to turn a birth into a child; [`fork_server`] is one.
//! - [`own`]: what a forked child must not have of this library.
//! - [`life_line`]: a thread for births that are to die with the program, and not before.
//! - [`limits`]: an error of the system that comes of a limit says which.
//! - [`marked`]: functions that a client may name who is not trusted.
//! - [`packets`]: messages one way, for what a child has to tell and nobody waits for.
//! - [`parcel`]: one call of a function and its outcome, for a process that does nothing else.
//! - [`shared`]: memory that several processes have: what shared objects are made of; [`passing`]: how it goes along
//!   with bytes.
//! - [`results`]: what children that were forked for one call send back.
//! - [`exit`]: what runs when this process ends.
//! - [`child`] and [`watch`]: killing, reaping, and waiting for many children and alarms at once.
//! - [`stream`]: bytes and descriptors through stream sockets, and waiting for several of them.
//! - `sys`: the contract with the operating system, one folder per system.
//!
//! What is a task, a result, a retry is not known here: a lane carries functions of the program and
//! bytes. Nothing that the worker's side wrote is trusted by the pool's side.

mod protocol;
mod sync;

// Under `--cfg loom` the protocol alone is compiled, and its models are run.
#[cfg(not(loom))]
mod arena;
#[cfg(not(loom))]
pub mod bell;
#[cfg(not(loom))]
pub mod birth;
#[cfg(not(loom))]
pub mod child;
#[cfg(not(loom))]
pub mod exit;
#[cfg(not(loom))]
pub mod fork_server;
#[cfg(not(loom))]
mod image;
#[cfg(not(loom))]
pub mod lane;
#[cfg(not(loom))]
pub mod life_line;
#[cfg(not(loom))]
pub mod limits;
#[cfg(not(loom))]
pub mod line;
#[cfg(not(loom))]
pub mod marked;
#[cfg(not(loom))]
pub mod own;
#[cfg(not(loom))]
pub mod packets;
#[cfg(not(loom))]
pub mod parcel;
#[cfg(not(loom))]
pub mod passing;
#[cfg(not(loom))]
pub mod patience;
#[cfg(not(loom))]
pub mod results;
#[cfg(not(loom))]
mod segment;
#[cfg(not(loom))]
pub mod shared;
#[cfg(not(loom))]
pub mod start_method;
#[cfg(not(loom))]
pub mod stream;
#[cfg(not(loom))]
mod sys;
#[cfg(not(loom))]
pub mod watch;

#[cfg(not(loom))]
pub use image::Entry;
#[cfg(not(loom))]
pub use sys::core::{current_core, roam};
#[cfg(not(loom))]
pub use sys::memory::reserve_bytes;
