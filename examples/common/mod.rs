//! What the examples share: the command line, and lines that say when and where.

// Each example uses its own part of this.
#![allow(dead_code)]

use std::fmt::Display;
use std::time::SystemTime;

use clap::{Parser, ValueEnum};
use pool::{AnyPool, ProcessPool, Result, ThreadPool};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Backend {
    Thread,
    Process,
}

#[derive(Parser)]
pub(crate) struct Args {
    /// What the workers are.
    #[arg(long, value_enum, default_value = "process")]
    pub(crate) backend: Backend,
    /// How many workers; each example has its own default.
    #[arg(long)]
    pub(crate) workers: Option<usize>,
}

impl Args {
    /// The pool that the command line asks for, with so many workers if it does not say how many.
    pub(crate) fn pool(&self, workers: usize) -> Result<Box<dyn AnyPool>> {
        let workers = self.workers.unwrap_or(workers);
        Ok(match self.backend {
            Backend::Thread => Box::new(ThreadPool::new(workers)?),
            Backend::Process => Box::new(ProcessPool::new(workers)?),
        })
    }
}

/// Prints a line: the second and millisecond of the minute, the process, the thread, and the text.
///
/// The thread of a worker has the worker's name, on both kinds of pool.
pub(crate) fn say(text: impl Display) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (second, milli) = (now.as_secs() % 60, now.subsec_millis());
    println!("{second:02}.{milli:03}  pid {:<7} {:<22}  {text}", std::process::id(), here());
}

/// The name of the worker that this runs in; `main` in the program itself.
pub(crate) fn here() -> String {
    std::thread::current().name().unwrap_or("a thread").to_owned()
}
