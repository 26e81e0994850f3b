//! What objects that processes wait for each other with show of themselves.

use pool::shared::{Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore};

use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    the_text_form_of_a_lock_shows_its_holder,
    the_text_form_of_an_rlock_shows_how_often_it_was_taken,
    the_text_form_of_a_semaphore_shows_what_is_free,
    the_text_form_of_a_condition_shows_who_waits,
    the_text_form_shows_whether_it_is_set,
    the_text_form_of_a_barrier_shows_who_waits,
);

fn the_text_form_of_a_lock_shows_its_holder(_: Elsewhere) {
    let lock = Lock::new().unwrap();
    assert_eq!(format!("{lock:?}"), "Lock { is_locked: false, is_abandoned: false }");
    let guard = lock.lock();
    let path = crate::support::own_thread();
    let holder = path.file_name().unwrap().to_string_lossy();
    let held = format!("Lock {{ is_locked: true, by_thread: {holder}, is_abandoned: false }}");
    assert_eq!(format!("{lock:?}"), held);
    assert_eq!(format!("{guard:?}"), format!("LockGuard {{ lock: {held} }}"));
}

fn the_text_form_of_an_rlock_shows_how_often_it_was_taken(_: Elsewhere) {
    let lock = RLock::new().unwrap();
    assert_eq!(format!("{lock:?}"), "RLock { is_locked: false, is_abandoned: false }");
    let (_once, _twice) = (lock.lock(), lock.lock());
    let shown = format!("{lock:?}");
    assert!(shown.contains("is_locked: true") && shown.contains("times: 2"), "{shown}");
}

fn the_text_form_of_a_semaphore_shows_what_is_free(_: Elsewhere) {
    let semaphore = Semaphore::new(2).unwrap();
    let permit = semaphore.permit();
    assert_eq!(format!("{semaphore:?}"), "Semaphore { available: 1, waiting: 0 }");
    assert_eq!(format!("{permit:?}"), "Permit { available: 1 }");
    let bounded = BoundedSemaphore::new(1).unwrap();
    assert_eq!(format!("{bounded:?}"), "BoundedSemaphore { available: 1, waiting: 0 }");
}

fn the_text_form_of_a_condition_shows_who_waits(_: Elsewhere) {
    let condition = Condition::with_lock(&Lock::new().unwrap()).unwrap();
    assert_eq!(
        format!("{condition:?}"),
        "Condition { lock: Lock { is_locked: false, is_abandoned: false }, waiting: 0 }"
    );
}

fn the_text_form_shows_whether_it_is_set(_: Elsewhere) {
    let event = Event::new().unwrap();
    assert_eq!(format!("{event:?}"), "Event { is_set: false }");
    event.set();
    assert_eq!(format!("{event:?}"), "Event { is_set: true }");
}

fn the_text_form_of_a_barrier_shows_who_waits(_: Elsewhere) {
    let barrier = Barrier::new(2).unwrap();
    assert_eq!(format!("{barrier:?}"), "Barrier { parties: 2, waiting: 0, is_broken: false }");
}
