//! The grid: what comes of each fault at each stage.

use pool::{Error, ErrorKind, Exit, StartMethod};

use crate::fault::Fault;
use crate::support::{SIGABRT, SIGKILL, SIGSEGV};

/// Where a worker is when something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Before it has said hello: in a constructor of the program.
    WorkerStart,
    /// It runs the initializer.
    Initializer,
    /// A task's argument is decoded.
    Decode,
    /// A task runs.
    Running,
    /// A task's result is encoded.
    Encode,
    /// It has no task; the trouble is in a thread that an earlier one left.
    Idle,
    /// A task is in hand, and the pool was closed.
    Close,
    /// A task is in hand, and the pool is terminated.
    Terminate,
}

impl Stage {
    pub(crate) const ALL: [Stage; 8] = [
        Stage::WorkerStart,
        Stage::Initializer,
        Stage::Decode,
        Stage::Running,
        Stage::Encode,
        Stage::Idle,
        Stage::Close,
        Stage::Terminate,
    ];
}

/// What a cell of the grid says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// The task in hand ends so, and no other.
    Ends(How),
    /// The task in hand ends so, or because the pool was terminated.
    EndsOrIsTerminated(How),
    /// The worker is replaced, and no task is lost. If no worker ever comes through, the pool is broken.
    Replaced,
    /// The worker comes late, and no task is lost.
    Late,
    /// Nobody notices.
    Unharmed,
    /// The pool is broken, for a reason of which this is a part.
    Breaks(&'static str),
    /// There is no pool, because of this.
    NotBuilt(ErrorKind),
    /// It cannot be, because.
    Absent(&'static str),
}

/// How a task ends that something goes wrong with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Panicked(&'static str),
    Exited(i32),
    Signalled(i32),
    StackOverflowed,
    TimedOut,
    Refused(ErrorKind, &'static str),
}

/// What the cell of a fault at a stage says.
pub(crate) fn cell(stage: Stage, fault: Fault, method: StartMethod) -> Cell {
    use Cell::*;
    match (stage, fault) {
        (Stage::WorkerStart, _) if fault.is_of_data() => {
            Absent("no value of the user's is encoded or decoded before a worker is up")
        }
        // A fork runs no constructor. Handlers of pthread_atfork(3) run in it, but not under the fork server, and beside
        // threads they may do next to nothing, least of all panic, exit or allocate. What can happen to such a worker
        // is that somebody kills it: `start_methods.rs` kills the fork server's spare, `deaths.rs` workers at any moment.
        (Stage::WorkerStart, _) if method != StartMethod::Spawn => {
            Absent("no constructor of the program runs in a forked worker")
        }
        // It is let go on. One that is not is killed after a minute, which `scheduler/tests.rs` does not wait.
        (Stage::WorkerStart, Fault::Stop) => Late,
        (Stage::WorkerStart, _) => Replaced,
        (Stage::Initializer, Fault::HugeResult) => Absent("an initializer returns nothing"),
        (Stage::Initializer, Fault::EncodeError) => NotBuilt(ErrorKind::Encode),
        (Stage::Initializer, _) => Breaks(match How::of(fault) {
            How::Panicked(message) | How::Refused(_, message) => message,
            How::Exited(0) => "exit status 0",
            How::Exited(_) => "exit status 1",
            How::Signalled(SIGABRT) => "SIGABRT",
            How::Signalled(SIGSEGV) => "SIGSEGV",
            How::Signalled(_) => "SIGKILL",
            How::StackOverflowed => "its stack overflowed",
            How::TimedOut => "the initializer ran longer than its limit",
        }),
        (Stage::Decode, Fault::EncodeError | Fault::HugeResult) => Absent("there is no result yet"),
        (Stage::Running, Fault::DecodeError) => Absent("the argument has been decoded"),
        (Stage::Running, Fault::EncodeError | Fault::HugeResult) => Absent("the result comes after it"),
        (Stage::Idle, _) if fault.is_of_data() => Absent("there is no value"),
        // It ends the thread that it is in, which is none of the pool's.
        (Stage::Idle, Fault::Panic | Fault::PanicThatPanicsInDrop) => Unharmed,
        (Stage::Idle, _) => Replaced,
        (Stage::Decode | Stage::Running | Stage::Encode | Stage::Close, _) => Ends(How::of(fault)),
        (Stage::Terminate, _) => EndsOrIsTerminated(How::of(fault)),
    }
}

impl How {
    /// How a task ends in which this goes wrong.
    fn of(fault: Fault) -> How {
        match fault {
            Fault::Panic => How::Panicked("a fault"),
            Fault::PanicThatPanicsInDrop => How::Panicked("a panic whose payload is not a string"),
            Fault::Exit1 => How::Exited(1),
            Fault::Exit0 => How::Exited(0),
            Fault::Abort | Fault::OutOfMemory => How::Signalled(SIGABRT),
            Fault::Segv => How::Signalled(SIGSEGV),
            Fault::Kill => How::Signalled(SIGKILL),
            Fault::Stop => How::TimedOut,
            Fault::StackOverflow => How::StackOverflowed,
            Fault::EncodeError => How::Refused(ErrorKind::Encode, "a value that does not encode"),
            Fault::DecodeError => How::Refused(ErrorKind::Decode, "a value that does not decode"),
            Fault::HugeResult => How::Refused(ErrorKind::Os, "memory"),
        }
    }

    /// Whether the worker goes with the task.
    pub(crate) fn is_fatal(self) -> bool {
        !matches!(self, How::Panicked(_) | How::Refused(..))
    }

    /// The error says all that is known: what happened, to which worker, and no more than that.
    #[track_caller]
    pub(crate) fn assert_is(self, error: &Error, workers: &[u32]) {
        let text = error.to_string();
        let died = |is_it: &dyn Fn(Exit) -> bool| {
            assert!(error.is_worker_died() && error.exit().is_some_and(is_it), "{self:?}: {text}");
        };
        match self {
            How::Panicked(message) => {
                assert!(error.is_panic() && error.kind() == ErrorKind::Panicked, "{text}");
                let panic = error.panic().expect("the panic");
                let place = panic.location.as_deref().expect("its place");
                assert!(panic.message == message && place.contains("fault.rs:"), "{text}");
            }
            How::Exited(status) => died(&|exit| exit == Exit::Code(status)),
            How::Signalled(number) => died(&|exit| exit == Exit::Signal { number, stack_overflow: false }),
            How::StackOverflowed => {
                died(&|exit| matches!(exit, Exit::Signal { number: SIGABRT | SIGSEGV, stack_overflow: true }))
            }
            How::TimedOut => assert!(error.is_timeout() && error.kind() == ErrorKind::TimedOut, "{text}"),
            How::Refused(kind, why) => {
                assert!(error.kind() == kind && text.contains(why), "{self:?}: {text}");
            }
        }
        assert_eq!(error.is_worker_died(), error.exit().is_some(), "{text}");
        assert!(!error.is_closed() && !error.is_cancelled(), "{text}");
        // A result that its caller cannot decode is the one error that no worker has a part in.
        let of_the_caller = error.kind() == ErrorKind::Decode && text.contains("the result");
        match error.worker().and_then(|worker| worker.pid) {
            Some(pid) => assert!(workers.contains(&pid), "{text}: {pid} is none of {workers:?}"),
            None => assert!(of_the_caller, "{text}: which worker?"),
        }
    }
}
