//! The scheduler, told what happened, with no process.

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    number: u32,
    retries: u32,
    timeout: Option<Duration>,
    panics: bool,
    light: bool,
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
        true
    }
    fn is_light(&self) -> bool {
        self.light
    }
}

fn job(number: u32) -> Job {
    Job { number, retries: 0, timeout: None, panics: false, light: true }
}

fn died(seat: SeatId, begun: usize) -> Event {
    Event::Exited { seat, begun, misborn: false, how: "signal 9".into() }
}

fn left(number: u64) -> Event {
    Event::Left { number, died: None }
}

/// A scheduler and what it asks for, at times that the test chooses.
struct Bench {
    scheduler: Scheduler<Job>,
    start: Instant,
    now: Duration,
}

impl Bench {
    /// `seats` workers that are up.
    fn new(seats: usize) -> Bench {
        Bench::with(Policy::default(), seats)
    }

    fn with(policy: Policy, seats: usize) -> Bench {
        let mut bench = Bench::empty(policy, seats);
        (0..seats).for_each(|seat| bench.fill(seat));
        bench
    }

    /// No worker is there yet.
    fn empty(policy: Policy, seats: usize) -> Bench {
        let start = Instant::now();
        Bench { scheduler: Scheduler::new(policy, seats, start), start, now: Duration::ZERO }
    }

    fn fill(&mut self, seat: usize) {
        if self.tell(Event::Born(seat)) == [Initialize(seat)] {
            assert_eq!(self.tell(Event::Initialized(seat, Ok(()))), []);
        }
        assert_eq!(self.tell(Event::Ready(seat)), []);
    }

    fn tell(&mut self, event: Event) -> Vec<Action<Job>> {
        let mut actions = VecDeque::new();
        self.scheduler.handle(event, &Clock::at(self.start + self.now), &mut actions);
        actions.into()
    }

    fn submit(&mut self, number: u32) -> Vec<Action<Job>> {
        self.submit_job(job(number))
    }

    fn submit_job(&mut self, job: Job) -> Vec<Action<Job>> {
        let mut actions = VecDeque::new();
        let clock = Clock::at(self.start + self.now);
        let seat = self.scheduler.submitted(job, &clock, &mut actions);
        seat.map(Send).into_iter().chain(actions).collect()
    }

    /// One worker that is up, and has had one task that took so long.
    fn used_to(took: Duration) -> Bench {
        let mut bench = Bench::new(1);
        bench.submit(0);
        bench.now += took;
        bench.reply(0);
        bench
    }

    /// The first seat with something to do.
    fn busy(&mut self) -> SeatId {
        (0..).find(|seat| !self.scheduler.tasks(*seat).is_empty()).unwrap()
    }

    /// The oldest task of this seat is answered: which task ends with that, and what else is to be done.
    fn reply(&mut self, seat: SeatId) -> (Option<Job>, Vec<Action<Job>>) {
        self.reply_as(seat, false, None)
    }

    fn reply_as(
        &mut self,
        seat: SeatId,
        panicked: bool,
        size: Option<u64>,
    ) -> (Option<Job>, Vec<Action<Job>>) {
        let mut actions = VecDeque::new();
        let clock = Clock::at(self.start + self.now);
        let ended = self.scheduler.replied(seat, panicked, size, &clock, &mut actions);
        (ended, actions.into())
    }
}

use Action::*;

#[test]
fn tasks_of_unknown_length_wait_where_any_worker_can_have_them() {
    let mut bench = Bench::new(2);
    let (first, second) = (bench.submit(1), bench.submit(2));
    assert!(matches!(first[..], [Send(_)]) && matches!(second[..], [Send(_)]) && first != second);
    assert_eq!(bench.submit(3), []);
    // Whoever is done first gets the third.
    bench.now = Duration::from_secs(1);
    let Send(seat) = second[0] else { unreachable!() };
    assert_eq!(bench.reply(seat), (Some(job(2)), vec![Send(seat)]));
}

#[test]
fn short_tasks_are_sent_ahead_and_come_back_from_behind_a_long_one() {
    let mut bench = Bench::used_to(Duration::from_micros(10));
    assert_eq!(bench.scheduler.depth(), pool_ipc::lane::CAPACITY.min(200));
    for number in 2..5 {
        assert_eq!(bench.submit(number), [Send(0)]);
    }
    // Task 2 turns out to be long.
    bench.now += Duration::from_millis(20);
    assert_eq!(bench.tell(Event::Tick), [TakeBack(0)]);
    bench.tell(Event::TakenBack { seat: 0, kept: 1, count: 2 });
    assert!(bench.scheduler.tasks(0).iter().map(|job| job.number).eq([2, 3, 4]), "in order, sent again");
}

#[test]
fn what_waits_in_one_lane_is_shared_out_when_another_worker_has_nothing_to_do() {
    let mut bench = Bench::new(2);
    bench.submit(0);
    bench.now += Duration::from_micros(100);
    let first = bench.busy();
    assert_eq!(bench.reply(first), (Some(job(0)), vec![]));
    // Three for each.
    (1..7).for_each(|number| assert!(matches!(bench.submit(number)[..], [Send(_)])));
    assert_eq!((bench.scheduler.tasks(0).len(), bench.scheduler.tasks(1).len()), (3, 3));
    assert_eq!((bench.reply(0).1, bench.reply(0).1), (vec![], vec![]));
    let (ended, actions) = bench.reply(0);
    assert!(ended.is_some());
    assert_eq!(actions, [TakeBack(1)]);
    assert_eq!(bench.tell(Event::TakenBack { seat: 1, kept: 1, count: 2 }), [Send(0), Send(1)]);
    // One that has no more than what it does keeps it.
    assert_eq!(bench.reply(1).1, []);
    assert_eq!(bench.reply(0).1, []);
    assert_eq!(bench.reply(1).1, []);
}

#[test]
fn tasks_that_are_taken_in_together_share_the_time_of_all() {
    let mut bench = Bench::used_to(Duration::from_micros(100));
    let depth = bench.scheduler.depth();
    assert_eq!(depth, 20);
    for batch in 0..10 {
        (0..16).for_each(|number| assert_eq!(bench.submit(16 * batch + number), [Send(0)]));
        bench.now += Duration::from_micros(1_600);
        (0..16).for_each(|_| assert!(bench.reply(0).0.is_some()));
        assert!((16..=24).contains(&bench.scheduler.depth()), "{}", bench.scheduler.depth());
    }
}

#[test]
fn few_tasks_that_something_goes_along_with_are_in_a_lane() {
    let mut bench = Bench::used_to(Duration::from_micros(1));
    let heavy = |number| Job { light: false, ..job(number) };
    (0..16).for_each(|number| assert_eq!(bench.submit_job(heavy(number)), [Send(0)]));
    assert_eq!(bench.submit_job(heavy(16)), []);
    assert_eq!(bench.submit(17), [], "in the order in which they came");
    assert_eq!(bench.reply(0).1, [Send(0), Send(0)]);
}

#[test]
fn nothing_waits_behind_the_first_task_of_a_worker_that_is_not_there_yet() {
    let mut bench = Bench::used_to(Duration::from_micros(100));
    assert_eq!(bench.scheduler.depth(), 20);
    assert_eq!(bench.tell(Event::Resize(2)), [Spawn(1)]);
    assert_eq!(bench.tell(Event::Born(1)), []);
    assert_eq!((bench.submit(1), bench.submit(2)), (vec![Send(0)], vec![Send(1)]));
    (3..10).for_each(|number| assert_eq!(bench.submit(number), [Send(0)]));
    // It shares once it is there.
    bench.reply(0);
    assert_eq!(bench.tell(Event::Ready(1)), []);
    assert_eq!(bench.reply(1).1, [TakeBack(0)]);
}

#[test]
fn what_takes_less_time_than_to_move_it_stays_where_it_is() {
    let mut bench = Bench::new(2);
    bench.submit(0);
    bench.now += Duration::from_micros(1);
    let first = bench.busy();
    bench.reply(first);
    (1..5).for_each(|number| assert!(matches!(bench.submit(number)[..], [Send(_)])));
    assert_eq!((bench.reply(0).1, bench.reply(0).1), (vec![], vec![]));
    // Unless the one before it turns out to be long.
    bench.now += Duration::from_millis(20);
    assert_eq!(bench.tell(Event::Tick), [TakeBack(1)]);
}

#[test]
fn a_death_costs_the_task_in_hand_and_no_other() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.submit(2);
    let actions = bench.tell(died(0, 1));
    assert_eq!(actions, [Fail(job(1), Why::WorkerDied(0)), Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
    assert_eq!(bench.scheduler.tasks(0)[0], job(2));
}

#[test]
fn a_task_is_tried_again_as_often_as_asked() {
    let mut bench = Bench::new(1);
    bench.submit_job(Job { retries: 1, ..job(1) });
    assert_eq!(bench.tell(died(0, 1)), [Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
    bench.tell(Event::Ready(0));
    assert_eq!(bench.tell(died(0, 1)), [Fail(job(1), Why::WorkerDied(0)), Spawn(0)]);
}

#[test]
fn a_task_that_had_not_begun_is_not_lost_with_its_worker() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    assert_eq!(bench.tell(died(0, 0)), [Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
}

#[test]
fn a_time_limit_kills_the_worker_and_blames_the_limit() {
    let mut bench = Bench::new(1);
    let limit = Duration::from_millis(50);
    let timed = Job { timeout: Some(limit), ..job(1) };
    bench.submit_job(timed.clone());
    assert_eq!(bench.scheduler.next_tick(), Some(bench.start + limit));
    bench.now = Duration::from_millis(49);
    assert_eq!(bench.tell(Event::Tick), []);
    bench.now = limit;
    assert_eq!(bench.tell(Event::Tick), [Kill(0)]);
    let actions = bench.tell(died(0, 1));
    assert_eq!(actions, [Fail(timed, Why::TimedOut(0, limit)), Spawn(0)]);
}

#[test]
fn closing_lets_the_work_be_done_and_then_dismisses() {
    let mut bench = Bench::new(2);
    bench.submit(1);
    assert_eq!(bench.tell(Event::Close).len(), 1, "the idle one may go");
    assert_eq!(bench.submit(2), [Fail(job(2), Why::Closed)]);
    let busy = (0..2).find(|seat| !bench.scheduler.tasks(*seat).is_empty()).unwrap();
    assert_eq!(bench.reply(busy), (Some(job(1)), vec![Dismiss(busy, 1)]));
    for leaver in 0..2 {
        assert!(!bench.scheduler.is_over());
        assert_eq!(bench.tell(left(leaver)), []);
    }
    assert!(bench.scheduler.is_over());
}

#[test]
fn a_death_while_closing_is_made_good_while_there_is_work() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.submit(2);
    bench.tell(Event::Close);
    let actions = bench.tell(died(0, 1));
    assert_eq!(actions, [Fail(job(1), Why::WorkerDied(0)), Spawn(0)]);
    bench.tell(Event::Born(0));
    assert_eq!(bench.reply(0), (Some(job(2)), vec![]));
    // It can be told to leave once it is ready.
    assert_eq!(bench.tell(Event::Ready(0)), [Dismiss(0, 0)]);
}

#[test]
fn terminating_ends_every_task_and_kills_every_worker() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.submit(2);
    let actions = bench.tell(Event::Terminate);
    assert_eq!(actions, [Fail(job(2), Why::Terminated), Fail(job(1), Why::Terminated), Kill(0)]);
    assert_eq!(bench.tell(died(0, 0)), []);
    assert!(bench.scheduler.is_over());
}

#[test]
fn workers_that_die_as_they_start_break_the_pool_in_the_end() {
    let mut bench = Bench::empty(Policy::default(), 1);
    bench.tell(Event::Born(0));
    bench.submit(1);
    let mut births = 1;
    loop {
        let actions = bench.tell(died(0, 0));
        if actions == [Spawn(0)] {
            births += 1;
            bench.tell(Event::Born(0));
            continue;
        }
        assert!(matches!(&actions[..], [Fail(lost, Why::Broken(_))] if *lost == job(1)));
        break;
    }
    assert_eq!(births, crew::MISBIRTHS + 1);
    assert!(matches!(&bench.submit(2)[..], [Fail(_, Why::Broken(_))]));
}

#[test]
fn no_task_is_given_before_the_initializer_has_answered() {
    let mut bench = Bench::empty(Policy { initializes: true, ..Policy::default() }, 1);
    assert_eq!(bench.submit(1), []);
    assert_eq!(bench.tell(Event::Born(0)), [Initialize(0)]);
    assert_eq!(bench.tell(Event::Ready(0)), []);
    assert_eq!(bench.tell(Event::Initialized(0, Ok(()))), [Send(0)]);
}

#[test]
fn an_initializer_that_fails_ends_everything() {
    let mut bench = Bench::empty(Policy { initializes: true, ..Policy::default() }, 2);
    bench.fill(0);
    bench.submit(1);
    bench.submit(2);
    bench.tell(Event::Born(1));
    let actions = bench.tell(Event::Initialized(1, Err("boom".into())));
    let why = Why::Broken("the initializer failed: boom".into());
    assert_eq!(actions, [Fail(job(2), why.clone()), Fail(job(1), why.clone()), Kill(0), Kill(1)]);
    assert_eq!(bench.tell(died(0, 0)), []);
    assert_eq!(bench.submit(3), [Fail(job(3), why)]);
}

#[test]
fn a_death_in_the_initializer_breaks_the_pool_and_one_before_it_does_not() {
    let mut bench = Bench::empty(Policy { initializes: true, ..Policy::default() }, 1);
    bench.submit(1);
    bench.tell(Event::Born(0));
    assert_eq!(bench.tell(died(0, 0)), [Spawn(0)]);
    bench.tell(Event::Born(0));
    let why = Why::Broken("a worker died in the initializer: signal 9".into());
    assert_eq!(bench.tell(died(0, 1)), [Fail(job(1), why)]);
}

#[test]
fn an_initializer_has_its_own_limit() {
    let limit = Duration::from_millis(50);
    let policy = Policy { initializes: true, initializer_timeout: Some(limit), ..Policy::default() };
    let mut bench = Bench::empty(policy, 1);
    bench.tell(Event::Born(0));
    assert_eq!(bench.scheduler.next_tick(), Some(bench.start + limit));
    bench.now = limit;
    assert_eq!(bench.tell(Event::Tick), [Kill(0)]);
    assert!(matches!(&bench.submit(1)[..], [Fail(_, Why::Broken(why))] if why.contains("50ms")));
}

#[test]
fn a_worker_that_did_its_number_of_tasks_gives_up_its_seat_at_once() {
    let mut bench = Bench::with(Policy { max_tasks: NonZeroUsize::new(2), ..Policy::default() }, 1);
    bench.submit(1);
    bench.now += Duration::from_micros(10);
    bench.reply(0);
    assert!(bench.scheduler.depth() > 2);
    assert_eq!(bench.submit(2), [Send(0)]);
    assert_eq!(bench.submit(3), [], "its last one is in its lane");
    assert_eq!(bench.reply(0), (Some(job(2)), vec![Dismiss(0, 0), Spawn(0)]));
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
    assert_eq!(bench.tell(left(0)), []);
}

#[test]
fn leavers_that_take_their_time_are_not_outnumbered() {
    let mut bench = Bench::with(Policy { max_tasks: NonZeroUsize::new(1), ..Policy::default() }, 1);
    bench.submit(1);
    assert_eq!(bench.reply(0), (Some(job(1)), vec![Dismiss(0, 0), Spawn(0)]));
    bench.fill(0);
    bench.submit(2);
    assert_eq!(bench.reply(0), (Some(job(2)), vec![Dismiss(0, 1)]));
    assert_eq!(bench.tell(left(0)), [Spawn(0)]);
    bench.now = Duration::from_secs(5);
    assert_eq!(bench.tell(Event::Tick), [KillLeaver(1)]);
}

#[test]
fn a_worker_that_has_grown_too_large_leaves_after_that_task() {
    let mut bench = Bench::with(Policy { max_memory: Some(1_000), ..Policy::default() }, 1);
    for (number, size) in [(1, 999), (2, 1_000)] {
        bench.submit(number);
        assert_eq!(bench.reply_as(0, false, Some(size)), (Some(job(number)), vec![]));
    }
    assert_eq!(bench.scheduler.depth(), 1);
    bench.submit(3);
    let too_large = bench.reply_as(0, false, Some(1_001));
    assert_eq!(too_large, (Some(job(3)), vec![Dismiss(0, 0), Spawn(0)]));
}

#[test]
fn a_panic_is_tried_again_only_if_asked() {
    let mut bench = Bench::new(1);
    let panic = |bench: &mut Bench| bench.reply_as(0, true, None);
    let asked = Job { retries: 1, panics: true, ..job(1) };
    bench.submit_job(asked.clone());
    assert_eq!(panic(&mut bench), (None, vec![Send(0)]));
    assert_eq!(panic(&mut bench), (Some(Job { retries: 0, ..asked }), vec![]));
    let not_asked = Job { retries: 1, ..job(2) };
    bench.submit_job(not_asked.clone());
    assert_eq!(panic(&mut bench), (Some(not_asked), vec![]));
}

#[test]
fn more_deaths_than_allowed_in_a_period_break_the_pool() {
    let limit = Some((2, Duration::from_secs(10)));
    let mut bench = Bench::with(Policy { restart_limit: limit, ..Policy::default() }, 1);
    for _ in 0..2 {
        assert_eq!(bench.tell(died(0, 0)), [Spawn(0)]);
        bench.fill(0);
    }
    // The first of them is forgotten.
    bench.now = Duration::from_secs(10);
    for _ in 0..2 {
        assert_eq!(bench.tell(died(0, 0)), [Spawn(0)]);
        bench.fill(0);
    }
    assert_eq!(bench.tell(died(0, 0)), []);
    assert!(matches!(&bench.submit(1)[..], [Fail(_, Why::Broken(why))] if why.contains("3 workers died")));
}

#[test]
fn a_worker_that_the_pool_killed_is_no_death() {
    let limit = Some((0, Duration::from_secs(10)));
    let mut bench = Bench::with(Policy { restart_limit: limit, ..Policy::default() }, 1);
    bench.submit_job(Job { timeout: Some(Duration::from_secs(1)), ..job(1) });
    bench.now = Duration::from_secs(1);
    assert_eq!(bench.tell(Event::Tick), [Kill(0)]);
    assert!(matches!(&bench.tell(died(0, 1))[..], [Fail(_, Why::TimedOut(..)), Spawn(0)]));
}

#[test]
fn idle_workers_leave_and_come_back_on_demand() {
    let limit = Duration::from_secs(3);
    let mut bench = Bench::with(Policy { idle_timeout: Some(limit), ..Policy::default() }, 2);
    assert_eq!(bench.scheduler.next_tick(), Some(bench.start + limit));
    bench.now = limit;
    assert_eq!(bench.tell(Event::Tick), [Dismiss(0, 0), Dismiss(1, 1)]);
    bench.tell(left(0));
    bench.tell(left(1));
    assert_eq!(bench.scheduler.next_tick(), None);
    assert_eq!(bench.submit(1), [Spawn(0)], "one is enough for one task");
    assert_eq!(bench.submit(2), [Spawn(1)]);
    assert_eq!(bench.submit(3), []);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
}

#[test]
fn a_smaller_pool_sends_idle_workers_away_at_once_and_busy_ones_after_their_task() {
    let mut bench = Bench::new(3);
    for number in 0..2 {
        bench.submit(number);
    }
    let idle = (0..3).find(|seat| bench.scheduler.tasks(*seat).is_empty()).unwrap();
    let actions = bench.tell(Event::Resize(0));
    assert_eq!(actions, [Dismiss(idle, 0)]);
    let busy: Vec<_> = (0..3).filter(|seat| *seat != idle).collect();
    for (leaver, seat) in (1..).zip(busy) {
        let (ended, actions) = bench.reply(seat);
        assert!(ended.is_some());
        assert_eq!(actions, [Dismiss(seat, leaver)]);
    }
    assert_eq!(bench.tell(Event::Resize(2)), [], "too many are still on their way out");
    assert_eq!(bench.tell(left(0)), [Spawn(0), Spawn(1)]);
}

#[test]
fn a_worker_that_is_never_ready_is_given_up() {
    let mut bench = Bench::empty(Policy::default(), 1);
    bench.tell(Event::Born(0));
    assert_eq!(bench.submit(1), [Send(0)]);
    bench.now = Duration::from_secs(60);
    assert_eq!(bench.tell(Event::Tick), [Kill(0)]);
    assert_eq!(bench.tell(died(0, 0)), [Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
}

#[test]
fn births_that_fail_while_nobody_lives_break_the_pool_in_the_end() {
    let mut bench = Bench::empty(Policy::default(), 1);
    bench.submit(1);
    for failure in 1..=crew::MISBIRTHS {
        let actions = bench.tell(Event::BirthFailed(0, "no memory".into()));
        if failure == crew::MISBIRTHS {
            assert_eq!(actions, [Fail(job(1), Why::Broken("no memory".into()))]);
            break;
        }
        assert_eq!(actions, []);
        bench.now += Duration::from_secs(1);
        assert_eq!(bench.tell(Event::Tick), [Spawn(0)]);
    }
}

#[test]
fn where_workers_come_as_needed_no_task_waits_behind_another() {
    let policy = Policy { idle_timeout: Some(Duration::MAX), ..Policy::default() };
    let mut bench = Bench::with(policy, 1);
    // So short that its lane would be filled.
    bench.submit(1);
    bench.reply(0);
    bench.tell(Event::Resize(2));
    assert_eq!(bench.submit(2), [Send(0)]);
    assert_eq!(bench.submit(3), [Spawn(1)]);
    assert_eq!(bench.tell(Event::Born(1)), [Send(1)]);
}

#[test]
fn cancelling_what_is_queued_ends_what_has_not_begun_and_no_more() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.reply(0);
    bench.submit(2);
    bench.submit(3);
    assert_eq!(bench.tell(Event::CancelQueued), [TakeBack(0)]);
    let back = bench.tell(Event::TakenBack { seat: 0, kept: 1, count: 1 });
    assert_eq!(back, [Fail(job(3), Why::Cancelled)]);
    let refused = bench.submit(4);
    assert_eq!(refused, [Fail(job(4), Why::Closed)]);
    assert_eq!(bench.reply(0).0, Some(job(2)));
}

#[test]
fn nothing_is_cancelled_where_everything_has_ended() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    assert_eq!(bench.tell(Event::Terminate), [Fail(job(1), Why::Terminated), Kill(0)]);
    assert_eq!(bench.tell(Event::CancelQueued), []);
}

#[test]
fn an_initializer_is_not_cancelled_with_what_is_queued() {
    let mut bench = Bench::empty(Policy { initializes: true, ..Policy::default() }, 1);
    bench.submit(1);
    assert_eq!(bench.tell(Event::Born(0)), [Initialize(0)]);
    assert_eq!(bench.tell(Event::CancelQueued), [Fail(job(1), Why::Cancelled)]);
}

/// A pool of two that is closing, with a task behind another on the first seat.
fn closing_with_a_task_behind_another(policy: Policy) -> Bench {
    let mut bench = Bench::with(policy, 1);
    bench.submit(1);
    bench.reply(0);
    assert_eq!(bench.submit(2), [Send(0)]);
    assert_eq!(bench.submit(3), [Send(0)]);
    bench.scheduler.resize(2, &Clock::at(bench.start), &mut VecDeque::new());
    bench
}

#[test]
fn a_pool_that_closes_keeps_who_is_free_for_what_waits_behind_a_long_task() {
    let mut bench = closing_with_a_task_behind_another(Policy::default());
    bench.fill(1);
    assert_eq!(bench.tell(Event::Close), []);
    bench.now += Duration::from_millis(20);
    assert_eq!(bench.tell(Event::Tick), [TakeBack(0)]);
    assert_eq!(bench.tell(Event::TakenBack { seat: 0, kept: 1, count: 1 }), [Send(1)]);
    assert_eq!(bench.reply(1), (Some(job(3)), vec![Dismiss(1, 0)]));
    assert_eq!(bench.reply(0), (Some(job(2)), vec![Dismiss(0, 1)]));
}

#[test]
fn a_pool_that_closes_starts_a_worker_for_what_waits_behind_a_long_task() {
    let mut bench = closing_with_a_task_behind_another(Policy::default());
    assert_eq!(bench.tell(Event::BirthFailed(1, "no memory".into())), []);
    assert_eq!(bench.tell(Event::Close), []);
    bench.now += Duration::from_secs(2);
    assert_eq!(bench.tell(Event::Tick), [TakeBack(0)]);
    // Until it is there, the task can as well be where it was.
    assert_eq!(bench.tell(Event::TakenBack { seat: 0, kept: 1, count: 1 }), [Spawn(1), Send(0)]);
    bench.fill(1);
    bench.now += Duration::from_millis(20);
    assert_eq!(bench.tell(Event::Tick), [TakeBack(0)]);
    assert_eq!(bench.tell(Event::TakenBack { seat: 0, kept: 1, count: 1 }), [Send(1)]);
}

#[test]
fn a_worker_that_ends_with_nothing_in_hand_gives_up_its_seat_at_once() {
    let limit = Some((0, Duration::from_secs(1)));
    let mut bench = Bench::with(Policy { restart_limit: limit, ..Policy::default() }, 1);
    assert_eq!(bench.submit(1), [Send(0)]);
    assert_eq!(bench.tell(Event::Ending(0)), [Release(0, 0), Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
    assert_eq!(bench.tell(Event::Ready(0)), []);
    // It is counted once it has ended.
    let actions = bench.tell(Event::Left { number: 0, died: Some("signal 9".into()) });
    assert!(
        matches!(&actions[..], [Fail(_, Why::Broken(why)), Kill(0)] if why.contains("signal 9")),
        "{actions:?}"
    );
}

#[test]
fn nothing_is_tried_again_after_what_was_queued_is_cancelled() {
    let mut bench = Bench::new(1);
    let task = Job { panics: true, retries: 1, ..job(1) };
    bench.submit_job(task.clone());
    assert_eq!(bench.tell(Event::CancelQueued), [TakeBack(0)]);
    assert_eq!(bench.reply_as(0, true, None), (Some(task), vec![Dismiss(0, 0)]));
}
