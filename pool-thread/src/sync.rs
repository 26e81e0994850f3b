//! Locks, atomics and parking as the queue uses them: std's, or loom's when its model is checked.

#[cfg(loom)]
pub(crate) use loom::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    sync::{Mutex, MutexGuard},
};
#[cfg(loom)]
pub(crate) use parking::{self as thread, Thread};
use std::sync::PoisonError;
#[cfg(not(loom))]
pub(crate) use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    sync::{Mutex, MutexGuard},
    thread::{self, Thread},
};

/// Locks without regard to poison: no user code runs under this crate's locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value on cache lines of its own, so that writing it does not disturb readers of its neighbours.
/// Processors fetch lines in pairs.
#[repr(align(128))]
pub(crate) struct Line<T>(pub(crate) T);

impl<T> std::ops::Deref for Line<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Parking by a lock and a condition: loom's own `unpark` also wakes a thread that waits for a lock, and then
/// fails for want of it.
#[cfg(loom)]
pub(crate) mod parking {
    use super::lock;
    use loom::sync::{Arc, Condvar, Mutex};

    #[derive(Clone)]
    pub(crate) struct Thread(Arc<(Mutex<bool>, Condvar)>);

    loom::thread_local! {
        static CURRENT: Thread = Thread(Arc::new((Mutex::new(false), Condvar::new())));
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(Thread::clone)
    }

    pub(crate) fn park() {
        let me = current();
        let (token, changed) = &*me.0;
        let mut token = lock(token);
        while !std::mem::take(&mut *token) {
            token = changed.wait(token).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    pub(crate) use loom::thread::yield_now;

    impl Thread {
        pub(crate) fn id(&self) -> *const (Mutex<bool>, Condvar) {
            &*self.0
        }

        pub(crate) fn unpark(&self) {
            *lock(&self.0.0) = true;
            self.0.1.notify_one();
        }
    }
}
