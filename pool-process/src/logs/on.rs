//! With the feature `log`.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use log::kv::{Error as KvError, Key, Source, Value, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};
use pool_core::{Error, ErrorKind, Result, codec};
use pool_ipc::packets::{self, Next, Receiver, Sender};
use serde::{Deserialize, Serialize};

use crate::identity::current_process;
use crate::keeper::Kept;
use crate::own::own;

/// Prints records of this process, and of the children that it starts from now on, on standard error:
/// `[LEVEL/PROCESS PID THREAD] message`. Python's `log_to_stderr`. The library's own records have the target
/// `pool`: children that start and end, at the level of debugging, and those that died, as a warning.
///
/// It is a logger like any other; a program that has one does not need it.
///
/// # Errors
/// [`InvalidArgument`](ErrorKind::InvalidArgument) when this process has a logger already.
pub fn log_to_stderr(level: LevelFilter) -> Result<()> {
    log::set_logger(&Printer).map_err(|_| {
        Error::new(
            ErrorKind::InvalidArgument,
            "this program has a logger already; its own says where to print",
        )
    })?;
    log::set_max_level(level);
    // ORDERING: a number, read by whoever starts a child later.
    PRINTED.store(level as usize, Relaxed);
    Ok(())
}

/// What children print on standard error, as a `LevelFilter`.
static PRINTED: AtomicUsize = AtomicUsize::new(0);

struct Printer;

impl Log for Printer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let origin = record_origin();
        let line = format!("[{}/{origin}] {}\n", record.level(), record.args());
        // In one call, so that lines of several processes do not mix. If it fails, there is nobody to tell.
        let _ = io::stderr().write_all(line.as_bytes());
    }

    fn flush(&self) {}
}

/// Where a record was made: see [`record_origin`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOrigin {
    /// The name of the process.
    pub process: String,
    /// Its id.
    pub pid: u32,
    /// The name of the thread, or its number where it has none.
    pub thread: String,
}

impl std::fmt::Display for RecordOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}", self.process, self.pid, self.thread)
    }
}

thread_local! {
    /// Of the record that this thread delivers.
    static ORIGIN: RefCell<Option<RecordOrigin>> = const { RefCell::new(None) };
}

/// For a logger, while it logs a record: where that was made. In a record that was forwarded it is the process
/// that made it, otherwise this process and this thread. A forwarded record has the same in its key-values
/// `process`, `pid` and `thread`.
pub fn record_origin() -> RecordOrigin {
    ORIGIN.with_borrow(Clone::clone).unwrap_or_else(|| RecordOrigin {
        process: current_process().name().to_owned(),
        pid: std::process::id(),
        thread: this_thread(),
    })
}

fn this_thread() -> String {
    let thread = std::thread::current();
    thread.name().map_or_else(|| format!("{:?}", thread.id()), str::to_owned)
}

impl Source for RecordOrigin {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> std::result::Result<(), KvError> {
        visitor.visit_pair(Key::from("process"), Value::from(self.process.as_str()))?;
        visitor.visit_pair(Key::from("pid"), Value::from(self.pid))?;
        visitor.visit_pair(Key::from("thread"), Value::from(self.thread.as_str()))
    }
}

/// Whether the program hears of births.
pub(crate) fn notes() -> bool {
    Level::Debug <= log::max_level()
}

/// The library's own records. Threads of the library make them, so the program's logger may not end those: its
/// panic has been reported.
pub(crate) fn note(text: impl FnOnce() -> String, is_warning: bool) {
    let level = if is_warning { Level::Warn } else { Level::Debug };
    if level <= log::max_level() {
        let _ = catch_unwind(AssertUnwindSafe(|| log::log!(target: "pool", level, "{}", text())));
    }
}

/// What a child is given to log with.
pub(crate) struct Kit {
    word: String,
    ends: Option<(Receiver, OwnedFd)>,
}

impl Kit {
    pub(crate) fn make(forward: bool) -> io::Result<Kit> {
        if forward {
            return Ok(Kit { word: format!("forward {}", log::max_level()), ends: Some(packets::pair()?) });
        }
        // ORDERING: as in `log_to_stderr`.
        let printed = LevelFilter::iter().nth(PRINTED.load(Relaxed)).unwrap_or(LevelFilter::Off);
        let word = if printed == LevelFilter::Off { String::new() } else { format!("print {printed}") };
        Ok(Kit { word, ends: None })
    }

    /// The word that tells the child.
    pub(crate) fn word(&self) -> &str {
        &self.word
    }

    /// What the child needs, if it needs it.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.ends.as_ref().map(|(_, far)| far.as_fd())
    }

    /// The child is there: its records are listened to until it is gone.
    pub(crate) fn follow(self, name: &str, pid: u32) {
        if let Some((receiver, _)) = self.ends {
            let inbound = Inbound { receiver, process: name.to_owned(), pid };
            if let Err(error) = own().logs.keep(Arc::new(inbound)) {
                note(|| format!("the records of {name} (pid {pid}) are not heard: {error}"), true);
            }
        }
    }
}

/// Gives this process, which was just born, the logger that the word says; its descriptor, if it needs one, is
/// the one at `index`.
pub(crate) fn install(
    word: &str,
    descriptors: &mut Vec<OwnedFd>,
    index: usize,
) -> std::result::Result<(), String> {
    let Some((how, level)) = word.split_once(' ') else { return Ok(()) };
    let level = LevelFilter::from_str(level).map_err(|error| error.to_string())?;
    if how == "print" {
        // A forked child has its parent's logger already.
        let _ = log_to_stderr(level);
        return Ok(());
    }
    if index >= descriptors.len() {
        return Err("no descriptor to send records to".to_owned());
    }
    let sender = Sender::new(descriptors.remove(index));
    let forwarder = Forwarder { sender, lost: AtomicU64::new(0), is_stuck: AtomicBool::new(false) };
    log::set_boxed_logger(Box::new(forwarder)).map_err(|_| {
        "its records cannot be forwarded, because it has a logger already: that of a constructor, or of the \
         program that it was forked from"
            .to_owned()
    })?;
    log::set_max_level(level);
    Ok(())
}

/// A record on its way.
#[derive(Serialize, Deserialize)]
struct Packet {
    level: usize,
    target: String,
    module: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    thread: String,
    message: String,
    /// How many records could not be sent since the last that was.
    lost: u64,
}

/// A message that is longer is cut.
const LONGEST_MESSAGE: usize = 32 << 10;
/// A packet that is longer is lost: its target or place cannot be true.
const LONGEST: usize = 64 << 10;
/// How long a thread waits for the program to take records in, before it goes on without.
const PATIENCE: Duration = Duration::from_secs(1);

struct Forwarder {
    sender: Sender,
    lost: AtomicU64,
    /// The last record could not be sent: the next one is not waited for.
    is_stuck: AtomicBool,
}

impl Log for Forwarder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let mut message = record.args().to_string();
        if message.len() > LONGEST_MESSAGE {
            let end = (0..=LONGEST_MESSAGE).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
            message.truncate(end);
            message.push('…');
        }
        // ORDERING: counts and hints; no data depends on them.
        let lost = self.lost.swap(0, Relaxed);
        let packet = Packet {
            level: record.level() as usize,
            target: record.target().to_owned(),
            module: record.module_path().map(str::to_owned),
            file: record.file().map(str::to_owned),
            line: record.line(),
            thread: this_thread(),
            message,
            lost,
        };
        let patience = if self.is_stuck.load(Relaxed) { Duration::ZERO } else { PATIENCE };
        let mut bytes = Vec::new();
        let sent = codec::encode(&packet, &mut bytes).is_ok()
            && bytes.len() <= LONGEST
            && self.sender.send(&bytes, patience);
        self.is_stuck.store(!sent, Relaxed);
        if !sent {
            self.lost.fetch_add(lost + 1, Relaxed);
        }
    }

    fn flush(&self) {}
}

/// The records of one child, on their way in.
struct Inbound {
    receiver: Receiver,
    process: String,
    pid: u32,
}

impl AsFd for Inbound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

impl Kept for Inbound {
    fn is_done(&self) -> bool {
        let mut buffer = vec![0; LONGEST];
        // Then the others have a turn.
        for _ in 0..64 {
            match self.receiver.take(&mut buffer) {
                Next::End => return true,
                Next::Nothing => return false,
                Next::Message(len) => {
                    // What makes no sense is nobody's record.
                    if let Ok(packet) = codec::decode::<Packet>(&buffer[..len]) {
                        self.deliver(packet);
                    }
                }
            }
        }
        false
    }
}

impl Inbound {
    fn deliver(&self, packet: Packet) {
        let Packet { level, target, module, file, line, thread, message, lost } = packet;
        let Some(level) = Level::iter().find(|known| *known as usize == level) else { return };
        let origin = RecordOrigin { process: self.process.clone(), pid: self.pid, thread };
        ORIGIN.set(Some(origin.clone()));
        // The program's logger may panic; that has been reported, and is no reason to hear no more.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if lost > 0 {
                note(|| format!("{lost} records were lost: they came faster than they were taken"), true);
            }
            if level > log::max_level() {
                return;
            }
            let mut record = Record::builder();
            record.level(level).target(&target).line(line).key_values(&origin);
            record.module_path(module.as_deref()).file(file.as_deref());
            let metadata = Metadata::builder().level(level).target(&target).build();
            if log::logger().enabled(&metadata) {
                log::logger().log(&record.args(format_args!("{message}")).build());
            }
        }));
        ORIGIN.set(None);
    }
}
