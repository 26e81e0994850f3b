//! What a worker thread does: take a task, run it, until the queue is closed and empty.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_core::work::{End, Task};
use pool_core::{Error, SharedInitializer, Worker, panics};

use crate::queue::Tempo;
use crate::shared::{Coming, Shared};
use crate::sync::lock;

/// A task with a time limit, while a thread has it in hand.
pub(crate) struct Timed {
    task: Task,
    limit: Duration,
    /// Number of the thread that runs it.
    thread: usize,
    state: Mutex<TimedState>,
}

#[derive(PartialEq, Eq)]
enum TimedState {
    Running,
    /// It came to its end in time; the thread goes on to the next.
    Finished,
    /// Its time ran out; the thread has been replaced and leaves when the task returns.
    LeftBehind,
}

pub(crate) fn run(shared: &Arc<Shared>, number: usize, coming: Coming) {
    if let Some(Err(error)) = shared.initializer.as_ref().map(SharedInitializer::run) {
        return shared.break_down(format!("the initializer failed: {}", error.cause()));
    }
    let mut tempo = Tempo::default();
    let mut next = match coming {
        Coming::Counted => shared.queue.pop(&mut tempo),
        Coming::Claimed => shared.queue.arrive(&mut tempo),
    };
    while let Some(task) = next {
        if tempo.has_waited() {
            // Somebody may have relied on it for another task.
            shared.hire_as_needed();
        }
        if shared.is_ending() {
            let _ = panics::catch(|| task.end(End::Failed(shared.refusal())));
        } else if let Some(limit) = task.limits().and_then(|limits| limits.timeout) {
            if !run_timed(shared, number, task, limit) {
                return;
            }
        } else {
            run_caught(task);
        }
        next = shared.queue.pop(&mut tempo);
    }
}

/// Runs a task. The panics of its function are part of its outcome; what is caught here is a panic of a
/// Drop of the user's, when nobody wants the value: it must not take the thread.
fn run_caught(task: Task) {
    if panics::catch(|| task.run()).is_err() {
        eprintln!("pool: a value that nobody took panicked as it was dropped");
    }
}

/// Returns whether this thread is still one of the pool's.
fn run_timed(shared: &Arc<Shared>, thread: usize, task: Task, limit: Duration) -> bool {
    let timed = Arc::new(Timed { task, limit, thread, state: Mutex::new(TimedState::Running) });
    if let Some(deadline) = Instant::now().checked_add(limit) {
        shared.timer.watch(shared, deadline, timed.clone());
    }
    run_caught(timed.task.clone());
    let mut state = lock(&timed.state);
    if *state == TimedState::LeftBehind {
        return false;
    }
    *state = TimedState::Finished;
    true
}

impl Timed {
    /// Called by the timer at the deadline.
    pub(crate) fn expire(&self, shared: &Arc<Shared>) {
        {
            let mut state = lock(&self.state);
            if *state != TimedState::Running {
                return;
            }
            *state = TimedState::LeftBehind;
        }
        let worker = Worker { name: format!("{}-worker-{}", shared.name(), self.thread), pid: None };
        shared.leave_behind(self.thread);
        self.task.clone().end(End::Failed(Error::timed_out(self.limit).with_worker(worker)));
    }
}
