//! What every kind of pool can be configured with.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::error::{Error, ErrorKind, Result};

/// How many workers a pool is to have, and what it is called.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How many workers; `None`: one per core that this process may use.
    pub workers: Option<usize>,
    /// The pool's name; `None`: its kind and a number.
    pub name: Option<String>,
}

impl Settings {
    /// The number of workers.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for 0.
    pub fn count(&self) -> Result<usize> {
        match self.workers {
            Some(0) => Err(no_workers()),
            Some(workers) => Ok(workers),
            None => Ok(std::thread::available_parallelism().map_or(1, NonZeroUsize::get)),
        }
    }

    /// The pool's name, by default `KIND-1` and so on by the program's count of such pools.
    ///
    /// # Errors
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for a name with a control character.
    pub fn name(&self, kind: &str, count: &AtomicUsize) -> Result<String> {
        match &self.name {
            Some(name) if name.contains(char::is_control) => {
                let text = "a pool's name with a control character; use printable text";
                Err(Error::new(ErrorKind::InvalidArgument, text))
            }
            Some(name) => Ok(name.clone()),
            // ORDERING: only uniqueness matters.
            None => Ok(format!("{kind}-{}", count.fetch_add(1, Relaxed) + 1)),
        }
    }
}

pub(crate) fn no_workers() -> Error {
    Error::new(ErrorKind::InvalidArgument, "a pool of 0 workers; ask for at least 1")
}
