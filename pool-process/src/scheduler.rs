//! Who does what next: plain code that is told what happened and answers what to do.
//!
//! It touches no process and no memory of a lane; the [`hub`](crate::hub) performs its actions and gives it
//! the [`Clock`]. So it can be tested with any sequence of events.
//!
//! **Seats.** A seat is a worker's place in the pool; the first `size` of them are wanted.
//!
//! | state        | meaning                                                 | left by                             |
//! |--------------|----------------------------------------------------------|--------------------------------------|
//! | Vacant       | no process, none wanted now                             | `Spawn`                             |
//! | Coming       | one was asked for                                       | `Born`, `BirthFailed`               |
//! | Waiting      | none could be started; tried again later                | `Tick`                              |
//! | Initializing | a process that has to run the initializer; has no task  | `Initialized`, `Kill`, `Exited`     |
//! | Starting     | a process that is not ready yet; it may have tasks      | `Ready`, `Kill`, `Exited`           |
//! | Up           | a worker                                                | `Dismiss`, `Release`, `Kill`, `Exited` |
//! | Dying        | killed                                                  | `Exited`                            |
//!
//! A worker that is told to leave (`Dismiss`) has nothing to do, and gives up its seat at once: from then
//! on it is a *leaver*, known by a number, and another can be started in its place while it runs its exit
//! handlers. So does one of which it is seen that it dies with nothing in hand (`Release`): the system needs a
//! while to end it.
//!
//! **Phases.** Running → Closing → Terminating, never back. A pool in any phase can be broken besides.
//!
//! **How many tasks a lane gets.** One, while nothing is known of how long a task takes or it takes
//! long: what waits then waits in the queue, where any worker that is free can have it. When tasks are
//! short, a lane is filled for about [`AHEAD`](dispatch::AHEAD) of work, so that neither side waits for the
//! other; tasks that turn out to wait behind a long one are taken back, and so are those that wait in one lane when
//! another worker has nothing to do. A worker that may do `n` tasks is never given more than `n`.

mod crew;
mod dispatch;
#[cfg(test)]
mod model;
mod seat;
#[cfg(test)]
mod tests;
mod time;

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use crate::clock::Clock;
use dispatch::Batch;
use seat::{Seat, State};

/// What the scheduler needs to know of a task.
pub(crate) trait Ticket {
    /// How long it may run.
    fn timeout(&self) -> Option<Duration>;
    /// Uses up one of the tries that are left; `false` when none is.
    fn try_again(&mut self) -> bool;
    /// Whether it is to be tried again after a panic too.
    fn retries_panics(&self) -> bool;
    /// Whether its result is still wanted.
    fn wanted(&self) -> bool;
    /// Whether nothing goes along with it besides its bytes.
    fn is_light(&self) -> bool;
}

pub(crate) type SeatId = usize;

/// What was asked for when the pool was built.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Workers have something to do before their first task.
    pub(crate) initializes: bool,
    /// How long that may take, from the birth.
    pub(crate) initializer_timeout: Option<Duration>,
    /// How many tasks a worker may do.
    pub(crate) max_tasks: Option<NonZeroUsize>,
    /// How large a worker may be after a task, in bytes.
    pub(crate) max_memory: Option<u64>,
    /// Broken when more workers than this die in such a period.
    pub(crate) restart_limit: Option<(usize, Duration)>,
    /// A worker with nothing to do for so long leaves.
    pub(crate) idle_timeout: Option<Duration>,
}

/// What happened, but for a task that came and one that was answered: see [`Scheduler::submitted`] and
/// [`Scheduler::replied`].
#[derive(Debug)]
pub(crate) enum Event {
    /// A worker process was started on a seat.
    Born(SeatId),
    /// None could be.
    BirthFailed(SeatId, String),
    /// The worker said that it is ready, or its first reply is there and about to be taken in.
    Ready(SeatId),
    /// The worker answered what it was to do first; or why that failed.
    Initialized(SeatId, Result<(), String>),
    /// What it answered makes no sense.
    Nonsense(SeatId, String),
    /// The worker process ended (`how`), and every reply of it that anybody listens to was told before. It
    /// had begun the `begun` oldest requests left.
    Exited { seat: SeatId, begun: usize, misborn: bool, how: String },
    /// The worker is about to end, with nothing in hand. What is in its lane is to be sent anew.
    Ending(SeatId),
    /// A leaver ended; `died`: otherwise than by being told to, and how.
    Left { number: u64, died: Option<String> },
    /// The newest `count` tasks of a lane came back; `kept` are in it still.
    TakenBack { seat: SeatId, kept: usize, count: usize },
    /// A task could not be put into its lane, which has `kept`.
    Unsendable { seat: SeatId, kept: usize, why: String },
    /// Nobody wants some task of this lane any more; `in_hand`: it is the oldest, and has begun.
    Forgotten { seat: SeatId, in_hand: bool },
    /// Time passed.
    Tick,
    /// So many workers are wanted from now on.
    Resize(usize),
    /// No more tasks will come.
    Close,
    /// The same, and those that have not begun are not to begin.
    CancelQueued,
    /// Everything is to end.
    Terminate,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<T> {
    /// Put the oldest task of this seat that is not in its lane there.
    Send(SeatId),
    /// Put what every worker does first into the lane.
    Initialize(SeatId),
    /// Take back what the worker has not begun, and say how much that was.
    TakeBack(SeatId),
    /// Start a worker on this seat.
    Spawn(SeatId),
    /// Kill it.
    Kill(SeatId),
    /// Tell it to leave. It has left its seat and is the leaver of this number.
    Dismiss(SeatId, u64),
    /// It ends, and has left its seat: it is the leaver of this number.
    Release(SeatId, u64),
    /// Kill a leaver.
    KillLeaver(u64),
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
    /// The pool cannot do anything any more.
    Broken(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    Closing,
    Terminating,
}

#[derive(Debug)]
pub(crate) struct Scheduler<T> {
    policy: Policy,
    /// How many workers are wanted: on the seats below this number.
    size: usize,
    seats: Vec<Seat<T>>,
    /// Oldest first: what is in no lane.
    queue: VecDeque<T>,
    /// Seats that can work and have nothing to do, the one that worked last on top: it is still warm.
    idle: Vec<SeatId>,
    /// Workers that have left their seats and have not ended: number, and since when.
    leavers: Vec<(u64, Instant)>,
    next_leaver: u64,
    phase: Phase,
    /// In the phase Closing: nothing is begun any more.
    cancelling: bool,
    broken: Option<String>,
    /// Workers in a row that were never ready, and births in a row that failed with nobody alive.
    misbirths: usize,
    /// When workers died, of late.
    deaths: VecDeque<Instant>,
    /// Moving average of how long a task takes.
    usual: Option<Duration>,
    /// The last task that was timed, and those that were taken in with it.
    batch: Option<Batch>,
    /// How many tasks were given to workers that had nothing to do.
    given: u32,
    /// Where to look first for a lane with room.
    cursor: SeatId,
    stale_checked: Instant,
    /// A task with a time limit came since there was last nothing to do.
    any_timed: bool,
    /// Some seat or leaver may not stay as it is for ever.
    restless: bool,
}

impl<T: Ticket> Scheduler<T> {
    /// A pool whose first workers have been asked for.
    pub(crate) fn new(policy: Policy, workers: usize, now: Instant) -> Scheduler<T> {
        Scheduler {
            policy,
            size: workers,
            seats: (0..workers).map(|_| Seat::new(State::Coming, now)).collect(),
            queue: VecDeque::new(),
            idle: Vec::new(),
            leavers: Vec::new(),
            next_leaver: 0,
            phase: Phase::Running,
            cancelling: false,
            broken: None,
            misbirths: 0,
            deaths: VecDeque::new(),
            usual: None,
            batch: None,
            given: 0,
            cursor: 0,
            stale_checked: now,
            any_timed: false,
            restless: false,
        }
    }

    /// Takes in what happened; appends what to do.
    pub(crate) fn handle(&mut self, event: Event, now: &Clock, actions: &mut VecDeque<Action<T>>) {
        match event {
            Event::Born(seat) => self.born(seat, now, actions),
            Event::BirthFailed(seat, why) => self.birth_failed(seat, why, now, actions),
            Event::Ready(seat) => self.ready(seat, now, actions),
            Event::Initialized(seat, outcome) => self.initialized(seat, outcome, now, actions),
            Event::Nonsense(seat, text) => self.kill(seat, Some(Why::Nonsense(seat, text)), actions),
            Event::Unsendable { seat, kept, why } => {
                if let Some(task) = self.seats[seat].tasks.remove(kept) {
                    actions.push_back(Action::Fail(task, Why::Unsendable(why)));
                }
                self.task_left(seat, now, actions);
                self.dispatch(now, actions);
            }
            Event::Exited { seat, begun, misborn, how } => {
                self.exited(seat, begun, misborn, &how, now, actions);
            }
            Event::Ending(seat) => self.ending(seat, now, actions),
            Event::Left { number, died } => {
                self.leavers.retain(|(leaver, _)| *leaver != number);
                if let Some(how) = died {
                    self.count_death(now, &how, actions);
                }
                self.staff(actions);
            }
            Event::TakenBack { seat, kept, count } => {
                self.take_back(seat, kept, count, now, actions);
                self.cancel_queue(actions);
                // What came back may want workers that were not needed before. Some of it may go back to where it
                // was, until they are there.
                self.staff(actions);
                self.dispatch(now, actions);
            }
            Event::Forgotten { seat, in_hand: true } => self.kill(seat, Some(Why::Cancelled), actions),
            Event::Forgotten { seat, in_hand: false } => actions.push_back(Action::TakeBack(seat)),
            Event::Tick => self.tick(now, actions),
            Event::Resize(size) => self.resize(size, now, actions),
            Event::Close => {
                self.phase = self.phase.max(Phase::Closing);
                self.dismiss_idle(now, actions);
                self.staff(actions);
            }
            Event::CancelQueued => {
                self.phase = self.phase.max(Phase::Closing);
                self.cancelling = true;
                self.cancel_queue(actions);
                // Elsewhere are no tasks: an initializer may be in the lane, or what has ended for the pool.
                let seats = (0..self.seats.len()).filter(|id| !self.seats[*id].tasks.is_empty());
                actions.extend(seats.map(Action::TakeBack));
                self.dismiss_idle(now, actions);
            }
            Event::Terminate => self.terminate(actions),
        }
        self.restless = !self.leavers.is_empty() || self.seats.iter().any(Seat::is_restless);
    }

    /// Of a pool in which nothing is begun any more: ends what came back.
    fn cancel_queue(&mut self, actions: &mut VecDeque<Action<T>>) {
        if self.cancelling {
            actions.extend(self.queue.drain(..).map(|task| Action::Fail(task, Why::Cancelled)));
        }
    }

    fn terminate(&mut self, actions: &mut VecDeque<Action<T>>) {
        self.phase = Phase::Terminating;
        self.end_all(&Why::Terminated, actions);
    }

    /// For good: every task in hand ends, and every worker.
    fn break_down(&mut self, why: String, actions: &mut VecDeque<Action<T>>) {
        if self.broken.is_none() && self.phase != Phase::Terminating {
            self.broken = Some(why.clone());
            self.end_all(&Why::Broken(why), actions);
        }
    }

    fn end_all(&mut self, why: &Why, actions: &mut VecDeque<Action<T>>) {
        actions.extend(self.queue.drain(..).map(|task| Action::Fail(task, why.clone())));
        for id in 0..self.seats.len() {
            let tasks = std::mem::take(&mut self.seats[id].tasks);
            actions.extend(tasks.into_iter().map(|task| Action::Fail(task, why.clone())));
            self.kill(id, None, actions);
        }
    }

    /// Everything has to end; nothing is begun any more.
    fn is_ending(&self) -> bool {
        self.phase == Phase::Terminating || self.broken.is_some()
    }

    /// Why no task is taken, if none is. A broken pool says so whatever its phase is.
    pub(crate) fn refusal(&self) -> Option<Why> {
        match (&self.broken, self.phase) {
            (Some(why), _) => Some(Why::Broken(why.clone())),
            (None, Phase::Terminating) => Some(Why::Terminated),
            (None, Phase::Closing) => Some(Why::Closed),
            (None, Phase::Running) => None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// How many workers are wanted.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether somebody has to hear of replies although no task is in a lane.
    pub(crate) fn is_initializing(&self) -> bool {
        self.restless && self.seats.iter().any(|seat| seat.state == State::Initializing)
    }

    /// Whether the sizes of workers matter.
    pub(crate) fn asks_for_sizes(&self) -> bool {
        self.policy.max_memory.is_some()
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
        self.phase != Phase::Running
            && (self.queue.is_empty() || self.is_ending())
            && self.leavers.is_empty()
            && self.seats.iter().all(Seat::is_empty)
    }

    /// Whether some worker that was asked for has not said yet that it is ready.
    pub(crate) fn is_starting(&self) -> bool {
        let starts = |seat: &Seat<T>| match seat.state {
            State::Coming => true,
            State::Initializing | State::Starting => !seat.ready,
            State::Vacant | State::Waiting | State::Up | State::Dying => false,
        };
        self.seats.iter().any(starts)
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
