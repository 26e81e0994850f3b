//! What a worker has of a global that `main` changed: nothing, unless it is a fork of the program.
//!
//! What to look for:
//! - `Spawn` executes the program again and `ForkServer` forks a process that has run no `main`: there the global is
//!   what the source says. `Fork` copies this process, with all that it did so far.
//! - So big read-only data needs no copy under `Fork`; and so do locks that another thread holds, which is why a
//!   program with threads is refused.

mod common;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use common::say;
use pool::{Pool, ProcessPool, StartMethod};

static RATE: AtomicU64 = AtomicU64::new(1);

fn look(method: String) {
    say(format!("{method}: the rate is {}", RATE.load(Relaxed)));
}

fn main() -> pool::Result<()> {
    RATE.store(7, Relaxed);
    say("the program: the rate is 7");
    for method in StartMethod::all() {
        let pool = ProcessPool::builder().workers(1).start_method(*method).build()?;
        pool.apply(look, format!("{method:?}"))?;
    }
    Ok(())
}
