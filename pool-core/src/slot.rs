//! The place where a task's argument waits for a worker, and then its result for the caller.
//!
//! | phase    | meaning                                      | moved by                        |
//! |----------|----------------------------------------------|---------------------------------|
//! | Pending  | no outcome yet; the argument, until it is taken | `take_arg`, `settle`, `withhold` |
//! | Calling  | it is out, being shown to callbacks; or withheld | `settle`, `look`, `end_withheld` |
//! | Raw      | an outcome nobody has looked at: not decoded | `settle`                        |
//! | Ready    | decoded                                      | `look`, the callbacks           |
//! | Taken    | moved out                                    | `take`                          |
//!
//! The outcome is decoded where it is wanted, on the caller's thread, so that a result which does
//! not decode fails that call and nothing else. The event is set last: callbacks have run when
//! `get` returns, as in Python.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::lock;

/// An outcome that becomes a result when somebody wants it.
pub(crate) trait Raw<V>: Send + 'static {
    /// Decodes and gathers. Runs the user's decoding code, whose panics it returns as errors.
    fn finish(self) -> Result<V>;
}

pub(crate) type Callback<V> = Box<dyn FnOnce(&Result<V>) + Send>;

/// `A`: the argument, `V`: the value, `P`: the outcome as it comes.
pub(crate) struct Slot<A, V, P> {
    pub(crate) event: Event,
    inner: Mutex<Inner<A, V, P>>,
}

struct Inner<A, V, P> {
    phase: Phase<A, V, P>,
    /// There once somebody wants to be called back, until that is done.
    listeners: Option<Box<Listeners<V>>>,
}

struct Listeners<V> {
    callbacks: Vec<Callback<V>>,
    /// Runs them.
    backend: Arc<dyn Backend>,
}

enum Phase<A, V, P> {
    Pending(Option<A>),
    /// By which thread, once one has begun.
    Calling(Option<ThreadId>),
    Raw(P),
    Ready(Result<V>),
    Taken,
}

impl<A: Send, V: Send + 'static, P: Raw<V>> Slot<A, V, P> {
    pub(crate) fn new(arg: Option<A>) -> Slot<A, V, P> {
        let inner = Inner { phase: Phase::Pending(arg), listeners: None };
        Slot { event: Event::new(), inner: Mutex::new(inner) }
    }

    pub(crate) fn is_pending(&self) -> bool {
        !self.event.is_set() && matches!(lock(&self.inner).phase, Phase::Pending(_))
    }

    /// The argument, for whoever takes the task on first.
    #[inline]
    pub(crate) fn take_arg(&self) -> Option<A> {
        match &mut lock(&self.inner).phase {
            Phase::Pending(arg) => arg.take(),
            _ => None,
        }
    }

    /// Whether the argument is still here, for whoever takes the task on.
    pub(crate) fn has_arg(&self) -> bool {
        matches!(lock(&self.inner).phase, Phase::Pending(Some(_)))
    }

    /// Whether there is an outcome, seen or not.
    pub(crate) fn is_settled(&self) -> bool {
        !matches!(lock(&self.inner).phase, Phase::Pending(_))
    }

    /// Takes the argument of a task that nobody took on, and withholds the task.
    pub(crate) fn withhold_arg(&self) -> Option<A> {
        let mut inner = lock(&self.inner);
        let Phase::Pending(arg) = &mut inner.phase else { return None };
        let arg = arg.take()?;
        inner.phase = Phase::Calling(None);
        Some(arg)
    }

    /// Withholds a task whose argument was taken, so that nothing settles it but [`end_withheld`]; `false`: it
    /// is settled. Runs none of the user's code.
    ///
    /// [`end_withheld`]: Slot::end_withheld
    pub(crate) fn withhold(&self) -> bool {
        let mut inner = lock(&self.inner);
        let pending = matches!(inner.phase, Phase::Pending(None));
        if pending {
            inner.phase = Phase::Calling(None);
        }
        pending
    }

    /// Takes that back. To be called by whoever withheld it.
    pub(crate) fn release(&self) {
        lock(&self.inner).phase = Phase::Pending(None);
    }

    /// Settles a task that was withheld. The callbacks run here.
    pub(crate) fn end_withheld(&self, raw: P) {
        self.show(raw.finish(), &mut |_| ());
        self.event.set();
    }

    /// Puts the outcome in, the first time; returns whether this was it. `this` gives the slot
    /// again to the callbacks, which run on another thread.
    #[inline]
    pub(crate) fn settle<S>(&self, raw: P, this: impl FnOnce() -> Arc<S>) -> bool
    where
        S: AsSlot<A, V, P>,
    {
        let mut inner = lock(&self.inner);
        if !matches!(inner.phase, Phase::Pending(_)) {
            drop(inner);
            drop(raw); // Perhaps the user's value: not under the lock.
            return false;
        }
        if let Some(backend) = inner.listeners.as_ref().map(|listeners| listeners.backend.clone()) {
            let last = std::mem::replace(&mut inner.phase, Phase::Calling(None));
            drop(inner);
            drop(last);
            let this = this();
            backend.run_callback(Box::new(move || {
                let slot = this.as_slot();
                slot.show(raw.finish(), &mut |_| ());
                slot.event.set();
            }));
            return true;
        }
        let last = std::mem::replace(&mut inner.phase, Phase::Raw(raw));
        drop(inner);
        self.event.set();
        drop(last); // Perhaps the user's argument, never used: not under the lock.
        true
    }

    /// Shows a result that is out of the slot, to `first` and to the callbacks, and puts it in.
    fn show(&self, result: Result<V>, first: &mut dyn FnMut(&Result<V>)) {
        lock(&self.inner).phase = Phase::Calling(Some(thread::current().id()));
        first(&result);
        loop {
            let listeners = {
                let mut inner = lock(&self.inner);
                let Some(listeners) = inner.listeners.take() else {
                    inner.phase = Phase::Ready(result);
                    return;
                };
                listeners
            };
            listeners.callbacks.into_iter().for_each(|callback| call_one(callback, &result));
        }
    }

    /// Calls back when there is a result; at once, here, when there is one already.
    pub(crate) fn on_end(&self, callback: Callback<V>, backend: &Arc<dyn Backend>) {
        {
            let mut inner = lock(&self.inner);
            if matches!(inner.phase, Phase::Pending(_) | Phase::Calling(_)) {
                let new = || Box::new(Listeners { callbacks: Vec::new(), backend: backend.clone() });
                inner.listeners.get_or_insert_with(new).callbacks.push(callback);
                return;
            }
        }
        let mut callback = Some(callback);
        self.look(&mut |result| {
            if let Some(callback) = callback.take() {
                call_one(callback, result);
            }
        });
        // Once means once, also when somebody took the result before.
        if let Some(callback) = callback {
            call_one(callback, &Err(taken()));
        }
    }

    /// Shows the result, decoded, without taking it; nothing is shown when it was taken.
    pub(crate) fn look(&self, show: &mut dyn FnMut(&Result<V>)) {
        // The result is out of the slot while it is decoded and shown: that runs the user's code.
        match self.take_out(|| Phase::Calling(Some(thread::current().id()))) {
            Some(Phase::Raw(raw)) => self.show(raw.finish(), show),
            Some(Phase::Ready(result)) => self.show(result, show),
            _ => {}
        }
    }

    /// Moves the result out, decoding it. Not to be called while it is pending.
    #[inline]
    pub(crate) fn take(&self) -> Result<V> {
        match self.take_out(|| Phase::Taken) {
            Some(Phase::Raw(raw)) => raw.finish(),
            Some(Phase::Ready(result)) => result,
            _ => Err(taken()),
        }
    }

    /// Takes a Raw or Ready phase out, leaving `next`. Waits while another thread shows the result;
    /// `None` when this thread does, or the result is gone.
    fn take_out(&self, next: impl Fn() -> Phase<A, V, P>) -> Option<Phase<A, V, P>> {
        loop {
            {
                let mut inner = lock(&self.inner);
                match inner.phase {
                    Phase::Raw(_) | Phase::Ready(_) => {
                        return Some(std::mem::replace(&mut inner.phase, next()));
                    }
                    Phase::Calling(Some(by)) if by != thread::current().id() => {}
                    _ => return None,
                }
            }
            thread::yield_now();
        }
    }
}

/// Something that has a slot.
pub(crate) trait AsSlot<A, V, P>: Send + Sync + 'static {
    fn as_slot(&self) -> &Slot<A, V, P>;
}

fn taken() -> Error {
    Error::new(ErrorKind::Taken, "a result can be had once, and not from within its callback")
}

/// A callback is the user's; its panic is reported and harms nobody.
fn call_one<V>(callback: Callback<V>, result: &Result<V>) {
    if catch_unwind(AssertUnwindSafe(|| callback(result))).is_err() {
        eprintln!("pool: a result callback panicked; the result is not affected");
    }
}
