//! The words that the two sides of a lane agree by, each written by one side alone.
//!
//! ```text
//!  the pool's words (the worker maps them read-only)      the worker's words
//!    tail    requests published, ever                       claimed   requests taken on, ever
//!    seen    replies taken in, ever                         replied   replies published, ever
//!    notify  after which reply to tell whom                 sleeping  0, or the number of this sleep
//!    holding  1: there may be requests that are not published
//! ```
//!
//! All counts wrap. `seen <= replied <= claimed <= replied + 1`, and `claimed <= tail` but for a moment
//! while requests are taken back. Four agreements, each the same argument: A writes its word and then reads
//! B's, B writes its word and then reads A's, with a sequentially consistent fence in between on both
//! sides; so at least one of them sees what the other wrote.
//!
//! - **Take on / take back.** The worker announces `claimed = n + 1`, then looks whether `tail` still
//!   covers `n`; if not, it withdraws. The pool lowers `tail`, then looks at `claimed`; what is claimed
//!   it leaves to the worker, by raising `tail` again. If only the pool sees, the worker keeps the
//!   request; if only the worker sees, the pool has it back; if both see, the worker withdraws and finds
//!   the request published again. Never do both have it, nor neither.
//! - **Sleep / publish.** The worker announces its sleep, then looks at `tail` once more. The pool
//!   publishes, then looks whether the worker sleeps.
//! - **Arm / reply.** The pool says after which reply it wants to be told, then looks at `replied`. The
//!   worker publishes a reply, then looks whether that was the one.
//!
//! - **Hold / sleep.** In a rush the pool publishes several requests at once, because each publication waits
//!   for the caches. It says that it may be holding some back, and then looks whether the worker sleeps;
//!   if so it holds nothing. A worker that announces its sleep and then sees that the pool may be holding
//!   something rings the alarm, and whoever answers that publishes.
//!
//! The model checker runs all four: see the tests at the end.

use crate::sync::{AtomicU32, AtomicU64, Ordering::*, fence};

/// What the pool writes and the worker reads.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct PoolWords {
    pub(crate) tail: Line<AtomicU32>,
    pub(crate) seen: Line<AtomicU32>,
    pub(crate) notify: Line<AtomicU64>,
    pub(crate) holding: Line<AtomicU32>,
}

/// What the worker writes and the pool reads, and does not trust.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct WorkerWords {
    pub(crate) claimed: Line<AtomicU32>,
    pub(crate) replied: Line<AtomicU32>,
    pub(crate) sleeping: Line<AtomicU32>,
}

/// A word on a cache line of its own, so that writing it does not disturb readers of its neighbours.
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Line<T>(pub(crate) T);

/// Whom the worker tells of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tell {
    /// The caller that sleeps on the pool's bell.
    Bell,
    /// The thread that waits for this lane's alarm.
    Alarm,
}

const ALARM: u64 = 1 << 32;

impl PoolWords {
    /// Publishes requests up to `tail`.
    pub(crate) fn publish(&self, tail: u32) {
        // ORDERING: Release for the requests' contents; pairs with the loads of `tail` in `claim` and
        // `has_request`.
        self.tail.0.store(tail, Release);
        // ORDERING: orders the store before the load in `must_wake`; pairs with the fence in
        // `WorkerWords::announce_sleep`.
        fence(SeqCst);
    }

    /// The tail, if there is no request number `next` (yet, or any more).
    fn without_request(&self, next: u32) -> Option<u32> {
        // ORDERING: Acquire for the requests' contents; pairs with the store in `publish`.
        let tail = self.tail.0.load(Acquire);
        // The tail is behind `next` for a moment when requests are taken back.
        (tail.wrapping_sub(next) as i32 <= 0).then_some(tail)
    }

    /// Whether request number `next` is there.
    pub(crate) fn has_request(&self, next: u32) -> bool {
        self.without_request(next).is_none()
    }

    /// Takes back every request that is not claimed; returns the tail that is left. `seen` is the number
    /// of replies taken in: whatever the worker says, it has claimed no less, and no more than there was.
    pub(crate) fn take_back(&self, worker: &WorkerWords, seen: u32) -> u32 {
        let tail = self.tail.0.load(Relaxed);
        self.tail.0.store(seen, Relaxed);
        // ORDERING: orders the store before the load; pairs with the fence in `claim`.
        fence(SeqCst);
        let claimed = worker.claimed.0.load(Acquire);
        let kept = if claimed.wrapping_sub(seen) <= tail.wrapping_sub(seen) { claimed } else { seen };
        if kept != seen {
            self.publish(kept);
        }
        kept
    }

    /// Says that requests may be held back from now on; returns whether they may be, which is not so when
    /// the worker sleeps.
    pub(crate) fn hold(&self, worker: &WorkerWords) -> bool {
        self.holding.0.store(1, Relaxed);
        // ORDERING: orders the store before the load; pairs with the fence in `announce_sleep`.
        fence(SeqCst);
        let holds = worker.sleeping.0.load(Relaxed) == 0;
        if !holds {
            self.hold_no_more();
        }
        holds
    }

    /// Everything is published. Should the worker see this late, it rings once for nothing.
    pub(crate) fn hold_no_more(&self) {
        self.holding.0.store(0, Relaxed);
    }

    /// Asks to be told when the worker has published `replied` replies; returns how many it has by now.
    pub(crate) fn arm(&self, worker: &WorkerWords, replied: u32, tell: Tell) -> u32 {
        let bit = if tell == Tell::Alarm { ALARM } else { 0 };
        self.notify.0.store(u64::from(replied) | bit, Relaxed);
        // ORDERING: orders the store before the load; pairs with the fence in `announce_reply`.
        fence(SeqCst);
        worker.replied.0.load(Acquire)
    }
}

impl WorkerWords {
    /// Takes on request number `next`, if it is (still) there.
    pub(crate) fn claim(&self, pool: &PoolWords, next: u32) -> bool {
        if !pool.has_request(next) {
            return false;
        }
        self.claimed.0.store(next.wrapping_add(1), Relaxed);
        // ORDERING: orders the store before the load; pairs with the fence in `take_back`.
        fence(SeqCst);
        // ORDERING: Acquire for the request's contents, which may have been written anew since it was
        // taken back and published again.
        if pool.has_request(next) {
            return true;
        }
        self.claimed.0.store(next, Release);
        false
    }

    /// Announces sleep number `sleep`, to wait for request number `next`. Returns the tail on whose
    /// change to sleep, and whether to ring the alarm before; or `None` when the request is there.
    pub(crate) fn announce_sleep(&self, pool: &PoolWords, sleep: u32, next: u32) -> Option<(u32, bool)> {
        // ORDERING: Release for `claimed`, which `must_wake` compares.
        self.sleeping.0.store(sleep, Release);
        // ORDERING: orders the store before the loads; pairs with the fences in `publish` and `hold`.
        fence(SeqCst);
        let tail = pool.without_request(next)?;
        Some((tail, pool.holding.0.load(Relaxed) != 0))
    }

    /// The sleep is over, or was not needed.
    pub(crate) fn awake(&self) {
        self.sleeping.0.store(0, Relaxed);
    }

    /// After `publish(tail)`: the worker's sleep that has to be ended, if it was not ended before.
    ///
    /// A worker that has claimed everything sleeps rightly, and this is not its time to be woken: it may have
    /// been fast enough to serve what was just published, and be falling asleep again. A wake-up would come too
    /// early for that sleep, which must then not count as ended when the next request is published.
    pub(crate) fn must_wake(&self, woken: u32, tail: u32) -> Option<u32> {
        // ORDERING: Acquire: what the worker had claimed when it announced this sleep is seen below.
        let sleeping = self.sleeping.0.load(Acquire);
        (sleeping != 0 && sleeping != woken && self.claimed.0.load(Relaxed) != tail).then_some(sleeping)
    }

    /// Publishes replies up to `replied`; returns whom to tell.
    pub(crate) fn announce_reply(&self, pool: &PoolWords, replied: u32) -> Option<Tell> {
        // ORDERING: Release for the reply's contents; pairs with the loads of `replied`.
        self.replied.0.store(replied, Release);
        // ORDERING: orders the store before the load; pairs with the fence in `arm`.
        fence(SeqCst);
        let notify = pool.notify.0.load(Relaxed);
        let tell = if notify & ALARM == 0 { Tell::Bell } else { Tell::Alarm };
        (notify as u32 == replied).then_some(tell)
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    fn words() -> Arc<(PoolWords, WorkerWords)> {
        let word = || Line(AtomicU32::new(0));
        Arc::new((
            // No reply is number u32::MAX, so nobody is told of anything yet.
            PoolWords {
                tail: word(),
                seen: word(),
                notify: Line(AtomicU64::new(u64::from(u32::MAX))),
                holding: word(),
            },
            WorkerWords { claimed: word(), replied: word(), sleeping: word() },
        ))
    }

    /// A request is the worker's or the pool's, never both's and never nobody's, also when the slot is
    /// used again at once.
    #[test]
    fn a_request_taken_back_is_not_taken_on() {
        loom::model(|| {
            let lane = words();
            let slot = Arc::new(AtomicU32::new(1));
            lane.0.publish(1);
            let (theirs, their_slot) = (lane.clone(), slot.clone());
            let worker = thread::spawn(move || {
                // Two tries: the second finds what was published again.
                (theirs.1.claim(&theirs.0, 0) || theirs.1.claim(&theirs.0, 0))
                    .then(|| their_slot.load(Relaxed))
            });
            let kept = lane.0.take_back(&lane.1, 0);
            if kept == 0 {
                // Request 1 is ours again: another takes its slot.
                slot.store(2, Relaxed);
                lane.0.publish(1);
            }
            match worker.join().unwrap() {
                Some(request) => assert_eq!(request, if kept == 0 { 2 } else { 1 }),
                // It withdrew twice at most because it looked too early; the request is still published.
                None => assert!(lane.1.claim(&lane.0, 0)),
            }
        });
    }

    /// Requests behind one that is in hand are taken back while the worker goes on to the next.
    #[test]
    fn a_worker_does_not_run_past_what_was_taken_back() {
        loom::model(|| {
            let lane = words();
            lane.0.publish(2);
            let theirs = lane.clone();
            let worker = thread::spawn(move || {
                let mut taken = 0;
                while taken < 2 && theirs.1.claim(&theirs.0, taken) {
                    taken += 1;
                    theirs.1.announce_reply(&theirs.0, taken);
                }
                taken
            });
            let kept = lane.0.take_back(&lane.1, 0);
            let mut taken = worker.join().unwrap();
            // What was left to the worker it finds when it looks again.
            while lane.1.claim(&lane.0, taken) {
                taken += 1;
            }
            assert_eq!(taken, kept);
        });
    }

    /// Either the worker does not sleep, or the pool wakes it.
    #[test]
    fn a_published_request_is_not_slept_through() {
        loom::model(|| {
            let lane = words();
            let theirs = lane.clone();
            let worker = thread::spawn(move || theirs.1.announce_sleep(&theirs.0, 1, 0).is_some());
            lane.0.publish(1);
            let wakes = lane.1.must_wake(0, 1).is_some();
            assert!(wakes || !worker.join().unwrap());
        });
    }

    /// A worker that serves a request and falls asleep, before the pool has looked whether it slept when the
    /// request was published, is woken for the next one. (It may not be asleep yet when it is woken: only a
    /// wake-up that comes after the tail has changed from what it sleeps on is sure to reach it.)
    #[test]
    fn a_worker_that_was_faster_than_its_wake_up_is_woken_for_the_next_request() {
        loom::model(|| {
            let lane = words();
            let theirs = lane.clone();
            let worker = thread::spawn(move || {
                if !theirs.1.claim(&theirs.0, 0) {
                    return None;
                }
                theirs.1.announce_reply(&theirs.0, 1);
                theirs.1.announce_sleep(&theirs.0, 1, 1).map(|(tail, _)| tail)
            });
            lane.0.publish(1);
            let woken = lane.1.must_wake(0, 1).unwrap_or(0);
            lane.0.publish(2);
            let wakes = lane.1.must_wake(woken, 2).is_some();
            if let Some(tail) = worker.join().unwrap() {
                assert!(tail == 1 && wakes);
            }
        });
    }

    /// A worker that sleeps while the pool holds a request back has rung.
    #[test]
    fn a_request_held_back_is_asked_for() {
        loom::model(|| {
            let lane = words();
            let theirs = lane.clone();
            let worker = thread::spawn(move || theirs.1.announce_sleep(&theirs.0, 1, 0));
            let held = lane.0.hold(&lane.1);
            if !held {
                lane.0.publish(1);
            }
            let wakes = !held && lane.1.must_wake(0, 1).is_some();
            match worker.join().unwrap() {
                Some((_, rings)) => assert!(wakes || (held && rings)),
                None => assert!(!held),
            }
        });
    }

    /// Either the pool sees the reply as it arms, or the worker tells it.
    #[test]
    fn a_reply_is_seen_or_told() {
        loom::model(|| {
            let lane = words();
            let theirs = lane.clone();
            let worker = thread::spawn(move || theirs.1.announce_reply(&theirs.0, 1));
            let replied = lane.0.arm(&lane.1, 1, Tell::Bell);
            let told = worker.join().unwrap();
            assert!(replied == 1 || told == Some(Tell::Bell));
        });
    }
}
