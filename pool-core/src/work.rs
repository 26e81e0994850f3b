//! A task as a backend sees it: something to run here, or to send elsewhere and settle.
//!
//! The typed halves ([`crate::one`], [`crate::chunk`]) are generic over the user's function and
//! values; from here down everything is plain bytes, words and reference counts.

use std::sync::Arc;
use std::time::Duration;

use crate::codec::PlainBuf;
use crate::error::{Error, Result, Worker};
use crate::function::Carried;
use crate::luggage::Luggage;
use crate::outcome::Status;
use crate::shim::Entry;

/// One task: an item, or a chunk of items, of one call.
///
/// A task ends once. The first of `run` and `end` to settle it counts, whatever else happens to it
/// later is dropped, so a backend may give up a task that is still running somewhere.
pub trait Work: Send + Sync {
    /// Runs the task on this thread and settles it. Does nothing when it was settled before.
    fn run(self: Arc<Self>);

    /// Takes the argument out and encodes it for a worker elsewhere. `None`: there is nothing to
    /// send, because the task was settled before.
    ///
    /// # Errors
    /// What the task is to be ended with, when it cannot be encoded.
    fn request(&self) -> Result<Option<Request>>;

    /// Settles the task with what came of it elsewhere.
    fn end(self: Arc<Self>, end: End);

    /// Whether anyone still wants the result: a settled or abandoned task need not be started.
    fn wanted(&self) -> bool;

    /// Keeps a task that was sent elsewhere from being begun or settled, until whoever called this settles it
    /// or [`release`](Work::release)s it; `false`: it is settled already, or of a kind that is not withheld.
    /// Runs none of the user's code, so that it may be called under a lock.
    fn withhold(&self) -> bool {
        false
    }

    /// Takes a [`withhold`](Work::withhold) back.
    fn release(&self) {}

    /// What the caller asked for; `None`: nothing in particular.
    fn limits(&self) -> Option<&Limits>;
}

/// A reference to a task, as it is queued.
pub type Task = Arc<dyn Work>;

/// The options of a call that concern each of its tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// How long the task may run, from when it starts in a worker.
    pub timeout: Option<Duration>,
    /// How often the task is tried again after its worker died.
    pub retries: u32,
    /// Whether it is tried again after a panic too.
    pub retry_panics: bool,
}

/// What a worker elsewhere needs for a task.
#[derive(Debug)]
pub struct Request {
    /// The code that decodes, runs and encodes.
    pub entry: Entry,
    /// The bound context, when the function has one.
    pub context: Option<Carried>,
    /// The encoded argument.
    pub input: Payload,
}

/// What came of a task elsewhere.
#[derive(Debug)]
pub enum End {
    /// The worker's reply: the word and bytes that the [`Entry`] put out. They are not trusted.
    Reply {
        /// The status word.
        status: u32,
        /// The encoded outcome.
        output: Payload,
        /// Who gave it; needed only for a status other than 0, which is that of a plain value.
        worker: Option<Box<Worker>>,
    },
    /// There is no reply and will be none.
    Failed(Error),
}

/// Whether a reply with this status word says that the user's code panicked.
pub fn has_panicked(status: u32) -> bool {
    matches!(Status::from_word(status), Some(Status::Mixed | Status::Panicked))
}

/// Encoded bytes on their way, moved and not copied where they were an array already.
#[derive(Debug)]
pub enum Payload {
    /// Up to [`Payload::INLINE`] bytes, without an allocation.
    Inline {
        /// How many of them count.
        len: u8,
        /// The bytes.
        bytes: Short,
    },
    /// Bytes on the heap.
    Heap(Vec<u8>),
    /// The user's own array or text, not yet copied.
    Plain(PlainBuf),
    /// Bytes, and what goes along with them.
    Accompanied(Box<(Payload, Luggage)>),
}

/// The bytes of an inline payload, so aligned that they are moved as words.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
pub struct Short(pub [u8; Payload::INLINE]);

impl Short {
    /// The bytes of `words`, in this machine's order.
    #[inline]
    pub fn from_words(words: [u64; Payload::INLINE / 8]) -> Short {
        let mut short = Short([0; Payload::INLINE]);
        for (place, word) in short.0.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        short
    }

    /// The first [`Payload::INLINE`] of `bytes`, and zeros. Word by word: for so few bytes a call of memcpy
    /// costs more than the copy.
    #[inline]
    fn copy_of(bytes: &[u8]) -> Short {
        let mut short = Short([0; Payload::INLINE]);
        let (words, rest) = bytes.as_chunks::<8>();
        let (places, _) = short.0.as_chunks_mut::<8>();
        for (place, word) in places.iter_mut().zip(words) {
            *place = *word;
        }
        if let Some(place) = places.get_mut(words.len()) {
            for (place, byte) in place.iter_mut().zip(rest) {
                *place = *byte;
            }
        }
        short
    }
}

impl Payload {
    /// The most bytes that travel without an allocation.
    pub const INLINE: usize = 40;

    /// A copy of `bytes`.
    #[inline]
    pub fn copy_of(bytes: &[u8]) -> Payload {
        if bytes.len() <= Payload::INLINE {
            Payload::Inline { len: bytes.len() as u8, bytes: Short::copy_of(bytes) }
        } else {
            Payload::Heap(bytes.to_vec())
        }
    }

    /// These bytes with what goes along with them.
    #[inline]
    pub fn with(self, luggage: Option<Luggage>) -> Payload {
        match luggage {
            None => self,
            Some(luggage) => Payload::Accompanied(Box::new((self, luggage))),
        }
    }

    /// The bytes alone, and what goes along with them.
    #[inline]
    pub fn apart(self) -> (Payload, Option<Luggage>) {
        match self {
            Payload::Accompanied(both) => (both.0, Some(both.1)),
            alone => (alone, None),
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match self {
            Payload::Inline { len, bytes } => &bytes.0[..usize::from(*len).min(Payload::INLINE)],
            Payload::Heap(bytes) => bytes,
            Payload::Plain(plain) => plain.as_ref(),
            Payload::Accompanied(both) => both.0.as_slice(),
        }
    }

    /// The bytes, moved where they are on the heap already.
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Payload::Heap(bytes) => bytes,
            Payload::Accompanied(both) => both.0.into_vec(),
            other => other.as_slice().to_vec(),
        }
    }
}
