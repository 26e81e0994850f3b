//! A parser that cannot be trusted: on some files it crashes, hangs, or eats all memory. The program gets by.
//!
//! What to look for:
//! - Each bad file is an error of its own, which says what happened to the parser. The others are parsed.
//! - A worker that dies is replaced. The hang is ended by `timeout`, the memory eater by `memory_limit`; without
//!   these two it would be the whole machine that suffers.
//! - `retries(1)` gives a file a second try in another worker when its worker died. That helps with the stale lock, and
//!   not with the others. What timed out is not tried again.
//! - On threads none of this holds: the first crash would be the end of the program. So here is no `--backend`.

mod common;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use common::say;
use pool::{Pool, ProcessPool};

const FILES: [(&str, &str); 7] = [
    ("good.txt", "(a (b c))"),
    ("deep.txt", "deep"),
    ("loop.txt", "loop"),
    ("bomb.txt", "bomb"),
    ("open.txt", "(a (b c)"),
    ("lock.txt", "lock"),
    ("last.txt", "(((())))"),
];

/// Stands for a library in C. Counts brackets.
fn parse(file: PathBuf) -> Result<u32, String> {
    say(format!("parses {}", file.file_name().unwrap_or_default().display()));
    let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
    let mut hoard = Vec::new();
    match text.as_str() {
        "deep" => return Ok(nest(u32::MAX)),
        "loop" => loop {
            std::hint::spin_loop();
        },
        "bomb" => loop {
            hoard.push(vec![0_u8; 1 << 24]);
        },
        // Somebody has left a lock there, which the parser does not expect. The second try finds none.
        "lock" if fs::remove_file(file.with_extension("lock")).is_ok() => std::process::abort(),
        _ => (),
    }
    let (open, close) = (text.matches('(').count() as u32, text.matches(')').count() as u32);
    if open == close { Ok(open) } else { Err(format!("{open} brackets are opened and {close} closed")) }
}

/// Runs out of stack.
fn nest(depth: u32) -> u32 {
    if depth == 0 { 0 } else { std::hint::black_box(nest(depth - 1)) + 1 }
}

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 2)]
    workers: usize,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let files = FILES.map(|(name, text)| (folder.path().join(name), text));
    for (file, text) in &files {
        fs::write(file, text)?;
    }
    fs::write(folder.path().join("lock.lock"), "")?;

    let pool = ProcessPool::builder().workers(Args::parse().workers).memory_limit(1 << 28).build()?;
    let careful = pool.timeout(Duration::from_secs(1)).retries(1);
    let results = careful.imap(parse, files.clone().map(|(file, _)| file));
    for ((name, _), result) in FILES.iter().zip(results) {
        match result {
            Ok(Ok(brackets)) => say(format!("{name}: {brackets} brackets")),
            Ok(Err(complaint)) => say(format!("{name}: the parser says: {complaint}")),
            Err(error) => say(format!("{name}: the parser failed: {error}")),
        }
    }
    Ok(())
}
