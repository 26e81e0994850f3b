//! Each stage, with a fault: what happens to the task, to the others, and to the pool.

use pool::{AsyncResult, Error, ErrorKind, Pool, ProcessPool, StartMethod};

use crate::carriers::{Cue, HUGE, LIMIT, Point, ROOM, leave_trouble, submit};
use crate::fault::Fault;
use crate::plan::{Cell, How, Stage, cell};
use crate::support::{
    Census, Marks, SIGSTOP, Scratch, children, crew, eventually, is_stopped, kill, limit_memory, pool_of,
    unlimit_memory,
};
use crate::{initializer, start};

/// Carries out one cell of the grid, and looks for what is left of it.
pub(crate) fn stage(stage: Stage, fault: Fault, method: StartMethod) {
    let before = Census::take();
    match (stage, cell(stage, fault, method)) {
        (_, Cell::Absent(why)) => println!("{method:?}, {stage:?}, {fault:?}: {why}"),
        (Stage::WorkerStart, Cell::Replaced) => {
            start::one_birth_fails(fault, method);
            start::every_birth_fails(fault, method);
        }
        (Stage::WorkerStart, Cell::Late) => start::one_birth_is_late(fault, method),
        (Stage::Initializer, Cell::Breaks(why)) => initializer::breaks(method, fault, why),
        (Stage::Initializer, Cell::NotBuilt(kind)) => initializer::is_refused(method, fault, kind),
        (Stage::Decode, Cell::Ends(how)) => in_a_task(method, fault, Point::Decode, how),
        (Stage::Running, Cell::Ends(how)) => in_a_task(method, fault, Point::Run, how),
        (Stage::Encode, Cell::Ends(how)) => {
            in_a_task(method, fault, Point::Encode, how);
            if fault == Fault::HugeResult {
                no_room_in_the_caller(method);
            }
        }
        (Stage::Idle, Cell::Unharmed) => idle_and_unharmed(method, fault),
        (Stage::Idle, Cell::Replaced) if fault == Fault::Stop => idle_and_stopped(method, fault),
        (Stage::Idle, Cell::Replaced) => idle_and_replaced(method, fault),
        (Stage::Close, Cell::Ends(how)) => while_closing(method, fault, how),
        (Stage::Terminate, Cell::EndsOrIsTerminated(how)) => {
            (0..6).for_each(|run| while_terminating(method, fault, how, run));
        }
        (stage, cell) => unreachable!("{stage:?} cannot come to {cell:?}"),
    }
    before.assert_restored();
}

/// A pool and what it had when all was well.
struct Healthy {
    pool: ProcessPool,
    workers: Vec<u32>,
    census: Census,
}

impl Healthy {
    fn new(method: StartMethod) -> Healthy {
        let pool = pool_of(method, 2);
        let workers = pids(&pool);
        Healthy { pool, workers, census: Census::settled() }
    }

    /// The pool works, at full strength, and has no more than it had.
    #[track_caller]
    fn assert_well(&self) -> Vec<u32> {
        let others = company(&self.pool, 20);
        assert_well(others);
        let now = pids(&self.pool);
        assert!(now.iter().all(|pid| children().contains(pid)), "its workers are its children");
        self.census.assert_no_more();
        now
    }

    /// The same, with the same workers.
    #[track_caller]
    fn assert_unchanged(&self) {
        assert_eq!(self.assert_well(), self.workers);
    }

    /// The same, with another in this one's place.
    #[track_caller]
    fn assert_replaced(&self, victim: u32) {
        let kept = self.workers.iter().filter(|pid| **pid != victim);
        let now = self.assert_well();
        assert!(kept.eq(now.iter().filter(|pid| self.workers.contains(pid))), "{victim}: {now:?}");
    }
}

/// All workers of the pool, at work at the same time.
#[track_caller]
pub(crate) fn pids(pool: &ProcessPool) -> Vec<u32> {
    let mut pids: Vec<u32> = crew(pool, 2).into_iter().map(|(pid, _)| pid).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 2, "as many processes as workers");
    pids
}

/// Tasks that nothing is wrong with.
pub(crate) fn company(pool: &ProcessPool, count: u64) -> Vec<AsyncResult<u64>> {
    (0..count).map(|x| pool.apply_async(|x: u64| x + 1, x)).collect()
}

#[track_caller]
pub(crate) fn assert_well(company: Vec<AsyncResult<u64>>) {
    for (x, handle) in (1..).zip(company) {
        assert_eq!(handle.get().unwrap(), x);
    }
}

fn victim(error: &Error) -> u32 {
    error.worker().and_then(|worker| worker.pid).unwrap()
}

fn in_a_task(method: StartMethod, fault: Fault, point: Point, how: How) {
    let healthy = Healthy::new(method);
    let scratch = Scratch::new();
    let cue = Cue::new(&scratch, "cue");
    let earlier = company(&healthy.pool, 3);
    let faulty = submit(&healthy.pool, fault, point, &cue);
    let later = company(&healthy.pool, 10);
    cue.is_awaited();
    cue.give();
    let error = faulty().unwrap_err();
    how.assert_is(&error, &healthy.workers);
    assert_well(earlier);
    assert_well(later);
    match how.is_fatal() {
        true => healthy.assert_replaced(victim(&error)),
        false => healthy.assert_unchanged(),
    }
}

/// The worker has it and hands it over; the caller has no memory to copy it to.
fn no_room_in_the_caller(method: StartMethod) {
    let healthy = Healthy::new(method);
    let handle = healthy.pool.apply_async(|()| vec![1u8; HUGE], ());
    limit_memory(ROOM);
    let error = handle.get().unwrap_err();
    unlimit_memory();
    assert_eq!(error.kind(), ErrorKind::Os, "{error}");
    healthy.assert_well();
}

/// Has a worker that is idle commit the fault; says which.
fn make_trouble(healthy: &Healthy, fault: Fault, cue: &Cue, survived: &Marks) -> u32 {
    let left = healthy.pool.apply(leave_trouble, (fault, cue.clone(), survived.clone())).unwrap();
    cue.is_awaited();
    cue.give();
    left
}

fn idle_and_unharmed(method: StartMethod, fault: Fault) {
    let healthy = Healthy::new(method);
    let scratch = Scratch::new();
    let survived = scratch.marks("survived");
    make_trouble(&healthy, fault, &Cue::new(&scratch, "cue"), &survived);
    survived.wait_for(1);
    healthy.assert_unchanged();
}

fn idle_and_replaced(method: StartMethod, fault: Fault) {
    let healthy = Healthy::new(method);
    let scratch = Scratch::new();
    let victim = make_trouble(&healthy, fault, &Cue::new(&scratch, "cue"), &scratch.marks("survived"));
    eventually("the dead worker was reaped", || !children().contains(&victim));
    healthy.assert_replaced(victim);
}

/// Stopped workers look idle to their pool, until tasks that they were given run out of time. They have not
/// begun them, so the tasks are not lost.
fn idle_and_stopped(method: StartMethod, fault: Fault) {
    let healthy = Healthy::new(method);
    let scratch = Scratch::new();
    let victim = make_trouble(&healthy, fault, &Cue::new(&scratch, "cue"), &scratch.marks("survived"));
    healthy.workers.iter().filter(|pid| **pid != victim).for_each(|pid| kill(*pid, SIGSTOP));
    eventually("the workers were stopped", || healthy.workers.iter().all(|pid| is_stopped(*pid)));
    let timed = healthy.pool.timeout(LIMIT);
    let pair: Vec<_> = (0..2).map(|x| timed.apply_async(|x: u64| x + 1, x)).collect();
    assert_well(pair);
    assert!(healthy.assert_well().iter().all(|pid| !healthy.workers.contains(pid)));
}

/// Where in a task's life the fault is, when the stage does not say.
fn usual_point(fault: Fault) -> Point {
    match fault {
        Fault::EncodeError | Fault::HugeResult => Point::Encode,
        Fault::DecodeError => Point::Decode,
        _ => Point::Run,
    }
}

fn while_closing(method: StartMethod, fault: Fault, how: How) {
    let Healthy { pool, workers, .. } = Healthy::new(method);
    let scratch = Scratch::new();
    let cue = Cue::new(&scratch, "cue");
    let faulty = submit(&pool, fault, usual_point(fault), &cue);
    let queued = company(&pool, 20);
    cue.is_awaited();
    pool.close();
    cue.give();
    how.assert_is(&faulty().unwrap_err(), &workers);
    assert_well(queued);
    pool.join().unwrap();
    assert!(!children().iter().any(|pid| workers.contains(pid)));
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap_err().kind(), ErrorKind::Closed);
}

fn while_terminating(method: StartMethod, fault: Fault, how: How, run: u32) {
    let Healthy { pool, workers, .. } = Healthy::new(method);
    let scratch = Scratch::new();
    let cue = Cue::new(&scratch, "cue");
    let faulty = submit(&pool, fault, usual_point(fault), &cue);
    let queued = company(&pool, 20);
    cue.is_awaited();
    // Now one first, now the other.
    if run.is_multiple_of(2) {
        cue.give();
        pool.terminate();
    } else {
        pool.terminate();
        cue.give();
    }
    let error = faulty().unwrap_err();
    if error.kind() != ErrorKind::Terminated {
        how.assert_is(&error, &workers);
    }
    for (x, handle) in (1..).zip(queued) {
        match handle.get() {
            Ok(value) => assert_eq!(value, x),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Terminated, "{error}"),
        }
    }
    pool.join().unwrap();
    assert!(!children().iter().any(|pid| workers.contains(pid)));
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap_err().kind(), ErrorKind::Terminated);
}
