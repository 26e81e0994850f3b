//! What goes along with tasks and their results: descriptors, and blocks of shared memory.
//!
//! | encoded | descriptors | blocks | by |
//! |---|---|---|---|
//! | the argument of a task, an initializer | over the worker's line, before the request | kept here until the task has ended | [`Luggage`] of the ticket, the pool |
//! | a context | cannot go | kept here as long as the context | [`Luggage`] of the context |
//! | the argument of a `Process` | over its line, with its order | the same way | [`along`] |
//! | a result | over the line, before the reply | the same way | [`passing::leaving`] |

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use pool_core::luggage::{self, Luggage, Way};
use pool_ipc::own::Own;
use pool_ipc::passing::{self, Bag, Encoding};

struct Porter;

/// Has what this process encodes and decodes for tasks go along with them.
pub(crate) fn hire() {
    luggage::hire(&Porter);
    passing::ask(Encoding { way, packed: luggage::packed });
}

fn way() -> Option<passing::Way> {
    match luggage::way()? {
        Way::There | Way::Everywhere if ALONG.get() => Some(passing::Way::Along),
        Way::There => Some(passing::Way::Kept),
        Way::Everywhere => Some(passing::Way::Alone),
        Way::Back => Some(passing::Way::Along),
    }
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
    static ALONG: Cell<bool> = const { Cell::new(false) };
    /// What belongs to values that this thread has begun to encode before the one at hand.
    static ASIDE: RefCell<Vec<Bag>> = const { RefCell::new(Vec::new()) };
}

/// Encodes by `encode` the argument and context of a `Process`, and gives the descriptors that go along with them.
pub(crate) fn along<U>(encode: impl FnOnce() -> U) -> (U, Vec<Own<OwnedFd>>) {
    let outer = (ALONG.replace(true), passing::take_bag());
    let encoded = encode();
    ALONG.set(outer.0);
    let bag = passing::take_bag();
    passing::put_bag(outer.1);
    (encoded, bag.descriptors)
}

impl luggage::Porter for Porter {
    fn set_aside(&self) {
        ASIDE.with_borrow_mut(|aside| aside.push(passing::take_bag()));
    }

    fn close(&self, way: Way, has_packed: bool, resumes: bool) -> Option<Luggage> {
        // Argument and context of a `Process` have one bag: whoever encodes both takes it.
        let bag = (has_packed && !ALONG.get()).then(passing::take_bag);
        if resumes {
            passing::put_bag(ASIDE.with_borrow_mut(Vec::pop).unwrap_or_default());
        }
        match way {
            Way::There | Way::Everywhere => Some(Luggage(bag?.into_shared())),
            Way::Back => {
                passing::leave_with(bag?.descriptors);
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
