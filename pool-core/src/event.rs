//! A flag that threads and futures can wait for.
//!
//! Whoever completes something sets it once; whoever waits either finds it set, or leaves a
//! [`Waker`] and is woken by the set. The flag is one atomic, so that the common case (nobody
//! waits yet, or the result is there already) costs no lock.
//!
//! | state   | meaning                     | moved by |
//! |---------|-----------------------------|----------|
//! | CLEAR   | not yet, nobody waits       | `clear`  |
//! | WATCHED | not yet, `wakers` has some  | `register` |
//! | SET     | happened                    | `set`    |

use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::*};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use crate::lock;

const CLEAR: u8 = 0;
const WATCHED: u8 = 1;
const SET: u8 = 2;

/// A flag that is set once (until cleared) and wakes whoever waits for it.
#[derive(Debug, Default)]
pub struct Event {
    state: AtomicU8,
    /// There from the first `register` to the next `set`; boxed because most events are never waited for by
    /// more than a glance.
    wakers: Mutex<Option<Box<Wakers>>>,
}

impl Event {
    /// An event that has not happened.
    pub const fn new() -> Event {
        Event { state: AtomicU8::new(CLEAR), wakers: Mutex::new(None) }
    }

    /// Whether it has happened. What its setter wrote before is visible after a `true`.
    #[inline]
    pub fn is_set(&self) -> bool {
        // ORDERING: pairs with the swap in `set`.
        self.state.load(Acquire) == SET
    }

    /// Makes it happen and wakes everybody who registered.
    #[inline]
    pub fn set(&self) {
        // ORDERING: Release for `is_set`; Acquire to see the wakers that `register` announced.
        if self.state.swap(SET, AcqRel) == WATCHED {
            self.wake_all();
        }
    }

    #[cold]
    fn wake_all(&self) {
        let wakers = lock(&self.wakers).take();
        for waker in wakers.into_iter().flat_map(|wakers| wakers.all()) {
            // A waker is an executor's code; its panic must not reach the thread that completes tasks.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Takes a set event back. Only the one consumer of a repeating event calls it, and looks once
    /// more at what it waits for afterwards.
    pub fn clear(&self) {
        // ORDERING: AcqRel so that the look afterwards is not moved before it.
        let _ = self.state.compare_exchange(SET, CLEAR, AcqRel, Acquire);
    }

    /// Leaves `waker` to be woken by the next `set`, once. `None`, and nothing is left, when it is set
    /// already. Whoever is woken and finds that it is not set registers again: a `set` that was cleared
    /// at once may have taken the waker.
    pub fn register(&self, waker: &Waker) -> Option<Registration> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut place = lock(&self.wakers);
        // ORDERING: only uniqueness matters.
        let id = Registration(NonZeroU64::new(NEXT.fetch_add(1, Relaxed)).unwrap_or(NonZeroU64::MAX));
        place.get_or_insert_default().add(id, waker.clone());
        // ORDERING: the waker is pushed under the lock before WATCHED is published; a `set` that
        // swaps WATCHED out takes the same lock after us.
        match self.state.compare_exchange(CLEAR, WATCHED, AcqRel, Acquire) {
            Ok(_) | Err(WATCHED) => Some(id),
            Err(_) => {
                if let Some(wakers) = &mut *place {
                    wakers.remove(id);
                }
                None
            }
        }
    }

    /// Takes a waker back that was not woken, or is not needed any more.
    pub fn unregister(&self, id: Registration) {
        if let Some(wakers) = &mut *lock(&self.wakers) {
            wakers.remove(id);
        }
    }

    /// Parks this thread until the event is set (`true`) or `deadline` passes (`false`).
    pub fn wait(&self, deadline: Option<Instant>) -> bool {
        for _ in 0..SPINS {
            if self.is_set() {
                return true;
            }
            std::hint::spin_loop();
        }
        // Who only looks leaves nothing.
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return self.is_set();
        }
        let waker = unparker();
        loop {
            let Some(id) = self.register(&waker) else { return true };
            let in_time = park_until(deadline);
            self.unregister(id);
            if self.is_set() {
                return true;
            }
            if !in_time {
                return false;
            }
        }
    }
}

/// Whom to wake: almost always one.
#[derive(Debug, Default)]
struct Wakers {
    first: Option<(Registration, Waker)>,
    more: Vec<(Registration, Waker)>,
}

impl Wakers {
    fn add(&mut self, id: Registration, waker: Waker) {
        match &self.first {
            None => self.first = Some((id, waker)),
            Some(_) => self.more.push((id, waker)),
        }
    }

    fn remove(&mut self, id: Registration) {
        self.first.take_if(|(known, _)| *known == id);
        self.more.retain(|(known, _)| *known != id);
    }

    fn all(self) -> impl Iterator<Item = Waker> {
        self.first.into_iter().chain(self.more).map(|(_, waker)| waker)
    }

    #[cfg(test)]
    fn ids(&self) -> Vec<Registration> {
        self.first.iter().chain(&self.more).map(|(id, _)| *id).collect()
    }
}

/// What [`Event::register`] gave; to be passed to [`Event::unregister`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registration(NonZeroU64);

/// A waker that unparks this thread.
pub fn unparker() -> Waker {
    Waker::from(Arc::new(Unpark(std::thread::current())))
}

/// Parks this thread; returns `false` when the deadline has passed.
pub fn park_until(deadline: Option<Instant>) -> bool {
    let Some(deadline) = deadline else {
        std::thread::park();
        return true;
    };
    let left = deadline.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::park_timeout(left);
    }
    !left.is_zero()
}

/// About a microsecond: enough for a result that is being written right now.
const SPINS: u32 = 100;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_waiting_thread_is_woken_by_set() {
        let event = Event::new();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| event.wait(None));
            event.set();
            assert!(waiter.join().unwrap());
        });
    }

    #[test]
    fn wait_gives_up_at_its_deadline_and_leaves_no_waker() {
        let event = Event::new();
        assert!(!event.wait(Some(Instant::now() + Duration::from_millis(1))));
        assert!(lock(&event.wakers).as_ref().is_none_or(|wakers| wakers.ids().is_empty()));
    }

    #[test]
    fn register_after_set_says_so_and_keeps_nothing() {
        let event = Event::new();
        event.set();
        assert_eq!(event.register(Waker::noop()), None);
        assert!(lock(&event.wakers).as_ref().is_none_or(|wakers| wakers.ids().is_empty()));
        event.clear();
        assert!(!event.is_set());
    }

    #[test]
    fn what_was_unregistered_is_gone() {
        let event = Event::new();
        let (first, second) =
            (event.register(Waker::noop()).unwrap(), event.register(Waker::noop()).unwrap());
        event.unregister(first);
        assert_eq!(lock(&event.wakers).as_ref().unwrap().ids(), [second]);
    }
}
