//! Executors and futures over any [`Pool`](pool_core::Pool), after Python's `concurrent.futures`.
//!
//! A pool gives back an [`AsyncResult`](pool_core::AsyncResult) for a call that is not waited for. A [`Future`]
//! is the same handle with the surface that Python's futures have, which many of can be waited for at once:
//! [`wait()`] returns when the first, the first failure or all have ended, [`as_completed`] gives them as they
//! end. It is a [`std::future::Future`] too, and [`as_completed_stream`] a `Stream`, on any runtime. An [`Executor`]
//! owns a pool, hands out futures, and waits for its work when it goes.
//!
//! | Python | here |
//! |---|---|
//! | `ThreadPoolExecutor(4)`, `ProcessPoolExecutor(4)` | the same names, `new(4)` or `builder()` |
//! | `max_workers`, `initializer`, `initargs`, `max_tasks_per_child`, `mp_context`, `thread_name_prefix` | the same names on the builders, but `start_method`; the initializer comes with its argument |
//! | loky's `get_reusable_executor(4)` | `ProcessPoolExecutor::global_with(4)`, `ThreadPoolExecutor::global_with(4)` |
//! | `submit(f, *args)`, `map(f, items)` | [`Executor::submit`], [`Executor::map`] |
//! | `chunksize=`, `buffersize=`, `timeout=` of `map` | [`Executor::chunk_size`], [`Executor::buffer_size`], [`Executor::timeout`] |
//! | `shutdown(wait, cancel_futures)`, the end of a `with` block | [`Executor::shutdown`], dropping the executor |
//! | `terminate_workers`, `kill_workers` | the same names on `ProcessPoolExecutor` |
//! | `cancel`, `cancelled`, `running`, `done`, `add_done_callback` | the same names on [`Future`] |
//! | `result(timeout)`, `exception(timeout)` | [`Future::result`], [`Future::result_timeout`], [`Future::exception`], [`Future::exception_timeout`] |
//! | `wait(fs, timeout, return_when)`, `as_completed(fs, timeout)` | [`wait()`], [`as_completed`] |
//! | `BrokenProcessPool` after a dead worker | the one future fails with `WorkerDied`, and the executor goes on; `broken_on_worker_death(true)` for Python's answer |
//! | `asyncio`'s `run_in_executor`, its cancellation | a [`Future`] is awaited as it is; [`Future::cancel_on_drop`], [`Future::kill_on_drop`] |
//! | `imap` in async code | [`PoolStreams`]: streams that take their input as they are polled |
//! | `set_result`, `set_exception` | none: a future is a task's, and has its result or its error from there |
//!
//! # What a future costs
//!
//! A task costs its round trip: about half a microsecond on processes when there are many at once, a quarter on threads,
//! and one allocation. A future is that and nothing more; but a [`map`](Executor::map) with a
//! [`chunk_size`](Executor::chunk_size), or [`Pool::map`](pool_core::Pool::map), pays for a task once for each chunk,
//! and so a hundredth of that for an item. Submit what takes 100 µs or more, and map what takes less.
//!
//! # Async code
//!
//! Futures and streams need no runtime and work on any. `submit` and every poll return at once, however many tasks wait.
//! What waits blocks the thread: [`Future::result`], [`wait()`], [`as_completed`], [`Executor::shutdown`] with `wait`, and
//! **dropping an executor**. Keep executors outside of the runtime, or have them dropped where it allows blocking: tokio's
//! `spawn_blocking`, smol's `unblock`.

#![forbid(unsafe_code)]

mod as_completed;
mod completions;
mod executor;
mod future;
#[cfg(any(feature = "thread", feature = "process"))]
mod global;
mod map;
mod on_drop;
#[cfg(feature = "process")]
mod process;
mod streams;
#[cfg(feature = "thread")]
mod thread;
mod wait;

pub use as_completed::{AsCompleted, AsCompletedStream, as_completed, as_completed_stream};
pub use executor::Executor;
pub use future::Future;
pub use map::{Map, MapOptions};
pub use on_drop::OnDrop;
#[cfg(feature = "process")]
pub use process::{ProcessPoolExecutor, ProcessPoolExecutorBuilder};
pub use streams::{IMapStream, Items, PoolStreams};
#[cfg(feature = "thread")]
pub use thread::{ThreadPoolExecutor, ThreadPoolExecutorBuilder};
pub use wait::{ReturnWhen, Waited, wait};
