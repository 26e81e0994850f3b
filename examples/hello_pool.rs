//! `apply` waits, `apply_async` does not: three workers, four messages, a fifth of a second of work for each.
//!
//! What to look for:
//! - With `apply` a message begins when the one before has ended. There are three workers, and one works.
//! - With `apply_async` the main program goes on at once. Three messages begin together; the fourth begins when a
//!   worker is free.
//! - With `--backend thread` all lines have the same pid. Nothing else changes.

mod common;

use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use common::{here, say};
use pool::Pool;

const MESSAGES: [&str; 4] = ["one", "two", "three", "four"];

fn deliver(message: String) -> String {
    say(format!("begins {message}"));
    sleep(Duration::from_millis(200));
    say(format!("ends {message}"));
    format!("{message} by {}", here())
}

fn main() -> pool::Result<()> {
    let pool = common::Args::parse().pool(3)?;

    say("apply:");
    for message in MESSAGES {
        let text = pool.apply(deliver, message.to_string())?;
        say(format!("got {text}"));
    }

    say("apply_async:");
    let handles = MESSAGES.map(|message| pool.apply_async(deliver, message.to_string()));
    say("all four are under way");
    for handle in handles {
        say(format!("got {}", handle.get()?));
    }

    pool.close(); // No more tasks; the workers leave when they are done.
    pool.join()
}
