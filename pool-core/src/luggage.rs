//! What goes along with an encoded value and is no bytes: descriptors, memory that must live until it arrived.
//!
//! This crate knows nothing of either. A backend whose workers are elsewhere hires a [`Porter`], who is told when a
//! thread encodes or decodes a value, and gathers or hands out what belongs to it.
//!
//! ```text
//!  encode: open ── the value's own `Serialize` tells the porter what it has ── close ──> Luggage
//!  decode: unpack( Luggage, the value's own `Deserialize` asks the porter for it )
//! ```

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// What goes along with one encoded value. Whoever has the bytes keeps it until they are not needed any more.
#[derive(Clone)]
pub struct Luggage(pub Arc<dyn Any + Send + Sync>);

impl fmt::Debug for Luggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Luggage")
    }
}

/// Which way an encoded value goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a worker: an argument. It may be sent more than once.
    There,
    /// To every worker that gets one of a call's tasks: a context.
    Everywhere,
    /// Back from a worker, right after it was encoded.
    Back,
}

/// Gathers and hands out luggage.
pub trait Porter: Send + Sync {
    /// This thread begins to encode a value.
    fn open(&self, way: Way);

    /// It is encoded, or has failed to be: what goes along with it. Of what goes back the porter itself sees to that.
    fn close(&self, way: Way) -> Option<Luggage>;

    /// Calls `decode`, which decodes the value that this came with.
    fn unpack(&self, luggage: &Luggage, decode: &mut dyn FnMut());
}

static PORTER: OnceLock<&'static dyn Porter> = OnceLock::new();

/// Has `porter` told of everything that this process encodes for tasks. The first one stays.
pub fn hire(porter: &'static dyn Porter) {
    let _ = PORTER.set(porter);
}

/// Encodes a value by `encode`.
pub(crate) fn pack<U>(way: Way, encode: impl FnOnce() -> U) -> (U, Option<Luggage>) {
    struct Open(&'static dyn Porter, Way);
    impl Drop for Open {
        /// The user's code panicked.
        fn drop(&mut self) {
            self.0.close(self.1);
        }
    }
    let Some(porter) = PORTER.get() else { return (encode(), None) };
    porter.open(way);
    let open = Open(*porter, way);
    let encoded = encode();
    std::mem::forget(open);
    (encoded, porter.close(way))
}

/// Decodes by `decode` a value that `luggage` came with.
pub(crate) fn unpack<U>(luggage: &Luggage, decode: impl FnOnce() -> U) -> Option<U> {
    let (mut decode, mut decoded) = (Some(decode), None);
    PORTER.get()?.unpack(luggage, &mut || decoded = decode.take().map(|decode| decode()));
    decoded
}
