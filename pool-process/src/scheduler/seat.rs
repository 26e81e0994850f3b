//! One seat.

use std::collections::VecDeque;
use std::time::Instant;

use super::Why;

/// See the table in [`super`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Vacant,
    Coming,
    Waiting,
    Initializing,
    Starting,
    Up,
    Dying,
}

#[derive(Debug)]
pub(super) struct Seat<T> {
    pub(super) state: State,
    /// Oldest first: what is in the lane, and then what is about to be put there.
    pub(super) tasks: VecDeque<T>,
    /// Since when the oldest of `tasks` has been the oldest, or there has been none, or the state was
    /// entered: whichever is last. But see `timed`.
    pub(super) since: Instant,
    /// `since` says this of the oldest task: always when it has a limit or another is behind it, or when idle
    /// workers leave; and sometimes otherwise. It was then first asked for when the second came.
    pub(super) timed: bool,
    /// Why the seat is Dying, if not for its own reasons.
    pub(super) verdict: Option<Why>,
    /// Its worker has said that it is ready, or its first reply has.
    pub(super) ready: bool,
    /// How many tasks its worker has answered.
    pub(super) done: usize,
    /// Its worker takes no more tasks.
    pub(super) spent: bool,
}

impl<T> Seat<T> {
    pub(super) fn new(state: State, now: Instant) -> Seat<T> {
        Seat {
            state,
            tasks: VecDeque::new(),
            since: now,
            timed: false,
            verdict: None,
            ready: false,
            done: 0,
            spent: false,
        }
    }

    /// There is no process on it.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.state, State::Vacant | State::Coming | State::Waiting)
    }

    /// It may not stay as it is for ever.
    pub(super) fn is_restless(&self) -> bool {
        matches!(self.state, State::Waiting | State::Initializing | State::Starting)
    }

    /// Its worker may have tasks in its lane.
    pub(super) fn can_work(&self) -> bool {
        matches!(self.state, State::Starting | State::Up)
    }

    /// A worker is on its way that will be able to take a task, and has none.
    pub(super) fn is_on_the_way(&self) -> bool {
        self.tasks.is_empty()
            && matches!(self.state, State::Coming | State::Waiting | State::Initializing | State::Starting)
    }
}
