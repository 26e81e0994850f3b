//! A flag that clients wait for.

use std::time::Duration;

use crate::manager::method::Waits;
use crate::manager::objects::{opaque, proxy};
use crate::manager::server::{Ended, Line, Monitor, Patience, State};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

/// A managed event in the server.
#[derive(Default)]
pub struct ManagedEvent(Monitor<Flag>);

#[derive(Debug, Default)]
struct Flag {
    is_set: bool,
    /// How often it was set, so that who waits notices a `set` that a `clear` followed.
    times: u64,
    line: Line,
}

impl State for Flag {
    fn line(&mut self, number: usize) -> Option<&mut Line> {
        (number == 0).then_some(&mut self.line)
    }

    fn ready(&self, _line: usize) -> usize {
        if self.is_set { usize::MAX } else { 0 }
    }
}

/// A proxy of a flag that threads of all clients can wait for, as Python's `Manager().Event()`.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{EventProxy, Manager};
///
/// let manager = Manager::start()?;
/// let ready = manager.event()?;
/// let child = Process::spawn(|ready: EventProxy| ready.set().is_ok(), ready.clone())?;
/// ready.wait()?;
/// assert!(child.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventProxy(Proxy<ManagedEvent>);

proxy!(EventProxy, ManagedEvent);

opaque!(ManagedEvent);

impl ManagedEvent {
    const IS_SET: Method<Self, (), bool> = Method::beside("is_set", |event, _, ()| Ok(event.0.lock().is_set));
    const SET: Method<Self, (), ()> = Method::beside("set", |event, _, ()| {
        let mut flag = event.0.lock();
        if !flag.is_set {
            flag.is_set = true;
            flag.times = flag.times.wrapping_add(1);
        }
        Ok(())
    });
    const CLEAR: Method<Self, (), ()> = Method::beside("clear", |event, _, ()| {
        event.0.lock().is_set = false;
        Ok(())
    });
    const WAIT: Method<Self, Patience, bool> = Method::beside("wait", |event, caller, patience| {
        let mut first = None;
        let waited = event.0.wait(caller, patience, 0, |flag, _| {
            let first = *first.get_or_insert(flag.times);
            (flag.is_set || flag.times != first).then_some(())
        });
        match waited {
            Ok(()) => Ok(true),
            Err(Ended::Time) => Ok(false),
            Err(Ended::Unwanted) => Err(Ended::Unwanted.into()),
        }
    });
}

impl Waits for ManagedEvent {
    const NAME: &'static str = "event";

    fn methods() -> Methods<Self> {
        Methods::new().with(&Self::IS_SET).with(&Self::SET).with(&Self::CLEAR).with(&Self::WAIT)
    }

    /// Nothing is remembered of who waits.
    fn forget(&self, _session: u128) {}

    fn wake(&self) {
        self.0.wake();
    }
}

impl Manager {
    /// A new event, not set.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn event(&self) -> Result<EventProxy> {
        self.create_waiting(|()| ManagedEvent::default(), ()).map(EventProxy)
    }
}

impl EventProxy {
    /// Whether it is set.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
    pub fn is_set(&self) -> Result<bool> {
        self.0.call(&ManagedEvent::IS_SET, ())
    }

    /// Sets it, and wakes all who wait.
    ///
    /// # Errors
    /// As [`is_set`](EventProxy::is_set).
    pub fn set(&self) -> Result<()> {
        self.0.call(&ManagedEvent::SET, ())
    }

    /// Takes the flag back.
    ///
    /// # Errors
    /// As [`is_set`](EventProxy::is_set).
    pub fn clear(&self) -> Result<()> {
        self.0.call(&ManagedEvent::CLEAR, ())
    }

    /// Waits until it is set.
    ///
    /// # Errors
    /// As [`is_set`](EventProxy::is_set).
    pub fn wait(&self) -> Result<()> {
        self.0.call(&ManagedEvent::WAIT, Patience::EVER).map(drop)
    }

    /// Waits until it is set (`true`), for at most `timeout` (`false`).
    ///
    /// # Errors
    /// As [`is_set`](EventProxy::is_set).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<bool> {
        self.0.call(&ManagedEvent::WAIT, timeout.into())
    }
}
