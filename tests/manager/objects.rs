//! Managed objects with the names and the surface of pool-shared's own, so that what is tested of those is tested of
//! these by the same code (`tests/shared/`): what fails here only if the server does, is unwrapped.
//!
//! All objects of a process are those of one manager, which ends with the last of those that were made here.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pool::shared as own;
pub(crate) use pool::shared::{
    BrokenBarrier, ConditionError, GetError, JoinError, PutError, ReleaseError, TaskDoneError,
};
use pool::shared::{Manager, ManagerError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// These are a manager's: a thread that ends with one of them keeps it, and each call takes two processes.
pub(crate) const MANAGED: bool = true;

/// How often something is done that is done often: a call to a server takes longer.
pub(crate) const fn times(often: u64) -> u64 {
    often / 20
}

/// Waits until so many calls of all processes wait.
#[track_caller]
pub(crate) fn blocked(calls: usize) {
    let manager = manager();
    crate::support::eventually("they wait", || manager.status().unwrap().waiting == calls);
}

/// The manager of this process.
fn manager() -> Arc<Manager> {
    static MANAGER: Mutex<(u32, Weak<Manager>)> = Mutex::new((0, Weak::new()));
    let mut manager = MANAGER.lock().unwrap();
    if manager.0 == std::process::id()
        && let Some(manager) = manager.1.upgrade()
    {
        return manager;
    }
    let new = Arc::new(Manager::start().unwrap());
    *manager = (std::process::id(), Arc::downgrade(&new));
    new
}

/// A proxy, and where it was made the manager.
pub(crate) struct Made<P>(P, Option<Arc<Manager>>);

impl<P> Made<P> {
    fn new(make: impl FnOnce(&Manager) -> Result<P, ManagerError>) -> io::Result<Made<P>> {
        let manager = manager();
        let proxy = make(&manager).map_err(io::Error::other)?;
        Ok(Made(proxy, Some(manager)))
    }
}

impl<P: Clone> Clone for Made<P> {
    fn clone(&self) -> Made<P> {
        Made(self.0.clone(), self.1.clone())
    }
}

impl<P: Serialize> Serialize for Made<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de, P: Deserialize<'de>> Deserialize<'de> for Made<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Made<P>, D::Error> {
        P::deserialize(deserializer).map(|proxy| Made(proxy, None))
    }
}

/// What a lock or semaphore says to who gives it back.
fn released(result: Result<(), ManagerError>) -> Result<(), ReleaseError> {
    match result {
        Err(ManagerError::Release(error)) => Err(error),
        other => {
            other.unwrap();
            Ok(())
        }
    }
}

fn of_condition<T>(result: Result<T, ManagerError>) -> Result<T, ConditionError> {
    match result {
        Err(ManagerError::Condition(error)) => Err(error),
        other => Ok(other.unwrap()),
    }
}

fn of_barrier<T>(result: Result<T, ManagerError>) -> Result<T, BrokenBarrier> {
    match result {
        Err(ManagerError::Broken(error)) => Err(error),
        other => Ok(other.unwrap()),
    }
}

/// A type around a proxy, that has methods which are the proxy's, unwrapped.
macro_rules! object {
    ($name:ident, $proxy:ty, { $($method:ident($($arg:ident: $type:ty),*) -> $result:ty);* $(;)? }) => {
        #[derive(Clone, Serialize, Deserialize)]
        pub(crate) struct $name(Made<$proxy>);

        #[allow(dead_code)]
        impl $name {
            $(#[track_caller]
            pub(crate) fn $method(&self, $($arg: $type),*) -> $result {
                self.0.0.$method($($arg),*).unwrap()
            })*
        }
    };
}

pub(crate) struct LockGuard<'a>(own::ManagedGuard<'a>);
pub(crate) struct Permit<'a>(own::ManagedPermit<'a>);

impl LockGuard<'_> {
    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.is_abandoned().unwrap()
    }

    pub(crate) fn clear_abandoned(&self) {
        self.0.clear_abandoned().unwrap();
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Permit<'_> {
    pub(crate) fn forget(self) {
        self.0.forget().unwrap();
    }
}

macro_rules! guards {
    ($name:ident) => {
        #[allow(dead_code)]
        impl $name {
            pub(crate) fn lock(&self) -> LockGuard<'_> {
                LockGuard(self.0.0.lock().unwrap())
            }

            pub(crate) fn try_lock(&self) -> Option<LockGuard<'_>> {
                self.0.0.try_lock().unwrap().map(LockGuard)
            }

            pub(crate) fn lock_timeout(&self, timeout: Duration) -> Option<LockGuard<'_>> {
                self.0.0.lock_timeout(timeout).unwrap().map(LockGuard)
            }

            pub(crate) fn release(&self) -> Result<(), ReleaseError> {
                released(self.0.0.release())
            }
        }
    };
}

object!(Lock, own::LockProxy, {
    acquire() -> ();
    try_acquire() -> bool;
    acquire_timeout(timeout: Duration) -> bool;
    is_locked() -> bool;
    is_abandoned() -> bool;
    clear_abandoned() -> ();
});
guards!(Lock);

impl Lock {
    pub(crate) fn new() -> io::Result<Lock> {
        Made::new(Manager::lock).map(Lock)
    }
}

object!(RLock, own::RLockProxy, {
    acquire() -> ();
    try_acquire() -> bool;
    acquire_timeout(timeout: Duration) -> bool;
    is_locked() -> bool;
    is_mine() -> bool;
    is_abandoned() -> bool;
    clear_abandoned() -> ();
});
guards!(RLock);

impl RLock {
    pub(crate) fn new() -> io::Result<RLock> {
        Made::new(Manager::rlock).map(RLock)
    }
}

macro_rules! semaphore {
    ($name:ident, $proxy:ty, $make:ident) => {
        object!($name, $proxy, {
            acquire() -> ();
            try_acquire() -> bool;
            acquire_timeout(timeout: Duration) -> bool;
            available() -> u64;
        });

        #[allow(dead_code)]
        impl $name {
            pub(crate) fn new(permits: u32) -> io::Result<$name> {
                Made::new(|manager| manager.$make(permits)).map($name)
            }

            pub(crate) fn permit(&self) -> Permit<'_> {
                Permit(self.0.0.permit().unwrap())
            }

            pub(crate) fn try_permit(&self) -> Option<Permit<'_>> {
                self.0.0.try_permit().unwrap().map(Permit)
            }

            pub(crate) fn permit_timeout(&self, timeout: Duration) -> Option<Permit<'_>> {
                self.0.0.permit_timeout(timeout).unwrap().map(Permit)
            }

            pub(crate) fn release(&self) -> Result<(), ReleaseError> {
                released(self.0.0.release())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("available", &self.available())
                    .field("waiting", &self.0.0.waiting().unwrap())
                    .finish()
            }
        }
    };
}

semaphore!(Semaphore, own::SemaphoreProxy, semaphore);
semaphore!(BoundedSemaphore, own::BoundedSemaphoreProxy, bounded_semaphore);

object!(Event, own::EventProxy, {
    is_set() -> bool;
    set() -> ();
    clear() -> ();
    wait() -> ();
    wait_timeout(timeout: Duration) -> bool;
});

impl Event {
    pub(crate) fn new() -> io::Result<Event> {
        Made::new(Manager::event).map(Event)
    }
}

object!(Condition, own::ConditionProxy, {
    acquire() -> ();
    try_acquire() -> bool;
    acquire_timeout(timeout: Duration) -> bool;
    is_abandoned() -> bool;
    clear_abandoned() -> ();
});

#[allow(dead_code)]
impl Condition {
    pub(crate) fn new() -> io::Result<Condition> {
        Made::new(Manager::condition).map(Condition)
    }

    pub(crate) fn with_lock(lock: &Lock) -> io::Result<Condition> {
        Made::new(|_| lock.0.0.condition()).map(Condition)
    }

    pub(crate) fn with_rlock(lock: &RLock) -> io::Result<Condition> {
        Made::new(|_| lock.0.0.condition()).map(Condition)
    }

    pub(crate) fn lock(&self) -> LockGuard<'_> {
        LockGuard(self.0.0.lock().unwrap())
    }

    pub(crate) fn release(&self) -> Result<(), ReleaseError> {
        released(self.0.0.release())
    }

    pub(crate) fn wait(&self) -> Result<(), ConditionError> {
        of_condition(self.0.0.wait())
    }

    pub(crate) fn wait_timeout(&self, timeout: Duration) -> Result<bool, ConditionError> {
        of_condition(self.0.0.wait_timeout(timeout))
    }

    pub(crate) fn wait_for(&self, is_so: impl FnMut() -> bool) -> Result<(), ConditionError> {
        of_condition(self.0.0.wait_for(is_so))
    }

    pub(crate) fn wait_for_timeout(
        &self,
        is_so: impl FnMut() -> bool,
        timeout: Duration,
    ) -> Result<bool, ConditionError> {
        of_condition(self.0.0.wait_for_timeout(is_so, timeout))
    }

    pub(crate) fn notify(&self, count: usize) -> Result<usize, ConditionError> {
        of_condition(self.0.0.notify(count))
    }

    pub(crate) fn notify_all(&self) -> Result<usize, ConditionError> {
        of_condition(self.0.0.notify_all())
    }

    pub(crate) fn waiting(&self) -> Result<usize, ConditionError> {
        of_condition(self.0.0.waiting())
    }
}

object!(Barrier, own::BarrierProxy, {
    abort() -> ();
    reset() -> ();
    is_broken() -> bool;
    parties() -> u32;
    waiting() -> usize;
});

#[allow(dead_code)]
impl Barrier {
    pub(crate) fn new(parties: u32) -> io::Result<Barrier> {
        Made::new(|manager| manager.barrier(parties)).map(Barrier)
    }

    pub(crate) fn wait(&self) -> Result<usize, BrokenBarrier> {
        of_barrier(self.0.0.wait())
    }

    pub(crate) fn wait_timeout(&self, timeout: Duration) -> Result<usize, BrokenBarrier> {
        of_barrier(self.0.0.wait_timeout(timeout))
    }

    pub(crate) fn wait_with(&self, action: impl FnOnce()) -> Result<usize, BrokenBarrier> {
        of_barrier(self.0.0.wait_with(action))
    }

    pub(crate) fn wait_with_timeout(
        &self,
        timeout: Duration,
        action: impl FnOnce(),
    ) -> Result<usize, BrokenBarrier> {
        of_barrier(self.0.0.wait_with_timeout(timeout, action))
    }
}

macro_rules! queue {
    ($name:ident, $proxy:ident, $make:ident, $make_bounded:ident) => {
        pub(crate) struct $name<T>(Made<own::$proxy<T>>);

        impl<T> Clone for $name<T> {
            fn clone(&self) -> $name<T> {
                $name(self.0.clone())
            }
        }

        impl<T> Serialize for $name<T> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.0.serialize(serializer)
            }
        }

        impl<'de, T: 'static> Deserialize<'de> for $name<T> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name<T>, D::Error> {
                Made::deserialize(deserializer).map($name)
            }
        }

        #[allow(dead_code)]
        impl<T: Serialize + DeserializeOwned + Send + 'static> $name<T> {
            pub(crate) fn new() -> io::Result<$name<T>> {
                Made::new(Manager::$make).map($name)
            }

            pub(crate) fn bounded(max_items: usize) -> io::Result<$name<T>> {
                Made::new(|manager| manager.$make_bounded(max_items)).map($name)
            }

            pub(crate) fn put(&self, item: T) -> Result<(), PutError<T>> {
                self.0.0.put(item)
            }

            pub(crate) fn try_put(&self, item: T) -> Result<(), PutError<T>> {
                self.0.0.try_put(item)
            }

            pub(crate) fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
                self.0.0.put_timeout(item, timeout)
            }

            pub(crate) fn get(&self) -> Result<T, GetError> {
                self.0.0.get()
            }

            pub(crate) fn try_get(&self) -> Result<T, GetError> {
                self.0.0.try_get()
            }

            pub(crate) fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
                self.0.0.get_timeout(timeout)
            }

            pub(crate) fn len(&self) -> usize {
                self.0.0.len().unwrap()
            }

            pub(crate) fn qsize(&self) -> usize {
                self.0.0.qsize().unwrap()
            }

            pub(crate) fn is_empty(&self) -> bool {
                self.0.0.is_empty().unwrap()
            }

            pub(crate) fn is_full(&self) -> bool {
                self.0.0.is_full().unwrap()
            }

            pub(crate) fn close(&self) {
                self.0.0.close().unwrap();
            }

            pub(crate) fn is_closed(&self) -> bool {
                self.0.0.is_closed().unwrap()
            }
        }
    };
}

queue!(Queue, QueueProxy, queue, bounded_queue);
queue!(JoinableQueue, JoinableQueueProxy, joinable_queue, bounded_joinable_queue);

impl<T: Serialize + DeserializeOwned + Send + 'static> JoinableQueue<T> {
    pub(crate) fn task_done(&self) -> Result<(), TaskDoneError> {
        match self.0.0.task_done() {
            Err(ManagerError::TaskDone(error)) => Err(error),
            other => {
                other.unwrap();
                Ok(())
            }
        }
    }

    pub(crate) fn join(&self) -> Result<(), JoinError> {
        joined(self.0.0.join())
    }

    pub(crate) fn join_timeout(&self, timeout: Duration) -> Result<(), JoinError> {
        joined(self.0.0.join_timeout(timeout))
    }
}

fn joined(result: Result<(), ManagerError>) -> Result<(), JoinError> {
    match result {
        Err(ManagerError::Join(error)) => Err(error),
        other => {
            other.unwrap();
            Ok(())
        }
    }
}
