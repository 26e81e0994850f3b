//! Callbacks: what is to happen with a result, said when the call is made.
//!
//! What to look for:
//! - `on_success` is called with the value, `on_error` with the error; one of them, once.
//! - They run in the main program, not in the worker, on a thread that the pool makes for them; or here and now, when
//!   the task has ended already. So they may capture what they like, here the end of a channel. They should be short:
//!   one thread runs them all.
//! - The error says where the task panicked. The report of the panic itself is on standard error.

mod common;

use std::sync::mpsc;

use clap::Parser;
use common::say;
use pool::Pool;

fn parse(text: String) -> u32 {
    say(format!("parses {text:?}"));
    text.parse().unwrap_or_else(|error| panic!("{text:?} is no number: {error}"))
}

fn main() -> pool::Result<()> {
    let pool = common::Args::parse().pool(2)?;
    let (sender, receiver) = mpsc::channel();

    let handles = ["12", "twelve", "30"].map(|text| {
        let (good, bad) = (sender.clone(), sender.clone());
        let handle = pool.apply_async(parse, text.to_string());
        handle.on_success(move |number| {
            say(format!("success: {number}"));
            let _ = good.send(*number);
        });
        handle.on_error(move |error| {
            say(format!("error: {error}"));
            let _ = bad.send(0);
        });
        handle
    });
    drop(sender);

    say(format!("the sum is {}", receiver.iter().sum::<u32>()));
    let good = handles.iter().filter(|handle| handle.successful()).count();
    say(format!("{good} of {} handles are successful", handles.len()));
    pool.close();
    pool.join()
}
