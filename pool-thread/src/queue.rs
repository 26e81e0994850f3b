//! The queue between callers and worker threads: who is woken when.
//!
//! ```text
//!  callers ──push──> inbox ──all of it, when the outbox is empty──> outbox ──pop──> workers
//! ```
//!
//! Each of the two is a deque under a lock that is held for a few instructions. Callers meet each other at
//! the inbox, workers meet each other at the outbox, and the two sides meet once for each time that the
//! outbox runs dry. Whoever wants both locks takes the outbox first.
//!
//! Waking a thread costs a system call and a switch, twenty times what a small task costs, and takes the
//! core from somebody who has something to do. So:
//!
//! - A thread without work first *searches* for a while, one at a time. While one searches nobody is
//!   woken, because it will find what was queued; when it has found something and there is more, it
//!   wakes the next.
//! - When tasks are brisk (a few microseconds), a thread that is at work will be back sooner than another
//!   could be woken, so a short queue is left to it. Should one of the tasks turn out to be long, one of
//!   the sleepers stands *guard*: it looks after the queue once a millisecond, and when something is there
//!   and nobody has taken any, brisk times are over.
//!
//! Two threads that write to the same lines of memory in turn wait for each other's caches, several times what
//! a push costs. A worker that is as fast as the caller would take every task by itself, and make the caller
//! wait at each. So a worker that comes back from a batch of several *pauses* before it takes the next: more
//! has come by then, and the two meet once for all of it. Whoever gets tasks one at a time does not pause.
//!
//! Nothing is slept through. A caller queues a task and looks whether somebody searches, stands guard, or
//! sleeps, both under the inbox's lock. A thread writes down that it stops searching, or being on guard, or
//! goes to sleep, and then looks into the queue once more, under the same lock. One of the two is first: if
//! the caller, the thread finds the task; if the thread, the caller sees what it wrote. The words that they
//! write and see are therefore Relaxed, all of them: it is the lock that orders them. That the queue is closed,
//! and how many threads are too many, is written under that lock too, before all sleepers are woken.
//!
//! `queue/model.rs` has this checked in every order that it can happen in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::sync::{AtomicBool, AtomicUsize, Line, Mutex, Ordering::*, Thread, lock, thread};

mod demand;
#[cfg(all(test, loom))]
mod model;
#[cfg(all(test, not(loom)))]
mod tests;

/// `T` is a task.
pub(crate) struct Queue<T> {
    inbox: Line<Deque<Inbox<T>>>,
    /// Older than all that is in the inbox.
    outbox: Line<Deque<VecDeque<T>>>,
    crew: Line<Crew>,
    /// Whether the last batch that came into the outbox was of several tasks; a hint. Written when it changes.
    flowing: Line<AtomicBool>,
    /// Grows while tasks are being taken.
    beats: Line<AtomicUsize>,
}

/// Plain deques under locks: a thread that takes a task frees nothing that the one who queued it
/// allocated, which would make the two meet in the allocator far more often than here.
struct Deque<D> {
    tasks: Mutex<D>,
    /// How many there are; written under the lock, and read without as a hint.
    count: AtomicUsize,
}

struct Inbox<T> {
    tasks: VecDeque<T>,
    /// Whether tasks are taken.
    open: bool,
}

/// What the workers are at. All is written before a look under the inbox's lock, or is a hint.
struct Crew {
    /// How many threads there are, or are coming.
    workers: AtomicUsize,
    /// Of a queue whose threads come on demand: how many there may be; otherwise 0.
    most: AtomicUsize,
    /// Threads that were claimed on demand and are not here yet.
    coming: AtomicUsize,
    /// On demand: after how long without a task a thread leaves.
    leave_after: Option<Duration>,
    /// How many threads are too many: whoever comes for a task leaves instead. Grows under the inbox's lock.
    surplus: AtomicUsize,
    /// Threads that look for work, or have been woken to.
    searching: AtomicUsize,
    /// In brisk times: how long an inbox is left to whoever comes back from a task. Otherwise 0.
    short: AtomicUsize,
    /// A sleeper looks after the queue once in [`ROUND`].
    guarded: AtomicBool,
    /// How many are in `sleepers`.
    asleep: AtomicUsize,
    /// The first of them stands guard, in brisk times, unless all sleep; the last is woken first.
    sleepers: Mutex<Vec<Thread>>,
    /// Set when the inbox is closed: a look under its lock from then on finds all there will be.
    closed: AtomicBool,
}

/// How long a thread searches before it sleeps, on a core that nobody else wants: a few wake-ups' worth.
const SEARCH: Duration = Duration::from_micros(200);
/// A yield that lasts longer than this let somebody else run; after so many of those, the core is left to
/// them, for a caller that is about to queue something may be among them.
const LONG_YIELD: Duration = Duration::from_micros(3);
const LONG_YIELDS: u32 = 10;
/// How often a worker lets others run before it takes the next batch: one or two microseconds, if nobody
/// wants its core.
#[cfg(not(loom))]
const PAUSE: u32 = 4;
/// How often a guard looks.
const ROUND: Duration = Duration::from_millis(1);
/// Brisk tasks take less than this on average.
const BRISK: Duration = Duration::from_micros(5);
/// A queue that takes longer than this is not left to whoever comes back.
const SHORT: Duration = Duration::from_micros(300);

/// What a worker knows of its last tasks.
#[derive(Default)]
pub(crate) struct Tempo {
    since: Option<Instant>,
    count: u32,
    /// The last ones took long.
    slow: bool,
    /// It had to wait for the last one.
    waited: bool,
}

/// So many tasks in a row are timed together.
const TIMED: u32 = 32;

impl<T> Queue<T> {
    pub(crate) fn new(workers: usize) -> Queue<T> {
        Queue {
            inbox: Line(Deque::of(Inbox { tasks: VecDeque::new(), open: true })),
            outbox: Line(Deque::of(VecDeque::new())),
            crew: Line(Crew {
                workers: AtomicUsize::new(workers),
                most: AtomicUsize::new(0),
                coming: AtomicUsize::new(0),
                leave_after: None,
                surplus: AtomicUsize::new(0),
                searching: AtomicUsize::new(0),
                short: AtomicUsize::new(0),
                guarded: AtomicBool::new(false),
                asleep: AtomicUsize::new(0),
                sleepers: Mutex::new(Vec::new()),
                closed: AtomicBool::new(false),
            }),
            flowing: Line(AtomicBool::new(false)),
            beats: Line(AtomicUsize::new(0)),
        }
    }

    /// Queues a task; gives it back when the queue is closed.
    #[inline]
    pub(crate) fn push(&self, task: T) -> Result<(), T> {
        let wake = {
            let mut inbox = lock(&self.inbox.tasks);
            if !inbox.open {
                return Err(task);
            }
            inbox.tasks.push_back(task);
            let count = inbox.tasks.len();
            self.inbox.count.store(count, Relaxed);
            self.crew.must_wake(count)
        };
        if wake {
            self.crew.wake_one();
        }
        Ok(())
    }

    /// About how many tasks wait.
    pub(crate) fn waiting(&self) -> usize {
        self.inbox.count.load(Relaxed) + self.outbox.count.load(Relaxed)
    }

    /// Wakes a sleeper, whoever searches already.
    pub(crate) fn wake_another(&self) {
        if self.crew.asleep.load(Relaxed) > 0 {
            self.crew.wake_one();
        }
    }

    /// The next task, waiting for it; `None` once the queue is closed and empty, or this thread is one too
    /// many.
    #[inline]
    pub(crate) fn pop(&self, tempo: &mut Tempo) -> Option<T> {
        tempo.waited = false;
        if self.takes_leave() {
            return None;
        }
        if self.outbox.count.load(Relaxed) == 0 && self.flowing.load(Relaxed) {
            pause();
        }
        if let Some(task) = self.try_pop() {
            self.note_tempo(tempo);
            return Some(task);
        }
        self.wait_and_pop(tempo)
    }

    fn try_pop(&self) -> Option<T> {
        // A task that is being moved may be missed here; whoever gives up looks under the locks.
        if self.inbox.count.load(Relaxed) == 0 && self.outbox.count.load(Relaxed) == 0 {
            return None;
        }
        self.take()
    }

    fn take(&self) -> Option<T> {
        let mut outbox = lock(&self.outbox.tasks);
        if outbox.is_empty() {
            let mut inbox = lock(&self.inbox.tasks);
            std::mem::swap(&mut inbox.tasks, &mut outbox);
            self.inbox.count.store(0, Relaxed);
            drop(inbox);
            let flowing = outbox.len() > 1;
            if self.flowing.load(Relaxed) != flowing {
                self.flowing.store(flowing, Relaxed);
            }
        }
        // Asked after the inbox's lock was had, by this thread or by the one that filled the outbox: what was
        // queued after `send_away` is not taken by those that were sent. The queue of a closed pool is for
        // whoever comes.
        let mine = !self.crew.has_surplus() || self.crew.closed.load(Relaxed);
        let task = if mine { outbox.pop_front() } else { None };
        self.outbox.count.store(outbox.len(), Relaxed);
        task
    }

    fn wait_and_pop(&self, tempo: &mut Tempo) -> Option<T> {
        // One that searches is enough to find what comes.
        let search = self.crew.searching.fetch_add(1, Relaxed) == 0;
        self.wait_counted(search, tempo)
    }

    /// Of a thread that is counted as searching, and does search or not.
    fn wait_counted(&self, mut search: bool, tempo: &mut Tempo) -> Option<T> {
        loop {
            let mut found = if search { self.search() } else { None };
            let closed = found.is_none() && self.crew.closed.load(Relaxed);
            if closed {
                found = self.take();
            }
            if found.is_some() || closed || self.takes_leave() {
                self.end_search();
                self.note_tempo(tempo);
                tempo.waited = true;
                return found;
            }
            *tempo = Tempo::default();
            if !self.sleep() {
                return None;
            }
            search = true;
        }
    }

    /// Whoever queued while we searched relied on us, up to here.
    fn end_search(&self) {
        if self.crew.searching.fetch_sub(1, Relaxed) == 1
            && let Some(waiting) = self.look_again()
            && self.crew.must_wake(waiting)
        {
            self.crew.wake_one();
        }
    }

    fn search(&self) -> Option<T> {
        let mut patience = Patience::new();
        loop {
            if let Some(task) = self.try_pop() {
                return Some(task);
            }
            if self.crew.has_to_rise() || !patience.lasts() {
                return None;
            }
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
            self.crew.set_short(if brisk { short as usize } else { 0 });
        }
    }

    /// Sleeps until woken, or there is something to do; `false`: there was nothing for so long that this thread
    /// has left.
    fn sleep(&self) -> bool {
        let me = thread::current();
        self.crew.lie_down(&me);
        let mut deadline = self.crew.leave_after.and_then(|after| Instant::now().checked_add(after));
        loop {
            if self.crew.takes_guard(&me) {
                if self.stand_guard() {
                    self.crew.get_up(&me);
                    return true;
                }
            } else if self.look_again().is_some() {
                self.crew.get_up(&me);
                return true;
            } else if !park_until(deadline) {
                if self.leaves_idle(&me) {
                    return false;
                }
                // It is the last one, which stays; or it has something to do, as it will see.
                deadline = None;
            }
            if !self.crew.lies(&me) {
                return true; // Woken for work.
            }
        }
    }

    /// Leaves the queue to those who are at work, for a while; returns whether they got stuck, or there is
    /// something other than tasks to get up for.
    fn stand_guard(&self) -> bool {
        let beats = self.beats.load(Relaxed);
        if !self.crew.has_to_rise() {
            park_for_a_round();
        }
        self.crew.guarded.store(false, Relaxed);
        let stuck = self.look_again().is_some() && self.beats.load(Relaxed) == beats;
        if stuck {
            self.crew.short.store(0, Relaxed);
        }
        stuck || self.crew.has_to_rise()
    }

    /// How many tasks wait, if there is something to do after all: a task to take, or a queue to leave. Both locks are held, or a task that is being moved would be missed.
    fn look_again(&self) -> Option<usize> {
        let outbox = lock(&self.outbox.tasks);
        let inbox = lock(&self.inbox.tasks);
        let waiting = outbox.len() + inbox.tasks.len();
        (waiting > 0 || !inbox.open || self.crew.has_surplus()).then_some(waiting)
    }

    pub(crate) fn is_open(&self) -> bool {
        lock(&self.inbox.tasks).open
    }

    /// Takes no more tasks; those that are queued are still given out.
    pub(crate) fn close(&self) {
        {
            let mut inbox = lock(&self.inbox.tasks);
            inbox.open = false;
            // Under the lock too, or a thread that looks again and again would not hear of it.
            self.crew.closed.store(true, Relaxed);
        }
        self.crew.wake_all();
    }

    /// Has `threads` of those that wait here, or come here next, leave.
    pub(crate) fn send_away(&self, threads: usize) {
        {
            // Under the lock, so that whoever comes upon a task that is queued later knows of it.
            let _inbox = lock(&self.inbox.tasks);
            self.crew.surplus.fetch_add(threads, Relaxed);
        }
        self.crew.wake_all();
    }

    /// Whether this thread is one too many. It is, once: it has to leave then.
    #[inline]
    fn takes_leave(&self) -> bool {
        self.crew.has_surplus() && self.takes_leave_indeed()
    }

    #[cold]
    fn takes_leave_indeed(&self) -> bool {
        // Under the lock, so that whoever sets how many there may be sees both counts as they belong together.
        let _inbox = lock(&self.inbox.tasks);
        let taken = self.crew.shrink_surplus();
        if taken {
            self.crew.workers.fetch_sub(1, Relaxed);
        }
        taken
    }

    /// Makes room for `threads` more; returns how many of them are to be started, because they are not
    /// among those that were sent away and have not left.
    pub(crate) fn make_room(&self, threads: usize) -> usize {
        // Nobody waits for the surplus to shrink, so no lock is needed.
        let kept = (0..threads).take_while(|_| self.crew.shrink_surplus()).count();
        let missing = threads - kept;
        self.crew.workers.fetch_add(missing, Relaxed);
        missing
    }

    /// Empties the queue.
    pub(crate) fn drain(&self) -> VecDeque<T> {
        let mut outbox = lock(&self.outbox.tasks);
        let mut inbox = lock(&self.inbox.tasks);
        let mut tasks = std::mem::take(&mut *outbox);
        tasks.append(&mut inbox.tasks);
        self.inbox.count.store(0, Relaxed);
        self.outbox.count.store(0, Relaxed);
        tasks
    }
}

impl<D> Deque<D> {
    fn of(tasks: D) -> Deque<D> {
        Deque { tasks: Mutex::new(tasks), count: AtomicUsize::new(0) }
    }
}

impl Crew {
    /// Whether somebody has to be woken for a queue of so many. To be asked after a look under the inbox's
    /// lock, or under it.
    fn must_wake(&self, waiting: usize) -> bool {
        waiting > 0
            && self.asleep.load(Relaxed) > 0
            && self.searching.load(Relaxed) == 0
            && (!self.guarded.load(Relaxed) || waiting > self.short.load(Relaxed))
    }

    fn has_surplus(&self) -> bool {
        self.surplus.load(Relaxed) > 0
    }

    /// Whether there is something other than tasks to get up for.
    fn has_to_rise(&self) -> bool {
        self.closed.load(Relaxed) || self.has_surplus()
    }

    fn shrink_surplus(&self) -> bool {
        self.surplus.fetch_update(Relaxed, Relaxed, |surplus| surplus.checked_sub(1)).is_ok()
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

    fn wake_all(&self) {
        let sleepers = {
            let mut sleepers = lock(&self.sleepers);
            self.asleep.store(0, Relaxed);
            self.searching.fetch_add(sleepers.len(), Relaxed);
            std::mem::take(&mut *sleepers)
        };
        sleepers.iter().for_each(Thread::unpark);
    }

    /// From searching to sleep. Whoever does so looks into the queue once more before it parks.
    fn lie_down(&self, me: &Thread) {
        {
            let mut sleepers = lock(&self.sleepers);
            sleepers.push(me.clone());
            self.asleep.store(sleepers.len(), Relaxed);
            if sleepers.len() == self.workers.load(Relaxed) {
                // Nobody will come back from a task: there is nothing to guard.
                self.guarded.store(false, Relaxed);
            }
        }
        self.searching.fetch_sub(1, Relaxed);
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

    fn lies(&self, me: &Thread) -> bool {
        lock(&self.sleepers).iter().any(|sleeper| sleeper.id() == me.id())
    }

    /// Whether this sleeper is to stand guard; if so, it does from here on.
    fn takes_guard(&self, me: &Thread) -> bool {
        let sleepers = lock(&self.sleepers);
        let takes = self.short.load(Relaxed) > 0
            && sleepers.len() < self.workers.load(Relaxed)
            && sleepers.first().is_some_and(|first| first.id() == me.id());
        if takes {
            self.guarded.store(true, Relaxed);
        }
        takes
    }

    fn set_short(&self, short: usize) {
        if self.short.swap(short, Relaxed) == 0
            && short > 0
            && let Some(first) = lock(&self.sleepers).first()
        {
            // It is now to stand guard.
            first.unpark();
        }
    }
}

/// How long a search goes on.
#[cfg(not(loom))]
struct Patience {
    start: Instant,
    last: Instant,
    long: u32,
}

#[cfg(not(loom))]
impl Patience {
    fn new() -> Patience {
        let start = Instant::now();
        Patience { start, last: start, long: 0 }
    }

    /// Lets others run for a moment; `false` when it has been enough.
    fn lasts(&mut self) -> bool {
        if self.long > LONG_YIELDS || self.last - self.start > SEARCH {
            return false;
        }
        thread::yield_now();
        let now = Instant::now();
        self.long += u32::from(now - self.last > LONG_YIELD);
        self.last = now;
        true
    }
}

#[cfg(not(loom))]
fn pause() {
    (0..PAUSE).for_each(|_| thread::yield_now());
}

/// Models know no time: whoever pauses is the one that comes next.
#[cfg(loom)]
fn pause() {}

#[cfg(not(loom))]
fn park_for_a_round() {
    std::thread::park_timeout(ROUND);
}

/// `false`: the deadline has passed.
#[cfg(not(loom))]
fn park_until(deadline: Option<Instant>) -> bool {
    pool_core::park_until(deadline)
}

/// Models know no time: a search is one look.
#[cfg(loom)]
struct Patience;

#[cfg(loom)]
impl Patience {
    fn new() -> Patience {
        Patience
    }

    fn lasts(&mut self) -> bool {
        false
    }
}

/// Models know no time: a round is over when the others have done something.
#[cfg(loom)]
fn park_for_a_round() {
    thread::yield_now();
}

/// Models know no time: a deadline is over when the others have done something.
#[cfg(loom)]
fn park_until(deadline: Option<Instant>) -> bool {
    match deadline {
        None => thread::park(),
        Some(_) => thread::yield_now(),
    }
    deadline.is_none()
}
