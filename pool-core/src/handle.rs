//! The handle of a call that was not waited for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Registration};
use crate::slot::Callback;

/// A result to come, of one item or of a whole `map`.
pub(crate) trait Pending<V>: Send + Sync {
    fn event(&self) -> &Event;
    fn take(&self) -> Result<V>;
    fn look(&self, show: &mut dyn FnMut(&Result<V>));
    fn on_end(&self, callback: Callback<V>, backend: &Arc<dyn Backend>);
    fn cancel(self: Arc<Self>, backend: &dyn Backend) -> bool;

    /// As [`AsyncResult::has_begun`].
    fn has_begun(self: Arc<Self>, _backend: &dyn Backend) -> bool {
        true
    }

    /// As [`AsyncResult::withdraw`].
    fn withdraw(self: Arc<Self>, _backend: &dyn Backend) -> bool {
        false
    }
}

/// The handle of a call in progress: Python's `AsyncResult`, and a [`Future`] on any runtime.
///
/// Dropping it lets the call go on and its result be thrown away. Handles can be waited for in any
/// order, from any thread, and outlive their pool: a call that the pool could not finish ends with
/// an error.
///
/// ```
/// # use pool_core::Pool;
/// # fn show<P: Pool>(pool: &P) -> pool_core::Result<()> {
/// let handle = pool.apply_async(|x: u64| x + 1, 41);
/// assert_eq!(handle.get()?, 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "a result that nobody waits for is thrown away; use `drop` to say that this is meant"]
pub struct AsyncResult<R> {
    pending: Arc<dyn Pending<R>>,
    backend: Arc<dyn Backend>,
    /// As a future: the waker that the last poll left.
    registration: Option<Registration>,
}

impl<R> AsyncResult<R> {
    pub(crate) fn new(pending: Arc<dyn Pending<R>>, backend: Arc<dyn Backend>) -> AsyncResult<R> {
        AsyncResult { pending, backend, registration: None }
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// Whatever the task ended with; [`Taken`](ErrorKind::Taken) after a successful
    /// [`get_timeout`](AsyncResult::get_timeout).
    pub fn get(self) -> Result<R> {
        self.backend.wait(self.pending.event(), None);
        self.pending.take()
    }

    /// Waits for the result, for at most `timeout`. The handle can be asked again after a time-out.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut) when there is no result yet ([`ready`](AsyncResult::ready)
    /// then says `false`), and whatever the task ended with.
    pub fn get_timeout(&self, timeout: Duration) -> Result<R> {
        if self.wait_timeout(timeout) {
            self.pending.take()
        } else {
            Err(Error::new(ErrorKind::TimedOut, format!("no result within {timeout:?}")))
        }
    }

    /// Waits until there is a result.
    pub fn wait(&self) {
        self.backend.wait(self.pending.event(), None);
    }

    /// Waits until there is a result (`true`), for at most `timeout` (`false`).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        // A deadline past the end of time is none.
        self.backend.wait(self.pending.event(), Instant::now().checked_add(timeout))
    }

    /// Whether the call has ended, well or badly.
    pub fn ready(&self) -> bool {
        // A deadline that has passed already: takes in what has arrived and does not block.
        self.pending.event().is_set() || self.backend.wait(self.pending.event(), Some(Instant::now()))
    }

    /// Whether the call has ended with a value. `false` while it has not ended.
    pub fn successful(&self) -> bool {
        let mut successful = false;
        if self.ready() {
            self.pending.look(&mut |result| successful = result.is_ok());
        }
        successful
    }

    /// Gives the call up: it ends now, with [`Cancelled`](ErrorKind::Cancelled). Returns `false` when
    /// it had ended before.
    ///
    /// A task that has not begun never runs. One that runs is killed with its worker on a process
    /// pool, which replaces the worker; a thread cannot be killed, so on a thread pool it runs to its
    /// end and its result is dropped. Of a `map`, chunks that have begun run to their end.
    pub fn cancel(&self) -> bool {
        self.pending.clone().cancel(&*self.backend)
    }

    /// Gives the call up if no worker has begun it: then it ends now, with
    /// [`Cancelled`](ErrorKind::Cancelled), its function never runs, its callbacks are called here, and the answer
    /// is `true`. Unlike [`cancel`](AsyncResult::cancel) it disturbs no worker. A `map` has always begun.
    pub fn withdraw(&self) -> bool {
        self.pending.clone().withdraw(&*self.backend)
    }

    /// Whether a worker has begun the call, or it has ended. A `map` has always begun.
    pub fn has_begun(&self) -> bool {
        self.pending.clone().has_begun(&*self.backend)
    }

    /// Shows the result without taking it. `None`: there is none yet, or it was taken.
    pub fn peek<U>(&self, show: impl FnOnce(&Result<R>) -> U) -> Option<U> {
        let (mut show, mut shown) = (Some(show), None);
        if self.ready() {
            self.pending.look(&mut |result| shown = show.take().map(|show| show(result)));
        }
        shown
    }

    /// The flag that is set when the call has ended: what somebody waits with who waits for many. Whoever does
    /// not wait through the [`backend`](AsyncResult::backend) has to [`attend`](Backend::attend) it.
    pub fn event(&self) -> &Event {
        self.pending.event()
    }

    /// What runs the call.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }
}

impl<R: 'static> AsyncResult<R> {
    /// Calls `callback` with the value when the call ends well: on a thread of the pool made for
    /// callbacks, before [`get`](AsyncResult::get) returns; or here and now if it has ended already.
    /// A panic in it is reported on standard error and changes nothing.
    pub fn on_success(&self, callback: impl FnOnce(&R) + Send + 'static) -> &AsyncResult<R> {
        self.on_end(Box::new(move |result| {
            if let Ok(value) = result {
                callback(value);
            }
        }))
    }

    /// Calls `callback` with the error when the call ends badly, as
    /// [`on_success`](AsyncResult::on_success) does with the value.
    pub fn on_error(&self, callback: impl FnOnce(&Error) + Send + 'static) -> &AsyncResult<R> {
        self.on_end(Box::new(move |result| {
            // Of one that was taken nobody knows whether it was good or bad.
            if let Err(error) = result
                && error.kind() != ErrorKind::Taken
            {
                callback(error);
            }
        }))
    }

    /// Calls `callback` with the result when the call ends, as [`on_success`](AsyncResult::on_success) does;
    /// with the error [`Taken`](ErrorKind::Taken) if it has ended and its result was taken.
    pub fn on_done(&self, callback: impl FnOnce(&Result<R>) + Send + 'static) -> &AsyncResult<R> {
        self.on_end(Box::new(callback))
    }

    fn on_end(&self, callback: Callback<R>) -> &AsyncResult<R> {
        self.pending.on_end(callback, &self.backend);
        self.backend.attend();
        self
    }
}

impl<R> Future for AsyncResult<R> {
    type Output = Result<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        let this = self.get_mut();
        if let Some(last) = this.registration.take() {
            this.pending.event().unregister(last);
        }
        this.registration = this.pending.event().register(cx.waker());
        if this.registration.is_none() {
            Poll::Ready(this.pending.take())
        } else {
            this.backend.attend();
            Poll::Pending
        }
    }
}

impl<R> fmt::Debug for AsyncResult<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.pending.event().is_set() { "ready" } else { "pending" };
        f.debug_tuple("AsyncResult").field(&format_args!("{state}")).finish()
    }
}
