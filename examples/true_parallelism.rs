//! Count to a large number: serially, on threads, on processes.
//!
//! What to look for:
//! - With two cores, threads and processes need half the time. In Python threads would need all of it: its interpreter
//!   has a lock. Rust has none, so take processes for other reasons: for what crashes, hangs or leaks.
//! - Each worker counts one part; the pids and names show who. A pool of processes takes longer to be ready.
//! - More workers than cores bring nothing: try `--workers 8`.

mod common;

use std::hint::black_box;
use std::ops::Range;
use std::time::Instant;

use clap::Parser;
use common::say;
use pool::{AnyPool, Pool, ProcessPool, ThreadPool};

#[derive(Parser)]
struct Args {
    /// How far to count.
    #[arg(long, default_value_t = 100_000_000)]
    count: u64,
    /// Default: one for each core.
    #[arg(long, default_value_t = pool::cpu_count())]
    workers: usize,
}

fn count(numbers: Range<u64>) -> u64 {
    let mut counted = 0;
    for number in numbers.clone() {
        // Or else the compiler would know the answer.
        black_box(number);
        counted += 1;
    }
    say(format!("counted {numbers:?}"));
    counted
}

fn main() -> pool::Result<()> {
    let Args { count: all, workers } = Args::parse();
    let parts: Vec<Range<u64>> = (0..workers as u64)
        .map(|part| all * part / workers as u64..all * (part + 1) / workers as u64)
        .collect();

    let start = Instant::now();
    let counted: u64 = parts.iter().cloned().map(count).sum();
    let serial = start.elapsed();
    say(format!("serial: {counted} in {serial:.3?}"));

    type Make = fn(usize) -> pool::Result<Box<dyn AnyPool>>;
    let ways: [(&str, Make); 2] = [
        ("threads", |workers| Ok(Box::new(ThreadPool::new(workers)?))),
        ("processes", |workers| Ok(Box::new(ProcessPool::new(workers)?))),
    ];
    for (name, make) in ways {
        let start = Instant::now();
        let pool = make(workers)?;
        pool.apply(|()| (), ())?;
        let ready = start.elapsed();
        let start = Instant::now();
        let counted: u64 = pool.chunk_size(1).map(count, parts.clone())?.iter().sum();
        let took = start.elapsed();
        let ratio = serial.as_secs_f64() / took.as_secs_f64();
        say(format!("{name}: {counted} in {took:.3?}, {ratio:.2} × serial; ready after {ready:.3?}"));
    }
    Ok(())
}
