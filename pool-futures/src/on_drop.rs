//! Futures that give their task up when they are dropped.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use pool_core::Result;

use crate::future::Future;

/// A future that gives its task up when it is dropped before it has ended: what
/// [`Future::cancel_on_drop`] and [`Future::kill_on_drop`] return.
///
/// Async code drops a future to say that it does not want the result any more: the branch of a `select` that was
/// slower, a time-out, a task that was aborted. A [`Future`] itself lets its task go on.
///
/// ```
/// # use pool_core::{AnyPool, Pool};
/// # use pool_futures::Future;
/// # async fn show(pool: &dyn AnyPool) -> pool_core::Result<()> {
/// let guarded = Future::from(pool.apply_async(|x: u64| x + 1, 41)).cancel_on_drop();
/// assert_eq!(guarded.await?, 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropped at once it gives its task up at once"]
pub struct OnDrop<R> {
    future: Future<R>,
    wish: Wish,
}

/// What becomes of a task whose future is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    LetGo,
    Cancel,
    Kill,
}

impl<R> Future<R> {
    /// A future that, dropped, [cancels](Future::cancel) the task: if no worker has begun it, it never runs. A task
    /// that runs is not disturbed.
    pub fn cancel_on_drop(self) -> OnDrop<R> {
        OnDrop { future: self, wish: Wish::Cancel }
    }

    /// As [`cancel_on_drop`](Future::cancel_on_drop); and if the task runs, its worker process is killed and
    /// replaced. A thread cannot be killed: there the task runs to its end unheard.
    pub fn kill_on_drop(self) -> OnDrop<R> {
        OnDrop { future: self, wish: Wish::Kill }
    }

    /// Of a future that is being dropped.
    pub(crate) fn give_up(&self, wish: Wish) {
        // One that has ended is not looked for.
        if self.handle().event().is_set() {
            return;
        }
        match wish {
            Wish::LetGo => {}
            Wish::Cancel => drop(self.handle().withdraw()),
            Wish::Kill => drop(self.handle().cancel()),
        }
    }
}

impl<R> OnDrop<R> {
    /// From now on the task goes on when this is dropped.
    pub fn detach(&mut self) {
        self.wish = Wish::LetGo;
    }
}

/// The future, to ask it something.
impl<R> Deref for OnDrop<R> {
    type Target = Future<R>;

    fn deref(&self) -> &Future<R> {
        &self.future
    }
}

impl<R> std::future::Future for OnDrop<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R>> {
        Pin::new(&mut self.future).poll(cx)
    }
}

impl<R> Drop for OnDrop<R> {
    fn drop(&mut self) {
        self.future.give_up(self.wish);
    }
}

impl<R> fmt::Debug for OnDrop<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDrop").field("future", &self.future).field("wish", &self.wish).finish()
    }
}
