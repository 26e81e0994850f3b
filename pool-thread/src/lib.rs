//! The thread pool: the surface of [`Pool`](pool_core::Pool) on threads of this process.
//!
//! It is the cheap twin of the process pool: values are moved, not encoded, and a task costs well
//! under a microsecond. What threads cannot give is isolation: a task that aborts, or overflows its
//! stack, takes the program along, and one that never returns cannot be killed. A panic is caught
//! and carried as an error all the same.
//!
//! [`ThreadPool::scope`] is for closures that borrow, which no other process could run.

#![forbid(unsafe_code)]
// Under `--cfg loom` the queue alone is compiled, and its models are run.
#![cfg_attr(loom, allow(dead_code))]

mod queue;
mod sync;

#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod scope;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod timer;
#[cfg(not(loom))]
mod worker;

#[cfg(not(loom))]
pub use pool::{ThreadPool, ThreadPoolBuilder};
#[cfg(not(loom))]
pub use scope::{Scope, ScopedResult};
