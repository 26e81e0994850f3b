//! `map`: lazy input, bounded, within a time.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pool_core::{AnyPool, Backend, Error, ErrorKind, IMap, Message, Options, Pool, Result, TaskFn};

/// How a [`map`](MapOptions::map) is made: what [`Executor::chunk_size`](crate::Executor::chunk_size),
/// [`buffer_size`](crate::Executor::buffer_size) and [`timeout`](crate::Executor::timeout) give.
#[derive(Clone)]
pub struct MapOptions {
    pool: Seen,
    timeout: Option<Duration>,
}

/// The pool with the options of its calls.
#[derive(Clone)]
struct Seen {
    backend: Arc<dyn Backend>,
    options: Options,
}

impl AnyPool for Seen {
    fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    fn options(&self) -> Options {
        self.options
    }
}

impl MapOptions {
    pub(crate) fn of<P: AnyPool>(pool: &P) -> MapOptions {
        let pool = Seen { backend: pool.backend().clone(), options: pool.options() };
        MapOptions { pool, timeout: None }
    }

    /// See [`Executor::chunk_size`](crate::Executor::chunk_size).
    pub fn chunk_size(mut self, items: usize) -> MapOptions {
        self.pool.options.chunk_size = Some(items);
        self
    }

    /// See [`Executor::buffer_size`](crate::Executor::buffer_size).
    pub fn buffer_size(mut self, items: usize) -> MapOptions {
        self.pool.options.window = Some(items);
        self
    }

    /// See [`Executor::timeout`](crate::Executor::timeout).
    pub fn timeout(mut self, limit: Duration) -> MapOptions {
        self.timeout = Some(limit);
        self
    }

    /// See [`Executor::map`](crate::Executor::map).
    pub fn map<F, I>(&self, f: F, items: I) -> Map<F, I::IntoIter>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        // A deadline past the end of time is none.
        let limit = self.timeout.and_then(|limit| Some((limit, Instant::now().checked_add(limit)?)));
        Map { results: Some(self.pool.imap(f, items)), limit }
    }
}

impl fmt::Debug for MapOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("MapOptions");
        text.field("options", &self.pool.options).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The iterator that [`Executor::map`](crate::Executor::map) returns.
///
/// Dropping it drops the tasks that no worker was given; those that one has (of a worker process up to 256, if they
/// are short) are run to their end unheard.
pub struct Map<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
{
    /// `None` once the time was over.
    results: Option<IMap<F, I>>,
    /// The limit, and when it is over.
    limit: Option<(Duration, Instant)>,
}

impl<F, I> Map<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
    I::Item: Message,
    F::Output: Message,
{
    /// The next result, which has to be waited for.
    #[inline(never)]
    fn wait(&mut self) -> Option<Result<F::Output>> {
        let results = self.results.as_mut()?;
        let Some((limit, deadline)) = self.limit else { return results.next() };
        let next = results.next_timeout(deadline.saturating_duration_since(Instant::now()))?;
        // A task that ran out of time is an error of its item; the wait is nobody's.
        if next.as_ref().is_err_and(|error| error.is_timeout() && error.item().is_none()) {
            let text = format!("{} results of the map within its timeout of {limit:?}", results.given());
            self.results = None;
            return Some(Err(Error::new(ErrorKind::TimedOut, text)));
        }
        Some(next)
    }
}

impl<F, I> Iterator for Map<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
    I::Item: Message,
    F::Output: Message,
{
    type Item = Result<F::Output>;

    // As for `IMap`: what lies there is given without asking for the time.
    #[inline]
    fn next(&mut self) -> Option<Result<F::Output>> {
        match self.results.as_mut()?.next_received() {
            Some(result) => Some(result),
            None => self.wait(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let (least, most) = self.results.as_ref().map_or((0, Some(0)), Iterator::size_hint);
        // With a limit it may end before.
        (if self.limit.is_none() { least } else { 0 }, most)
    }

    fn fold<B, G>(mut self, init: B, mut f: G) -> B
    where
        G: FnMut(B, Result<F::Output>) -> B,
    {
        match (self.limit, self.results.take()) {
            (None, Some(results)) => results.fold(init, f),
            (_, results) => {
                self.results = results;
                let mut folded = init;
                for result in self {
                    folded = f(folded, result);
                }
                folded
            }
        }
    }
}

impl<F, I> fmt::Debug for Map<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map")
            .field("results", &self.results)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
