//! Births of a pool's workers.
//!
//! The supervisor starts them. But a caller that waits, and finds that the worker with its task ends, starts the
//! next one itself where that is only a message to a process that is there already: to wake the supervisor for it
//! would take as long again.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use pool_ipc::limits;
use pool_ipc::own::Own;
use pool_ipc::patience::cores;
use pool_ipc::start_method::Starter;
use pool_ipc::watch::Watch;

use crate::logs::{Kit, note};
use crate::post::{Haste, Means, Outfit, Post};
use crate::scheduler::{Event, SeatId};
use crate::shared::{Shared, lock};

/// What births need. There is one from the first birth to the end of the supervisor.
pub(crate) struct Births {
    starter: Starter,
    /// How many there were.
    count: u64,
    /// What the next worker needs, made in advance.
    outfit: Option<Outfit>,
    /// What there is to hear of the fork server's spare child.
    spare: Option<Spare>,
}

/// Readable at the next turn in the life of a spare child; which somebody may have made a worker since.
enum Spare {
    Coming(Own<OwnedFd>),
    There(Own<OwnedFd>),
}

/// As long as a wake-up across idle cores mostly takes.
const WAKE_UP: Duration = Duration::from_micros(40);
/// What in a birth's token is ready.
pub(crate) const EXIT: u64 = 0;
pub(crate) const ALARM: u64 = 1;
/// The token of the spare child: births count from 1.
pub(crate) const SPARE: u64 = 0;

impl Births {
    pub(crate) fn new(starter: Starter) -> Births {
        Births { starter, count: 0, outfit: None, spare: None }
    }

    /// Starts a worker on a seat.
    fn fill(&mut self, shared: &Shared, seat: SeatId, outfit: Outfit, haste: Haste) -> io::Result<Post> {
        self.count += 1;
        let name = format!("{}-worker-{}", shared.name, seat + 1);
        let kit = Kit::make(shared.forward_logs)?;
        let setting = shared.surroundings.of(seat);
        let means = Means { bell: &shared.bell, starter: &self.starter, setting: &setting, haste };
        let post = Post::fill(name, seat, self.count, &means, outfit, kit)?;
        let watch = &shared.watch;
        let watched = watch.add(post.child.as_fd(), self.count << 1 | EXIT);
        if let Err(error) = watched.and_then(|()| watch.add(post.lane.alarm(), self.count << 1 | ALARM)) {
            post.child.kill();
            // It was killed: it ends, and nobody else reaps it.
            while post.child.reap().is_none() {
                std::thread::yield_now();
            }
            return Err(error);
        }
        Ok(post)
    }

    /// Does in advance what the next birth need not wait for, where a birth is short.
    pub(crate) fn look_ahead(&mut self, watch: &Watch) {
        let Some(server) = self.starter.fork_server() else { return };
        server.look_ahead();
        if self.outfit.is_none() {
            // If it cannot be had now, the birth says so.
            self.outfit = Outfit::make().ok();
        }
        let coming = server.birth_of_spare().map(Spare::Coming);
        let spare = coming.or_else(|| server.meet_spare().map(Spare::There));
        self.follow(spare, watch);
    }

    /// Something has become of the spare child. If it has ended unused, it is reaped.
    pub(crate) fn heed_spare(&mut self, watch: &Watch) {
        let was = self.spare.as_ref().map(|spare| matches!(spare, Spare::Coming(_)));
        let there = match (self.starter.fork_server(), was) {
            (Some(server), Some(true)) => server.meet_spare().map(Spare::There),
            (Some(server), Some(false)) => {
                server.bury_spare();
                None
            }
            _ => None,
        };
        self.follow(there, watch);
    }

    fn follow(&mut self, spare: Option<Spare>, watch: &Watch) {
        if let Some(Spare::Coming(old) | Spare::There(old)) = &self.spare {
            watch.remove(old.as_fd());
        }
        self.spare =
            spare.filter(|(Spare::Coming(new) | Spare::There(new))| watch.add(new.as_fd(), SPARE).is_ok());
    }
}

impl Shared {
    /// Starts one of the first workers, by the supervisor.
    pub(crate) fn start_first(&self, seat: SeatId, outfit: Outfit) -> io::Result<()> {
        self.start(seat, |births| births.fill(self, seat, outfit, Haste::None))
    }

    /// Starts a worker that was asked for, by the supervisor.
    pub(crate) fn start_next(&self, seat: SeatId) {
        let started = self.start(seat, |births| {
            let outfit = births.outfit.take().map_or_else(Outfit::make, Ok)?;
            births.fill(self, seat, outfit, Haste::None)
        });
        if let Err(error) = started {
            let text = format!("no worker can be started: {}", limits::explain(error));
            self.visit(|hub, now| hub.handle(Event::BirthFailed(seat, text), now));
        }
    }

    fn start(&self, seat: SeatId, how: impl FnOnce(&mut Births) -> io::Result<Post>) -> io::Result<()> {
        let mut births = lock(&self.births);
        let post = how(births.as_mut().ok_or_else(|| io::Error::other("the pool is over"))?)?;
        drop(births);
        let (name, pid) = (post.name.clone(), post.child.pid());
        self.visit(|hub, now| hub.born(seat, post, now));
        note(|| format!("{name} has started, pid {pid}"), false);
        Ok(())
    }

    /// What births need, if a worker can be started at once: by any thread, and without the program's code.
    pub(crate) fn ready_births(&self) -> Option<MutexGuard<'_, Option<Births>>> {
        let births = match self.births.try_lock() {
            Ok(births) => births,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        let ready = |births: &Births| births.outfit.is_some() && births.starter.can_start_at_once();
        let quiet = !self.forward_logs && !crate::logs::notes();
        births.as_ref().is_some_and(|births| quiet && ready(births)).then_some(births)
    }

    /// The system takes a process apart on the core of its last thread. Whether that is another core than this: then
    /// that thread comes to its end while this one looks. If it does not, it may wait for this core. With one core there
    /// is no choice.
    fn is_end_elsewhere(&self) -> bool {
        let start = Instant::now();
        while cores() > 1 && self.look(|hub| hub.any_half_gone()) {
            if start.elapsed() >= WAKE_UP {
                return false;
            }
            std::hint::spin_loop();
        }
        true
    }

    /// Starts a worker that was asked for, by a caller that waits. If that does not come about at once after all,
    /// it is left to the supervisor.
    pub(crate) fn start_at_once(&self, seat: SeatId) {
        let haste = if self.is_end_elsewhere() { Haste::Here } else { Haste::Elsewhere };
        let post = self.ready_births().and_then(|mut births| {
            let births = births.as_mut()?;
            let outfit = births.outfit.take()?;
            births.fill(self, seat, outfit, haste).ok()
        });
        self.visit(|hub, now| {
            hub.under_way -= 1;
            match post {
                Some(post) => hub.born(seat, post, now),
                None => hub.births.push(seat),
            }
        });
    }
}
