//! Tasks: from the queue into lanes, out of them with a reply, and back.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use super::seat::State;
use super::{Action, Scheduler, SeatId, Ticket, Why};
use crate::clock::Clock;

/// How much work a lane is given in advance when tasks are short. Half of it is done before a caller is woken to fill
/// the lane again, which takes some 20 µs of the cores that the workers need.
pub(super) const AHEAD: Duration = Duration::from_millis(2);
/// So much work that waits in a lane is worth taking back for a worker that has nothing to do, if each task of it takes
/// longer than to move it.
const WORTH: Duration = Duration::from_micros(50);
const MOVE: Duration = Duration::from_micros(20);
/// A lane that holds so many tasks takes none that something goes along with: that waits in a socket until the worker
/// comes to it, and there is little room.
const HEAVY: usize = 16;
/// Of the tasks without a limit that come one at a time, every so many is timed: on a processor that just woke
/// reading the clock twice takes a tenth of a round trip.
const TIMED: u32 = 8;
/// A task longer than this is long: nothing is put behind it.
const LONG: Duration = Duration::from_millis(10);
/// A task that is in hand for longer than this, and than eight usual ones, has others taken from
/// behind it.
const STALE: Duration = Duration::from_millis(1);

/// Tasks of one lane that were answered between two visits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    seat: SeatId,
    now: Instant,
    /// How long all of them took.
    took: Duration,
    tasks: u32,
    /// What was usual before them.
    before: Option<Duration>,
}

impl<T: Ticket> Scheduler<T> {
    /// A task came. Returns the seat that is to have it now: as after [`Action::Send`]. No [`Event`] and no action,
    /// because tasks are large to move about, and this happens most often.
    #[inline]
    pub(crate) fn submitted(
        &mut self,
        task: T,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) -> Option<SeatId> {
        if let Some(why) = self.refusal() {
            actions.push_back(Action::Fail(task, why));
            return None;
        }
        self.any_timed = task.timeout().is_some() || (self.any_timed && self.has_work());
        // Behind another task it might wait for long, while a worker could be started for it.
        let seat = match self.queue.is_empty() {
            true if self.may_hire() => self.idle.pop(),
            true => self.seat_with_room(task.is_light()),
            false => None,
        };
        match seat {
            Some(seat) => self.give(seat, task, now),
            None => {
                self.queue.push_back(task);
                if self.policy.idle_timeout.is_some() {
                    self.staff(actions);
                }
            }
        }
        seat
    }

    /// The worker answered the oldest task in its lane. `size`: how large it is now, if that is asked. Returns the
    /// task, which is to end with the reply, unless it is tried again. As for [`submitted`](Self::submitted), it is
    /// no event.
    #[inline]
    pub(crate) fn replied(
        &mut self,
        id: SeatId,
        panicked: bool,
        size: Option<u64>,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) -> Option<T> {
        let seat = &mut self.seats[id];
        let mut task = seat.tasks.pop_front()?;
        seat.done += 1;
        let most = self.policy.max_tasks.map_or(usize::MAX, NonZeroUsize::get);
        let large = size.zip(self.policy.max_memory).is_some_and(|(size, most)| size > most);
        seat.spent |= seat.done >= most || large;
        let timed = seat.timed.then_some(seat.since);
        if !seat.tasks.is_empty() {
            seat.since = now.read();
            seat.timed = true;
        }
        if let Some(since) = timed {
            self.learn(id, since, now.read());
        }
        let may = panicked && task.retries_panics() && !self.cancelling;
        let again = may && task.wanted() && task.try_again();
        let ended = if again {
            self.queue.push_front(task);
            None
        } else {
            Some(task)
        };
        self.task_left(id, now, actions);
        self.dispatch(now, actions);
        self.take_from_behind_long_tasks(now, actions);
        ended
    }

    /// The reply to the oldest task of this worker is about to be taken in, and nobody knows when that task began: it says
    /// nothing of how long tasks take.
    pub(crate) fn began_unseen(&mut self, id: SeatId) {
        self.seats[id].timed = false;
    }

    /// A task that was the oldest in its lane since then was answered. Those that are taken in together share the time
    /// of the first: the others were not looked at in between.
    fn learn(&mut self, seat: SeatId, since: Instant, now: Instant) {
        let batch = match self.batch {
            Some(batch) if (batch.seat, batch.now, since) == (seat, now, now) => {
                Batch { tasks: batch.tasks.saturating_add(1), ..batch }
            }
            _ => {
                Batch { seat, now, took: now.saturating_duration_since(since), tasks: 1, before: self.usual }
            }
        };
        let took = batch.took / batch.tasks;
        // One part in eight of the new value: what is asked of it is the order of magnitude.
        self.usual = Some(batch.before.map_or(took, |usual| usual - usual / 8 + took / 8));
        self.batch = Some(batch);
    }

    /// After a task left the lane: the seat may have nothing to do, and its worker may have to leave.
    pub(super) fn task_left(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        let seat = &mut self.seats[id];
        if !seat.can_work() || !seat.tasks.is_empty() {
            return;
        }
        if self.is_retiring(id) {
            self.leave(id, now, actions);
        } else if !self.idle.contains(&id) {
            if self.policy.idle_timeout.is_some() {
                self.seats[id].since = now.read();
            }
            self.idle.push(id);
        }
    }

    /// Gives queued tasks to lanes that have room.
    #[inline]
    pub(super) fn dispatch(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        while !self.queue.is_empty() {
            let light = self.queue.front().is_none_or(Ticket::is_light);
            let Some(id) = self.seat_with_room(light) else { break };
            let Some(task) = self.queue.pop_front() else { break };
            if !task.wanted() {
                actions.push_back(Action::Fail(task, Why::Cancelled));
                self.task_left(id, now, actions);
                continue;
            }
            self.give(id, task, now);
            actions.push_back(Action::Send(id));
        }
        if self.queue.is_empty() {
            self.dismiss_idle(now, actions);
        }
    }

    fn give(&mut self, id: SeatId, task: T, now: &Clock) {
        let seat = &mut self.seats[id];
        if seat.tasks.is_empty() {
            self.given = self.given.wrapping_add(1);
            seat.timed = self.usual.is_none()
                || task.timeout().is_some()
                || self.given.is_multiple_of(TIMED)
                || self.policy.idle_timeout.is_some();
            if seat.timed {
                seat.since = now.read();
            }
        } else if !seat.timed {
            // From now on it matters how long the one before takes.
            seat.timed = true;
            seat.since = now.read();
        }
        seat.tasks.push_back(task);
    }

    /// An idle seat, taken off the list; or one whose lane is not as full as it may be for a task that is `light`.
    fn seat_with_room(&mut self, light: bool) -> Option<SeatId> {
        if let Some(id) = self.idle.pop() {
            // The next goes to another.
            self.cursor = id + 1;
            return Some(id);
        }
        let depth = if light { self.depth() } else { self.depth().min(HEAVY) };
        if depth < 2 {
            return None;
        }
        let count = self.seats.len();
        for step in 0..count {
            let id = (self.cursor + step) % count;
            let seat = &self.seats[id];
            let left = self.policy.max_tasks.map_or(depth, |most| most.get().saturating_sub(seat.done));
            // What is put behind the first task of one that is not there yet may wait for long.
            let is_up = seat.state == State::Up;
            if is_up && seat.tasks.len() < depth.min(left) && !self.is_retiring(id) {
                self.cursor = id + 1;
                return Some(id);
            }
        }
        None
    }

    /// How many tasks a lane may hold.
    pub(crate) fn depth(&self) -> usize {
        match self.usual {
            None => 1,
            // A worker that is too large leaves after the task that made it so, and not after the next.
            Some(_) if self.policy.max_memory.is_some() => 1,
            Some(usual) if usual > LONG => 1,
            Some(usual) => {
                // Nanoseconds of at most LONG: they fit.
                let fit = AHEAD.as_nanos() as u64 / (usual.as_nanos() as u64).max(1);
                (fit as usize).clamp(2, pool_ipc::lane::CAPACITY)
            }
        }
    }

    #[inline]
    pub(super) fn take_from_behind_long_tasks(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        if self.any_behind() {
            self.take_from_behind(now, actions);
        }
    }

    fn take_from_behind(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        if self.share_out(actions) {
            return;
        }
        if now.read().saturating_duration_since(self.stale_checked) < STALE {
            return;
        }
        self.stale_checked = now.read();
        let limit = self.stale_after();
        for (id, seat) in self.seats.iter().enumerate() {
            let old = now.read().saturating_duration_since(seat.since) > limit;
            if old && seat.tasks.len() > 1 && seat.can_work() {
                actions.push_back(Action::TakeBack(id));
            }
        }
    }

    /// Workers that have nothing to do can have what waits in the fullest lane. Returns whether there are any, and it is
    /// worth it.
    fn share_out(&mut self, actions: &mut VecDeque<Action<T>>) -> bool {
        if !self.queue.is_empty() || !self.idle.iter().any(|id| self.seats[*id].state == State::Up) {
            return false;
        }
        let able = self.seats.iter().enumerate().filter(|(_, seat)| seat.can_work());
        let Some((id, fullest)) = able.max_by_key(|(_, seat)| seat.tasks.len()) else { return false };
        let waiting = u32::try_from(fullest.tasks.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let is_worth_it =
            self.usual.is_some_and(|usual| usual >= MOVE && usual.saturating_mul(waiting) >= WORTH);
        if is_worth_it {
            actions.push_back(Action::TakeBack(id));
        }
        is_worth_it
    }

    /// Whether a task waits behind another in some lane.
    pub(crate) fn any_behind(&self) -> bool {
        self.seats.iter().any(|seat| seat.tasks.len() > 1)
    }

    pub(super) fn stale_after(&self) -> Duration {
        self.usual.map_or(STALE, |usual| (usual * 8).max(STALE))
    }

    /// Puts the newest `count` tasks of a lane at the head of the queue again.
    pub(super) fn take_back(
        &mut self,
        id: SeatId,
        kept: usize,
        count: usize,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) {
        for task in self.seats[id].tasks.drain(kept..kept + count).rev() {
            if task.wanted() {
                self.queue.push_front(task);
            } else {
                actions.push_back(Action::Fail(task, Why::Cancelled));
            }
        }
        self.task_left(id, now, actions);
    }
}
