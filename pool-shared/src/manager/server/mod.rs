//! The server: what owns the objects.
//!
//! | | |
//! |---|---|
//! | `registry.rs` | the objects, counted; names; tickets |
//! | `session.rs` | a client process, and what it has of each object |
//! | `serve.rs` | a channel's thread: greeting, calls, replies |
//! | `admit.rs` | the main thread: who comes, and who has gone |
//! | `handshake.rs` | those who have not been let in yet |
//! | `members.rs` | the channels and their threads |
//! | `object.rs` | an object behind its own lock, or one that waits by itself |
//! | `turns.rs` | a value that threads have one after the other, without waiting in a circle |
//! | `monitor.rs` | waiting for an object to change |

mod admit;
mod handshake;
mod members;
mod monitor;
mod object;
mod registry;
mod serve;
mod session;
mod turns;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pool_ipc::exit::random;
use pool_ipc::marked::{Marked, build};
use pool_ipc::watch::Watch;
use serde::{Deserialize, Serialize};

use super::wire::Whereabouts;
use crate::connection::Address;

pub(crate) use admit::{Entrances, Listening, Orders, run};
use members::Crew;
pub(crate) use monitor::{Ended, Line, Monitor, Patience, State};
pub(crate) use object::{Apart, Guarded, Object};
pub(crate) use registry::Registry;
pub(crate) use serve::{Caller, Maker};
pub(crate) use session::Session;

/// A running server.
pub(crate) struct Server {
    pub(crate) place: Whereabouts,
    pub(crate) build: u64,
    /// What whoever may end it says.
    owner: u128,
    pub(crate) limits: Limits,
    pub(crate) registry: Registry,
    pub(crate) connections: AtomicUsize,
    /// How many calls wait for an object to change.
    pub(crate) blocked: AtomicUsize,
    pub(crate) stopping: AtomicBool,
    pub(crate) watch: Watch,
    /// For what the server's own objects have of each other.
    pub(crate) own: Arc<Session>,
    handshakes: handshake::Handshakes,
    channels: Mutex<members::Channels>,
    threads: members::Threads,
}

/// What a server allows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// The longest message, in bytes.
    pub(crate) message: u64,
    /// How many channels there may be at a time.
    pub(crate) connections: usize,
    /// How many clients there may be at a time that may not call yet.
    pub(crate) handshakes: usize,
    /// How long a client may take until it may call.
    pub(crate) handshake: Duration,
}

impl Server {
    pub(crate) fn new(
        door: String,
        address: Option<Address>,
        owner: u128,
        limits: Limits,
        types: HashMap<String, &'static Marked>,
    ) -> std::io::Result<Arc<Server>> {
        Ok(Arc::new(Server {
            place: Whereabouts { server: u128::from_ne_bytes(random()?), door, address },
            build: build()?,
            owner,
            limits,
            registry: Registry::new(types),
            connections: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            watch: Watch::new()?,
            own: Arc::new(Session::new(0)),
            handshakes: handshake::Handshakes::default(),
            channels: Mutex::default(),
            threads: members::Threads::default(),
        }))
    }
}

/// How a server is, as [`Manager::status`](super::Manager::status) says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerStatus {
    /// How many objects it has.
    pub objects: usize,
    /// How many client processes there are.
    pub sessions: usize,
    /// How many channels they have: one for each thread that calls at the same time.
    pub channels: usize,
    /// How many calls wait: for a lock, an item, the other parties.
    pub waiting: usize,
    /// How many proxies are on their way to somebody.
    pub tickets: usize,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
