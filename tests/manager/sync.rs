//! Locks, conditions, events and barriers of a manager: what CPython's tests of it look at, and what is of managers
//! alone. What they have in common with those in shared memory is in `tests/shared/`.

use std::time::Duration;

use pool::StartMethod;
use pool::shared::{
    BarrierProxy, ConditionProxy, EventProxy, LockProxy, Manager, ManagerError, RLockProxy, ReleaseError,
    SemaphoreProxy,
};

use crate::support::{SIGKILL, by_itself, eventually, kill};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    an_event_that_was_set_here_is_seen_and_cleared_there,
    a_lock_that_was_taken_there_is_released_here,
    a_permit_that_was_taken_there_is_released_here,
    the_lock_of_a_condition_is_taken_and_released_there,
    the_other_side_sees_the_number_of_parties_and_may_reset,
    who_drops_its_last_proxy_of_a_lock_has_it_no_more,
    the_end_of_the_server_ends_every_wait,
);
by_itself!(
    what_is_waited_for_is_no_object_any_more_when_all_is_dropped,
    a_wait_that_is_over_leaves_nothing_to_those_behind_it,
    a_barrier_has_parties,
);

fn an_event_that_was_set_here_is_seen_and_cleared_there(elsewhere: Elsewhere) {
    fn clear(event: EventProxy) -> bool {
        event.wait().unwrap();
        let was_set = event.is_set().unwrap();
        event.clear().unwrap();
        was_set
    }
    let manager = Manager::start().unwrap();
    let event = manager.event().unwrap();
    let party = elsewhere.start(clear, event.clone());
    event.set().unwrap();
    assert!(party.join());
    assert!(!event.is_set().unwrap());
}

fn a_lock_that_was_taken_there_is_released_here(elsewhere: Elsewhere) {
    fn take((lock, taken, end): (LockProxy, EventProxy, EventProxy)) {
        lock.acquire().unwrap();
        taken.set().unwrap();
        end.wait().unwrap();
    }
    let manager = Manager::start().unwrap();
    let (lock, taken, end) = (manager.lock().unwrap(), manager.event().unwrap(), manager.event().unwrap());
    let party = elsewhere.start(take, (lock.clone(), taken.clone(), end.clone()));
    taken.wait().unwrap();
    lock.release().unwrap();
    assert!(matches!(lock.release(), Err(ManagerError::Release(ReleaseError::NotLocked))));
    end.set().unwrap();
    party.join();
}

fn a_permit_that_was_taken_there_is_released_here(elsewhere: Elsewhere) {
    fn take((semaphore, taken, end): (SemaphoreProxy, EventProxy, EventProxy)) {
        semaphore.acquire().unwrap();
        taken.set().unwrap();
        end.wait().unwrap();
    }
    let manager = Manager::start().unwrap();
    let semaphore = manager.semaphore(1).unwrap();
    let (taken, end) = (manager.event().unwrap(), manager.event().unwrap());
    let party = elsewhere.start(take, (semaphore.clone(), taken.clone(), end.clone()));
    taken.wait().unwrap();
    assert!(!semaphore.try_acquire().unwrap());
    semaphore.release().unwrap();
    assert_eq!(semaphore.available().unwrap(), 1);
    end.set().unwrap();
    party.join();
}

fn the_lock_of_a_condition_is_taken_and_released_there(elsewhere: Elsewhere) {
    fn take(condition: ConditionProxy) -> bool {
        condition.acquire().unwrap();
        condition.release().is_ok() && condition.release().is_err()
    }
    let manager = Manager::start().unwrap();
    let condition = manager.condition().unwrap();
    assert!(elsewhere.start(take, condition.clone()).join());
    assert!(condition.try_acquire().unwrap() && !condition.is_abandoned().unwrap());
    condition.release().unwrap();
}

fn the_other_side_sees_the_number_of_parties_and_may_reset(elsewhere: Elsewhere) {
    fn reset(barrier: BarrierProxy) -> u32 {
        barrier.reset().unwrap();
        barrier.parties().unwrap()
    }
    let manager = Manager::start().unwrap();
    let barrier = manager.barrier(7).unwrap();
    barrier.abort().unwrap();
    assert_eq!(elsewhere.start(reset, barrier.clone()).join(), 7);
    assert!(!barrier.is_broken().unwrap());
}

fn who_drops_its_last_proxy_of_a_lock_has_it_no_more(elsewhere: Elsewhere) {
    fn drop_it((locks, dropped, end): ((LockProxy, RLockProxy), EventProxy, EventProxy)) {
        locks.0.acquire().unwrap();
        locks.1.acquire().unwrap();
        drop(locks);
        dropped.set().unwrap();
        end.wait().unwrap();
    }
    if elsewhere == Elsewhere::Thread || elsewhere == Elsewhere::Process(StartMethod::Fork) {
        // The test has proxies in this process; and a forked child has copies of them, which it drops with itself.
        return;
    }
    let manager = Manager::start().unwrap();
    let locks = (manager.lock().unwrap(), manager.rlock().unwrap());
    let (dropped, end) = (manager.event().unwrap(), manager.event().unwrap());
    let party = elsewhere.start(drop_it, (locks.clone(), dropped.clone(), end.clone()));
    dropped.wait().unwrap();
    assert!(locks.0.lock().unwrap().is_abandoned().unwrap());
    assert!(locks.1.lock().unwrap().is_abandoned().unwrap());
    end.set().unwrap();
    party.join();
}

fn the_end_of_the_server_ends_every_wait(elsewhere: Elsewhere) {
    type All = (LockProxy, SemaphoreProxy, ConditionProxy, EventProxy, BarrierProxy, u32);
    fn wait((lock, semaphore, condition, event, barrier, which): All) -> String {
        let waited = match which {
            0 => lock.acquire(),
            1 => semaphore.acquire(),
            2 => condition.acquire().and_then(|()| condition.wait()),
            3 => event.wait(),
            _ => barrier.wait().map(drop),
        };
        format!("{waited:?}")
    }
    for shut_down in [true, false] {
        let manager = Manager::start().unwrap();
        let (lock, semaphore) = (manager.lock().unwrap(), manager.semaphore(0).unwrap());
        let (condition, event) = (manager.condition().unwrap(), manager.event().unwrap());
        let barrier = manager.barrier(2).unwrap();
        lock.acquire().unwrap();
        let all = |which| {
            (lock.clone(), semaphore.clone(), condition.clone(), event.clone(), barrier.clone(), which)
        };
        let parties: Vec<_> = (0..5).map(|which| elsewhere.start(wait, all(which))).collect();
        eventually("they wait", || manager.status().unwrap().waiting == 5);
        if shut_down {
            manager.shutdown().unwrap();
        } else {
            kill(manager.pid().unwrap(), SIGKILL);
        }
        parties.into_iter().for_each(|party| assert_eq!(party.join(), "Err(Gone)"));
    }
}

fn what_is_waited_for_is_no_object_any_more_when_all_is_dropped() {
    let manager = Manager::start().unwrap();
    let (lock, rlock) = (manager.lock().unwrap(), manager.rlock().unwrap());
    let conditions = (lock.condition().unwrap(), rlock.condition().unwrap(), manager.condition().unwrap());
    // One for each, and the last one's lock.
    assert_eq!(manager.status().unwrap().objects, 6);
    drop((lock, rlock));
    assert_eq!(manager.status().unwrap().objects, 6);
    conditions.0.acquire().unwrap();
    assert!(!conditions.0.wait_timeout(Duration::from_millis(1)).unwrap());
    drop(conditions);
    assert_eq!(manager.status().unwrap().objects, 0);
}

/// Those in front of a line leave it in every way, and who is behind them gets what there is.
fn a_wait_that_is_over_leaves_nothing_to_those_behind_it() {
    let manager = Manager::start().unwrap();
    let semaphore = manager.semaphore(0).unwrap();
    std::thread::scope(|scope| {
        let waiting = |count| eventually("they wait", || semaphore.waiting().unwrap() == count);
        let first = scope.spawn(|| semaphore.acquire_timeout(Duration::from_millis(50)));
        waiting(1);
        let killed = Elsewhere::Process(StartMethod::Spawn)
            .start(|semaphore: SemaphoreProxy| semaphore.acquire().is_ok(), semaphore.clone());
        waiting(2);
        let last = scope.spawn(|| semaphore.acquire());
        waiting(3);
        assert!(!first.join().unwrap().unwrap());
        killed.kill();
        semaphore.release().unwrap();
        last.join().unwrap().unwrap();
        semaphore.release().unwrap();
        eventually("the permit is free", || semaphore.available().unwrap() == 1);
        waiting(0);
    });
}

fn a_barrier_has_parties() {
    let manager = Manager::start().unwrap();
    for parties in [0, (1 << 16) + 1] {
        assert!(matches!(manager.barrier(parties), Err(ManagerError::Misuse(_))));
    }
}
