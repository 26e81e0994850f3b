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
use crate::room::Seeded;
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
    /// Number of chunks begun to be given.
    begun: usize,
    /// The chunks to give after the one that is being given, as far as they are known to be there.
    received: VecDeque<Ended<F::Output>>,
    /// Of the chunk that is being given, whose items all gave a value.
    values: std::vec::IntoIter<F::Output>,
    /// The chunk that is being given, some of whose items failed.
    mixed: Option<Results<F::Output>>,
    /// How many items the chunk that is being given has.
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
    /// Takes the chunks that are to be given next and are there, if any are: all of them, so that this meets whoever
    /// brings them as rarely as can be.
    fn take(&self, received: &mut VecDeque<Ended<R>>) -> bool {
        let mut arrived = lock(&self.arrived);
        while let Some(ended) = arrived.ended.front_mut().and_then(Option::take) {
            arrived.ended.pop_front();
            arrived.first += 1;
            received.push_back(ended);
        }
        !received.is_empty()
    }

    /// The same, of which there is none now; `false` when `deadline` passes first.
    fn wait_and_take(
        &self,
        received: &mut VecDeque<Ended<R>>,
        backend: &dyn Backend,
        deadline: Option<Instant>,
    ) -> bool {
        loop {
            self.event.clear();
            if self.take(received) {
                return true;
            }
            if !backend.wait(&self.event, deadline) {
                return self.take(received);
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
            begun: 0,
            received: VecDeque::new(),
            values: Vec::new().into_iter(),
            mixed: None,
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
        let burst = (self.size / 4).min(64 * self.chunk).max(self.chunk);
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
        // Values take the places of their items where they can, so that a chunk is one vector on its way here and
        // back.
        let input = match if self.backend.shares_memory() { Seeded::of(items) } else { Err(items) } {
            Ok(seeded) => Input::Seeded(seeded),
            Err(items) => Input::Apart(items, None),
        };
        let arrivals = self.arrivals.clone();
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

    /// Whether chunks were submitted that were not begun to be given.
    pub fn is_outstanding(&self) -> bool {
        self.begun < self.submitted
    }

    /// The next result, of those that were received.
    #[inline]
    pub fn ready(&mut self) -> Option<Result<F::Output>> {
        match self.values.next() {
            Some(value) => Some(Ok(value)),
            None => self.ready_besides(),
        }
    }

    /// The next of them that is no value of a chunk without failures; that there is none of those was seen.
    #[inline(never)]
    fn ready_besides(&mut self) -> Option<Result<F::Output>> {
        if let Some(result) = self.mixed.as_mut().and_then(Iterator::next) {
            if let Err(error) = &result {
                self.over |= stops_input(error.kind());
            }
            return Some(result);
        }
        self.mixed = None;
        self.given += std::mem::take(&mut self.current_len);
        self.refused.take().map(Err)
    }

    /// The values of the chunk that is being given, as far as they were not given: at once, instead of by
    /// [`ready`](Window::ready).
    pub fn take_values(&mut self) -> impl Iterator<Item = F::Output> + use<F, A> {
        std::mem::take(&mut self.values)
    }

    /// How many results there are at least to come: one for each item that was submitted.
    pub fn to_come(&self) -> usize {
        self.taken - self.given()
    }

    /// How many items' results were given.
    pub fn given(&self) -> usize {
        let left = self.values.len() + self.mixed.as_ref().map_or(0, Results::left);
        self.given + self.current_len - left
    }

    /// Has the next chunk given, if one is outstanding, waiting at most until `deadline` (`false`).
    pub fn wait(&mut self, deadline: Option<Instant>) -> bool {
        self.give_next()
            || self.arrivals.take(&mut self.received) && self.give_next()
            || self.arrivals.wait_and_take(&mut self.received, &*self.backend, deadline) && self.give_next()
    }

    /// Has the next chunk given if it is there. If it is not, and one is outstanding, the waker is woken when it
    /// may be; the last that was left alone.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(last) = self.polled.take() {
            self.arrivals.event.unregister(last);
        }
        if self.give_next() {
            return Poll::Ready(());
        }
        loop {
            self.arrivals.event.clear();
            if self.arrivals.take(&mut self.received) && self.give_next() {
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

    fn give_next(&mut self) -> bool {
        let Some(ended) = self.received.pop_front() else { return false };
        self.begun += 1;
        self.current_len = ended.len();
        let mut results = ended.into_results();
        match results.take_values() {
            Some(values) => self.values = values,
            None => self.mixed = Some(results),
        }
        true
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
