//! What the pool's handle, its results and its supervisor share: the seam, filled.

use std::cell::Cell;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{JoinHandle, Thread};
use std::time::Instant;

use pool_core::callbacks::Callbacks;
use pool_core::work::{End, Task};
use pool_core::{Backend, EncodedInitializer, Error, ErrorKind, Event, Result, panics};
use pool_ipc::bell::Bell;
use pool_ipc::own;
use pool_ipc::patience::{Patience, cores};
use pool_ipc::watch::Watch;

use crate::births::Births;
use crate::clock::Clock;
use crate::hooks::Hooks;
use crate::hub::{Hub, News};
use crate::listening::Listening;
use crate::options::Surroundings;
use crate::scheduler::{self, Phase, Policy};
use crate::ticket::Ticket;
use crate::waiting::ringer;

pub(crate) struct Shared {
    pub(crate) name: String,
    /// Whether workers send their records here.
    pub(crate) forward_logs: bool,
    hub: Mutex<Hub>,
    hooks: Hooks,
    pub(crate) surroundings: Surroundings,
    pub(crate) bell: Arc<Bell>,
    /// Rings it.
    pub(crate) ringer: Waker,
    /// The one caller that takes replies in for all that wait; see [`crate::waiting`].
    pub(crate) leader: Mutex<Patience>,
    pub(crate) followers: Mutex<Vec<Thread>>,
    pub(crate) listening: Listening,
    pub(crate) watch: Watch,
    /// Taken before the hub's lock, or without waiting.
    pub(crate) births: Mutex<Option<Births>>,
    pub(crate) callbacks: Arc<Callbacks>,
    /// Set when the supervisor has seen the last worker out.
    pub(crate) gone: Event,
    pub(crate) supervisor: Mutex<Option<JoinHandle<()>>>,
    /// Of the process that made the pool. A fork of it has a copy of this, without workers or supervisor.
    generation: u32,
}

thread_local! {
    /// An empty vector with room, for the hub while this thread delivers what was in the hub's: so that taking in
    /// replies needs no allocation.
    static OUTCOMES: Cell<Vec<(Task, End)>> = const { Cell::new(Vec::new()) };
}

/// Where those are from whom a reply may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// One was last seen on this thread's core.
    Here,
    /// One was last seen on another.
    Elsewhere,
    /// Nobody has said yet where, or there is no looking now.
    Somewhere,
    /// So many of them need all cores: looking takes one from a worker.
    Everywhere(u32),
    /// There is none yet. Who is on its way may need this core.
    Nowhere,
}

impl Shared {
    pub(crate) fn new(
        name: String,
        workers: usize,
        policy: Policy,
        initializer: Option<EncodedInitializer>,
        hooks: Hooks,
        surroundings: Surroundings,
    ) -> io::Result<Shared> {
        let bell = Arc::new(Bell::create()?);
        Ok(Shared {
            name,
            forward_logs: false,
            hub: Mutex::new(Hub::new(workers, policy, initializer, hooks.any())),
            hooks,
            surroundings,
            ringer: ringer(&bell),
            bell,
            leader: Mutex::new(Patience::new()),
            followers: Mutex::default(),
            listening: Listening::new(),
            watch: Watch::new()?,
            births: Mutex::new(None),
            callbacks: Arc::new(Callbacks::new(own::running_program_code)),
            gone: Event::new(),
            supervisor: Mutex::new(None),
            generation: own::generation(),
        })
    }

    /// Does something to the hub, and then what follows from it: workers are woken, listeners told, and
    /// outcomes delivered, the last without the lock.
    pub(crate) fn visit<U>(&self, body: impl FnOnce(&mut Hub, &Clock) -> U) -> U {
        self.visit_in(lock(&self.hub), false, body)
    }

    /// Looks at the hub, and changes nothing.
    pub(crate) fn look<U>(&self, look: impl FnOnce(&Hub) -> U) -> U {
        look(&lock(&self.hub))
    }

    /// As [`visit`](Self::visit), by who has the lock already. `more`: as for [`Hub::settle`].
    #[inline]
    fn visit_in<U>(
        &self,
        mut hub: MutexGuard<'_, Hub>,
        more: bool,
        body: impl FnOnce(&mut Hub, &Clock) -> U,
    ) -> U {
        let now = Clock::default();
        let result = body(&mut hub, &now);
        hub.settle(more, &self.listening, &now);
        let knock = hub.must_knock(&now);
        let first = hub.outcomes.first.take();
        let more = match hub.outcomes.more.is_empty() {
            true => None,
            // At the end of the program the main thread's locals are gone before its finalizers run.
            false => {
                let spare = OUTCOMES.try_with(Cell::take).unwrap_or_default();
                Some(std::mem::replace(&mut hub.outcomes.more, spare))
            }
        };
        let news = hub.take_news();
        drop(hub);
        if knock {
            self.watch.knock();
        }
        if let Some((task, end)) = first {
            deliver(task, end);
        }
        if let Some(outcomes) = more {
            deliver_all(outcomes);
        }
        if let Some(news) = news {
            self.tell(news);
        }
        result
    }

    #[cold]
    fn tell(&self, news: Vec<News>) {
        for news in news {
            self.hooks.call(news, |callback| self.run_callback(callback));
        }
    }

    /// Whether this process is a fork of the one that made the pool.
    pub(crate) fn is_foreign(&self) -> bool {
        self.generation != own::generation()
    }

    fn refuse_foreigners(&self) -> Result<()> {
        if self.is_foreign() {
            let text = "the pool belongs to the process that this one is a fork of; make one here";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        Ok(())
    }

    /// Does what there is to do for a leader, if there is something, and if it can be told and done without waiting for
    /// the lock.
    pub(crate) fn take_in_what_is_there(&self) -> bool {
        match self.hub.try_lock() {
            Ok(hub) if hub.is_worth_a_visit() => {
                self.take_in(hub);
                true
            }
            _ => false,
        }
    }

    /// Does what there is to do for a leader.
    pub(crate) fn take_in_now(&self) {
        self.take_in(lock(&self.hub));
    }

    fn take_in(&self, hub: MutexGuard<'_, Hub>) {
        let due = self.visit_in(hub, false, |hub, now| {
            hub.take_in(now);
            if hub.births.is_empty() || self.ready_births().is_none() {
                return None;
            }
            hub.under_way += 1;
            hub.births.pop()
        });
        if let Some(seat) = due {
            self.start_at_once(seat);
        }
    }

    /// Where the workers are that have something to do.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        let core = pool_ipc::current_core();
        let Ok(hub) = self.hub.try_lock() else { return Whereabouts::Somewhere };
        let (mut busy, mut here, mut elsewhere) = (0, false, false);
        for post in hub.posts.iter().flatten().filter(|post| post.lane.outstanding() > 0) {
            let theirs = post.lane.their_core();
            here |= theirs.is_some() && theirs == core;
            elsewhere |= theirs.is_some() && theirs != core;
            busy += u32::from(post.ready || post.lane.is_ready());
        }
        match busy {
            // On one core who looks yields it.
            2.. if cores() > 1 && busy >= cores() => Whereabouts::Everywhere(busy),
            _ if here => Whereabouts::Here,
            _ if elsewhere && core.is_some() => Whereabouts::Elsewhere,
            0 => Whereabouts::Nowhere,
            _ => Whereabouts::Somewhere,
        }
    }

    /// After `gone`: leaves nothing running.
    pub(crate) fn clean_up(&self) {
        let supervisor = lock(&self.supervisor).take();
        if let Some(thread) = supervisor.filter(|thread| thread.thread().id() != std::thread::current().id())
        {
            let _ = thread.join();
        }
        self.callbacks.finish();
    }
}

#[inline]
fn deliver(task: Task, end: End) {
    // With its task may go the last of what the user bound to it, whose Drop may panic.
    let _ = panics::catch(|| task.end(end));
}

fn deliver_all(mut outcomes: Vec<(Task, End)>) {
    outcomes.drain(..).for_each(|(task, end)| deliver(task, end));
    let _ = OUTCOMES.try_with(|place| place.set(outcomes));
}

impl Backend for Shared {
    fn workers(&self) -> usize {
        if self.is_foreign() {
            return 0;
        }
        lock(&self.hub).scheduler.size()
    }

    fn resize(&self, workers: usize) -> Result<()> {
        self.refuse_foreigners()?;
        self.visit(|hub, now| match hub.scheduler.refusal() {
            Some(why) => Err(hub.error_of(why)),
            None => {
                hub.resize(workers, now);
                Ok(())
            }
        })
    }

    fn refusal(&self) -> Option<Error> {
        if let Err(error) = self.refuse_foreigners() {
            return Some(error);
        }
        let hub = lock(&self.hub);
        hub.scheduler.refusal().map(|why| hub.error_of(why))
    }

    fn submit(&self, task: Task) {
        if let Err(error) = self.refuse_foreigners() {
            return task.end(End::Failed(error));
        }
        if let Some(ticket) = Ticket::of(task) {
            self.visit_in(lock(&self.hub), true, |hub, now| hub.submit(ticket, now));
        }
    }

    fn wait(&self, event: &Event, deadline: Option<Instant>) -> bool {
        if self.is_foreign() {
            return event.wait(deadline);
        }
        self.wait_for(event, deadline)
    }

    fn attend(&self) {
        if !self.is_foreign() {
            self.visit(|hub, _| hub.attended = true);
        }
    }

    fn forget(&self, task: &Task) {
        if !self.is_foreign() {
            self.visit(|hub, now| hub.forget(task, now));
        }
    }

    fn has_begun(&self, task: &Task) -> bool {
        !self.is_foreign() && self.visit(|hub, _| hub.has_begun(task))
    }

    fn withdraw(&self, task: &Task) -> bool {
        !self.is_foreign() && self.visit(|hub, now| hub.withdraw(task, now))
    }

    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.callbacks.push(callback, |body| own::thread(format!("{}-callbacks", self.name), body));
    }

    fn close(&self) {
        if !self.is_foreign() {
            self.visit(|hub, now| hub.handle(scheduler::Event::Close, now));
        }
    }

    fn cancel_queued(&self) {
        if !self.is_foreign() {
            self.visit(|hub, now| hub.handle(scheduler::Event::CancelQueued, now));
        }
    }

    fn terminate(&self) {
        if !self.is_foreign() {
            self.visit(|hub, now| hub.handle(scheduler::Event::Terminate, now));
        }
    }

    fn join(&self) -> Result<()> {
        self.refuse_foreigners()?;
        if self.visit(|hub, _| hub.scheduler.phase()) == Phase::Running {
            return Err(Error::new(ErrorKind::StillOpen, "call `close` or `terminate` before `join`"));
        }
        self.gone.wait(None);
        self.clean_up();
        Ok(())
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Locks without regard to poison: no user code runs under this crate's locks.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
