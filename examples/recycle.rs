//! Workers that are replaced after some tasks: what a library leaks or spoils goes with the process.
//!
//! What to look for:
//! - The initializer runs once in each worker, before its first task. It is the place for what is slow to make, as a
//!   model or a connection.
//! - After two tasks a worker leaves and another takes its place, with the same name and another pid. The static that
//!   counts its tasks begins again at nothing.
//! - This is for processes. A thread gives nothing back when it is replaced, so a pool of threads has no such limit.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use common::say;
use pool::{Pool, ProcessPool};

/// Stands for the state that a library keeps, and spoils.
static DONE: AtomicU32 = AtomicU32::new(0);

fn prepare(model: String) {
    say(format!("initializer: loads {model}"));
}

fn work(item: u32) -> u32 {
    let done = DONE.fetch_add(1, Relaxed) + 1;
    sleep(Duration::from_millis(20));
    say(format!("item {item} is task {done} of this process"));
    std::process::id()
}

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

fn main() -> pool::Result<()> {
    let pool = ProcessPool::builder()
        .workers(Args::parse().workers)
        .initializer(prepare, "model.bin".to_string())
        .max_tasks_per_worker(2)
        .on_worker_exit(|worker, exit| say(format!("{} left: {exit}", worker.name)))
        .build()?;

    let mut tasks_of = BTreeMap::<u32, u32>::new();
    for pid in pool.chunk_size(1).map(work, 1..=8)? {
        *tasks_of.entry(pid).or_default() += 1;
    }
    say(format!("8 tasks were done by {} processes: {tasks_of:?}", tasks_of.len()));
    pool.close();
    pool.join()
}
