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

/// What is to be done with a [`Condition`](crate::Condition) cannot be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConditionError {
    /// This thread does not have the condition's lock.
    NotOwner,
    /// As many threads wait as can.
    TooManyWaiters,
}

impl fmt::Display for ConditionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConditionError::NotOwner => "the lock of a condition has to be held to wait for it or to notify",
            ConditionError::TooManyWaiters => "too many threads wait for a condition",
        })
    }
}

impl Error for ConditionError {}

/// The round of a [`Barrier`](crate::Barrier) was broken: by a party whose time was over, that called `abort` or
/// `reset`, or that died; or the barrier has been broken since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokenBarrier;

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken: not all of its parties will come")
    }
}

impl Error for BrokenBarrier {}
