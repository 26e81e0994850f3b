//! What a pool is, without saying what its workers are.
//!
//! A user meets [`Pool`], [`AsyncResult`], [`Error`], [`with`] and [`star`]. A backend meets
//! [`Backend`], the seam that it fills, and [`work::Work`], a task with its types erased. In between
//! lie chunking, the order of results, laziness, options, and the [`codec`] that values cross a
//! process boundary in.
//!
//! This crate makes no system call and starts no thread, and it does not know whether a worker is a
//! thread, a process, or another machine.

#![deny(unsafe_code)]

mod again;
mod backend;
pub mod callbacks;
mod chunk;
pub mod codec;
mod error;
mod event;
mod function;
mod gather;
mod handle;
mod imap;
mod initializer;
#[doc(hidden)]
pub mod lend;
pub mod luggage;
mod one;
mod options;
mod outcome;
pub mod panics;
mod pool;
mod room;
pub mod scratch;
mod settings;
mod shim;
pub mod single;
mod slot;
mod source;
pub mod window;
pub mod work;

pub use backend::{AnyPool, Backend};
pub use error::{Error, ErrorKind, Exit, PanicInfo, Result, Worker};
pub use event::{Event, Registration, park_until, unparker};
pub use function::{Carried, ContextSlot, Star, StarFn, TaskFn, With, star, with};
pub use handle::AsyncResult;
pub use imap::IMap;
pub use initializer::{EncodedInitializer, SharedInitializer};
pub use options::{Options, View};
pub use pool::{Message, Pool};
pub use settings::Settings;
pub use shim::Entry;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks without regard to poison: no user code runs under this crate's locks but decoding, whose
/// panics are caught.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the backend of `docs/how-to-add.md` as a test of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../docs/how-to-add.md")]
struct HowToAdd;
