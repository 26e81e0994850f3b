//! A child's life from its parent's side: watched, reaped, waited for at the program's end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use pool_core::luggage::Luggage;
use pool_core::{Error, ErrorKind, Exit, Worker};
use pool_ipc::child::{self, Child, Ended};
use pool_ipc::own::Own;
use pool_ipc::parcel::Tray;
use pool_ipc::start_method::Starter;
use pool_ipc::{birth, exit};

use super::about_a_life;
use crate::keeper::Kept;
use crate::logs::note;
use crate::own::{lock, own};
use crate::porter;

/// One child, shared by its handle, the list of children and the reaper.
pub(crate) struct Life {
    pub(crate) name: String,
    pub(crate) daemon: bool,
    pub(crate) child: Child,
    pub(crate) tray: Tray,
    /// Held while it is reaped, so that it is reaped once.
    state: Mutex<State>,
    /// What came along with its result, once somebody asked.
    came: OnceLock<Vec<Own<OwnedFd>>>,
}

enum State {
    Alive {
        /// What it was started by is held until its end: a daemon's life line, a fork server.
        _starter: Starter,
    },
    Ended {
        how: Ended,
        /// Why it could not start, if that is how it ended.
        refusal: Option<String>,
    },
}

impl Life {
    pub(crate) fn new(name: String, child: Child, tray: Tray, daemon: bool, starter: Starter) -> Life {
        Life {
            name,
            daemon,
            child,
            tray,
            state: Mutex::new(State::Alive { _starter: starter }),
            came: OnceLock::new(),
        }
    }

    /// What came along with its result; it has ended. The result can be asked for again.
    pub(crate) fn luggage(&self) -> Option<Luggage> {
        let came = self.came.get_or_init(|| self.child.line().descriptors().unwrap_or_default());
        // One that cannot be copied is one that did not come.
        let copies: Vec<_> = came.iter().map_while(|descriptor| descriptor.copy().ok()).collect();
        (!copies.is_empty()).then(|| porter::came(copies))
    }

    /// How it ended, if it has. Reaps it.
    pub(crate) fn look(&self) -> Option<Ended> {
        let mut state = lock(&self.state);
        if let State::Ended { how, .. } = &*state {
            return Some(*how);
        }
        let how = self.child.reap()?;
        let refusal = if how == Ended::Code(birth::MISBORN) { self.child.refusal() } else { None };
        let alive = std::mem::replace(&mut *state, State::Ended { how, refusal });
        drop(state);
        own().children.remove(self);
        let exit = self.exit(how);
        let text = || format!("{} has ended, pid {}: {exit}", self.name, self.child.pid());
        note(text, !matches!(exit, Exit::Code(0)));
        // The last daemon lets go of the life line, which waits for its thread: not under a lock.
        drop(alive);
        Some(how)
    }

    /// Waits until it has ended (`true`), for at most `timeout` (`false`).
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> bool {
        self.look().is_some()
            || (child::wait_until_readable(self.child.as_fd(), timeout) && self.look().is_some())
    }

    /// Not once it was reaped: but its handle would not name another process even then.
    pub(crate) fn signal(&self, send: fn(&Child)) {
        if self.look().is_none() {
            send(&self.child);
        }
    }

    pub(crate) const TERMINATE: fn(&Child) = Child::terminate;
    pub(crate) const KILL: fn(&Child) = Child::kill;

    pub(crate) fn exit(&self, ended: Ended) -> Exit {
        match ended {
            Ended::Code(code) => Exit::Code(code),
            Ended::Signal(number) => Exit::Signal { number, stack_overflow: self.tray.has_overflow() },
            Ended::Unknown => Exit::Unknown,
        }
    }

    /// Who it is, for an error.
    pub(crate) fn worker(&self) -> Worker {
        Worker { name: self.name.clone(), pid: Some(self.child.pid()) }
    }

    /// It ended and left nothing.
    pub(crate) fn why_no_result(&self) -> Error {
        let exit = self.look().map_or(Exit::Unknown, |ended| self.exit(ended));
        match &*lock(&self.state) {
            State::Ended { refusal: Some(why), .. } => {
                let text = format!("the process could not start: {why}");
                Error::new(ErrorKind::Os, text).with_worker(self.worker())
            }
            _ => Error::process_died(self.worker(), exit),
        }
    }
}

impl AsFd for Life {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }
}

impl Kept for Life {
    fn is_done(&self) -> bool {
        self.look().is_some()
    }
}

impl std::fmt::Debug for Life {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name)
            .field("pid", &self.child.pid())
            .field("ended", &self.look())
            .finish_non_exhaustive()
    }
}

/// The children of this process that nobody has seen the end of.
pub(crate) struct Children(Mutex<Vec<Arc<Life>>>);

impl Children {
    pub(crate) const fn new() -> Children {
        Children(Mutex::new(Vec::new()))
    }

    /// Takes in a child, and has it watched.
    pub(crate) fn add(&self, life: Arc<Life>) {
        lock(&self.0).push(life.clone());
        // Where there is no thread to watch it, it is reaped by whoever looks next.
        let _ = own().reaper.keep(life);
    }

    fn remove(&self, life: &Life) {
        lock(&self.0).retain(|other| !std::ptr::eq(&raw const **other, life));
    }

    fn all(&self) -> Vec<Arc<Life>> {
        lock(&self.0).clone()
    }
}

/// A child that has not been waited for, whatever it returns: see [`active_children`].
#[derive(Clone)]
pub struct ActiveChild {
    life: Arc<Life>,
}

/// The [`Process`](crate::Process)es of this process that have not ended, the oldest first, whoever has their
/// handles. Those of its children are not among them, nor are workers of pools.
pub fn active_children() -> Vec<ActiveChild> {
    let alive = own().children.all().into_iter().filter(|life| life.look().is_none());
    alive.map(|life| ActiveChild { life }).collect()
}

impl ActiveChild {
    about_a_life!();
}

impl AsFd for ActiveChild {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sentinel()
    }
}

impl std::fmt::Debug for ActiveChild {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.life.fmt(f)
    }
}

/// Has the end of this process wait for its children and run its finalizers.
pub(crate) fn prepare_end() {
    // The system has room for this one, or for no program at all.
    let _ = exit::at_exit(end);
}

/// The process ends normally. The second time there is nothing left to do.
pub(crate) fn end() {
    let own = own();
    // A process that the program forked by itself has what it was forked with, and no children of its own.
    if !own.is_of_this_process() {
        return;
    }
    own.finalizers.run(0);
    for life in own.children.all().into_iter().filter(|life| life.daemon) {
        life.signal(Life::KILL);
    }
    // A finalizer or another thread may start one more.
    while let Some(life) = own.children.all().first() {
        life.wait(None);
    }
    own.finalizers.run(i32::MIN);
}
