//! The agreement of a condition: who waits, and who has been notified.
//!
//! A waiter has a row with its name, which is also the word that it sleeps on:
//!
//! | the row's word | moved by | to |
//! |---|---|---|
//! | free (0) | who begins to wait, under the condition's lock | waiting |
//! | waiting: a name | a notifier, under the lock | notified |
//! | | the waiter, when its time is over | free |
//! | notified: a name, `NOTIFIED` | the waiter, when it has the lock again | free |
//! | notified, and the waiter is dead | another waiter | passing |
//! | passing: that one's name, `NOTIFIED`, `PASSING` | that one, when it has notified the next | free |
//!
//! So a notification is in one row at every instant, until its waiter has the lock again. Should the waiter die before,
//! those that still wait see that after a slice, and it goes to the first of those that had waited already when it was
//! given; that instant is what the row's number says then. Until then the number is the order in which they came.
//! Numbers of those who come are even, instants between them are odd. A waiter that dies while it passes one on leaves
//! it where it was, to be passed on again: two may wake for it then, but never none.

use std::time::Instant;

use crate::rows::{Row, Rows, words_for};
use crate::sync::{AtomicU64, FIRST, Relaxed, SECOND, WHO, Waits, is_alive, this_thread, wait_low, wake_low};

/// How many threads can wait at a time.
const ROWS: usize = if cfg!(loom) { 2 } else { 16 * 1024 };
/// How many words of 64 bits it has.
pub(crate) const WAITER_WORDS: usize = 1 + words_for(ROWS);

const NOTIFIED: u64 = FIRST;
const PASSING: u64 = SECOND;

#[derive(Clone, Copy)]
pub(crate) struct Waiters<'a> {
    /// The number of the last who came.
    ticket: &'a AtomicU64,
    rows: Rows<'a>,
}

// ORDERING of all accesses here: what waiters and notifiers tell each other is written under the condition's lock, and
// read under it. The words here hand over nothing else.
impl<'a> Waiters<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Waiters<'a> {
        let [ticket, rows @ ..] = words else { unreachable!("a block that was made or checked too small") };
        Waiters { ticket, rows: Rows::new(rows) }
    }

    /// Begins to wait. Under the lock. `None`: too many do.
    pub(crate) fn enter(self) -> Option<Row<'a>> {
        let ticket = self.ticket.load(Relaxed).wrapping_add(2);
        self.ticket.store(ticket, Relaxed);
        self.rows.add(this_thread(), ticket).or_else(|| {
            // Notifications of the dead included: who could have them passed on has looked.
            self.rows.bury();
            self.rows.add(this_thread(), ticket)
        })
    }

    /// Waits until notified (`true`), or until `end` (`false`: and the row is free). Without the lock.
    pub(crate) fn sleep(self, row: Row<'a>, end: Option<Instant>) -> bool {
        let mut waits = Waits::lazily_until(end);
        let me = row.who();
        loop {
            let now = row.who.load(Relaxed);
            if now & NOTIFIED != 0 {
                return true;
            }
            let Some(slice) = waits.slice() else { return self.give_up(row, me) };
            wait_low(row.who, me, Some(slice));
            self.look_after_others();
        }
    }

    /// Its time is over. Whether it has been notified all the same.
    fn give_up(self, row: Row<'a>, me: u64) -> bool {
        row.who.compare_exchange(me, 0, Relaxed, Relaxed).is_err()
    }

    /// The wait is over, and the notification taken. Under the lock again.
    pub(crate) fn leave(self, row: Row<'a>) {
        row.remove();
    }

    /// Notifies the first `count` of those that wait; how many. Under the lock.
    pub(crate) fn notify(self, count: usize) -> usize {
        let mut notified = 0;
        let given = self.ticket.load(Relaxed).wrapping_add(1);
        while notified < count && self.notify_first(given) {
            notified += 1;
        }
        notified
    }

    /// Notifies the first of those that waited at the instant `given`.
    fn notify_first(self, given: u64) -> bool {
        while let Some(row) = self.first(given) {
            let who = row.who();
            // One who passes on an older notification may come here at the same time: the later instant stays, whoever
            // notifies. With the older one this notification could reach nobody, if it had to be passed on in its turn.
            row.number.fetch_max(given, Relaxed);
            // Otherwise it has gone, or was notified by another, meanwhile: the next one.
            if who != 0 && row.who.compare_exchange(who, who | NOTIFIED, Relaxed, Relaxed).is_ok() {
                wake_low(row.who, 1);
                return true;
            }
        }
        false
    }

    fn first(self, given: u64) -> Option<Row<'a>> {
        let waits = |row: &Row<'_>| row.who.load(Relaxed) & NOTIFIED == 0 && row.number() <= given;
        self.rows.iter().filter(waits).min_by_key(Row::number)
    }

    /// Takes out a first that is dead, and gives notifications that their waiters did not live to take to the next.
    fn look_after_others(self) {
        let me = this_thread();
        if let Some(first) = self.first(u64::MAX).filter(|first| first.who() != me) {
            let who = first.who();
            if !is_alive(who) {
                // Should it have been notified meanwhile, it is found below.
                let _ = first.who.compare_exchange(who, 0, Relaxed, Relaxed);
            }
        }
        for row in self.rows.iter() {
            let seen = row.who.load(Relaxed);
            if seen & NOTIFIED == 0 || seen & WHO == me || is_alive(seen & WHO) {
                continue;
            }
            let passing = me | NOTIFIED | PASSING;
            if row.who.compare_exchange(seen, passing, Relaxed, Relaxed).is_ok() {
                self.notify_first(row.number());
                row.remove();
            }
        }
    }

    /// How many wait and have not been notified. Under the lock.
    pub(crate) fn count(self) -> usize {
        self.rows.iter().filter(|row| row.who.load(Relaxed) & NOTIFIED == 0 && is_alive(row.who())).count()
    }
}

/// The models were seen to fail with each of these: the row taken after the lock is given back; a notification that wakes
/// nobody, or that is not in the row; a waiter whose time is over and who frees its row whatever is in it; the instant of a
/// notification stored, whatever another has put there.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::raw::{LOCK_WORDS, RawLock};
    use loom::sync::Arc;
    use loom::thread;

    struct Condition {
        lock: Vec<AtomicU64>,
        waiters: Vec<AtomicU64>,
        /// Under the lock.
        items: AtomicU64,
    }

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    fn bounded(preemptions: usize, model: impl Fn(Arc<Condition>) + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(move || {
            let (lock, waiters) = (words(LOCK_WORDS), words(WAITER_WORDS));
            model(Arc::new(Condition { lock, waiters, items: AtomicU64::new(0) }));
        });
    }

    impl Condition {
        fn waiters(&self) -> Waiters<'_> {
            Waiters::new(&self.waiters)
        }

        /// One wait, with the lock held before and after.
        fn wait(&self) {
            let row = self.waiters().enter().unwrap();
            RawLock::new(&self.lock).release();
            assert!(self.waiters().sleep(row, None));
            let _ = RawLock::new(&self.lock).acquire();
            self.waiters().leave(row);
        }

        fn take_one(&self) {
            let _held = RawLock::new(&self.lock).hold();
            while self.items.load(Relaxed) == 0 {
                self.wait();
            }
            self.items.store(self.items.load(Relaxed) - 1, Relaxed);
        }
    }

    /// Who waits for what another makes gets it, and no notification is left.
    #[test]
    fn a_notification_is_not_slept_through() {
        bounded(3, |condition| {
            let theirs = condition.clone();
            let waiter = thread::spawn(move || theirs.take_one());
            {
                let _held = RawLock::new(&condition.lock).hold();
                condition.items.store(1, Relaxed);
                condition.waiters().notify(1);
            }
            waiter.join().unwrap();
            let _held = RawLock::new(&condition.lock).hold();
            assert_eq!(condition.waiters().rows.iter().count(), 0);
        });
    }

    /// As many as notified wake, also when two wait.
    #[test]
    fn two_notifications_reach_two() {
        bounded(2, |condition| {
            let waiters = [(); 2].map(|()| {
                let theirs = condition.clone();
                thread::spawn(move || theirs.take_one())
            });
            for _ in 0..2 {
                let _held = RawLock::new(&condition.lock).hold();
                condition.items.store(condition.items.load(Relaxed) + 1, Relaxed);
                condition.waiters().notify(1);
            }
            waiters.map(|waiter| waiter.join().unwrap());
        });
    }

    /// A waiter whose time is over when it is notified has been notified; who is not was not.
    #[test]
    fn a_notification_is_taken_or_was_not_given() {
        bounded(3, |condition| {
            {
                let _held = RawLock::new(&condition.lock).hold();
                condition.waiters().enter().unwrap();
            }
            let theirs = condition.clone();
            let waiter = thread::spawn(move || {
                let row = theirs.waiters().rows.iter().next().unwrap();
                let notified = theirs.waiters().give_up(row, row.who());
                if notified {
                    theirs.waiters().leave(row);
                }
                notified
            });
            let given = {
                let _held = RawLock::new(&condition.lock).hold();
                condition.waiters().notify(1)
            };
            assert_eq!(waiter.join().unwrap(), given == 1);
        });
    }

    /// A notification that is given while an older one is passed on stays one of its own instant: should its waiter die
    /// too, all who waited then may have it.
    #[test]
    fn an_older_notification_does_not_take_back_the_instant_of_another() {
        bounded(3, |condition| {
            {
                let _held = RawLock::new(&condition.lock).hold();
                condition.waiters().enter().unwrap();
            }
            let older = condition.waiters().ticket.load(Relaxed) + 1;
            {
                let _held = RawLock::new(&condition.lock).hold();
                condition.waiters().enter().unwrap();
            }
            let theirs = condition.clone();
            let passing = thread::spawn(move || theirs.waiters().notify_first(older));
            {
                let _held = RawLock::new(&condition.lock).hold();
                assert_eq!(condition.waiters().notify(1), 1);
            }
            let newer = older + 2;
            if !passing.join().unwrap() {
                // The first was notified by the other.
                let first = condition.waiters().rows.iter().next().unwrap();
                assert_eq!((first.who.load(Relaxed) & NOTIFIED, first.number()), (NOTIFIED, newer));
            }
        });
    }
}
