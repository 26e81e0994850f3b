//! Limits of the system, explained to whoever runs into one.

use std::io;

use crate::sys::limits;

/// The same error; where it comes of a limit on what this process may have, its text says which, how high
/// it is, and how to raise it.
pub fn explain(error: io::Error) -> io::Error {
    match limits::explain(&error) {
        Some(limit) => io::Error::new(error.kind(), format!("{error}: {limit}")),
        None => error,
    }
}
