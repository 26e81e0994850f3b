//! Processes that are killed while they put, get, wait, or have items.
//!
//! `POOL_QUEUE_DEATHS=700 cargo test --release --features shared --test shared queue::deaths` kills so many by each start
//! method.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::objects::{Event, JoinError, JoinableQueue, Queue, blocked};

use crate::support::Random;
use crate::{Elsewhere, Party, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    whoever_is_killed_at_whatever_instant_costs_the_item_in_hand_at_most,
    a_join_tells_of_items_that_died_with_who_had_got_them,
    a_get_goes_on_sleeping_and_wakes_when_another_sleeper_was_killed,
);

fn deaths() -> u64 {
    std::env::var("POOL_QUEUE_DEATHS").map_or(40, |text| text.parse().expect("POOL_QUEUE_DEATHS"))
}

/// Its producer, its number, and bytes that depend on them.
type Item = (u64, u64, Vec<u8>);

fn item(producer: u64, number: u64) -> Item {
    // Some larger than the ring was.
    let len = if number % 200 == 199 { 100_000 } else { number % 50 };
    (producer, number, (0..len).map(|place| (producer ^ number ^ place) as u8).collect())
}

fn produce((queue, producer, stop): (Queue<Item>, u64, Event)) {
    for number in 0.. {
        if stop.is_set() || queue.put(item(producer, number)).is_err() {
            return;
        }
    }
}

fn consume((queue, out): (Queue<Item>, Queue<(u64, u64)>)) {
    while let Ok(next) = queue.get() {
        let (producer, number, _) = next;
        let whole = next == item(producer, number);
        out.put(if whole { (producer, number) } else { (u64::MAX, number) }).unwrap();
    }
}

/// What came: for each producer, its numbers in no order.
#[derive(Default)]
struct Came(BTreeMap<u64, Vec<u64>>);

impl Came {
    fn collect(&mut self, out: &Queue<(u64, u64)>) {
        while let Ok((producer, number)) = out.try_get() {
            assert_ne!(producer, u64::MAX, "a torn item");
            self.0.entry(producer).or_default().push(number);
        }
    }

    /// How many are missing in between; none is there twice.
    fn missing(mut self) -> u64 {
        let missing = self.0.values_mut().map(|numbers| {
            numbers.sort_unstable();
            assert!(numbers.is_sorted_by(|one, next| one < next), "an item came twice");
            numbers.last().map_or(0, |last| last + 1 - numbers.len() as u64)
        });
        missing.sum()
    }
}

fn whoever_is_killed_at_whatever_instant_costs_the_item_in_hand_at_most(elsewhere: Elsewhere) {
    if !elsewhere.is_process() {
        return;
    }
    // Room for any number, for few and for one: ends that meet, wait and sleep.
    for bound in [None, Some(3), Some(1)] {
        storm(elsewhere, bound, deaths().div_ceil(3));
    }
}

fn storm(elsewhere: Elsewhere, bound: Option<usize>, deaths: u64) {
    let queue = bound.map_or_else(Queue::new, Queue::bounded).unwrap();
    let (out, stop) = (Queue::new().unwrap(), Event::new().unwrap());
    let mut producers = 0;
    let mut start = |produces: bool| match produces {
        true => {
            producers += 1;
            elsewhere.start(produce, (queue.clone(), producers, stop.clone()))
        }
        false => elsewhere.start(consume, (queue.clone(), out.clone())),
    };
    let mut parties: Vec<(bool, Party<()>)> =
        [true, false, true, false].map(|produces| (produces, start(produces))).into();
    let mut random = Random::new(u64::from(std::process::id()));
    let (mut came, mut consumers_killed) = (Came::default(), 0);
    for _ in 0..deaths {
        // Any instant will do.
        std::thread::sleep(Duration::from_micros(random.below(1_500)));
        let (produces, victim) = parties.swap_remove(random.below(4) as usize);
        victim.kill();
        consumers_killed += u64::from(!produces);
        parties.push((produces, start(produces)));
        came.collect(&out);
    }
    // All go on: what is put now comes.
    stop.set();
    let (producers, consumers): (Vec<_>, Vec<_>) = parties.into_iter().partition(|(produces, _)| *produces);
    producers.into_iter().for_each(|(_, party)| party.join());
    queue.put(item(0, 0)).unwrap();
    queue.close();
    consumers.into_iter().for_each(|(_, party)| party.join());
    assert!(queue.is_empty() && queue.get().unwrap_err().is_closed());
    came.collect(&out);
    assert_eq!(came.0.remove(&0), Some(vec![0]));
    let missing = came.missing();
    assert!(missing <= consumers_killed, "{missing} lost, {consumers_killed} consumers killed");
}

fn a_join_tells_of_items_that_died_with_who_had_got_them(elsewhere: Elsewhere) {
    fn get((queue, got): (JoinableQueue<u32>, Event)) {
        queue.get().unwrap();
        queue.get().unwrap();
        queue.task_done().unwrap();
        got.set();
        Event::new().unwrap().wait();
    }
    if !elsewhere.is_process() {
        return;
    }
    let (queue, got) = (JoinableQueue::new().unwrap(), Event::new().unwrap());
    (0..3).for_each(|item| queue.put(item).unwrap());
    let party = elsewhere.start(get, (queue.clone(), got.clone()));
    got.wait();
    assert_eq!(queue.join_timeout(Duration::from_millis(5)), Err(JoinError::Timeout));
    party.kill();
    assert_eq!(queue.join(), Err(JoinError::Lost(1)));
    assert_eq!(queue.join(), Err(JoinError::Lost(1)), "until somebody makes up for it");
    assert_eq!(queue.get().unwrap(), 2);
    queue.task_done().unwrap();
    assert_eq!(queue.join(), Err(JoinError::Lost(1)));
    queue.task_done().unwrap();
    queue.join().unwrap();
    assert!(queue.task_done().is_err());
}

fn a_get_goes_on_sleeping_and_wakes_when_another_sleeper_was_killed(elsewhere: Elsewhere) {
    fn get((queue, ready): (Queue<u32>, Queue<()>)) -> u32 {
        ready.put(()).unwrap();
        queue.get().unwrap()
    }
    if !elsewhere.is_process() {
        return;
    }
    let (queue, ready) = (Queue::new().unwrap(), Queue::new().unwrap());
    let mut parties: Vec<_> = (0..3).map(|_| elsewhere.start(get, (queue.clone(), ready.clone()))).collect();
    (0..3).for_each(|_| ready.get().unwrap());
    blocked(3);
    let last = parties.pop().unwrap();
    parties.into_iter().for_each(Party::kill);
    queue.put(7).unwrap();
    assert_eq!(last.join(), 7);
}
