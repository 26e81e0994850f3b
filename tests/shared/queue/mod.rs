//! Queues.

mod deaths;
mod many;

use std::time::{Duration, Instant};

use pool::{Pool, Process, ProcessPool};

use crate::objects::{Event, GetError, JoinError, JoinableQueue, Lock, PutError, Queue, TaskDoneError};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_full_queue_refuses_in_every_form_until_the_other_side_has_drained_it,
    items_come_in_order_and_an_empty_queue_says_so_in_every_form,
    what_both_sides_put_comes_in_order_and_outlives_who_put_it,
    the_length_follows_puts_and_gets,
    a_join_ends_when_four_consumers_have_reported_every_item,
    one_report_too_many_is_an_error,
    a_get_with_a_timeout_does_not_end_early,
    a_closed_queue_gives_what_is_left_and_then_an_error,
    closing_ends_every_wait,
    the_other_side_makes_queues_and_processes_of_its_own,
    items_of_any_type_and_size_come_as_they_were,
    an_item_brings_the_shared_objects_in_it,
    a_queue_goes_through_a_queue,
    a_put_waits_for_room_and_a_get_for_items,
    a_pools_task_gets_a_queue,
);

const SHORT: Duration = Duration::from_millis(20);

fn a_full_queue_refuses_in_every_form_until_the_other_side_has_drained_it(elsewhere: Elsewhere) {
    fn drain((queue, begin, end): (Queue<u32>, Event, Event)) -> Vec<u32> {
        begin.wait();
        let items = (0..6).map(|_| queue.get().unwrap()).collect();
        end.set();
        items
    }
    let queue = Queue::bounded(6).unwrap();
    let (begin, end) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(drain, (queue.clone(), begin.clone(), end.clone()));
    assert!(queue.is_empty() && !queue.is_full());
    queue.put(1).unwrap();
    queue.try_put(2).unwrap();
    queue.put_timeout(3, SHORT).unwrap();
    for item in 4..=6 {
        queue.put(item).unwrap();
    }
    assert!(!queue.is_empty() && queue.is_full());
    let refused = queue.try_put(7).unwrap_err();
    assert!(refused.is_full());
    assert_eq!(refused.into_inner(), 7);
    let start = Instant::now();
    assert!(matches!(queue.put_timeout(8, SHORT), Err(PutError::Full(8))));
    assert!(start.elapsed() >= SHORT);
    begin.set();
    end.wait();
    assert!(queue.is_empty() && !queue.is_full());
    assert_eq!(party.join(), [1, 2, 3, 4, 5, 6]);
}

fn items_come_in_order_and_an_empty_queue_says_so_in_every_form(elsewhere: Elsewhere) {
    fn put((queue, done): (Queue<u32>, Event)) {
        for item in 0..5 {
            queue.put(item).unwrap();
        }
        done.set();
    }
    let (queue, done) = (Queue::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(put, (queue.clone(), done.clone()));
    done.wait();
    assert!(!queue.is_empty());
    assert_eq!(queue.get().unwrap(), 0);
    assert_eq!(queue.try_get().unwrap(), 1);
    assert_eq!(queue.get_timeout(SHORT).unwrap(), 2);
    assert_eq!((queue.get().unwrap(), queue.get().unwrap()), (3, 4));
    assert!(queue.is_empty());
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    let start = Instant::now();
    assert!(queue.get_timeout(SHORT).unwrap_err().is_empty());
    assert!(start.elapsed() >= SHORT);
    party.join();
}

fn what_both_sides_put_comes_in_order_and_outlives_who_put_it(elsewhere: Elsewhere) {
    fn put(queue: Queue<u32>) {
        (10..20).for_each(|item| queue.put(item).unwrap());
    }
    let queue = Queue::new().unwrap();
    (0..10).for_each(|item| queue.put(item).unwrap());
    elsewhere.start(put, queue.clone()).join();
    for item in 0..20 {
        assert_eq!(queue.try_get().unwrap(), item);
    }
    assert!(queue.is_empty());
}

fn the_length_follows_puts_and_gets(elsewhere: Elsewhere) {
    fn two((queue, put): (Queue<u32>, bool)) {
        for item in 0..2 {
            if put { queue.put(item).unwrap() } else { assert!(queue.get().is_ok()) }
        }
    }
    let queue = Queue::new().unwrap();
    assert_eq!(queue.qsize(), 0);
    queue.put(1).unwrap();
    assert_eq!(queue.qsize(), 1);
    elsewhere.start(two, (queue.clone(), true)).join();
    assert_eq!(queue.qsize(), 3);
    elsewhere.start(two, (queue.clone(), false)).join();
    assert_eq!(queue.len(), 1);
    queue.get().unwrap();
    assert_eq!(queue.len(), 0);
}

fn a_join_ends_when_four_consumers_have_reported_every_item(elsewhere: Elsewhere) {
    fn consume((queue, reported): (JoinableQueue<u32>, Queue<u32>)) {
        while let Ok(item) = queue.get() {
            reported.put(item).unwrap();
            queue.task_done().unwrap();
        }
    }
    let (queue, reported) = (JoinableQueue::new().unwrap(), Queue::new().unwrap());
    queue.join().unwrap();
    let parties: Vec<_> =
        (0..4).map(|_| elsewhere.start(consume, (queue.clone(), reported.clone()))).collect();
    for _ in 0..3 {
        (0..10).for_each(|item| queue.put(item).unwrap());
        queue.join().unwrap();
        let mut items: Vec<u32> = (0..10).map(|_| reported.try_get().unwrap()).collect();
        items.sort_unstable();
        assert_eq!(items, (0..10).collect::<Vec<u32>>());
    }
    queue.close();
    parties.into_iter().for_each(|party| party.join());
    queue.join().unwrap();
}

fn one_report_too_many_is_an_error(elsewhere: Elsewhere) {
    fn report(queue: JoinableQueue<u32>) -> (bool, bool) {
        (queue.task_done().is_ok(), queue.task_done().is_ok())
    }
    let queue = JoinableQueue::bounded(3).unwrap();
    assert_eq!(queue.task_done(), Err(TaskDoneError));
    queue.put(1).unwrap();
    assert_eq!(queue.task_done(), Err(TaskDoneError), "nobody got it");
    assert_eq!(queue.join_timeout(SHORT), Err(JoinError::Timeout));
    queue.get().unwrap();
    assert_eq!(queue.join_timeout(Duration::ZERO), Err(JoinError::Timeout));
    // Whoever got it.
    assert_eq!(elsewhere.start(report, queue.clone()).join(), (true, false));
    queue.join().unwrap();
}

fn a_get_with_a_timeout_does_not_end_early(elsewhere: Elsewhere) {
    fn get(queue: Queue<u32>) -> (bool, Duration) {
        let start = Instant::now();
        let is_empty = queue.get_timeout(Duration::from_millis(200)).is_err_and(|error| error.is_empty());
        (is_empty, start.elapsed())
    }
    let queue = Queue::new().unwrap();
    let (is_empty, time) = elsewhere.start(get, queue.clone()).join();
    assert!(is_empty && time >= Duration::from_millis(200), "{time:?}");
}

fn a_closed_queue_gives_what_is_left_and_then_an_error(elsewhere: Elsewhere) {
    fn get(queue: Queue<u32>) -> (u32, bool, bool) {
        let closed = |got: Result<u32, GetError>| got.is_err_and(|error| error.is_closed());
        (queue.get().unwrap(), closed(queue.get()), closed(queue.get_timeout(SHORT)))
    }
    // Never used.
    let unused = Queue::<u32>::new().unwrap();
    assert!(!unused.is_closed());
    unused.close();
    assert!(unused.is_closed() && unused.is_empty());
    assert!(unused.get().unwrap_err().is_closed() && unused.put(1).unwrap_err().is_closed());

    let queue = Queue::bounded(2).unwrap();
    queue.put(1).unwrap();
    queue.close();
    queue.close();
    assert!(queue.is_closed() && !queue.is_empty());
    assert!(matches!(queue.put(2), Err(PutError::Closed(2))));
    assert!(matches!(queue.try_put(3), Err(PutError::Closed(3))));
    assert!(matches!(queue.put_timeout(4, SHORT), Err(PutError::Closed(4))));
    assert_eq!(elsewhere.start(get, queue.clone()).join(), (1, true, true));
    assert!(queue.is_empty() && queue.is_closed());
    assert!(matches!(queue.try_get(), Err(GetError::Closed)));

    let joinable = JoinableQueue::new().unwrap();
    joinable.put(1).unwrap();
    joinable.close();
    assert!(joinable.put(2).unwrap_err().is_closed());
    assert_eq!(joinable.get().unwrap(), 1);
    assert!(joinable.get().unwrap_err().is_closed());
    joinable.task_done().unwrap();
    joinable.join().unwrap();
}

fn closing_ends_every_wait(elsewhere: Elsewhere) {
    fn get((queue, waits): (Queue<u32>, Queue<()>)) -> bool {
        waits.put(()).unwrap();
        queue.get().is_err_and(|error| error.is_closed())
    }
    fn put((queue, waits): (Queue<u32>, Queue<()>)) -> bool {
        waits.put(()).unwrap();
        queue.put(2).is_err_and(|error| error.is_closed())
    }
    let waits = Queue::new().unwrap();
    let (empty, full) = (Queue::new().unwrap(), Queue::bounded(1).unwrap());
    full.put(1).unwrap();
    let getters: Vec<_> = (0..2).map(|_| elsewhere.start(get, (empty.clone(), waits.clone()))).collect();
    let putter = elsewhere.start(put, (full.clone(), waits.clone()));
    // Asleep by then or not.
    (0..3).for_each(|_| waits.get().unwrap());
    empty.close();
    full.close();
    assert!(getters.into_iter().all(|getter| getter.join()) && putter.join());
    assert_eq!((full.len(), full.get().unwrap()), (1, 1));
}

fn the_other_side_makes_queues_and_processes_of_its_own(elsewhere: Elsewhere) {
    fn parent(_: ()) -> String {
        let (there, back) = (Queue::new().unwrap(), Queue::new().unwrap());
        let child = |(there, back): (Queue<String>, Queue<String>)| {
            back.put(there.get().unwrap() + " and back").unwrap();
        };
        let builder = Process::builder().allow_fork_with_threads(true);
        let child = builder.spawn(child, (there.clone(), back.clone())).unwrap();
        there.put("there".to_owned()).unwrap();
        let text = back.get().unwrap();
        child.join().unwrap();
        text
    }
    assert_eq!(elsewhere.start(parent, ()).join(), "there and back");
}

fn items_of_any_type_and_size_come_as_they_were(elsewhere: Elsewhere) {
    fn back((there, back): (Queue<Vec<u8>>, Queue<Vec<u8>>)) {
        while let Ok(item) = there.get() {
            back.put(item).unwrap();
        }
    }
    type Mixed = (String, Option<f64>, Vec<(u16, char)>);
    fn mixed((there, back): (Queue<Mixed>, Queue<Mixed>)) {
        back.put(there.get().unwrap()).unwrap();
    }
    let (there, here) = (Queue::new().unwrap(), Queue::bounded(3).unwrap());
    let party = elsewhere.start(back, (there.clone(), here.clone()));
    // Larger than any ring before, in all steps.
    for len in [0, 1, 7, 8, 9, 100, 4_096, 65_519, 65_520, 65_536, 1_000_000, 33 << 20, 5, 0] {
        let item: Vec<u8> = (0..len).map(|place| (place * 7) as u8).collect();
        there.put(item.clone()).unwrap();
        assert!(here.get().unwrap() == item, "{len} bytes");
    }
    there.close();
    party.join();

    let (there, here) = (Queue::new().unwrap(), Queue::new().unwrap());
    let party = elsewhere.start(mixed, (there.clone(), here.clone()));
    let item: Mixed = ("text".to_owned(), Some(0.5), vec![(1, 'a'), (2, 'ß')]);
    there.put(item.clone()).unwrap();
    assert_eq!(here.get().unwrap(), item);
    party.join();

    let numbers = Queue::new().unwrap();
    numbers.put(vec![1.5_f64; 100_000]).unwrap();
    assert_eq!(numbers.get().unwrap(), vec![1.5; 100_000]);
}

fn an_item_brings_the_shared_objects_in_it(elsewhere: Elsewhere) {
    fn set(queue: Queue<(u8, Event)>) -> u8 {
        let (number, event) = queue.get().unwrap();
        event.set();
        number
    }
    let (queue, event) = (Queue::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(set, queue.clone());
    queue.put((7, event.clone())).unwrap();
    event.wait();
    assert_eq!(party.join(), 7);
}

fn a_queue_goes_through_a_queue(elsewhere: Elsewhere) {
    fn answer(queues: Queue<Queue<String>>) {
        queues.get().unwrap().put("by way of a queue".to_owned()).unwrap();
    }
    let (queues, inner) = (Queue::new().unwrap(), Queue::new().unwrap());
    let party = elsewhere.start(answer, queues.clone());
    queues.put(inner.clone()).unwrap();
    assert_eq!(inner.get().unwrap(), "by way of a queue");
    party.join();
}

fn a_put_waits_for_room_and_a_get_for_items(elsewhere: Elsewhere) {
    fn echo((there, back): (Queue<u64>, Queue<u64>)) {
        while let Ok(item) = there.get() {
            back.put(item).unwrap();
        }
    }
    let (there, back) = (Queue::bounded(2).unwrap(), Queue::bounded(2).unwrap());
    let party = elsewhere.start(echo, (there.clone(), back.clone()));
    std::thread::scope(|scope| {
        scope.spawn(|| (0..1_000).for_each(|item| there.put(item).unwrap()));
        for item in 0..1_000 {
            // Now and then so slow that all the others sleep.
            if item % 250 == 0 {
                crate::support::eventually("the queues are full", || there.is_full() && back.is_full());
            }
            assert_eq!(back.get().unwrap(), item);
        }
    });
    there.close();
    party.join();
}

fn a_pools_task_gets_a_queue(elsewhere: Elsewhere) {
    let Elsewhere::Process(method) = elsewhere else { return };
    let builder = ProcessPool::builder().workers(2).start_method(method).allow_fork_with_threads(true);
    let pool = builder.build().unwrap();
    let (queue, lock) = (Queue::new().unwrap(), Lock::new().unwrap());
    let put = |(queue, lock, item): (Queue<u64>, Lock, u64)| {
        let _guard = lock.lock();
        queue.put(item * item).unwrap();
    };
    pool.map(put, (0..100).map(|item| (queue.clone(), lock.clone(), item))).unwrap();
    let mut items: Vec<u64> = (0..100).map(|_| queue.try_get().unwrap()).collect();
    items.sort_unstable();
    assert_eq!(items, (0..100).map(|item| item * item).collect::<Vec<_>>());
}
