//! `imap` as a `Stream`, on any runtime, from an iterator or from another stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use pool_core::window::{Order, Window};
use pool_core::{Message, Pool, Result, TaskFn};

/// The `imap`s of a pool as streams. It is implemented for every pool and view of one.
///
/// An item is taken from the input only when the stream is polled, and only while there is room in the
/// [`window`](Pool::window): a consumer that is slow, or has stopped, slows or stops the input. Polling blocks no
/// thread, but for what taking an item from an iterator and encoding it takes.
///
/// A failed item is an `Err` in its place, and the stream goes on. Dropping it drops the tasks that no worker was
/// given; those that one has are run to their end unheard.
///
/// ```
/// # use pool_core::AnyPool;
/// use pool_futures::PoolStreams;
/// # async fn show(pool: &dyn AnyPool) -> pool_core::Result<()> {
/// # use std::future::poll_fn;
/// # use std::pin::Pin;
/// # use futures_core::Stream;
/// let mut squares = pool.imap_stream(|x: u64| x * x, 0..);
/// // What `StreamExt::next` of any async library does.
/// let first = poll_fn(|cx| Pin::new(&mut squares).poll_next(cx)).await;
/// assert_eq!(first.transpose()?, Some(0));
/// # Ok(())
/// # }
/// ```
pub trait PoolStreams: Pool {
    /// [`imap`](Pool::imap) as a stream: results in the order of the items. Nothing is begun before it is polled.
    fn imap_stream<F, I>(&self, f: F, items: I) -> IMapStream<F, Items<I::IntoIter>>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        IMapStream::new(self, Order::Input, f, Items(items.into_iter()))
    }

    /// As [`imap_stream`](PoolStreams::imap_stream), with the results in the order in which they arrive.
    fn imap_unordered_stream<F, I>(&self, f: F, items: I) -> IMapStream<F, Items<I::IntoIter>>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        IMapStream::new(self, Order::Arrival, f, Items(items.into_iter()))
    }

    /// As [`imap_stream`](PoolStreams::imap_stream), from a stream; `Box::pin` makes any stream `Unpin`. While it
    /// has no item at the moment, a chunk that is not full is sent as it is.
    fn imap_from<F, S>(&self, f: F, items: S) -> IMapStream<F, S>
    where
        S: Stream + Unpin,
        F: TaskFn<S::Item>,
        S::Item: Message,
        F::Output: Message,
    {
        IMapStream::new(self, Order::Input, f, items)
    }

    /// As [`imap_from`](PoolStreams::imap_from), with the results in the order in which they arrive.
    fn imap_unordered_from<F, S>(&self, f: F, items: S) -> IMapStream<F, S>
    where
        S: Stream + Unpin,
        F: TaskFn<S::Item>,
        S::Item: Message,
        F::Output: Message,
    {
        IMapStream::new(self, Order::Arrival, f, items)
    }
}

impl<P: Pool + ?Sized> PoolStreams for P {}

/// The items of an iterator, as a stream that always has one, to its end.
#[derive(Debug)]
pub struct Items<I>(I);

// Nothing is pinned in it.
impl<I> Unpin for Items<I> {}

impl<I: Iterator> Stream for Items<I> {
    type Item = I::Item;

    fn poll_next(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.get_mut().0.next())
    }
}

/// The stream that the methods of [`PoolStreams`] return.
pub struct IMapStream<F, S>
where
    S: Stream,
    F: TaskFn<S::Item>,
{
    /// `None` once it is exhausted or the pool takes no more.
    items: Option<S>,
    window: Window<F, S::Item>,
}

// Nothing is pinned in it: the input is `Unpin` itself wherever it is polled.
impl<F, S> Unpin for IMapStream<F, S>
where
    S: Stream,
    F: TaskFn<S::Item>,
{
}

impl<F, S> IMapStream<F, S>
where
    S: Stream + Unpin,
    S::Item: Message,
    F: TaskFn<S::Item>,
    F::Output: Message,
{
    fn new<P: Pool + ?Sized>(pool: &P, order: Order, f: F, items: S) -> IMapStream<F, S> {
        IMapStream { items: Some(items), window: Window::new(pool, order, f) }
    }

    /// Takes from the input what the window wants, as far as it is there.
    fn fill(&mut self, cx: &mut Context<'_>) {
        while let Some(items) = &mut self.items {
            let wanted = self.window.wants();
            if wanted == 0 {
                if self.window.is_over() {
                    self.items = None;
                }
                return;
            }
            let mut chunk = Vec::new();
            let mut next = Poll::Pending;
            while chunk.len() < wanted {
                next = Pin::new(&mut *items).poll_next(cx);
                let Poll::Ready(Some(item)) = next else { break };
                chunk.push(item);
                next = Poll::Pending;
            }
            let full = chunk.len() == wanted;
            self.window.submit(chunk);
            if next.is_ready() {
                self.items = None;
                self.window.end_input();
            } else if !full {
                // The input wakes this task when there is more.
                return;
            }
        }
    }
}

impl<F, S> Stream for IMapStream<F, S>
where
    S: Stream + Unpin,
    S::Item: Message,
    F: TaskFn<S::Item>,
    F::Output: Message,
{
    type Item = Result<F::Output>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<F::Output>>> {
        let this = self.get_mut();
        loop {
            if let Some(result) = this.window.ready() {
                return Poll::Ready(Some(result));
            }
            this.fill(cx);
            if !this.window.is_outstanding() {
                return match this.items {
                    // The input has nothing at the moment.
                    Some(_) => Poll::Pending,
                    // A pool that takes no more says so over an empty input too.
                    None => Poll::Ready(this.window.ready()),
                };
            }
            if this.window.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl<F, S> fmt::Debug for IMapStream<F, S>
where
    S: Stream,
    F: TaskFn<S::Item>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IMapStream").field("window", &self.window).finish_non_exhaustive()
    }
}
