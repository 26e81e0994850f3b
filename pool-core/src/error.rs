//! The one error type.
//!
//! A caller branches on [`Error::kind`]; a person reads the `Display` text, which names the item,
//! the worker and how it ended; a report walks [`std::error::Error::source`]. A user's own
//! `Result` is not an error here: it is the value that the task returned.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a pool's calls return.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong with one item, one call or one pool. Cheap to move (one pointer).
///
/// It can be sent to another process, which gets it without its [`source`](std::error::Error::source).
#[derive(Serialize, Deserialize)]
pub struct Error(Box<Inner>);

#[derive(Debug, Serialize, Deserialize)]
struct Inner {
    kind: ErrorKind,
    message: String,
    item: Option<usize>,
    worker: Option<Worker>,
    exit: Option<Exit>,
    panic: Option<PanicInfo>,
    #[serde(skip)]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The causes that a caller may want to tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The task function panicked. [`Error::panic`] has the message, the place and the backtrace.
    Panicked,
    /// The worker process ended while it had the task in hand. [`Error::exit`] says how.
    WorkerDied,
    /// The task ran past its `timeout`, or a wait with a timeout ran out.
    TimedOut,
    /// The task was cancelled before it gave a result.
    Cancelled,
    /// The pool takes no more work: `close` was called.
    Closed,
    /// The pool was terminated or dropped before the task gave a result.
    Terminated,
    /// The argument, the context or the result could not be encoded for the other process.
    Encode,
    /// Bytes from the other process could not be decoded as the type asked for.
    Decode,
    /// The result was taken already by an earlier call.
    Taken,
    /// An argument of the call makes no sense: the text says which and what to pass.
    InvalidArgument,
    /// `join` was called on a pool that is still open.
    StillOpen,
    /// A `Process` ended before its function gave a result. [`Error::exit`] says how.
    ProcessDied,
    /// `close` was called on a `Process` that is still running.
    StillRunning,
    /// The pool cannot do anything any more: its initializer failed, it cannot start workers, or they keep
    /// dying. The text says which.
    Broken,
    /// The system refused something a pool needs.
    Os,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Panicked => "the task panicked",
            ErrorKind::WorkerDied => "the worker died",
            ErrorKind::TimedOut => "timed out",
            ErrorKind::Cancelled => "the task was cancelled",
            ErrorKind::Closed => "the pool is closed",
            ErrorKind::Terminated => "the pool was terminated",
            ErrorKind::Encode => "cannot encode",
            ErrorKind::Decode => "cannot decode",
            ErrorKind::Taken => "the result was already taken",
            ErrorKind::InvalidArgument => "invalid argument",
            ErrorKind::StillOpen => "the pool is still open",
            ErrorKind::ProcessDied => "the process ended without a result",
            ErrorKind::StillRunning => "the process is still running",
            ErrorKind::Broken => "the pool is broken",
            ErrorKind::Os => "the system refused",
        })
    }
}

/// Which worker: its name, and its process id where it is a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Worker {
    /// The worker's name, as `ProcessPool-1-worker-3`.
    pub name: String,
    /// The id of the worker's process; `None` for a thread.
    pub pid: Option<u32>,
}

/// How a worker process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal {
        /// The signal's number.
        number: i32,
        /// The signal came from a stack that ran into its guard page.
        stack_overflow: bool,
    },
    /// The system did not say.
    Unknown,
}

impl Exit {
    /// Python's exit code: the status, or the negative number of the signal.
    pub fn code(self) -> Option<i32> {
        match self {
            Exit::Code(code) => Some(code),
            Exit::Signal { number, .. } => Some(-number),
            Exit::Unknown => None,
        }
    }

    /// The signal that ended the process, if one did.
    pub fn signal(self) -> Option<i32> {
        match self {
            Exit::Signal { number, .. } => Some(number),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Exit::Code(code) => write!(f, "exit status {code}"),
            Exit::Signal { number, stack_overflow } => {
                match signal_name(number) {
                    Some(name) => write!(f, "signal {number} ({name})")?,
                    None => write!(f, "signal {number}")?,
                }
                if stack_overflow {
                    f.write_str(", its stack overflowed")?;
                }
                Ok(())
            }
            Exit::Unknown => f.write_str("unknown exit status"),
        }
    }
}

/// The names of the signals that end programs, by the numbers that POSIX systems share.
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        _ => return None,
    })
}

/// What is known of a panic of the user's code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo {
    /// The panic's message; a payload that is no string is described by a fixed text.
    pub message: String,
    /// `file:line:column`, when the panic hook saw it.
    pub location: Option<String>,
    /// The backtrace, when `RUST_BACKTRACE` asked for one.
    pub backtrace: Option<String>,
}

impl Worker {
    /// The worker that this thread is, on a pool of threads.
    pub(crate) fn this_thread() -> Worker {
        Worker { name: std::thread::current().name().unwrap_or_default().to_owned(), pid: None }
    }
}

impl Error {
    /// A new error of `kind`; `message` says more than the kind does, or is empty.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            kind,
            message: message.into(),
            item: None,
            worker: None,
            exit: None,
            panic: None,
            source: None,
        }))
    }

    /// The user's panic, as an error.
    pub fn panicked(panic: PanicInfo) -> Error {
        let mut error = Error::new(ErrorKind::Panicked, "");
        error.0.panic = Some(panic);
        error
    }

    /// A worker that ended with a task in hand.
    pub fn worker_died(worker: Worker, exit: Exit) -> Error {
        let mut error = Error::new(ErrorKind::WorkerDied, "");
        error.0.worker = Some(worker);
        error.0.exit = Some(exit);
        error
    }

    /// A `Process` that ended before its function gave a result.
    pub fn process_died(process: Worker, exit: Exit) -> Error {
        let mut error = Error::new(ErrorKind::ProcessDied, "");
        error.0.worker = Some(process);
        error.0.exit = Some(exit);
        error
    }

    /// A task that ran past its limit.
    pub fn timed_out(limit: Duration) -> Error {
        Error::new(ErrorKind::TimedOut, format!("the task ran longer than its timeout of {limit:?}"))
    }

    /// The same error with its cause.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, about the item at `index` of the call's input.
    pub fn with_item(mut self, index: usize) -> Error {
        self.0.item = Some(index);
        self
    }

    /// The same error, about this worker.
    pub fn with_worker(mut self, worker: Worker) -> Error {
        self.0.worker = Some(worker);
        self
    }

    /// The same error, about this worker, if it is known.
    pub(crate) fn by(self, worker: Option<&Worker>) -> Error {
        match worker {
            Some(worker) => self.with_worker(worker.clone()),
            None => self,
        }
    }

    /// The cause, to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Position, from 0, of the item in the call's input; of the first one lost when a whole chunk was.
    pub fn item(&self) -> Option<usize> {
        self.0.item
    }

    /// The worker that had the task, or the `Process` that ran the function, where one did.
    pub fn worker(&self) -> Option<&Worker> {
        self.0.worker.as_ref()
    }

    /// How the process ended, for [`ErrorKind::WorkerDied`] and [`ErrorKind::ProcessDied`].
    pub fn exit(&self) -> Option<Exit> {
        self.0.exit
    }

    /// The panic, for [`ErrorKind::Panicked`].
    pub fn panic(&self) -> Option<&PanicInfo> {
        self.0.panic.as_ref()
    }

    /// The task function panicked.
    pub fn is_panic(&self) -> bool {
        self.kind() == ErrorKind::Panicked
    }

    /// The worker ended with the task in hand.
    pub fn is_worker_died(&self) -> bool {
        self.kind() == ErrorKind::WorkerDied
    }

    /// The `Process` ended before its function gave a result.
    pub fn is_process_died(&self) -> bool {
        self.kind() == ErrorKind::ProcessDied
    }

    /// The task or the wait ran out of time.
    pub fn is_timeout(&self) -> bool {
        self.kind() == ErrorKind::TimedOut
    }

    /// The task was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.kind() == ErrorKind::Cancelled
    }

    /// The pool is closed, terminated or gone.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind(), ErrorKind::Closed | ErrorKind::Terminated)
    }

    /// The pool is broken, for good.
    pub fn is_broken(&self) -> bool {
        self.kind() == ErrorKind::Broken
    }

    /// What happened, for a text that says itself where: of a panic its message and place.
    pub fn cause(&self) -> String {
        let worker = match &self.0.worker {
            Some(Worker { name, pid: Some(pid) }) => format!(" ({name}, pid {pid})"),
            Some(Worker { name, pid: None }) => format!(" ({name})"),
            None => String::new(),
        };
        match &self.0.panic {
            Some(panic) => {
                let place = panic.location.as_ref().map(|place| format!(", at {place}")).unwrap_or_default();
                format!("it panicked: {}{place}{worker}", panic.message)
            }
            None => self.to_string(),
        }
    }

    /// The same facts again, for somebody else who is to hear of them. The source stays with the first.
    pub fn duplicate(&self) -> Error {
        Error(Box::new(Inner {
            kind: self.0.kind,
            message: self.0.message.clone(),
            item: self.0.item,
            worker: self.0.worker.clone(),
            exit: self.0.exit,
            panic: self.0.panic.clone(),
            source: None,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        if let Some(item) = inner.item {
            write!(f, "item {item}: ")?;
        }
        match (&inner.panic, inner.exit) {
            (Some(panic), _) => {
                write!(f, "{}: {}", inner.kind, panic.message)?;
                if let Some(place) = &panic.location {
                    write!(f, ", at {place}")?;
                }
            }
            (None, Some(exit)) => write!(f, "{}: {exit}", inner.kind)?,
            (None, None) if inner.message.is_empty() => write!(f, "{}", inner.kind)?,
            (None, None) => write!(f, "{}: {}", inner.kind, inner.message)?,
        }
        match &inner.worker {
            Some(Worker { name, pid: Some(pid) }) => write!(f, " ({name}, pid {pid})"),
            Some(Worker { name, pid: None }) => write!(f, " ({name})"),
            None => Ok(()),
        }
    }
}

/// For people, because this is what they see of an error that `main` returns or that `unwrap` meets: the `Display` text,
/// the causes, and the panic's backtrace if there is one. `{:#?}` shows the fields.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.0.fmt(f);
        }
        write!(f, "{self}")?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        match self.panic().and_then(|panic| panic.backtrace.as_ref()) {
            Some(backtrace) => write!(f, "\nbacktrace of the panic:\n{}", backtrace.trim_end()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> std::io::Error {
        let kind = match error.kind() {
            ErrorKind::TimedOut => std::io::ErrorKind::TimedOut,
            ErrorKind::InvalidArgument => std::io::ErrorKind::InvalidInput,
            _ => std::io::ErrorKind::Other,
        };
        std::io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_is_for_people_and_its_alternate_form_has_the_fields() {
        let panic = PanicInfo {
            message: "seven".into(),
            location: Some("a.rs:1:2".into()),
            backtrace: Some("0: f\n".into()),
        };
        let error = Error::panicked(panic).with_item(7).with_source("no sevens");
        let text = "item 7: the task panicked: seven, at a.rs:1:2\n  caused by: no sevens";
        assert_eq!(format!("{error:?}"), format!("{text}\nbacktrace of the panic:\n0: f"));
        assert!(format!("{error:#?}").contains("kind: Panicked"));
    }

    #[test]
    fn what_crosses_is_all_but_the_source() {
        let worker = Worker { name: "w".into(), pid: Some(7) };
        let error = Error::worker_died(worker, Exit::Code(3)).with_item(3).with_source("why");
        let mut bytes = Vec::new();
        crate::codec::encode(&error, &mut bytes).unwrap();
        let crossed: Error = crate::codec::decode(&bytes).unwrap();
        assert_eq!(crossed.to_string(), error.to_string());
        assert!(std::error::Error::source(&crossed).is_none());
    }

    #[test]
    fn text_names_item_worker_and_exit() {
        let worker = Worker { name: "ProcessPool-1-worker-2".into(), pid: Some(7) };
        let exit = Exit::Signal { number: 9, stack_overflow: false };
        let error = Error::worker_died(worker, exit).with_item(3);
        assert_eq!(
            error.to_string(),
            "item 3: the worker died: signal 9 (SIGKILL) (ProcessPool-1-worker-2, pid 7)"
        );
        assert_eq!(exit.code(), Some(-9));
    }

    #[test]
    fn text_of_a_panic_has_message_and_place() {
        let panic = PanicInfo { message: "boom".into(), location: Some("a.rs:1:2".into()), backtrace: None };
        assert_eq!(Error::panicked(panic).to_string(), "the task panicked: boom, at a.rs:1:2");
    }

    #[test]
    fn is_one_pointer() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
