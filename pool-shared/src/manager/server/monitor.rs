//! Waiting for an object to change.
//!
//! Those that wait stand in lines, in the order in which they came, each asleep on a condition variable of its own.
//! Whoever changes the state calls as many of the first as can go on now, and so does whoever leaves a line, for
//! whatever reason: so at any time all that can go on have been called, and no call is lost with one that did not
//! take what it was called for.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Caller, lock};
use crate::manager::error::Fault;

/// Who has been passed over for so long is not passed over any more.
const GRACE: Duration = Duration::from_millis(1);

/// A state behind a lock, and those that wait for it to change.
#[derive(Debug, Default)]
pub(crate) struct Monitor<S>(Mutex<S>);

/// What a [`Monitor`] looks after.
pub(crate) trait State {
    /// Whether who comes may go before those that wait, for a millisecond: cheaper than to have all sleep by turns.
    const BARGES: bool = false;

    /// The lines, by number from 0; `None`: there are no more.
    fn line(&mut self, number: usize) -> Option<&mut Line>;

    /// How many of the first in this line can go on now.
    fn ready(&self, line: usize) -> usize;
}

/// Those that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Line(VecDeque<Arc<Seat>>);

#[derive(Debug)]
struct Seat {
    /// What it is known by to its object, if that matters.
    tag: u64,
    since: Instant,
    called: AtomicBool,
    changed: Condvar,
}

/// Why a wait ended without what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The time is over.
    Time,
    /// Nobody wants the answer any more: the client has gone, or the server ends.
    Unwanted,
}

impl From<Ended> for Fault {
    /// Of the end of time each object tells in its own way.
    fn from(_: Ended) -> Fault {
        Fault::Gone
    }
}

/// How long a call may wait, in nanoseconds; the most is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Patience(u64);

impl Patience {
    pub(crate) const NONE: Patience = Patience(0);
    pub(crate) const EVER: Patience = Patience(u64::MAX);

    /// When it is over; `None`: never.
    pub(crate) fn end(self) -> Option<Instant> {
        // A time past the end of time is none.
        let time = (self != Patience::EVER).then(|| Duration::from_nanos(self.0));
        time.and_then(|time| Instant::now().checked_add(time))
    }

    /// What is left of it until then.
    pub(crate) fn until(end: Option<Instant>) -> Patience {
        end.map_or(Patience::EVER, |end| end.saturating_duration_since(Instant::now()).into())
    }
}

impl From<Duration> for Patience {
    fn from(time: Duration) -> Patience {
        Patience(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
    }
}

impl Line {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Calls the first so many.
    fn call(&self, count: usize) {
        self.0.iter().take(count).for_each(|seat| seat.call());
    }

    /// Calls all.
    pub(crate) fn call_all(&self) {
        self.call(usize::MAX);
    }

    /// Calls the one that is known by this.
    pub(crate) fn call_tag(&self, tag: u64) {
        self.0.iter().filter(|seat| seat.tag == tag).for_each(|seat| seat.call());
    }

    fn place(&self, seat: &Arc<Seat>) -> usize {
        self.0.iter().position(|other| Arc::ptr_eq(other, seat)).unwrap_or(usize::MAX)
    }

    fn leave(&mut self, seat: &Arc<Seat>) {
        self.0.retain(|other| !Arc::ptr_eq(other, seat));
        if self.0.is_empty() {
            // What a crowd needed is not kept.
            self.0 = VecDeque::new();
        }
    }
}

/// The state, for who does not wait for it to change. When it is let go, those that can go on are called.
pub(crate) struct Held<'a, S: State>(MutexGuard<'a, S>);

impl<S: State> Deref for Held<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S: State> DerefMut for Held<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S: State> Drop for Held<'_, S> {
    fn drop(&mut self) {
        call_next(&mut *self.0);
    }
}

fn call_next<S: State>(state: &mut S) {
    for number in 0.. {
        let ready = state.ready(number);
        let Some(line) = state.line(number) else { return };
        line.call(ready);
    }
}

impl<S: State> Monitor<S> {
    pub(crate) fn new(state: S) -> Monitor<S> {
        Monitor(Mutex::new(state))
    }

    pub(crate) fn lock(&self) -> Held<'_, S> {
        Held(lock(&self.0))
    }

    /// Has all that wait look again.
    pub(crate) fn wake(&self) {
        let mut state = self.lock();
        for number in 0.. {
            let Some(line) = state.line(number) else { return };
            line.call_all();
        }
    }

    /// Waits in this line until `take` makes something of the state. It is told how many are to go on before it.
    pub(crate) fn wait<R>(
        &self,
        caller: &Caller,
        patience: Patience,
        line: usize,
        take: impl FnMut(&mut S, usize) -> Option<R>,
    ) -> Result<R, Ended> {
        self.wait_as(0, caller, patience, line, take)
    }

    /// The same for one that is known by a tag.
    pub(crate) fn wait_as<R>(
        &self,
        tag: u64,
        caller: &Caller,
        patience: Patience,
        line: usize,
        mut take: impl FnMut(&mut S, usize) -> Option<R>,
    ) -> Result<R, Ended> {
        let mut state = lock(&self.0);
        let before = state.line(line).map_or(0, |line| {
            let first = line.0.front();
            let passes = S::BARGES && first.is_some_and(|first| first.since.elapsed() < GRACE);
            if passes { 0 } else { line.len() }
        });
        if let Some(taken) = take(&mut state, before) {
            call_next(&mut *state);
            return Ok(taken);
        }
        if patience == Patience::NONE {
            return Err(Ended::Time);
        }
        let end = patience.end();
        let (called, changed) = (AtomicBool::new(false), Condvar::new());
        let seat = Arc::new(Seat { tag, since: Instant::now(), called, changed });
        if let Some(line) = state.line(line) {
            line.0.push_back(seat.clone());
        }
        // Who takes a call back sets a mark, and then wakes with the lock of the state: so a client that goes now is
        // seen below, or wakes.
        let _blocked = caller.blocked();
        let outcome = loop {
            if caller.is_unwanted() {
                break Err(Ended::Unwanted);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                break Err(Ended::Time);
            }
            state = seat.sleep(state, left);
            // What is there is not for one that is gone already.
            if caller.is_gone() {
                break Err(Ended::Unwanted);
            }
            let before = state.line(line).map_or(0, |line| line.place(&seat));
            if let Some(taken) = take(&mut state, before) {
                break Ok(taken);
            }
        };
        if let Some(line) = state.line(line) {
            line.leave(&seat);
        }
        call_next(&mut *state);
        outcome
    }
}

impl Seat {
    fn call(&self) {
        // ORDERING: under the lock of the state.
        if !self.called.swap(true, Relaxed) {
            self.changed.notify_one();
        }
    }

    /// Sleeps until it is called, for at most so long.
    fn sleep<'a, S>(&self, mut state: MutexGuard<'a, S>, left: Option<Duration>) -> MutexGuard<'a, S> {
        // ORDERING: under the lock of the state.
        if !self.called.load(Relaxed) {
            state = match left {
                Some(left) => {
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        self.called.store(false, Relaxed);
        state
    }
}
