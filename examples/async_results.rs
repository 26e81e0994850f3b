//! Handles: start many calls, keep what `apply_async` gives, and ask for the results later.
//!
//! What to look for:
//! - The tasks end in another order than they began in. `get` on one handle after another gives the results in the
//!   order of the handles all the same.
//! - A wait may have a limit: `get_timeout` gives up the wait and not the task, and can be called again.
//! - `ready` and `successful` ask without waiting.

mod common;

use std::thread::sleep;
use std::time::Duration;

use clap::Parser;
use common::say;
use pool::Pool;

fn nap(millis: u64) -> u64 {
    say(format!("begins a nap of {millis} ms"));
    sleep(Duration::from_millis(millis));
    say(format!("ends a nap of {millis} ms"));
    millis
}

fn main() -> pool::Result<()> {
    let pool = common::Args::parse().pool(4)?;
    let handles = [400, 100, 300, 200].map(|millis| pool.apply_async(nap, millis));

    if let Err(error) = handles[0].get_timeout(Duration::from_millis(50)) {
        say(format!("not yet: {error}; ready: {}", handles[0].ready()));
    }
    handles[1].wait();
    say(format!("the second is there; successful: {}", handles[1].successful()));

    let mut sum = 0;
    for handle in handles {
        let millis = handle.get()?;
        say(format!("got {millis}"));
        sum += millis;
    }
    say(format!("the sum is {sum}"));
    pool.close();
    pool.join()
}
