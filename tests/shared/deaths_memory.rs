//! Processes that are killed while they use what is in shared memory alone, as in `deaths_sync.rs`.

use std::thread;
use std::time::Duration;

use pool::shared::{Event, Lock, Once, RwLock};

use crate::deaths_sync::{LONG, kill_again_and_again, runs};
use crate::support::Random;
use crate::{Elsewhere, in_processes};

in_processes!(of_readers_and_writers, of_those_who_do_what_is_done_once,);

fn of_readers_and_writers(elsewhere: Elsewhere) {
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
    let other = elsewhere.start(witness, (locks.clone(), end.clone()));
    kill_again_and_again(elsewhere, use_it, &locks, |_| enter(&locks), || enter(&locks));
    end.set();
    other.join();
    enter(&locks);
    assert_eq!(format!("{:?}", locks.0), "RwLock { is_written: false, readers: 0, is_abandoned: false }");
}

fn of_those_who_do_what_is_done_once(elsewhere: Elsewhere) {
    fn use_it((once, begun): (Once, Event)) {
        begun.set();
        once.call_once(|| thread::sleep(Duration::from_micros(300)));
    }
    for run in 0..runs(elsewhere) {
        let mut random = Random::new(run);
        let once = Once::new().unwrap();
        let begun = Event::new().unwrap();
        let victim = elsewhere.start(use_it, (once.clone(), begun.clone()));
        begun.wait();
        thread::sleep(Duration::from_micros(random.below(500)));
        let waiter = Elsewhere::Thread.start(|once: Once| once.call_once(|| {}), once.clone());
        victim.kill();
        once.call_once(|| {});
        waiter.join();
        assert!(once.is_completed());
    }
}
