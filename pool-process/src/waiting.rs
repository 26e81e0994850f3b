//! How callers wait: one leads, the others follow.
//!
//! The caller that waits first takes replies in itself, for everybody: it spins a little where that has
//! paid lately, some worker is up, and they do not need all cores; then it sleeps on the pool's bell, and on
//! the ends of those workers if they are few. So a round trip costs two switches and no third thread.
//! Callers that come while there is a leader park on their own result; whoever stops leading wakes one
//! of them to lead on.
//!
//! The leader delivers for everybody, wakers of futures included. A waker does not block, by its contract;
//! one that waited for this pool would wait for the thread it runs on.

use std::sync::{Arc, MutexGuard, TryLockError};
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pool_core::{Event, park_until, unparker};
use pool_ipc::bell::Bell;
use pool_ipc::patience::Patience;

use crate::listening::Listener;
use crate::shared::{Shared, Whereabouts, lock};

/// Lanes that tell of several results at a time are given less work than this in advance, half of it to be told of.
const LATE: Duration = Duration::from_millis(4);

impl Shared {
    /// Waits for `event`, until `deadline`; returns whether it is set.
    pub(crate) fn wait_for(&self, event: &Event, deadline: Option<Instant>) -> bool {
        if event.is_set() {
            return true;
        }
        if is_over(deadline) {
            self.visit(|hub, now| hub.take_in(now));
            return event.is_set();
        }
        loop {
            if let Some(mut patience) = self.try_lead() {
                let set = self.lead(event, deadline, &mut patience);
                drop(patience);
                self.hand_on();
                return set;
            }
            if let Some(set) = self.follow(event, deadline) {
                return set;
            }
        }
    }

    fn try_lead(&self) -> Option<MutexGuard<'_, Patience>> {
        match self.leader.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn lead(&self, event: &Event, deadline: Option<Instant>, patience: &mut Patience) -> bool {
        self.listening.set(Listener::Awake);
        let mut of_each = false;
        while !event.is_set() && !is_over(deadline) {
            let looked = || event.is_set() || self.take_in_what_is_there();
            let whereabouts = self.whereabouts();
            let spun = match whereabouts {
                Whereabouts::Nowhere => false,
                Whereabouts::Everywhere(busy) => Patience::glance(busy, looked),
                Whereabouts::Here => patience.spin(true, looked),
                Whereabouts::Elsewhere => {
                    patience.seen_elsewhere();
                    patience.spin(false, looked)
                }
                Whereabouts::Somewhere => patience.spin(false, looked),
            };
            if spun {
                continue;
            }
            let count = self.bell.count();
            // Whoever else sets the event rings the bell by this.
            let Some(registration) = event.register(&self.ringer) else { break };
            let (behind, ends) = self.visit(|hub, now| {
                self.listening.set(Listener::Asleep);
                hub.tells_of_each = of_each;
                hub.take_in(now);
                (hub.scheduler.any_behind(), hub.ends())
            });
            let start = Instant::now();
            let left = deadline.map(|deadline| deadline.saturating_duration_since(start));
            let late = (behind && !of_each).then_some(LATE);
            self.bell.wait(count, &ends, left.into_iter().chain(late).min());
            // What comes may be held back behind something long: then each is to be told of.
            of_each = behind && start.elapsed() >= LATE;
            match whereabouts {
                Whereabouts::Elsewhere | Whereabouts::Somewhere => patience.slept(start.elapsed()),
                Whereabouts::Here => patience.yielded_in_vain(),
                // Looking would not have made it shorter.
                Whereabouts::Nowhere | Whereabouts::Everywhere(_) => {}
            }
            event.unregister(registration);
            self.listening.set(Listener::Awake);
            self.take_in_now();
        }
        if self.listening.stop() {
            self.visit(|_, _| ());
        }
        event.is_set()
    }

    /// Parks until the event is set or the deadline is over (the answer), or there is no leader (`None`).
    fn follow(&self, event: &Event, deadline: Option<Instant>) -> Option<bool> {
        let me = thread::current();
        let waker = unparker();
        let outcome = loop {
            let Some(registration) = event.register(&waker) else { break Some(true) };
            // From here on a leader that leaves wakes us, or one before us. Had it left before, nobody leads.
            // Again in each round: who is woken to lead is off the list, and may find that another was faster.
            self.line_up(&me);
            if self.try_lead().is_some() {
                event.unregister(registration);
                break None;
            }
            let in_time = park_until(deadline);
            event.unregister(registration);
            if !in_time {
                break Some(event.is_set());
            }
        };
        let mut followers = lock(&self.followers);
        match followers.iter().position(|follower| follower.id() == me.id()) {
            Some(at) => drop(followers.remove(at)),
            // We were chosen to lead, and have no need to: the next one is.
            None if outcome.is_some() => {
                drop(followers);
                self.hand_on();
            }
            None => {}
        }
        outcome
    }

    /// Puts this thread on the list of followers, at its end if it is not on it.
    fn line_up(&self, me: &Thread) {
        let mut followers = lock(&self.followers);
        if !followers.iter().any(|follower| follower.id() == me.id()) {
            followers.push(me.clone());
        }
    }

    /// Wakes a follower to lead.
    fn hand_on(&self) {
        let mut followers = lock(&self.followers);
        if !followers.is_empty() {
            followers.remove(0).unpark();
        }
    }
}

fn is_over(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// A waker that rings the pool's bell.
pub(crate) fn ringer(bell: &Arc<Bell>) -> Waker {
    Waker::from(Arc::new(Ring(bell.clone())))
}

struct Ring(Arc<Bell>);

impl Wake for Ring {
    fn wake(self: Arc<Self>) {
        self.0.ring();
    }
}
