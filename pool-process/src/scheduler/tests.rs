//! The scheduler, told what happened, with no process.

use super::*;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    number: u32,
    retries: u32,
    timeout: Option<Duration>,
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
    fn wanted(&self) -> bool {
        true
    }
}

fn job(number: u32) -> Job {
    Job { number, retries: 0, timeout: None }
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
        let start = Instant::now();
        let mut bench = Bench { scheduler: Scheduler::new(seats, start), start, now: Duration::ZERO };
        for seat in 0..seats {
            assert_eq!(bench.tell(Event::Born(seat)), []);
            assert_eq!(bench.tell(Event::Ready(seat)), []);
        }
        bench
    }

    fn tell(&mut self, event: Event<Job>) -> Vec<Action<Job>> {
        let mut actions = VecDeque::new();
        self.scheduler.handle(event, &Clock::at(self.start + self.now), &mut actions);
        actions.into()
    }

    fn submit(&mut self, number: u32) -> Vec<Action<Job>> {
        self.tell(Event::Submitted(job(number)))
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
    assert_eq!(bench.tell(Event::Replied(seat)), [Deliver(job(2)), Send(seat)]);
}

#[test]
fn short_tasks_are_sent_ahead_and_come_back_from_behind_a_long_one() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.now += Duration::from_micros(10);
    bench.tell(Event::Replied(0));
    assert_eq!(bench.scheduler.depth(), 20);
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
fn a_death_costs_the_task_in_hand_and_no_other() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.submit(2);
    let actions = bench.tell(Event::Exited { seat: 0, begun: 1, misborn: None });
    assert_eq!(actions, [Fail(job(1), Why::WorkerDied(0)), Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
    assert_eq!(bench.scheduler.tasks(0)[0], job(2));
}

#[test]
fn a_task_is_tried_again_as_often_as_asked() {
    let mut bench = Bench::new(1);
    bench.tell(Event::Submitted(Job { retries: 1, ..job(1) }));
    let died = || Event::Exited { seat: 0, begun: 1, misborn: None };
    assert_eq!(bench.tell(died()), [Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
    bench.tell(Event::Ready(0));
    assert_eq!(bench.tell(died()), [Fail(job(1), Why::WorkerDied(0)), Spawn(0)]);
}

#[test]
fn a_task_that_had_not_begun_is_not_lost_with_its_worker() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    assert_eq!(bench.tell(Event::Exited { seat: 0, begun: 0, misborn: None }), [Spawn(0)]);
    assert_eq!(bench.tell(Event::Born(0)), [Send(0)]);
}

#[test]
fn a_time_limit_kills_the_worker_and_blames_the_limit() {
    let mut bench = Bench::new(1);
    let limit = Duration::from_millis(50);
    let timed = Job { timeout: Some(limit), ..job(1) };
    bench.tell(Event::Submitted(timed.clone()));
    assert_eq!(bench.scheduler.next_tick(), Some(bench.start + limit));
    bench.now = Duration::from_millis(49);
    assert_eq!(bench.tell(Event::Tick), []);
    bench.now = limit;
    assert_eq!(bench.tell(Event::Tick), [Kill(0)]);
    let actions = bench.tell(Event::Exited { seat: 0, begun: 1, misborn: None });
    assert_eq!(actions, [Fail(timed, Why::TimedOut(0, limit)), Spawn(0)]);
}

#[test]
fn closing_lets_the_work_be_done_and_then_dismisses() {
    let mut bench = Bench::new(2);
    bench.submit(1);
    assert_eq!(bench.tell(Event::Close).len(), 1, "the idle one may go");
    assert_eq!(bench.submit(2), [Fail(job(2), Why::Closed)]);
    let busy = (0..2).find(|seat| !bench.scheduler.tasks(*seat).is_empty()).unwrap();
    assert_eq!(bench.tell(Event::Replied(busy)), [Deliver(job(1)), Dismiss(busy)]);
    for seat in 0..2 {
        assert!(!bench.scheduler.is_over());
        assert_eq!(bench.tell(Event::Exited { seat, begun: 0, misborn: None }), []);
    }
    assert!(bench.scheduler.is_over());
}

#[test]
fn a_death_while_closing_is_made_good_while_there_is_work() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.submit(2);
    bench.tell(Event::Close);
    let actions = bench.tell(Event::Exited { seat: 0, begun: 1, misborn: None });
    assert_eq!(actions, [Fail(job(1), Why::WorkerDied(0)), Spawn(0)]);
    bench.tell(Event::Born(0));
    assert_eq!(bench.tell(Event::Replied(0)), [Deliver(job(2))]);
    // It can be told to leave once it is ready.
    assert_eq!(bench.tell(Event::Ready(0)), [Dismiss(0)]);
}

#[test]
fn terminating_ends_every_task_and_kills_every_worker() {
    let mut bench = Bench::new(1);
    bench.submit(1);
    bench.submit(2);
    let actions = bench.tell(Event::Terminate);
    assert_eq!(actions, [Fail(job(2), Why::Terminated), Fail(job(1), Why::Terminated), Kill(0)]);
    assert_eq!(bench.tell(Event::Exited { seat: 0, begun: 0, misborn: None }), []);
    assert!(bench.scheduler.is_over());
}

#[test]
fn workers_that_die_as_they_start_break_the_pool_in_the_end() {
    let start = Instant::now();
    let mut bench = Bench { scheduler: Scheduler::new(1, start), start, now: Duration::ZERO };
    bench.tell(Event::Born(0));
    bench.submit(1);
    let mut births = 1;
    loop {
        let actions = bench.tell(Event::Exited { seat: 0, begun: 0, misborn: None });
        if actions == [Spawn(0)] {
            births += 1;
            bench.tell(Event::Born(0));
            continue;
        }
        assert!(matches!(&actions[..], [Fail(lost, Why::Broken(_))] if *lost == job(1)));
        break;
    }
    assert_eq!(births, MISBIRTHS + 1);
    assert!(matches!(&bench.submit(2)[..], [Fail(_, Why::Broken(_))]));
}
