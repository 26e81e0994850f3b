//! A value that threads have one after the other, where a thread that has one may ask for another.
//!
//! A method may call other objects of the server, and so wait for their turn while it has its own object. If those wait
//! for this one, all would wait for ever, and every other client behind them. So whoever waits with something in his
//! hands says for what, and looks first whether that leads back to himself; the last one of a circle is refused.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, TryLockError};

use super::lock;
use crate::manager::context::this_thread;
use crate::manager::error::Fault;

/// A value that threads take in turns.
pub(crate) struct Turns<T> {
    value: Mutex<T>,
    holder: Arc<Holder>,
}

/// The number of the thread that has the value; 0: none.
type Holder = AtomicU32;

/// What threads wait for that have something in their hands.
static WAITING: LazyLock<Mutex<HashMap<u32, Arc<Holder>>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// How many values this thread has.
    static HAS: Cell<u32> = const { Cell::new(0) };
}

/// A thread's turn.
pub(crate) struct Turn<'a, T> {
    value: MutexGuard<'a, T>,
    holder: &'a Holder,
}

impl<T> Turns<T> {
    pub(crate) fn new(value: T) -> Turns<T> {
        Turns { value: Mutex::new(value), holder: Arc::new(Holder::new(0)) }
    }

    /// Waits for a turn; refused if that would be for ever.
    #[inline]
    pub(crate) fn take(&self) -> Result<Turn<'_, T>, Fault> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) if HAS.get() == 0 => lock(&self.value),
            Err(TryLockError::WouldBlock) => {
                let _waiting = Waiting::begin(&self.holder)?;
                lock(&self.value)
            }
        };
        // ORDERING: before this thread says that it waits for another value, if ever it does; whoever reads that under
        // the same lock sees this.
        self.holder.store(this_thread(), SeqCst);
        HAS.set(HAS.get() + 1);
        Ok(Turn { value, holder: &self.holder })
    }
}

impl<T> Deref for Turn<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Turn<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Turn<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: while this thread has the value, so that no other's number is wiped out.
        self.holder.store(0, SeqCst);
        HAS.set(HAS.get() - 1);
    }
}

/// This thread waits with something in its hands.
struct Waiting;

impl Waiting {
    fn begin(holder: &Arc<Holder>) -> Result<Waiting, Fault> {
        let own = this_thread();
        let mut waiting = lock(&WAITING);
        let mut next = holder;
        // Nobody is in the list twice, so that a longer way goes around in a circle that is just being left.
        for _ in 0..=waiting.len() {
            let thread = next.load(SeqCst);
            if thread == own {
                return Err(Fault::Deadlock);
            }
            match waiting.get(&thread) {
                Some(other) => next = other,
                None => break,
            }
        }
        waiting.insert(own, holder.clone());
        Ok(Waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        lock(&WAITING).remove(&this_thread());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn who_asks_for_what_he_has_is_refused() {
        let value = Turns::new(1);
        let turn = value.take().unwrap();
        assert!(matches!(value.take(), Err(Fault::Deadlock)));
        drop(turn);
        assert_eq!(*value.take().unwrap(), 1);
    }

    #[test]
    fn of_a_circle_the_last_one_is_refused_and_the_others_go_on() {
        const COUNT: usize = 4;
        let values: Vec<Turns<usize>> = (0..COUNT).map(Turns::new).collect();
        let all_have_one = Barrier::new(COUNT);
        let refused: usize = std::thread::scope(|scope| {
            let (values, all_have_one) = (&values, &all_have_one);
            let threads = (0..COUNT).map(|own| {
                scope.spawn(move || {
                    let _turn = values[own].take().unwrap();
                    all_have_one.wait();
                    usize::from(values[(own + 1) % COUNT].take().is_err())
                })
            });
            threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(refused, 1);
        assert!(lock(&WAITING).is_empty());
    }
}
