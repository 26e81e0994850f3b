//! The thread pool: the surface of [`Pool`](pool_core::Pool) on threads of this process.
//!
//! It is the cheap twin of the process pool: values are moved, not encoded, and a task costs well
//! under a microsecond. What threads cannot give is isolation: a task that aborts, or overflows its
//! stack, takes the program along, and one that never returns cannot be killed. A panic is caught
//! and carried as an error all the same.
//!
//! [`ThreadPool::scope`] is for closures that borrow, which no other process could run.

#![forbid(unsafe_code)]

mod pool;
mod queue;
mod scope;
mod shared;
mod timer;
mod worker;

pub use pool::{ThreadPool, ThreadPoolBuilder};
pub use scope::{Scope, ScopedResult};
