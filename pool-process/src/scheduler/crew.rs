//! Workers: who is started, who leaves, who is killed, and what follows when one dies.

use std::collections::VecDeque;
use std::time::Duration;

use super::seat::{Seat, State};
use super::{Action, Phase, Scheduler, SeatId, Ticket, Why};
use crate::clock::Clock;

/// So many workers in a row that die before they are ready, beyond one for each seat, break the pool; and
/// so many births in a row that fail while no worker lives.
pub(super) const MISBIRTHS: usize = 4;

impl<T: Ticket> Scheduler<T> {
    /// Asks for workers on vacant seats, as far as they are wanted now: all of them while the pool is
    /// running, unless idle ones leave; otherwise as many as there are tasks that nobody has taken.
    pub(super) fn staff(&mut self, actions: &mut VecDeque<Action<T>>) {
        // Leavers that take their time are waited for: there is never more than one for each seat.
        if self.is_ending() || self.leavers.len() > self.size {
            return;
        }
        let all = self.phase == Phase::Running && self.policy.idle_timeout.is_none();
        let size = self.size.min(self.seats.len());
        let mut wanted = match all {
            true => usize::MAX,
            false if self.queue.is_empty() => return,
            false => {
                let coming = self.seats[..size].iter().filter(|seat| seat.is_on_the_way()).count();
                self.queue.len().saturating_sub(coming)
            }
        };
        for (id, seat) in self.seats[..size].iter_mut().enumerate() {
            if wanted > 0 && seat.state == State::Vacant {
                wanted -= 1;
                seat.state = State::Coming;
                actions.push_back(Action::Spawn(id));
            }
        }
    }

    /// Whether a worker that is not there would be started for a task that nobody is free for.
    pub(super) fn may_hire(&self) -> bool {
        let wanted = || &self.seats[..self.size.min(self.seats.len())];
        self.policy.idle_timeout.is_some() && wanted().iter().any(|seat| seat.state == State::Vacant)
    }

    pub(super) fn born(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        let initializes = self.policy.initializes;
        let state = if initializes { State::Initializing } else { State::Starting };
        self.seats[id] = Seat::new(state, now.read());
        if self.is_ending() {
            self.kill(id, None, actions);
        } else if initializes {
            actions.push_back(Action::Initialize(id));
        } else if !self.is_retiring(id) {
            self.idle.insert(0, id);
            self.dispatch(now, actions);
        }
    }

    pub(super) fn birth_failed(
        &mut self,
        id: SeatId,
        why: String,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) {
        self.seats[id].state = State::Waiting;
        self.seats[id].since = now.read();
        // The system may be short of something for a moment, which the others get over.
        if self.seats.iter().all(Seat::is_empty) {
            self.misbirths += 1;
            if self.misbirths >= MISBIRTHS {
                self.break_down(why, actions);
            }
        }
    }

    pub(super) fn ready(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        self.misbirths = 0;
        let seat = &mut self.seats[id];
        seat.ready = true;
        if seat.state == State::Starting {
            self.up(id, now, actions);
        }
    }

    pub(super) fn initialized(
        &mut self,
        id: SeatId,
        outcome: Result<(), String>,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) {
        match outcome {
            _ if self.seats[id].state != State::Initializing => {}
            Ok(()) => self.up(id, now, actions),
            Err(why) => self.break_down(format!("the initializer failed: {why}"), actions),
        }
    }

    /// A worker that can do tasks, and be told to leave once it is ready.
    fn up(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        let seat = &mut self.seats[id];
        seat.state = if seat.ready { State::Up } else { State::Starting };
        // What it was given before it was ready began now at the earliest.
        seat.since = now.read();
        self.task_left(id, now, actions);
        self.dispatch(now, actions);
    }

    /// In a pool that is closing: there is nothing for a worker that is free, and there will be nothing. What waits
    /// behind another task may be taken from there for it.
    #[inline]
    pub(super) fn needs_no_more(&self) -> bool {
        self.phase == Phase::Closing && self.queue.is_empty() && !self.any_behind()
    }

    /// Whether its worker is to leave as soon as it has nothing to do.
    pub(super) fn is_retiring(&self, id: SeatId) -> bool {
        self.seats[id].spent || id >= self.size
    }

    /// A worker with nothing to do leaves, if it can be told to.
    pub(super) fn leave(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        self.idle.retain(|idle| *idle != id);
        if self.seats[id].state != State::Up {
            return;
        }
        let number = self.vacate(id, now);
        actions.push_back(Action::Dismiss(id, number));
        self.staff(actions);
    }

    /// The worker of this seat is a leaver from now on, of this number.
    fn vacate(&mut self, id: SeatId, now: &Clock) -> u64 {
        self.seats[id].state = State::Vacant;
        let number = self.next_leaver;
        self.next_leaver += 1;
        self.leavers.push((number, now.read()));
        self.restless = true;
        number
    }

    /// A worker is about to end, of itself, and has nothing in hand.
    pub(super) fn ending(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        if self.seats[id].state != State::Up {
            return;
        }
        self.idle.retain(|idle| *idle != id);
        while let Some(task) = self.seats[id].tasks.pop_back() {
            self.queue.push_front(task);
        }
        let number = self.vacate(id, now);
        actions.push_back(Action::Release(id, number));
        self.cancel_queue(actions);
        self.staff(actions);
        self.dispatch(now, actions);
    }

    /// In a pool that is closing, whoever has nothing to do and can be told so leaves.
    #[inline]
    pub(super) fn dismiss_idle(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        if self.needs_no_more() {
            for id in self.idle.clone() {
                if self.seats[id].state == State::Up {
                    self.leave(id, now, actions);
                }
            }
        }
    }

    pub(super) fn resize(&mut self, size: usize, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        self.size = size;
        while self.seats.len() < size {
            self.seats.push(Seat::new(State::Vacant, now.read()));
        }
        for id in size..self.seats.len() {
            match self.seats[id].tasks.len() {
                _ if self.seats[id].state == State::Waiting => self.seats[id].state = State::Vacant,
                0 if self.seats[id].can_work() => self.leave(id, now, actions),
                0 | 1 => {}
                _ => actions.push_back(Action::TakeBack(id)),
            }
        }
        self.staff(actions);
        self.dispatch(now, actions);
    }

    pub(super) fn kill(&mut self, id: SeatId, verdict: Option<Why>, actions: &mut VecDeque<Action<T>>) {
        let seat = &mut self.seats[id];
        if seat.is_empty() || seat.state == State::Dying {
            return;
        }
        seat.state = State::Dying;
        seat.verdict = verdict;
        self.idle.retain(|idle| *idle != id);
        actions.push_back(Action::Kill(id));
    }

    pub(super) fn exited(
        &mut self,
        id: SeatId,
        begun: usize,
        misborn: bool,
        how: &str,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) {
        let seat = &mut self.seats[id];
        let was = std::mem::replace(&mut seat.state, State::Vacant);
        let mut verdict = seat.verdict.take();
        self.idle.retain(|idle| *idle != id);
        // Not by our hand: or by our hand, because it had gone wild.
        let died = was != State::Dying || matches!(verdict, Some(Why::Nonsense(..)));
        let unborn = died && !seat.ready && seat.done == 0 && begun == 0;
        // Those that had not begun go back to the head of the queue. Of those that had, the first is lost
        // for the reason that the worker was killed for, if it was; it may be tried again otherwise, and
        // so may one that was begun after an answer that came too late.
        while seat.tasks.len() > begun {
            if let Some(task) = seat.tasks.pop_back() {
                self.queue.push_front(task);
            }
        }
        let mut again = VecDeque::new();
        while let Some(mut task) = seat.tasks.pop_front() {
            match verdict.take() {
                Some(why) => actions.push_back(Action::Fail(task, why)),
                None if !self.cancelling && task.wanted() && task.try_again() => again.push_front(task),
                None => actions.push_back(Action::Fail(task, Why::WorkerDied(id))),
            }
        }
        again.into_iter().for_each(|task| self.queue.push_front(task));
        self.cancel_queue(actions);
        if was == State::Initializing && begun > 0 {
            self.break_down(format!("a worker died in the initializer: {how}"), actions);
        }
        if unborn {
            self.misbirths += 1;
            if misborn || self.misbirths >= MISBIRTHS + self.size {
                self.break_down(format!("its workers die as they start; the last one: {how}"), actions);
            }
        }
        if died {
            self.count_death(now, how, actions);
        }
        self.staff(actions);
        self.dispatch(now, actions);
    }

    pub(super) fn count_death(&mut self, now: &Clock, how: &str, actions: &mut VecDeque<Action<T>>) {
        let Some((most, period)) = self.policy.restart_limit else { return };
        let recent = |at: &std::time::Instant| now.read().saturating_duration_since(*at) < period;
        self.deaths.push_back(now.read());
        while self.deaths.front().is_some_and(|at| !recent(at)) {
            self.deaths.pop_front();
        }
        if self.deaths.len() > most {
            let count = self.deaths.len();
            let text = format!("{count} workers died within {period:?}; the last one: {how}");
            self.break_down(text, actions);
        }
    }

    /// A worker that did not come to where it has to be in time.
    pub(super) fn too_slow(&mut self, id: SeatId, limit: Duration, actions: &mut VecDeque<Action<T>>) {
        self.kill(id, None, actions);
        self.misbirths += 1;
        if self.misbirths >= MISBIRTHS + self.size {
            self.break_down(format!("its workers do not start within {limit:?}"), actions);
        }
    }
}
