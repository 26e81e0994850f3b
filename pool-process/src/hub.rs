//! The pool's state under its one lock, and the performance of what the scheduler decides.
//!
//! Nothing in here runs the user's code: outcomes are collected, and delivered when the lock is released
//! ([`crate::shared`]).
//!
//! **Who takes replies in.** Whoever holds the lock does. Between times somebody has to be told that
//! there are some; [`Listening`](crate::listening::Listening) says who, and `arm` sees to it.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use pool_core::luggage::Luggage;
use pool_core::work::{self, End, Payload, Short, Task};
use pool_core::{EncodedInitializer, Error, ErrorKind, Exit, Worker};
use pool_ipc::bell::MOST_ENDS;
use pool_ipc::birth::MISBORN;
use pool_ipc::child::Ended;
use pool_ipc::lane::{End as WorkersEnd, NO_ROOM, Output, REFUSED, Reply, Tell};

use crate::clock::Clock;
use crate::listening::{Listener, Listening};
use crate::post::Post;
use crate::scheduler::{Action, Event, Phase, Policy, Scheduler, SeatId, Why};
use crate::ticket::Ticket;

/// Tasks and what ends them, to be delivered without the lock. Mostly there is one, which has a place of its own.
#[derive(Default)]
pub(crate) struct Outcomes {
    pub(crate) first: Option<(Task, End)>,
    pub(crate) more: Vec<(Task, End)>,
}

impl Outcomes {
    #[inline]
    fn push(&mut self, task: Task, end: End) {
        match self.first {
            None => self.first = Some((task, end)),
            Some(_) => self.more.push((task, end)),
        }
    }
}

pub(crate) struct Hub {
    pub(crate) scheduler: Scheduler<Ticket>,
    /// By seat.
    pub(crate) posts: Vec<Option<Post>>,
    /// Workers that have left their seats, by the scheduler's number for them.
    pub(crate) leavers: Vec<(u64, Post)>,
    /// What every worker does first.
    initializer: Option<EncodedInitializer>,
    /// Births and ends that somebody wants to hear of; `None`: nobody does.
    pub(crate) news: Option<Vec<News>>,
    /// Somebody who does not wait is interested in results: a future or a callback.
    pub(crate) attended: bool,
    /// Seats on which the supervisor is to start a worker.
    pub(crate) births: Vec<SeatId>,
    /// Births that others have taken on.
    pub(crate) under_way: usize,
    /// Workers that have ended and were dealt with: what is left of them goes when the next ones are on their way.
    pub(crate) remains: Vec<Post>,
    /// Until when the supervisor sleeps, if nothing wakes it.
    pub(crate) planned: Option<Instant>,
    /// The supervisor looks again soon, whatever happens.
    pub(crate) looks_again: bool,
    /// A lane holds memory that a burst left behind, and the supervisor does not know it yet.
    pub(crate) has_spare: bool,
    /// The leader that sleeps is told of each result, and not of several at a time.
    pub(crate) tells_of_each: bool,
    /// Whom the lanes were last asked to tell.
    armed: Option<Tell>,
    /// Empty between visits.
    pub(crate) outcomes: Outcomes,
    /// Empty between events.
    actions: VecDeque<Action<Ticket>>,
    /// The worker whose death is being dealt with.
    dead: Option<(Worker, Exit)>,
    submissions: u32,
}

/// What became of a worker.
#[derive(Debug)]
pub(crate) enum News {
    Started(Worker),
    Ended(Worker, Exit),
}

impl Hub {
    pub(crate) fn new(
        workers: usize,
        mut policy: Policy,
        initializer: Option<EncodedInitializer>,
        tells_news: bool,
    ) -> Hub {
        policy.initializes = initializer.is_some();
        Hub {
            scheduler: Scheduler::new(policy, workers, Instant::now()),
            posts: (0..workers).map(|_| None).collect(),
            leavers: Vec::new(),
            initializer,
            news: tells_news.then(Vec::new),
            attended: false,
            births: Vec::new(),
            under_way: 0,
            remains: Vec::new(),
            planned: None,
            looks_again: false,
            has_spare: false,
            tells_of_each: false,
            armed: None,
            outcomes: Outcomes::default(),
            actions: VecDeque::new(),
            dead: None,
            submissions: 0,
        }
    }

    pub(crate) fn submit(&mut self, ticket: Ticket, now: &Clock) {
        if let Some(seat) = self.scheduler.submitted(ticket, now, &mut self.actions) {
            self.send(seat, now);
        }
        self.act(now);
        // With more than the lanes hold, a caller that goes on submitting keeps them filled.
        self.submissions = self.submissions.wrapping_add(1);
        if self.scheduler.has_queue() && self.submissions.is_multiple_of(8) {
            self.take_in(now);
        }
    }

    /// Has the scheduler decide, and performs what it decides.
    pub(crate) fn handle(&mut self, event: Event, now: &Clock) {
        self.scheduler.handle(event, now, &mut self.actions);
        self.act(now);
    }

    #[inline]
    fn act(&mut self, now: &Clock) {
        while let Some(action) = self.actions.pop_front() {
            self.perform(action, now);
        }
    }

    fn perform(&mut self, action: Action<Ticket>, now: &Clock) {
        match action {
            Action::Send(seat) => self.send(seat, now),
            Action::TakeBack(seat) => {
                let Some(post) = &mut self.posts[seat] else { return };
                let returned = post.take_back();
                let (kept, count) = (post.lane.outstanding(), returned.len());
                for (ticket, returned) in self.scheduler.tasks(seat).iter_mut().skip(kept).zip(returned) {
                    post.discard(ticket);
                    ticket.input = returned.input.ok().map(payload_of);
                }
                if count > 0 {
                    self.scheduler.handle(Event::TakenBack { seat, kept, count }, now, &mut self.actions);
                }
            }
            Action::Spawn(seat) => self.births.push(seat),
            Action::Kill(seat) => {
                if let Some(post) = &self.posts[seat] {
                    post.child.kill();
                }
            }
            Action::Dismiss(seat, number) => {
                if let Some(post) = self.posts[seat].take() {
                    post.dismiss();
                    self.leavers.push((number, post));
                }
            }
            Action::Release(seat, number) => {
                // Should it go on all the same, it is killed as any leaver that takes too long.
                if let Some(post) = self.posts[seat].take() {
                    self.leavers.push((number, post));
                }
            }
            Action::KillLeaver(number) => {
                if let Some((_, post)) = self.leavers.iter().find(|(leaver, _)| *leaver == number) {
                    post.child.kill();
                }
            }
            Action::Initialize(seat) => {
                if let (Some(post), Some(initializer)) = (&mut self.posts[seat], &self.initializer)
                    && let Err(error) = post.initialize(initializer)
                {
                    let event = Event::Initialized(seat, Err(format!("it cannot be sent: {error}")));
                    self.scheduler.handle(event, now, &mut self.actions);
                }
            }
            Action::Fail(ticket, why) => {
                let error = self.error_of(why);
                self.outcomes.push(ticket.task, End::Failed(error));
            }
        }
    }

    /// Puts the oldest task of this seat that is not in its lane there.
    #[inline]
    fn send(&mut self, seat: SeatId, now: &Clock) {
        let Some(post) = &mut self.posts[seat] else { return };
        let kept = post.lane.outstanding();
        if let Some(ticket) = self.scheduler.tasks(seat).get_mut(kept)
            && let Err(error) = post.send(ticket)
        {
            let event = Event::Unsendable { seat, kept, why: error.to_string() };
            self.scheduler.handle(event, now, &mut self.actions);
        }
    }

    /// Takes in every reply that is there.
    pub(crate) fn take_in(&mut self, now: &Clock) {
        for seat in 0..self.posts.len() {
            self.take_in_from(seat, now);
            if self.posts[seat].as_ref().is_some_and(Post::is_ending) {
                self.ending(seat, now);
            }
        }
    }

    /// A worker ends, and its process has not ended yet: that takes as long as a birth. If it had nothing in hand,
    /// the next one need not wait. What it had in hand needs to know how it ended.
    #[cold]
    fn ending(&mut self, seat: SeatId, now: &Clock) {
        self.take_in_from(seat, now);
        let Some(post) = &mut self.posts[seat] else { return };
        post.forsaken = true;
        if post.ready && post.lane.in_hand() == 0 {
            self.read_back(seat);
            self.handle(Event::Ending(seat), now);
        }
    }

    /// The tasks of a worker that is gone are as they were before they were sent.
    fn read_back(&mut self, seat: SeatId) {
        let Some(post) = &mut self.posts[seat] else { return };
        let tickets = self.scheduler.tasks(seat);
        for (ticket, left) in tickets.iter_mut().zip(post.lane.left_over()) {
            ticket.input = left.input.ok().map(payload_of);
        }
    }

    fn take_in_from(&mut self, seat: SeatId, now: &Clock) {
        // Before the first is taken in: then the scheduler has as many tasks for this worker as its lane.
        if self.posts[seat].as_ref().is_some_and(|post| !post.ready && post.lane.has_reply()) {
            self.ready(seat, now);
            self.scheduler.began_unseen(seat);
        }
        while let Some(post) = &mut self.posts[seat]
            && post.lane.has_reply()
            && self.scheduler.listens_to(seat)
            && let Some(received) = post.lane.receive()
        {
            post.changed = true;
            self.has_spare |= post.lane.has_spare_memory();
            match received {
                Ok(reply) if std::mem::take(&mut post.initializing) => {
                    let outcome = initialized(reply, post.worker());
                    self.handle(Event::Initialized(seat, outcome), now);
                }
                Ok(reply) => {
                    let panicked = work::has_panicked(reply.status);
                    let size = match self.scheduler.asks_for_sizes() {
                        // Of one that is gone nobody can tell, nor need to.
                        true => post.child.resident_bytes().ok(),
                        false => None,
                    };
                    let luggage = reply.accompanied.then(|| post.came_along());
                    if let Some(ticket) = self.scheduler.replied(seat, panicked, size, now, &mut self.actions)
                    {
                        // A plain value needs no author.
                        let worker = (reply.status != 0).then(|| Box::new(post.worker()));
                        self.outcomes.push(ticket.task, end_of(reply, luggage, worker));
                    }
                    self.act(now);
                }
                Err(error) => self.handle(Event::Nonsense(seat, error.0.to_string()), now),
            }
        }
    }

    /// The worker on this seat, or its first reply, says that it is ready.
    pub(crate) fn ready(&mut self, seat: SeatId, now: &Clock) {
        if let Some(post) = &mut self.posts[seat]
            && !std::mem::replace(&mut post.ready, true)
        {
            self.handle(Event::Ready(seat), now);
        }
    }

    /// Whether a visit would find something to do: replies, or requests that are held back.
    pub(crate) fn is_worth_a_visit(&self) -> bool {
        let worth = |post: &Post| post.lane.has_reply() || post.lane.is_holding_back() || post.is_ending();
        self.posts.iter().flatten().any(worth)
    }

    /// A worker has ended.
    pub(crate) fn exited(&mut self, seat: SeatId, ended: Ended, now: &Clock) {
        self.take_in_from(seat, now);
        self.read_back(seat);
        let Some(post) = self.posts[seat].take() else { return };
        let begun = post.lane.in_hand();
        let exit = exit_of(ended, &post);
        let worker = post.worker();
        let misborn = ended == Ended::Code(MISBORN);
        let refusal = if misborn { post.child.refusal() } else { None };
        let how = by_worker(&refusal.unwrap_or_else(|| exit.to_string()), &worker);
        self.tell(|| News::Ended(worker.clone(), exit));
        self.dead = Some((worker, exit));
        self.remains.push(post);
        self.handle(Event::Exited { seat, begun, misborn, how }, now);
        self.dead = None;
    }

    /// A worker that had left its seat has ended.
    pub(crate) fn left(&mut self, number: u64, ended: Ended, now: &Clock) {
        let Some(at) = self.leavers.iter().position(|(leaver, _)| *leaver == number) else { return };
        let (_, post) = self.leavers.swap_remove(at);
        let exit = exit_of(ended, &post);
        let died = post.forsaken.then(|| by_worker(&exit.to_string(), &post.worker()));
        self.tell(|| News::Ended(post.worker(), exit));
        self.remains.push(post);
        self.handle(Event::Left { number, died }, now);
    }

    /// Whether a worker ends of which a thread has not come to its end.
    pub(crate) fn any_half_gone(&self) -> bool {
        self.leavers.iter().any(|(_, post)| post.forsaken && !post.lane.is_deserted())
    }

    /// The ends of workers that a caller's results may depend on, if they are few.
    pub(crate) fn ends(&self) -> [Option<WorkersEnd>; MOST_ENDS] {
        let mut ends = [None; MOST_ENDS];
        let mut busy = self.posts.iter().flatten().filter(|post| post.lane.outstanding() > 0);
        for (place, post) in ends.iter_mut().zip(&mut busy) {
            *place = post.lane.end();
        }
        match busy.next() {
            None => ends,
            Some(_) => [None; MOST_ENDS],
        }
    }

    /// A worker was started.
    pub(crate) fn born(&mut self, seat: SeatId, post: Post, now: &Clock) {
        self.tell(|| News::Started(post.worker()));
        self.posts[seat] = Some(post);
        self.handle(Event::Born(seat), now);
    }

    pub(crate) fn resize(&mut self, workers: usize, now: &Clock) {
        let seats = self.posts.len().max(workers);
        self.posts.resize_with(seats, || None);
        self.handle(Event::Resize(workers), now);
    }

    #[inline]
    pub(crate) fn take_news(&mut self) -> Option<Vec<News>> {
        self.news.as_mut().filter(|news| !news.is_empty()).map(std::mem::take)
    }

    fn tell(&mut self, news: impl FnOnce() -> News) {
        if let Some(all) = &mut self.news {
            all.push(news());
        }
    }

    /// Nothing is begun any more, and every worker is asked to end.
    pub(crate) fn terminate_workers(&mut self, now: &Clock) {
        self.handle(Event::CancelQueued, now);
        self.posts.iter().flatten().for_each(|post| post.child.terminate());
    }

    /// The seat whose lane has this task, if one has.
    fn seat_of(&mut self, task: &Task) -> Option<SeatId> {
        (0..self.posts.len()).find(|seat| self.scheduler.tasks(*seat).iter().any(|ticket| ticket.is_of(task)))
    }

    /// Whether a worker has begun it. One whose reply was taken in is in no lane, and counts as not begun.
    pub(crate) fn has_begun(&mut self, task: &Task) -> bool {
        (0..self.posts.len()).any(|seat| {
            let begun = self.posts[seat].as_ref().map_or(0, |post| post.lane.in_hand());
            self.scheduler.tasks(seat).iter().take(begun).any(|ticket| ticket.is_of(task))
        })
    }

    /// Takes a task back, withheld, that no worker has begun.
    pub(crate) fn withdraw(&mut self, task: &Task, now: &Clock) -> bool {
        let cancelled = || End::Failed(Error::new(ErrorKind::Cancelled, ""));
        // From both ends: whoever withdraws one after the other goes through them from the first or from the
        // last, and finds each at once.
        let queue = self.scheduler.queue();
        let last = queue.len().wrapping_sub(1);
        let both = (0..queue.len().div_ceil(2)).flat_map(|at| [at, last - at]);
        if let Some(at) = both.into_iter().find(|at| queue[*at].is_of(task)) {
            let withheld = task.withhold();
            if withheld && let Some(ticket) = self.scheduler.queue().remove(at) {
                self.outcomes.push(ticket.task, cancelled());
            }
            return withheld;
        }
        let Some(seat) = self.seat_of(task) else { return false };
        if !task.withhold() {
            return false;
        }
        // What has not begun comes back, and this one goes no further, because nobody wants it.
        self.handle(Event::Forgotten { seat, in_hand: false }, now);
        let begun = self.seat_of(task).is_some();
        if begun {
            task.release();
        }
        !begun
    }

    /// Nobody wants this task any more.
    pub(crate) fn forget(&mut self, task: &Task, now: &Clock) {
        let is_it = |ticket: &Ticket| ticket.is_of(task);
        if let Some(at) = self.scheduler.queue().iter().position(is_it) {
            if let Some(ticket) = self.scheduler.queue().remove(at) {
                self.outcomes.push(ticket.task, End::Failed(Error::new(ErrorKind::Cancelled, "")));
            }
            return;
        }
        for seat in 0..self.posts.len() {
            if !self.scheduler.tasks(seat).iter().any(is_it) {
                continue;
            }
            // If it has not begun it comes back, and goes no further.
            self.handle(Event::Forgotten { seat, in_hand: false }, now);
            let in_hand = self.posts[seat].as_ref().is_some_and(|post| post.lane.in_hand() > 0);
            if in_hand && self.scheduler.tasks(seat).front().is_some_and(is_it) {
                self.handle(Event::Forgotten { seat, in_hand: true }, now);
            }
            return;
        }
    }

    /// Before the lock is released: wakes workers that were given something, and sees to it that the
    /// listener is told of what comes.
    ///
    /// `more`: the visitor is likely to come again at once with another task.
    pub(crate) fn settle(&mut self, more: bool, listening: &Listening, now: &Clock) {
        if more {
            self.flush_or_hold();
        } else {
            self.flush();
        }
        while self.arm(listening) {
            self.take_in(now);
            self.flush();
        }
    }

    fn flush(&mut self) {
        for post in self.posts.iter_mut().flatten() {
            post.lane.flush();
        }
    }

    fn flush_or_hold(&mut self) {
        for post in self.posts.iter_mut().flatten() {
            post.lane.flush_or_hold();
        }
    }

    /// Returns whether a reply is there that nobody may be told of any more.
    fn arm(&mut self, listening: &Listening) -> bool {
        let needed = self.needs_the_supervisor();
        listening.set_needed(needed);
        let tell = match listening.listener() {
            Listener::Asleep => Tell::Bell,
            Listener::Nobody if needed => Tell::Alarm,
            Listener::Awake | Listener::Nobody => {
                self.armed = None;
                return false;
            }
        };
        // What was armed and has not changed since still is.
        let all = self.armed.replace(tell) != Some(tell);
        let each = self.scheduler.is_timed() || (self.attended && tell == Tell::Alarm);
        let mut late = false;
        for (seat, post) in self.posts.iter_mut().enumerate() {
            if let Some(post) = post
                && (std::mem::take(&mut post.changed) || all)
                && self.scheduler.listens_to(seat)
            {
                // Before the last of what is there: then there is time to send more before it runs dry.
                let outstanding = post.lane.outstanding();
                let more = match tell {
                    _ if each => 1,
                    Tell::Bell if self.tells_of_each => 1,
                    Tell::Bell => outstanding / 2,
                    Tell::Alarm => outstanding - outstanding / 8,
                };
                late |= post.lane.arm(more, tell);
            }
        }
        late
    }

    /// Without a listener, replies can stay where they are, unless somebody waits for them otherwise or
    /// for the room they take.
    fn needs_the_supervisor(&mut self) -> bool {
        if self.attended && !self.scheduler.has_work() {
            self.attended = false;
        }
        self.attended
            || self.scheduler.has_queue()
            || self.scheduler.is_timed()
            || self.scheduler.phase() != Phase::Running
            || self.scheduler.is_initializing()
    }

    /// Whether the supervisor has to be woken: to start workers, or because it sleeps too long.
    pub(crate) fn must_knock(&mut self, now: &Clock) -> bool {
        // Where tasks wait behind others, and perhaps nobody for their results, a worker may have nothing to do meanwhile.
        let behind = !self.looks_again && self.scheduler.any_behind();
        self.looks_again |= behind;
        let next = self.scheduler.next_tick();
        let sooner = match (next, self.planned) {
            (Some(next), Some(planned)) => next < planned,
            (Some(_), None) => true,
            (None, _) => false,
        };
        // When the process of one that ends has ended the supervisor hears of it, and plans anew: in time for this?
        let hears = || {
            self.leavers.iter().any(|(_, post)| post.forsaken)
                && next.is_some_and(|next| next.saturating_duration_since(now.read()) >= SOON)
        };
        let sooner = sooner && !hears();
        if sooner {
            self.planned = next;
        }
        let spare = std::mem::take(&mut self.has_spare);
        behind || sooner || spare || !self.births.is_empty() || self.is_over()
    }

    /// Nothing is left, and nothing is on its way.
    pub(crate) fn is_over(&self) -> bool {
        self.scheduler.is_over() && self.under_way == 0
    }

    pub(crate) fn has_spare_memory(&self) -> bool {
        self.posts.iter().flatten().any(|post| post.lane.has_spare_memory())
    }

    pub(crate) fn trim(&mut self) {
        self.posts.iter_mut().flatten().for_each(|post| post.lane.trim());
    }

    pub(crate) fn error_of(&self, why: Why) -> Error {
        let worker = |seat: SeatId| match &self.dead {
            Some((worker, _)) => Some(worker.clone()),
            None => self.posts[seat].as_ref().map(Post::worker),
        };
        let about = |error: Error, seat| match worker(seat) {
            Some(worker) => error.with_worker(worker),
            None => error,
        };
        match why {
            Why::WorkerDied(_) => match &self.dead {
                Some((worker, exit)) => Error::worker_died(worker.clone(), *exit),
                None => Error::new(ErrorKind::WorkerDied, ""),
            },
            Why::Nonsense(seat, text) => {
                about(Error::new(ErrorKind::Decode, format!("the worker's reply: {text}")), seat)
            }
            Why::Unsendable(text) => Error::new(ErrorKind::Os, format!("the task cannot be sent: {text}")),
            Why::TimedOut(seat, limit) => about(Error::timed_out(limit), seat),
            Why::Cancelled => Error::new(ErrorKind::Cancelled, ""),
            Why::Closed => Error::new(ErrorKind::Closed, "it takes no more tasks"),
            Why::Terminated => Error::new(ErrorKind::Terminated, ""),
            Why::Broken(text) => Error::new(ErrorKind::Broken, text),
        }
    }
}

fn exit_of(ended: Ended, post: &Post) -> Exit {
    match ended {
        Ended::Code(code) => Exit::Code(code),
        Ended::Signal(number) => Exit::Signal { number, stack_overflow: post.lane.stack_overflowed() },
        Ended::Unknown => Exit::Unknown,
    }
}

/// What the reply to the initializer says: why it failed, if it did.
fn initialized(reply: Reply, worker: Worker) -> Result<(), String> {
    let outcome = match end_of(reply, None, None) {
        End::Failed(error) => Err(error),
        End::Reply { status, output, .. } => EncodedInitializer::outcome(status, output),
    };
    outcome.map_err(|error| error.with_worker(worker).cause())
}

/// `text`, and which worker it is about.
fn by_worker(text: &str, worker: &Worker) -> String {
    match worker.pid {
        Some(pid) => format!("{text} ({}, pid {pid})", worker.name),
        None => format!("{text} ({})", worker.name),
    }
}

fn payload_of(output: Output) -> Payload {
    match output {
        Output::Inline(len, words) => Payload::Inline { len, bytes: Short::from_words(words) },
        Output::Heap(bytes) => Payload::Heap(bytes),
    }
}

fn end_of(reply: Reply, luggage: Option<io::Result<Luggage>>, worker: Option<Box<Worker>>) -> End {
    let output = payload_of(reply.output);
    let text = match reply.status {
        REFUSED => format!("in the worker: {}", String::from_utf8_lossy(output.as_slice())),
        NO_ROOM => "there is not enough memory for the result".to_owned(),
        status => match luggage.transpose() {
            Ok(luggage) => return End::Reply { status, output: output.with(luggage), worker },
            Err(error) => format!("what came along with the result did not arrive: {error}"),
        },
    };
    let error = Error::new(ErrorKind::Os, text);
    End::Failed(match worker {
        Some(worker) => error.with_worker(*worker),
        None => error,
    })
}

/// What is not due for so long is planned by the supervisor when it is awake anyway, soon.
const SOON: Duration = Duration::from_secs(2);
/// How long memory that a burst left behind is kept warm.
pub(crate) const TRIM_AFTER: Duration = Duration::from_secs(5);
