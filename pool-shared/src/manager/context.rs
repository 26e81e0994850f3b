//! What a thread is doing while it encodes or decodes a proxy.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use super::link::Link;
use super::server::{Server, Session};

/// For whom a proxy is encoded, or from whom it came.
pub(crate) enum Context {
    /// For somebody that is not known here.
    Elsewhere,
    /// An argument of a call, or a reply to one, through this link.
    Calling(Arc<Link>),
    /// In the server: arguments of a session, and replies to it. `None`: of the server's own calls.
    Serving { server: Arc<Server>, session: Option<Arc<Session>> },
}

thread_local! {
    static CONTEXT: RefCell<Inner> = const { RefCell::new(Inner::Elsewhere) };
    /// The link of the last call, if it is still there. A thread calls through one link again and again, and does not
    /// count it each time.
    static LAST: RefCell<Weak<Link>> = const { RefCell::new(Weak::new()) };
    static THREAD: Cell<u32> = const { Cell::new(0) };
}

/// As it is kept.
enum Inner {
    Elsewhere,
    /// Through the last link.
    Calling,
    Serving {
        server: Arc<Server>,
        session: Option<Arc<Session>>,
    },
}

/// This thread's context.
pub(crate) fn current() -> Context {
    CONTEXT.with_borrow(|context| match context {
        Inner::Elsewhere => Context::Elsewhere,
        Inner::Calling => LAST.with_borrow(Weak::upgrade).map_or(Context::Elsewhere, Context::Calling),
        Inner::Serving { server, session } => {
            Context::Serving { server: server.clone(), session: session.clone() }
        }
    })
}

/// Puts back what was there, also when the user's code panics.
pub(crate) struct Outer {
    context: Inner,
    /// The link that was the last one, where another has taken its place.
    link: Option<Weak<Link>>,
}

/// Serves a session, or the server itself, until the guard is dropped.
pub(crate) fn serving(server: &Arc<Server>, session: Option<&Arc<Session>>) -> Outer {
    let context = Inner::Serving { server: server.clone(), session: session.cloned() };
    Outer { context: CONTEXT.replace(context), link: None }
}

/// Calls through `link`, until the guard is dropped.
#[inline]
pub(crate) fn calling(link: &Arc<Link>) -> Outer {
    let context = CONTEXT.replace(Inner::Calling);
    let link = LAST.with_borrow_mut(|last| {
        let is_last = std::ptr::eq(last.as_ptr(), Arc::as_ptr(link));
        (!is_last).then(|| std::mem::replace(last, Arc::downgrade(link)))
    });
    Outer { context, link }
}

impl Drop for Outer {
    #[inline]
    fn drop(&mut self) {
        if let Some(link) = self.link.take()
            && matches!(self.context, Inner::Calling)
        {
            LAST.set(link);
        }
        // What it held is dropped outside of the borrow.
        drop(CONTEXT.replace(std::mem::replace(&mut self.context, Inner::Elsewhere)));
    }
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
