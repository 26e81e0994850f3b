//! Ten processes print. Without a lock their lines tear; with one they are whole.
//!
//! What to look for:
//! - A line is written in pieces here, as a long or careless print is. Without the lock, pieces of other processes come
//!   between.
//! - The lock is an argument like any other: it is encoded as where it is, and every child has the same one.
//! - Nothing says in which order the processes get the lock.

mod common;

use std::io::{Write, stdout};
use std::thread::sleep;
use std::time::Duration;

use common::say;
use pool::shared::Lock;
use pool::{Process, current_process};

fn print(lock: Option<Lock>) {
    // The lock is given back when the guard goes, and when the process dies with it.
    let _guard = lock.as_ref().map(Lock::lock);
    let who = format!("[{} is process {}", current_process().name(), std::process::id());
    for piece in [&who, " and writes", " a line", " in pieces", "]\n"] {
        let mut out = stdout().lock();
        let _ = out.write_all(piece.as_bytes()).and_then(|()| out.flush());
        sleep(Duration::from_millis(2));
    }
}

fn ten(lock: Option<Lock>) -> Result<(), Box<dyn std::error::Error>> {
    let mut children = Vec::new();
    for _ in 0..10 {
        children.push(Process::spawn(print, lock.clone())?);
    }
    for child in children {
        child.join()?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    say("without a lock:");
    ten(None)?;
    say("with a lock:");
    ten(Some(Lock::new()?))
}
