//! Processes that are killed at any instant while they use what processes wait for each other with: holding, waiting,
//! waking. Who lives goes on in bounded time, and what there was to count is right. `POOL_DEATH_RUNS` says how often
//! each is tried.

use std::thread;
use std::time::{Duration, Instant};

use pool::shared::{Barrier, Condition, Event, Lock, Once, RLock, ReleaseError, RwLock, Semaphore};
use pool::{Message, StartMethod, TaskFn};

use crate::support::{Random, eventually};
use crate::{Elsewhere, Party};

const PROCESS: Elsewhere = Elsewhere::Process(StartMethod::Fork);
/// Long enough for anything that ends at all.
const LONG: Duration = Duration::from_secs(60);

fn runs() -> u64 {
    std::env::var("POOL_DEATH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// Starts victims of `use_it` one after the other, has `meanwhile` done while each is at work, kills it at some
/// instant, and checks with `after` that all is well. The victim sets the event when it is at work.
fn kill_again_and_again<A: Message + Clone, F: TaskFn<(A, Event), Output = ()> + Copy>(
    use_it: F,
    arg: &A,
    mut meanwhile: impl FnMut(&mut Random),
    mut after: impl FnMut(),
) {
    let begun = Event::new().unwrap();
    for run in 0..runs() {
        let mut random = Random::new(run);
        let victim = PROCESS.start(use_it, (arg.clone(), begun.clone()));
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

/// Makes tests that are each a program of its own.
macro_rules! alone {
    ($($test:ident),+ $(,)?) => {
        mod alone {
            $(#[test] fn $test() {
                super::PROCESS.run(concat!(module_path!(), "::", stringify!($test)), |_| super::$test());
            })+
        }
    };
}

alone!(
    of_holders_of_a_lock,
    of_holders_of_an_rlock,
    of_holders_of_permits,
    of_waiters_for_a_condition,
    of_parties_of_a_barrier,
    of_readers_and_writers,
    of_those_who_do_what_is_done_once,
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

fn of_holders_of_a_lock() {
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
    let other = PROCESS.start(witness, (locks.clone(), end.clone()));
    kill_again_and_again(use_it, &locks, |_| enter(&locks), || enter(&locks));
    end.set();
    other.join();
    enter(&locks);
    assert_eq!(locks.0.release(), Err(ReleaseError::NotLocked));
}

fn of_holders_of_an_rlock() {
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
    kill_again_and_again(use_it, &locks, |_| enter(&locks), || enter(&locks));
    assert!(!locks.0.is_locked());
}

fn of_holders_of_permits() {
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
    let others = [(); 2].map(|()| PROCESS.start(witness, (gates.clone(), end.clone())));
    kill_again_and_again(use_it, &gates, |_| enter(&gates), || enter(&gates));
    end.set();
    others.into_iter().for_each(Party::join);
    for _ in 0..2 {
        assert!(gates.0.acquire_timeout(LONG));
    }
    assert!(!gates.0.try_acquire());
    gates.0.release().unwrap();
    gates.0.release().unwrap();
    assert_eq!((gates.0.available(), gates.1.available()), (2, 2));
}

fn of_waiters_for_a_condition() {
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
    let other = PROCESS.start(witness, arg.clone());
    kill_again_and_again(
        use_it,
        &arg,
        |random| {
            make();
            thread::sleep(Duration::from_micros(random.below(100)));
        },
        || {
            make();
            // Who was notified may be dead: then the other is.
            eventually("all items are taken", || items.available() == 0);
        },
    );
    end.set();
    make();
    other.join();
    let _guard = changed.lock();
    assert_eq!(changed.waiting(), Ok(0));
}

fn of_parties_of_a_barrier() {
    fn use_it((barrier, begun): (Barrier, Event)) {
        begun.set();
        while barrier.wait_with(|| thread::sleep(Duration::from_micros(20))).is_ok() {}
    }
    fn survive(barrier: Barrier) {
        while barrier.wait().is_ok() {}
    }
    let barrier = Barrier::new(3).unwrap();
    let begun = Event::new().unwrap();
    for run in 0..runs() {
        let mut random = Random::new(run);
        let survivor = PROCESS.start(survive, barrier.clone());
        let victim = PROCESS.start(use_it, (barrier.clone(), begun.clone()));
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

fn of_readers_and_writers() {
    fn enter((lock, room): &(RwLock, Lock)) {
        for _ in 0..3 {
            let reading = lock.read_timeout(LONG).expect("to read, in time");
            assert!(!room.is_locked() || reading.is_abandoned(), "one writes while this reads");
        }
        let writing = lock.write_timeout(LONG).expect("to write, in time");
        assert!(room.try_acquire(), "two at once");
        room.release().unwrap();
        writing.clear_abandoned();
    }
    fn use_it((locks, begun): ((RwLock, Lock), Event)) {
        begun.set();
        loop {
            enter(&locks);
        }
    }
    fn witness((locks, end): ((RwLock, Lock), Event)) {
        while !end.is_set() {
            enter(&locks);
        }
    }
    let (locks, end) = ((RwLock::new().unwrap(), Lock::new().unwrap()), Event::new().unwrap());
    let other = PROCESS.start(witness, (locks.clone(), end.clone()));
    kill_again_and_again(use_it, &locks, |_| enter(&locks), || enter(&locks));
    end.set();
    other.join();
    enter(&locks);
    assert_eq!(format!("{:?}", locks.0), "RwLock { is_written: false, readers: 0, is_abandoned: false }");
}

fn of_those_who_do_what_is_done_once() {
    fn use_it((once, begun): (Once, Event)) {
        begun.set();
        once.call_once(|| thread::sleep(Duration::from_micros(300)));
    }
    for run in 0..runs() {
        let mut random = Random::new(run);
        let once = Once::new().unwrap();
        let begun = Event::new().unwrap();
        let victim = PROCESS.start(use_it, (once.clone(), begun.clone()));
        begun.wait();
        thread::sleep(Duration::from_micros(random.below(500)));
        let waiter = Elsewhere::Thread.start(|once: Once| once.call_once(|| {}), once.clone());
        victim.kill();
        once.call_once(|| {});
        waiter.join();
        assert!(once.is_completed());
    }
}

fn of_waiters_for_an_event() {
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
