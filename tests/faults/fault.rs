//! The faults, and how each is committed.

use std::hint::black_box;
use std::panic::panic_any;
use std::process::{abort, exit, id};

use serde::{Deserialize, Serialize};

use crate::support::{SIGKILL, SIGSTOP, kill, limit_memory, violate_memory};

/// What goes wrong in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    Panic,
    PanicThatPanicsInDrop,
    Exit1,
    Exit0,
    Abort,
    Segv,
    Kill,
    /// The process is stopped, and nobody lets it go on.
    Stop,
    StackOverflow,
    OutOfMemory,
    /// A value that does not encode.
    EncodeError,
    /// A value whose encoding does not decode.
    DecodeError,
    /// A result that there is no memory for.
    HugeResult,
}

impl Fault {
    pub(crate) const ALL: [Fault; 13] = [
        Fault::Panic,
        Fault::PanicThatPanicsInDrop,
        Fault::Exit1,
        Fault::Exit0,
        Fault::Abort,
        Fault::Segv,
        Fault::Kill,
        Fault::Stop,
        Fault::StackOverflow,
        Fault::OutOfMemory,
        Fault::EncodeError,
        Fault::DecodeError,
        Fault::HugeResult,
    ];

    /// It is in a value, and done by whoever encodes, decodes or returns it.
    pub(crate) fn is_of_data(self) -> bool {
        matches!(self, Fault::EncodeError | Fault::DecodeError | Fault::HugeResult)
    }

    /// Commits the fault here and now. Those of data do nothing.
    pub(crate) fn commit(self) {
        match self {
            Fault::Panic => panic!("a fault"),
            Fault::PanicThatPanicsInDrop => panic_any(Bomb),
            Fault::Exit1 => exit(1),
            Fault::Exit0 => exit(0),
            Fault::Abort => abort(),
            Fault::Segv => violate_memory(),
            Fault::Kill => end_by(SIGKILL),
            Fault::Stop => end_by(SIGSTOP),
            Fault::StackOverflow => drop(black_box(deep(u64::MAX))),
            Fault::OutOfMemory => {
                limit_memory(32 << 20);
                let mut hoard = Vec::new();
                loop {
                    hoard.push(black_box(vec![1u8; 1 << 20]));
                }
            }
            Fault::EncodeError | Fault::DecodeError | Fault::HugeResult => {}
        }
    }
}

/// Sends this process a signal that it does not outlive. Another thread may be the one that takes it.
fn end_by(signal: i32) {
    kill(id(), signal);
    loop {
        std::thread::park();
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

/// Uses up the stack.
fn deep(level: u64) -> u64 {
    let ballast = black_box([level; 128]);
    if level == 0 { ballast[7] } else { deep(level - 1) + ballast[3] }
}
