//! The user's panics, carried.
//!
//! `catch_unwind` gives the payload, which has the message; the place and the backtrace are known
//! only to the panic hook, at the moment of the panic. So a hook is put before the program's own,
//! once: on a thread that is inside [`catch`] it notes place and backtrace and prints nothing,
//! because the caller will get them as an error; everywhere else it calls the hook that was there.

use std::any::{Any, TypeId};
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use crate::error::PanicInfo;

/// What the hook saw of the panic that is unwinding on this thread.
struct Seen {
    /// What was thrown, to tell whether this is the panic that was caught: the task may have caught
    /// another itself, and then have thrown without the hook.
    payload: (TypeId, Option<String>),
    location: Option<String>,
    backtrace: Option<String>,
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// Runs the user's code; a panic comes back as what is known of it.
#[inline]
pub fn catch<V>(body: impl FnOnce() -> V) -> Result<V, PanicInfo> {
    install_hook();
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result.map_err(describe)
}

#[inline]
fn install_hook() {
    static INSTALL: Once = Once::new();
    if INSTALL.is_completed() {
        return;
    }
    // A thread that panics cannot change the hook, and trying ends the process. It is here because a pool is
    // dropped as it unwinds; whoever comes next installs it.
    if std::thread::panicking() {
        return;
    }
    INSTALL.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // `try_with`: a panic may come while the thread's locals are being destroyed.
            if INSIDE.try_with(Cell::get).unwrap_or(false) {
                note(info);
            } else {
                previous(info);
            }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    let backtrace = Backtrace::capture();
    let seen = Seen {
        payload: mark(info.payload()),
        location: info.location().map(ToString::to_string),
        backtrace: (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string()),
    };
    let _ = SEEN.try_with(|place| place.replace(Some(seen)));
}

/// What a payload is recognised by: its text, or its type. A text may change its type on its way from the
/// hook, so that it counts as a `String` always.
fn mark(payload: &(dyn Any + Send)) -> (TypeId, Option<String>) {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    match text.or_else(|| payload.downcast_ref::<String>().cloned()) {
        Some(text) => (TypeId::of::<String>(), Some(text)),
        None => (payload.type_id(), None),
    }
}

#[cold]
fn describe(payload: Box<dyn Any + Send>) -> PanicInfo {
    let mark = mark(&*payload);
    // `try_with`: as in the hook.
    let take_seen = || SEEN.try_with(|place| place.take()).ok().flatten();
    let seen = take_seen().filter(|seen| seen.payload == mark);
    let message = mark.1.unwrap_or_else(|| "a panic whose payload is not a string".to_owned());
    let (location, backtrace) = seen.map_or((None, None), |seen| (seen.location, seen.backtrace));
    // A payload may panic as it is dropped, and what that panic carries may too: it is leaked.
    if let Err(second) = quietly(|| drop(payload)) {
        std::mem::forget(second);
    }
    drop(take_seen());
    PanicInfo { message, location, backtrace }
}

fn quietly(body: impl FnOnce()) -> std::thread::Result<()> {
    let outer = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(outer);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_and_place_are_known() {
        let panic = catch(|| panic!("no {}", 7)).unwrap_err();
        assert_eq!(panic.message, "no 7");
        assert!(panic.location.unwrap().contains("panics.rs:"));
    }

    #[test]
    fn a_payload_that_panics_in_drop_is_survived() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        let panic = catch(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(panic.message, "a panic whose payload is not a string");
        assert!(catch(|| ()).is_ok());
    }
}
