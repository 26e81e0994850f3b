//! Futures in the order in which they end.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use pool_core::{Error, ErrorKind, Result};

use crate::completions::Completions;
use crate::future::Future;
use crate::on_drop::Wish;

/// Gives futures, which may be of several pools, as they end: those that have ended already first. Within
/// `timeout` of this call, if there is one.
///
/// ```
/// # use pool_core::{AnyPool, Pool};
/// use pool_futures::{Future, as_completed};
/// # fn show(pool: &dyn AnyPool) -> pool_core::Result<()> {
/// let futures = (0..3).map(|x: u64| Future::from(pool.apply_async(|x: u64| x + 1, x)));
/// for future in as_completed(futures, None) {
///     println!("{}", future?.result()?);
/// }
/// # Ok(())
/// # }
/// ```
pub fn as_completed<R>(
    futures: impl IntoIterator<Item = Future<R>>,
    timeout: Option<Duration>,
) -> AsCompleted<R> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let completions = Completions::of(futures);
    AsCompleted { left: completions.len(), completions, deadline, over: false }
}

/// The iterator that [`as_completed`] returns.
///
/// An item is an error only when the time is over: [`TimedOut`](ErrorKind::TimedOut), which says how many
/// futures are unfinished, is then the last item. Dropping the iterator drops the futures that it has not given,
/// and so detaches their tasks.
pub struct AsCompleted<R> {
    completions: Completions<R>,
    left: usize,
    deadline: Option<Instant>,
    /// The time-out was told.
    over: bool,
}

impl<R> Iterator for AsCompleted<R> {
    type Item = Result<Future<R>>;

    fn next(&mut self) -> Option<Result<Future<R>>> {
        if self.left == 0 || self.over {
            return None;
        }
        match self.completions.next(self.deadline) {
            Some(future) => {
                self.left -= 1;
                Some(Ok(future))
            }
            None => {
                self.over = true;
                let text = format!("{} (of {}) futures unfinished", self.left, self.completions.len());
                Some(Err(Error::new(ErrorKind::TimedOut, text)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.over { (0, Some(0)) } else { (self.left.min(1), Some(self.left)) }
    }
}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}

/// As [`as_completed`], as a `Stream`: on any runtime, whose timers are its time-outs. It blocks no thread.
pub fn as_completed_stream<R>(futures: impl IntoIterator<Item = Future<R>>) -> AsCompletedStream<R> {
    let completions = Completions::of(futures);
    completions.attend();
    AsCompletedStream { left: completions.len(), completions, wish: Wish::LetGo }
}

/// The stream that [`as_completed_stream`] returns. Its futures have ended: to await one takes no time.
///
/// Dropping it drops the futures that it has not given, and so detaches their tasks, if nothing else is asked for.
pub struct AsCompletedStream<R> {
    completions: Completions<R>,
    left: usize,
    wish: Wish,
}

impl<R> AsCompletedStream<R> {
    /// The same stream, which, dropped, cancels the tasks of the futures that it has not given: as
    /// [`Future::cancel_on_drop`].
    pub fn cancel_on_drop(mut self) -> AsCompletedStream<R> {
        self.wish = Wish::Cancel;
        self
    }

    /// As [`cancel_on_drop`](AsCompletedStream::cancel_on_drop); those that run are killed as by
    /// [`Future::kill_on_drop`].
    pub fn kill_on_drop(mut self) -> AsCompletedStream<R> {
        self.wish = Wish::Kill;
        self
    }
}

impl<R> Drop for AsCompletedStream<R> {
    fn drop(&mut self) {
        if self.wish != Wish::LetGo {
            self.completions.give_up(self.wish);
        }
    }
}

impl<R> Stream for AsCompletedStream<R> {
    type Item = Future<R>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Future<R>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        match self.completions.poll_next(cx.waker()) {
            Some(future) => {
                self.left -= 1;
                Poll::Ready(Some(future))
            }
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R> fmt::Debug for AsCompletedStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompletedStream").field("left", &self.left).finish_non_exhaustive()
    }
}
