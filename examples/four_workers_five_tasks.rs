//! Five tasks of equal length on four workers take two rounds.
//!
//! What to look for:
//! - Four tasks begin together. The fifth begins when one of them has ended, and then three workers have nothing to do.
//!   So the five take twice as long as one, and eight would take no longer.
//! - With `--workers 5` they take one round. Try `--workers 1`.
//! - `chunk_size(1)` makes each item a task of its own. A chunk of two would put two items into one worker's hands.

mod common;

use std::thread::sleep;
use std::time::{Duration, Instant};

use clap::Parser;
use common::{here, say};
use pool::Pool;

const LENGTH: Duration = Duration::from_millis(300);

fn task(number: u32) -> String {
    say(format!("begins task {number}"));
    sleep(LENGTH);
    say(format!("ends task {number}"));
    here()
}

fn main() -> pool::Result<()> {
    let pool = common::Args::parse().pool(4)?;
    let start = Instant::now();
    let workers = pool.chunk_size(1).map(task, 1..=5)?;
    let rounds = start.elapsed().as_secs_f64() / LENGTH.as_secs_f64();
    say(format!("five tasks took the time of {rounds:.1} tasks on {} workers", pool.workers()));
    for (number, worker) in (1..).zip(workers) {
        say(format!("task {number} was done by {worker}"));
    }
    pool.close();
    pool.join()
}
