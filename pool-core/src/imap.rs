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
    #[inline]
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

    /// The next result, or [`TimedOut`](ErrorKind::TimedOut) when there is none within `timeout`; the
    /// iterator can be asked again after that.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<F::Output>> {
        self.advance(Instant::now().checked_add(timeout)).unwrap_or_else(|()| {
            Some(Err(Error::new(ErrorKind::TimedOut, format!("no result within {timeout:?}"))))
        })
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

    #[inline]
    fn next(&mut self) -> Option<Result<F::Output>> {
        self.advance(None).unwrap_or(None)
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
