//! The task of `map`, `imap` and their kin: a run of items, its outcome, and how that becomes
//! results again.

use std::sync::{Arc, Mutex};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::again;
use crate::error::{Error, ErrorKind, PanicInfo, Result, Worker};
use crate::function::TaskFn;
use crate::lock;
use crate::one::{carry, decode, encode, unknown_status};
use crate::outcome::{Failure, Ran, Status};
use crate::panics;
use crate::room::{Row, Seeded};
use crate::shim;
use crate::source::Numbers;
use crate::work::{End, Limits, Payload, Request, Work};

/// Where a chunk's outcome goes: the gathering of a `map`, the window of an `imap`.
pub(crate) trait Collect<R>: Send + Sync {
    /// Takes the outcome of chunk number `index`. Called once for each.
    fn collect(self: Arc<Self>, index: usize, ended: Ended<R>);

    /// Whether chunk number `index`, which has not begun, should still be run.
    fn wanted(&self, index: usize) -> bool;
}

/// `STOP`: the first failure ends the chunk, as for `map`, which can only return one.
pub(crate) struct Chunk<T: TaskFn<A>, A, const STOP: bool> {
    bound: T::Bound,
    limits: Limits,
    index: usize,
    span: Span,
    /// There until somebody starts, sends or cancels the task.
    input: Mutex<Option<Input<A, T::Output>>>,
    /// There until the task is settled.
    collector: Mutex<Option<Arc<dyn Collect<T::Output>>>>,
}

/// The items of a chunk.
pub(crate) enum Input<A, R> {
    /// By themselves, with the places of their values if they have some already.
    Apart(Vec<A>, Option<Row<R>>),
    /// In the places of their values.
    Seeded(Seeded<A, R>),
    /// Nowhere, with the places of their values.
    Numbers(Numbers, Row<R>),
}

impl<A: 'static, R> Input<A, R> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Input::Apart(items, _) => items.len(),
            Input::Seeded(seeded) => seeded.len(),
            Input::Numbers(numbers, _) => numbers.len(),
        }
    }

    /// Without the places.
    fn into_items(self) -> Vec<A> {
        match self {
            Input::Apart(items, _) => items,
            Input::Seeded(seeded) => seeded.into_items(),
            Input::Numbers(numbers, _) => numbers.into_items(),
        }
    }
}

/// Which items of the call a chunk is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    /// Position of the first.
    pub(crate) start: usize,
    /// How many.
    pub(crate) len: usize,
}

/// The outcome of a chunk, not looked at yet.
pub(crate) struct Ended<R> {
    span: Span,
    stop: bool,
    how: How<R>,
}

/// The values of a chunk.
pub(crate) enum Values<R> {
    /// In their places.
    Placed(Row<R>),
    /// Elsewhere.
    Loose(Vec<R>),
}

enum How<R> {
    /// Here, by this thread if an item failed.
    Ran(Ran<R>, Option<Worker>),
    /// Here, without a failure, and the values are in their places.
    Placed(Row<R>),
    Elsewhere(End),
}

fn ran_here<R>(ran: Ran<R>) -> How<R> {
    let worker = (!ran.failures.is_empty()).then(Worker::this_thread);
    How::Ran(ran, worker)
}

/// The values are in their places, or `row` has those before the first panic.
fn placed<R>(ran: std::result::Result<(), PanicInfo>, row: Row<R>) -> How<R> {
    match ran {
        Ok(()) => How::Placed(row),
        Err(panic) => {
            let failures = vec![(row.filled(), Failure::Panicked(panic))];
            let _ = panics::catch(|| drop(row));
            ran_here(Ran { values: Vec::new(), failures })
        }
    }
}

impl<T, A, const STOP: bool> Chunk<T, A, STOP>
where
    A: 'static,
    T: TaskFn<A>,
{
    pub(crate) fn new(
        bound: T::Bound,
        limits: Limits,
        index: usize,
        start: usize,
        input: Input<A, T::Output>,
        collector: Arc<dyn Collect<T::Output>>,
    ) -> Arc<Chunk<T, A, STOP>> {
        let span = Span { start, len: input.len() };
        let (input, collector) = (Mutex::new(Some(input)), Mutex::new(Some(collector)));
        Arc::new(Chunk { bound, limits, index, span, input, collector })
    }

    fn settle(&self, how: How<T::Output>) {
        let collector = lock(&self.collector).take();
        if let Some(collector) = collector {
            collector.collect(self.index, Ended { span: self.span, stop: STOP, how });
        }
    }

    fn run_items(&self, input: Input<A, T::Output>)
    where
        A: Serialize + DeserializeOwned + Send + 'static,
    {
        if self.limits.retry_panics {
            return self.run_persistently(input.into_items());
        }
        let call = |item| T::call(&self.bound, item);
        // After a panic some items are left; they are the user's to drop, and may panic too.
        match input {
            Input::Apart(items, Some(mut row)) if STOP => {
                let mut items = items.into_iter();
                let ran = panics::catch(|| row.fill(&mut items, call));
                let _ = panics::catch(|| drop(items));
                self.settle(placed(ran, row));
            }
            Input::Seeded(mut seeded) => match panics::catch(|| seeded.fill(call)) {
                Err(panic) if !STOP => {
                    let (values, items) = seeded.apart();
                    self.settle(ran_here(Ran::after::<T, A>(&self.bound, values, panic, items)));
                }
                ran => {
                    let _ = panics::catch(|| seeded.drop_items());
                    self.settle(placed(ran, seeded.into_row()));
                }
            },
            Input::Numbers(numbers, mut row) if STOP => {
                let ran = panics::catch(|| row.fill_with(|place| numbers.at(place).map(call)));
                self.settle(placed(ran, row));
            }
            other => self.settle(ran_here(Ran::of::<T, A>(&self.bound, other.into_items(), STOP))),
        }
    }

    fn run_persistently(&self, items: Vec<A>)
    where
        A: Serialize + DeserializeOwned + Send + 'static,
    {
        let attempt = |items| Ran::of::<T, A>(&self.bound, items, STOP);
        let panicked = |ran: &Ran<T::Output>| !ran.failures.is_empty();
        let wanted = || lock(&self.collector).is_some();
        self.settle(match again::persistently(self.limits, items, attempt, panicked, wanted) {
            Ok(ran) => ran_here(ran),
            Err(error) => How::Elsewhere(End::Failed(error)),
        });
    }
}

impl<T, A, const STOP: bool> Work for Chunk<T, A, STOP>
where
    T: TaskFn<A>,
    T::Output: Serialize + DeserializeOwned + Send + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    fn run(self: Arc<Self>) {
        let wanted = self.wanted();
        let input = lock(&self.input).take();
        if !wanted {
            self.settle(How::Elsewhere(End::Failed(Error::new(ErrorKind::Cancelled, ""))));
            drop(input);
        } else if let Some(input) = input {
            self.run_items(input);
        }
    }

    fn request(&self) -> Result<Option<Request>> {
        let Some(input) = lock(&self.input).take() else { return Ok(None) };
        let input = encode(input.into_items())?;
        let context = carry::<T, A>(&self.bound)?;
        Ok(Some(Request { entry: shim::chunk::<T, A, STOP>, context, input }))
    }

    fn end(self: Arc<Self>, end: End) {
        let input = lock(&self.input).take();
        drop(input); // The user's, if they were never used: not under the lock.
        self.settle(How::Elsewhere(end));
    }

    fn wanted(&self) -> bool {
        lock(&self.collector).as_ref().is_some_and(|collector| collector.wanted(self.index))
    }

    fn limits(&self) -> Option<&Limits> {
        Some(&self.limits)
    }
}

impl<R> Ended<R> {
    /// Whether some item gave no value, as far as can be told without decoding.
    pub(crate) fn has_failed(&self) -> bool {
        match &self.how {
            How::Ran(ran, _) => !ran.failures.is_empty(),
            How::Placed(row) => !row.is_full(),
            How::Elsewhere(End::Failed(_)) => true,
            How::Elsewhere(End::Reply { status, .. }) => *status != Status::Value as u32,
        }
    }

    /// How many items the chunk has.
    pub(crate) fn len(&self) -> usize {
        self.span.len
    }

    /// The outcome of a chunk that will never run.
    pub(crate) fn lost(error: Error) -> Ended<R> {
        Ended { span: Span { start: 0, len: 0 }, stop: true, how: How::Elsewhere(End::Failed(error)) }
    }
}

impl<R: DeserializeOwned + Send + 'static> Ended<R> {
    /// All the values, or the first failure.
    pub(crate) fn into_values(self) -> Result<Values<R>> {
        if let How::Placed(row) = self.how {
            return Ok(Values::Placed(row));
        }
        let start = self.span.start;
        let (ran, worker) = self.into_ran()?;
        match ran.failures.into_iter().next() {
            None => Ok(Values::Loose(ran.values)),
            Some((at, failure)) => Err(Error::from(failure).by(worker.as_ref()).with_item(start + at)),
        }
    }

    /// A result for each item, in order.
    pub(crate) fn into_results(self) -> Results<R> {
        let span = self.span;
        match self.into_ran() {
            Ok((ran, worker)) => Results {
                worker,
                next: span.start,
                end: span.start + ran.values.len() + ran.failures.len(),
                start: span.start,
                values: ran.values.into_iter(),
                failures: ran.failures.into_iter(),
                failure: None,
                lost: None,
            }
            .primed(),
            Err(error) => Results {
                worker: None,
                next: span.start,
                end: span.start + span.len.max(1),
                start: span.start,
                values: Vec::new().into_iter(),
                failures: Vec::new().into_iter(),
                failure: None,
                lost: Some(error),
            },
        }
    }

    fn into_ran(self) -> Result<(Ran<R>, Option<Worker>)> {
        let Span { start, len } = self.span;
        let (ran, worker) = match self.how {
            How::Ran(ran, worker) => return Ok((ran, worker)),
            How::Placed(row) => (Ran { values: row.into_vec(), failures: Vec::new() }, None),
            How::Elsewhere(End::Failed(error)) if len == 0 => return Err(error),
            How::Elsewhere(End::Failed(error)) => return Err(error.with_item(start)),
            How::Elsewhere(End::Reply { status, output, worker }) => {
                let worker = worker.map(|worker| *worker);
                let ran = received(status, output);
                (ran.map_err(|error| error.by(worker.as_ref()).with_item(start))?, worker)
            }
        };
        if is_whole(&ran, len, self.stop) {
            Ok((ran, worker))
        } else {
            let text = format!("the worker's reply does not fit a chunk of {len} items");
            Err(Error::new(ErrorKind::Decode, text).with_item(start))
        }
    }
}

/// Decodes a worker's reply for a chunk.
fn received<R: DeserializeOwned + Send + 'static>(status: u32, output: Payload) -> Result<Ran<R>> {
    match Status::from_word(status) {
        Some(Status::Value) => Ok(Ran { values: decode(output)?, failures: Vec::new() }),
        Some(Status::Mixed) => decode(output),
        Some(Status::Failed | Status::Panicked) => Err(decode::<Failure>(output)?.into()),
        None => Err(unknown_status(status)),
    }
}

/// Whether each item is accounted for exactly once: a worker's word is not taken for it.
fn is_whole<R>(ran: &Ran<R>, len: usize, stop: bool) -> bool {
    let ascending = ran.failures.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let inside = ran.failures.iter().all(|(at, _)| *at < len);
    let total = ran.values.len().checked_add(ran.failures.len());
    let stopped = stop && ran.failures.len() == 1 && ran.values.is_empty();
    ascending && inside && (total == Some(len) || stopped)
}

/// The results of a chunk's items, in order.
pub(crate) struct Results<R> {
    /// Who ran them, if an item failed.
    worker: Option<Worker>,
    start: usize,
    next: usize,
    end: usize,
    values: std::vec::IntoIter<R>,
    failures: std::vec::IntoIter<(usize, Failure)>,
    /// The next of `failures`, with its position within the chunk.
    failure: Option<(usize, Failure)>,
    /// The whole chunk is lost: each item gets this.
    lost: Option<Error>,
}

impl<R> Results<R> {
    fn primed(mut self) -> Results<R> {
        self.failure = self.failures.next();
        self
    }

    /// The values, one for each item, if none failed; nothing is left then.
    pub(crate) fn take_values(&mut self) -> Option<std::vec::IntoIter<R>> {
        (self.failure.is_none() && self.lost.is_none()).then(|| {
            self.next = self.end;
            std::mem::take(&mut self.values)
        })
    }

    /// How many there are to come.
    pub(crate) fn left(&self) -> usize {
        self.end - self.next
    }
}

impl<R> Iterator for Results<R> {
    type Item = Result<R>;

    fn next(&mut self) -> Option<Result<R>> {
        if self.next >= self.end {
            return None;
        }
        let item = self.next;
        self.next += 1;
        if let Some(error) = &self.lost {
            return Some(Err(match self.next == self.end {
                true => self.lost.take()?.with_item(item),
                false => error.duplicate().with_item(item),
            }));
        }
        match self.failure.take_if(|(at, _)| self.start + *at == item) {
            Some((_, failure)) => {
                self.failure = self.failures.next();
                Some(Err(Error::from(failure).by(self.worker.as_ref()).with_item(item)))
            }
            None => self.values.next().map(Ok),
        }
    }
}
