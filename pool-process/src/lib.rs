//! A pool of worker processes that survives whatever its workers do.
//!
//! ```text
//!  callers ── submit ──> Hub: Scheduler decides ──> lane ─────────> worker process
//!     └── wait: lead ──> Hub: take in replies <──── lane <───────── (pool_process::worker)
//!  supervisor thread: starts workers, sees them out, keeps time
//! ```
//!
//! [`ProcessPool`] is the user's end; the surface is [`Pool`](pool_core::Pool). The scheduler is plain
//! code that decides, the hub performs what it decides under the pool's one lock, `shared` delivers
//! outcomes without it, `waiting` is how callers wait, `supervisor` is the pool's own thread.

#![forbid(unsafe_code)]

mod births;
mod clock;
mod finalize;
mod fork_map;
mod hooks;
mod hub;
mod identity;
mod keeper;
mod listening;
mod logs;
mod options;
mod own;
mod pool;
mod porter;
mod post;
mod process;
mod scheduler;
mod shared;
mod supervisor;
mod ticket;
mod waiting;
mod worker;

pub use finalize::{Finalizer, at_exit};
pub use fork_map::ForkMap;
pub use identity::{CurrentProcess, ParentProcess, Role, cpu_count, current_process, parent_process};
#[cfg(feature = "log")]
pub use logs::{RecordOrigin, log_to_stderr, record_origin};
pub use pool::{ProcessPool, ProcessPoolBuilder};
pub use pool_ipc::start_method::StartMethod;
pub use process::{ActiveChild, Passed, Process, ProcessBuilder, Run, StillRunning, active_children};
