//! The queue with threads, and what can be seen of it without.

use std::sync::Barrier;
use std::sync::atomic::AtomicU64;

use super::*;

fn pop(queue: &Queue<u32>) -> Option<u32> {
    queue.pop(&mut Tempo::default())
}

/// Waits until so many threads sleep in the queue.
fn until_asleep(queue: &Queue<u32>, count: usize) {
    while queue.crew.asleep.load(Relaxed) != count || queue.crew.searching.load(Relaxed) != 0 {
        thread::yield_now();
    }
}

#[test]
fn tasks_come_out_in_the_order_they_went_in_across_both_deques() {
    let queue = Queue::new(1);
    (0..3).for_each(|task| queue.push(task).unwrap());
    assert_eq!(pop(&queue), Some(0));
    // The outbox has two now; these wait behind them.
    (3..6).for_each(|task| queue.push(task).unwrap());
    assert_eq!((1..6).map(|_| pop(&queue).unwrap()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}

#[test]
fn workers_pause_for_the_next_batch_only_while_tasks_come_several_at_a_time() {
    let queue = Queue::new(1);
    let push_and_pop = |batch: u32| {
        (0..batch).for_each(|task| queue.push(task).unwrap());
        assert!((0..batch).all(|task| pop(&queue) == Some(task)));
        queue.flowing.load(Relaxed)
    };
    assert_eq!([1, 2, 5, 1, 1, 3].map(push_and_pop), [false, true, true, false, false, true]);
}

#[test]
fn a_closed_queue_gives_out_what_it_has_and_takes_no_more() {
    let queue = Queue::new(1);
    (0..2).for_each(|task| queue.push(task).unwrap());
    assert_eq!(pop(&queue), Some(0));
    queue.push(2).unwrap();
    assert!(queue.is_open());
    queue.close();
    assert!(!queue.is_open());
    assert_eq!(queue.push(9), Err(9));
    assert_eq!((pop(&queue), pop(&queue), pop(&queue)), (Some(1), Some(2), None));
}

#[test]
fn drain_takes_from_both_deques_oldest_first() {
    let queue = Queue::new(1);
    (0..3).for_each(|task| queue.push(task).unwrap());
    assert_eq!(pop(&queue), Some(0));
    queue.push(3).unwrap();
    assert_eq!(queue.drain(), [1, 2, 3]);
    queue.close();
    assert_eq!(pop(&queue), None);
}

#[test]
fn close_wakes_every_sleeper() {
    let queue = Queue::new(3);
    std::thread::scope(|scope| {
        let sleepers: Vec<_> = (0..3).map(|_| scope.spawn(|| pop(&queue))).collect();
        until_asleep(&queue, 3);
        queue.close();
        assert!(sleepers.into_iter().all(|sleeper| sleeper.join().unwrap().is_none()));
    });
    assert_eq!((queue.crew.asleep.load(Relaxed), queue.crew.searching.load(Relaxed)), (0, 0));
}

#[test]
fn a_sleeper_that_is_woken_for_nothing_sleeps_again_and_is_there_for_the_next_task() {
    let queue = Queue::new(2);
    std::thread::scope(|scope| {
        let workers = [scope.spawn(|| pop(&queue)), scope.spawn(|| pop(&queue))];
        for _ in 0..3 {
            until_asleep(&queue, 2);
            queue.wake_another();
        }
        until_asleep(&queue, 2);
        assert_eq!(queue.waiting(), 0);
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(workers.map(|worker| worker.join().unwrap().unwrap()).iter().sum::<u32>(), 3);
        queue.wake_another();
    });
}

#[test]
fn a_push_wakes_a_sleeper_and_whoever_finds_more_wakes_the_next() {
    let queue = Queue::new(2);
    let meet = Barrier::new(2);
    std::thread::scope(|scope| {
        // Each holds its task until the other has one too.
        let worker = || {
            let task = pop(&queue);
            meet.wait();
            task
        };
        let workers = [scope.spawn(worker), scope.spawn(worker)];
        until_asleep(&queue, 2);
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        let mut tasks = workers.map(|worker| worker.join().unwrap().unwrap());
        tasks.sort_unstable();
        assert_eq!(tasks, [1, 2]);
    });
}

#[test]
fn in_brisk_times_a_guard_takes_what_is_stuck_behind_a_long_task() {
    let queue = Queue::new(2);
    std::thread::scope(|scope| {
        let guard = scope.spawn(|| {
            let first = pop(&queue);
            (first, pop(&queue))
        });
        until_asleep(&queue, 1);
        // The other worker is at a long task in brisk times, so that a queue of ten is left to it.
        queue.crew.set_short(10);
        while !queue.crew.guarded.load(Relaxed) {
            thread::yield_now();
        }
        queue.push(1).unwrap();
        queue.push(2).unwrap();
        assert_eq!(guard.join().unwrap(), (Some(1), Some(2)));
        assert_eq!(queue.crew.short.load(Relaxed), 0, "brisk times are over");
    });
}

#[test]
fn nobody_guards_when_all_sleep() {
    let queue = Queue::new(1);
    std::thread::scope(|scope| {
        queue.crew.set_short(10);
        let worker = scope.spawn(|| pop(&queue));
        until_asleep(&queue, 1);
        queue.push(1).unwrap();
        assert_eq!(worker.join().unwrap(), Some(1));
    });
}

#[test]
fn every_task_is_taken_once_by_many_from_many() {
    const EACH: u32 = 20_000;
    let queue = Queue::new(3);
    let (count, sum) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut tempo = Tempo::default();
                while let Some(task) = queue.pop(&mut tempo) {
                    count.fetch_add(1, Relaxed);
                    sum.fetch_add(u64::from(task), Relaxed);
                }
            });
        }
        let callers: Vec<_> = (0..3)
            .map(|caller| {
                let queue = &queue;
                scope.spawn(move || (0..EACH).for_each(|i| queue.push(caller * EACH + i).unwrap()))
            })
            .collect();
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        queue.close();
    });
    let all = u64::from(3 * EACH);
    assert_eq!((count.into_inner(), sum.into_inner()), (all, all * (all - 1) / 2));
}

#[test]
fn as_many_leave_as_were_sent_away_and_sleepers_are_woken_to_leave() {
    let queue = Queue::new(3);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..3).map(|_| scope.spawn(|| pop(&queue))).collect();
        until_asleep(&queue, 3);
        queue.send_away(2);
        // The third was woken as well, and lies down again.
        while queue.crew.workers.load(Relaxed) != 1 {
            thread::yield_now();
        }
        until_asleep(&queue, 1);
        queue.push(7).unwrap();
        let mut left: Vec<_> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        left.sort_unstable();
        assert_eq!(left, [None, None, Some(7)]);
    });
    assert!(!queue.crew.has_surplus());
}

#[test]
fn who_is_sent_away_leaves_what_is_queued_to_the_others() {
    let queue = Queue::new(2);
    queue.push(1).unwrap();
    queue.send_away(1);
    assert_eq!((pop(&queue), pop(&queue)), (None, Some(1)));
}

#[test]
fn room_is_made_first_by_keeping_those_that_were_sent_away() {
    let queue = Queue::<u32>::new(3);
    queue.send_away(2);
    assert_eq!(queue.make_room(1), 0, "one of the two stays");
    assert_eq!(pop(&queue), None, "the other leaves");
    assert_eq!(queue.make_room(2), 2);
    assert_eq!(queue.crew.workers.load(Relaxed), 4);
    queue.push(1).unwrap();
    assert_eq!(pop(&queue), Some(1), "nobody is too many now");
}

#[test]
fn what_a_closed_queue_has_is_taken_though_a_thread_is_too_many() {
    let queue = Queue::new(3);
    queue.push(1).unwrap();
    queue.send_away(1);
    queue.close();
    assert_eq!(queue.take(), Some(1));
    assert_eq!((pop(&queue), pop(&queue)), (None, None));
}

#[test]
fn a_thread_is_claimed_for_each_task_that_nobody_is_free_for() {
    let queue = Queue::on_demand(3, Duration::MAX);
    let claims_after_a_push = || {
        queue.push(1).unwrap();
        queue.claim_another()
    };
    // The first is coming already.
    assert_eq!([(); 5].map(|()| claims_after_a_push()), [false, true, true, false, false]);
    queue.give_claim_up();
    assert!(queue.claim_another());
    queue.close();
    queue.give_claim_up();
    assert!(!queue.claim_another(), "of a closed queue");
}

#[test]
fn a_thread_with_nothing_to_do_leaves_and_the_last_one_stays() {
    let queue = Queue::on_demand(3, Duration::ZERO);
    (0..3).for_each(|task| queue.push(task).unwrap());
    assert!(queue.claim_another() && queue.claim_another());
    let at_work = Barrier::new(3);
    std::thread::scope(|scope| {
        let work = || {
            let mut tempo = Tempo::default();
            assert!(queue.arrive(&mut tempo).is_some());
            at_work.wait();
            queue.pop(&mut tempo)
        };
        let workers = [scope.spawn(work), scope.spawn(work), scope.spawn(work)];
        while workers.iter().filter(|worker| worker.is_finished()).count() < 2 {
            thread::yield_now();
        }
        until_asleep(&queue, 1);
        assert_eq!(queue.crew.workers.load(Relaxed), 1);
        // It is free for the next task.
        queue.push(7).unwrap();
        assert!(!queue.claim_another());
        let taken: Vec<_> = workers.into_iter().filter_map(|worker| worker.join().unwrap()).collect();
        assert_eq!(taken, [7]);
    });
}

#[test]
fn those_that_may_be_there_no_more_leave_and_others_may_come() {
    let queue = Queue::on_demand(1, Duration::MAX);
    queue.set_most(2);
    (0..3).for_each(|task| queue.push(task).unwrap());
    assert!(queue.claim_another() && !queue.claim_another());
    queue.set_most(1);
    let mut tempo = Tempo::default();
    assert_eq!(queue.arrive(&mut tempo), None, "one is too many");
    queue.set_most(2);
    assert!(queue.claim_another());
    assert_eq!(queue.arrive(&mut tempo), Some(0));
    assert_eq!(queue.arrive(&mut tempo), Some(1));
}
