//! The report as text: all of REPORT.md is made here.

use std::fmt::Write;

use super::Run;
use super::entrant::{Who, Whose};
use super::ratios::{self, Crossing, Duel};
use super::short;
use super::table::{Axis, Cell, Measured, Reading};
use crate::lines::{plain, time};
use crate::stats::Spread;

/// The whole report.
pub(super) fn report(run: &Run) -> String {
    let mut out = String::from("# Backends and peers, compared\n\n");
    out += "Written by `cargo run --release -p benches --bin report`, and by nobody's hand. How it measures is in the \
            [program's documentation](src/comparison.rs).\n\n";
    let sentences = short::sentences(run);
    if !sentences.is_empty() {
        out += "## In short\n\n";
        sentences.iter().for_each(|sentence| out += &format!("{}\n", sentence.text("")));
        out += "\n";
    }
    machine(&mut out, run);
    out += "## How to read it\n\nA cell is the median of the rounds and, in parentheses, their quartiles. Ratios are taken \
            within a round. Ours come first, then peers in Rust, then Python's; `ProcessPoolExecutor` and \
            `ThreadPoolExecutor` are those of `concurrent.futures`.\n\n";
    run.tables.iter().for_each(|table| section(&mut out, table));
    threads_or_processes(&mut out, run);
    losses(&mut out, run);
    left_out(&mut out, run);
    out
}

fn machine(out: &mut String, run: &Run) {
    *out += "## Machine\n\n| | |\n|---|---|\n";
    for (what, value) in &run.machine {
        let _ = writeln!(out, "| {what} | {value} |");
    }
    let others = run.elsewhere.map_or(String::new(), |share| {
        format!(
            "; processes other than ours and those that they left used {:.0} % of the cores",
            share * 100.0
        )
    });
    let _ = writeln!(out, "| this run | {:.0} s{others} |\n", run.seconds);
}

fn section(out: &mut String, measured: &Measured) {
    let table = &measured.table;
    let _ = writeln!(out, "## {}\n\n**{}.** {}\n", table.name, table.title, table.question);
    let _ = writeln!(out, "{} Rounds: {}.\n", table.what, rounds(measured));
    if table.axis != Axis::Cases {
        let _ = writeln!(out, "![{}](plots/{}.svg)\n", table.title, table.name);
    }
    head(out, "", measured);
    for who in measured.entrants() {
        let cells = (0..measured.columns.len()).map(|column| cell(measured, column, who));
        row(out, who.name(), cells);
    }
    *out += "\n";
    beside_ours(out, measured);
    crossings(out, measured);
    for note in &table.notes {
        let _ = writeln!(out, "{note}\n");
    }
    for missing in &measured.missing {
        let _ = writeln!(out, "Missing: {missing}.\n");
    }
}

/// How many there were; columns that take long have fewer.
fn rounds(measured: &Measured) -> String {
    let count = |cells: &[Cell]| cells.first().map_or(0, |cell| cell.rounds.len());
    let counts: Vec<usize> = measured.columns.iter().map(|(_, cells)| count(cells)).collect();
    let (most, fewest) = (counts.iter().max().unwrap_or(&0), counts.iter().min().unwrap_or(&0));
    if most == fewest { most.to_string() } else { format!("{most}, where it takes longest {fewest}") }
}

fn head(out: &mut String, corner: &str, measured: &Measured) {
    row(out, corner, measured.columns.iter().map(|(column, _)| column.label.clone()));
    *out += "|---|";
    measured.columns.iter().for_each(|_| *out += "---|");
    *out += "\n";
}

fn row(out: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let _ = writeln!(out, "| {name} | {} |", cells.collect::<Vec<_>>().join(" | "));
}

/// A number with its quartiles, as its table shows it.
fn cell(measured: &Measured, column: usize, who: Who) -> String {
    let reading = measured.table.reading;
    let spread = match reading {
        Reading::SpeedUp => ratios::speed_up(measured, column, who),
        Reading::Time | Reading::Memory => measured.cell(column, who).map(|cell| Spread::of(&cell.rounds)),
    };
    spread.map_or("–".to_owned(), |spread| with_quartiles(spread, |number| shown(reading, number)))
}

/// A number as a table shows it.
pub(super) fn shown(reading: Reading, number: f64) -> String {
    match reading {
        Reading::SpeedUp => plain(number),
        Reading::Time => time(number),
        Reading::Memory => memory(number),
    }
}

fn memory(bytes: f64) -> String {
    match bytes {
        b if b < 1024.0 * 1024.0 => format!("{} KiB", plain(b / 1024.0)),
        b => format!("{} MiB", plain(b / 1024.0 / 1024.0)),
    }
}

fn with_quartiles(spread: Spread, show: impl Fn(f64) -> String) -> String {
    format!("{} ({} .. {})", show(spread.median), show(spread.low), show(spread.high))
}

fn beside_ours(out: &mut String, measured: &Measured) {
    let duels = ratios::duels(measured);
    if duels.is_empty() {
        return;
    }
    let what = match measured.table.reading {
        Reading::SpeedUp => "Our speed-up divided by that of each peer",
        Reading::Time => "The time of each peer divided by ours",
        Reading::Memory => "The memory of each peer divided by ours",
    };
    let _ = writeln!(out, "{what}, of the same kind; **below 1 the peer is ahead**:\n");
    head(out, "", measured);
    for who in measured.entrants().into_iter().filter(|who| who.whose() != Whose::Ours) {
        let of_who: Vec<&Duel> = duels.iter().filter(|duel| duel.other == who).collect();
        let Some(first) = of_who.first() else { continue };
        let cells = measured.columns.iter().map(|(column, _)| {
            let duel = of_who.iter().find(|duel| duel.column.label == column.label);
            duel.map_or("–".to_owned(), |duel| {
                let text = with_quartiles(duel.ratio, plain);
                if duel.is_lost() { format!("**{text}**") } else { text }
            })
        });
        row(out, &format!("{} / {}", who.name(), first.ours.name()), cells);
    }
    *out += "\n";
}

fn crossings(out: &mut String, measured: &Measured) {
    if measured.table.reading != Reading::SpeedUp || !has_curve(measured.table.axis) {
        return;
    }
    *out += "From where on each is faster than the plain loop of its language, interpolated:\n\n| | |\n|---|---|\n";
    for who in ratios::crossed(measured) {
        if let Some(crossing) = ratios::crossing(measured, who) {
            let _ = writeln!(out, "| {} | {} |", who.name(), crossed_at(measured.table.axis, &crossing));
        }
    }
    *out += "\n";
}

/// Whether more on this axis means more work for one task.
fn has_curve(axis: Axis) -> bool {
    matches!(axis, Axis::TaskLength | Axis::Payload)
}

pub(super) fn crossed_at(axis: Axis, crossing: &Crossing) -> String {
    let shown = |x: f64| if axis == Axis::Payload { bytes(x) } else { time(x) };
    match crossing {
        Crossing::Before(x) => format!("everywhere from {} on", shown(*x)),
        Crossing::At(x) => format!("from {} on", shown(*x)),
        Crossing::After(x) => format!("not up to {}", shown(*x)),
        Crossing::Lost(x) => format!("in between, but not at {}", shown(*x)),
    }
}

fn bytes(count: f64) -> String {
    if count < 1024.0 { format!("{} B", plain(count)) } else { memory(count) }
}

fn threads_or_processes(out: &mut String, run: &Run) {
    let duels: Vec<Duel> = run.tables.iter().flat_map(ratios::processes_and_threads).collect();
    if duels.is_empty() {
        return;
    }
    *out += "## Threads or processes\n\nEvery case where one of `ThreadPool` and `ProcessPool, Spawn` takes at least 5 % less \
             than the other. The ratio is what threads take, divided by what processes take.\n\n";
    for (title, processes) in [("Processes are ahead", true), ("Threads are ahead", false)] {
        let _ = writeln!(out, "**{title}**\n\n| table | at | threads / processes |\n|---|---|---|");
        let ahead = |duel: &&Duel| if processes { duel.is_won() } else { duel.is_lost() };
        for duel in duels.iter().filter(ahead) {
            let (table, at) = (duel.table.table.name, &duel.column.label);
            let _ = writeln!(out, "| [{table}](#{table}) | {at} | {} |", with_quartiles(duel.ratio, plain));
        }
        *out += "\n";
    }
}

fn losses(out: &mut String, run: &Run) {
    let duels: Vec<Duel> = run.tables.iter().flat_map(ratios::duels).collect();
    *out += "## Where we lose\n\nEvery case where a peer, or a plain loop, takes at least 5 % less than ours. The ratio is what \
             the other takes, divided by what ours takes; between languages each is measured by its own plain loop.\n\n";
    let lost: Vec<&Duel> = sorted(duels.iter().filter(|duel| duel.is_lost()).collect());
    let won = duels.iter().filter(|duel| duel.is_won()).count();
    let _ = writeln!(
        out,
        "Beside peers: {} comparisons, {won} won, {} lost, {} within 5 %.\n",
        duels.len(),
        lost.len(),
        duels.len() - won - lost.len()
    );
    list(out, &lost);
    let serial: Vec<Duel> = run.tables.iter().flat_map(ratios::duels_with_serial).collect();
    *out += "Beside a plain loop in Rust:\n\n";
    list(out, &sorted(serial.iter().filter(|duel| duel.is_lost()).collect()));
}

fn sorted<'a, 'b>(mut duels: Vec<&'a Duel<'b>>) -> Vec<&'a Duel<'b>> {
    duels.sort_by(|a, b| a.ratio.median.total_cmp(&b.ratio.median));
    duels
}

fn list(out: &mut String, duels: &[&Duel]) {
    *out += "| table | at | ours | ahead of it | ratio |\n|---|---|---|---|---|\n";
    for duel in duels {
        let (table, at) = (duel.table.table.name, &duel.column.label);
        let (ours, other) = (duel.ours.name(), duel.other.name());
        let ratio = with_quartiles(duel.ratio, plain);
        let _ = writeln!(out, "| [{table}](#{table}) | {at} | {ours} | {other} | {ratio} |");
    }
    *out += "\n";
}

fn left_out(out: &mut String, run: &Run) {
    *out += "## Who is not here\n\n";
    *out += "- **The portable lane** of the process pool, over ipc-channel: there is none yet. What a lane over ipc-channel \
             can reach at best is the entrant `ipc-channel, bare`.\n";
    *out += "- **crossmist 1.1.2**: with rustc 1.95 it compiles, and panics as it sends its first value (`internal error: \
             entered unreachable code`, `builtins.rs:61`): how it tells plain types from others on a stable compiler does \
             not work any more. Its feature `nightly` does not compile (E0557, a removed language feature).\n";
    for missing in
        run.tables.iter().flat_map(|table| &table.missing).collect::<std::collections::BTreeSet<_>>()
    {
        let _ = writeln!(out, "- **{missing}**");
    }
}
