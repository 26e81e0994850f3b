//! What goes along with an encoded value and is no bytes: descriptors, memory that must live until it arrived.
//!
//! This crate knows nothing of either. A backend whose workers are elsewhere hires a [`Porter`]. What a value has to
//! take along is found while it is encoded, by its own `Serialize`, which asks the porter's crate; that asks here
//! where the value goes ([`way`]) and says that there is something ([`packed`]). Where there is nothing, all of this
//! is three words of the thread.
//!
//! ```text
//!  encode: the value's own `Serialize` ── way? ── packed! ──> close ──> Luggage
//!  decode: unpack( Luggage, the value's own `Deserialize` asks the porter for it )
//! ```

use std::any::Any;
use std::cell::Cell;
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
    /// What this thread has packed belongs to a value that it has not finished: another comes first.
    fn set_aside(&self);

    /// What this thread has packed, if it has, belongs to the value that it has encoded, which goes this way. Of what
    /// goes back the porter itself sees to that. What was set aside last is at hand again if `resumes`.
    fn close(&self, way: Way, has_packed: bool, resumes: bool) -> Option<Luggage>;

    /// Calls `decode`, which decodes the value that this came with.
    fn unpack(&self, luggage: &Luggage, decode: &mut dyn FnMut());
}

static PORTER: OnceLock<&'static dyn Porter> = OnceLock::new();

thread_local! {
    /// Where the value goes that this thread encodes.
    static WAY: Cell<Option<Way>> = const { Cell::new(None) };
    /// Something goes along with it.
    static PACKED: Cell<bool> = const { Cell::new(false) };
}

/// Has `porter` see to everything that this process encodes for tasks. The first one stays.
pub fn hire(porter: &'static dyn Porter) {
    let _ = PORTER.set(porter);
}

/// Where the value goes that this thread encodes; `None`: it encodes none for a task.
pub fn way() -> Option<Way> {
    WAY.get()
}

/// Something goes along with the value that this thread encodes.
pub fn packed() {
    PACKED.set(true);
}

/// Encodes a value by `encode`.
#[inline]
pub(crate) fn pack<U>(way: Way, encode: impl FnOnce() -> U) -> (U, Option<Luggage>) {
    /// Puts things back also when the user's code panics.
    struct Packing {
        way: Way,
        outer: (Option<Way>, bool),
    }
    impl Packing {
        fn finish(&self) -> Option<Luggage> {
            WAY.set(self.outer.0);
            let (has_packed, resumes) = (PACKED.replace(self.outer.1), self.outer.1);
            if has_packed || resumes { PORTER.get()?.close(self.way, has_packed, resumes) } else { None }
        }
    }
    impl Drop for Packing {
        fn drop(&mut self) {
            self.finish();
        }
    }
    let outer = (WAY.replace(Some(way)), PACKED.replace(false));
    if outer.1 {
        PORTER.get().inspect(|porter| porter.set_aside());
    }
    let packing = Packing { way, outer };
    let encoded = encode();
    let luggage = packing.finish();
    std::mem::forget(packing);
    (encoded, luggage)
}

/// Decodes by `decode` a value that `luggage` came with.
pub(crate) fn unpack<U>(luggage: &Luggage, decode: impl FnOnce() -> U) -> Option<U> {
    let (mut decode, mut decoded) = (Some(decode), None);
    PORTER.get()?.unpack(luggage, &mut || decoded = decode.take().map(|decode| decode()));
    decoded
}
