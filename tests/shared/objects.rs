//! The objects that are tested, by one code, here and where they are a manager's (`tests/manager/objects.rs`).

pub(crate) use pool::shared::{
    Barrier, BoundedSemaphore, BrokenBarrier, Condition, ConditionError, Event, GetError, JoinError,
    JoinableQueue, Lock, PutError, Queue, RLock, ReleaseError, Semaphore, TaskDoneError,
};

/// These are in shared memory.
pub(crate) const MANAGED: bool = false;

/// Waits until so many calls wait, where that makes a difference to who is killed then: what it has asked a server for
/// is done for it, dead or not, if that comes before its death.
pub(crate) fn blocked(_calls: usize) {}

/// How often something is done that is done often.
pub(crate) const fn times(often: u64) -> u64 {
    often
}
