//! What can be wrong with a call.

use std::error::Error;
use std::fmt;

/// What was to be given back is not the caller's to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Nobody holds it.
    NotLocked,
    /// This thread does not hold it.
    NotOwner,
    /// More permits than there were at first.
    TooMany,
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ReleaseError::NotLocked => "a lock that nobody holds cannot be released",
            ReleaseError::NotOwner => "a lock that this thread does not hold cannot be released by it",
            ReleaseError::TooMany => "more permits were released than the semaphore had at first",
        })
    }
}

impl Error for ReleaseError {}
