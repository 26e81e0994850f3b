//! What a worker has of a global that `main` changed: nothing, unless it is a fork of the program.
//!
//! `Spawn` executes the program again and `ForkServer` forks a process that has run no `main`: there the
//! global is what the source says. `Fork` copies this process, with all that it did so far. So big
//! read-only data needs no copy under `Fork`; and so do locks that another thread holds, which is why a
//! program with threads is refused.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pool::{Pool, ProcessPool, StartMethod};

static RATE: AtomicU64 = AtomicU64::new(1);

fn main() -> pool::Result<()> {
    RATE.store(7, Relaxed);
    for method in StartMethod::all() {
        let pool = ProcessPool::builder().workers(1).start_method(*method).build()?;
        println!("{method:?}: {}", pool.apply(|(): ()| RATE.load(Relaxed), ())?);
    }
    Ok(())
}
