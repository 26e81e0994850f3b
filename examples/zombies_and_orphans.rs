//! Zombies and orphans: what they are, and that a pool leaves none.
//!
//! What to look for:
//! - A zombie is a process that has ended and that its parent has not asked how. It holds its pid until then; a program
//!   that never asks runs out of them.
//! - An orphan is a process whose parent has ended before it. It has another parent now, often pid 1, and nobody who
//!   knows of it.
//! - A worker that ends is reaped by its pool at once. The workers of a program that is killed are killed with it, by
//!   the kernel: the program cannot do it any more.

mod common;

use std::fs;
use std::io::{BufRead, BufReader, PipeWriter, Write, pipe};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::say;
use pool::{Passed, Pool, Process, ProcessPool};

/// The state of a process and its parent, as Linux shows them in /proc/PID/stat after the name: "Z 4711". "none": it is
/// gone.
fn look(pid: u32) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(") ").map_or("none", |(_, after)| after);
    after.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Whether it has ended; who reaps it is another matter.
fn has_ended(pid: u32) -> bool {
    let seen = look(pid);
    seen.starts_with('Z') || seen == "none"
}

#[expect(clippy::zombie_processes, reason = "that is what this program shows")]
fn leave_a_child(_: ()) -> u32 {
    let child = Command::new("sleep").arg("1").stdout(Stdio::null()).spawn().expect("the program `sleep`");
    child.id()
}

fn program_with_a_pool(mut output: Passed<PipeWriter>) {
    let pool = ProcessPool::new(2).expect("a pool");
    let pids = pool.chunk_size(1).map(
        |_: u32| {
            sleep(Duration::from_millis(50));
            std::process::id()
        },
        0..2,
    );
    writeln!(output, "{:?}", pids.expect("two pids")).expect("a reader");
    sleep(Duration::from_secs(3600));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut child = Command::new("true").spawn()?;
    while !has_ended(child.id()) {
        sleep(Duration::from_millis(1));
    }
    say(format!("the child {} has ended; state and parent: {}; a zombie", child.id(), look(child.id())));
    child.wait()?;
    say(format!("the program has asked how; state and parent: {}; it is gone", look(child.id())));

    let orphan = Process::spawn(leave_a_child, ())?;
    let pid = orphan.join()?;
    say(format!("{pid}, child of {}, has another parent: {}; an orphan", orphan.pid(), look(pid)));

    let pool = ProcessPool::new(2)?;
    let error = pool.apply(|()| -> () { std::process::exit(3) }, ()).unwrap_err();
    let worker = error.worker().and_then(|worker| worker.pid).unwrap_or_default();
    say(format!("{error}; state and parent: {}; no zombie", look(worker)));
    drop(pool);

    let (input, output) = pipe()?;
    let program = Process::spawn(program_with_a_pool, output.into())?;
    let mut line = String::new();
    BufReader::new(input).read_line(&mut line)?;
    let workers: Vec<u32> =
        line.split(|c: char| !c.is_ascii_digit()).filter_map(|pid| pid.parse().ok()).collect();
    say(format!("program {} has a pool with the workers {workers:?}", program.pid()));
    program.kill();
    let killed = Instant::now();
    while !workers.iter().all(|pid| has_ended(*pid)) {
        sleep(Duration::from_millis(1));
    }
    say(format!("it was killed; {:.0?} later its workers have ended: no orphans", killed.elapsed()));
    Ok(())
}
