//! Who does what next: plain code that is told what happened and answers what to do.
//!
//! It touches no process and no memory of a lane; the [`hub`](crate::hub) performs its actions and gives it
//! the [`Clock`]. So it can be tested with any sequence of events.
//!
//! **Seats.** A seat is a worker's place in the pool.
//!
//! | state    | meaning                                         | moved by |
//! |----------|--------------------------------------------------|----------|
//! | Vacant   | no process; one is being started, or none will be | `Exited` |
//! | Waiting  | no process; none could be started, and it is tried again later | `BirthFailed` |
//! | Starting | a process that is not ready yet; it may have tasks | `Born` |
//! | Up       | a worker                                          | `Ready` |
//! | Leaving  | told to leave, has nothing to do                  | `Dismiss` |
//! | Dying    | killed                                            | `Kill` |
//!
//! **Phases.** Running → Closing → Terminating, never back.
//!
//! **How many tasks a lane gets.** One, while nothing is known of how long a task takes or it takes
//! long: what waits then waits in the queue, where any worker that is free can have it. When tasks are
//! short, a lane is filled for about [`AHEAD`] of work, so that neither side waits for the other; tasks
//! that turn out to wait behind a long one are taken back.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::clock::Clock;

/// How much work a lane is given in advance when tasks are short.
const AHEAD: Duration = Duration::from_micros(200);
/// A task longer than this is long: nothing is put behind it.
const LONG: Duration = Duration::from_millis(10);
/// A task that is in hand for longer than this, and than eight usual ones, has others taken from
/// behind it.
const STALE: Duration = Duration::from_millis(1);
/// A worker that was told to leave, and whose exit handlers take longer than this, is killed.
const LEAVE: Duration = Duration::from_secs(5);
/// A birth that failed is tried again after this long, while other workers live.
const RETRY_BIRTH: Duration = Duration::from_secs(1);
/// So many workers in a row that die before they are ready break the pool.
const MISBIRTHS: usize = 4;

/// What the scheduler needs to know of a task.
pub(crate) trait Ticket {
    /// How long it may run.
    fn timeout(&self) -> Option<Duration>;
    /// Uses up one of the tries that are left after a worker's death; `false` when none is.
    fn try_again(&mut self) -> bool;
    /// Whether its result is still wanted.
    fn wanted(&self) -> bool;
}

pub(crate) type SeatId = usize;

/// What happened.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// A task came.
    Submitted(T),
    /// A worker process was started on a vacant seat.
    Born(SeatId),
    /// None could be.
    BirthFailed(SeatId, String),
    /// The worker said that it is ready.
    Ready(SeatId),
    /// The worker answered the oldest task in its lane.
    Replied(SeatId),
    /// What it answered makes no sense.
    Nonsense(SeatId, String),
    /// The worker process ended, and every reply of it that anybody listens to was told before. It had
    /// begun the `begun` oldest tasks left. `misborn`: it could not start, for this reason.
    Exited { seat: SeatId, begun: usize, misborn: Option<String> },
    /// The newest `count` tasks of a lane came back; `kept` are in it still.
    TakenBack { seat: SeatId, kept: usize, count: usize },
    /// A task could not be put into its lane, which has `kept`.
    Unsendable { seat: SeatId, kept: usize, why: String },
    /// Nobody wants some task of this lane any more; `in_hand`: it is the oldest, and has begun.
    Forgotten { seat: SeatId, in_hand: bool },
    /// Time passed.
    Tick,
    /// No more tasks will come.
    Close,
    /// Everything is to end.
    Terminate,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<T> {
    /// Put the oldest task of this seat that is not in its lane there.
    Send(SeatId),
    /// Take back what the worker has not begun, and say how much that was.
    TakeBack(SeatId),
    /// Start a worker on this seat.
    Spawn(SeatId),
    /// Kill it.
    Kill(SeatId),
    /// Tell it to leave.
    Dismiss(SeatId),
    /// End this task with the reply at hand.
    Deliver(T),
    /// End this task with an error.
    Fail(T, Why),
}

/// Why a task ends without a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its worker, on this seat, died.
    WorkerDied(SeatId),
    /// Its worker sent nonsense.
    Nonsense(SeatId, String),
    /// It could not be sent.
    Unsendable(String),
    /// It ran for longer than this.
    TimedOut(SeatId, Duration),
    /// Nobody wants it.
    Cancelled,
    /// The pool takes no more.
    Closed,
    /// The pool was terminated.
    Terminated,
    /// No worker can be started.
    Broken(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    Closing,
    Terminating,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Vacant,
    Waiting,
    Starting,
    Up,
    Leaving,
    Dying,
}

#[derive(Debug)]
struct Seat<T> {
    state: State,
    /// Oldest first: what is in the lane, and then what is about to be put there.
    tasks: VecDeque<T>,
    /// Since when the oldest of `tasks` has been the oldest.
    since: Instant,
    /// Why the seat is Dying, if not for its own reasons.
    verdict: Option<Why>,
    /// Its worker has done a task: what it dies of is not how it started.
    proven: bool,
}

impl<T> Seat<T> {
    /// How long it may stay as it is.
    fn due(&self, phase: Phase) -> Option<Duration> {
        match self.state {
            State::Waiting => Some(RETRY_BIRTH),
            State::Leaving => Some(LEAVE),
            // It cannot be told to leave before it is ready.
            State::Starting if phase == Phase::Closing && self.tasks.is_empty() => Some(LEAVE),
            _ => None,
        }
    }

    /// There is no process on it.
    fn is_empty(&self) -> bool {
        matches!(self.state, State::Vacant | State::Waiting)
    }
}

#[derive(Debug)]
pub(crate) struct Scheduler<T> {
    seats: Vec<Seat<T>>,
    /// Oldest first: what is in no lane.
    queue: VecDeque<T>,
    /// Seats that can work and have nothing to do, the one that worked last on top: it is still warm.
    idle: Vec<SeatId>,
    phase: Phase,
    broken: Option<String>,
    misbirths: usize,
    /// Moving average of how long a task takes.
    usual: Option<Duration>,
    /// Where to look first for a lane with room.
    cursor: SeatId,
    stale_checked: Instant,
    /// A task with a time limit came since there was last nothing to do.
    any_timed: bool,
    /// A seat may be Waiting.
    any_waiting: bool,
}

impl<T: Ticket> Scheduler<T> {
    pub(crate) fn new(workers: usize, now: Instant) -> Scheduler<T> {
        let seat = |_| Seat {
            state: State::Vacant,
            tasks: VecDeque::new(),
            since: now,
            verdict: None,
            proven: false,
        };
        Scheduler {
            seats: (0..workers).map(seat).collect(),
            queue: VecDeque::new(),
            idle: Vec::new(),
            phase: Phase::Running,
            broken: None,
            misbirths: 0,
            usual: None,
            cursor: 0,
            stale_checked: now,
            any_timed: false,
            any_waiting: false,
        }
    }

    /// Takes in what happened; appends what to do.
    pub(crate) fn handle(&mut self, event: Event<T>, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        match event {
            Event::Submitted(task) => match self.refusal() {
                None => {
                    self.any_timed = task.timeout().is_some() || (self.any_timed && self.has_work());
                    match self.queue.is_empty().then(|| self.seat_with_room()).flatten() {
                        Some(seat) => self.give(seat, task, now, actions),
                        None => self.queue.push_back(task),
                    }
                }
                Some(why) => actions.push_back(Action::Fail(task, why)),
            },
            Event::Replied(seat) => self.replied(seat, now, actions),
            Event::Born(seat) => {
                self.seats[seat].state = State::Starting;
                self.seats[seat].proven = false;
                self.seats[seat].since = now.read();
                match self.phase {
                    Phase::Terminating => self.kill(seat, None, actions),
                    _ => self.idle.insert(0, seat),
                }
                self.dispatch(now, actions);
            }
            Event::BirthFailed(seat, why) => {
                // The system may have been short of something for a moment, while others go on.
                if self.seats.iter().all(Seat::is_empty) {
                    self.break_down(why, actions);
                } else {
                    self.any_waiting = true;
                    self.seats[seat].state = State::Waiting;
                    self.seats[seat].since = now.read();
                }
            }
            Event::Ready(seat) => {
                self.misbirths = 0;
                if self.seats[seat].state == State::Starting {
                    self.seats[seat].state = State::Up;
                    // What it was given before it was ready began now at the earliest.
                    self.seats[seat].since = now.read();
                }
                self.dispatch(now, actions);
            }
            Event::Nonsense(seat, text) => self.kill(seat, Some(Why::Nonsense(seat, text)), actions),
            Event::Unsendable { seat, kept, why } => {
                if let Some(task) = self.seats[seat].tasks.remove(kept) {
                    actions.push_back(Action::Fail(task, Why::Unsendable(why)));
                }
                self.idle_again(seat);
                self.dispatch(now, actions);
            }
            Event::Exited { seat, begun, misborn } => self.exited(seat, begun, misborn, now, actions),
            Event::TakenBack { seat, kept, count } => {
                self.take_back(seat, kept, count, actions);
                self.dispatch(now, actions);
            }
            Event::Forgotten { seat, in_hand: true } => self.kill(seat, Some(Why::Cancelled), actions),
            Event::Forgotten { seat, in_hand: false } => actions.push_back(Action::TakeBack(seat)),
            Event::Tick => self.tick(now, actions),
            Event::Close => {
                self.phase = self.phase.max(Phase::Closing);
                self.dismiss_idle(now, actions);
            }
            Event::Terminate => self.terminate(actions),
        }
    }

    fn replied(&mut self, id: SeatId, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        let seat = &mut self.seats[id];
        let Some(task) = seat.tasks.pop_front() else { return };
        seat.proven = true;
        let took = now.read().saturating_duration_since(seat.since);
        seat.since = now.read();
        // One part in eight of the new value: what is asked of it is the order of magnitude.
        self.usual = Some(self.usual.map_or(took, |usual| usual - usual / 8 + took / 8));
        self.idle_again(id);
        actions.push_back(Action::Deliver(task));
        self.dispatch(now, actions);
        self.take_from_behind_long_tasks(now, actions);
    }

    /// Gives queued tasks to lanes that have room, and idle workers what waits behind long tasks.
    fn dispatch(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        while !self.queue.is_empty() {
            let Some(id) = self.seat_with_room() else { break };
            let Some(task) = self.queue.pop_front() else { break };
            if !task.wanted() {
                self.idle_again(id);
                actions.push_back(Action::Fail(task, Why::Cancelled));
                continue;
            }
            self.give(id, task, now, actions);
        }
        if self.queue.is_empty() {
            self.dismiss_idle(now, actions);
        }
    }

    fn give(&mut self, id: SeatId, task: T, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        let seat = &mut self.seats[id];
        if seat.tasks.is_empty() {
            seat.since = now.read();
        }
        seat.tasks.push_back(task);
        actions.push_back(Action::Send(id));
    }

    /// An idle seat, taken off the list; or one whose lane is not as full as it may be.
    fn seat_with_room(&mut self) -> Option<SeatId> {
        if let Some(id) = self.idle.pop() {
            return Some(id);
        }
        let depth = self.depth();
        if depth < 2 {
            return None;
        }
        let count = self.seats.len();
        for step in 0..count {
            let id = (self.cursor + step) % count;
            let seat = &self.seats[id];
            if matches!(seat.state, State::Starting | State::Up) && seat.tasks.len() < depth {
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
            Some(usual) if usual > LONG => 1,
            Some(usual) => {
                // Nanoseconds of at most LONG: they fit.
                let fit = AHEAD.as_nanos() as u64 / (usual.as_nanos() as u64).max(1);
                (fit as usize).clamp(2, pool_ipc::lane::CAPACITY)
            }
        }
    }

    fn take_from_behind_long_tasks(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        if now.read().saturating_duration_since(self.stale_checked) < STALE {
            return;
        }
        self.stale_checked = now.read();
        let limit = self.stale_after();
        for (id, seat) in self.seats.iter().enumerate() {
            if seat.tasks.len() > 1 && now.read().saturating_duration_since(seat.since) > limit {
                actions.push_back(Action::TakeBack(id));
            }
        }
    }

    fn stale_after(&self) -> Duration {
        self.usual.map_or(STALE, |usual| (usual * 8).max(STALE))
    }

    /// Puts the newest `count` tasks of a lane at the head of the queue again.
    fn take_back(&mut self, id: SeatId, kept: usize, count: usize, actions: &mut VecDeque<Action<T>>) {
        for task in self.seats[id].tasks.drain(kept..kept + count).rev() {
            if task.wanted() {
                self.queue.push_front(task);
            } else {
                actions.push_back(Action::Fail(task, Why::Cancelled));
            }
        }
        self.idle_again(id);
    }

    /// After a task left the lane: the seat may have nothing to do.
    fn idle_again(&mut self, id: SeatId) {
        let seat = &self.seats[id];
        let can_work = matches!(seat.state, State::Starting | State::Up);
        if can_work && seat.tasks.is_empty() && !self.idle.contains(&id) {
            self.idle.push(id);
        }
    }

    fn exited(
        &mut self,
        id: SeatId,
        begun: usize,
        misborn: Option<String>,
        now: &Clock,
        actions: &mut VecDeque<Action<T>>,
    ) {
        let seat = &mut self.seats[id];
        let was = std::mem::replace(&mut seat.state, State::Vacant);
        let verdict = seat.verdict.take();
        self.idle.retain(|idle| *idle != id);
        // Those that had not begun go back to the head of the queue. Of those that had, the first is lost
        // for the reason that the worker was killed for, if it was; it may be tried again otherwise, and
        // so may one that was begun after an answer that came too late.
        while seat.tasks.len() > begun {
            if let Some(task) = seat.tasks.pop_back() {
                self.queue.push_front(task);
            }
        }
        let mut verdict = verdict;
        let mut again = VecDeque::new();
        while let Some(mut task) = seat.tasks.pop_front() {
            match verdict.take() {
                Some(why) => actions.push_back(Action::Fail(task, why)),
                None if task.try_again() => again.push_front(task),
                None => actions.push_back(Action::Fail(task, Why::WorkerDied(id))),
            }
        }
        let proven = seat.proven || begun > 0;
        again.into_iter().for_each(|task| self.queue.push_front(task));
        if was == State::Starting && !proven {
            self.misbirths += 1;
            let few = self.misbirths < MISBIRTHS + self.seats.len();
            if (misborn.is_some() || !few) && self.phase != Phase::Terminating {
                let why = misborn.filter(|why| !why.is_empty()).map(|why| format!(": {why}"));
                let text = format!("its workers die as they start{}", why.unwrap_or_default());
                self.break_down(text, actions);
            }
        }
        let needed = match self.phase {
            Phase::Running => true,
            Phase::Closing => self.has_work() && self.seats.iter().all(Seat::is_empty),
            Phase::Terminating => false,
        };
        match self.broken.clone() {
            None if needed => actions.push_back(Action::Spawn(id)),
            // Nobody is left who could do what is queued.
            Some(why) if self.seats.iter().all(Seat::is_empty) => {
                self.fail_queue(&Why::Broken(why), actions);
            }
            _ => {}
        }
        self.dispatch(now, actions);
    }

    fn tick(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        self.any_waiting = false;
        for id in 0..self.seats.len() {
            let seat = &self.seats[id];
            let limit = seat.tasks.front().and_then(Ticket::timeout);
            // A worker that is not up has begun nothing.
            if let (State::Up, Some(limit)) = (seat.state, limit)
                && now.read().saturating_duration_since(seat.since) >= limit
            {
                self.kill(id, Some(Why::TimedOut(id, limit)), actions);
            }
            let phase = self.phase;
            let seat = &mut self.seats[id];
            if seat.due(phase).is_some_and(|after| now.read().saturating_duration_since(seat.since) >= after)
            {
                match seat.state {
                    State::Waiting => {
                        seat.state = State::Vacant;
                        actions.push_back(Action::Spawn(id));
                        continue;
                    }
                    _ => self.kill(id, None, actions),
                }
            }
            self.any_waiting |= self.seats[id].state == State::Waiting;
        }
        self.take_from_behind_long_tasks(now, actions);
    }

    /// When to be told the time again, if nothing happens before.
    pub(crate) fn next_tick(&self) -> Option<Instant> {
        let idle = !self.idle.is_empty() && self.depth() > 1;
        if !idle && !self.any_timed && !self.any_waiting && self.phase == Phase::Running {
            return None;
        }
        let stale = self.stale_after();
        let of_seat = |seat: &Seat<T>| {
            let timeout = seat.tasks.front().and_then(Ticket::timeout).filter(|_| seat.state == State::Up);
            let behind = (idle && seat.tasks.len() > 1).then_some(stale);
            let after = [timeout, behind, seat.due(self.phase)].into_iter().flatten().min()?;
            seat.since.checked_add(after)
        };
        self.seats.iter().filter_map(of_seat).min()
    }

    fn kill(&mut self, id: SeatId, verdict: Option<Why>, actions: &mut VecDeque<Action<T>>) {
        let seat = &mut self.seats[id];
        if seat.is_empty() || seat.state == State::Dying {
            return;
        }
        seat.state = State::Dying;
        seat.verdict = verdict;
        self.idle.retain(|idle| *idle != id);
        actions.push_back(Action::Kill(id));
    }

    fn dismiss_idle(&mut self, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        if self.phase != Phase::Closing || !self.queue.is_empty() {
            return;
        }
        let seats = &mut self.seats;
        self.idle.retain(|id| {
            let up = seats[*id].state == State::Up;
            if up {
                seats[*id].state = State::Leaving;
                seats[*id].since = now.read();
                actions.push_back(Action::Dismiss(*id));
            }
            !up
        });
    }

    fn terminate(&mut self, actions: &mut VecDeque<Action<T>>) {
        self.phase = Phase::Terminating;
        self.fail_queue(&Why::Terminated, actions);
        for id in 0..self.seats.len() {
            let tasks = std::mem::take(&mut self.seats[id].tasks);
            actions.extend(tasks.into_iter().map(|task| Action::Fail(task, Why::Terminated)));
            self.kill(id, None, actions);
        }
    }

    /// No worker is started any more. Those that live go on with what is queued.
    fn break_down(&mut self, why: String, actions: &mut VecDeque<Action<T>>) {
        let why = self.broken.get_or_insert(why).clone();
        if self.seats.iter().all(Seat::is_empty) {
            self.fail_queue(&Why::Broken(why), actions);
        }
    }

    fn fail_queue(&mut self, why: &Why, actions: &mut VecDeque<Action<T>>) {
        actions.extend(self.queue.drain(..).map(|task| Action::Fail(task, why.clone())));
    }

    fn refusal(&self) -> Option<Why> {
        match (self.phase, &self.broken) {
            (Phase::Terminating, _) => Some(Why::Terminated),
            (Phase::Closing, _) => Some(Why::Closed),
            // A broken pool whose last workers still live goes on with them.
            (Phase::Running, Some(why)) if self.seats.iter().all(Seat::is_empty) => {
                Some(Why::Broken(why.clone()))
            }
            (Phase::Running, _) => None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether a task is in the queue or in a lane.
    pub(crate) fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.seats.iter().any(|seat| !seat.tasks.is_empty())
    }

    pub(crate) fn has_queue(&self) -> bool {
        !self.queue.is_empty()
    }

    /// The pool has ended: it takes no more, and there is no worker.
    pub(crate) fn is_over(&self) -> bool {
        self.phase != Phase::Running && self.seats.iter().all(Seat::is_empty)
    }

    /// Whether replies of this seat are of use to anybody.
    pub(crate) fn listens_to(&self, id: SeatId) -> bool {
        self.seats[id].state != State::Dying
    }

    /// What is in a lane, oldest first.
    pub(crate) fn tasks(&mut self, id: SeatId) -> &mut VecDeque<T> {
        &mut self.seats[id].tasks
    }

    /// What is in no lane, oldest first.
    pub(crate) fn queue(&mut self) -> &mut VecDeque<T> {
        &mut self.queue
    }

    /// Whether a task with a time limit may be in a lane.
    pub(crate) fn is_timed(&self) -> bool {
        self.any_timed
    }
}
