//! `imap` and `imap_unordered`: a lazy input, a bounded window, results as they come.
//!
//! ```text
//!  input ──take──> chunk ──submit──> backend ──collect──> Stream ──> next()
//!        └──────────── at most `window` items in here ───────────┘
//! ```
//!
//! Nothing is taken from the input but by the caller's own thread, when the iterator is made and in
//! `next`. So an endless input is fine, memory is constant, and a slow consumer slows the input.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::chunk::{Chunk, Collect, Ended, Input, Results};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::function::TaskFn;
use crate::lock;
use crate::options::Options;
use crate::work::Limits;

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
    backend: Arc<dyn Backend>,
    bound: F::Bound,
    limits: Limits,
    chunk: usize,
    window: usize,
    /// Items taken from the input.
    taken: usize,
    /// Items whose chunk has been handed to the caller completely.
    given: usize,
    /// Number of chunks submitted.
    submitted: usize,
    /// Number of chunks received.
    received: usize,
    current: Option<Results<F::Output>>,
    current_len: usize,
    stream: Arc<Stream<F::Output>>,
    /// A wrong option, told once.
    refused: Option<Error>,
}

/// In which order results are given.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    Input,
    Arrival,
}

struct Stream<R> {
    order: Order,
    arrived: Mutex<Arrived<R>>,
    /// Set when the next chunk to give may be there; the consumer clears it and looks again.
    event: Event,
    dropped: AtomicBool,
}

struct Arrived<R> {
    /// Order::Input: by number of the chunk, from `first`. Order::Arrival: no gaps.
    ended: VecDeque<Option<Ended<R>>>,
    first: usize,
}

impl<R: Send> Collect<R> for Stream<R> {
    fn collect(self: Arc<Self>, index: usize, ended: Ended<R>) {
        let next_is_here = {
            let mut arrived = lock(&self.arrived);
            match self.order {
                Order::Arrival => arrived.ended.push_back(Some(ended)),
                Order::Input => {
                    let place = index - arrived.first;
                    if arrived.ended.len() <= place {
                        arrived.ended.resize_with(place + 1, || None);
                    }
                    arrived.ended[place] = Some(ended);
                }
            }
            matches!(arrived.ended.front(), Some(Some(_)))
        };
        if next_is_here {
            self.event.set();
        }
    }

    fn wanted(&self, _index: usize) -> bool {
        // ORDERING: a hint; a chunk that misses it is run for nothing.
        !self.dropped.load(Relaxed)
    }
}

impl<R> Stream<R> {
    fn pop(&self) -> Option<Ended<R>> {
        let mut arrived = lock(&self.arrived);
        let ended = arrived.ended.front_mut()?.take()?;
        arrived.ended.pop_front();
        arrived.first += 1;
        Some(ended)
    }

    /// The next chunk to give; `None` when `deadline` passes first.
    fn next(&self, backend: &dyn Backend, deadline: Option<Instant>) -> Option<Ended<R>> {
        loop {
            if let Some(ended) = self.pop() {
                return Some(ended);
            }
            self.event.clear();
            if let Some(ended) = self.pop() {
                return Some(ended);
            }
            if !backend.wait(&self.event, deadline) {
                return self.pop();
            }
        }
    }
}

impl<F, I> IMap<F, I>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + Send + 'static,
    F: TaskFn<I::Item>,
    F::Output: Serialize + DeserializeOwned + Send + 'static,
{
    pub(crate) fn new(backend: &Arc<dyn Backend>, options: Options, order: Order, f: F, items: I) -> Self {
        let (refused, (chunk, window)) = match options.stream(backend.workers()) {
            Ok(sizes) => (None, sizes),
            Err(error) => (Some(error), (1, 1)),
        };
        let arrived = Mutex::new(Arrived { ended: VecDeque::new(), first: 0 });
        let stream = Stream { order, arrived, event: Event::new(), dropped: AtomicBool::new(false) };
        let mut imap = IMap {
            items: refused.is_none().then_some(items),
            backend: backend.clone(),
            bound: f.bind(),
            limits: options.limits,
            chunk,
            window,
            taken: 0,
            given: 0,
            submitted: 0,
            received: 0,
            current: None,
            current_len: 0,
            stream: Arc::new(stream),
            refused,
        };
        imap.fill();
        imap
    }

    /// Takes from the input what the window allows, once a quarter of it is free: refilling in
    /// bursts saves a wake-up per item.
    fn fill(&mut self) {
        let free = self.window - (self.taken - self.given);
        let burst = (self.window / 4).min(64).max(self.chunk);
        if free < burst && self.taken != self.given {
            return;
        }
        while self.window - (self.taken - self.given) >= self.chunk {
            let Some(items) = &mut self.items else { return };
            let chunk: Vec<I::Item> = items.by_ref().take(self.chunk).collect();
            if chunk.len() < self.chunk {
                self.items = None;
            }
            if chunk.is_empty() {
                // Over nothing, a pool that takes no more work says so all the same.
                if self.submitted == 0 {
                    self.refused = self.backend.refusal();
                }
                return;
            }
            let (bound, start) = (self.bound.clone(), self.taken);
            self.taken += chunk.len();
            let (input, stream) = (Input::Apart(chunk, None), self.stream.clone());
            let task =
                Chunk::<F, I::Item, false>::new(bound, self.limits, self.submitted, start, input, stream);
            self.submitted += 1;
            self.backend.submit(task);
        }
    }

    /// The next result, waiting at most until `deadline`; `Err` is the time-out.
    fn advance(&mut self, deadline: Option<Instant>) -> std::result::Result<Option<Result<F::Output>>, ()> {
        if let Some(error) = self.refused.take() {
            return Ok(Some(Err(error)));
        }
        loop {
            if let Some(results) = &mut self.current {
                if let Some(result) = results.next() {
                    if result.as_ref().is_err_and(|error| stops_input(error.kind())) {
                        self.items = None;
                    }
                    return Ok(Some(result));
                }
                self.current = None;
                self.given += self.current_len;
            }
            self.fill();
            if self.received == self.submitted {
                return Ok(None);
            }
            let ended = self.stream.next(&*self.backend, deadline).ok_or(())?;
            self.received += 1;
            self.current_len = ended.len();
            self.current = Some(ended.into_results());
        }
    }

    /// The next result, or [`TimedOut`](ErrorKind::TimedOut) when there is none within `timeout`; the
    /// iterator can be asked again after that.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<F::Output>> {
        self.advance(Instant::now().checked_add(timeout)).unwrap_or_else(|()| {
            Some(Err(Error::new(ErrorKind::TimedOut, format!("no result within {timeout:?}"))))
        })
    }
}

/// A pool in such a state answers everything else with the same error; an endless input would give
/// an endless stream of them.
fn stops_input(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Closed | ErrorKind::Terminated | ErrorKind::Broken)
}

impl<F, I> Iterator for IMap<F, I>
where
    I: Iterator,
    I::Item: Serialize + DeserializeOwned + Send + 'static,
    F: TaskFn<I::Item>,
    F::Output: Serialize + DeserializeOwned + Send + 'static,
{
    type Item = Result<F::Output>;

    fn next(&mut self) -> Option<Result<F::Output>> {
        self.advance(None).unwrap_or(None)
    }
}

impl<F, I> Drop for IMap<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
{
    fn drop(&mut self) {
        self.stream.dropped.store(true, Relaxed);
    }
}

impl<F, I> std::fmt::Debug for IMap<F, I>
where
    I: Iterator,
    F: TaskFn<I::Item>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IMap")
            .field("taken", &self.taken)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}
