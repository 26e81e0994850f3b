//! Many producers and many consumers: each item comes once.

use crate::objects::{JoinableQueue, Queue, times};
use pool::{Pool, ProcessPool, ThreadPool};

use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    every_item_of_many_producers_comes_once_to_many_consumers,
    every_item_comes_once_through_a_queue_with_little_room,
    the_items_of_one_producer_come_in_order,
);

const PRODUCERS: u64 = 3;
const CONSUMERS: u64 = 3;
const EACH: u64 = times(4_000);

/// A producer's number and its item's; and bytes whose number and content depend on them.
type Item = (u64, u64, Vec<u64>);

fn item(producer: u64, number: u64) -> Item {
    let len = number * 7 % if number.is_multiple_of(500) { 9_000 } else { 40 };
    (producer, number, (0..len).map(|place| producer ^ number ^ place).collect())
}

fn produce(queue: &Queue<Item>, producer: u64) -> Vec<(u64, u64)> {
    (0..EACH).for_each(|number| queue.put(item(producer, number)).unwrap());
    Vec::new()
}

fn consume(queue: &Queue<Item>) -> Vec<(u64, u64)> {
    let mut got = Vec::new();
    while let Ok(next) = queue.get() {
        let (producer, number, _) = next;
        assert!(next == item(producer, number), "an item that nobody put");
        got.push((producer, number));
    }
    got
}

/// Producers, consumers, and one that closes the queue when all was put: all at once on one pool.
fn work((queue, put, who): (Queue<Item>, JoinableQueue<()>, u64)) -> Vec<(u64, u64)> {
    if who < PRODUCERS {
        let none = produce(&queue, who);
        put.get().unwrap();
        put.task_done().unwrap();
        none
    } else if who < PRODUCERS + CONSUMERS {
        consume(&queue)
    } else {
        put.join().unwrap();
        queue.close();
        Vec::new()
    }
}

/// What each consumer got.
fn run(elsewhere: Elsewhere, queue: Queue<Item>) -> Vec<Vec<(u64, u64)>> {
    let put = JoinableQueue::new().unwrap();
    (0..PRODUCERS).for_each(|_| put.put(()).unwrap());
    let count = PRODUCERS + CONSUMERS + 1;
    let roles = (0..count).map(|who| (queue.clone(), put.clone(), who));
    let all = match elsewhere {
        Elsewhere::Thread => ThreadPool::new(count as usize).unwrap().chunk_size(1).map(work, roles),
        Elsewhere::Process(method) => {
            let builder = ProcessPool::builder().workers(count as usize).start_method(method);
            let pool = builder.allow_fork_with_threads(true).build().unwrap();
            pool.chunk_size(1).map(work, roles)
        }
    };
    all.unwrap()
}

fn assert_each_once(got: Vec<Vec<(u64, u64)>>) {
    let mut all = got.concat();
    all.sort_unstable();
    let expected = (0..PRODUCERS).flat_map(|producer| (0..EACH).map(move |number| (producer, number)));
    assert!(all.into_iter().eq(expected));
}

fn every_item_of_many_producers_comes_once_to_many_consumers(elsewhere: Elsewhere) {
    assert_each_once(run(elsewhere, Queue::new().unwrap()));
}

fn every_item_comes_once_through_a_queue_with_little_room(elsewhere: Elsewhere) {
    assert_each_once(run(elsewhere, Queue::bounded(2).unwrap()));
}

fn the_items_of_one_producer_come_in_order(elsewhere: Elsewhere) {
    for got in run(elsewhere, Queue::bounded(100).unwrap()) {
        for producer in 0..PRODUCERS {
            let numbers = got.iter().filter(|(who, _)| *who == producer).map(|(_, number)| number);
            assert!(numbers.is_sorted());
        }
    }
}
