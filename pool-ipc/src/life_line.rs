//! A thread for births of children that are to die with the program, and not before.
//!
//! "Dies with its parent" means, to the kernel, with the *thread* that started it. A pool has its
//! supervisor for that. A child that belongs to no pool is started on the life line: one thread of the
//! program, there while anybody holds it, and gone with the last who did. So a [`LifeLine`] has to be
//! held for as long as a child lives that was started on it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::birth::Birth;
use crate::child::Child;
use crate::own::{self, generation};
use crate::start_method::StartMethod;

type Job = Box<dyn FnOnce() + Send>;

/// There while it is held, or a clone of it.
#[derive(Debug)]
pub struct LifeLine {
    jobs: Sender<Job>,
    generation: u32,
}

struct State {
    users: usize,
    thread: Option<(Sender<Job>, JoinHandle<()>)>,
}

static STATE: Mutex<State> = Mutex::new(State { users: 0, thread: None });

impl LifeLine {
    /// Takes hold of the program's life line; starts it if nobody else has.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn hold() -> io::Result<LifeLine> {
        let mut state = state();
        let jobs = match &state.thread {
            Some((jobs, _)) => jobs.clone(),
            None => {
                let (jobs, to_do) = channel::<Job>();
                let work = move || to_do.into_iter().for_each(|job| job());
                let thread = own::thread("pool-life-line".to_owned(), work)?;
                state.thread = Some((jobs.clone(), thread));
                jobs
            }
        };
        state.users += 1;
        Ok(LifeLine { jobs, generation: generation() })
    }

    /// Has the life line start a child by `how`, which must not use the life line itself.
    ///
    /// # Errors
    /// What `how` answers.
    pub fn start<T: Send + 'static>(
        &self,
        how: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, answer) = channel::<Result<io::Result<T>, Box<dyn Any + Send>>>();
        if self.generation != generation() {
            return Err(gone());
        }
        let job = Box::new(move || drop(done.send(catch_unwind(AssertUnwindSafe(how)))));
        self.jobs.send(job).map_err(|_| gone())?;
        match answer.recv() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(gone()),
        }
    }

    /// Has the life line [spawn](Birth::spawn) a child.
    ///
    /// # Errors
    /// As [`Birth::spawn`].
    pub fn spawn(&self, birth: &Birth<'_>) -> io::Result<Child> {
        let prepared = birth.prepare(StartMethod::Spawn, false)?;
        self.start(move || prepared.start())
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the life line from changing while this process is forked; the child calls [`Frozen::forget`].
pub(crate) struct Frozen(MutexGuard<'static, State>);

pub(crate) fn freeze() -> Frozen {
    Frozen(state())
}

impl Frozen {
    /// The life line belongs to the parent: this process does not have the thread.
    pub(crate) fn forget(mut self) {
        self.0.users = 0;
        std::mem::forget(self.0.thread.take());
    }
}

fn gone() -> io::Error {
    io::Error::other("the life line is gone")
}

impl Clone for LifeLine {
    fn clone(&self) -> LifeLine {
        if self.generation == generation() {
            state().users += 1;
        }
        LifeLine { jobs: self.jobs.clone(), generation: self.generation }
    }
}

impl Drop for LifeLine {
    fn drop(&mut self) {
        if self.generation != generation() {
            return;
        }
        let last = {
            let mut state = state();
            state.users -= 1;
            if state.users == 0 { state.thread.take() } else { None }
        };
        if let Some((jobs, thread)) = last {
            // With the last sender the thread's loop ends: this value's own has to go too.
            self.jobs = channel().0;
            drop(jobs);
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}
