//! What a worker process does, from the moment that it has settled in.
//!
//! Two threads: one runs tasks, named as the worker and with a stack as large as a main thread's; the
//! main thread waits for a command, and when its line ends the pool is gone.

use std::sync::Arc;
use std::thread;

use pool_ipc::bell::Bell;
use pool_ipc::birth::{self, Born};
use pool_ipc::lane::{Luggage, WorkerLane};
use pool_ipc::line::Command;
use pool_ipc::own::OwnThread;
use pool_ipc::shared;

use crate::identity::Identity;
use crate::logs;
use crate::porter;
use crate::process;

/// As large as a main thread's usually is: a task function is not to know whether it is in `main`.
pub(crate) const STACK: usize = 8 << 20;

pub(crate) fn live(mut born: Born) {
    // This thread is nobody a nested pool that forks would have to fear.
    let _own = OwnThread::count();
    porter::hire();
    shared::remember();
    pool_core::codec::make_room_by(|len| pool_ipc::reserve_bytes(len).unwrap_or_default());
    let (mut descriptors, words) = (std::mem::take(&mut born.descriptors), std::mem::take(&mut born.words));
    let Some(name) = words.first().and_then(|word| Identity::assume(word)) else { return };
    if let Err(why) = logs::install(words.get(1).map_or("", String::as_str), &mut descriptors, 4) {
        born.refuse(&why);
    }
    let Ok([requests, replies, alarm, bell]) = <[_; 4]>::try_from(descriptors) else { return };
    let attached = Bell::attach(bell).and_then(|bell| WorkerLane::attach(requests, replies, alarm, bell));
    let luggage = Arc::new(Luggage::new(born.line.clone()));
    let started = attached.and_then(|mut lane| {
        let ready = lane.ready()?;
        let luggage = luggage.clone();
        thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(move || {
            pool_ipc::roam();
            if let Err(error) = lane.report_stack_overflow() {
                eprintln!("pool: stack overflows will not be reported: {error}");
            }
            // Without it this worker's end is seen a moment later.
            let _ = lane.report_end();
            loop {
                lane.serve(&luggage);
            }
        })?;
        Ok(ready)
    });
    match started {
        Ok(ready) => ready.tell(),
        Err(error) => born.refuse(&error.to_string()),
    }
    loop {
        match born.line.next() {
            Some((Command::Descriptors(number), descriptors)) => luggage.came(number, descriptors),
            Some((Command::Discard(number), _)) => luggage.discard(number),
            // Nothing is in the lane: the task thread sleeps. Exit handlers run.
            Some((Command::Leave, _)) => {
                // A forked worker runs no exit handlers: they are its parent's.
                process::end();
                birth::leave(0)
            }
            None => birth::leave_now(),
        }
    }
}
