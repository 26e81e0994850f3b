//! Conditions.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use crate::objects::{Condition, ConditionError, Event, Lock, RLock, Semaphore};

use crate::support::{eventually, kill};
use crate::{Elsewhere, Party, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    each_notification_wakes_exactly_one,
    notify_all_wakes_all_and_those_whose_time_was_over_are_no_more,
    notify_wakes_as_many_as_it_says_and_what_is_too_many_is_nothing,
    a_wait_for_a_state_ends_when_it_is_reached,
    a_wait_for_a_state_that_is_not_reached_ends_with_its_time,
    a_wait_says_whether_it_was_notified,
    a_condition_may_go_with_a_lock_that_is_there,
    a_wait_gives_an_rlock_back_whole_and_takes_it_whole,
    only_the_holder_of_the_lock_waits_and_notifies,
    the_lock_of_a_condition_is_taken_and_released_there,
);

/// Waits once; counts that it woke.
fn wait_once((condition, woken): (Condition, Semaphore)) {
    let _guard = condition.lock();
    condition.wait().unwrap();
    woken.release().unwrap();
}

fn new() -> (Condition, Semaphore) {
    (Condition::new().unwrap(), Semaphore::new(0).unwrap())
}

fn waiting(condition: &Condition) -> usize {
    let _guard = condition.lock();
    condition.waiting().unwrap()
}

fn notify(condition: &Condition, count: usize) -> usize {
    let _guard = condition.lock();
    condition.notify(count).unwrap()
}

/// So many that wait.
fn waiters(elsewhere: Elsewhere, count: usize, with: &(Condition, Semaphore)) -> Vec<Party<()>> {
    let parties = (0..count).map(|_| elsewhere.start(wait_once, with.clone())).collect();
    eventually("they wait", || waiting(&with.0) == count);
    parties
}

fn each_notification_wakes_exactly_one(elsewhere: Elsewhere) {
    let (condition, woken) = new();
    let mut parties = waiters(elsewhere, 1, &(condition.clone(), woken.clone()));
    parties.push(Elsewhere::Thread.start(wait_once, (condition.clone(), woken.clone())));
    eventually("both wait", || waiting(&condition) == 2);
    for count in 1..=2 {
        assert_eq!(notify(&condition, 1), 1);
        eventually("one woke", || woken.available() == count);
        assert_eq!(waiting(&condition), 2 - count as usize);
    }
    parties.into_iter().for_each(Party::join);
    assert_eq!(woken.available(), 2);
    assert_eq!(waiting(&condition), 0);
}

fn notify_all_wakes_all_and_those_whose_time_was_over_are_no_more(elsewhere: Elsewhere) {
    fn time_out(condition: Condition) -> bool {
        let _guard = condition.lock();
        condition.wait_timeout(Duration::from_millis(20)).unwrap()
    }
    let (condition, woken) = new();
    let mut late: Vec<_> = (0..3).map(|_| elsewhere.start(time_out, condition.clone())).collect();
    late.extend((0..3).map(|_| Elsewhere::Thread.start(time_out, condition.clone())));
    assert!(late.into_iter().all(|party| !party.join()));
    assert_eq!(waiting(&condition), 0);

    let mut parties = waiters(elsewhere, 3, &(condition.clone(), woken.clone()));
    let here = (condition.clone(), woken.clone());
    parties.extend((0..3).map(|_| Elsewhere::Thread.start(wait_once, here.clone())));
    eventually("six wait", || waiting(&condition) == 6);
    let guard = condition.lock();
    assert_eq!(condition.notify_all(), Ok(6));
    drop(guard);
    parties.into_iter().for_each(Party::join);
    assert_eq!((woken.available(), waiting(&condition)), (6, 0));
}

fn notify_wakes_as_many_as_it_says_and_what_is_too_many_is_nothing(elsewhere: Elsewhere) {
    let (condition, woken) = new();
    assert_eq!(notify(&condition, 3), 0);
    let parties = waiters(elsewhere, 5, &(condition.clone(), woken.clone()));
    assert_eq!(notify(&condition, 2), 2);
    eventually("two woke", || woken.available() == 2);
    assert_eq!(waiting(&condition), 3);
    assert_eq!(notify(&condition, 4), 3);
    parties.into_iter().for_each(Party::join);
    assert_eq!(woken.available(), 5);
    assert_eq!(notify(&condition, 3), 0);
    // What was too many is not kept for who comes later.
    let _guard = condition.lock();
    assert_eq!(condition.wait_timeout(Duration::from_millis(10)), Ok(false));
}

fn a_wait_for_a_state_ends_when_it_is_reached(elsewhere: Elsewhere) {
    fn count_up((condition, value): (Condition, Semaphore)) -> bool {
        let _guard = condition.lock();
        condition.wait_for(|| value.available() == 0).unwrap();
        value.release().unwrap();
        condition.notify(1).unwrap();
        condition.wait_for(|| value.available() == 4).is_ok()
    }
    let (condition, value) = new();
    value.release().unwrap();
    let party = elsewhere.start(count_up, (condition.clone(), value.clone()));
    {
        let _guard = condition.lock();
        value.permit().forget();
        condition.notify(1).unwrap();
        condition.wait_for(|| value.available() == 1).unwrap();
    }
    for _ in 0..3 {
        let _guard = condition.lock();
        value.release().unwrap();
        condition.notify(1).unwrap();
    }
    assert!(party.join());
}

fn a_wait_for_a_state_that_is_not_reached_ends_with_its_time(elsewhere: Elsewhere) {
    fn wait((condition, timeout): (Condition, Duration)) -> (bool, Duration) {
        let start = Instant::now();
        let _guard = condition.lock();
        (condition.wait_for_timeout(|| false, timeout).unwrap(), start.elapsed())
    }
    let (condition, _) = new();
    let timeout = Duration::from_millis(40);
    let party = elsewhere.start(wait, (condition.clone(), timeout));
    // A notification is no reason to wait any longer, or less.
    eventually("it is over", || notify(&condition, 1) > 0 || party.is_over());
    let (is_so, took) = party.join();
    assert!(!is_so && took >= timeout, "{took:?}");
    let _guard = condition.lock();
    assert_eq!(condition.wait_for_timeout(|| true, Duration::ZERO), Ok(true));
}

/// In the process that waits.
static HANDLED: AtomicBool = AtomicBool::new(false);

extern "C" fn handle(_: libc::c_int) {
    HANDLED.store(true, SeqCst);
}

fn a_wait_says_whether_it_was_notified(elsewhere: Elsewhere) {
    fn wait((condition, handled): (Condition, Event)) -> bool {
        let handler = handle as extern "C" fn(libc::c_int);
        // SAFETY: the handler stores to a word.
        unsafe { libc::signal(libc::SIGINT, handler as libc::sighandler_t) };
        let teller = std::thread::spawn(move || {
            eventually("the handler ran", || HANDLED.load(SeqCst));
            handled.set();
        });
        let guard = condition.lock();
        let notified = condition.wait_timeout(Duration::from_secs(1000)).unwrap();
        drop(guard);
        teller.join().unwrap();
        notified
    }
    let (condition, handled) = (Condition::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(wait, (condition.clone(), handled.clone()));
    // A signal ends no wait: its handler runs, and the wait goes on.
    eventually("its handler is there, and it waits", || waiting(&condition) == 1);
    kill(
        match &party {
            Party::Process(process) => process.pid(),
            Party::Thread(..) => std::process::id(),
        },
        libc::SIGINT,
    );
    handled.wait();
    eventually("notified", || notify(&condition, 1) == 1);
    assert!(party.join());
    let _guard = condition.lock();
    assert_eq!(condition.wait_timeout(Duration::from_millis(5)), Ok(false));
}

fn a_condition_may_go_with_a_lock_that_is_there(elsewhere: Elsewhere) {
    fn wait((lock, condition): (Lock, Condition)) -> bool {
        let _guard = lock.lock();
        condition.wait().is_ok()
    }
    let lock = Lock::new().unwrap();
    let conditions = [(); 2].map(|()| Condition::with_lock(&lock).unwrap());
    let parties =
        conditions.each_ref().map(|condition| elsewhere.start(wait, (lock.clone(), condition.clone())));
    eventually("both wait", || conditions.iter().all(|condition| waiting(condition) == 1));
    let guard = lock.lock();
    assert_eq!(conditions.each_ref().map(|condition| condition.notify_all()), [Ok(1); 2]);
    drop(guard);
    assert!(parties.into_iter().all(Party::join));
    assert!(!lock.is_locked());
}

fn a_wait_gives_an_rlock_back_whole_and_takes_it_whole(elsewhere: Elsewhere) {
    fn wait((lock, condition): (RLock, Condition)) -> bool {
        let (_once, _twice, _thrice) = (lock.lock(), lock.lock(), condition.lock());
        let notified = condition.wait_timeout(Duration::from_secs(1000)).unwrap();
        // As often as it was taken, and the guards have nothing left.
        notified && [(); 3].iter().all(|()| lock.release().is_ok()) && lock.release().is_err()
    }
    let lock = RLock::new().unwrap();
    let condition = Condition::with_rlock(&lock).unwrap();
    let party = elsewhere.start(wait, (lock.clone(), condition.clone()));
    eventually("notified", || notify(&condition, 1) == 1);
    assert!(party.join());
    assert!(!lock.is_locked() && !lock.is_abandoned());
}

fn only_the_holder_of_the_lock_waits_and_notifies(elsewhere: Elsewhere) {
    fn tries(condition: Condition) -> bool {
        let errors = [
            condition.wait().err(),
            condition.wait_timeout(Duration::ZERO).err(),
            condition.notify(1).err(),
            condition.notify_all().err(),
            condition.waiting().err(),
        ];
        errors == [Some(ConditionError::NotOwner); 5] && condition.release().is_err()
    }
    let condition = Condition::new().unwrap();
    assert!(tries(condition.clone()));
    let _guard = condition.lock();
    assert!(elsewhere.start(tries, condition.clone()).join());
}

fn the_lock_of_a_condition_is_taken_and_released_there(elsewhere: Elsewhere) {
    fn take(condition: Condition) -> bool {
        condition.acquire();
        let again = condition.try_acquire() && condition.acquire_timeout(Duration::ZERO);
        again && [(); 3].iter().all(|()| condition.release().is_ok()) && condition.release().is_err()
    }
    let condition = Condition::new().unwrap();
    assert!(elsewhere.start(take, condition.clone()).join());
    assert!(condition.try_acquire() && !condition.is_abandoned());
    condition.release().unwrap();
}
