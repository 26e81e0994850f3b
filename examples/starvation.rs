//! Starvation: tasks that never end take all workers, and those that wait never start. A timeout rescues them.
//!
//! What to look for, with five workers, one short task and ten endless ones:
//! - Without a limit five endless tasks begin. The other five have not begun, and never will.
//! - With a limit each endless task ends with an error, and the next one has its worker. On processes the worker is
//!   killed and replaced: see the pids change.
//! - On threads (`--backend thread`) nothing can be killed. A thread that is late is left behind and replaced; here it
//!   looks now and then whether it should give up. Take that away, and it would run as long as the program.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use common::say;
use pool::{AnyPool, Pool};

/// For threads. A worker process has a copy of its own, which nobody sets.
static GIVE_UP: AtomicBool = AtomicBool::new(false);

fn task(number: u32) -> u32 {
    say(format!("begins task {number}"));
    while number > 0 && !GIVE_UP.load(Relaxed) {
        sleep(Duration::from_millis(10));
    }
    number
}

fn starve(pool: &dyn AnyPool) {
    let tasks: Vec<_> = (0..=10).map(|number| pool.apply_async(task, number)).collect();
    let begun = || tasks.iter().filter(|task| task.has_begun()).count();
    // The short one and as many endless ones as there are workers.
    while begun() < tasks.len().min(pool.workers() + 1) {
        sleep(Duration::from_millis(10));
    }
    sleep(Duration::from_millis(200));
    say(format!("{} of {} tasks have not begun, and never will", tasks.len() - begun(), tasks.len()));
}

fn rescue(pool: &dyn AnyPool) {
    let limited = pool.timeout(Duration::from_millis(500));
    let tasks: Vec<_> = (0..=10).map(|number| limited.apply_async(task, number)).collect();
    let (mut done, mut late) = (0, 0);
    for task in tasks {
        match task.get() {
            Ok(number) => {
                done += 1;
                say(format!("task {number} is done"));
            }
            Err(error) => {
                late += 1;
                say(error);
            }
        }
    }
    say(format!("{done} done, {late} ended by the timeout, none waits"));
}

fn main() -> pool::Result<()> {
    let args = common::Args::parse();
    for (title, act) in [("without a limit:", starve as fn(&dyn AnyPool)), ("with a timeout:", rescue)] {
        say(title);
        GIVE_UP.store(false, Relaxed);
        let pool = args.pool(5)?;
        act(&*pool);
        GIVE_UP.store(true, Relaxed);
        // Dropping a pool kills worker processes; threads it can only wait for.
        drop(pool);
    }
    Ok(())
}
