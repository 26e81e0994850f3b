//! The queue with few words.

use std::fmt;
use std::io;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::typed::Typed;
use super::until::Until;
use super::{Core, GetError, PutError, common};
use crate::crossing::{self, Kind};

/// A [`Queue`](super::Queue) with `put`, `get`, `is_empty` and `close` alone, as Python's `multiprocessing.SimpleQueue`.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::SimpleQueue;
///
/// let names = SimpleQueue::new()?;
/// let put = |names: SimpleQueue<String>| names.put("Ada".to_owned()).is_ok();
/// assert!(Process::spawn(put, names.clone())?.join()?);
/// assert_eq!(names.get()?, "Ada");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SimpleQueue<T>(Typed<T>);

common!(SimpleQueue);

impl<T> SimpleQueue<T> {
    /// A new queue with room for any number of items.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<SimpleQueue<T>> {
        Typed::create(Kind::SimpleQueue, None, None).map(SimpleQueue)
    }
}
