//! What a process does at its end, in an order that the program gives.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::own::{Own, lock, own};
use crate::process;

/// Registers `f` to be run once: when the [`Finalizer`] is dropped or called, or else, with a priority, when
/// this process ends normally (it returns from `main` or calls `exit`; a `Process` whose function is over; a
/// worker that is told to leave). Python's `multiprocessing.util.Finalize`.
///
/// At the end of the process those with a priority run, the highest first, and of one priority the latest
/// first: those from 0 up before the program's `Process`es are waited for, those below 0 after. Those without a
/// priority are not run at the end. A panic in one is reported and does not keep the others from running. What
/// is registered in a process is not run in its children, under any start method.
///
/// ```
/// use pool_process::at_exit;
///
/// let goodbye = at_exit(Some(10), || println!("goodbye"));
/// goodbye.leave_to_exit(); // Without this line it would run right here, as `goodbye` is dropped.
/// ```
pub fn at_exit(priority: Option<i32>, f: impl FnOnce() + Send + 'static) -> Finalizer {
    let own = own();
    process::prepare_end();
    Finalizer { of: own, id: own.finalizers.add(priority, Box::new(f)) }
}

/// A function that [`at_exit`] registered. Dropping it runs the function, if it was not run before.
#[must_use = "dropped, it runs at once; `leave_to_exit` leaves it to the end of the process"]
pub struct Finalizer {
    of: &'static Own,
    id: u64,
}

impl Finalizer {
    /// Runs it now; `false`: it was run or cancelled before.
    pub fn call(&self) -> bool {
        let function = self.take();
        let was_there = function.is_some();
        if let Some(function) = function {
            function();
        }
        was_there
    }

    /// Takes it out without running it; `false`: it was run or cancelled before.
    pub fn cancel(&self) -> bool {
        self.take().is_some()
    }

    /// Whether it is still to be run.
    pub fn is_active(&self) -> bool {
        lock(&self.of.finalizers.0).waiting.contains_key(&self.id)
    }

    /// Leaves it to the end of the process, where it runs if it has a priority.
    pub fn leave_to_exit(self) {
        std::mem::forget(self);
    }

    fn take(&self) -> Option<Function> {
        // A forked child has its parent's finalizers in its memory, and leaves them alone.
        if !self.of.is_of_this_process() {
            return None;
        }
        lock(&self.of.finalizers.0).waiting.remove(&self.id).map(|(_, function)| function)
    }
}

impl Drop for Finalizer {
    fn drop(&mut self) {
        self.call();
    }
}

impl std::fmt::Debug for Finalizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Finalizer").field("is_active", &self.is_active()).finish_non_exhaustive()
    }
}

type Function = Box<dyn FnOnce() + Send>;

/// The functions of one process.
pub(crate) struct Finalizers(Mutex<Registry>);

struct Registry {
    /// By number, counting up.
    waiting: BTreeMap<u64, (Option<i32>, Function)>,
    next: u64,
}

impl Finalizers {
    pub(crate) const fn new() -> Finalizers {
        Finalizers(Mutex::new(Registry { waiting: BTreeMap::new(), next: 0 }))
    }

    fn add(&self, priority: Option<i32>, function: Function) -> u64 {
        let mut registry = lock(&self.0);
        let id = registry.next;
        registry.next += 1;
        registry.waiting.insert(id, (priority, function));
        id
    }

    /// Runs all whose priority is `least` or higher, in order, those included that are registered meanwhile.
    pub(crate) fn run(&self, least: i32) {
        while let Some(function) = self.take_next(least) {
            // The panic has been reported by the panic hook.
            let _ = catch_unwind(AssertUnwindSafe(function));
        }
    }

    /// No lock is held while a function runs: it may register others, and so may other threads.
    fn take_next(&self, least: i32) -> Option<Function> {
        let mut registry = lock(&self.0);
        let due = registry.waiting.iter().filter_map(|(id, (priority, _))| Some(((*priority)?, *id)));
        let (_, id) = due.filter(|(priority, _)| *priority >= least).max()?;
        registry.waiting.remove(&id).map(|(_, function)| function)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn they_run_once_highest_first_and_latest_first_within_one() {
        let (order, all) = (Arc::new(Mutex::new(Vec::new())), Finalizers::new());
        let say = |text: &'static str| -> Function {
            let order = order.clone();
            Box::new(move || order.lock().unwrap().push(text))
        };
        all.add(None, say("never"));
        all.add(Some(0), say("early"));
        all.add(Some(0), say("late"));
        all.add(Some(-5), say("last"));
        all.add(Some(9), Box::new(|| panic!("reported, and no more")));
        all.add(Some(10), say("first"));
        all.run(0);
        assert_eq!(*order.lock().unwrap(), ["first", "late", "early"]);
        all.run(i32::MIN);
        all.run(i32::MIN);
        assert_eq!(*order.lock().unwrap(), ["first", "late", "early", "last"]);
    }

    #[test]
    fn what_is_registered_while_they_run_is_run_too() {
        static ALL: Finalizers = Finalizers::new();
        static RAN: Mutex<Vec<i32>> = Mutex::new(Vec::new());
        ALL.add(
            Some(3),
            Box::new(|| {
                ALL.add(Some(7), Box::new(|| RAN.lock().unwrap().push(7)));
                RAN.lock().unwrap().push(3);
            }),
        );
        ALL.run(0);
        assert_eq!(*RAN.lock().unwrap(), [3, 7]);
    }

    #[test]
    fn registering_while_they_run_is_safe() {
        static ALL: Finalizers = Finalizers::new();
        static RAN: Mutex<usize> = Mutex::new(0);
        let register = || {
            for n in 0..1_000 {
                ALL.add(Some(n % 7), Box::new(|| *RAN.lock().unwrap() += 1));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(register);
            scope.spawn(register);
            scope.spawn(|| ALL.run(0));
            scope.spawn(|| ALL.run(3));
        });
        ALL.run(0);
        assert_eq!(*RAN.lock().unwrap(), 2_000);
    }

    #[test]
    fn a_finalizer_runs_when_called_or_dropped_and_not_twice() {
        let count = Arc::new(Mutex::new(0));
        let add = || {
            let count = count.clone();
            move || *count.lock().unwrap() += 1
        };
        let called = at_exit(None, add());
        assert!(called.is_active() && called.call() && !called.call() && !called.is_active());
        drop(called);
        assert_eq!(*count.lock().unwrap(), 1);
        drop(at_exit(Some(1), add()));
        assert_eq!(*count.lock().unwrap(), 2);
        let cancelled = at_exit(Some(1), add());
        assert!(cancelled.cancel() && !cancelled.cancel());
        drop(cancelled);
        assert_eq!(*count.lock().unwrap(), 2);
    }
}
