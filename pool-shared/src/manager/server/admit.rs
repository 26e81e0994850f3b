//! The server's main thread: it lets clients in, and hears when they have gone.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

use pool_ipc::exit::ignore_interrupts;
use pool_ipc::own;
use pool_ipc::shared::Door;
use pool_process::Passed;
use serde::{Deserialize, Serialize};

use super::serve::{Member, serve};
use super::{Limits, Server, lock};
use crate::manager::channel::Channel;

/// The channels that are watched, by their tokens.
#[derive(Default)]
pub(super) struct Channels {
    next: u64,
    members: HashMap<u64, Arc<Member>>,
}

/// What the server is told when it starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) name: String,
    pub(crate) door: Passed<OwnedFd>,
    pub(crate) limits: Limits,
}

const DOOR: u64 = 0;
const FIRST: u64 = 16;
/// How long to do nothing when a client cannot be let in, for want of descriptors most likely.
const REST: Duration = Duration::from_millis(10);

/// Serves until somebody asks for the end.
pub(crate) fn run(orders: Orders) {
    ignore_interrupts();
    let door = Door::from(orders.door.into_inner());
    // Without a watch there is no server: whoever connects sees it end.
    let Ok(server) = Server::new(orders.name, orders.limits) else { return };
    if server.watch.add(door.as_fd(), DOOR).is_err() {
        return;
    }
    let mut ready = Vec::new();
    while !server.stopping.load(SeqCst) {
        server.watch.wait(None, &mut ready);
        for token in &ready {
            match *token {
                DOOR => loop {
                    match door.accept() {
                        Ok(stream) => server.admit(stream.into()),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                        Err(_) => {
                            std::thread::sleep(REST);
                            break;
                        }
                    }
                },
                token => server.ended(token),
            }
        }
    }
}

impl Server {
    /// Has a thread serve whoever is at the other end.
    fn admit(self: &Arc<Server>, socket: OwnedFd) {
        // ORDERING: a limit, and a number that is shown.
        if self.connections.fetch_add(1, Relaxed) >= self.limits.connections {
            self.connections.fetch_sub(1, Relaxed);
            return;
        }
        let server = self.clone();
        let body = move || {
            serve(&server, socket, None);
            server.connections.fetch_sub(1, Relaxed);
        };
        if own::thread("pool-manager".to_owned(), body).is_err() {
            self.connections.fetch_sub(1, Relaxed);
        }
    }

    /// Takes a channel into the list of those that are watched.
    pub(super) fn join(&self, channel: &Channel) -> io::Result<Arc<Member>> {
        let mut channels = lock(&self.waiting);
        let token = FIRST + channels.next;
        channels.next += 1;
        let member = Arc::new(Member::new(token, channel)?);
        if member.has_lane() {
            self.watch.add(member.socket(), token)?;
        }
        channels.members.insert(token, member.clone());
        Ok(member)
    }

    /// Takes it from the list.
    pub(super) fn part(&self, member: &Member) {
        lock(&self.waiting).members.remove(&member.token);
        self.watch.remove(member.socket());
    }

    /// Something came through the socket of a channel where nothing is to come: its client is gone.
    fn ended(&self, token: u64) {
        let member = lock(&self.waiting).members.get(&token).cloned();
        if let Some(member) = member {
            self.watch.remove(member.socket());
            member.dismiss();
        }
    }

    /// Has the main thread end.
    pub(super) fn stop(&self) {
        // ORDERING: before the knock.
        self.stopping.store(true, SeqCst);
        self.watch.knock();
    }
}
