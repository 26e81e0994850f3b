//! The scheduler against a model, by random events: workers that are simulated, and tasks of which nothing
//! is known but that each has to end once.
//!
//! The simulation is the hub and the system in one. It performs actions on lanes that are plain queues, and
//! offers only events that a real hub could: a worker replies to what it has begun, and begins what is in
//! its lane; a killed one ends some time later; what is taken back had not begun.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
struct Job {
    number: usize,
    retries: u32,
    timeout: Option<Duration>,
    panics: bool,
    wanted: Rc<Cell<bool>>,
}

impl Ticket for Job {
    fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
    fn try_again(&mut self) -> bool {
        let left = self.retries.checked_sub(1);
        self.retries = left.unwrap_or(0);
        left.is_some()
    }
    fn retries_panics(&self) -> bool {
        self.panics
    }
    fn wanted(&self) -> bool {
        self.wanted.get()
    }
    fn is_light(&self) -> bool {
        true
    }
}

/// A worker process.
#[derive(Debug, Default)]
struct Worker {
    ready: bool,
    killed: bool,
    /// The initializer is in its lane.
    initializing: bool,
    /// Numbers of tasks, oldest first.
    lane: VecDeque<usize>,
    /// It is in the midst of the oldest request.
    begun: bool,
    /// How many tasks it answered without being heard: for the pool they are in its lane still.
    unheard: usize,
    ran: usize,
}

/// What is known of a task.
#[derive(Debug, Default)]
struct Fate {
    ends: usize,
    runs: usize,
    /// Tries that its worker's death or a panic cost.
    lost: usize,
    retries: u32,
    cancelled: bool,
    wanted: Rc<Cell<bool>>,
}

struct Simulation {
    scheduler: Scheduler<Job>,
    policy: Policy,
    start: Instant,
    now: Duration,
    births: VecDeque<SeatId>,
    workers: Vec<Option<Worker>>,
    leavers: BTreeSet<u64>,
    /// Those of them that were not told to leave.
    dying: BTreeSet<u64>,
    fates: BTreeMap<usize, Fate>,
    actions: VecDeque<Action<Job>>,
    /// The next task to be sent cannot be.
    refuse: bool,
    /// How large workers are after a task.
    size: u64,
    /// Everything has to have ended.
    over: bool,
    /// What had not begun has ended, and nothing begins any more.
    cancelled: bool,
}

impl Simulation {
    fn new(policy: Policy, workers: usize) -> Simulation {
        let start = Instant::now();
        Simulation {
            scheduler: Scheduler::new(policy.clone(), workers, start),
            policy,
            start,
            now: Duration::ZERO,
            births: (0..workers).collect(),
            workers: (0..workers).map(|_| None).collect(),
            leavers: BTreeSet::new(),
            dying: BTreeSet::new(),
            fates: BTreeMap::new(),
            actions: VecDeque::new(),
            refuse: false,
            size: 0,
            over: false,
            cancelled: false,
        }
    }

    fn tell(&mut self, event: Event) {
        self.decide(event);
        self.act();
    }

    fn act(&mut self) {
        while let Some(action) = self.actions.pop_front() {
            self.perform(action);
        }
        if self.over {
            assert!(self.fates.values().all(|fate| fate.ends == 1), "everything has ended: {:?}", self.fates);
        }
    }

    fn decide(&mut self, event: Event) {
        let clock = Clock::at(self.start + self.now);
        self.scheduler.handle(event, &clock, &mut self.actions);
    }

    fn perform(&mut self, action: Action<Job>) {
        match action {
            Action::Spawn(seat) => {
                assert!(seat < self.scheduler.size(), "no more workers than wanted");
                assert!(self.workers[seat].is_none() && !self.births.contains(&seat), "one to a seat");
                assert!(!self.over, "none in a pool that has ended");
                self.births.push_back(seat);
            }
            Action::Send(seat) => {
                let Some(worker) = &mut self.workers[seat] else { panic!("no worker to send to") };
                let kept = worker.lane.len();
                let Some(job) = self.scheduler.seats[seat].tasks.get(kept) else { return };
                assert!(!worker.killed && !worker.initializing, "able to take a task");
                if std::mem::take(&mut self.refuse) {
                    return self.decide(Event::Unsendable { seat, kept, why: "no".into() });
                }
                worker.lane.push_back(job.number);
                assert!(worker.lane.len() <= pool_ipc::lane::CAPACITY);
                let most = self.policy.max_tasks.map_or(usize::MAX, NonZeroUsize::get);
                assert!(worker.ran + worker.lane.len() - usize::from(worker.begun) <= most, "exact");
            }
            Action::Initialize(seat) => {
                let worker = self.workers[seat].as_mut().expect("a worker");
                assert!(worker.lane.is_empty() && !worker.initializing);
                worker.initializing = true;
            }
            Action::TakeBack(seat) => {
                let Some(worker) = &mut self.workers[seat] else { return };
                let begun = usize::from(worker.begun);
                let (kept, count) = (worker.unheard + begun, worker.lane.len() - begun);
                worker.lane.truncate(begun);
                if count > 0 {
                    self.decide(Event::TakenBack { seat, kept, count });
                }
            }
            Action::Kill(seat) => self.workers[seat].as_mut().expect("somebody to kill").killed = true,
            Action::Dismiss(seat, number) => {
                let worker = self.workers[seat].take().expect("somebody to dismiss");
                assert!(worker.ready && worker.lane.is_empty() && !worker.initializing && !worker.killed);
                assert!(self.leavers.insert(number), "a number of its own");
            }
            Action::Release(seat, number) => {
                let worker = self.workers[seat].take().expect("somebody to release");
                assert!(worker.killed && !worker.begun);
                assert!(self.leavers.insert(number), "a number of its own");
                self.dying.insert(number);
            }
            Action::KillLeaver(number) => assert!(self.leavers.contains(&number)),
            Action::Fail(job, _) => self.end(&job),
        }
    }

    fn end(&mut self, job: &Job) {
        let fate = self.fates.get_mut(&job.number).expect("a task that was given");
        fate.ends += 1;
        assert_eq!(fate.ends, 1, "task {} ends once", job.number);
    }

    fn submit(&mut self, retries: u32, timeout: Option<Duration>, panics: bool) {
        let number = self.fates.len();
        let wanted = Rc::new(Cell::new(true));
        self.fates.insert(number, Fate { retries, wanted: wanted.clone(), ..Fate::default() });
        let clock = Clock::at(self.start + self.now);
        let job = Job { number, retries, timeout, panics, wanted };
        if let Some(seat) = self.scheduler.submitted(job, &clock, &mut self.actions) {
            self.perform(Action::Send(seat));
        }
        self.act();
    }

    /// As the hub does it.
    fn forget(&mut self, number: usize) {
        match self.fates.get_mut(&number) {
            Some(fate) if fate.ends == 0 && !fate.cancelled => {
                fate.cancelled = true;
                fate.wanted.set(false);
            }
            _ => return,
        }
        let is_it = |job: &Job| job.number == number;
        if let Some(at) = self.scheduler.queue().iter().position(is_it) {
            self.scheduler.queue().remove(at);
            self.fates.get_mut(&number).expect("it").ends += 1;
            return;
        }
        for seat in 0..self.workers.len() {
            if self.scheduler.tasks(seat).iter().any(is_it) {
                self.tell(Event::Forgotten { seat, in_hand: false });
                let in_hand =
                    self.workers[seat].as_ref().is_some_and(|worker| worker.begun || worker.unheard > 0);
                if in_hand && self.scheduler.tasks(seat).front().is_some_and(is_it) {
                    self.tell(Event::Forgotten { seat, in_hand: true });
                }
                return;
            }
        }
    }

    fn cancel_queued(&mut self) {
        self.tell(Event::CancelQueued);
        self.cancelled = true;
        let mut in_hand = BTreeSet::new();
        for (seat, worker) in self.workers.iter().enumerate() {
            let begun = worker.as_ref().map_or(0, |worker| usize::from(worker.begun) + worker.unheard);
            in_hand.extend(self.scheduler.tasks(seat).iter().take(begun).map(|job| job.number));
        }
        let ended = |(number, fate): (&usize, &Fate)| fate.ends == 1 || in_hand.contains(number);
        assert!(self.fates.iter().all(ended), "what had not begun has ended: {:?}", self.fates);
    }

    fn birth(&mut self, succeeds: bool) -> bool {
        let Some(seat) = self.births.pop_front() else { return false };
        if succeeds {
            self.workers[seat] = Some(Worker::default());
            self.tell(Event::Born(seat));
        } else {
            self.tell(Event::BirthFailed(seat, "no process".into()));
            self.over |= self.scheduler.broken.is_some();
        }
        true
    }

    fn greet(&mut self, seat: SeatId) -> bool {
        match &mut self.workers[seat] {
            Some(worker) if !worker.ready && !worker.killed => worker.ready = true,
            _ => return false,
        }
        self.tell(Event::Ready(seat));
        true
    }

    /// The worker goes one step: it begins what is next in its lane, or answers what it has begun.
    fn step(&mut self, seat: SeatId, succeeds: bool) -> bool {
        let busy: Vec<usize> = self.begun().collect();
        let Some(worker) = &mut self.workers[seat] else { return false };
        if !worker.begun {
            worker.begun = worker.initializing || !worker.lane.is_empty();
            if let (true, false, Some(number)) = (worker.begun, worker.initializing, worker.lane.front()) {
                worker.ran += 1;
                assert!(self.policy.max_tasks.is_none_or(|most| worker.ran <= most.get()), "exact");
                assert!(
                    worker.killed || !self.cancelled,
                    "nothing begins once what had not begun was cancelled"
                );
                let fate = self.fates.get_mut(number).expect("a task that was given");
                assert!(!busy.contains(number), "task {number} is run by two at once");
                fate.runs += 1;
                assert!(fate.runs <= 1 + fate.lost, "task {number} is run again for no reason");
                assert!(fate.runs <= 1 + fate.retries as usize, "as often as asked");
            }
            return worker.begun;
        }
        worker.begun = false;
        if std::mem::take(&mut worker.initializing) {
            if self.scheduler.listens_to(seat) {
                let outcome = if succeeds { Ok(()) } else { Err("it panicked".to_owned()) };
                self.over |= !succeeds && self.scheduler.phase() != Phase::Terminating;
                self.tell(Event::Initialized(seat, outcome));
            }
            return true;
        }
        let number = worker.lane.pop_front().expect("what it has begun");
        // A killed worker may go on for a moment, unheard.
        let heard = self.scheduler.listens_to(seat);
        worker.unheard += usize::from(!heard);
        if !succeeds || !heard {
            self.fates.get_mut(&number).expect("it").lost += 1;
        }
        if heard {
            let size = self.policy.max_memory.map(|_| self.size);
            let clock = Clock::at(self.start + self.now);
            if let Some(job) = self.scheduler.replied(seat, !succeeds, size, &clock, &mut self.actions) {
                self.end(&job);
            }
            self.act();
        }
        true
    }

    /// What is being run somewhere, by a worker that is to be heard.
    fn begun(&self) -> impl Iterator<Item = usize> {
        let begun = |worker: &Worker| (worker.begun && !worker.killed).then(|| worker.lane.front().copied());
        self.workers.iter().flatten().filter_map(begun).flatten()
    }

    /// Whether the worker of this seat can say something that is taken for a reply.
    fn is_heard(&self, seat: SeatId) -> bool {
        let has_tasks = |worker: &Worker| !worker.lane.is_empty();
        self.workers.get(seat).and_then(Option::as_ref).is_some_and(has_tasks)
            && self.scheduler.listens_to(seat)
    }

    fn exit(&mut self, seat: SeatId, misborn: bool) -> bool {
        let Some(worker) = self.workers[seat].take() else { return false };
        if let (true, Some(number)) = (worker.begun, worker.lane.front()) {
            self.fates.get_mut(number).expect("it").lost += 1;
        }
        let begun = usize::from(worker.begun) + worker.unheard;
        let misborn = misborn && !worker.ready;
        self.tell(Event::Exited { seat, begun, misborn, how: "signal 9".into() });
        self.over |= self.scheduler.broken.is_some();
        true
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.tell(Event::Tick);
        self.over |= self.scheduler.broken.is_some();
        // Nothing that is due is left for ever.
        for _ in 0..3 {
            if self.scheduler.next_tick().is_none_or(|next| next > self.start + self.now) {
                return;
            }
            self.now += Duration::from_millis(2);
            self.tell(Event::Tick);
            self.over |= self.scheduler.broken.is_some();
        }
        panic!("a tick is due at {:?} and nothing comes of it", self.scheduler.next_tick());
    }

    fn leaver_ends(&mut self) -> bool {
        let Some(number) = self.leavers.pop_first() else { return false };
        let died = self.dying.remove(&number).then(|| "signal 9".to_owned());
        self.tell(Event::Left { number, died });
        self.over |= self.scheduler.broken.is_some();
        true
    }

    /// It is seen that a worker dies, before its process has ended.
    fn is_ending(&mut self, seat: SeatId) -> bool {
        match &mut self.workers[seat] {
            Some(worker) if worker.ready && !worker.begun && !worker.initializing && worker.unheard == 0 => {
                worker.killed = true;
                self.tell(Event::Ending(seat));
                true
            }
            _ => false,
        }
    }

    /// From here on all goes well: every process does what it has to. Ends when nothing happens any more.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            let mut moved = self.birth(true) | self.leaver_ends();
            for seat in 0..self.workers.len() {
                if self.workers[seat].as_ref().is_some_and(|worker| worker.killed) {
                    moved |= self.exit(seat, false);
                } else {
                    moved |= self.greet(seat) | self.step(seat, true);
                }
            }
            if moved {
                continue;
            }
            match self.scheduler.next_tick() {
                // An idle pool keeps its workers, or sends them away after a time.
                Some(next) if self.scheduler.has_work() || self.scheduler.phase() != Phase::Running => {
                    let wait = next.saturating_duration_since(self.start + self.now);
                    self.pass(wait);
                }
                _ => return,
            }
        }
        panic!("it does not come to rest");
    }

    fn random_step(&mut self, op: u8, which: u8) {
        let seats = self.workers.len().max(1);
        let seat = usize::from(which) % seats;
        let bit = |n: u8| which >> n & 1 == 1;
        match op % 40 {
            0..=7 => {
                let timeout = bit(2).then(|| Duration::from_millis(u64::from(which)));
                self.submit(u32::from(which % 3), timeout, bit(3));
            }
            8..=10 => drop(self.birth(true)),
            11 => drop(self.birth(which < 128)),
            12..=14 => drop(self.greet(seat)),
            15..=24 => drop(self.step(seat, true)),
            25 => drop(self.step(seat, which < 128)),
            26 => drop(self.exit(seat, which > 250)),
            27 => drop(self.is_ending(seat)),
            28 => drop(self.leaver_ends()),
            29..=31 => self.pass(Duration::from_micros(u64::from(which) * 20)),
            32 => self.pass(Duration::from_millis(u64::from(which) * 40)),
            33 => self.forget(self.fates.len() / 2 + usize::from(which % 4)),
            34 if self.is_heard(seat) => self.tell(Event::Nonsense(seat, "zzz".into())),
            35 => self.refuse = !self.scheduler.is_ending(),
            36 => {
                let size = usize::from(which % 6);
                let most = self.workers.len().max(size);
                self.workers.resize_with(most, || None);
                self.tell(Event::Resize(size));
            }
            37 => self.size = u64::from(which),
            38 if which > 230 => self.tell(Event::Close),
            38 if which < 10 => self.cancel_queued(),
            39 if which > 240 => {
                self.over = true;
                self.tell(Event::Terminate);
            }
            _ => {}
        }
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    let milliseconds = |most: u64| proptest::option::of((1..most).prop_map(Duration::from_millis));
    (
        any::<bool>(),
        milliseconds(3_000),
        proptest::option::weighted(0.4, (1..4usize).prop_map(|n| NonZeroUsize::new(n).expect("not 0"))),
        proptest::option::weighted(0.3, 10..200u64),
        proptest::option::weighted(0.3, (0..6usize, (1..5_000u64).prop_map(Duration::from_millis))),
        milliseconds(500),
    )
        .prop_map(
            |(initializes, initializer_timeout, max_tasks, max_memory, restart_limit, idle_timeout)| Policy {
                initializes,
                initializer_timeout,
                max_tasks,
                max_memory,
                restart_limit,
                idle_timeout,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_task_ends_once_whatever_happens(
        policy in policies(),
        workers in 1..4usize,
        steps in proptest::collection::vec((any::<u8>(), any::<u8>()), 1..300),
    ) {
        let mut simulation = Simulation::new(policy, workers);
        for (op, which) in steps {
            simulation.random_step(op, which);
        }
        simulation.refuse = false;
        if simulation.scheduler.size() == 0 {
            // Nobody is wanted, so nothing need be done; until somebody is.
            simulation.tell(Event::Resize(1));
        }
        simulation.settle();
        prop_assert!(!simulation.scheduler.has_work(), "nothing is left when all is quiet");
        for (number, fate) in &simulation.fates {
            prop_assert_eq!(fate.ends, 1, "task {} has ended: {:?}", number, fate);
        }
        simulation.tell(Event::Close);
        simulation.settle();
        prop_assert!(simulation.scheduler.is_over(), "a pool that is closed comes to its end");
        prop_assert!(simulation.leavers.is_empty() && simulation.workers.iter().all(Option::is_none));
    }
}

/// `POOL_MODEL_CASES` for more.
fn cases() -> u32 {
    std::env::var("POOL_MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(512)
}
