//! Locks.

use std::time::{Duration, Instant};

use crate::objects::{Event, Lock, MANAGED, ReleaseError, times};

use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_lock_is_one_sides_at_a_time,
    a_lock_may_be_released_by_another_than_its_holder,
    a_guard_gives_the_lock_back,
    a_wait_with_a_timeout_ends_in_time,
    counting_under_a_lock_loses_nothing,
    the_lock_of_a_holder_that_ended_is_abandoned_until_cleared,
);

fn a_lock_is_one_sides_at_a_time(elsewhere: Elsewhere) {
    fn tries(lock: Lock) -> (bool, bool) {
        (lock.try_acquire(), lock.acquire_timeout(Duration::from_millis(10)))
    }
    let lock = Lock::new().unwrap();
    lock.acquire();
    assert!(lock.is_locked() && !lock.try_acquire());
    assert_eq!(elsewhere.start(tries, lock.clone()).join(), (false, false));
    lock.release().unwrap();
    assert!(!lock.is_locked());
    assert_eq!(lock.release(), Err(ReleaseError::NotLocked));
}

fn a_lock_may_be_released_by_another_than_its_holder(elsewhere: Elsewhere) {
    fn hold((lock, held, released): (Lock, Event, Event)) {
        lock.acquire();
        held.set();
        released.wait();
        // The other way round: what this side took back is released over there.
        lock.acquire();
        released.clear();
        held.set();
        // Who ends gives back what it holds.
        released.wait();
    }
    let (lock, held, released) = (Lock::new().unwrap(), Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(hold, (lock.clone(), held.clone(), released.clone()));
    held.wait();
    held.clear();
    assert!(lock.is_locked());
    lock.release().unwrap();
    released.set();
    held.wait();
    lock.release().unwrap();
    assert_eq!(lock.release(), Err(ReleaseError::NotLocked));
    released.set();
    party.join();
    assert!(lock.try_acquire());
}

fn a_guard_gives_the_lock_back(elsewhere: Elsewhere) {
    fn take(lock: Lock) -> bool {
        let _guard = lock.lock();
        lock.is_locked() && lock.try_lock().is_none() && lock.lock_timeout(Duration::ZERO).is_none()
    }
    let lock = Lock::new().unwrap();
    let guard = lock.lock();
    let party = elsewhere.start(take, lock.clone());
    assert!(!guard.is_abandoned());
    drop(guard);
    assert!(party.join());
    assert!(!lock.is_locked());
    drop(lock.try_lock().unwrap());
    drop(lock.lock_timeout(Duration::ZERO).unwrap());
    assert!(!lock.is_locked());
}

fn a_wait_with_a_timeout_ends_in_time(elsewhere: Elsewhere) {
    fn wait((lock, timeout): (Lock, Duration)) -> (bool, Duration) {
        let start = Instant::now();
        (lock.acquire_timeout(timeout), start.elapsed())
    }
    let lock = Lock::new().unwrap();
    let _guard = lock.lock();
    let timeout = Duration::from_millis(30);
    let (acquired, took) = elsewhere.start(wait, (lock.clone(), timeout)).join();
    assert!(!acquired && took >= timeout, "{took:?}");
}

fn counting_under_a_lock_loses_nothing(elsewhere: Elsewhere) {
    const TIMES: u64 = times(20_000);
    /// Between two locks there is no other shared memory to count in: the count is the number of times that the
    /// second was found free, which only the first makes certain.
    fn count((first, second): (Lock, Lock)) -> u64 {
        let mut free = 0;
        for _ in 0..TIMES {
            let _guard = first.lock();
            free += u64::from(second.try_lock().is_some());
        }
        free
    }
    let (first, second) = (Lock::new().unwrap(), Lock::new().unwrap());
    let parties = [(); 2].map(|()| elsewhere.start(count, (first.clone(), second.clone())));
    assert_eq!(count((first.clone(), second.clone())), TIMES);
    for party in parties {
        assert_eq!(party.join(), TIMES);
    }
}

fn the_lock_of_a_holder_that_ended_is_abandoned_until_cleared(elsewhere: Elsewhere) {
    fn end_with_it(lock: Lock) {
        lock.acquire();
    }
    fn find_it(lock: Lock) -> bool {
        lock.lock().is_abandoned()
    }
    if MANAGED && !elsewhere.is_process() {
        // A server knows of processes only: a thread that ends with a managed lock keeps it for its process.
        return;
    }
    let lock = Lock::new().unwrap();
    // Dropped with its thread, if it is one.
    elsewhere.start(end_with_it, lock.clone()).join();
    assert!(lock.lock().is_abandoned());
    assert!(elsewhere.start(find_it, lock.clone()).join());
    lock.lock().clear_abandoned();
    assert!(!elsewhere.start(find_it, lock.clone()).join());
    assert!(!lock.lock().is_abandoned());
}

mod again {
    //! Locks that their holder may take again.

    use crate::objects::{MANAGED, RLock, ReleaseError};

    use crate::{Elsewhere, with_the_other_side_everywhere};

    with_the_other_side_everywhere!(
        an_rlock_is_released_as_often_as_it_was_acquired,
        an_rlock_is_released_by_its_holder_alone,
        the_rlock_of_a_holder_that_ended_is_abandoned_and_whole,
    );

    fn an_rlock_is_released_as_often_as_it_was_acquired(elsewhere: Elsewhere) {
        fn tries(lock: RLock) -> bool {
            lock.try_acquire()
        }
        let lock = RLock::new().unwrap();
        lock.acquire();
        assert!(lock.try_acquire());
        let guard = lock.lock();
        for depth in [3, 2, 1] {
            assert!(lock.is_mine() && lock.is_locked());
            assert!(!elsewhere.start(tries, lock.clone()).join(), "{depth}");
            lock.release().unwrap();
        }
        assert!(!lock.is_locked());
        assert_eq!(lock.release(), Err(ReleaseError::NotLocked));
        // What it was to give back was given back already.
        drop(guard);
        assert!(!lock.is_locked());
    }

    fn an_rlock_is_released_by_its_holder_alone(elsewhere: Elsewhere) {
        fn release(lock: RLock) -> bool {
            lock.release() == Err(ReleaseError::NotOwner) && !lock.is_mine()
        }
        let lock = RLock::new().unwrap();
        let _guard = lock.lock();
        assert!(elsewhere.start(release, lock.clone()).join());
        assert!(lock.is_mine());
    }

    fn the_rlock_of_a_holder_that_ended_is_abandoned_and_whole(elsewhere: Elsewhere) {
        fn end_with_it(lock: RLock) {
            lock.acquire();
            lock.acquire();
        }
        if MANAGED && !elsewhere.is_process() {
            // As for a lock.
            return;
        }
        let lock = RLock::new().unwrap();
        elsewhere.start(end_with_it, lock.clone()).join();
        let guard = lock.lock();
        assert!(guard.is_abandoned());
        guard.clear_abandoned();
        drop(guard);
        assert!(!lock.is_locked());
        assert!(!lock.lock().is_abandoned());
    }
}
