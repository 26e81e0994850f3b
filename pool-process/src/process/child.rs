//! What the process of a [`Process`](super::Process) does, from its birth on.
//!
//! Two threads: one runs the function, named as the process and with a stack as large as a main thread's; the
//! main thread waits for it, and exits.

use std::io::Write;
use std::thread;

use pool_core::{Error, single};
use pool_ipc::birth::{self, Born};
use pool_ipc::exit;
use pool_ipc::line::FarEnd;
use pool_ipc::parcel::{Call, Outbox};
use pool_ipc::passing;

use super::life::end;
use crate::identity::Identity;
use crate::worker::STACK;
use crate::{logs, porter};

/// The exit status after a panic: that of a Rust program that panics.
const PANICKED: i32 = 101;
/// The exit status when a value did not decode or encode: that of a Rust program whose `main` gives an error.
const NOT_CARRIED: i32 = 1;

pub(super) fn live(mut born: Born) {
    porter::hire();
    pool_core::codec::make_room_by(|len| pool_ipc::reserve_bytes(len).unwrap_or_default());
    let mut descriptors = std::mem::take(&mut born.descriptors);
    let Some(name) = born.words.first().and_then(|word| Identity::assume(word)) else { return };
    if let Err(why) = logs::install(born.words.get(1).map_or("", String::as_str), &mut descriptors, 2) {
        born.refuse(&why);
    }
    let passed = descriptors.split_off(descriptors.len().min(2));
    let Ok([parcel, tray]) = <[_; 2]>::try_from(descriptors) else { return };
    // Unlike a worker it may outlive the program, and then Ctrl-C is how to end it.
    exit::heed_interrupts();
    let line = born.line.clone();
    let started = Call::open(parcel).and_then(|call| {
        let outbox = Outbox::open(tray)?;
        let run = move || {
            if let Err(error) = outbox.report_stack_overflow() {
                eprintln!("pool: a stack overflow will not be reported: {error}");
            }
            passing::receiving(passed, || run(name, &call, &outbox, &line))
        };
        thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(run)
    });
    let running = match started {
        Ok(running) => running,
        Err(error) => born.refuse(&error.to_string()),
    };
    // The thread panics only if this library does.
    let status = running.join().unwrap_or(PANICKED);
    // A forked child runs none of the exit handlers that it has from its parent, and so this has to be done here.
    end();
    let _ = std::io::stdout().flush();
    birth::leave(status);
}

/// Runs the function; returns the exit status.
fn run(name: &str, call: &Call, outbox: &Outbox, line: &FarEnd) -> i32 {
    let mut status = NOT_CARRIED;
    call.make(&mut |word, bytes| {
        status = match single::failure(word, bytes) {
            None => 0,
            Some(error) => report(name, &error),
        };
        let sent = passing::leaving().map_or(Ok(()), |leaving| line.send_descriptors(&leaving));
        if let Err(error) = sent.and_then(|()| outbox.put(word, bytes)) {
            eprintln!("pool: {name} cannot leave its result: {error}");
            status = NOT_CARRIED;
        }
    });
    status
}

/// What std would say of a thread that panicked; returns the exit status.
fn report(name: &str, error: &Error) -> i32 {
    let Some(panic) = error.panic() else {
        eprintln!("\nprocess '{name}': {error}");
        return NOT_CARRIED;
    };
    let place = panic.location.as_deref().unwrap_or("an unknown place");
    let trace = panic.backtrace.as_deref();
    let trace =
        trace.unwrap_or("note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace");
    eprintln!("\nprocess '{name}' panicked at {place}:\n{}\n{}", panic.message, trace.trim_end());
    PANICKED
}
