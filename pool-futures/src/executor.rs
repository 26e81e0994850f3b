//! An executor: a pool, owned by whoever hands out futures of it.

use std::fmt;
use std::time::Duration;

use pool_core::{AnyPool, Message, Pool, TaskFn};

use crate::future::Future;
use crate::map::{Map, MapOptions};

/// Runs functions on the workers of a pool that it owns: Python's `Executor`.
///
/// `ThreadPoolExecutor` and `ProcessPoolExecutor` are executors over the two kinds of pool;
/// [`over`](Executor::over) makes one over any pool, or view of one.
///
/// A task that fails is an error of its future: its function panicked, its worker died, its value does not
/// cross. The executor and every other task go on.
///
/// **Dropping an executor waits** until all that was submitted is done, as the end of Python's `with` does, where
/// dropping a pool terminates it. Not to wait for what has not begun, call
/// [`shutdown(false, true)`](Executor::shutdown) before; not to wait at all,
/// [`terminate`](pool_core::Pool::terminate) its [`pool`](Executor::pool), or `kill_workers`.
///
/// In async code that blocks the thread of the runtime: have it dropped by tokio's `spawn_blocking`, smol's `unblock`,
/// or keep it outside.
///
/// ```
/// # use pool_core::Pool;
/// use pool_futures::Executor;
/// # fn show(pool: impl Pool) -> pool_core::Result<()> {
/// let executor = Executor::over(pool);
/// let future = executor.submit(|(base, exponent): (u64, u32)| base.pow(exponent), (2, 5));
/// assert_eq!(future.result()?, 32);
/// # Ok(())
/// # }
/// ```
pub struct Executor<P: AnyPool> {
    pool: P,
}

impl<P: AnyPool> Executor<P> {
    /// An executor over this pool, which is closed when the executor is shut down or dropped.
    pub fn over(pool: P) -> Executor<P> {
        Executor { pool }
    }

    /// Its pool.
    pub fn pool(&self) -> &P {
        &self.pool
    }

    /// How many workers it has at most.
    pub fn max_workers(&self) -> usize {
        self.pool.workers()
    }

    /// Starts `f(arg)` on a worker and returns at once. After a shutdown the future ends with
    /// [`Closed`](pool_core::ErrorKind::Closed).
    ///
    /// This costs what [`apply_async`](Pool::apply_async) costs, one allocation. For many small items
    /// [`map`](Executor::map) with a [`chunk_size`](Executor::chunk_size) costs a fraction of a future for each.
    pub fn submit<F, A>(&self, f: F, arg: A) -> Future<F::Output>
    where
        F: TaskFn<A>,
        A: Message,
        F::Output: Message,
    {
        Future::from(self.pool.apply_async(f, arg))
    }

    /// Runs `f` on every item and gives the results one by one, in the order of the items.
    ///
    /// Work starts at once, and the input is taken lazily: never more than
    /// [`buffer_size`](Executor::buffer_size) items ahead of what was given, so it may be endless. Python's `map`
    /// takes all of it at once, unless it is given a `buffersize`.
    ///
    /// A failed item is an `Err` in its place, and the iterator goes on.
    pub fn map<F, I>(&self, f: F, items: I) -> Map<F, I::IntoIter>
    where
        I: IntoIterator,
        F: TaskFn<I::Item>,
        I::Item: Message,
        F::Output: Message,
    {
        MapOptions::of(&self.pool).map(f, items)
    }

    /// For a `map` that puts `items` items into each task; 1 by default. 0 is an error of the `map`.
    ///
    /// ```
    /// # use pool_core::Pool;
    /// # use pool_futures::Executor;
    /// # fn lengths<P: Pool>(executor: &Executor<P>, lines: Vec<String>) -> pool_core::Result<Vec<usize>> {
    /// executor.chunk_size(64).buffer_size(1024).map(|line: String| line.len(), lines).collect()
    /// # }
    /// ```
    pub fn chunk_size(&self, items: usize) -> MapOptions {
        MapOptions::of(&self.pool).chunk_size(items)
    }

    /// For a `map` that holds at most `items` items between input and output; 64 for each worker by default, or 8
    /// chunks where that is more. 0 is an error of the `map`.
    pub fn buffer_size(&self, items: usize) -> MapOptions {
        MapOptions::of(&self.pool).buffer_size(items)
    }

    /// For a `map` that gives its results within `limit` of the call. Then it gives the error
    /// [`TimedOut`](pool_core::ErrorKind::TimedOut) and ends; what no worker was given is not begun.
    pub fn timeout(&self, limit: Duration) -> MapOptions {
        MapOptions::of(&self.pool).timeout(limit)
    }

    /// Takes no more tasks. `cancel_futures`: those that no worker has begun end now, with
    /// [`Cancelled`](pool_core::ErrorKind::Cancelled). `wait`: returns when all that was submitted is done and the
    /// workers are gone; without it, the work goes on, and dropping the executor waits for it.
    ///
    /// It may be called again, with another wish. To wait in one of the executor's own tasks is to wait for ever.
    pub fn shutdown(&self, wait: bool, cancel_futures: bool) {
        match cancel_futures {
            true => self.pool.backend().cancel_queued(),
            false => self.pool.close(),
        }
        if wait {
            self.join();
        }
    }

    #[cfg(any(feature = "thread", feature = "process"))]
    pub(crate) fn takes_tasks(&self) -> bool {
        self.pool.backend().refusal().is_none()
    }

    fn join(&self) {
        // It fails only where there is nothing to wait for: in a fork of the process that made the pool.
        let _ = self.pool.join();
    }
}

impl<P: AnyPool> Drop for Executor<P> {
    fn drop(&mut self) {
        self.pool.close();
        self.join();
    }
}

impl<P: AnyPool> fmt::Debug for Executor<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("max_workers", &self.max_workers()).finish_non_exhaustive()
    }
}
