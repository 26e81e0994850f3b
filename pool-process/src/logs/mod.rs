//! Records that a child makes: where they go.
//!
//! ```text
//!  the child                                         ║  who started it
//!  log::info!(..) ── Forwarder: encode ── a packet ──╫──> pool-logs (thread) ──> the program's logger
//! ```
//!
//! A child of its own accord has no logger. It is given one that sends each record to who started it
//! (`forward_logs`), or the one that prints (if the program uses [`log_to_stderr`](on::log_to_stderr)).
//!
//! Without the feature `log` there is nothing of this: `off.rs` has the same verbs, which do nothing.

#[cfg(not(feature = "log"))]
mod off;
#[cfg(feature = "log")]
mod on;

#[cfg(not(feature = "log"))]
pub(crate) use off::{Kit, install, note, notes};
#[cfg(feature = "log")]
pub(crate) use on::{Kit, install, note, notes};
#[cfg(feature = "log")]
pub use on::{RecordOrigin, log_to_stderr, record_origin};
