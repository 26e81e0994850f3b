//! Objects that processes wait for each other with, on their way: in tasks and initializers of pools, and many of
//! them. (As arguments of a `Process` they are in every other test.)

use std::sync::{Mutex, PoisonError};

use pool::shared::{Barrier, BoundedSemaphore, Condition, Event, Lock, Once, RLock, RwLock, Semaphore};
use pool::{Pool, ProcessPool, ThreadPool};

use crate::churn::churn;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    all_of_them_arrive_with_a_task,
    all_of_them_arrive_with_an_initializer,
    many_locks_leave_nothing,
    many_rlocks_leave_nothing,
    many_semaphores_leave_nothing,
    many_bounded_semaphores_leave_nothing,
    many_conditions_leave_nothing,
    many_events_leave_nothing,
    many_barriers_leave_nothing,
    many_rw_locks_leave_nothing,
    many_onces_leave_nothing,
);

type Objects = ((Lock, RLock, Semaphore, BoundedSemaphore), (Condition, Event, Barrier, RwLock, Once));

fn objects() -> Objects {
    (
        (
            Lock::new().unwrap(),
            RLock::new().unwrap(),
            Semaphore::new(1).unwrap(),
            BoundedSemaphore::new(1).unwrap(),
        ),
        (
            Condition::new().unwrap(),
            Event::new().unwrap(),
            Barrier::new(1).unwrap(),
            RwLock::new().unwrap(),
            Once::new().unwrap(),
        ),
    )
}

/// Leaves a trace in each that can be seen elsewhere.
fn touch(((lock, rlock, semaphore, bounded), (condition, event, barrier, rw_lock, once)): Objects) -> bool {
    drop((lock.lock(), rlock.lock(), condition.lock(), rw_lock.write()));
    semaphore.release().unwrap();
    bounded.permit().forget();
    event.set();
    barrier.abort();
    once.call_once(|| {})
}

fn is_touched(objects: &Objects) -> bool {
    let ((_, _, semaphore, bounded), (_, event, barrier, _, once)) = objects;
    let counts = (semaphore.available(), bounded.available());
    counts == (2, 0) && event.is_set() && barrier.is_broken() && once.is_completed()
}

fn all_of_them_arrive_with_a_task(elsewhere: Elsewhere) {
    let objects = objects();
    let touched = match elsewhere {
        Elsewhere::Thread => ThreadPool::new(1).unwrap().apply(touch, objects.clone()).unwrap(),
        Elsewhere::Process(method) => {
            let builder = ProcessPool::builder().workers(1).start_method(method);
            let pool = builder.allow_fork_with_threads(true).build().unwrap();
            pool.apply(touch, objects.clone()).unwrap()
        }
    };
    assert!(touched && is_touched(&objects));
}

/// What an initializer brought.
static BROUGHT: Mutex<Option<Objects>> = Mutex::new(None);

fn brought() -> Option<Objects> {
    BROUGHT.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn keep(objects: Objects) {
    *BROUGHT.lock().unwrap_or_else(PoisonError::into_inner) = Some(objects);
}

fn all_of_them_arrive_with_an_initializer(elsewhere: Elsewhere) {
    let objects = objects();
    let task = |()| touch(brought().expect("what the initializer kept"));
    let touched = match elsewhere {
        Elsewhere::Thread => {
            let builder = ThreadPool::builder().workers(1).initializer(keep, objects.clone());
            builder.build().unwrap().apply(task, ()).unwrap()
        }
        Elsewhere::Process(method) => {
            let builder = ProcessPool::builder().workers(1).start_method(method);
            let builder = builder.allow_fork_with_threads(true).initializer(keep, objects.clone());
            builder.build().unwrap().apply(task, ()).unwrap()
        }
    };
    assert!(touched && is_touched(&objects));
}

fn many_locks_leave_nothing(elsewhere: Elsewhere) {
    churn(elsewhere, |_| Lock::new().unwrap(), |(lock, _): (Lock, u32)| !lock.lock().is_abandoned());
}

fn many_rlocks_leave_nothing(elsewhere: Elsewhere) {
    churn(elsewhere, |_| RLock::new().unwrap(), |(lock, _): (RLock, u32)| !lock.lock().is_abandoned());
}

fn many_semaphores_leave_nothing(elsewhere: Elsewhere) {
    let look = |(semaphore, nth): (Semaphore, u32)| semaphore.available() == u64::from(nth);
    churn(elsewhere, |nth| Semaphore::new(nth).unwrap(), look);
}

fn many_bounded_semaphores_leave_nothing(elsewhere: Elsewhere) {
    let look = |(semaphore, nth): (BoundedSemaphore, u32)| semaphore.available() == u64::from(nth);
    churn(elsewhere, |nth| BoundedSemaphore::new(nth).unwrap(), look);
}

fn many_conditions_leave_nothing(elsewhere: Elsewhere) {
    let look = |(condition, _): (Condition, u32)| {
        let _guard = condition.lock();
        condition.notify_all() == Ok(0)
    };
    churn(elsewhere, |_| Condition::new().unwrap(), look);
}

fn many_events_leave_nothing(elsewhere: Elsewhere) {
    churn(elsewhere, |_| Event::new().unwrap(), |(event, _): (Event, u32)| !event.is_set());
}

fn many_barriers_leave_nothing(elsewhere: Elsewhere) {
    let look = |(barrier, nth): (Barrier, u32)| barrier.parties() == nth % 1000 + 1;
    churn(elsewhere, |nth| Barrier::new(nth % 1000 + 1).unwrap(), look);
}

fn many_rw_locks_leave_nothing(elsewhere: Elsewhere) {
    churn(elsewhere, |_| RwLock::new().unwrap(), |(lock, _): (RwLock, u32)| lock.try_write().is_some());
}

fn many_onces_leave_nothing(elsewhere: Elsewhere) {
    churn(elsewhere, |_| Once::new().unwrap(), |(once, _): (Once, u32)| once.call_once(|| {}));
}
