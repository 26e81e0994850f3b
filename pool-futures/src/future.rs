//! The future of one task.
//!
//! | state     | meaning                                  | moved by                                   |
//! |-----------|------------------------------------------|--------------------------------------------|
//! | pending   | no worker has begun it                   | `submit`; a worker's death, if it is tried again |
//! | running   | a worker has begun it                    | a worker                                   |
//! | cancelled | it ended before a worker began it        | `cancel`, `Executor::shutdown`             |
//! | finished  | it ended with a value or an error        | a worker, its death, the end of the pool   |
//!
//! The states are not kept here but asked for: they are those of the task in its pool, so a future costs what
//! an `AsyncResult` costs. Whoever cancels tells everybody at once, so there is no "cancelled and notified".

use std::any::type_name;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pool_core::{AsyncResult, Error, ErrorKind, Result};

/// The result to come of a task: Python's `concurrent.futures.Future`, and a [`std::future::Future`] on any
/// runtime.
///
/// [`Executor::submit`](crate::Executor::submit) gives one, and any handle of a pool becomes one by
/// [`From`]. Dropping it detaches the task: it goes on, its callbacks are called, and its result is thrown
/// away. To have it not run, [`cancel`](Future::cancel) it before; [`cancel_on_drop`](Future::cancel_on_drop) and
/// [`kill_on_drop`](Future::kill_on_drop) do that where it is dropped.
///
/// A value can be had once, because it is moved out; an error as often as it is asked for.
///
/// ```
/// # use pool_core::{AnyPool, Pool};
/// use pool_futures::Future;
/// # fn show(pool: &dyn AnyPool) -> pool_core::Result<()> {
/// let future = Future::from(pool.apply_async(|x: u64| x + 1, 41));
/// future.add_done_callback(|result| println!("{result:?}"));
/// assert_eq!(future.result()?, 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "a result that nobody waits for is thrown away; use `drop` to say that this is meant"]
pub struct Future<R> {
    handle: AsyncResult<R>,
}

impl<R> From<AsyncResult<R>> for Future<R> {
    fn from(handle: AsyncResult<R>) -> Future<R> {
        Future { handle }
    }
}

impl<R> Future<R> {
    pub(crate) fn handle(&self) -> &AsyncResult<R> {
        &self.handle
    }

    /// Gives the task up if no worker has begun it. `true`: it never runs, its callbacks have been called here,
    /// and it ended with [`Cancelled`](ErrorKind::Cancelled); or all that was so before. `false`: it runs, or
    /// has finished.
    ///
    /// A task that runs is not disturbed. Give its pool a [`timeout`](pool_core::Pool::timeout) for those that
    /// may never end.
    pub fn cancel(&self) -> bool {
        self.handle.withdraw() || self.cancelled()
    }

    /// Whether it was cancelled.
    pub fn cancelled(&self) -> bool {
        self.handle.peek(|result| result.as_ref().is_err_and(Error::is_cancelled)).unwrap_or(false)
    }

    /// Whether a worker has begun it and it is not [`done`](Future::done).
    pub fn running(&self) -> bool {
        !self.done() && self.handle.has_begun()
    }

    /// Whether it has ended: finished, or cancelled.
    pub fn done(&self) -> bool {
        self.handle.ready()
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// Whatever the task ended with; [`Cancelled`](ErrorKind::Cancelled) if it was cancelled;
    /// [`Taken`](ErrorKind::Taken) if [`result_timeout`](Future::result_timeout) gave the value away before.
    pub fn result(self) -> Result<R> {
        self.handle.get()
    }

    /// Waits for the result, for at most `timeout`.
    ///
    /// # Errors
    /// As [`result`](Future::result); and [`TimedOut`](ErrorKind::TimedOut) when there is none yet:
    /// [`done`](Future::done) then says `false`, and the future can be asked again.
    pub fn result_timeout(&self, timeout: Duration) -> Result<R> {
        self.until(timeout)?;
        match self.error() {
            Some(Some(error)) => Err(error),
            _ => self.handle.get_timeout(Duration::ZERO),
        }
    }

    /// Waits for the end, and gives the error that the task ended with; `None`: it ended with a value, which
    /// stays.
    ///
    /// # Errors
    /// [`Cancelled`](ErrorKind::Cancelled) if it was cancelled, [`Taken`](ErrorKind::Taken) if its value is
    /// gone.
    pub fn exception(&self) -> Result<Option<Error>> {
        self.handle.wait();
        self.outcome()
    }

    /// As [`exception`](Future::exception), waiting for at most `timeout`.
    ///
    /// # Errors
    /// As [`exception`](Future::exception); and [`TimedOut`](ErrorKind::TimedOut) when it has not ended yet.
    pub fn exception_timeout(&self, timeout: Duration) -> Result<Option<Error>> {
        self.until(timeout)?;
        self.outcome()
    }

    fn until(&self, timeout: Duration) -> Result<()> {
        match self.handle.wait_timeout(timeout) {
            true => Ok(()),
            false => Err(Error::new(ErrorKind::TimedOut, format!("no result within {timeout:?}"))),
        }
    }

    fn outcome(&self) -> Result<Option<Error>> {
        match self.error() {
            Some(Some(error)) if error.is_cancelled() => Err(error),
            Some(error) => Ok(error),
            None => Err(Error::new(ErrorKind::Taken, "the value was moved out")),
        }
    }

    /// The error that it ended with, if it did; `None`: it has not ended, or its value is gone.
    fn error(&self) -> Option<Option<Error>> {
        self.handle.peek(|result| result.as_ref().err().map(Error::duplicate))
    }

    /// Whether it finished with an error. Being cancelled is none.
    pub(crate) fn failed(&self) -> bool {
        let failed = |result: &Result<R>| result.as_ref().is_err_and(|error| !error.is_cancelled());
        self.handle.peek(failed).unwrap_or(false)
    }
}

impl<R: 'static> Future<R> {
    /// Calls `callback` with the result, once: when the future ends, or here and now if it has ended already.
    ///
    /// It is called on a thread of the pool made for callbacks, before those that wait for the future go on; of
    /// a future that is [cancelled](Future::cancel), on the thread that cancels. Callbacks are called in the
    /// order in which they were added. A panic in one is reported on standard error and changes nothing. A
    /// value that was moved out before is shown as the error [`Taken`](ErrorKind::Taken).
    pub fn add_done_callback(&self, callback: impl FnOnce(&Result<R>) + Send + 'static) -> &Future<R> {
        self.handle.on_done(callback);
        self
    }
}

impl<R> std::future::Future for Future<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        Pin::new(&mut self.handle).poll(cx)
    }
}

impl<R> fmt::Debug for Future<R> {
    /// Its state, and of a finished one the type of its value or the kind of its error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Future");
        if !self.done() {
            let state = if self.handle.has_begun() { "running" } else { "pending" };
            return text.field("state", &format_args!("{state}")).finish();
        }
        match self.handle.peek(|result| result.as_ref().err().map(Error::kind)) {
            Some(Some(ErrorKind::Cancelled)) => text.field("state", &format_args!("cancelled")),
            Some(Some(kind)) => text.field("state", &format_args!("finished")).field("raised", &kind),
            Some(None) => text
                .field("state", &format_args!("finished"))
                .field("returned", &format_args!("{}", type_name::<R>())),
            None => {
                text.field("state", &format_args!("finished")).field("returned", &format_args!("(moved out)"))
            }
        };
        text.finish()
    }
}
