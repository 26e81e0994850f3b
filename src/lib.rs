//! Process pools and thread pools with one surface: Rust's `multiprocessing`.
//!
//! Give a pool a function and many items, and the work runs on other processes (crash-proof,
//! isolated, killable) or on threads (cheap), with one word changed in the program.
//!
//! ```
//! use pool::{Pool, ProcessPool}; // or ThreadPool: the only word that changes
//!
//! fn slow(name: String) -> usize {
//!     name.len()
//! }
//!
//! fn main() -> pool::Result<()> {
//!     let pool = ProcessPool::new(4)?;
//!     let squares = pool.map(|x: u64| x * x, 0..1_000)?; // no init call in main, no macro
//!     assert_eq!(squares[999], 998_001);
//!
//!     let handle = pool.apply_async(slow, "report.pdf".to_string());
//!     for length in pool.imap(|line: String| line.len(), ["a", "bc"].map(String::from)) {
//!         println!("{}", length?); // lazy, ordered, bounded
//!     }
//!     println!("{}", handle.get()?);
//!     pool.close();
//!     pool.join()
//! }
//! ```
//!
//! There is no registry, no macro, and no call to make first: a worker process is the program itself, executed
//! again and caught before `main`.
//!
//! # Choose a pool
//!
//! | | [`ThreadPool`] | [`ProcessPool`] |
//! |---|---|---|
//! | a task costs | a wake-up | encoding, and a wake-up of another process |
//! | a task that aborts, overflows its stack, is killed | ends the program | ends its worker, which is replaced |
//! | a task that never returns | cannot be stopped; it is left behind | is killed, by [`timeout`](Pool::timeout) or [`cancel`](AsyncResult::cancel) |
//! | statics, and the state of C libraries | one for all | one for each worker |
//! | memory that a task leaked | is gone until the end | goes with the worker: `max_tasks_per_worker`, `max_memory_per_worker` |
//!
//! Rust has no interpreter lock, so threads use all cores: **start with threads.** Take processes for what crashes, hangs,
//! leaks or has global state. Both have the surface of the trait [`Pool`]; `&dyn AnyPool` chooses at run time.
//!
//! | for | take |
//! |---|---|
//! | all results, in order | [`Pool::map`] |
//! | results as they are asked for, or input without end | [`Pool::imap`], [`Pool::imap_unordered`] |
//! | one call; one that is not waited for | [`Pool::apply`]; [`Pool::apply_async`] |
//! | closures that borrow, on threads | `ThreadPool::scope` |
//! | a closure that captures, over borrowed items, on processes | [`ProcessPool::fork_map`] |
//! | futures: wait for some of many, as they end | `pool::futures`, feature `futures` |
//! | one function in a process of its own, a server for example | [`Process`] |
//!
//! # Choose a start method
//!
//! [`StartMethod::Spawn`] is the default, and right unless a measurement says otherwise: a clean process, in some
//! milliseconds. [`StartMethod::ForkServer`] forks a clean process that was spawned once, which is faster when
//! workers come and go often. [`StartMethod::Fork`] copies the program with all that it has in memory: large
//! read-only data need not be sent, but locks that other threads hold stay locked in the copy for ever, so a
//! program with threads is refused. A fork is also the only one that sees what `main` did to a static.
//!
//! # What may cross
//!
//! A **task function** is a `fn` item or a closure that captures nothing ([`TaskFn`]). [`with`] binds a context, which
//! is sent once to each worker; [`star`] and `starmap` spread a tuple over several arguments.
//!
//! ```
//! use pool::{Pool, ProcessPool, with};
//!
//! let pool = ProcessPool::new(2)?;
//! let factor = 3; // A closure that captures it does not compile.
//! let scaled = pool.map(with(factor, |factor: &u64, x: u64| factor * x), [1, 2, 3])?;
//! assert_eq!(scaled, [3, 6, 9]);
//! assert_eq!(pool.starmap(u64::pow, [(2, 10), (3, 4)])?, [1024, 81]);
//! # Ok::<(), pool::Error>(())
//! ```
//!
//! **Arguments and results** are owned serde types ([`Message`]): `String` rather than `&str`, and of an error that is
//! no serde type, as `std::io::Error`, its text. Vectors of numbers and strings move as memory; wrap nested ones in
//! [`codec::Plain`], and types that need a self-describing format in [`codec::Described`]. On threads nothing is
//! encoded, but the bounds are the same, so that a program can change its mind.
//!
//! **Descriptors** (listeners, files, pipes) cross inside [`Passed`]. **Objects that processes share** (locks, queues,
//! arrays) are in `pool::shared`, and cross as arguments too. What a function prints goes to the program's
//! standard streams.
//!
//! # Errors
//!
//! A task that panics, dies with its worker, runs out of time or does not decode is an [`Error`] of that item. It
//! says which item, which worker, and how. All other tasks go on, and the worker is replaced. A `Result` that your
//! function returns is a value: `Ok(Err(..))`.
//!
//! ```
//! use pool::{ErrorKind, Pool, ProcessPool};
//!
//! let pool = ProcessPool::new(2)?;
//! let mut crashed = Vec::new();
//! for result in pool.imap(|x: u64| if x == 3 { std::process::exit(7) } else { x }, 0..5) {
//!     match result {
//!         Ok(_) => (),
//!         Err(error) if error.kind() == ErrorKind::WorkerDied => crashed.push(error),
//!         Err(error) => return Err(error),
//!     }
//! }
//! assert_eq!(crashed.len(), 1);
//! assert_eq!((crashed[0].item(), crashed[0].exit().unwrap().code()), (Some(3), Some(7)));
//! # Ok::<(), pool::Error>(())
//! ```
//!
//! [`retries`](Pool::retries) tries a task again whose worker died; [`retry_panics`](Pool::retry_panics) one that
//! panicked too. `map` ends with its first failure in the order of the input; `imap` gives each as an `Err` in its place.
//! [`_documentation::life_of_a_task`] has the table of what ends how.
//!
//! # Tuning
//!
//! Measure before and after: `cargo run --release --example compare` in the repository runs your files through both
//! pools.
//!
//! - **Tiny tasks**: put many items into one task, `pool.chunk_size(1000).imap(..)`. `map` does so by itself. A larger
//!   chunk costs less for each item, spreads worse, and loses more when its worker dies.
//! - **Large values**: send a path or a range instead of the data, if a worker can get at it; send `Vec<u8>` or a vector
//!   of numbers rather than a vector of structs; bind what all tasks need by [`with`]; or share it, as a
//!   `shared::SharedVec`.
//! - **How many workers**: as many as cores for work that computes, which is the default; more for work that waits.
//! - **Slow to set up**: the builder's `initializer` loads a model once in each worker.
//! - **Memory**: [`window`](Pool::window) says how many items an `imap` may hold.
//! - **Leaks**: `max_tasks_per_worker`, `max_memory_per_worker`. **Untrusted input**: `timeout`, `memory_limit`.
//!
//! # From Python
//!
//! The names are Python's wherever there is one. In short:
//!
//! | Python | here |
//! |---|---|
//! | `Pool(4)`, `multiprocessing.dummy.Pool(4)` | [`ProcessPool::new(4)`](ProcessPool::new), [`ThreadPool::new(4)`](ThreadPool::new) |
//! | `apply`, `apply_async`, `map`, `map_async`, `imap`, `imap_unordered`, `starmap`, `starmap_async` | the same names on [`Pool`] |
//! | `chunksize=`, `get(timeout)`, `callback=`, `error_callback=` | [`Pool::chunk_size`], [`AsyncResult::get_timeout`], [`AsyncResult::on_success`], [`AsyncResult::on_error`] |
//! | `close`, `terminate`, `join`, the end of a `with` block | [`Pool::close`], [`Pool::terminate`], [`Pool::join`], dropping the pool |
//! | `AsyncResult.get/wait/ready/successful` | [`AsyncResult`], which is also a [`Future`] |
//! | `Process(target, args, name, daemon)`, a subclass of `Process` | [`Process::spawn`], [`Process::builder`], [`Run`] |
//! | `join`, `exitcode`, `is_alive`, `terminate`, `kill`, `close`, `sentinel` | the same names on [`Process`]; `join` also gives what the function returned |
//! | `current_process`, `parent_process`, `active_children`, `cpu_count` | the same names |
//! | `Lock` … `Barrier`, `Value`, `Array`, `RawValue`, `RawArray`, `Queue`, `Pipe`, `Listener`, `Client`, `wait`, `SharedMemory`, `ShareableList`, `SharedMemoryManager` | feature `shared`: the same names in `pool::shared`; `sync` is the locks alone; `SharedVec` is a large array that is passed as a handle |
//! | `Manager()`: `dict`, `list`, `set`, `Namespace`, `Value`, `Array`, `Pool`; `register` | feature `manager`: `Manager` in `pool::shared`, the same names in small letters; `Managed` for types of one's own |
//! | `util.Finalize`, `atexit` | [`at_exit`] |
//! | `log_to_stderr`, `get_logger` | feature `log`: `log_to_stderr`, `forward_logs` on the builders; the library's records have the target `pool` |
//! | a function that reads globals, under the start method `fork` | [`ProcessPool::fork_map`], [`ForkMap`]: a closure that captures, over borrowed items |
//! | `concurrent.futures`: executors, `Future`, `wait`, `as_completed` | feature `futures`: `pool::futures`, the same names |
//! | keyword arguments, `functools.partial` | a tuple or struct as the argument; [`with`] binds a context, [`star`] spreads a tuple |
//!
//! All names are in [`_documentation::from_python`].
//!
//! # The crates
//!
//! This crate only re-exports: `pool-core` (the surface), `pool-thread` (feature `thread`) and
//! `pool-process` (feature `process`), which are on by default, and `pool-shared` (feature `sync` for the locks,
//! `shared` for all of it, `manager` for the objects of a server process), and `pool-futures` (feature `futures`).

#![forbid(unsafe_code)]

pub use pool_core::{
    AnyPool, AsyncResult, Error, ErrorKind, Exit, IMap, Message, Options, PanicInfo, Pool, Result, Star,
    StarFn, TaskFn, View, With, Worker, codec, star, with,
};

#[cfg(feature = "process")]
pub use pool_process::{
    ActiveChild, CurrentProcess, Finalizer, ForkMap, ParentProcess, Passed, Process, ProcessBuilder,
    ProcessPool, ProcessPoolBuilder, Role, Run, StartMethod, StillRunning, active_children, at_exit,
    cpu_count, current_process, parent_process,
};
#[cfg(feature = "log")]
pub use pool_process::{RecordOrigin, log_to_stderr, record_origin};
#[cfg(feature = "thread")]
pub use pool_thread::{Scope, ScopedResult, ThreadPool, ThreadPoolBuilder};

#[cfg(feature = "futures")]
#[doc(inline)]
pub use pool_futures as futures;

#[cfg(feature = "sync")]
#[doc(inline)]
pub use pool_shared as shared;

#[doc(hidden)]
#[cfg(any(doc, doctest))]
pub mod _documentation;

/// Runs the program of the README as a test of the documentation.
#[cfg(all(doctest, feature = "process"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(test, feature = "process"))]
mod tests {
    use super::{Pool, ProcessPool};

    #[test]
    fn the_quick_start_works_in_a_unit_test() -> super::Result<()> {
        let pool = ProcessPool::new(4)?;
        let squares = pool.map(|x: u64| x * x, 0..1_000)?;
        assert_eq!(squares[999], 998_001);
        let handle = pool.apply_async(|name: String| name.len(), "report.pdf".to_string());
        let mut lengths = pool.imap(|line: String| line.len(), ["a", "bc"].map(String::from));
        assert_eq!(lengths.next().transpose()?, Some(1));
        assert_eq!(lengths.next().transpose()?, Some(2));
        assert!(lengths.next().is_none());
        assert_eq!(handle.get()?, 10);
        pool.close();
        pool.join()
    }
}
