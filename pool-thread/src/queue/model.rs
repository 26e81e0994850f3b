//! The queue in every order that its steps can happen in.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p pool-thread --release --lib model`. A task that is slept
//! through, or a sleeper that is not woken by `close`, is a deadlock, which loom reports.

use super::*;
use loom::sync::Arc;

fn worker(queue: &Arc<Queue<u32>>, tasks: usize) -> loom::thread::JoinHandle<u32> {
    let queue = queue.clone();
    loom::thread::spawn(move || {
        let mut tempo = Tempo::default();
        (0..tasks).filter_map(|_| queue.pop(&mut tempo)).sum()
    })
}

/// Every order with up to two preemptions; with more, three threads take minutes.
fn check(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(body);
}

#[test]
fn a_queued_task_is_not_slept_through() {
    check(|| {
        let queue = Arc::new(Queue::new(1));
        let worker = worker(&queue, 2);
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(worker.join().unwrap(), 3);
    });
}

/// The worker that finds the first leaves the second to the other.
#[test]
fn a_task_that_is_being_moved_is_not_slept_through() {
    check(|| {
        let queue = Arc::new(Queue::new(2));
        let workers = [worker(&queue, 1), worker(&queue, 1)];
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        let taken: u32 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
        assert_eq!(taken, 3);
    });
}

#[test]
fn a_closed_queue_is_emptied_and_left() {
    check(|| {
        let queue = Arc::new(Queue::new(1));
        let worker = worker(&queue, 3);
        queue.push(1).unwrap();
        queue.close();
        assert_eq!(queue.push(2), Err(2));
        assert_eq!(worker.join().unwrap(), 1);
    });
}

#[test]
fn close_reaches_two_that_are_on_their_way_to_sleep() {
    check(|| {
        let queue = Arc::new(Queue::new(2));
        let workers = [worker(&queue, 1), worker(&queue, 1)];
        queue.close();
        assert!(workers.into_iter().all(|worker| worker.join().unwrap() == 0));
    });
}

/// One leaves, whether it sleeps or is on its way; the other takes the task, which nobody sleeps through.
#[test]
fn one_that_is_too_many_leaves_and_the_other_takes_the_task() {
    check(|| {
        let queue = Arc::new(Queue::new(2));
        let workers = [worker(&queue, 1), worker(&queue, 1)];
        queue.send_away(1);
        queue.push(1).unwrap();
        let mut taken = workers.map(|worker| worker.join().unwrap());
        taken.sort_unstable();
        assert_eq!(taken, [0, 1]);
        assert_eq!(queue.crew.surplus.load(Relaxed), 0);
    });
}

/// The one sleeper is woken to leave.
#[test]
fn a_sleeper_that_is_sent_away_leaves() {
    check(|| {
        let queue = Arc::new(Queue::<u32>::new(1));
        let worker = worker(&queue, 1);
        queue.send_away(1);
        assert_eq!(worker.join().unwrap(), 0);
        assert_eq!(queue.crew.workers.load(Relaxed), 0);
    });
}

/// A guard that was left behind by the last of the others must not be relied on.
#[test]
fn the_last_to_sleep_ends_the_guard() {
    check(|| {
        let queue = Arc::new(Queue::<u32>::new(2));
        queue.crew.short.store(10, Relaxed);
        queue.crew.searching.store(2, Relaxed);
        let guard = {
            let queue = queue.clone();
            loom::thread::spawn(move || {
                let me = thread::current();
                queue.crew.lie_down(&me);
                queue.crew.takes_guard(&me);
            })
        };
        queue.crew.lie_down(&thread::current());
        guard.join().unwrap();
        assert!(!queue.crew.guarded.load(Relaxed));
    });
}

/// Two tasks, and one thread that is there: another is claimed, by the caller or by the one that takes the first.
#[test]
fn a_task_that_nobody_is_free_for_has_a_thread_claimed_for_it() {
    check(|| {
        let queue = Arc::new(Queue::on_demand(2, Duration::MAX));
        let first = {
            let queue = queue.clone();
            loom::thread::spawn(move || {
                let task = queue.arrive(&mut Tempo::default());
                assert!(task.is_some());
                queue.claim_another()
            })
        };
        let mut claimed = 0;
        for task in [1, 2] {
            queue.push(task).unwrap();
            claimed += u32::from(queue.claim_another());
        }
        claimed += u32::from(first.join().unwrap());
        // The first thread is at its task for ever: the other task has somebody.
        assert_eq!(claimed, 1);
    });
}

/// A thread that has had nothing to do for long, and a task that comes: it is taken, or a thread is claimed.
#[test]
fn a_thread_that_leaves_leaves_no_task_behind() {
    check(|| {
        let queue = Arc::new(Queue::on_demand(2, Duration::ZERO));
        // Another is at work.
        queue.crew.workers.store(2, Relaxed);
        let leaver = {
            let queue = queue.clone();
            loom::thread::spawn(move || queue.arrive(&mut Tempo::default()))
        };
        queue.push(1).unwrap();
        let claimed = queue.claim_another();
        let taken = leaver.join().unwrap();
        assert!(claimed != taken.is_some());
    });
}
