//! The sentences at the top of the report, which README.md has too: words that are fixed, numbers that are not.
//!
//! Each cites its table, and has each number as it stands there; `tests/readme.rs` of the facade compares.

use std::fs;
use std::path::Path;

use super::Run;
use super::entrant::Who;
use super::ratios::{self, Duel};
use super::table::Measured;
use super::text::{crossed_at, shown};
use crate::stats::Spread;

/// Where README.md has them.
const BEGIN: &str = "<!-- written by `cargo run --release -p benches --bin report` -->\n";
const END: &str = "<!-- end of what is written by it -->\n";

/// A sentence and the table where its numbers stand.
pub(super) struct Sentence {
    words: String,
    table: &'static str,
}

impl Sentence {
    /// As a line of a list, in a file from which REPORT.md is at `report`.
    pub(super) fn text(&self, report: &str) -> String {
        format!("- {} ([{}]({report}#{}))", self.words, self.table, self.table)
    }
}

/// What can be said of the tables that were measured. A table without the column or the entrant that a sentence needs
/// has no such sentence.
pub(super) fn sentences(run: &Run) -> Vec<Sentence> {
    let all = [
        ("tasks", crossings as fn(&Measured) -> Option<String>),
        ("tasks", short_tasks),
        ("maps", maps),
        ("payloads", small_payloads),
        ("payloads", large_payloads),
        ("checksums", light_work),
        ("isolation", isolation),
        ("lives", births),
        ("lives", deaths),
        ("memory", memory),
    ];
    let said = all.into_iter().filter_map(|(name, say)| {
        let table = run.tables.iter().find(|table| table.table.name == name)?;
        Some(Sentence { words: say(table)?, table: table.table.name })
    });
    said.chain(losses(run)).collect()
}

/// The number in a cell, as its table shows it.
fn number(table: &Measured, who: Who, column: &str) -> Option<String> {
    let i = table.columns.iter().position(|(known, _)| known.label.starts_with(column))?;
    let number = match table.table.reading {
        super::table::Reading::SpeedUp => ratios::speed_up(table, i, who)?.median,
        _ => Spread::of(&table.cell(i, who)?.rounds).median,
    };
    Some(shown(table.table.reading, number))
}

/// Such numbers of several entrants.
fn numbers<const N: usize>(table: &Measured, column: &str, entrants: [Who; N]) -> Option<[String; N]> {
    let numbers = entrants.map(|who| number(table, who, column));
    numbers.iter().all(Option::is_some).then(|| numbers.map(Option::unwrap_or_default))
}

/// The same, of those that are there: `name number, name number`.
fn beside(table: &Measured, column: &str, entrants: &[Who]) -> String {
    let there =
        entrants.iter().filter_map(|who| Some(format!("{} {}", who.name(), number(table, *who, column)?)));
    there.collect::<Vec<_>>().join(", ")
}

fn crossings(table: &Measured) -> Option<String> {
    let of = |who| Some(crossed_at(table.table.axis, &ratios::crossing(table, who)?));
    let (threads, processes) = (of(Who::ThreadPool)?, of(Who::Spawn)?);
    Some(format!(
        "With a task for each item, a `ThreadPool` is faster than a plain loop for tasks {threads}, a `ProcessPool` \
         {processes}."
    ))
}

fn light_work(table: &Measured) -> Option<String> {
    let of = |who| Some(crossed_at(table.table.axis, &ratios::crossing(table, who)?));
    let (threads, plain, processes) = (of(Who::ThreadPool)?, of(Who::SpawnPlain)?, of(Who::Spawn)?);
    Some(format!(
        "With light work on each byte of an argument (a checksum), a `ThreadPool` is faster than a plain loop for arguments \
         {threads}, a `ProcessPool` {plain} if they are sent as `codec::Plain`, {processes} otherwise."
    ))
}

fn short_tasks(table: &Measured) -> Option<String> {
    let entrants = [Who::ThreadPool, Who::Spawn];
    let [threads, processes] = numbers(table, "10 µs", entrants)?;
    let peers = [Who::Rayon, Who::Procspawn, Who::IpcChannel, Who::PyPool, Who::PyProcesses];
    Some(format!(
        "Tasks of 10 µs on 2 workers, times as fast as a plain loop: `ThreadPool` {threads}, `ProcessPool` {processes}; \
         {}.",
        beside(table, "10 µs", &peers)
    ))
}

fn maps(table: &Measured) -> Option<String> {
    let [threads, processes] = numbers(table, "1 µs", [Who::ThreadPool, Who::Spawn])?;
    Some(format!(
        "A plain `map` puts many items into a task; with items of 1 µs, times as fast as a plain loop: `ThreadPool` \
         {threads}, `ProcessPool` {processes}; {}.",
        beside(table, "1 µs", &[Who::Rayon, Who::PyPool, Who::PyProcesses])
    ))
}

fn small_payloads(table: &Measured) -> Option<String> {
    let [threads, processes] = numbers(table, "8 B", [Who::ThreadPool, Who::Spawn])?;
    Some(format!(
        "8 bytes to a worker and back take a `ThreadPool` {threads}, a `ProcessPool` {processes}; {}.",
        beside(table, "8 B", &[Who::Procspawn, Who::IpcChannel, Who::PyPool, Who::PyProcesses])
    ))
}

fn large_payloads(table: &Measured) -> Option<String> {
    let [threads, processes] = numbers(table, "64 MiB", [Who::ThreadPool, Who::Spawn])?;
    Some(format!(
        "64 MiB there and back take a `ThreadPool`, which copies nothing, {threads}, a `ProcessPool` {processes}; {}.",
        beside(
            table,
            "64 MiB",
            &[Who::Procspawn, Who::IpcChannel, Who::IpcMemory, Who::PyPool, Who::PyProcesses]
        )
    ))
}

fn isolation(table: &Measured) -> Option<String> {
    let [threads, processes] = numbers(table, "the same under a global lock", [Who::ThreadPool, Who::Spawn])?;
    Some(format!(
        "Tasks under a lock that a process has one of, times as fast as a plain loop: `ThreadPool` {threads}, \
         `ProcessPool` {processes}."
    ))
}

fn births(table: &Measured) -> Option<String> {
    let column = "a new pool";
    let [threads, spawn, fork, server] =
        numbers(table, column, [Who::ThreadPool, Who::Spawn, Who::Fork, Who::ForkServer])?;
    Some(format!(
        "A new pool of 2 has its first result after {threads} on threads, {spawn} spawned, {fork} forked, {server} by a \
         fork server; {}.",
        beside(table, column, &[Who::Procspawn, Who::PyPool, Who::PyPoolSpawn])
    ))
}

fn deaths(table: &Measured) -> Option<String> {
    let column = "a task that ends";
    let [spawn, server] = numbers(table, column, [Who::Spawn, Who::ForkServer])?;
    Some(format!(
        "From a task that ends its process to the next result of a pool of one: {spawn} spawned, {server} by a fork \
         server; {}.",
        beside(table, column, &[Who::Procspawn, Who::PyProcesses, Who::Loky])
    ))
}

fn memory(table: &Measured) -> Option<String> {
    let [spawn, fork] = numbers(table, "an idle worker", [Who::Spawn, Who::Fork])?;
    Some(format!(
        "An idle worker process has {spawn} for itself if it was spawned, {fork} if it was forked; {}.",
        beside(table, "an idle worker", &[Who::Procspawn, Who::PyPool, Who::PyPoolSpawn])
    ))
}

fn losses(run: &Run) -> Option<Sentence> {
    let duels: Vec<Duel> = run.tables.iter().flat_map(ratios::duels).collect();
    let lost = duels.iter().filter(|duel| duel.is_lost()).count();
    let words = format!(
        "Of {} comparisons with peers we lose {lost}; each of them is in the report, with the cases where a plain loop \
         is faster.",
        duels.len()
    );
    (!duels.is_empty()).then_some(Sentence { words, table: "where-we-lose" })
}

/// Puts the sentences into README.md.
pub(super) fn into_readme(path: &Path, run: &Run) -> crate::Result<()> {
    let text = fs::read_to_string(path)?;
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or("README.md has no place for the report's sentences")?;
    let lines: String =
        sentences(run).iter().map(|sentence| sentence.text("benches/REPORT.md") + "\n").collect();
    Ok(fs::write(path, format!("{before}{BEGIN}\n{lines}\n{END}{after}"))?)
}
