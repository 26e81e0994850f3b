//! What goes along with tasks and their results: descriptors, and blocks of shared memory.
//!
//! | encoded | descriptors | blocks | by |
//! |---|---|---|---|
//! | the argument of a task, an initializer | over the worker's line, before the request | kept here until the task has ended | [`Luggage`] of the ticket, the pool |
//! | a context | cannot go | kept here as long as the context | [`Luggage`] of the context |
//! | the argument of a `Process` | over its line, with its order | the same way | [`along`] |
//! | a result | over the line, before the reply | the same way | [`passing::leaving`] |

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use pool_core::luggage::{self, Luggage, Way};
use pool_ipc::own::Own;
use pool_ipc::passing::{self, Bag, Blocks};

struct Porter;

/// Has what this process encodes and decodes for tasks go along with them.
pub(crate) fn hire() {
    luggage::hire(&Porter);
}

/// What came along with a result, until it is decoded.
struct Came(Mutex<Vec<Own<OwnedFd>>>);

/// What came along with a result.
pub(crate) fn came(descriptors: Vec<Own<OwnedFd>>) -> Luggage {
    Luggage(Arc::new(Came(Mutex::new(descriptors))))
}

/// What has to be sent along with an argument.
pub(crate) fn descriptors(luggage: Option<&Luggage>) -> &[Own<OwnedFd>] {
    let bag = luggage.and_then(|luggage| luggage.0.downcast_ref::<Bag>());
    bag.map_or(&[], |bag| &bag.descriptors)
}

thread_local! {
    /// This thread encodes the argument of a `Process`.
    static ALONG: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Encodes by `encode` the argument and context of a `Process`, and gives the descriptors that go along with them.
pub(crate) fn along<U>(encode: impl FnOnce() -> U) -> (U, Vec<Own<OwnedFd>>) {
    let outer = ALONG.replace(true);
    passing::open(Blocks::Along);
    let encoded = encode();
    ALONG.set(outer);
    (encoded, passing::close().map(|bag| bag.descriptors).unwrap_or_default())
}

impl luggage::Porter for Porter {
    fn open(&self, way: Way) {
        // Else there is one for both.
        if !ALONG.get() {
            passing::open(match way {
                Way::Back => Blocks::Along,
                Way::There => Blocks::Kept,
                Way::Everywhere => Blocks::Alone,
            });
        }
    }

    fn close(&self, way: Way) -> Option<Luggage> {
        let bag = if ALONG.get() { None } else { passing::close() };
        match way {
            Way::There | Way::Everywhere => bag.map(|bag| Luggage(Arc::new(bag))),
            Way::Back => {
                passing::leave_with(bag.map(|bag| bag.descriptors).unwrap_or_default());
                None
            }
        }
    }

    fn unpack(&self, luggage: &Luggage, decode: &mut dyn FnMut()) {
        match luggage.0.downcast_ref::<Came>() {
            None => decode(),
            Some(Came(descriptors)) => {
                let descriptors =
                    std::mem::take(&mut *descriptors.lock().unwrap_or_else(PoisonError::into_inner));
                let descriptors = descriptors.into_iter().map(Own::into_inner).collect();
                passing::receiving(descriptors, decode);
            }
        }
    }
}
