//! What a worker process does, from the moment the program was caught before `main`.
//!
//! Two threads: one runs tasks, named as the worker and with a stack as large as a main thread's; the
//! main thread waits for a command, and when the control channel breaks the pool is gone.

use std::thread;

use pool_ipc::bell::Bell;
use pool_ipc::birth::{self, Born};
use pool_ipc::control::{self, Command};
use pool_ipc::lane::WorkerLane;

/// As large as a main thread's usually is: a task function is not to know whether it is in `main`.
const STACK: usize = 8 << 20;

pub(crate) fn live(born: Born) {
    pool_core::codec::make_room_by(|len| pool_ipc::reserve_bytes(len).unwrap_or_default());
    let Born { descriptors, words } = born;
    let Ok([requests, replies, alarm, bell]) = <[_; 4]>::try_from(descriptors) else { return };
    let Ok([name, door]) = <[_; 2]>::try_from(words) else { return };
    let attached = Bell::attach(bell).and_then(|bell| WorkerLane::attach(requests, replies, alarm, bell));
    let started = attached.and_then(|mut lane| {
        let ready = lane.ready()?;
        thread::Builder::new().name(name.clone()).stack_size(STACK).spawn(move || {
            if let Err(error) = lane.report_stack_overflow() {
                eprintln!("pool: stack overflows will not be reported: {error}");
            }
            loop {
                lane.serve();
            }
        })?;
        Ok(ready)
    });
    let ready = match started {
        Ok(ready) => ready,
        Err(error) => {
            eprintln!("pool: {name} cannot start: {error}");
            std::process::exit(birth::MISBORN);
        }
    };
    let Ok(commands) = control::say_hello(&door) else { birth::leave_now() };
    ready.tell();
    match commands.next() {
        // Nothing is in the lane: the task thread sleeps. Exit handlers run.
        Some(Command::Leave) => std::process::exit(0),
        None => birth::leave_now(),
    }
}
