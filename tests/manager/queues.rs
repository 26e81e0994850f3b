//! Queues of a manager: what CPython's tests of it look at, and what is of managers alone. What they have in common with
//! those in shared memory is in `tests/shared/queue/`.

use std::time::Duration;

use pool::StartMethod;
use pool::shared::{
    DictProxy, GetError, JoinError, JoinableQueueProxy, Manager, ManagerError, PutError, QueueProxy,
};

use crate::support::{by_itself, eventually};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_bounded_queue_is_emptied_there,
    a_bounded_joinable_queue_is_emptied_and_reported_there,
    many_items_cross_in_one_call,
    a_proxy_in_an_item_keeps_what_it_is_of,
    a_managed_dict_of_queues_works_through_it,
);
by_itself!(
    many_items_wait_for_room_and_a_closed_queue_gives_the_rest_back,
    more_items_than_a_message_has_room_for_come_in_several,
    who_is_killed_while_it_waits_for_an_item_takes_none,
    who_is_killed_while_it_waits_for_room_leaves_nothing,
    items_of_one_that_drops_its_last_proxy_are_lost,
);

const SPAWN: Elsewhere = Elsewhere::Process(StartMethod::Spawn);

fn a_bounded_queue_is_emptied_there(elsewhere: Elsewhere) {
    fn empty(queue: QueueProxy<u32>) -> (usize, bool, Vec<u32>, bool) {
        let (len, is_full) = (queue.qsize().unwrap(), queue.is_full().unwrap());
        let items = (0..2).map(|_| queue.get().unwrap()).collect();
        (len, is_full, items, queue.is_empty().unwrap())
    }
    let manager = Manager::start().unwrap();
    let queue = manager.bounded_queue(2).unwrap();
    queue.put(1).unwrap();
    queue.put(2).unwrap();
    assert!(matches!(queue.try_put(3), Err(PutError::Full(3))));
    assert_eq!(elsewhere.start(empty, queue.clone()).join(), (2, true, vec![1, 2], true));
    assert!(matches!(queue.try_get(), Err(GetError::Empty)));
    assert!(matches!(manager.bounded_queue::<u32>(0), Err(ManagerError::Misuse(_))));
}

fn a_bounded_joinable_queue_is_emptied_and_reported_there(elsewhere: Elsewhere) {
    fn empty(queue: JoinableQueueProxy<u32>) -> (usize, bool) {
        let len = queue.qsize().unwrap();
        for item in 1..=2 {
            assert_eq!(queue.get().unwrap(), item);
            queue.task_done().unwrap();
        }
        (len, queue.task_done().is_err())
    }
    let manager = Manager::start().unwrap();
    let queue = manager.bounded_joinable_queue(2).unwrap();
    queue.put_many(vec![1, 2]).unwrap();
    assert!(queue.is_full().unwrap());
    assert!(matches!(queue.join_timeout(Duration::ZERO), Err(ManagerError::Join(JoinError::Timeout))));
    let party = elsewhere.start(empty, queue.clone());
    queue.join().unwrap();
    assert_eq!(party.join(), (2, true));
}

fn many_items_cross_in_one_call(elsewhere: Elsewhere) {
    fn count((queue, back): (QueueProxy<(u64, String)>, QueueProxy<u64>)) -> u64 {
        let mut calls = 0;
        while let Ok(items) = queue.get_many(1000) {
            assert!(!items.is_empty() && items.len() <= 1000);
            assert!(items.iter().all(|(number, text)| *text == number.to_string()));
            back.put_many(items.into_iter().map(|(number, _)| number).collect()).unwrap();
            calls += 1;
        }
        calls
    }
    let manager = Manager::start().unwrap();
    let (queue, back) = (manager.queue().unwrap(), manager.queue::<u64>().unwrap());
    queue.put_many((0..5000).map(|number| (number, number.to_string())).collect()).unwrap();
    queue.put_many(Vec::new()).unwrap();
    queue.close().unwrap();
    assert!(elsewhere.start(count, (queue.clone(), back.clone())).join() >= 5);
    assert!(matches!(queue.get_many(1), Err(GetError::Closed)));
    let mut all = Vec::new();
    while all.len() < 5000 {
        all.append(&mut back.get_many_timeout(usize::MAX, Duration::ZERO).unwrap());
    }
    assert!(all.into_iter().eq(0..5000));
    assert!(matches!(back.get_many_timeout(1, Duration::ZERO), Err(GetError::Empty)));
}

fn a_proxy_in_an_item_keeps_what_it_is_of(elsewhere: Elsewhere) {
    fn put((queue, number): (QueueProxy<(u32, QueueProxy<u32>)>, u32)) {
        let inner = queue.get_many(1).unwrap().pop().unwrap().1;
        inner.put(number).unwrap();
        queue.put_many(vec![(number, inner)]).unwrap();
    }
    let manager = Manager::start().unwrap();
    let queue = manager.queue().unwrap();
    queue.put((1, manager.queue().unwrap())).unwrap();
    assert_eq!(manager.status().unwrap().objects, 2);
    elsewhere.start(put, (queue.clone(), 5)).join();
    let (number, inner) = queue.get().unwrap();
    assert_eq!((number, inner.get().unwrap()), (5, 5));
    queue.put((1, inner)).unwrap();
    eventually("both are there", || manager.status().unwrap().objects == 2);
    drop(queue);
    eventually("the inner one goes with the outer one", || manager.status().unwrap().objects == 0);
}

fn a_managed_dict_of_queues_works_through_it(elsewhere: Elsewhere) {
    fn answer(dict: DictProxy<String, QueueProxy<u32>>) {
        let queue = dict.get("a").unwrap().unwrap();
        let item = queue.get().unwrap();
        queue.put(item + 1).unwrap();
    }
    let manager = Manager::start().unwrap();
    let dict = manager.dict().unwrap();
    dict.insert("a".to_owned(), manager.queue().unwrap()).unwrap();
    let queue = dict.get("a").unwrap().unwrap();
    queue.put(1).unwrap();
    let list = manager.list([queue]).unwrap();
    elsewhere.start(answer, dict.clone()).join();
    assert_eq!(list.get(0).unwrap().unwrap().get().unwrap(), 2);
}

fn many_items_wait_for_room_and_a_closed_queue_gives_the_rest_back() {
    let manager = Manager::start().unwrap();
    let queue = manager.bounded_queue::<u32>(3).unwrap();
    std::thread::scope(|scope| {
        let put = scope.spawn(|| queue.put_many((0..10).collect()));
        let mut got = Vec::new();
        while got.len() < 5 {
            got.push(queue.get().unwrap());
        }
        eventually("it is full again", || queue.is_full().unwrap());
        queue.close().unwrap();
        let refused = put.join().unwrap().unwrap_err();
        assert!(refused.is_closed());
        assert_eq!(refused.into_inner(), [8, 9]);
        got.extend(queue.get_many(100).unwrap());
        assert!(got.into_iter().eq(0..8));
    });
}

fn more_items_than_a_message_has_room_for_come_in_several() {
    const LEN: usize = 1 << 10;
    let manager = Manager::builder().max_message(1 << 16).start().unwrap();
    let queue = manager.joinable_queue::<Vec<u8>>().unwrap();
    (0..100).for_each(|number| queue.put(vec![number; LEN]).unwrap());
    let first = queue.get_many(100).unwrap();
    assert!(first.len() > 50 && first.len() < 64, "{}", first.len());
    assert_eq!(queue.len().unwrap(), 100 - first.len());
    let rest = queue.get_many(100).unwrap();
    assert!(
        first.into_iter().chain(rest).zip(0..).all(|(item, number): (Vec<u8>, u8)| item == vec![number; LEN])
    );
    // What was given back for want of room is not counted as taken twice.
    (0..100).for_each(|_| queue.task_done().unwrap());
    assert!(queue.task_done().is_err());
    assert!(matches!(queue.put(vec![0; 1 << 17]), Err(PutError::Failed(item, _)) if item.len() == 1 << 17));
}

fn who_is_killed_while_it_waits_for_an_item_takes_none() {
    let manager = Manager::start().unwrap();
    let (queue, ready) = (manager.queue().unwrap(), manager.queue().unwrap());
    let get = |(queue, ready): (QueueProxy<u32>, QueueProxy<()>)| {
        ready.put(()).unwrap();
        queue.get().is_ok()
    };
    for number in 0..20 {
        let parties = [(); 2].map(|()| SPAWN.start(get, (queue.clone(), ready.clone())));
        (0..2).for_each(|_| ready.get().unwrap());
        eventually("they wait", || manager.status().unwrap().waiting == 2);
        parties.into_iter().for_each(|party| party.kill());
        // Whether the server has heard of that or not.
        queue.put(number).unwrap();
        assert_eq!(queue.get().unwrap(), number);
    }
}

fn who_is_killed_while_it_waits_for_room_leaves_nothing() {
    let manager = Manager::start().unwrap();
    let (queue, ready) = (manager.bounded_queue(1).unwrap(), manager.queue().unwrap());
    queue.put(0).unwrap();
    let put = |(queue, ready): (QueueProxy<u32>, QueueProxy<()>)| {
        ready.put(()).unwrap();
        queue.put(1).is_ok()
    };
    for _ in 0..10 {
        let party = SPAWN.start(put, (queue.clone(), ready.clone()));
        ready.get().unwrap();
        eventually("it waits", || manager.status().unwrap().waiting == 1);
        party.kill();
        eventually("it waits no more", || manager.status().unwrap().waiting == 0);
    }
    assert_eq!(queue.get().unwrap(), 0);
    assert!(queue.try_get().is_err_and(|error| error.is_empty()));
}

fn items_of_one_that_drops_its_last_proxy_are_lost() {
    let manager = Manager::start().unwrap();
    let (queue, end) = (manager.joinable_queue().unwrap(), manager.event().unwrap());
    queue.put_many(vec![1, 2, 3]).unwrap();
    let get = |(queue, end): (JoinableQueueProxy<u32>, pool::shared::EventProxy)| {
        assert_eq!(queue.get_many(2).unwrap(), [1, 2]);
        queue.task_done().unwrap();
        drop(queue);
        end.wait().unwrap();
    };
    let party = SPAWN.start(get, (queue.clone(), end.clone()));
    assert!(matches!(queue.join(), Err(ManagerError::Join(JoinError::Lost(1)))));
    assert_eq!(queue.get().unwrap(), 3);
    queue.task_done().unwrap();
    queue.task_done().unwrap();
    queue.join().unwrap();
    end.set().unwrap();
    party.join();
}
