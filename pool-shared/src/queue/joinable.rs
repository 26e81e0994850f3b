//! The queue that knows what became of its items.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::core::Joined;
use super::typed::Typed;
use super::until::Until;
use super::{Core, GetError, PutError, bounded, common};
use crate::crossing::{self, Kind};

/// A [`Queue`](super::Queue) whose items are reported as done by who got them, as Python's
/// `multiprocessing.JoinableQueue`.
///
/// The queue remembers how many items each process has got and not reported. If one dies with some, nobody will report
/// them: [`join`](JoinableQueue::join) then ends with an error that says how many. Whoever makes up for them calls
/// [`task_done`](JoinableQueue::task_done) in place of the dead process.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::JoinableQueue;
///
/// let work = JoinableQueue::new()?;
/// let consumer = |work: JoinableQueue<String>| {
///     while let Ok(text) = work.get() {
///         assert!(!text.is_empty());
///         work.task_done().expect("an item that was got");
///     }
/// };
/// let child = Process::spawn(consumer, work.clone())?;
/// work.put("one".to_owned())?;
/// work.put("two".to_owned())?;
/// work.join()?;
/// work.close();
/// child.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JoinableQueue<T>(pub(super) Typed<T>);

common!(JoinableQueue);
bounded!(JoinableQueue);

impl<T> JoinableQueue<T> {
    /// Reports an item as done: one that this process got, or else one of a process that died, or else of any.
    ///
    /// # Errors
    /// Every item that was got has been reported.
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        if self.0.core.task_done() { Ok(()) } else { Err(TaskDoneError) }
    }

    /// Waits until every item that was put has been got and reported as done.
    ///
    /// # Errors
    /// Processes died with items that nobody has reported; see [`JoinError::Lost`].
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_until(Until::Ever)
    }

    /// As [`join`](JoinableQueue::join), for at most `timeout`.
    ///
    /// # Errors
    /// As `join`, or time is over.
    pub fn join_timeout(&self, timeout: Duration) -> Result<(), JoinError> {
        self.join_until(Until::after(timeout))
    }

    fn join_until(&self, until: Until) -> Result<(), JoinError> {
        match self.0.core.join(until) {
            Joined::Done => Ok(()),
            Joined::Lost(items) => Err(JoinError::Lost(items)),
            Joined::Time => Err(JoinError::Timeout),
        }
    }
}

/// More was reported as done than was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskDoneError;

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done was called more often than there were items")
    }
}

impl Error for TaskDoneError {}

/// Why a join ended before everything was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// Processes died that had got so many items and not reported them. Every `join` says so until somebody calls
    /// [`task_done`](JoinableQueue::task_done) for each of them.
    Lost(usize),
    /// The time was over.
    Timeout,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::Lost(1) => {
                f.write_str("a process died that had got an item and not reported it as done")
            }
            JoinError::Lost(items) => {
                write!(f, "processes died that had got {items} items and not reported them as done")
            }
            JoinError::Timeout => f.write_str("not all items were reported as done in time"),
        }
    }
}

impl Error for JoinError {}
