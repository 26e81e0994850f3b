//! The queue between callers and worker threads: who is woken when.
//!
//! The tasks lie in a deque under a lock that is held for a few instructions. Waking a thread costs a system call and a switch, twenty times
//! what a small task costs, and takes the core from somebody who has something to do. So:
//!
//! - A thread without work first *searches* for a while, one at a time. While one searches nobody is
//!   woken, because it will find what was queued; when it has found something and there is more, it
//!   wakes the next.
//! - When tasks are brisk (a few microseconds), a thread that is at work will be back sooner than another
//!   could be woken, so a short queue is left to it. Should one of the tasks turn out to be long, one of
//!   the sleepers stands *guard*: it looks after the queue once a millisecond, and when something is there
//!   and nobody has taken any, brisk times are over.
//!
//! Nothing is slept through. A caller queues a task, and then looks whether somebody searches, stands
//! guard, or sleeps. A thread stops searching, or being on guard, or goes to sleep, and then looks into
//! the queue once more. Each writes before it looks, with a sequentially consistent fence in between, so
//! one of them sees the other.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*, fence};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pool_core::work::Task;

use crate::shared::lock;

/// A plain deque under a lock: a thread that takes a task frees nothing that the one who queued it
/// allocated, which would make the two meet in the allocator far more often than here.
struct State {
    tasks: VecDeque<Task>,
    /// Whether tasks are taken.
    open: bool,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    /// How many tasks `state` has; written under its lock, read without.
    queued: AtomicUsize,
    closed: AtomicBool,
    /// Threads that look for work, or have been woken to.
    searching: AtomicUsize,
    /// In brisk times: how long a queue is left to whoever comes back from a task. Otherwise 0.
    short: AtomicUsize,
    /// Grows while tasks are being taken.
    beats: AtomicUsize,
    /// A sleeper looks after the queue once in [`ROUND`].
    guarded: AtomicBool,
    /// How many are in `sleepers`.
    asleep: AtomicUsize,
    /// The first of them stands guard, in brisk times, unless all sleep; the last is woken first.
    sleepers: Mutex<Vec<Thread>>,
    workers: AtomicUsize,
    /// How many threads are too many: whoever comes for a task leaves instead.
    surplus: AtomicUsize,
}

/// How long a thread searches before it sleeps, on a core that nobody else wants: a few wake-ups' worth.
const SEARCH: Duration = Duration::from_micros(200);
/// A yield that lasts longer than this let somebody else run; after so many of those, the core is left to
/// them, for a caller that is about to queue something may be among them.
const LONG_YIELD: Duration = Duration::from_micros(3);
const LONG_YIELDS: u32 = 10;
/// How often a guard looks.
const ROUND: Duration = Duration::from_millis(1);
/// Brisk tasks take less than this on average.
const BRISK: Duration = Duration::from_micros(5);
/// A queue that takes longer than this is not left to whoever comes back.
const SHORT: Duration = Duration::from_micros(300);

/// What a worker knows of its last tasks.
pub(crate) struct Tempo {
    since: Option<Instant>,
    count: u32,
    /// The last ones took long.
    slow: bool,
}

/// So many tasks in a row are timed together.
const TIMED: u32 = 32;

impl Tempo {
    pub(crate) fn new() -> Tempo {
        Tempo { since: None, count: 0, slow: false }
    }
}

impl Queue {
    pub(crate) fn new(workers: usize) -> Queue {
        Queue {
            state: Mutex::new(State { tasks: VecDeque::new(), open: true }),
            queued: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            searching: AtomicUsize::new(0),
            short: AtomicUsize::new(0),
            beats: AtomicUsize::new(0),
            guarded: AtomicBool::new(false),
            asleep: AtomicUsize::new(0),
            sleepers: Mutex::default(),
            workers: AtomicUsize::new(workers),
            surplus: AtomicUsize::new(0),
        }
    }

    /// Queues a task; gives it back when the queue is closed.
    #[inline]
    pub(crate) fn push(&self, task: Task) -> Result<(), Task> {
        {
            let mut state = lock(&self.state);
            if !state.open {
                return Err(task);
            }
            state.tasks.push_back(task);
            self.queued.store(state.tasks.len(), Relaxed);
        }
        self.wake_one_if_needed();
        Ok(())
    }

    fn wake_one_if_needed(&self) {
        // ORDERING: after the task was queued, or searching ended; pairs with the fence in `look_again`.
        fence(SeqCst);
        if self.asleep.load(Relaxed) == 0 || self.searching.load(Relaxed) > 0 {
            return;
        }
        if !self.guarded.load(Relaxed) || self.queued.load(Relaxed) > self.short.load(Relaxed) {
            self.wake_one();
        }
    }

    #[cold]
    fn wake_one(&self) {
        let sleeper = {
            let mut sleepers = lock(&self.sleepers);
            let sleeper = sleepers.pop();
            if sleeper.is_some() {
                self.asleep.store(sleepers.len(), Relaxed);
                // On behalf of the one that wakes, so that nobody else is woken meanwhile.
                self.searching.fetch_add(1, Relaxed);
            }
            sleeper
        };
        if let Some(thread) = sleeper {
            thread.unpark();
        }
    }

    /// The next task, waiting for it; `None` once the queue is closed and empty, or this thread is one too
    /// many.
    #[inline]
    pub(crate) fn pop(&self, tempo: &mut Tempo) -> Option<Task> {
        if self.takes_leave() {
            return None;
        }
        if let Some(task) = self.try_pop() {
            self.note_tempo(tempo);
            return Some(task);
        }
        self.wait_and_pop(tempo)
    }

    fn try_pop(&self) -> Option<Task> {
        if self.queued.load(Relaxed) == 0 {
            return None;
        }
        let mut state = lock(&self.state);
        // ORDERING: under the lock, what was queued after `send_away` is not seen without it. The queue of
        // a closed pool is for whoever comes.
        if self.surplus.load(Relaxed) > 0 && !self.closed.load(Relaxed) {
            return None;
        }
        let task = state.tasks.pop_front();
        self.queued.store(state.tasks.len(), Relaxed);
        task
    }

    fn wait_and_pop(&self, tempo: &mut Tempo) -> Option<Task> {
        // One that searches is enough to find what comes.
        let mut search = self.searching.fetch_add(1, Relaxed) == 0;
        loop {
            let found = if search { self.search() } else { None };
            // ORDERING: pairs with the store in `close`, which comes after the last task.
            let closed = self.closed.load(Acquire);
            let found = if closed { found.or_else(|| self.try_pop()) } else { found };
            if found.is_some() || closed || self.takes_leave() {
                // Whoever queued while we searched relied on us, up to here.
                if self.searching.fetch_sub(1, AcqRel) == 1 && self.look_again() {
                    self.wake_one_if_needed();
                }
                self.note_tempo(tempo);
                return found;
            }
            *tempo = Tempo::new();
            self.sleep();
            search = true;
        }
    }

    fn search(&self) -> Option<Task> {
        let start = Instant::now();
        let (mut last, mut long) = (start, 0);
        loop {
            if let Some(task) = self.try_pop() {
                return Some(task);
            }
            if self.closed.load(Relaxed)
                || self.surplus.load(Relaxed) > 0
                || long > LONG_YIELDS
                || last - start > SEARCH
            {
                return None;
            }
            thread::yield_now();
            let now = Instant::now();
            long += u32::from(now - last > LONG_YIELD);
            last = now;
        }
    }

    /// Counts a task; every so often, how long the last ones took decides whether times are brisk.
    #[inline]
    fn note_tempo(&self, tempo: &mut Tempo) {
        tempo.count += 1;
        if tempo.count < TIMED {
            return;
        }
        tempo.count = 0;
        self.beats.fetch_add(1, Relaxed);
        let now = Instant::now();
        if let Some(since) = tempo.since.replace(now) {
            let usual = now.saturating_duration_since(since) / TIMED;
            let short = SHORT.as_nanos() / usual.as_nanos().max(1);
            let brisk = usual < BRISK;
            // Once is nothing: this thread may just have been off its core.
            if !brisk && !std::mem::replace(&mut tempo.slow, true) {
                return;
            }
            tempo.slow = !brisk;
            let short = if brisk { short as usize } else { 0 };
            // Whoever is first among the sleepers is now to stand guard.
            if self.short.swap(short, Relaxed) == 0
                && short > 0
                && let Some(first) = lock(&self.sleepers).first()
            {
                first.unpark();
            }
        }
    }

    /// Sleeps until woken, or there is something to do.
    fn sleep(&self) {
        let me = thread::current();
        {
            let mut sleepers = lock(&self.sleepers);
            sleepers.push(me.clone());
            self.asleep.store(sleepers.len(), Relaxed);
            if sleepers.len() == self.workers.load(Relaxed) {
                // Nobody will come back from a task: there is nothing to guard.
                self.guarded.store(false, Relaxed);
            }
        }
        self.searching.fetch_sub(1, AcqRel);
        loop {
            if self.is_to_guard(&me) {
                if self.stand_guard() {
                    return self.get_up(&me);
                }
            } else if self.look_again() {
                return self.get_up(&me);
            } else {
                thread::park();
            }
            // Woken for work: then we are not on the list.
            if !lock(&self.sleepers).iter().any(|sleeper| sleeper.id() == me.id()) {
                return;
            }
        }
    }

    /// Leaves the queue to those who are at work, for a while; returns whether they got stuck.
    fn stand_guard(&self) -> bool {
        let beats = self.beats.load(Relaxed);
        self.guarded.store(true, Relaxed);
        // ORDERING: as in `look_again`; pairs with the fence in `wake_all`.
        fence(SeqCst);
        if !self.closed.load(Relaxed) {
            thread::park_timeout(ROUND);
        }
        self.guarded.store(false, Relaxed);
        let stuck = self.look_again() && self.beats.load(Relaxed) == beats;
        if stuck {
            self.short.store(0, Relaxed);
        }
        stuck || self.closed.load(Relaxed)
    }

    /// Whether there is something to do after all.
    fn look_again(&self) -> bool {
        // ORDERING: after what was written before; pairs with the fences in `wake_one_if_needed` and `wake_all`.
        fence(SeqCst);
        self.queued.load(Relaxed) > 0 || self.closed.load(Relaxed) || self.surplus.load(Relaxed) > 0
    }

    /// Whether this thread is one too many. It is, once: it has to leave then.
    #[inline]
    fn takes_leave(&self) -> bool {
        if self.surplus.load(Relaxed) == 0 {
            return false;
        }
        // ORDERING: a count; what a thread that leaves has done is known by its join.
        let taken = self.surplus.fetch_update(Relaxed, Relaxed, |surplus| surplus.checked_sub(1)).is_ok();
        if taken {
            self.workers.fetch_sub(1, Relaxed);
        }
        taken
    }

    /// Has `threads` of those that wait here, or come here next, leave.
    pub(crate) fn send_away(&self, threads: usize) {
        self.surplus.fetch_add(threads, Relaxed);
        self.wake_all();
    }

    /// Makes room for `threads` more; returns how many of them are to be started, because they are not
    /// among those that were sent away and have not left.
    pub(crate) fn make_room(&self, threads: usize) -> usize {
        let mut missing = threads;
        while missing > 0
            && self.surplus.fetch_update(Relaxed, Relaxed, |surplus| surplus.checked_sub(1)).is_ok()
        {
            missing -= 1;
        }
        self.workers.fetch_add(missing, Relaxed);
        missing
    }

    fn is_to_guard(&self, me: &Thread) -> bool {
        let sleepers = lock(&self.sleepers);
        self.short.load(Relaxed) > 0
            && sleepers.len() < self.workers.load(Relaxed)
            && sleepers.first().is_some_and(|first| first.id() == me.id())
    }

    /// Up without being woken, unless somebody was faster and counts us as searching already.
    fn get_up(&self, me: &Thread) {
        let mut sleepers = lock(&self.sleepers);
        if let Some(at) = sleepers.iter().position(|sleeper| sleeper.id() == me.id()) {
            sleepers.remove(at);
            self.asleep.store(sleepers.len(), Relaxed);
            self.searching.fetch_add(1, Relaxed);
            if at == 0
                && let Some(next) = sleepers.first()
            {
                next.unpark();
            }
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.state).open
    }

    /// Takes no more tasks; those that are queued are still given out.
    pub(crate) fn close(&self) {
        lock(&self.state).open = false;
        // ORDERING: after the last task was queued; pairs with the loads in `wait_and_pop`.
        self.closed.store(true, Release);
        self.wake_all();
    }

    /// Wakes every sleeper, to look again.
    fn wake_all(&self) {
        // ORDERING: pairs with the fence in `look_again`.
        fence(SeqCst);
        let sleepers = {
            let mut sleepers = lock(&self.sleepers);
            self.asleep.store(0, Relaxed);
            self.searching.fetch_add(sleepers.len(), Relaxed);
            std::mem::take(&mut *sleepers)
        };
        sleepers.iter().for_each(Thread::unpark);
    }

    /// Empties the queue.
    pub(crate) fn drain(&self) -> VecDeque<Task> {
        let mut state = lock(&self.state);
        self.queued.store(0, Relaxed);
        std::mem::take(&mut state.tasks)
    }
}
