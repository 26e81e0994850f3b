//! What the pool's handle, its threads and its results share.
//!
//! | phase       | submit                 | a worker that finds a task | moved by    |
//! |-------------|------------------------|----------------------------|-------------|
//! | Running     | queues                 | runs it                    | `start`     |
//! | Closing     | ends it: `Closed`      | runs it                    | `close`     |
//! | Terminating | ends it: `Terminated`  | ends it: `Terminated`      | `terminate` |
//!
//! Workers drain a closed queue and leave. A pool whose initializer failed is broken besides: it ends every
//! task that has not begun with `Broken`, whatever its phase.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pool_core::callbacks::Callbacks;
use pool_core::work::{End, Task};
use pool_core::{Backend, Error, ErrorKind, Event, Result, SharedInitializer, panics};

use crate::queue::Queue;
use crate::sync::lock;
use crate::timer::Timer;
use crate::worker;

pub(crate) struct Shared {
    /// Itself, for the threads that it starts.
    this: Weak<Shared>,
    name: String,
    /// How many threads are wanted.
    workers: Mutex<usize>,
    pub(crate) queue: Queue<Task>,
    /// Threads come when there is work for them.
    on_demand: bool,
    /// `close` or `terminate` was called.
    closed: AtomicBool,
    terminating: AtomicBool,
    /// What every thread does first.
    pub(crate) initializer: Option<SharedInitializer>,
    /// Why the pool is broken, if it is.
    broken: OnceLock<String>,
    crew: Mutex<Crew>,
    /// Notified when a thread has left the crew.
    left: Condvar,
    pub(crate) timer: Timer,
    callbacks: Arc<Callbacks>,
}

/// How the queue knows of a thread that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coming {
    /// It was there from the start, or takes the place of another.
    Counted,
    /// It was claimed on demand.
    Claimed,
}

/// The threads of the pool.
#[derive(Default)]
struct Crew {
    /// Those that have not left, by their number; a thread that was left behind is not among them.
    threads: HashMap<usize, JoinHandle<()>>,
    /// Those that have left and are to be joined.
    done: Vec<JoinHandle<()>>,
    next: usize,
}

impl Shared {
    /// `leave_after`: threads come on demand, and leave when they had nothing to do for so long.
    pub(crate) fn start(
        workers: usize,
        name: String,
        initializer: Option<SharedInitializer>,
        leave_after: Option<Duration>,
    ) -> Result<Arc<Shared>> {
        let shared = Arc::new_cyclic(|this| Shared {
            this: this.clone(),
            name,
            workers: Mutex::new(workers),
            queue: match leave_after {
                Some(after) => Queue::on_demand(workers, after),
                None => Queue::new(workers),
            },
            on_demand: leave_after.is_some(),
            closed: AtomicBool::new(false),
            terminating: AtomicBool::new(false),
            initializer,
            broken: OnceLock::new(),
            crew: Mutex::default(),
            left: Condvar::new(),
            timer: Timer::default(),
            callbacks: Arc::default(),
        });
        let (first, come) = match leave_after {
            Some(_) => (1, Coming::Claimed),
            None => (workers, Coming::Counted),
        };
        for _ in 0..first {
            if let Err(error) = shared.add_worker(come) {
                shared.terminate();
                shared.wait_until_gone(None);
                return Err(no_thread(error));
            }
        }
        Ok(shared)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Starts threads for tasks that nobody is free for, if there may be more.
    #[inline]
    pub(crate) fn hire(&self) {
        if self.on_demand && self.queue.wants_another() {
            // Who has just given a result is not back yet, and a thread costs more than to let it come.
            std::thread::yield_now();
            self.hire_as_needed();
        }
    }

    pub(crate) fn hire_as_needed(&self) {
        while self.queue.claim_another() {
            // Without it the others do the work; there is one always.
            if self.add_worker(Coming::Claimed).is_err() {
                return self.queue.give_claim_up();
            }
        }
    }

    /// Starts one more thread.
    fn add_worker(&self, coming: Coming) -> io::Result<()> {
        let mut crew = lock(&self.crew);
        // Whoever waits for all threads to be gone must not miss one. What was written before `closed` is nobody's
        // concern here, and that it was written is known by the lock, if that wait has begun.
        if coming == Coming::Claimed && self.closed.load(Relaxed) {
            return Err(io::Error::other("the pool takes no more tasks"));
        }
        crew.next += 1;
        let number = crew.next;
        // Whoever calls this holds it.
        let Some(shared) = self.this.upgrade() else { return Err(io::Error::other("the pool is gone")) };
        let thread = self.thread(format!("worker-{number}"), move || {
            let _leave = Leave { shared: &shared, number };
            worker::run(&shared, number, coming);
        })?;
        crew.threads.insert(number, thread);
        Ok(())
    }

    /// Starts a thread of this pool.
    pub(crate) fn thread(
        &self,
        role: String,
        body: impl FnOnce() + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name(format!("{}-{role}", self.name)).spawn(body)
    }

    /// Counts a thread out whose task will not end, and puts another in its place.
    pub(crate) fn leave_behind(self: &Arc<Self>, number: usize) {
        drop(lock(&self.crew).threads.remove(&number));
        self.left.notify_all();
        if !self.is_ending() && self.add_worker(Coming::Counted).is_err() {
            eprintln!(
                "pool: {}: no thread to replace one that was left behind; going on with fewer",
                self.name
            );
        }
    }

    /// Whether tasks that have not begun are ended rather than run.
    pub(crate) fn is_ending(&self) -> bool {
        // ORDERING: pairs with the store in `terminate`; what was queued before it is drained there.
        self.terminating.load(Acquire) || self.broken.get().is_some()
    }

    /// Why a task that has not begun never will.
    pub(crate) fn refusal(&self) -> Error {
        match self.broken.get() {
            Some(why) => Error::new(ErrorKind::Broken, why),
            // ORDERING: as in `is_ending`.
            None if self.terminating.load(Acquire) => Error::new(ErrorKind::Terminated, ""),
            None => Error::new(ErrorKind::Closed, "it takes no more tasks"),
        }
    }

    /// For good: what is queued ends, and nothing is taken any more. What runs goes on: a thread cannot be
    /// stopped.
    pub(crate) fn break_down(&self, why: String) {
        let _ = self.broken.set(why);
        self.queue.close();
        self.end_queued();
    }

    fn end_queued(&self) {
        for task in self.queue.drain() {
            // With its task may go the last of what the user bound to it, whose Drop may panic.
            let _ = panics::catch(|| task.end(End::Failed(self.refusal())));
        }
    }

    /// Waits until every thread has left, at most for `grace`.
    pub(crate) fn wait_until_gone(&self, grace: Option<Duration>) {
        let deadline = grace.and_then(|grace| Instant::now().checked_add(grace));
        let me = std::thread::current().id();
        let mut crew = lock(&self.crew);
        // A worker that drops its own pool cannot wait for itself.
        while crew.threads.values().any(|thread| thread.thread().id() != me) {
            crew = match deadline {
                None => self.left.wait(crew).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.left.wait_timeout(crew, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        let done = std::mem::take(&mut crew.done);
        drop(crew);
        for thread in done {
            let _ = thread.join();
        }
        self.timer.finish();
        self.callbacks.finish();
    }
}

/// A yield that takes longer let a worker run a chunk on the caller's core. It is awake and nobody else is
/// woken, so the two would share that core for the whole call, and others would idle; a sleeper that is woken
/// goes to one of those.
const RAN_HERE: Duration = Duration::from_micros(8);

/// Takes a thread off the crew when it leaves, however it does.
struct Leave<'a> {
    shared: &'a Shared,
    number: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut crew = lock(&self.shared.crew);
        if let Some(thread) = crew.threads.remove(&self.number) {
            crew.done.push(thread);
        }
        self.shared.left.notify_all();
    }
}

impl Backend for Shared {
    fn workers(&self) -> usize {
        *lock(&self.workers)
    }

    fn resize(&self, workers: usize) -> Result<()> {
        let mut current = lock(&self.workers);
        if let Some(refusal) = Backend::refusal(self) {
            return Err(refusal);
        }
        if self.on_demand {
            self.queue.set_most(workers);
            self.hire_as_needed();
        } else if workers < *current {
            self.queue.send_away(*current - workers);
        } else {
            let missing = self.queue.make_room(workers - *current);
            for started in 0..missing {
                if let Err(error) = self.add_worker(Coming::Counted) {
                    *current = workers - (missing - started);
                    return Err(no_thread(error));
                }
            }
        }
        *current = workers;
        Ok(())
    }

    fn refusal(&self) -> Option<Error> {
        (!self.queue.is_open()).then(|| Shared::refusal(self))
    }

    fn submit(&self, task: Task) {
        match self.queue.push(task) {
            Ok(()) => self.hire(),
            Err(task) => task.end(End::Failed(self.refusal())),
        }
    }

    fn shares_memory(&self) -> bool {
        true
    }

    fn between_chunks(&self, submitted: usize) {
        // Where workers on other cores keep up, they are left to it. Of the first chunk nobody knows yet.
        if submitted > 1 && self.queue.waiting() < 2 {
            return;
        }
        let before = Instant::now();
        std::thread::yield_now();
        if before.elapsed() > RAN_HERE {
            self.queue.wake_another();
        }
    }

    fn wait(&self, event: &Event, deadline: Option<Instant>) -> bool {
        event.wait(deadline)
    }

    fn attend(&self) {}

    fn forget(&self, _task: &Task) {
        // Its argument is gone: the worker that comes upon it finds nothing to do.
    }

    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.callbacks.push(callback, |body| self.thread("callbacks".into(), body));
    }

    fn close(&self) {
        // ORDERING: read by `join` alone, which waits for nothing that was written before.
        self.closed.store(true, Relaxed);
        self.queue.close();
    }

    fn cancel_queued(&self) {
        self.close();
        for task in self.queue.drain() {
            // As in `end_queued`.
            let _ = panics::catch(|| task.end(End::Failed(Error::new(ErrorKind::Cancelled, ""))));
        }
    }

    fn terminate(&self) {
        // ORDERING: before the queue is closed, so that whoever is refused from here on is told why.
        self.terminating.store(true, Release);
        self.close();
        self.end_queued();
    }

    fn join(&self) -> Result<()> {
        if !self.closed.load(Relaxed) {
            return Err(Error::new(ErrorKind::StillOpen, "call `close` or `terminate` before `join`"));
        }
        self.wait_until_gone(None);
        Ok(())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

fn no_thread(error: io::Error) -> Error {
    Error::new(ErrorKind::Os, format!("cannot start a thread: {error}")).with_source(error)
}
