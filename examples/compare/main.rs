//! Is my work CPU-bound or I/O-bound, and does it want threads or processes?
//!
//! ```text
//! cargo run --release --example compare -- [PATH] [--workers N] [--workload cpu|io|mixed] [--json]
//! ```
//!
//! Three workloads run on the files of a real folder, each of them one after another (serial), on a
//! [`ThreadPool`](pool::ThreadPool) and on a [`ProcessPool`](pool::ProcessPool). What to look for:
//!
//! - `ways.rs` is all there is to the pools. The two are made in one line each, and the one function
//!   that gives them work takes either, as `&dyn AnyPool`.
//! - The `workload_*.rs` files hold plain functions, the tasks. Nothing is registered and `main` calls
//!   nothing for the workers: a worker process is this program again, caught before `main`.
//! - What crosses to a worker is small (a path, a range), and so is what comes back. `mixed` returns
//!   the most, a table of words per piece, so look there for the price of another process.
//! - `verdict.rs` judges by the measured times alone. Rust has no interpreter lock, so threads often
//!   do as well for CPU-bound work too; processes buy isolation and a hard kill.

#![forbid(unsafe_code)]

mod args;
mod failure;
mod find;
mod input;
mod progress;
mod report;
mod run;
mod spread;
mod verdict;
mod ways;
mod workload_cpu;
mod workload_io;
mod workload_mixed;

use std::io::Write;
use std::process::ExitCode;

use args::{Args, Kind};
use failure::Failure;
use input::Input;
use run::{Measured, measure};
use ways::Way;
use workload_cpu::Cpu;
use workload_io::Io;
use workload_mixed::Mixed;

fn main() -> ExitCode {
    match compare(&Args::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            failure.code()
        }
    }
}

fn compare(args: &Args) -> Result<(), Failure> {
    let input = Input::take(args.folder()?, args.limit_bytes())?;
    for skipped in &input.skipped {
        eprintln!("compare: skipped {skipped}");
    }
    let ways = Way::all(args.workers())?;
    let talk = |text: String| if args.json { Ok(()) } else { say(&text) };
    talk(report::opening(args, &input, &ways))?;

    let mut measured = Vec::new();
    for kind in args.workload.kinds() {
        let one = match kind {
            Kind::Cpu => measure(&Cpu::new(&input, args.repeats), &ways, args.rounds)?,
            Kind::Io => measure(&Io::serve(&input, args.workers())?, &ways, args.rounds)?,
            Kind::Mixed => measure(&Mixed::new(&input), &ways, args.rounds)?,
        };
        talk(report::table(&one, args.workers()))?;
        measured.push(one);
    }
    if args.json {
        say(&report::json(args, &input, &ways, &measured))?;
    }
    same_results(&measured)
}

fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::of_run(format!("cannot write to standard output: {error}")))
}

fn same_results(measured: &[Measured]) -> Result<(), Failure> {
    let differ: Vec<&str> = measured.iter().filter(|one| !one.same()).map(|one| one.name).collect();
    if differ.is_empty() {
        return Ok(());
    }
    Err(Failure::of_run(format!("the ways gave different results for {}", differ.join(", "))))
}
