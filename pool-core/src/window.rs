//! What `imap` and its streams have in common: a bounded window between an input and the results.
//!
//! ```text
//!  input ──submit──> chunk ──> backend ──collect──> Arrivals ──> ready
//!          └───────────── at most `window` items in here ────────────┘
//! ```
//!
//! A window takes nothing by itself: it says how much it [wants](Window::wants), and whoever has the input
//! [submits](Window::submit) that. So the input may be an iterator or come bit by bit, and its owner may be a
//! thread that waits or a task that is polled.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{AnyPool, Backend};
use crate::chunk::{Chunk, Collect, Ended, Input, Results};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Event, Registration};
use crate::function::TaskFn;
use crate::lock;
use crate::work::Limits;

/// In which order results are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// That of the items.
    Input,
    /// That in which they arrive.
    Arrival,
}

/// Items on their way through a pool, in chunks: no more of them than the pool's options say.
///
/// Dropping it drops the tasks that have not begun; those that run, run to their end unheard.
pub struct Window<F, A>
where
    F: TaskFn<A>,
{
    backend: Arc<dyn Backend>,
    bound: F::Bound,
    limits: Limits,
    chunk: usize,
    size: usize,
    /// The input has ended, or the pool takes no more.
    over: bool,
    /// It is being filled.
    filling: bool,
    /// Items submitted.
    taken: usize,
    /// Items whose chunk has been handed on completely.
    given: usize,
    /// Number of chunks submitted.
    submitted: usize,
    /// Number of chunks received.
    received: usize,
    current: Option<Results<F::Output>>,
    current_len: usize,
    arrivals: Arc<Arrivals<F::Output>>,
    /// Of the last poll.
    polled: Option<Registration>,
    /// A wrong option, told once.
    refused: Option<Error>,
}

struct Arrivals<R> {
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

impl<R: Send> Collect<R> for Arrivals<R> {
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

impl<R> Arrivals<R> {
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

impl<F, A> Window<F, A>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    F: TaskFn<A>,
    F::Output: Serialize + DeserializeOwned + Send + 'static,
{
    /// An empty window of the size that the pool's options say.
    pub fn new<P: AnyPool + ?Sized>(pool: &P, order: Order, f: F) -> Window<F, A> {
        let (backend, options) = (pool.backend(), pool.options());
        let (refused, (chunk, size)) = match options.stream(backend.workers()) {
            Ok(sizes) => (None, sizes),
            Err(error) => (Some(error), (1, 1)),
        };
        let arrived = Mutex::new(Arrived { ended: VecDeque::new(), first: 0 });
        let arrivals = Arrivals { order, arrived, event: Event::new(), dropped: AtomicBool::new(false) };
        Window {
            backend: backend.clone(),
            bound: f.bind(),
            limits: options.limits,
            chunk,
            size,
            over: refused.is_some(),
            filling: false,
            taken: 0,
            given: 0,
            submitted: 0,
            received: 0,
            current: None,
            current_len: 0,
            arrivals: Arc::new(arrivals),
            polled: None,
            refused,
        }
    }

    /// How many items to [`submit`](Window::submit) next, if the input has so many; 0: none now. Not before a
    /// quarter of the window is free: refilling in bursts saves a wake-up per item.
    pub fn wants(&mut self) -> usize {
        if self.over {
            return 0;
        }
        let inside = self.taken - self.given;
        let free = self.size - inside;
        let burst = (self.size / 4).min(64).max(self.chunk);
        self.filling = (self.filling || free >= burst || inside == 0) && free >= self.chunk;
        if self.filling { self.chunk } else { 0 }
    }

    /// Has the items run as one task: as many as were wanted, or fewer if there are no more yet.
    pub fn submit(&mut self, items: Vec<A>) {
        if items.is_empty() {
            return;
        }
        let (bound, start) = (self.bound.clone(), self.taken);
        self.taken += items.len();
        let (input, arrivals) = (Input::Apart(items, None), self.arrivals.clone());
        let task = Chunk::<F, A, false>::new(bound, self.limits, self.submitted, start, input, arrivals);
        self.submitted += 1;
        self.backend.submit(task);
    }

    /// There will be no more items.
    pub fn end_input(&mut self) {
        // Over nothing, a pool that takes no more work says so all the same.
        if !self.over && self.submitted == 0 {
            self.refused = self.backend.refusal();
        }
        self.over = true;
    }

    /// Whether it wants no items any more: the input has ended, or the pool takes no more work.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Whether chunks were submitted that were not received.
    pub fn is_outstanding(&self) -> bool {
        self.received < self.submitted
    }

    /// The next result, of those that were received.
    #[inline]
    pub fn ready(&mut self) -> Option<Result<F::Output>> {
        let Some(results) = &mut self.current else { return self.refused.take().map(Err) };
        match results.next() {
            Some(Ok(value)) => Some(Ok(value)),
            Some(Err(error)) => {
                self.over |= stops_input(error.kind());
                Some(Err(error))
            }
            None => {
                self.current = None;
                self.given += self.current_len;
                self.refused.take().map(Err)
            }
        }
    }

    /// Receives the next chunk, if one is outstanding, waiting at most until `deadline` (`false`).
    pub fn wait(&mut self, deadline: Option<Instant>) -> bool {
        let ended = self.arrivals.next(&*self.backend, deadline);
        ended.map(|ended| self.receive(ended)).is_some()
    }

    /// Receives the next chunk if it is there. If it is not, and one is outstanding, the waker is woken when it
    /// may be; the last that was left alone.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(last) = self.polled.take() {
            self.arrivals.event.unregister(last);
        }
        loop {
            self.arrivals.event.clear();
            if let Some(ended) = self.arrivals.pop() {
                self.receive(ended);
                return Poll::Ready(());
            }
            self.polled = self.arrivals.event.register(cx.waker());
            if self.polled.is_some() {
                // Nobody waits in the pool.
                self.backend.attend();
                return Poll::Pending;
            }
        }
    }

    fn receive(&mut self, ended: Ended<F::Output>) {
        self.received += 1;
        self.current_len = ended.len();
        self.current = Some(ended.into_results());
    }
}

/// A pool in such a state answers everything else with the same error; an endless input would give
/// an endless stream of them.
fn stops_input(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Closed | ErrorKind::Terminated | ErrorKind::Broken)
}

impl<F, A> Drop for Window<F, A>
where
    F: TaskFn<A>,
{
    fn drop(&mut self) {
        self.arrivals.dropped.store(true, Relaxed);
        if let Some(last) = self.polled.take() {
            self.arrivals.event.unregister(last);
        }
    }
}

impl<F, A> std::fmt::Debug for Window<F, A>
where
    F: TaskFn<A>,
{
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Window").field("taken", &self.taken).field("size", &self.size).finish_non_exhaustive()
    }
}
