//! What is printed: a table for people, a JSON document for programs.

use serde_json::{Value, json};

use crate::args::{Args, cores};
use crate::input::{Input, PIECE};
use crate::run::Measured;
use crate::verdict::{Figures, Verdict};
use crate::ways::Way;

/// Rounds of the same work that differ by more than this are worth a remark.
const NOISY: f64 = 0.25;

/// What is run on what, and what is timed.
pub(crate) fn opening(args: &Args, input: &Input, ways: &[Way; 3]) -> String {
    let (workers, cores, rounds) = (args.workers(), cores(), args.rounds);
    let root = input.root.display();
    let found = format!("{} files, {}", grouped(input.found_files as u64), mib(input.found_bytes));
    let taken = format!("{} files, {}", grouped(input.files as u64), mib(input.bytes));
    let pieces = grouped(input.pieces.len() as u64);
    let [_, threads, processes] =
        ways.each_ref().map(|way| format!("{:.1} ms", way.start.as_secs_f64() * 1e3));
    let piece = PIECE >> 10;
    [
        format!("Threads or processes? {workers} workers on {cores} cores\n"),
        format!("input   {root}"),
        format!("        found {found}"),
        format!("        taken {taken}, in the order of the paths, as far as --limit allows"),
        format!("        as {pieces} pieces of at most {piece} KiB, the longest first"),
        format!("timed   from the first item given to the last result taken: median of {rounds} (fastest to slowest)"),
        "not     the first reading of the files, which brings them into the page cache".to_string(),
        format!("        and the start of the pools to a first result: threads {threads}, processes {processes}\n"),
    ]
    .join("\n")
}

pub(crate) fn table(measured: &Measured, workers: usize) -> String {
    let mut text = format!("\n{}: {}\n", measured.name, measured.about);
    text += "  way              time                     speed-up     items/s\n";
    for way in &measured.ways {
        let times = &way.times;
        let range = format!("({:.3} to {:.3})", times.fastest(), times.slowest());
        text += &format!(
            "  {:<10} {:>8.3} s  {range:<20} {:>8.2} × {:>11}\n",
            way.name,
            times.median(),
            times.times_faster_than(&measured.ways[0].times),
            grouped((measured.items as f64 / times.median()) as u64),
        );
    }
    if !measured.same() {
        text += "  same    no, so there is nothing to compare\n";
        for way in &measured.ways {
            text += &format!("          {} gave {}\n", way.name, way.answer);
        }
        return text;
    }
    text += &format!("  same    yes, all three gave {}\n", measured.ways[0].answer);
    let width = measured.ways.iter().map(|way| way.times.width()).fold(0.0, f64::max);
    if width > NOISY {
        let percent = width * 100.0;
        text +=
            &format!("  noisy   rounds differ by up to {percent:.0} %: did something else use the cores?\n");
    }
    let Verdict { bound, suits, why } = verdict(measured, workers);
    if let Some(busy) = measured.busy {
        text += &format!("  bound   {bound}: {:.0} % of the serial time is computing\n", busy * 100.0);
    }
    text + &format!("  suits   {suits}: {why}\n")
}

fn verdict(measured: &Measured, workers: usize) -> Verdict {
    let [serial, threads, processes] = measured.ways.each_ref().map(|way| &way.times);
    let (cores, items, busy) = (cores(), measured.items, measured.busy);
    Figures { workers, cores, items, busy, serial, threads, processes }.verdict()
}

/// Times are in seconds. Paths that are not UTF-8 are shown with the replacement character.
pub(crate) fn json(args: &Args, input: &Input, ways: &[Way; 3], measured: &[Measured]) -> String {
    let skipped = input
        .skipped
        .iter()
        .map(|skipped| json!({ "path": skipped.path.to_string_lossy(), "reason": skipped.reason }));
    let document = json!({
        "workers": args.workers(),
        "cores": cores(),
        "rounds": args.rounds,
        "input": {
            "path": input.root.to_string_lossy(),
            "found": { "files": input.found_files, "bytes": input.found_bytes },
            "taken": { "files": input.files, "bytes": input.bytes, "pieces": input.pieces.len() },
            "skipped": skipped.collect::<Vec<Value>>(),
        },
        "start_seconds": {
            ways[1].name: ways[1].start.as_secs_f64(),
            ways[2].name: ways[2].start.as_secs_f64(),
        },
        "workloads": measured.iter().map(|one| workload(one, args.workers())).collect::<Vec<Value>>(),
    });
    format!("{document:#}\n")
}

fn workload(measured: &Measured, workers: usize) -> Value {
    let Verdict { bound, suits, why } = verdict(measured, workers);
    let ways = measured.ways.iter().map(|way| {
        json!({
            "way": way.name,
            "seconds": way.times.median(),
            "fastest": way.times.fastest(),
            "slowest": way.times.slowest(),
            "speed_up": way.times.times_faster_than(&measured.ways[0].times),
            "items_per_second": measured.items as f64 / way.times.median(),
            "result": way.answer,
        })
    });
    json!({
        "workload": measured.name,
        "about": measured.about,
        "items": measured.items,
        "busy": measured.busy,
        "ways": ways.collect::<Vec<Value>>(),
        "same_result": measured.same(),
        "bound": bound,
        "suits": suits,
        "why": why,
    })
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// 1234567 as 1 234 567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| str::from_utf8(group).ok()).collect();
    groups.join(" ")
}
