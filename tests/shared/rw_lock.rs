//! Locks to read and to write.

use std::time::Duration;

use pool::shared::{Event, RwLock, Semaphore};

use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    many_read_or_one_writes,
    a_thread_that_reads_may_read_again,
    a_writer_that_waits_is_not_passed_by_readers,
    counting_under_a_write_lock_loses_nothing,
    the_lock_of_a_writer_that_ended_is_abandoned_until_cleared,
    the_lock_of_a_reader_that_ended_is_free,
    the_text_form_of_a_rw_lock_shows_who_has_it,
);

/// Whether it can be read, and written.
fn tries(lock: RwLock) -> (bool, bool) {
    let short = Duration::from_millis(5);
    (
        lock.try_read().is_some() && lock.read_timeout(short).is_some(),
        lock.try_write().is_some() || lock.write_timeout(short).is_some(),
    )
}

fn many_read_or_one_writes(elsewhere: Elsewhere) {
    let lock = RwLock::new().unwrap();
    let reading = lock.read();
    assert_eq!(elsewhere.start(tries, lock.clone()).join(), (true, false));
    drop(reading);
    let writing = lock.write();
    assert_eq!(elsewhere.start(tries, lock.clone()).join(), (false, false));
    drop(writing);
    assert_eq!(elsewhere.start(tries, lock.clone()).join(), (true, true));
    assert!(lock.try_write().is_some() && lock.try_read().is_some());
}

fn a_thread_that_reads_may_read_again(elsewhere: Elsewhere) {
    let lock = RwLock::new().unwrap();
    let (once, twice) = (lock.read(), lock.read());
    drop(once);
    assert_eq!(elsewhere.start(tries, lock.clone()).join(), (true, false));
    drop(twice);
    assert_eq!(elsewhere.start(tries, lock.clone()).join(), (true, true));
}

fn a_writer_that_waits_is_not_passed_by_readers(elsewhere: Elsewhere) {
    fn write((lock, wrote): (RwLock, Event)) {
        let _guard = lock.write();
        wrote.set();
    }
    fn read((lock, wrote): (RwLock, Event)) -> bool {
        let _guard = lock.read();
        wrote.is_set()
    }
    let (lock, wrote) = (RwLock::new().unwrap(), Event::new().unwrap());
    let reading = lock.read();
    let writer = elsewhere.start(write, (lock.clone(), wrote.clone()));
    // When a reader has to wait, the writer waits already.
    crate::support::eventually("the writer waits", || !elsewhere.start(can_read, lock.clone()).join());
    let reader = elsewhere.start(read, (lock.clone(), wrote.clone()));
    // This thread reads already, and would wait for itself.
    drop(lock.read());
    drop(reading);
    assert!(reader.join());
    writer.join();
}

fn can_read(lock: RwLock) -> bool {
    lock.try_read().is_some()
}

fn counting_under_a_write_lock_loses_nothing(elsewhere: Elsewhere) {
    const TIMES: u64 = 1_000;
    /// Reads what is there and makes it one more, in two steps.
    fn count((lock, count): (RwLock, Semaphore)) -> bool {
        (0..TIMES).all(|_| {
            {
                let _guard = lock.write();
                let before = count.available();
                count.release().unwrap();
                if count.available() != before + 1 {
                    return false;
                }
            }
            let _guard = lock.read();
            count.available() == count.available()
        })
    }
    let arg = (RwLock::new().unwrap(), Semaphore::new(0).unwrap());
    let parties = [(); 2].map(|()| elsewhere.start(count, arg.clone()));
    assert!(count(arg.clone()));
    assert!(parties.into_iter().all(crate::Party::join));
    assert_eq!(arg.1.available(), 3 * TIMES);
}

fn the_lock_of_a_writer_that_ended_is_abandoned_until_cleared(elsewhere: Elsewhere) {
    fn end_with_it(lock: RwLock) {
        std::mem::forget(lock.write());
    }
    let lock = RwLock::new().unwrap();
    elsewhere.start(end_with_it, lock.clone()).join();
    assert!(lock.read().is_abandoned());
    let guard = lock.write();
    assert!(guard.is_abandoned());
    guard.clear_abandoned();
    drop(guard);
    assert!(!lock.read().is_abandoned());
}

fn the_lock_of_a_reader_that_ended_is_free(elsewhere: Elsewhere) {
    fn end_with_it(lock: RwLock) {
        std::mem::forget(lock.read());
        std::mem::forget(lock.read());
    }
    let lock = RwLock::new().unwrap();
    elsewhere.start(end_with_it, lock.clone()).join();
    assert!(!lock.write().is_abandoned());
}

fn the_text_form_of_a_rw_lock_shows_who_has_it(_: Elsewhere) {
    let lock = RwLock::new().unwrap();
    let _reading = lock.read();
    assert_eq!(format!("{lock:?}"), "RwLock { is_written: false, readers: 1, is_abandoned: false }");
}
