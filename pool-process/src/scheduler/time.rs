//! What happens when nothing happens: limits that run out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::seat::{Seat, State};
use super::{Action, Scheduler, SeatId, Ticket, Why};
use crate::clock::Clock;

/// A worker that was told to leave, and whose exit handlers take longer than this, is killed.
const LEAVE: Duration = Duration::from_secs(5);
/// A birth that failed is tried again after this long.
const RETRY_BIRTH: Duration = Duration::from_secs(1);
/// A worker that is not ready after this long is stuck.
const READY: Duration = Duration::from_secs(60);

/// What a seat's time runs out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    RetryBirth,
    Ready,
    Initializer,
    /// It has nothing to do, and cannot be told to leave.
    Useless,
    Idle,
    Task,
}

impl<T: Ticket> Scheduler<T> {
    /// What a seat waits for, and how long it may.
    fn limits(&self, id: SeatId) -> impl Iterator<Item = (Limit, Duration)> {
        let seat = &self.seats[id];
        let useless = self.needs_no_more() || self.is_retiring(id);
        let idle = seat.tasks.is_empty();
        let found = match seat.state {
            State::Vacant | State::Coming | State::Dying => [None, None],
            State::Waiting => [Some((Limit::RetryBirth, RETRY_BIRTH)), None],
            State::Initializing | State::Starting if useless && idle => [Some((Limit::Useless, LEAVE)), None],
            State::Initializing => [
                self.policy.initializer_timeout.map(|limit| (Limit::Initializer, limit)),
                (!seat.ready).then_some((Limit::Ready, READY)),
            ],
            State::Starting => [Some((Limit::Ready, READY)), None],
            State::Up if idle => [self.policy.idle_timeout.map(|limit| (Limit::Idle, limit)), None],
            // Of a worker that is not up nobody knows that it has begun something.
            State::Up => {
                let timeout = seat.tasks.front().and_then(Ticket::timeout);
                [timeout.map(|limit| (Limit::Task, limit)), None]
            }
        };
        found.into_iter().flatten()
    }

    pub(super) fn tick(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        for id in 0..self.seats.len() {
            let waited = now.read().saturating_duration_since(self.seats[id].since);
            let over = self.limits(id).filter(|(_, limit)| waited >= *limit).min_by_key(|(_, limit)| *limit);
            if let Some((what, limit)) = over {
                self.run_out(id, what, limit, now, actions);
            }
        }
        for (number, since) in &mut self.leavers {
            if now.read().saturating_duration_since(*since) >= LEAVE {
                // It is told no more than once in a while, should the system need time to end it.
                *since = now.read();
                actions.push_back(Action::KillLeaver(*number));
            }
        }
        self.take_from_behind_long_tasks(now, actions);
    }

    fn run_out(
        &mut self,
        id: SeatId,
        what: Limit,
        limit: Duration,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) {
        match what {
            Limit::RetryBirth => {
                self.seats[id].state = State::Vacant;
                self.staff(actions);
            }
            Limit::Ready => self.too_slow(id, limit, actions),
            Limit::Initializer => {
                self.break_down(format!("the initializer ran longer than its limit of {limit:?}"), actions);
            }
            Limit::Useless => self.kill(id, None, actions),
            Limit::Idle => self.leave(id, now, actions),
            Limit::Task => self.kill(id, Some(Why::TimedOut(id, limit)), actions),
        }
    }

    /// When to be told the time again, if nothing happens before.
    #[inline]
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let uneven = !self.idle.is_empty() && self.any_behind();
        let limited = self.any_timed || self.restless || self.policy.idle_timeout.is_some();
        if uneven || limited { self.earliest_limit(uneven, limited) } else { None }
    }

    /// `uneven`: some have nothing to do while a task waits behind another.
    fn earliest_limit(&self, uneven: bool, limited: bool) -> Option<Instant> {
        let idle = uneven && self.depth() > 1;
        if !idle && !limited {
            return None;
        }
        let stale = self.stale_after();
        let of_seat = |(id, seat): (SeatId, &Seat<T>)| {
            let behind = (idle && seat.tasks.len() > 1 && seat.can_work()).then_some(stale);
            let after = self.limits(id).map(|(_, limit)| limit).chain(behind).min()?;
            seat.since.checked_add(after)
        };
        let seats = self.seats.iter().enumerate().filter_map(of_seat);
        seats.chain(self.leavers.iter().filter_map(|(_, since)| since.checked_add(LEAVE))).min()
    }
}
