//! `imap` and `imap_unordered`: a lazy input, a bounded window, results as they come.
//!
//! Nothing is taken from the input but by the caller's own thread, when the iterator is made and in
//! `next`. So an endless input is fine, memory is constant, and a slow consumer slows the input.

use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::AnyPool;
use crate::error::{Error, ErrorKind, Result};
use crate::function::TaskFn;
use crate::window::{Order, Window};

/// The iterator that [`Pool::imap`](crate::Pool::imap) and
/// [`Pool::imap_unordered`](crate::Pool::imap_unordered) return.
///
/// Dropping it drops the tasks that have not begun; those that run, run to their end unheard.
pub struct IMap<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
{
    /// `None` once it is exhausted or the pool takes no more.
    items: Option<I>,
    window: Window<F, I::Item>,
}

impl<F, I> IMap<F, I>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + Send + 'static,
    F: TaskFn<I::Item>,
    F::Output: Serialize + DeserializeOwned + Send + 'static,
{
    pub(crate) fn new<P: AnyPool + ?Sized>(pool: &P, order: Order, f: F, items: I) -> Self {
        let mut imap = IMap { items: Some(items), window: Window::new(pool, order, f) };
        imap.fill();
        imap
    }

    /// Takes from the input what the window wants.
    fn fill(&mut self) {
        while let Some(items) = &mut self.items {
            let wanted = self.window.wants();
            if wanted == 0 {
                if self.window.is_over() {
                    self.items = None;
                }
                return;
            }
            let chunk: Vec<I::Item> = items.by_ref().take(wanted).collect();
            let last = chunk.len() < wanted;
            self.window.submit(chunk);
            if last {
                self.items = None;
                self.window.end_input();
            }
        }
    }

    /// The next result, waiting at most until `deadline`; `Err` is the time-out.
    #[inline(never)]
    fn advance(&mut self, deadline: Option<Instant>) -> std::result::Result<Option<Result<F::Output>>, ()> {
        loop {
            if let Some(result) = self.window.ready() {
                return Ok(Some(result));
            }
            if !self.receive(deadline)? {
                // A pool that takes no more says so over an empty input too.
                return Ok(self.window.ready());
            }
        }
    }

    /// Fills the window, and receives the next chunk; `false`: there is none.
    fn receive(&mut self, deadline: Option<Instant>) -> std::result::Result<bool, ()> {
        self.fill();
        if !self.window.is_outstanding() {
            return Ok(false);
        }
        if self.window.wait(deadline) { Ok(true) } else { Err(()) }
    }

    /// The next result, if its chunk was received already; it does not wait, and takes nothing from the input.
    /// `None`: there is none, or [`next`](Iterator::next) has to wait for it.
    #[inline]
    pub fn next_received(&mut self) -> Option<Result<F::Output>> {
        self.window.ready()
    }

    /// The next result, or [`TimedOut`](ErrorKind::TimedOut) when there is none within `timeout`; the
    /// iterator can be asked again after that.
    #[inline]
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<F::Output>> {
        if let Some(result) = self.window.ready() {
            return Some(result);
        }
        self.advance(Instant::now().checked_add(timeout)).unwrap_or_else(|()| {
            Some(Err(Error::new(ErrorKind::TimedOut, format!("no result within {timeout:?}"))))
        })
    }

    /// How many items' results it has given.
    pub fn given(&self) -> usize {
        self.window.given()
    }
}

impl<F, I> Iterator for IMap<F, I>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + Send + 'static,
    F: TaskFn<I::Item>,
    F::Output: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<F::Output>;

    // Most results are values that lie there: that much is worth having in the caller's loop.
    #[inline]
    fn next(&mut self) -> Option<Result<F::Output>> {
        match self.window.ready() {
            Some(result) => Some(result),
            None => self.advance(None).unwrap_or(None),
        }
    }

    /// At least the results of what was taken from the input. At most those of the rest of it too, and one
    /// error of the call.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let taken = self.window.to_come();
        let rest = self.items.as_ref().map_or(Some(0), |items| items.size_hint().1);
        (taken, rest.and_then(|rest| rest.checked_add(taken)?.checked_add(1)))
    }

    fn fold<B, G>(mut self, init: B, mut f: G) -> B
    where
        G: FnMut(B, Result<F::Output>) -> B,
    {
        let mut folded = init;
        loop {
            folded = self.window.take_values().fold(folded, |folded, value| f(folded, Ok(value)));
            match self.next() {
                Some(result) => folded = f(folded, result),
                None => return folded,
            }
        }
    }
}

impl<F, I> std::fmt::Debug for IMap<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IMap").field("window", &self.window).finish_non_exhaustive()
    }
}
