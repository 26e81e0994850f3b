//! Waiting, under a lock, for what others do under it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::lock::{Core, Guards, LockProxy, ManagedGuard};
use super::rlock::RLockProxy;
use crate::manager::error::{Fault, Refusal};
use crate::manager::method::Waits;
use crate::manager::objects::opaque;
use crate::manager::server::{Caller, Ended, Line, Monitor, Patience, State};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// What waits for a managed condition's lock to have changed something, in the server.
pub struct ManagedCondition {
    lock: Arc<Core>,
    waiting: Monitor<Waiting>,
}

/// Those that wait, in the order in which they began.
#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    waits: VecDeque<Wait>,
    line: Line,
}

#[derive(Debug)]
struct Wait {
    number: u64,
    /// Notified, as one of those with smaller numbers than this.
    notified: Option<u64>,
}

impl State for Waiting {
    fn line(&mut self, number: usize) -> Option<&mut Line> {
        (number == 0).then_some(&mut self.line)
    }

    fn ready(&self, _line: usize) -> usize {
        // Whoever is notified is called by that.
        0
    }
}

impl Waiting {
    fn begin(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waits.push_back(Wait { number, notified: None });
        number
    }

    /// Ends a wait; whether it was notified, and as one of which.
    fn end(&mut self, number: u64) -> Option<u64> {
        let place = self.waits.iter().position(|wait| wait.number == number)?;
        self.waits.remove(place)?.notified
    }

    fn is_notified(&self, number: u64) -> bool {
        self.waits.iter().any(|wait| wait.number == number && wait.notified.is_some())
    }

    /// Notifies the first `count` of those with smaller numbers than this; how many.
    fn notify(&mut self, count: usize, below: u64) -> usize {
        let waits = self.waits.iter_mut().filter(|wait| wait.notified.is_none() && wait.number < below);
        let mut notified = 0;
        for wait in waits.take(count) {
            wait.notified = Some(below);
            notified += 1;
            self.line.call_tag(wait.number);
        }
        notified
    }
}

opaque!(ManagedCondition);

impl ManagedCondition {
    const WAIT: Method<Self, Patience, bool> =
        Method::beside("wait", |condition, caller, patience| condition.wait(caller, patience));
    const NOTIFY: Method<Self, u64, u64> = Method::beside("notify", |condition, caller, count| {
        condition.must_be_mine(caller)?;
        let mut waiting = condition.waiting.lock();
        let below = waiting.next;
        Ok(waiting.notify(usize::try_from(count).unwrap_or(usize::MAX), below) as u64)
    });
    const WAITING: Method<Self, (), u64> = Method::beside("waiting", |condition, caller, ()| {
        condition.must_be_mine(caller)?;
        let waiting = condition.waiting.lock();
        Ok(waiting.waits.iter().filter(|wait| wait.notified.is_none()).count() as u64)
    });

    pub(super) fn new(lock: Arc<Core>) -> ManagedCondition {
        ManagedCondition { lock, waiting: Monitor::new(Waiting::default()) }
    }

    fn must_be_mine(&self, caller: &Caller) -> std::result::Result<(), Fault> {
        if self.lock.is_mine(caller) { Ok(()) } else { Err(Refusal::NotOwnerOfCondition.into()) }
    }

    fn wait(&self, caller: &Caller, patience: Patience) -> std::result::Result<bool, Fault> {
        self.must_be_mine(caller)?;
        let number = self.waiting.lock().begin();
        let Some(depth) = self.lock.release_whole(caller) else {
            // Another has released it just now.
            self.leave(number);
            return Err(Refusal::NotOwnerOfCondition.into());
        };
        let woken = self
            .waiting
            .wait_as(number, caller, patience, 0, |waiting, _| waiting.is_notified(number).then_some(()));
        if woken == Err(Ended::Unwanted) {
            self.leave(number);
            return Err(Ended::Unwanted.into());
        }
        let notified = self.waiting.lock().end(number);
        match self.lock.acquire_times(caller, Patience::EVER, depth) {
            Ok(_) => Ok(notified.is_some()),
            Err(fault) => {
                self.pass_on(notified);
                Err(fault)
            }
        }
    }

    /// Ends a wait that takes no notification.
    fn leave(&self, number: u64) {
        let notified = self.waiting.lock().end(number);
        self.pass_on(notified);
    }

    /// A notification goes to the next of those that waited when it was given.
    fn pass_on(&self, notified: Option<u64>) {
        if let Some(below) = notified {
            self.waiting.lock().notify(1, below);
        }
    }
}

impl Waits for ManagedCondition {
    const NAME: &'static str = "condition";

    fn methods() -> Methods<Self> {
        Methods::new().with(&Self::WAIT).with(&Self::NOTIFY).with(&Self::WAITING)
    }

    /// Whoever waits leaves by itself; the lock looks after itself.
    fn forget(&self, _session: u128) {}

    fn wake(&self) {
        self.waiting.wake();
        self.lock.wake();
    }
}

/// A proxy of a condition: waiting, under a lock, for what others do under the same lock, as Python's
/// `Manager().Condition()`.
///
/// Each [`notify`](ConditionProxy::notify) ends one wait: of those that wait, the one that began first. A waiter whose
/// process dies has not taken what it was notified of: that goes to the next of those that waited when it was given.
/// Who dies with the lock leaves it as [`LockProxy`] says.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{ConditionProxy, Manager, SemaphoreProxy};
///
/// let manager = Manager::start()?;
/// let (changed, items) = (manager.condition()?, manager.semaphore(0)?);
/// let child = |(changed, items): (ConditionProxy, SemaphoreProxy)| {
///     let _guard = changed.lock();
///     changed.wait_for(|| items.available().is_ok_and(|items| items == 2)).is_ok()
/// };
/// let child = Process::spawn(child, (changed.clone(), items.clone()))?;
/// for _ in 0..2 {
///     let _guard = changed.lock()?;
///     items.release()?;
///     changed.notify(1)?;
/// }
/// assert!(child.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionProxy {
    waiting: Proxy<ManagedCondition>,
    lock: Inner,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Inner {
    Lock(LockProxy),
    RLock(RLockProxy),
}

impl Manager {
    /// A new condition with an [`RLockProxy`] of its own. [`LockProxy::condition`] and [`RLockProxy::condition`] make
    /// one for a lock that is there.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn condition(&self) -> Result<ConditionProxy> {
        self.rlock()?.condition()
    }
}

/// What is the same for both locks.
macro_rules! of_the_lock {
    ($condition:ident, $lock:ident => $call:expr) => {
        match &$condition.lock {
            Inner::Lock($lock) => $call,
            Inner::RLock($lock) => $call,
        }
    };
}

impl ConditionProxy {
    pub(super) fn with_lock(waiting: Proxy<ManagedCondition>, lock: LockProxy) -> ConditionProxy {
        ConditionProxy { waiting, lock: Inner::Lock(lock) }
    }

    pub(super) fn with_rlock(waiting: Proxy<ManagedCondition>, lock: RLockProxy) -> ConditionProxy {
        ConditionProxy { waiting, lock: Inner::RLock(lock) }
    }

    /// Takes the lock, until the guard is dropped.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
    pub fn lock(&self) -> Result<ManagedGuard<'_>> {
        of_the_lock!(self, lock => lock.lock())
    }

    /// Takes the lock, until [`release`](ConditionProxy::release).
    ///
    /// # Errors
    /// As [`lock`](ConditionProxy::lock).
    pub fn acquire(&self) -> Result<()> {
        of_the_lock!(self, lock => lock.acquire())
    }

    /// Takes the lock (`true`), unless others have it.
    ///
    /// # Errors
    /// As [`lock`](ConditionProxy::lock).
    pub fn try_acquire(&self) -> Result<bool> {
        of_the_lock!(self, lock => lock.try_acquire())
    }

    /// Takes the lock (`true`), unless that takes longer than `timeout` (`false`).
    ///
    /// # Errors
    /// As [`lock`](ConditionProxy::lock).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<bool> {
        of_the_lock!(self, lock => lock.acquire_timeout(timeout))
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// As that of the lock's `release`.
    pub fn release(&self) -> Result<()> {
        of_the_lock!(self, lock => lock.release())
    }

    /// Whether somebody died with the lock, and nobody has cleared that. For who has the lock.
    ///
    /// # Errors
    /// As [`lock`](ConditionProxy::lock).
    pub fn is_abandoned(&self) -> Result<bool> {
        of_the_lock!(self, lock => lock.is_abandoned())
    }

    /// Says that what the lock protects is well again. For who has the lock.
    ///
    /// # Errors
    /// As [`lock`](ConditionProxy::lock).
    pub fn clear_abandoned(&self) -> Result<()> {
        of_the_lock!(self, lock => lock.clear_abandoned())
    }

    /// Gives the lock back, waits until notified, and takes the lock again.
    ///
    /// # Errors
    /// [`Condition`](ManagerError::Condition): this thread does not have the lock; and as
    /// [`lock`](ConditionProxy::lock).
    pub fn wait(&self) -> Result<()> {
        self.waiting.call(&ManagedCondition::WAIT, Patience::EVER).map(drop)
    }

    /// As [`wait`](ConditionProxy::wait), until notified (`true`), for at most `timeout` (`false`). Then the lock is
    /// taken again, however long that takes.
    ///
    /// # Errors
    /// As [`wait`](ConditionProxy::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        self.waiting.call(&ManagedCondition::WAIT, timeout.into())
    }

    /// Waits until `is_so`, which is called here with the lock held: at first, and whenever this thread was notified.
    ///
    /// # Errors
    /// As [`wait`](ConditionProxy::wait).
    pub fn wait_for(&self, is_so: impl FnMut() -> bool) -> Result<()> {
        self.wait_for_until(is_so, None).map(drop)
    }

    /// As [`wait_for`](ConditionProxy::wait_for), for at most `timeout`; what `is_so` gave at last.
    ///
    /// # Errors
    /// As [`wait`](ConditionProxy::wait).
    pub fn wait_for_timeout(&self, is_so: impl FnMut() -> bool, timeout: Duration) -> Result<bool> {
        // A time past the end of time is none.
        self.wait_for_until(is_so, Instant::now().checked_add(timeout))
    }

    fn wait_for_until(&self, mut is_so: impl FnMut() -> bool, end: Option<Instant>) -> Result<bool> {
        loop {
            if is_so() {
                return Ok(true);
            }
            match end {
                None => self.wait()?,
                Some(end) => {
                    if !self.wait_timeout(end.saturating_duration_since(Instant::now()))? {
                        return Ok(is_so());
                    }
                }
            }
        }
    }

    /// Ends the waits of the `count` that began first, or of all if there are fewer; how many.
    ///
    /// # Errors
    /// As [`wait`](ConditionProxy::wait).
    pub fn notify(&self, count: usize) -> Result<usize> {
        let notified = self.waiting.call(&ManagedCondition::NOTIFY, count as u64)?;
        Ok(usize::try_from(notified).unwrap_or(usize::MAX))
    }

    /// Ends the waits of all that wait; how many.
    ///
    /// # Errors
    /// As [`wait`](ConditionProxy::wait).
    pub fn notify_all(&self) -> Result<usize> {
        self.notify(usize::MAX)
    }

    /// How many wait and have not been notified.
    ///
    /// # Errors
    /// As [`wait`](ConditionProxy::wait).
    pub fn waiting(&self) -> Result<usize> {
        let waiting = self.waiting.call(&ManagedCondition::WAITING, ())?;
        Ok(usize::try_from(waiting).unwrap_or(usize::MAX))
    }
}

impl Guards for ConditionProxy {
    fn give_back(&self) -> Result<()> {
        self.release()
    }

    fn is_abandoned(&self) -> Result<bool> {
        self.is_abandoned()
    }

    fn clear_abandoned(&self) -> Result<()> {
        self.clear_abandoned()
    }
}
