//! The comparison: every backend of `pool` beside its peers, and what comes of it, as `REPORT.md`.
//!
//! Figures ([`crate::figures`]) say whether the pool is what it must be. The comparison answers what a user asks
//! before that: from which task length on is a pool worth it, threads or processes, what do large arguments cost,
//! how many workers, and who does it better. It has **tables**. A table has a question, **columns** (values of the one
//! thing that changes: a task's length, a payload's size, ..) and **entrants** (backends and peers), of which each
//! gives a time, or another cost, for each column.
//!
//! ```text
//!  tables/*  ──> table ──> ratios ──> text, plot ──> short
//!     │           │          │          │              the sentences at the top, and in README.md
//!     │           │          │          REPORT.md, plots/*.svg
//!     │           │          speed-up, ratios to ours, crossing points, where we lose: computed, none picked by hand
//!     │           the rounds: in each all entrants of a column take turns, forth and back
//!     └─> crew, entrant, peers/*, peers.py: who does the work
//! ```
//!
//! **What a number is.** A cell holds one number for each round: seconds for one item, or bytes for one worker. Ratios
//! are taken within a round, as figures do it; shown are the median and the quartiles. An entrant does so many items
//! in a round as take it some 20 ms, but no more than the serial loop does in that time: whoever needs a millisecond
//! for an item of a microsecond is not asked for 20 000 of them. The first round warms up, finds that number, and does
//! not count.
//!
//! **What is not done.** Not the full product of backend, length, payload, chunk and workers: one of these changes in
//! each table, the others stay. An entrant that is not there, or cannot do what a table asks, is named as missing.
//!
//! Run it with `cargo run --release -p benches --bin report`. That takes four to five minutes, and writes `REPORT.md`,
//! `plots`, and the lines of README.md that come of them. `--only TABLE` and `--quick` print, and write nothing but
//! to a folder that `--out` names.

mod crew;
mod entrant;
mod plot;
mod ratios;
mod short;
mod table;
mod tables;
mod text;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use std::{env, fs};

use clap::Parser;

use crate::machine::{self, Busy};
use crate::peers::procspawn;
use crate::{Result, child};
use table::{Measured, Scale, Table};

/// Compares the backends of `pool` with each other and with their peers, and writes the report.
#[derive(Parser)]
#[command(name = "report")]
struct Options {
    /// Only this table (may be repeated)
    #[arg(long, value_name = "TABLE")]
    only: Vec<String>,
    /// A round of the short columns: shows that everything runs, proves nothing
    #[arg(long)]
    quick: bool,
    /// The folder for REPORT.md and plots, instead of benches and the README.md above it
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Only the names of the tables and what they answer
    #[arg(long)]
    list: bool,
}

/// All that one run has given.
struct Run {
    machine: Vec<(&'static str, String)>,
    tables: Vec<Measured>,
    seconds: f64,
    /// The share of all cores that others used meanwhile, if that can be told.
    elsewhere: Option<f64>,
}

/// The whole program.
pub fn main() -> ExitCode {
    child::run_if_child();
    procspawn::run_if_worker();
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let all = tables::all();
    if let Some(unknown) = options.only.iter().find(|name| all.iter().all(|table| table.name != **name)) {
        return Err(format!("no table is named {unknown}; --list names them").into());
    }
    if options.list {
        for table in all {
            println!("{:12} {}", table.name, table.question);
        }
        return Ok(());
    }
    let wanted =
        |table: &Table| options.only.is_empty() || options.only.iter().any(|name| name == table.name);
    let run = measure(all.into_iter().filter(wanted), options.quick)?;
    let report = text::report(&run);
    let whole = options.only.is_empty() && !options.quick;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    match &options.out {
        Some(folder) => write(folder, &run, &report),
        None if whole => {
            write(here, &run, &report)?;
            short::into_readme(&here.join("../README.md"), &run)
        }
        None => {
            print!("{report}");
            Ok(())
        }
    }
}

fn measure(tables: impl Iterator<Item = Table>, quick: bool) -> Result<Run> {
    let scale = Scale { quick };
    let mut machine = machine::facts();
    machine.push(("Python", crew::python_versions().join(", ")));
    let (start, busy) = (Instant::now(), Busy::now());
    let mut measured = Vec::new();
    for table in tables {
        let before = Instant::now();
        let name = table.name;
        measured.push(table.measure(scale).map_err(|error| format!("{name}: {error}"))?);
        eprintln!("{name}: {:.1} s", before.elapsed().as_secs_f64());
    }
    let elsewhere = busy.elsewhere_since();
    Ok(Run { machine, tables: measured, seconds: start.elapsed().as_secs_f64(), elsewhere })
}

fn write(folder: &Path, run: &Run, report: &str) -> Result<()> {
    let plots = folder.join("plots");
    fs::create_dir_all(&plots)?;
    for table in &run.tables {
        plot::write(&plots, table)?;
    }
    Ok(fs::write(folder.join("REPORT.md"), report)?)
}
