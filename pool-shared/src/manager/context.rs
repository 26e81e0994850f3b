//! What a thread is doing while it encodes or decodes a proxy.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::link::Link;
use super::server::{Server, Session};

/// For whom a proxy is encoded, or from whom it came.
#[derive(Clone)]
pub(crate) enum Context {
    /// For somebody that is not known here.
    Elsewhere,
    /// An argument of a call, or a reply to one, through this link.
    Calling(Arc<Link>),
    /// In the server: arguments of a session, and replies to it. `None`: of the server's own calls.
    Serving { server: Arc<Server>, session: Option<Arc<Session>> },
}

thread_local! {
    static CONTEXT: RefCell<Context> = const { RefCell::new(Context::Elsewhere) };
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

/// This thread's context.
pub(crate) fn current() -> Context {
    CONTEXT.with_borrow(Clone::clone)
}

/// Enters a context, until the guard is dropped.
pub(crate) fn enter(context: Context) -> impl Drop {
    /// Puts back what was there, also when the user's code panics.
    struct Outer(Option<Context>);
    impl Drop for Outer {
        fn drop(&mut self) {
            if let Some(outer) = self.0.take() {
                // What it held is dropped outside of the borrow.
                drop(CONTEXT.replace(outer));
            }
        }
    }
    Outer(Some(CONTEXT.replace(context)))
}

/// A number that no other thread of this process has had.
pub(crate) fn this_thread() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let own = THREAD.get();
    if own != 0 {
        return own;
    }
    // ORDERING: a number that stands for itself.
    let own = NEXT.fetch_add(1, Relaxed);
    THREAD.set(own);
    own
}
