//! The pool's own thread: it starts workers (but see [`births`](crate::births)), sees them out, and does what nobody
//! waits for.
//!
//! It is the life line of its workers: the kernel kills them when this thread ends, so they die with the
//! program however it ends, and do not depend on the thread that made the pool. It sleeps in one place,
//! on the ends of all workers and the alarms of all lanes. Of the user's code it runs the wakers of futures
//! whose results it takes in, and what the last reference to a task drops; panics of both are caught.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use pool_ipc::child::Ended;
use pool_ipc::start_method::Starter;

use crate::births::{Births, EXIT, SPARE};
use crate::hub::{Hub, TRIM_AFTER};
use crate::logs::note;
use crate::post::{Outfit, Post};
use crate::scheduler::{Event, SeatId};
use crate::shared::{Shared, lock};

/// Supervises until the pool is over. The outfits are those of the first workers; `started` is told once
/// they are there, or why not.
pub(crate) fn supervise(
    shared: &Arc<Shared>,
    starter: Starter,
    outfits: impl Iterator<Item = io::Result<Outfit>>,
    started: &Sender<io::Result<()>>,
) {
    let mut supervisor = Supervisor { shared, look_ahead: false };
    *lock(&shared.births) = Some(Births::new(starter));
    let mut seats = outfits.enumerate();
    let first: io::Result<()> = seats.try_for_each(|(seat, outfit)| shared.start_first(seat, outfit?));
    if first.is_err() {
        shared.visit(|hub, now| hub.handle(Event::Terminate, now));
    }
    let _ = started.send(first);
    let (mut ready, mut remains) = (Vec::new(), Vec::new());
    while !shared.visit(|hub, _| hub.is_over()) {
        let pending = !remains.is_empty() || supervisor.look_ahead;
        let (mut timeout, starting) =
            shared.visit(|hub, now| (hub.plan(now.read()), hub.scheduler.is_starting()));
        // A worker on its way to a task, and who waits for its result, should not have to wait for what is pending.
        let calm = pending && !starting;
        if calm {
            timeout = Some(timeout.map_or(QUIET, |timeout| timeout.min(QUIET)));
        }
        let start = Instant::now();
        shared.watch.wait(timeout, &mut ready);
        for token in &ready {
            supervisor.look_after(*token);
        }
        let trim = ready.is_empty() && start.elapsed() >= TRIM_AFTER;
        let births = shared.visit(|hub, now| {
            hub.take_in(now);
            hub.handle(Event::Tick, now);
            if trim {
                hub.trim();
            }
            remains.append(&mut hub.remains);
            std::mem::take(&mut hub.births)
        });
        births.into_iter().for_each(|seat| shared.start_next(seat));
        let quiet = calm && ready.is_empty();
        if quiet || remains.len() > MOST_REMAINS {
            remains.clear();
        }
        if quiet
            && std::mem::take(&mut supervisor.look_ahead)
            && let Some(births) = &mut *lock(&shared.births)
        {
            births.look_ahead(&shared.watch);
        }
    }
    drop(remains);
    // With it may go the fork server.
    *lock(&shared.births) = None;
    shared.gone.set();
}

/// So many workers that have ended are kept for a quieter time.
const MOST_REMAINS: usize = 4;
/// A time in which nothing happens that the supervisor is told of is quiet after so long.
const QUIET: Duration = Duration::from_micros(500);

/// How soon it looks again where tasks wait behind others.
const AGAIN: Duration = Duration::from_millis(10);

struct Supervisor<'a> {
    shared: &'a Arc<Shared>,
    /// A worker has become ready since somebody last looked ahead.
    look_ahead: bool,
}

impl Supervisor<'_> {
    /// Reaps a worker that has ended.
    fn see_out(&self, post: &Post) -> Option<Ended> {
        let ended = post.child.reap()?;
        self.shared.watch.remove(post.child.as_fd());
        self.shared.watch.remove(post.lane.alarm());
        Some(ended)
    }

    fn look_after(&mut self, token: u64) {
        if token == SPARE {
            if let Some(births) = &mut *lock(&self.shared.births) {
                births.heed_spare(&self.shared.watch);
            }
            return;
        }
        let (birth, what) = (token >> 1, token & 1);
        if what == EXIT {
            let mut seen_out = None;
            self.shared.visit(|hub, now| {
                if let Some((seat, post)) = find(hub, birth) {
                    if let Some(ended) = self.see_out(post) {
                        seen_out = Some((post.name.clone(), post.child.pid(), ended));
                        hub.exited(seat, ended, now);
                    }
                } else if let Some((number, post)) = find_leaver(hub, birth)
                    && let Some(ended) = self.see_out(post)
                {
                    seen_out = Some((post.name.clone(), post.child.pid(), ended));
                    let number = *number;
                    hub.left(number, ended, now);
                }
            });
            // Not under the lock: the program's logger may do anything.
            if let Some((name, pid, ended)) = seen_out {
                note(|| format!("{name} has ended, pid {pid}: {ended:?}"), ended != Ended::Code(0));
            }
            return;
        }
        self.look_ahead |= self.shared.visit(|hub, now| {
            let (seat, post) = match find(hub, birth) {
                Some((seat, post)) => (Some(seat), post),
                // One that has left after its first task may say that it is ready after that.
                None => match find_leaver(hub, birth) {
                    Some((_, post)) => (None, post),
                    None => return false,
                },
            };
            post.lane.silence();
            if !post.lane.is_ready() || std::mem::replace(&mut post.heard, true) {
                return false;
            }
            if let Some(seat) = seat {
                hub.ready(seat, now);
            }
            true
        });
    }
}

/// The worker of this birth, if it has not ended.
fn find(hub: &mut Hub, birth: u64) -> Option<(SeatId, &mut Post)> {
    let posts = hub.posts.iter_mut().enumerate();
    posts.filter_map(|(seat, post)| Some((seat, post.as_mut()?))).find(|(_, post)| post.birth == birth)
}

/// The worker of this birth, if it has left its seat and not ended, and its number.
fn find_leaver(hub: &mut Hub, birth: u64) -> Option<&mut (u64, Post)> {
    hub.leavers.iter_mut().find(|(_, post)| post.birth == birth)
}

impl Hub {
    /// How long the supervisor may sleep.
    fn plan(&mut self, now: Instant) -> Option<std::time::Duration> {
        self.planned = self.scheduler.next_tick();
        self.looks_again = self.scheduler.any_behind();
        let until = self.planned.map(|planned| planned.saturating_duration_since(now));
        let again = self.looks_again.then_some(AGAIN);
        let trim = self.has_spare_memory().then_some(TRIM_AFTER);
        [until, again, trim].into_iter().flatten().min()
    }
}
