//! Queues that are in shared memory: what a manager's have not.

use std::time::Duration;

use pool::shared::{Event, JoinableQueue, PutError, Queue, SimpleQueue, one_way, wait};
use pool::{Pool, ProcessPool};

use crate::churn::churn;
use crate::{Elsewhere, by_itself, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_simple_queue_is_empty_until_the_other_side_has_put_and_after_all_was_got,
    a_closed_simple_queue_gives_what_is_left_and_then_an_error,
    a_wait_for_several_things_ends_when_a_queue_has_an_item_or_is_closed,
    the_text_form_of_a_queue_shows_its_length,
    queues_leave_nothing_behind,
    simple_queues_leave_nothing_behind,
    joinable_queues_leave_nothing_behind,
);

by_itself!(
    a_worker_of_limited_memory_gets_a_queue_of_limited_bytes,
    a_queue_of_limited_bytes_is_full_by_them
);

const SHORT: Duration = Duration::from_millis(20);

fn a_simple_queue_is_empty_until_the_other_side_has_put_and_after_all_was_got(elsewhere: Elsewhere) {
    fn put((queue, begin, end): (SimpleQueue<Option<bool>>, Event, Event)) -> bool {
        begin.wait();
        queue.put(Some(true)).unwrap();
        queue.put(None).unwrap();
        end.set();
        queue.is_empty()
    }
    let queue = SimpleQueue::new().unwrap();
    let (begin, end) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(put, (queue.clone(), begin.clone(), end.clone()));
    assert!(queue.is_empty());
    begin.set();
    end.wait();
    assert!(!queue.is_empty());
    assert!(!party.join());
    assert_eq!(queue.get().unwrap(), Some(true));
    assert_eq!(queue.get().unwrap(), None);
    assert!(queue.is_empty());
}

fn a_closed_simple_queue_gives_what_is_left_and_then_an_error(elsewhere: Elsewhere) {
    fn close(queue: SimpleQueue<u32>) {
        queue.close();
        queue.close();
    }
    let queue = SimpleQueue::new().unwrap();
    queue.put(5).unwrap();
    elsewhere.start(close, queue.clone()).join();
    assert!(queue.is_closed() && !queue.is_empty());
    assert!(matches!(queue.put(6), Err(PutError::Closed(6))));
    assert_eq!(queue.get().unwrap(), 5);
    assert!(queue.is_empty() && queue.get().unwrap_err().is_closed());
}

fn a_wait_for_several_things_ends_when_a_queue_has_an_item_or_is_closed(elsewhere: Elsewhere) {
    fn put((queue, go): (Queue<u32>, Event)) {
        go.wait();
        queue.put(5).unwrap();
    }
    let (one, other) = (SimpleQueue::<u32>::new().unwrap(), Queue::new().unwrap());
    let (_sender, receiver) = one_way::<u32>().unwrap();
    let go = Event::new().unwrap();
    let party = elsewhere.start(put, (other.clone(), go.clone()));
    assert!(wait(&[&one, &receiver, &other], Some(SHORT)).unwrap().is_empty());
    go.set();
    assert_eq!(wait(&[&one, &receiver, &other], None).unwrap(), [2]);
    assert_eq!(other.get().unwrap(), 5);
    one.close();
    assert_eq!(wait(&[&one, &receiver, &other], None).unwrap(), [0]);
    party.join();
}

fn the_text_form_of_a_queue_shows_its_length(_: Elsewhere) {
    let queue = Queue::bounded(3).unwrap();
    queue.put("a".to_owned()).unwrap();
    assert_eq!(format!("{queue:?}"), "Queue { len: 1, is_closed: false, bound: 3 }");
    assert_eq!(
        format!("{:?}", SimpleQueue::<u8>::new().unwrap()),
        "SimpleQueue { len: 0, is_closed: false }"
    );
    let error = queue.put("b".to_owned()).and_then(|()| queue.put("c".to_owned())).err();
    assert!(error.is_none());
    let error = queue.try_put("d".to_owned()).unwrap_err();
    assert_eq!((error.to_string(), format!("{error:?}")), ("the queue is full".into(), "Full(..)".into()));
}

/// The same of each kind of queue.
macro_rules! leaves_nothing_behind {
    ($test:ident, $queue:ident) => {
        fn $test(elsewhere: Elsewhere) {
            fn look((queue, nth): ($queue<Vec<u32>>, u32)) -> bool {
                queue.get().is_ok_and(|item| item == [nth; 3]) && queue.is_empty()
            }
            let make = |nth| {
                let queue = $queue::new().unwrap();
                queue.put(vec![nth; 3]).unwrap();
                queue
            };
            churn(elsewhere, make, look);
        }
    };
}

leaves_nothing_behind!(queues_leave_nothing_behind, Queue);
leaves_nothing_behind!(simple_queues_leave_nothing_behind, SimpleQueue);
leaves_nothing_behind!(joinable_queues_leave_nothing_behind, JoinableQueue);

fn a_worker_of_limited_memory_gets_a_queue_of_limited_bytes() {
    fn echo((there, back): (Queue<u64>, JoinableQueue<u64>)) -> Result<(), String> {
        let own = Queue::new().map_err(|error| error.to_string())?;
        own.put(there.get().unwrap()).unwrap();
        back.put(own.get().unwrap() + 1).unwrap();
        Ok(())
    }
    let pool = ProcessPool::builder().workers(1).max_memory_per_worker(4 << 30).build().unwrap();
    let there = Queue::bounded_within(100, 1 << 20).unwrap();
    let back = JoinableQueue::bounded_within(100, 1 << 20).unwrap();
    there.put(4).unwrap();
    pool.apply(echo, (there.clone(), back.clone())).unwrap().unwrap();
    assert_eq!(back.get().unwrap(), 5);
    pool.terminate();
    pool.join().unwrap();
}

fn a_queue_of_limited_bytes_is_full_by_them() {
    const BYTES: usize = 1 << 20;
    let queue = Queue::<Vec<u8>>::bounded_within(1_000_000, BYTES as u64).unwrap();
    let item = vec![7; 1 << 10];
    let mut count = 0;
    while queue.try_put(item.clone()).is_ok() {
        count += 1;
    }
    assert_eq!(count, BYTES / (item.len() + 16));
    assert_eq!(queue.get().unwrap(), item);
    queue.try_put(item.clone()).unwrap();
    assert!(matches!(queue.try_put(item), Err(PutError::Full(_))));
    assert!(matches!(queue.try_put(vec![0; BYTES]), Err(PutError::Failed(..))));
    assert!(Queue::<u8>::bounded_within(1, 1 << 40).is_err());
    assert!(Queue::<u8>::bounded_within(0, 1).is_err());
    let smallest = Queue::bounded_within(1, 0).unwrap();
    smallest.put(1).unwrap();
    assert_eq!(smallest.get().unwrap(), 1);
}
