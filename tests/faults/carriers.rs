//! Tasks whose arguments, bodies or results go wrong, and when.

use std::thread;
use std::time::Duration;

use pool::{AsyncResult, Error, Pool, ProcessPool};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::fault::Fault;
use crate::support::{Gate, Marks, Scratch, limit_memory};

/// When a task is to go wrong: once it has said that it has come so far, and was told to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Cue {
    begun: Marks,
    gate: Gate,
}

impl Cue {
    pub(crate) fn new(scratch: &Scratch, name: &str) -> Cue {
        Cue { begun: scratch.marks(&format!("{name}-begun")), gate: scratch.gate(name) }
    }

    /// Called by the test: waits until a task waits.
    pub(crate) fn is_awaited(&self) {
        self.begun.wait_for(1);
    }

    pub(crate) fn give(&self) {
        self.gate.open();
    }

    /// Called by tasks.
    fn wait(&self) {
        self.begun.add();
        self.gate.wait();
    }
}

/// Where in the life of a task its fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// In its argument.
    Decode,
    /// In its body.
    Run,
    /// In its result.
    Encode,
}

/// How long a task may take that is going to be stopped.
pub(crate) const LIMIT: Duration = Duration::from_millis(100);
/// The size of a huge result, and how much memory there is for it.
pub(crate) const HUGE: usize = 64 << 20;
pub(crate) const ROOM: u64 = 16 << 20;

/// What waits for the task that goes wrong.
pub(crate) type Faulty = Box<dyn FnOnce() -> Result<(), Error>>;

/// Gives the pool a task that goes wrong.
pub(crate) fn submit(pool: &ProcessPool, fault: Fault, point: Point, cue: &Cue) -> Faulty {
    fn end<R: 'static>(handle: AsyncResult<R>) -> Faulty {
        Box::new(|| handle.get().map(drop))
    }
    let view = match fault {
        Fault::Stop => pool.timeout(LIMIT),
        _ => pool.retries(0),
    };
    let cue = cue.clone();
    match (point, fault) {
        (Point::Encode, Fault::HugeResult) => end(view.apply_async(return_much, cue)),
        (Point::Encode, _) => end(view.apply_async(return_trouble, (fault, cue))),
        (Point::Run, _) => end(view.apply_async(run_into_trouble, (fault, cue))),
        (Point::Decode, _) => end(view.apply_async(take_trouble, BadArgument((fault, cue)))),
    }
}

fn run_into_trouble((fault, cue): (Fault, Cue)) {
    cue.wait();
    fault.commit();
}

/// Goes wrong while a worker decodes it.
#[derive(Serialize)]
struct BadArgument((Fault, Cue));

fn take_trouble(_: BadArgument) {}

impl<'de> Deserialize<'de> for BadArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BadArgument, D::Error> {
        let (fault, cue) = <(Fault, Cue)>::deserialize(deserializer)?;
        cue.wait();
        if fault == Fault::DecodeError {
            return Err(D::Error::custom("a value that does not decode"));
        }
        fault.commit();
        Ok(BadArgument((fault, cue)))
    }
}

/// Goes wrong while the worker encodes it, or the caller decodes it.
struct BadResult(Fault, Cue);

fn return_trouble((fault, cue): (Fault, Cue)) -> BadResult {
    BadResult(fault, cue)
}

impl Serialize for BadResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.1.wait();
        if self.0 == Fault::EncodeError {
            return Err(S::Error::custom("a value that does not encode"));
        }
        self.0.commit();
        serializer.serialize_u64(7)
    }
}

impl<'de> Deserialize<'de> for BadResult {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<BadResult, D::Error> {
        u64::deserialize(deserializer)?;
        Err(D::Error::custom("a value that does not decode"))
    }
}

/// Its worker has the result, and no room to hand it over.
fn return_much(cue: Cue) -> Vec<u8> {
    cue.wait();
    let bytes = vec![1; HUGE];
    limit_memory(ROOM);
    bytes
}

/// Leaves a thread behind, which commits the fault when it is told to. Returns the worker.
pub(crate) fn leave_trouble((fault, cue, survived): (Fault, Cue, Marks)) -> u32 {
    thread::spawn(move || {
        let trouble = thread::spawn(move || {
            cue.wait();
            fault.commit();
        });
        // What a panic carries may panic in its turn.
        std::mem::forget(trouble.join());
        survived.add();
    });
    std::process::id()
}
