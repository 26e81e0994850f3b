//! Queues between processes and threads.
//!
//! ```text
//!  put ──> encode ──> [tail's lock] ──> the ring ──> one word ═╗
//!                                                              ║ any process
//!  get <── decode <── [head's lock] <── the ring <── one word ═╝
//! ```
//!
//! `core.rs` is the queue of bytes; [`ends`](crate::ends) how its ends agree and how nobody sleeps on an item that is
//! there; `ring.rs` where the bytes lie.

mod core;
mod error;
mod joinable;
mod ledger;
mod pace;
mod ring;
mod simple;
#[cfg(test)]
mod tests;
mod typed;
mod until;
mod words;

use std::fmt;
use std::io;
use std::time::Duration;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) use self::core::Core;
pub use error::{GetError, PutError};
pub use joinable::{JoinError, JoinableQueue, TaskDoneError};
pub use simple::SimpleQueue;
use typed::Typed;
use until::Until;

use crate::crossing::{self, Kind};

/// A queue of values between any processes and threads, as Python's `multiprocessing.Queue`. A clone is the same queue,
/// and so is what another process decodes.
///
/// Items are any serde values. They come out in the order in which they went in, each once, whoever puts and whoever
/// gets. When [`put`](Queue::put) has returned, the item is in shared memory: no thread and no process has to live for
/// it to arrive. The queue has room for as many items as it was made for, or for as many as there is memory (2³⁰ items
/// or 32 GiB at most); the memory of a burst is given back when the queue has been emptied.
///
/// Each process that has a queue needs 64 GiB of address space for it, of which memory is taken only where items are. A
/// process whose address space is limited (`max_memory_per_worker`, `ulimit -v`) can be given one that was made by
/// [`bounded_within`](Queue::bounded_within); one that it makes itself has room for as much as it has address space.
///
/// Between processes that are awake neither `put` nor `get` needs a system call, and who waits for long sleeps.
///
/// **Who dies** with a `put` or a `get` under way, at whatever instant, costs at most that one item: it is in the
/// queue or not, whole, and nobody else waits for more than some milliseconds. An item that was got is the getter's, and
/// is gone with it; a [`JoinableQueue`] notices that.
///
/// An item that has shared objects in it finds them with the process that put it: that process has to keep them until
/// the item was got.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Queue;
///
/// let (numbers, squares) = (Queue::new()?, Queue::bounded(10)?);
/// let square = |(numbers, squares): (Queue<u64>, Queue<u64>)| {
///     // Until it is closed, and nothing is left in it.
///     while let Ok(number) = numbers.get() {
///         squares.put(number * number).expect("a queue that is open");
///     }
/// };
/// let child = Process::spawn(square, (numbers.clone(), squares.clone()))?;
/// for number in 1..=3 {
///     numbers.put(number)?;
/// }
/// assert_eq!((squares.get()?, squares.get()?, squares.get()?), (1, 4, 9));
/// numbers.close();
/// child.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Queue<T>(Typed<T>);

/// What is the same for all kinds of queues.
macro_rules! common {
    ($queue:ident) => {
        impl<T> $queue<T> {
            /// Whether there is no item in it.
            pub fn is_empty(&self) -> bool {
                self.0.core.len() == 0
            }

            /// Closes it, for all processes: what is put from now on is refused, and what is got is what was left in
            /// it.
            pub fn close(&self) {
                self.0.core.close();
            }

            /// Whether it is closed.
            pub fn is_closed(&self) -> bool {
                self.0.core.is_closed()
            }
        }

        impl<T: Serialize + DeserializeOwned + 'static> $queue<T> {
            /// Puts an item at the end. Waits while the queue is full.
            ///
            /// # Errors
            /// The queue is closed, or the item cannot be put in any; with the item.
            pub fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.0.put(item, Until::Ever)
            }

            /// Takes the first item. Waits while there is none.
            ///
            /// # Errors
            /// The queue is closed and nothing is left in it, or the item cannot be decoded (it is gone then).
            pub fn get(&self) -> Result<T, GetError> {
                self.0.get(Until::Ever)
            }
        }

        #[cfg(feature = "connection")]
        impl<T> crate::connection::wait::sealed::Sealed for $queue<T> {
            fn waited(&self) -> crate::connection::wait::sealed::Waited<'_> {
                crate::connection::wait::sealed::Waited::Memory(&self.0.core)
            }
        }

        impl<T> Clone for $queue<T> {
            fn clone(&self) -> $queue<T> {
                $queue(self.0.clone())
            }
        }

        impl<T> fmt::Debug for $queue<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let core = &self.0.core;
                let mut text = f.debug_struct(stringify!($queue));
                text.field("len", &core.len()).field("is_closed", &core.is_closed());
                if let Some(bound) = core.bound() {
                    text.field("bound", &bound);
                }
                text.finish()
            }
        }

        impl<T> Serialize for $queue<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                crossing::serialize(self.0.core.block(), serializer)
            }
        }

        impl<'de, T> Deserialize<'de> for $queue<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$queue<T>, D::Error> {
                let block = crossing::deserialize(Kind::$queue, deserializer)?;
                Core::of(Kind::$queue, block).map(Typed::of).map($queue).map_err(D::Error::custom)
            }
        }
    };
}

/// What queues have that can be bounded.
macro_rules! bounded {
    ($queue:ident) => {
        impl<T> $queue<T> {
            /// A new queue with room for any number of items.
            ///
            /// # Errors
            /// The system refuses the memory or a descriptor.
            pub fn new() -> io::Result<$queue<T>> {
                Typed::create(Kind::$queue, None, None).map($queue)
            }

            /// A new queue with room for so many items (Python's `maxsize`).
            ///
            /// # Errors
            /// `max_items` is 0; the system refuses the memory or a descriptor.
            pub fn bounded(max_items: usize) -> io::Result<$queue<T>> {
                Typed::create(Kind::$queue, Some(max_items), None).map($queue)
            }

            /// A new queue with room for so many items which together take at most so many bytes, with 16 for each in
            /// addition. It needs address space for twice the bytes alone, rounded up to a power of two and to 128 KiB: so
            /// it can be given to a process whose memory is limited. Where the items are larger, fewer have room.
            ///
            /// # Errors
            /// `max_items` is 0, `max_bytes` is more than 32 GiB; the system refuses the memory or a descriptor.
            pub fn bounded_within(max_items: usize, max_bytes: u64) -> io::Result<$queue<T>> {
                Typed::create(Kind::$queue, Some(max_items), Some(max_bytes)).map($queue)
            }

            /// How many items are in it. Others may have changed that already.
            pub fn len(&self) -> usize {
                self.0.core.len()
            }

            /// As [`len`](Self::len), by Python's name.
            pub fn qsize(&self) -> usize {
                self.len()
            }

            /// Whether it has as many items as it has room for.
            pub fn is_full(&self) -> bool {
                self.0.core.bound().is_some_and(|bound| self.len() >= bound)
            }
        }

        impl<T: Serialize + DeserializeOwned + 'static> $queue<T> {
            /// Puts an item at the end if there is room.
            ///
            /// # Errors
            /// The queue is full or closed, or the item cannot be put in any; with the item.
            pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
                self.0.put(item, Until::Now)
            }

            /// Puts an item at the end. Waits while the queue is full, for at most `timeout`.
            ///
            /// # Errors
            /// The queue is full or closed, or the item cannot be put in any; with the item.
            pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
                self.0.put(item, Until::after(timeout))
            }

            /// Takes the first item if there is one.
            ///
            /// # Errors
            /// There is none; the queue is closed and nothing is left in it; the item cannot be decoded (it is gone
            /// then).
            pub fn try_get(&self) -> Result<T, GetError> {
                self.0.get(Until::Now)
            }

            /// Takes the first item. Waits while there is none, for at most `timeout`.
            ///
            /// # Errors
            /// There is none; the queue is closed and nothing is left in it; the item cannot be decoded (it is gone
            /// then).
            pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
                self.0.get(Until::after(timeout))
            }
        }
    };
}

common!(Queue);
bounded!(Queue);
use {bounded, common};
