//! Semaphores.

use std::time::{Duration, Instant};

use crate::objects::{BoundedSemaphore, Event, ReleaseError, Semaphore, times};

use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    permits_are_counted_and_releases_go_beyond_the_first_count,
    a_bounded_semaphore_has_no_more_than_at_first,
    a_wait_for_a_permit_honours_its_timeout_and_a_try_does_not_wait,
    a_permit_taken_there_is_released_here,
    no_more_have_a_permit_than_there_are,
    a_permit_goes_back_when_it_is_dropped_and_not_when_it_is_forgotten,
    permits_of_one_that_ended_go_back,
    who_waits_is_served_in_order,
);

fn tries(semaphore: Semaphore) -> bool {
    semaphore.try_acquire()
}

fn permits_are_counted_and_releases_go_beyond_the_first_count(elsewhere: Elsewhere) {
    let semaphore = Semaphore::new(2).unwrap();
    assert_eq!(semaphore.available(), 2);
    semaphore.acquire();
    assert_eq!(semaphore.available(), 1);
    assert!(semaphore.try_acquire());
    assert_eq!(semaphore.available(), 0);
    assert!(!semaphore.try_acquire());
    assert!(!elsewhere.start(tries, semaphore.clone()).join());
    for available in 1..=4 {
        semaphore.release().unwrap();
        assert_eq!(semaphore.available(), available);
    }
}

fn a_bounded_semaphore_has_no_more_than_at_first(elsewhere: Elsewhere) {
    fn release(semaphore: BoundedSemaphore) -> bool {
        semaphore.release() == Err(ReleaseError::TooMany)
    }
    let semaphore = BoundedSemaphore::new(2).unwrap();
    semaphore.acquire();
    assert!(semaphore.try_acquire() && !semaphore.try_acquire());
    assert_eq!(semaphore.available(), 0);
    semaphore.release().unwrap();
    semaphore.release().unwrap();
    assert_eq!(semaphore.release(), Err(ReleaseError::TooMany));
    assert!(elsewhere.start(release, semaphore.clone()).join());
    assert_eq!(semaphore.available(), 2);
}

fn a_wait_for_a_permit_honours_its_timeout_and_a_try_does_not_wait(elsewhere: Elsewhere) {
    fn wait((semaphore, timeout): (Semaphore, Duration)) -> (bool, bool, bool, Duration) {
        let tried = semaphore.try_acquire();
        let at_once = semaphore.acquire_timeout(Duration::ZERO);
        let start = Instant::now();
        (tried, at_once, semaphore.acquire_timeout(timeout), start.elapsed())
    }
    let semaphore = Semaphore::new(0).unwrap();
    let timeout = Duration::from_millis(30);
    let (tried, at_once, acquired, took) = elsewhere.start(wait, (semaphore.clone(), timeout)).join();
    assert!(!tried && !at_once && !acquired && took >= timeout, "{took:?}");
    assert_eq!(semaphore.available(), 0);
}

fn a_permit_taken_there_is_released_here(elsewhere: Elsewhere) {
    fn hold((semaphore, taken, end): (Semaphore, Event, Event)) {
        semaphore.acquire();
        taken.set();
        end.wait();
    }
    let (semaphore, taken, end) = (Semaphore::new(1).unwrap(), Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(hold, (semaphore.clone(), taken.clone(), end.clone()));
    taken.wait();
    assert!(!semaphore.try_acquire());
    semaphore.release().unwrap();
    assert_eq!(semaphore.available(), 1);
    assert!(semaphore.try_acquire());
    end.set();
    party.join();
}

fn no_more_have_a_permit_than_there_are(elsewhere: Elsewhere) {
    const TIMES: u64 = times(2_000);
    /// Who has one of two permits finds one of two others free, always.
    fn enter((gate, room): (Semaphore, Semaphore)) -> u64 {
        let mut free = 0;
        for _ in 0..TIMES {
            let _permit = gate.permit();
            free += u64::from(room.try_permit().is_some());
        }
        free
    }
    let (gate, room) = (Semaphore::new(2).unwrap(), Semaphore::new(2).unwrap());
    let parties = [(); 3].map(|()| elsewhere.start(enter, (gate.clone(), room.clone())));
    for party in parties {
        assert_eq!(party.join(), TIMES);
    }
    assert_eq!((gate.available(), room.available()), (2, 2));
}

fn a_permit_goes_back_when_it_is_dropped_and_not_when_it_is_forgotten(elsewhere: Elsewhere) {
    fn use_up(semaphore: Semaphore) {
        semaphore.permit().forget();
    }
    let semaphore = Semaphore::new(3).unwrap();
    let permit = semaphore.permit();
    assert_eq!(semaphore.available(), 2);
    drop(permit);
    assert_eq!(semaphore.available(), 3);
    elsewhere.start(use_up, semaphore.clone()).join();
    assert_eq!(semaphore.available(), 2);
    let permits = [semaphore.try_permit(), semaphore.permit_timeout(Duration::ZERO)];
    assert!(permits.iter().all(Option::is_some) && semaphore.try_permit().is_none());
    drop(permits);
    assert_eq!(semaphore.available(), 2);
}

fn permits_of_one_that_ended_go_back(elsewhere: Elsewhere) {
    fn end_with_two(semaphore: Semaphore) {
        semaphore.acquire();
        semaphore.acquire();
    }
    let semaphore = Semaphore::new(2).unwrap();
    elsewhere.start(end_with_two, semaphore.clone()).join();
    if elsewhere.is_process() {
        semaphore.acquire();
        semaphore.acquire();
    }
    // Those of a thread are its process's.
    assert!(!semaphore.try_acquire());
    semaphore.release().unwrap();
    semaphore.release().unwrap();
    assert_eq!(semaphore.available(), 2);
}

fn who_waits_is_served_in_order(elsewhere: Elsewhere) {
    fn wait((semaphore, turn): (Semaphore, Semaphore)) -> u64 {
        // Not to go back when this process has ended.
        semaphore.permit().forget();
        let place = turn.available();
        turn.release().unwrap();
        place
    }
    let (semaphore, turn) = (Semaphore::new(0).unwrap(), Semaphore::new(0).unwrap());
    let mut parties = Vec::new();
    for waiting in 1..=3 {
        parties.push(elsewhere.start(wait, (semaphore.clone(), turn.clone())));
        let text = format!("Semaphore {{ available: 0, waiting: {waiting} }}");
        crate::support::eventually("it waits", || format!("{semaphore:?}") == text);
    }
    for turns in 1..=3 {
        semaphore.release().unwrap();
        crate::support::eventually("its turn", || turn.available() == turns);
    }
    let order: Vec<_> = parties.into_iter().map(|party| party.join()).collect();
    assert_eq!(order, [0, 1, 2]);
}
