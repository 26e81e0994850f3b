//! Waiting for some of many.

use std::fmt;
use std::time::{Duration, Instant};

use crate::completions::Completions;
use crate::future::Future;

/// When [`wait()`] returns. Python's constants of the same names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReturnWhen {
    /// When one has ended, in any way.
    FirstCompleted,
    /// When one has ended with an error; being cancelled is none. When all have ended, if none does.
    FirstException,
    /// When all have ended.
    #[default]
    AllCompleted,
}

/// What [`wait()`] gives: the futures again, each in the order of the input.
#[derive(Default)]
pub struct Waited<R> {
    /// Those that have ended: finished, or cancelled.
    pub done: Vec<Future<R>>,
    /// The others.
    pub not_done: Vec<Future<R>>,
}

impl<R> fmt::Debug for Waited<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waited").field("done", &self.done).field("not_done", &self.not_done).finish()
    }
}

/// Waits for futures, which may be of several pools, until `when` says, for at most `timeout`; `None` is
/// without end. Nothing is cancelled, and no future is an error here: that is its own to say.
///
/// ```
/// # use pool_core::{AnyPool, Pool};
/// use pool_futures::{Future, ReturnWhen, wait};
/// # fn show(pool: &dyn AnyPool) {
/// let futures = (0..3).map(|x: u64| Future::from(pool.apply_async(|x: u64| x + 1, x)));
/// let waited = wait(futures, None, ReturnWhen::AllCompleted);
/// assert_eq!(waited.done.len(), 3);
/// # }
/// ```
pub fn wait<R>(
    futures: impl IntoIterator<Item = Future<R>>,
    timeout: Option<Duration>,
    when: ReturnWhen,
) -> Waited<R> {
    // A deadline past the end of time is none.
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut completions = Completions::of(futures);
    let count = completions.len();
    let mut done = vec![false; count];
    let mut ended = 0;
    let mut in_time = true;
    loop {
        let mut failed = false;
        for number in completions.take() {
            done[number] = true;
            ended += 1;
            failed |=
                when == ReturnWhen::FirstException && completions.get(number).is_some_and(Future::failed);
        }
        let enough = ended == count || failed || (when == ReturnWhen::FirstCompleted && ended > 0);
        if enough || !in_time {
            break;
        }
        let needed = if when == ReturnWhen::AllCompleted { count - ended } else { 1 };
        in_time = completions.wait_for(needed, deadline);
    }
    let mut waited = Waited { done: Vec::with_capacity(ended), not_done: Vec::with_capacity(count - ended) };
    for (number, future) in completions.into_rest() {
        if done[number] { waited.done.push(future) } else { waited.not_done.push(future) }
    }
    waited
}
