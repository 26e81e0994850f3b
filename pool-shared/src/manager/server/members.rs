//! The channels that there are, and the threads that serve them.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::Ordering::*;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::admit::FIRST;
use super::serve::Member;
use super::{Server, lock};
use crate::manager::channel::Channel;

/// The channels, by their tokens.
#[derive(Default)]
pub(super) struct Channels {
    next: u64,
    members: HashMap<u64, Arc<Member>>,
    /// The tokens of those that were told to end.
    dismissed: Vec<u64>,
}

/// One of the channels that there may be, until it is dropped.
pub(super) struct Slot(Arc<Server>);

/// How many threads serve clients.
#[derive(Default)]
pub(super) struct Threads {
    count: Mutex<usize>,
    gone: Condvar,
}

/// One of them, until it is dropped.
pub(super) struct Crew(Arc<Server>);

impl Server {
    /// Takes a channel into the list of those that are watched.
    pub(super) fn join(&self, channel: &Channel) -> io::Result<Arc<Member>> {
        let mut channels = lock(&self.channels);
        let token = FIRST + channels.next;
        channels.next += 1;
        let member = Arc::new(Member::new(token, channel)?);
        if member.has_lane() {
            self.watch.add(member.socket(), token)?;
        }
        channels.members.insert(token, member.clone());
        drop(channels);
        // ORDERING: it is set before the list is looked at to send all away.
        if self.stopping.load(SeqCst) {
            member.dismiss();
        }
        Ok(member)
    }

    /// Takes it from the list.
    pub(super) fn part(&self, member: &Member) {
        lock(&self.channels).members.remove(&member.token);
        self.watch.remove(member.socket());
    }

    /// Something came through the socket of a channel where nothing is to come: its client is gone, or does not keep
    /// to the protocol.
    pub(super) fn ended(&self, token: u64) {
        let member = lock(&self.channels).members.get(&token).cloned();
        if let Some(member) = member {
            self.watch.remove(member.socket());
            member.dismiss();
            lock(&self.channels).dismissed.push(token);
        }
    }

    /// Dismisses again those that were dismissed and are still there; whether there are such. A client that is gone
    /// wakes nobody by mistake, but one that lives may write over the word that says its lane is closed.
    pub(super) fn insist(&self) -> bool {
        let mut channels = lock(&self.channels);
        let Channels { members, dismissed, .. } = &mut *channels;
        dismissed.retain(|token| members.contains_key(token));
        let left: Vec<_> = dismissed.iter().filter_map(|token| members.get(token).cloned()).collect();
        drop(channels);
        left.iter().for_each(|member| member.dismiss());
        !left.is_empty()
    }

    /// Ends all channels and handshakes.
    pub(crate) fn send_away(&self) {
        self.handshakes.stop();
        let members: Vec<_> = lock(&self.channels).members.values().cloned().collect();
        members.iter().for_each(|member| member.dismiss());
    }

    /// Waits until no thread serves anybody, for at most `patience`; whether it came to that.
    pub(crate) fn wait_for_threads(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut count = lock(&self.threads.count);
        while *count > 0 {
            let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
            let waited = self.threads.gone.wait_timeout(count, left);
            count = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Slot {
    /// `None`: there are as many as there may be.
    pub(super) fn take(server: &Arc<Server>) -> Option<Slot> {
        let within = |count: usize| (count < server.limits.connections).then(|| count + 1);
        // ORDERING: a limit, and a number that is shown.
        server.connections.fetch_update(Relaxed, Relaxed, within).ok()?;
        Some(Slot(server.clone()))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // ORDERING: as above.
        self.0.connections.fetch_sub(1, Relaxed);
    }
}

impl Crew {
    pub(super) fn join(server: &Arc<Server>) -> Crew {
        *lock(&server.threads.count) += 1;
        Crew(server.clone())
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        *lock(&self.0.threads.count) -= 1;
        self.0.threads.gone.notify_all();
    }
}
