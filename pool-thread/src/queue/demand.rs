//! Threads on demand: one comes when a task waits that nobody is free for, and leaves when it had none for long.
//!
//! ```text
//!  claimed ──arrive──> searching, asleep, at work ──nothing for long──> gone
//!    └──the system refuses it──> gone
//! ```
//!
//! A thread is *free* while it is coming, searches or sleeps. It is promised that while there may be more threads,
//! no more tasks wait than threads are free. Two things could break that, and both look at it under the queue's
//! locks, where the counts are exact or too high, and claim a thread if there is need for one:
//!
//! - a task is queued: its caller looks, after that;
//! - a free thread takes a task: it looks, when it is not counted as free any more. So if a count was too high
//!   because a thread was on its way, that thread sees it.
//!
//! A thread leaves under the same locks, and only while nothing waits. The last one stays, so that there is
//! somebody for every task, although the system should refuse all others.

use super::*;

impl Tempo {
    /// Whether the thread was free before the task that it has now.
    pub(crate) fn has_waited(&self) -> bool {
        self.waited
    }
}

impl<T> Queue<T> {
    /// A queue for `most` threads at most, of which one is claimed already. A thread leaves after so long without
    /// a task.
    pub(crate) fn on_demand(most: usize, leave_after: Duration) -> Queue<T> {
        let mut queue = Queue::new(1);
        let crew = &mut queue.crew.0;
        (crew.most, crew.coming) = (AtomicUsize::new(most), AtomicUsize::new(1));
        crew.leave_after = Some(leave_after);
        queue
    }

    /// Whether a task waits that nobody is free for, and there may be one more thread.
    #[inline]
    pub(crate) fn wants_another(&self) -> bool {
        self.crew.has_vacancy() && self.if_wanted(|| ())
    }

    /// Claims a thread, if one is wanted: the caller has to start it, and it has to [`arrive`](Queue::arrive).
    pub(crate) fn claim_another(&self) -> bool {
        let claim = || {
            self.crew.workers.fetch_add(1, Relaxed);
            self.crew.coming.fetch_add(1, Relaxed);
        };
        self.crew.has_vacancy() && self.if_wanted(claim)
    }

    /// Looks under the locks, because a task that is being moved must not be missed; and claims under them, or two
    /// would claim for one task.
    #[cold]
    fn if_wanted(&self, claim: impl FnOnce()) -> bool {
        let outbox = lock(&self.outbox.tasks);
        let inbox = lock(&self.inbox.tasks);
        let waiting = outbox.len() + inbox.tasks.len();
        let wanted = inbox.open && self.crew.has_vacancy() && waiting > self.crew.free();
        if wanted {
            claim();
        }
        wanted
    }

    /// Takes a claim back: there is no thread.
    pub(crate) fn give_claim_up(&self) {
        let _inbox = lock(&self.inbox.tasks);
        self.crew.workers.fetch_sub(1, Relaxed);
        self.crew.coming.fetch_sub(1, Relaxed);
        // If there were too many, they are one fewer.
        self.crew.shrink_surplus();
    }

    /// The first [`pop`](Queue::pop) of a thread that was claimed.
    pub(crate) fn arrive(&self, tempo: &mut Tempo) -> Option<T> {
        // In this order, so that it is counted all the time.
        self.crew.searching.fetch_add(1, Relaxed);
        self.crew.coming.fetch_sub(1, Relaxed);
        self.wait_counted(true, tempo)
    }

    /// Sets how many threads there may be; those that are too many leave.
    pub(crate) fn set_most(&self, most: usize) {
        let crew = &self.crew;
        let too_many = {
            let _inbox = lock(&self.inbox.tasks);
            crew.most.store(most, Relaxed);
            let surplus = crew.workers.load(Relaxed).saturating_sub(most);
            crew.surplus.store(surplus, Relaxed);
            surplus > 0
        };
        if too_many {
            crew.wake_all();
        }
    }

    /// Whether a thread that slept for so long has left: nothing waits, and it is not the last.
    pub(super) fn leaves_idle(&self, me: &Thread) -> bool {
        let outbox = lock(&self.outbox.tasks);
        let inbox = lock(&self.inbox.tasks);
        let nothing = outbox.is_empty() && inbox.tasks.is_empty();
        nothing && inbox.open && !self.crew.has_surplus() && self.crew.strike_off(me)
    }
}

impl Crew {
    fn has_vacancy(&self) -> bool {
        self.workers.load(Relaxed) < self.most.load(Relaxed)
    }

    /// How many threads are free, or more: one that falls asleep is counted twice for a moment.
    fn free(&self) -> usize {
        // Who is woken or gets up is moved from one count to the other under this lock.
        let sleepers = lock(&self.sleepers);
        sleepers.len() + self.searching.load(Relaxed) + self.coming.load(Relaxed)
    }

    /// Takes a sleeper off the list, and out of the count of threads, unless it was woken or is the last.
    fn strike_off(&self, me: &Thread) -> bool {
        let mut sleepers = lock(&self.sleepers);
        let Some(at) = sleepers.iter().position(|sleeper| sleeper.id() == me.id()) else { return false };
        if self.workers.load(Relaxed) <= 1 {
            return false;
        }
        sleepers.remove(at);
        self.asleep.store(sleepers.len(), Relaxed);
        self.workers.fetch_sub(1, Relaxed);
        if sleepers.len() == self.workers.load(Relaxed) {
            // As in `lie_down`.
            self.guarded.store(false, Relaxed);
        } else if at == 0
            && let Some(next) = sleepers.first()
        {
            // It may have to stand guard now.
            next.unpark();
        }
        true
    }
}
