//! Why an item was not put or got.

use std::error::Error;
use std::fmt;
use std::io;

/// Why an item was not put, with the item.
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue was full, for as long as the call was to wait.
    Full(T),
    /// The queue is closed.
    Closed(T),
    /// The item cannot be encoded, or is larger than any queue (32 GiB at most); or the queue's memory was written by
    /// somebody else.
    Failed(T, io::Error),
}

/// Why no item was got.
#[derive(Debug)]
#[non_exhaustive]
pub enum GetError {
    /// The queue was empty, for as long as the call was to wait.
    Empty,
    /// The queue is closed, and nothing is left in it.
    Closed,
    /// An item was taken that cannot be decoded; or the queue's memory was written by somebody else.
    Failed(io::Error),
}

impl<T> PutError<T> {
    /// The item.
    pub fn into_inner(self) -> T {
        match self {
            PutError::Full(item) | PutError::Closed(item) | PutError::Failed(item, _) => item,
        }
    }

    /// Whether the queue was full.
    pub fn is_full(&self) -> bool {
        matches!(self, PutError::Full(_))
    }

    /// Whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, PutError::Closed(_))
    }
}

impl GetError {
    /// Whether the queue was empty.
    pub fn is_empty(&self) -> bool {
        matches!(self, GetError::Empty)
    }

    /// Whether the queue is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, GetError::Closed)
    }
}

// The item need not have a text form.
impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full(_) => f.write_str("Full(..)"),
            PutError::Closed(_) => f.write_str("Closed(..)"),
            PutError::Failed(_, error) => write!(f, "Failed(.., {error:?})"),
        }
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PutError::Full(_) => f.write_str("the queue is full"),
            PutError::Closed(_) => f.write_str("the queue is closed"),
            PutError::Failed(_, error) => write!(f, "an item cannot be put: {error}"),
        }
    }
}

impl<T> Error for PutError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            PutError::Failed(_, error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GetError::Empty => f.write_str("the queue is empty"),
            GetError::Closed => f.write_str("the queue is closed, and nothing is left in it"),
            GetError::Failed(error) => write!(f, "an item cannot be got: {error}"),
        }
    }
}

impl Error for GetError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            GetError::Failed(error) => Some(error),
            _ => None,
        }
    }
}
