//! Five children: names, parents, and the ways to end.
//!
//! What to look for:
//! - Every child knows its name and its parent's pid, which is that of the main program.
//! - The exit code is 0 for a function that returned, 101 for one that panicked, what was given to `exit`, or minus
//!   the number of the signal.
//! - `join` gives what the function returned, or an error that says how the child ended. One that has not ended can be
//!   asked to (`terminate`, SIGTERM) or made to (`kill`, SIGKILL).

mod common;

use std::thread::sleep;
use std::time::Duration;

use common::say;
use pool::{Process, active_children, current_process, parent_process};

fn child(deed: String) -> String {
    let parent = parent_process().ok().flatten().map_or(0, |parent| parent.pid());
    say(format!("is {}, child of {parent}, and {deed}", current_process().name()));
    match deed.as_str() {
        "panics" => panic!("on purpose"),
        "exits" => std::process::exit(3),
        "aborts" => std::process::abort(),
        "sleeps" => sleep(Duration::from_secs(3600)),
        _ => (),
    }
    format!("{deed} well")
}

fn main() -> pool::Result<()> {
    let family =
        [("Ann", "returns"), ("Ben", "panics"), ("Cem", "exits"), ("Dot", "aborts"), ("Eva", "sleeps")];
    let mut children = Vec::new();
    for (name, deed) in family {
        let child = Process::builder().name(name).spawn(child, deed.to_string())?;
        say(format!("started {name}, pid {}, exit code {:?}", child.pid(), child.exit_code()));
        children.push(child);
    }

    let sleeper = children.pop().expect("five children");
    for child in &children {
        let result = child.join().unwrap_or_else(|error| error.to_string());
        say(format!("{} ended with {:?}: {result}", child.name(), child.exit_code()));
    }
    if let Err(error) = sleeper.join_timeout(Duration::from_millis(200)) {
        say(format!("Eva: {error}"));
    }
    sleeper.terminate();
    let result = sleeper.join().unwrap_or_else(|error| error.to_string());
    say(format!("Eva ended with {:?}: {result}", sleeper.exit_code()));
    say(format!("{} children are left", active_children().len()));
    Ok(())
}
