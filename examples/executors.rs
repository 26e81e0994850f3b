//! Executors: the surface of Python's `concurrent.futures` over both kinds of pool.
//!
//! What to look for:
//! - `submit` gives a future. `as_completed` gives futures as they end, so the shortest task comes first.
//! - `map` gives results in the order of the items, and takes no more of them than it has room for: its input may be
//!   endless.
//! - A future for each tiny task costs more than a `map` that puts many items into one task.
//! - Dropping an executor waits for what was submitted, where dropping a pool terminates it.

mod common;

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use common::{Args, Backend, say};
use pool::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed};
use pool::{AnyPool, Result};

const MANY: u64 = 20_000;

fn nap(millis: u64) -> u64 {
    sleep(Duration::from_millis(millis));
    say(format!("had a nap of {millis} ms"));
    millis
}

fn add_one(number: u64) -> u64 {
    number + 1
}

fn show<P: AnyPool>(executor: Executor<P>) -> Result<()> {
    let naps = [300, 100, 200].map(|millis| executor.submit(nap, millis));
    for future in as_completed(naps, Some(Duration::from_secs(60))) {
        say(format!("as_completed: {}", future?.result()?));
    }

    for result in executor.map(nap, [30, 10, 20]) {
        say(format!("map: {}", result?));
    }
    let endless = executor.map(add_one, 0..);
    say(format!("the first of an endless map: {:?}", endless.take(5).collect::<Result<Vec<_>>>()?));

    let start = Instant::now();
    let futures: Vec<_> = (0..MANY).map(|number| executor.submit(add_one, number)).collect();
    let sum = futures.into_iter().map(|future| future.result()).sum::<Result<u64>>()?;
    say(format!("a future for each: {sum} in {:.1?}", start.elapsed()));

    let start = Instant::now();
    let sum = executor.chunk_size(1_000).buffer_size(10_000).map(add_one, 0..MANY).sum::<Result<u64>>()?;
    say(format!("a map in chunks: {sum} in {:.1?}", start.elapsed()));

    drop(executor.submit(nap, 50));
    say("the last nap goes on without its future, and the end waits for it");
    Ok(())
}

fn main() -> Result<()> {
    let args = Args::parse();
    let workers = args.workers.unwrap_or(3);
    match args.backend {
        Backend::Thread => show(ThreadPoolExecutor::new(workers)?),
        Backend::Process => show(ProcessPoolExecutor::new(workers)?),
    }
}
