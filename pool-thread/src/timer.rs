//! The thread that watches time limits. It is started by the first task that has one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::shared::Shared;
use crate::sync::lock;
use crate::worker::Timed;

/// The pool's end of the timer.
#[derive(Default)]
pub(crate) struct Timer {
    thread: Mutex<Option<(Sender<Deadline>, JoinHandle<()>)>>,
}

struct Deadline {
    at: Instant,
    timed: Arc<Timed>,
}

impl Timer {
    /// Has `timed` expire at `at`. Where the system gives no thread for that, the task runs without
    /// its limit and a line on standard error says so.
    pub(crate) fn watch(&self, shared: &Arc<Shared>, at: Instant, timed: Arc<Timed>) {
        let mut thread = lock(&self.thread);
        if thread.is_none() {
            let (sender, deadlines) = unbounded();
            // The timer must not keep the pool alive.
            let pool = Arc::downgrade(shared);
            match shared.thread("timer".into(), move || serve(&pool, &deadlines)) {
                Ok(handle) => *thread = Some((sender, handle)),
                Err(error) => eprintln!("pool: no thread to watch time limits: {error}"),
            }
        }
        if let Some((sender, _)) = &*thread {
            let _ = sender.send(Deadline { at, timed });
        }
    }

    /// Ends the thread and waits for it.
    pub(crate) fn finish(&self) {
        let thread = lock(&self.thread).take();
        if let Some((sender, thread)) = thread {
            drop(sender);
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn serve(pool: &Weak<Shared>, incoming: &Receiver<Deadline>) {
    let mut heap: BinaryHeap<Reverse<Deadline>> = BinaryHeap::new();
    loop {
        let received = match heap.peek() {
            Some(Reverse(next)) => incoming.recv_deadline(next.at),
            None => incoming.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(deadline) => heap.push(Reverse(deadline)),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if let (Some(Reverse(due)), Some(shared)) = (heap.pop(), pool.upgrade()) {
                    due.timed.expire(&shared);
                }
            }
        }
    }
}

impl Ord for Deadline {
    fn cmp(&self, other: &Deadline) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl PartialOrd for Deadline {
    fn partial_cmp(&self, other: &Deadline) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Deadline {
    fn eq(&self, other: &Deadline) -> bool {
        self.at == other.at
    }
}

impl Eq for Deadline {}
