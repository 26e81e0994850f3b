//! The pool's surface.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::AnyPool;
use crate::chunk::Chunk;
use crate::error::{Error, ErrorKind, Result};
use crate::function::{Star, StarFn, TaskFn, star};
use crate::gather::Gather;
use crate::handle::{AsyncResult, Pending};
use crate::imap::IMap;
use crate::one::One;
use crate::options::View;
use crate::settings::no_workers;
use crate::source::Source;
use crate::window::Order;

/// What can be sent to a worker and back: any owned serde type.
///
/// It is implemented for every type that qualifies.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a worker",
    label = "not `Serialize + DeserializeOwned + Send + 'static`",
    note = "arguments and results of tasks own their data and implement serde's `Serialize` and `Deserialize`"
)]
pub trait Message: Serialize + DeserializeOwned + Send + 'static {}

impl<T: Serialize + DeserializeOwned + Send + 'static> Message for T {}

/// A pool of workers: give it a function and items, and the work runs on them.
///
/// The model is Python's `multiprocessing.Pool`. The functions that may be given are described at
/// [`TaskFn`]; [`Message`] says what may be their arguments and results. Each method is the same on
/// processes and on threads.
///
/// A task that fails (its function panicked, its worker died, its value does not decode) is an error
/// of that item; the pool and every other task go on.
pub trait Pool: AnyPool {
    /// Runs `f(arg)` on a worker and waits for the result.
    ///
    /// # Errors
    /// Whatever the task ended with.
    fn apply<F, A>(&self, f: F, arg: A) -> Result<F::Output>
    where
        F: TaskFn<A>,
        A: Message,
        F::Output: Message,
    {
        let task = One::<F, A>::new(f, arg, self.options().limits);
        let backend = self.backend();
        backend.submit(task.clone());
        backend.wait(task.event(), None);
        task.take()
    }

    /// Starts `f(arg)` on a worker and returns at once.
    fn apply_async<F, A>(&self, f: F, arg: A) -> AsyncResult<F::Output>
    where
        F: TaskFn<A>,
        A: Message,
        F::Output: Message,
    {
        let task = One::<F, A>::new(f, arg, self.options().limits);
        self.backend().submit(task.clone());
        AsyncResult::new(task, self.backend().clone())
    }

    /// Runs `f` on every item and gives the results in the order of the items.
    ///
    /// The items are sent in chunks, by default four per worker, or more where those would be larger than
    /// 256 KiB. All of the input is taken at once;
    /// see [`imap`](Pool::imap) for inputs that are large or endless. Threads share a `Vec` or a range of integers
    /// out as it is, where another iterator is taken item by item by the caller.
    ///
    /// # Errors
    /// Of the items that failed, the error of the first in input order; [`Error::item`] is its
    /// position. Chunks that had not begun by then are not begun.
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for an input that says that it has no end, as `0..`
    /// and [`std::iter::repeat`] do.
    fn map<F, I>(&self, f: F, items: I) -> Result<Vec<F::Output>>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        self.map_async(f, items).get()
    }

    /// Starts [`map`](Pool::map) and returns when the whole input is taken.
    fn map_async<F, I>(&self, f: F, items: I) -> AsyncResult<Vec<F::Output>>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        let items = items.into_iter();
        let gather = Gather::new();
        let sent = match items.size_hint() {
            // What has no end says so, and there would never be a result.
            (usize::MAX, None) => Err(Error::new(
                ErrorKind::InvalidArgument,
                "the input of a map has no end; use `imap`, which takes it bit by bit, or `take`",
            )),
            _ => send_chunks::<F, _, _>(self, &gather, f.bind(), items),
        };
        if let Err(error) = sent {
            gather.fail(error);
        }
        AsyncResult::new(gather, self.backend().clone())
    }

    /// Runs `f` on every item and gives the results one by one, in the order of the items.
    ///
    /// The input is taken lazily, never more than the [`window`](Pool::window) ahead of what was given,
    /// so it may be endless. Work starts at once, not with the first `next`. A failed item is an `Err`
    /// in its place, and the iterator goes on.
    fn imap<F, I>(&self, f: F, items: I) -> IMap<F, I::IntoIter>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        IMap::new(self, Order::Input, f, items.into_iter())
    }

    /// As [`imap`](Pool::imap), with the results in the order in which they arrive.
    fn imap_unordered<F, I>(&self, f: F, items: I) -> IMap<F, I::IntoIter>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        IMap::new(self, Order::Arrival, f, items.into_iter())
    }

    /// As [`map`](Pool::map), for a function of several arguments: each item is a tuple of them.
    ///
    /// # Errors
    /// As [`map`](Pool::map).
    fn starmap<F, I>(&self, f: F, items: I) -> Result<Vec<F::Output>>
    where
        I: IntoIterator,
        F: StarFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        self.starmap_async(f, items).get()
    }

    /// As [`map_async`](Pool::map_async), for a function of several arguments.
    fn starmap_async<F, I>(&self, f: F, items: I) -> AsyncResult<Vec<F::Output>>
    where
        I: IntoIterator,
        F: StarFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        self.map_async::<Star<F>, I>(star(f), items)
    }

    /// A view whose calls put `items` items into each task.
    ///
    /// More items per task cost less overhead each; fewer spread better over the workers, and lose
    /// less when a worker dies. 0 is an error of the call.
    fn chunk_size(&self, items: usize) -> View {
        View::of(self, |options| options.chunk_size = Some(items))
    }

    /// A view whose `imap`s hold at most `items` items between input and output. 0 is an error of the
    /// call.
    fn window(&self, items: usize) -> View {
        View::of(self, |options| options.window = Some(items))
    }

    /// A view whose tasks may run for at most `limit` each, from when they start in a worker; waiting
    /// for a worker does not count.
    ///
    /// On a process pool the worker of a task that runs longer is killed and replaced, alone; on a
    /// thread pool, where nothing can be killed, the thread is left behind and replaced. Either way the
    /// task ends with [`TimedOut`](crate::ErrorKind::TimedOut).
    fn timeout(&self, limit: Duration) -> View {
        View::of(self, |options| options.limits.timeout = Some(limit))
    }

    /// A view whose tasks are tried again, up to `times` times, when their worker died. A time-out is never
    /// tried again, and a panic only with [`retry_panics`](Pool::retry_panics). A thread does not die alone,
    /// so on a thread pool there is nothing else to try again.
    ///
    /// A task is a chunk of the call's items: all of it is tried again.
    fn retries(&self, times: u32) -> View {
        View::of(self, |options| options.limits.retries = times)
    }

    /// A view whose tasks are tried again after a panic too, as often as [`retries`](Pool::retries) says;
    /// without that it changes nothing.
    ///
    /// The argument of such a task is encoded and kept, on a thread pool too, and each further try has a
    /// decoded copy. A [`timeout`](Pool::timeout) is for each try; on a thread pool for all of them together.
    ///
    /// ```
    /// # use pool_core::Pool;
    /// # fn fetched<P: Pool>(pool: &P, addresses: Vec<String>) -> pool_core::Result<Vec<usize>> {
    /// # fn fetch(address: String) -> usize { address.len() }
    /// pool.retries(2).retry_panics().chunk_size(1).map(fetch, addresses)
    /// # }
    /// ```
    fn retry_panics(&self) -> View {
        View::of(self, |options| options.limits.retry_panics = true)
    }

    /// How many workers the pool keeps: as many as it was built with, or as [`resize`](Pool::resize) last
    /// said.
    fn workers(&self) -> usize {
        self.backend().workers()
    }

    /// Changes how many workers the pool keeps. Missing ones are started; of those that are too many the
    /// idle ones leave at once and the others after the task that they have in hand.
    ///
    /// # Errors
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for 0 workers;
    /// [`Closed`](crate::ErrorKind::Closed), [`Terminated`](crate::ErrorKind::Terminated) or
    /// [`Broken`](crate::ErrorKind::Broken) when the pool takes no more work; [`Os`](crate::ErrorKind::Os)
    /// when the system refuses a thread.
    fn resize(&self, workers: usize) -> Result<()> {
        match workers {
            0 => Err(no_workers()),
            _ => self.backend().resize(workers),
        }
    }

    /// Takes no more tasks; those submitted are still done, and then the workers leave.
    fn close(&self) {
        self.backend().close();
    }

    /// Takes no more tasks, drops those that wait and stops the workers: processes are killed, threads
    /// finish the task in hand. Every handle ends.
    fn terminate(&self) {
        self.backend().terminate();
    }

    /// Waits until all workers are gone. Call [`close`](Pool::close) or
    /// [`terminate`](Pool::terminate) first.
    ///
    /// # Errors
    /// [`StillOpen`](crate::ErrorKind::StillOpen) when neither was called.
    fn join(&self) -> Result<()> {
        self.backend().join()
    }
}

impl<P: AnyPool + ?Sized> Pool for P {}

fn send_chunks<F, I, P>(
    pool: &P,
    gather: &Arc<Gather<F::Output>>,
    bound: F::Bound,
    items: I,
) -> std::result::Result<(), Error>
where
    P: AnyPool + ?Sized,
    F: TaskFn<I::Item>,
    I: Iterator<Item: Message>,
    F::Output: Message,
{
    let (backend, options) = (pool.backend(), pool.options());
    let mut source = Source::of(items, backend.shares_memory());
    let (count, laid_down) = (source.count(), source.is_laid_down());
    let size = options.map_chunk::<I::Item>(count, backend.workers())?;
    if count == 0
        && let Some(refusal) = backend.refusal()
    {
        return Err(refusal);
    }
    if backend.shares_memory() {
        gather.make_places(source.places());
    }
    let mut start = 0;
    for index in 0.. {
        // The last may be shorter; beyond the count it is for the input to say when it ends.
        let most = if start < count { size.min(count - start) } else { size };
        let input = source.take(gather, most);
        let len = input.len();
        if len == 0 {
            break;
        }
        gather.expect_one();
        backend.submit(Chunk::<F, I::Item, true>::new(
            bound.clone(),
            options.limits,
            index,
            start,
            input,
            gather.clone(),
        ));
        if len < most {
            break;
        }
        if laid_down {
            backend.between_chunks(index + 1);
        }
        start += len;
    }
    // What is left of a vector's memory is nothing, and keeps it from becoming the result's without a copy.
    drop(source);
    gather.seal();
    Ok(())
}
