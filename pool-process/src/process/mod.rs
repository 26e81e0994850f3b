//! A process that runs one function: Python's `Process`.
//!
//! ```text
//!  the parent                                            ║  the child
//!  Process::spawn(f, arg)                                ║
//!    encode ──> a sealed segment ────────────────────────╫──> decode, run f, encode    on a thread of its own
//!    Life: child, tray ── among `Children` ──┐           ║              │
//!  join: waits for the end, reads the tray <─┼───────────╫───── the tray, filled before it exits
//!  reaper thread: sees the end, reaps  <─────┘           ║
//!  exit handler: waits for those that are no daemons     ║  exit handler: the same for its own
//! ```
//!
//! Whoever looks at a child first after its end reaps it, by its own handle and under its own lock, so that a
//! child is reaped once and nobody else's child ever is. If nobody looks, the reaper thread does.

mod builder;
mod child;
mod life;
mod passed;

use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use pool_core::{Error, ErrorKind, Exit, Message, Result, TaskFn, single};
use serde::de::DeserializeOwned;

pub use builder::ProcessBuilder;
use life::Life;
pub use life::{ActiveChild, active_children};
pub(crate) use life::{Children, end, prepare_end};
pub use passed::Passed;

/// A process of this program that runs one function. `R` is what the function returns.
///
/// ```
/// use pool_process::Process;
///
/// let child = Process::spawn(|n: u64| (1..=n).product::<u64>(), 10)?;
/// assert_eq!(child.join()?, 3_628_800);
/// assert_eq!(child.exit_code(), Some(0));
/// # Ok::<(), pool_core::Error>(())
/// ```
///
/// The function captures nothing, as a pool's task functions do; its argument and its result are any owned
/// serde types, and [`Passed`] puts descriptors (a listener, a file, the end of a pipe) into the argument. It
/// runs on a thread that has the process's name and a stack of 8 MiB. Standard streams, environment,
/// arguments and working directory are the program's.
///
/// | how it ended | `exit_code` | `join` |
/// |---|---|---|
/// | the function returned, an `Err` included | 0 | the value |
/// | the function panicked | 101, as a program that panics; the report is on standard error | [`Panicked`](ErrorKind::Panicked) |
/// | the argument did not decode, or the result did not encode | 1; the reason is on standard error | [`Decode`](ErrorKind::Decode), [`Encode`](ErrorKind::Encode) |
/// | `exit(n)` in the function | n | [`ProcessDied`](ErrorKind::ProcessDied) |
/// | a signal | minus its number | [`ProcessDied`](ErrorKind::ProcessDied) |
///
/// Dropping the handle leaves the process alone: it goes on, and is reaped when it ends. When the program ends
/// normally, it waits for its processes; those that are [daemons](ProcessBuilder::daemon) it kills. When the
/// program is killed, daemons die with it and the others go on.
pub struct Process<R> {
    life: Arc<Life>,
    result: PhantomData<fn() -> R>,
}

/// A process that runs as a value: state that goes to the new process and serves there.
///
/// ```
/// use pool_process::{Passed, Process, Run};
/// use serde::{Deserialize, Serialize};
/// use std::io::{PipeReader, Read, Write, pipe};
///
/// #[derive(Serialize, Deserialize)]
/// struct Counter {
///     bytes: u64,
///     input: Passed<PipeReader>,
/// }
///
/// impl Run for Counter {
///     type Output = u64;
///     fn run(&mut self) -> u64 {
///         while self.input.read(&mut [0]).is_ok_and(|read| read > 0) {
///             self.bytes += 1;
///         }
///         self.bytes
///     }
/// }
///
/// let (input, mut output) = pipe()?;
/// let counter = Process::run(Counter { bytes: 0, input: input.into() })?;
/// output.write_all(b"abc")?;
/// drop(output);
/// assert_eq!(counter.join()?, 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Run: Message {
    /// What running gives.
    type Output: Message;

    /// What the process does.
    fn run(&mut self) -> Self::Output;
}

impl Process<()> {
    /// A process to be configured.
    pub fn builder() -> ProcessBuilder {
        ProcessBuilder::default()
    }
}

impl<R: Message> Process<R> {
    /// Starts a process that runs `f(arg)`.
    ///
    /// # Errors
    /// As [`ProcessBuilder::spawn`].
    pub fn spawn<F, A>(f: F, arg: A) -> Result<Process<R>>
    where
        F: TaskFn<A, Output = R>,
        A: Message,
    {
        ProcessBuilder::default().spawn(f, arg)
    }

    /// Starts a process that runs `value`.
    ///
    /// # Errors
    /// As [`ProcessBuilder::spawn`].
    pub fn run<V: Run<Output = R>>(value: V) -> Result<Process<R>> {
        ProcessBuilder::default().run(value)
    }
}

impl<R: DeserializeOwned + Send + 'static> Process<R> {
    /// Waits until the process has ended, and gives what its function returned. It can be called again: the
    /// result stays until the handle is dropped or closed.
    ///
    /// # Errors
    /// See the table at [`Process`]; [`Decode`](ErrorKind::Decode) also when what the process left as its
    /// result is none, and [`Os`](ErrorKind::Os) when it could not start as it was told to.
    pub fn join(&self) -> Result<R> {
        self.wait();
        self.result()
    }

    /// As [`join`](Process::join), for at most `timeout`. After a time-out the process goes on.
    ///
    /// # Errors
    /// [`TimedOut`](ErrorKind::TimedOut) while it has not ended, and those of [`join`](Process::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<R> {
        if self.wait_timeout(timeout) {
            return self.result();
        }
        let text = format!("the process has not ended within {timeout:?}");
        Err(Error::new(ErrorKind::TimedOut, text).with_worker(self.life.worker()))
    }

    /// What the process left; it has ended.
    fn result(&self) -> Result<R> {
        let result = match self.life.tray.take() {
            Ok(Some((status, output))) => single::finish(status, output, self.life.luggage()),
            Ok(None) => return Err(self.life.why_no_result()),
            Err(error) => {
                Err(Error::new(ErrorKind::Decode, format!("the result: {error}")).with_source(error))
            }
        };
        result.map_err(|error| error.with_worker(self.life.worker()))
    }
}

impl<R> Process<R> {
    fn new(life: Arc<Life>) -> Process<R> {
        Process { life, result: PhantomData }
    }

    /// Gives up the handle of a process that has ended, and with it the result.
    ///
    /// # Errors
    /// The process is still running: the handle is in the error.
    pub fn close(self) -> std::result::Result<(), StillRunning<R>> {
        if self.is_alive() { Err(StillRunning(self)) } else { Ok(()) }
    }
}

/// What a [`Process`] and an [`ActiveChild`] have in common.
macro_rules! about_a_life {
    () => {
        /// Its name: `Process-1`, counting the processes that this one starts; in `Process-1` they are called
        /// `Process-1:1` and so on. Or what its builder was told.
        pub fn name(&self) -> &str {
            &self.life.name
        }

        /// Its process id. Once the process has ended, another may have the same.
        pub fn pid(&self) -> u32 {
            self.life.child.pid()
        }

        /// Whether it ends with this program.
        pub fn daemon(&self) -> bool {
            self.life.daemon
        }

        /// Whether it has not ended.
        pub fn is_alive(&self) -> bool {
            self.life.look().is_none()
        }

        /// Python's exit code: the status, or the negative number of the signal that ended it. `None` while
        /// it has not ended; 255 when that is not known, because the program ignores SIGCHLD, or reaps the
        /// children of others.
        pub fn exit_code(&self) -> Option<i32> {
            self.exit().map(|exit| exit.code().unwrap_or(255))
        }

        /// How it ended; `None` while it has not.
        pub fn exit(&self) -> Option<Exit> {
            self.life.look().map(|ended| self.life.exit(ended))
        }

        /// Waits until it has ended.
        pub fn wait(&self) {
            self.life.wait(None);
        }

        /// Waits until it has ended (`true`), for at most `timeout` (`false`).
        pub fn wait_timeout(&self, timeout: Duration) -> bool {
            self.life.wait(Some(timeout))
        }

        /// Asks it to end: SIGTERM. Nothing happens when it has ended already.
        pub fn terminate(&self) {
            self.life.signal(Life::TERMINATE);
        }

        /// Ends it at once: SIGKILL. Nothing happens when it has ended already.
        pub fn kill(&self) {
            self.life.signal(Life::KILL);
        }

        /// A descriptor that is readable once it has ended, for `poll` and its kin.
        pub fn sentinel(&self) -> BorrowedFd<'_> {
            self.life.child.as_fd()
        }
    };
}
use about_a_life;

impl<R> Process<R> {
    about_a_life!();
}

impl<R> AsFd for Process<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sentinel()
    }
}

impl<R> std::fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.life.fmt(f)
    }
}

/// [`Process::close`] was called on a process that has not ended. The handle is in here.
pub struct StillRunning<R>(pub Process<R>);

impl<R> std::fmt::Display for StillRunning<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the process is still running ({}, pid {})", self.0.name(), self.0.pid())
    }
}

impl<R> std::fmt::Debug for StillRunning<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StillRunning").field(&self.0).finish()
    }
}

impl<R> std::error::Error for StillRunning<R> {}

impl<R> From<StillRunning<R>> for Error {
    /// The process goes on without its handle.
    fn from(error: StillRunning<R>) -> Error {
        Error::new(ErrorKind::StillRunning, "").with_worker(error.0.life.worker())
    }
}
