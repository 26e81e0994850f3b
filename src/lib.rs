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
//! | `Manager()`: `dict`, `list`, `set`, `Namespace`, `Value`, `Array`; `register` | feature `manager`: `Manager` in `pool::shared`, the same names in small letters; `Managed` for types of one's own |
//! | `util.Finalize`, `atexit` | [`at_exit`] |
//! | `log_to_stderr`, `get_logger` | feature `log`: `log_to_stderr`, `forward_logs` on the builders; the library's records have the target `pool` |
//! | a function that reads globals, under the start method `fork` | [`ProcessPool::fork_map`], [`ForkMap`]: a closure that captures, over borrowed items |
//! | `concurrent.futures`: executors, `Future`, `wait`, `as_completed` | feature `futures`: `pool::futures`, the same names |
//! | keyword arguments, `functools.partial` | a tuple or struct as the argument; [`with`] binds a context, [`star`] spreads a tuple |
//!
//! # What may cross
//!
//! A task function is a `fn` item or a closure that captures nothing ([`TaskFn`]); arguments and
//! results are owned serde types ([`Message`]). Vectors of numbers and strings move as memory; wrap
//! nested ones in [`codec::Plain`], and types that need a self-describing format in
//! [`codec::Described`].
//!
//! # Errors
//!
//! A task that panics, dies with its worker, runs out of time or does not decode is an [`Error`] of
//! that item, which says which item, which worker, and how. Everything else goes on.
//!
//! # The crates
//!
//! This crate only re-exports: `pool-core` (the surface), `pool-thread` (feature `thread`) and
//! `pool-process` (feature `process`), which are on by default, and `pool-shared` (feature `sync` for the locks,
//! `shared` for all of it), and `pool-futures` (feature `futures`).

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
