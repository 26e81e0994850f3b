//! Processes that are killed at any instant while they use what processes wait for each other with: holding, waiting,
//! waking. Who lives goes on in bounded time, and what there was to count is right. `POOL_DEATH_RUNS` says how often
//! each is tried by each start method; a spawned process takes so much longer that it is a fifth of them.

use std::thread;
use std::time::{Duration, Instant};

use pool::{Message, StartMethod, TaskFn};

use crate::objects::{Barrier, Condition, Event, Lock, MANAGED, RLock, ReleaseError, Semaphore};
use crate::support::{Random, eventually};
use crate::{Elsewhere, Party, in_processes};

/// Long enough for anything that ends at all.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn runs(elsewhere: Elsewhere) -> u64 {
    let runs = std::env::var("POOL_DEATH_RUNS").map_or(10, |text| text.parse().expect("POOL_DEATH_RUNS"));
    if elsewhere == Elsewhere::Process(StartMethod::Spawn) { u64::div_ceil(runs, 5) } else { runs }
}

/// Starts victims of `use_it` elsewhere, one after the other, has `meanwhile` done while each is at work, kills it at some
/// instant, and checks with `after` that all is well. The victim sets the event when it is at work.
pub(crate) fn kill_again_and_again<A: Message + Clone, F: TaskFn<(A, Event), Output = ()> + Copy>(
    elsewhere: Elsewhere,
    use_it: F,
    arg: &A,
    mut meanwhile: impl FnMut(&mut Random),
    mut after: impl FnMut(),
) {
    let begun = Event::new().unwrap();
    for run in 0..runs(elsewhere) {
        let mut random = Random::new(run);
        let victim = elsewhere.start(use_it, (arg.clone(), begun.clone()));
        begun.wait();
        begun.clear();
        let end = Instant::now() + Duration::from_micros(random.below(1500));
        while Instant::now() < end {
            meanwhile(&mut random);
        }
        victim.kill();
        after();
    }
}

in_processes!(
    of_holders_of_a_lock,
    of_holders_of_an_rlock,
    of_holders_of_permits,
    of_waiters_for_a_condition,
    of_parties_of_a_barrier,
    of_waiters_for_an_event,
);

/// Takes the lock; nobody else has the second then.
fn enter((lock, room): &(Lock, Lock)) {
    let guard = lock.lock_timeout(LONG).expect("the lock, in time");
    if guard.is_abandoned() {
        guard.clear_abandoned();
    }
    assert!(room.try_acquire(), "two at once");
    room.release().unwrap();
}

fn of_holders_of_a_lock(elsewhere: Elsewhere) {
    fn use_it((locks, begun): ((Lock, Lock), Event)) {
        begun.set();
        loop {
            enter(&locks);
        }
    }
    fn witness((locks, end): ((Lock, Lock), Event)) {
        while !end.is_set() {
            enter(&locks);
        }
    }
    let (locks, end) = ((Lock::new().unwrap(), Lock::new().unwrap()), Event::new().unwrap());
    let other = elsewhere.start(witness, (locks.clone(), end.clone()));
    kill_again_and_again(elsewhere, use_it, &locks, |_| enter(&locks), || enter(&locks));
    end.set();
    other.join();
    enter(&locks);
    assert_eq!(locks.0.release(), Err(ReleaseError::NotLocked));
}

fn of_holders_of_an_rlock(elsewhere: Elsewhere) {
    fn enter((lock, room): &(RLock, Lock)) {
        let _once = lock.lock_timeout(LONG).expect("the lock, in time");
        let twice = lock.lock();
        twice.clear_abandoned();
        assert!(room.try_acquire(), "two at once");
        room.release().unwrap();
    }
    fn use_it((locks, begun): ((RLock, Lock), Event)) {
        begun.set();
        loop {
            enter(&locks);
        }
    }
    let locks = (RLock::new().unwrap(), Lock::new().unwrap());
    kill_again_and_again(elsewhere, use_it, &locks, |_| enter(&locks), || enter(&locks));
    assert!(!locks.0.is_locked());
}

fn of_holders_of_permits(elsewhere: Elsewhere) {
    fn enter((gate, room): &(Semaphore, Semaphore)) {
        let permit = gate.permit_timeout(LONG).expect("a permit, in time");
        assert!(room.try_permit().is_some(), "three at once");
        drop(permit);
    }
    fn use_it((gates, begun): ((Semaphore, Semaphore), Event)) {
        begun.set();
        loop {
            enter(&gates);
        }
    }
    fn witness((gates, end): ((Semaphore, Semaphore), Event)) {
        while !end.is_set() {
            enter(&gates);
        }
    }
    let (gates, end) = ((Semaphore::new(2).unwrap(), Semaphore::new(2).unwrap()), Event::new().unwrap());
    let others = [(); 2].map(|()| elsewhere.start(witness, (gates.clone(), end.clone())));
    kill_again_and_again(elsewhere, use_it, &gates, |_| enter(&gates), || enter(&gates));
    end.set();
    others.into_iter().for_each(Party::join);
    for gate in [&gates.0, &gates.1] {
        // Those of the last to die are free when somebody has waited for one.
        for _ in 0..2 {
            assert!(gate.acquire_timeout(LONG));
        }
        assert!(!gate.try_acquire());
        gate.release().unwrap();
        gate.release().unwrap();
        assert_eq!(gate.available(), 2);
    }
}

fn of_waiters_for_a_condition(elsewhere: Elsewhere) {
    /// Takes items; the last one, which says so, ends it.
    fn take((changed, items, end): &(Condition, Semaphore, Event)) -> bool {
        let _guard = changed.lock();
        changed.clear_abandoned();
        changed.wait_for(|| items.available() > 0).unwrap();
        if end.is_set() {
            return false;
        }
        items.permit().forget();
        true
    }
    fn use_it((arg, begun): ((Condition, Semaphore, Event), Event)) {
        begun.set();
        while take(&arg) {}
    }
    fn witness(arg: (Condition, Semaphore, Event)) {
        while take(&arg) {}
    }
    let arg = (Condition::new().unwrap(), Semaphore::new(0).unwrap(), Event::new().unwrap());
    let (changed, items, end) = &arg;
    let make = || {
        let _guard = changed.lock();
        items.release().unwrap();
        changed.notify(1).unwrap();
    };
    let other = elsewhere.start(witness, arg.clone());
    kill_again_and_again(
        elsewhere,
        use_it,
        &arg,
        |random| {
            make();
            thread::sleep(Duration::from_micros(random.below(100)));
        },
        || {
            make();
            // Who was notified may be dead: then the other is.
            eventually("all items are taken", || {
                // A permit of the dead may come back after the item was made, and tells nobody.
                if MANAGED {
                    let _guard = changed.lock();
                    changed.notify(1).unwrap();
                }
                items.available() == 0
            });
        },
    );
    end.set();
    make();
    other.join();
    let _guard = changed.lock();
    assert_eq!(changed.waiting(), Ok(0));
}

fn of_parties_of_a_barrier(elsewhere: Elsewhere) {
    fn use_it((barrier, begun): (Barrier, Event)) {
        begun.set();
        while barrier.wait_with(|| thread::sleep(Duration::from_micros(20))).is_ok() {}
    }
    fn survive(barrier: Barrier) {
        while barrier.wait().is_ok() {}
    }
    let barrier = Barrier::new(3).unwrap();
    let begun = Event::new().unwrap();
    for run in 0..runs(elsewhere) {
        let mut random = Random::new(run);
        let survivor = elsewhere.start(survive, barrier.clone());
        let victim = elsewhere.start(use_it, (barrier.clone(), begun.clone()));
        begun.wait();
        begun.clear();
        for _ in 0..random.below(10) {
            barrier.wait_timeout(LONG).expect("all live");
        }
        if run % 2 == 0 {
            // One that waits: the other that does sees that it died.
            eventually("both wait", || barrier.waiting() == 2);
            victim.kill();
        } else {
            // At any instant. One that is not there when it dies is one that is late.
            thread::sleep(Duration::from_micros(random.below(200)));
            victim.kill();
            while barrier.wait_timeout(Duration::from_millis(20)).is_ok() {}
        }
        survivor.join();
        assert!(barrier.is_broken());
        barrier.reset();
    }
    assert_eq!(barrier.waiting(), 0);
}

fn of_waiters_for_an_event(elsewhere: Elsewhere) {
    fn use_it(((event, answer), begun): ((Event, Event), Event)) {
        begun.set();
        loop {
            event.wait();
            event.clear();
            answer.set();
        }
    }
    let (event, answer) = (Event::new().unwrap(), Event::new().unwrap());
    kill_again_and_again(
        elsewhere,
        use_it,
        &(event.clone(), answer.clone()),
        |random| {
            event.set();
            answer.wait_timeout(Duration::from_micros(random.below(200)));
            answer.clear();
        },
        || {
            event.set();
            event.wait();
            event.clear();
        },
    );
}
