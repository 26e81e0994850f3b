//! Clients that have not been let in yet: how many they are, and how long they may take.
//!
//! Each has a thread, and a thread that waits for a silent client cannot be given up: so the main thread
//! looks after them, and stops the socket of one whose time is over. As long as there are as many as there may be,
//! nobody else is accepted; then one that has had a second already is stopped for the sake of those that wait.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pool_ipc::own::Stays;
use pool_ipc::stream;

use super::{Limits, Server, lock};

/// How long a handshake is let alone while others wait.
const COURTESY: Duration = Duration::from_secs(1);

/// The handshakes that are under way.
#[derive(Default)]
pub(super) struct Handshakes(Mutex<List>);

#[derive(Default)]
struct List {
    next: u64,
    /// The oldest first.
    under_way: VecDeque<UnderWay>,
}

struct UnderWay {
    number: u64,
    began: Instant,
    socket: Stays<std::os::fd::OwnedFd>,
    is_stopped: bool,
}

/// What the main thread has found.
pub(super) struct Look {
    /// Nobody else is to be accepted.
    pub(super) is_full: bool,
    /// When to look again, if nothing happens before.
    pub(super) again: Option<Duration>,
}

/// One of them; to be dropped when the client has been let in or is gone.
pub(super) struct Handshake {
    server: Arc<Server>,
    number: u64,
}

impl Handshakes {
    pub(super) fn begin(&self, server: &Arc<Server>, socket: BorrowedFd<'_>) -> io::Result<Handshake> {
        let socket = Stays::new(socket.try_clone_to_owned()?);
        let mut list = lock(&self.0);
        let number = list.next;
        list.next += 1;
        list.under_way.push_back(UnderWay { number, began: Instant::now(), socket, is_stopped: false });
        Ok(Handshake { server: server.clone(), number })
    }

    pub(super) fn are_full(&self, limits: &Limits) -> bool {
        lock(&self.0).under_way.len() >= limits.handshakes
    }

    /// Stops those whose time is over.
    pub(super) fn look(&self, limits: &Limits) -> Look {
        let now = Instant::now();
        let mut list = lock(&self.0);
        let is_full = list.under_way.len() >= limits.handshakes;
        // One at a time is stopped for the sake of others: its end makes room.
        let mut waits = is_full && !list.under_way.iter().any(|one| one.is_stopped);
        for one in list.under_way.iter_mut().filter(|one| !one.is_stopped) {
            let age = now.saturating_duration_since(one.began);
            let allowed = if waits { COURTESY.min(limits.handshake) } else { limits.handshake };
            let left = allowed.saturating_sub(age);
            if !left.is_zero() {
                return Look { is_full, again: Some(left) };
            }
            one.is_stopped = true;
            waits = false;
            stream::stop(one.socket.as_fd());
        }
        Look { is_full, again: None }
    }

    /// Stops all.
    pub(super) fn stop(&self) {
        lock(&self.0).under_way.iter().for_each(|one| stream::stop(one.socket.as_fd()));
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut list = lock(&self.server.handshakes.0);
        let was_full = list.under_way.len() >= self.server.limits.handshakes;
        list.under_way.retain(|one| one.number != self.number);
        drop(list);
        if was_full {
            // There is room for one that waits outside.
            self.server.watch.knock();
        }
    }
}
