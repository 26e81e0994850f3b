//! A process's link to one server: its session, and the channels that its threads use in turn.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pool_core::codec;
use pool_core::scratch::with_scratch;
use pool_ipc::marked::build;
use pool_ipc::own::generation;
use pool_ipc::shared::knock;
use pool_ipc::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::channel::Channel;
use super::context;
use super::error::{Fault, ManagerError};
use super::lane::{Lane, Side, Stopped};
use super::method::put;
use super::server::lock;
use super::wire::{
    Answer, FAULT, Head, Hello, LaneMemory, REPLY, Refusal, Request, SERVER, VALUE, Welcome, Whereabouts,
};
use crate::connection::{Address, ConnectError, ConnectionError, Secret, dial};

/// How long a server may take to let a client in.
const PATIENCE: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, ManagerError>;

/// How a process comes to a server.
#[derive(Clone)]
pub(crate) enum Way {
    /// By its door, as a process of the same user on the same machine.
    Door(String),
    /// By its address, with its key.
    Address(Address, Secret),
}

/// A process's link to one server.
pub(crate) struct Link {
    pub(crate) place: Whereabouts,
    way: Way,
    pub(crate) session: u128,
    /// Whether the server runs this build of the program.
    same_build: bool,
    limit: u64,
    /// Channels that no call uses.
    #[expect(clippy::vec_box, reason = "each call takes one out and puts it back")]
    free: Mutex<Vec<Box<Channel>>>,
    /// Objects that this process has copies of proxies of, from the process that it was forked from.
    copied: Mutex<HashSet<u64>>,
    pub(crate) generation: u32,
}

/// The links that this process has.
static LINKS: Mutex<Vec<Weak<Link>>> = Mutex::new(Vec::new());

/// The servers that this process has come to by their addresses, with their keys: one of each address.
static KEYS: Mutex<Vec<(u128, Address, Secret)>> = Mutex::new(Vec::new());

impl Link {
    /// A new link by this way, to `server` if that is known. The server may take so long to let this process in.
    pub(crate) fn open(way: Way, server: Option<u128>, pause: Option<Duration>) -> Result<Arc<Link>> {
        let (channel, mut welcome) = connect(&way, None, pause)?;
        if server.is_some_and(|server| server != welcome.place.server) {
            return Err(ManagerError::Gone);
        }
        if let Way::Address(address, secret) = &way {
            let mut keys = lock(&KEYS);
            keys.retain(|(_, other, _)| other != address);
            keys.push((welcome.place.server, address.clone(), secret.clone()));
            // As it is known here: what the server knows may be "all of this machine's".
            welcome.place.address = Some(address.clone());
        }
        let link = Arc::new(Link {
            place: welcome.place,
            way,
            session: welcome.session,
            same_build: welcome.build == build()?,
            limit: welcome.limit,
            free: Mutex::new(vec![Box::new(channel)]),
            copied: Mutex::default(),
            generation: generation(),
        });
        let mut links = lock(&LINKS);
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&link));
        Ok(link)
    }

    /// The link of this process to a server, by whichever way it has.
    pub(crate) fn to(place: &Whereabouts) -> Result<Arc<Link>> {
        if let Some(link) = Link::known(place.server) {
            return Ok(link);
        }
        match Link::open(Way::Door(place.door.clone()), Some(place.server), Some(PATIENCE)) {
            // It is on another machine, another user's, or has ended.
            Err(ManagerError::Gone) => {}
            Err(ManagerError::System(error)) if error.kind() == io::ErrorKind::PermissionDenied => {}
            other => return other,
        }
        let key = lock(&KEYS).iter().find(|(server, ..)| *server == place.server).cloned();
        match (key, &place.address) {
            (Some((server, address, secret)), _) => {
                Link::open(Way::Address(address, secret), Some(server), Some(PATIENCE))
            }
            // No address is tried without having been asked for: whoever made this up may not be trusted.
            (None, Some(address)) => Err(ManagerError::NeedsKey(address.clone())),
            (None, None) => Err(ManagerError::Gone),
        }
    }

    /// The link that this process has to a server; the latest, if there are several.
    pub(crate) fn known(server: u128) -> Option<Arc<Link>> {
        let links: Vec<Arc<Link>> = lock(&LINKS).iter().filter_map(Weak::upgrade).collect();
        let of_server = |link: &Arc<Link>| link.place.server == server && link.generation == generation();
        links.into_iter().rev().find(of_server)
    }

    /// Counts an object of which this process has only a copy of its parent's proxy, once.
    pub(crate) fn adopt_copy(self: &Arc<Link>, object: u64) -> Result<()> {
        if lock(&self.copied).insert(object) {
            let adopted: Result<()> = self.ask(&Request::Adopt { object, ticket: 0 });
            if adopted.is_err() {
                lock(&self.copied).remove(&object);
            }
            return adopted;
        }
        Ok(())
    }

    /// Fails if names of functions mean nothing to the server.
    pub(crate) fn needs_same_build(&self) -> Result<()> {
        if self.same_build { Ok(()) } else { Err(ManagerError::OtherBuild) }
    }

    /// Calls a method, called `name`, of an object.
    #[inline]
    pub(crate) fn call<A: Serialize + 'static, R: DeserializeOwned + 'static>(
        self: &Arc<Link>,
        object: u64,
        method: u32,
        name: &str,
        argument: &A,
    ) -> Result<R> {
        let context = context::calling(self);
        let result = with_scratch(|message| {
            Head { object, method, thread: context::this_thread() }.write(message);
            put(argument, message).map_err(ManagerError::Encode)?;
            self.exchange(message)?;
            let value = read(message, name)?;
            codec::from_plain_slice(value)
                .unwrap_or_else(|| codec::decode(value))
                .map_err(ManagerError::Decode)
        });
        drop(context);
        result
    }

    /// Sends a call, and has the reply in its place.
    fn exchange(&self, message: &mut Vec<u8>) -> Result<()> {
        if message.len() as u64 > self.limit {
            return Err(ManagerError::TooLong(message.len() as u64));
        }
        // Only now: the session ends with its last channel, and what cannot be sent must not cost one.
        let mut channel = self.take()?;
        channel.send(message).map_err(stopped)?;
        message.clear();
        channel.receive(message, usize::MAX).map_err(stopped)?;
        // What is left of the call is done here, without it.
        lock(&self.free).push(channel);
        Ok(())
    }

    /// Asks something of the server itself.
    pub(crate) fn ask<R: DeserializeOwned + 'static>(self: &Arc<Link>, request: &Request) -> Result<R> {
        self.call(SERVER, 0, "", request)
    }

    /// A channel that no call uses.
    fn take(&self) -> Result<Box<Channel>> {
        let free = lock(&self.free).pop();
        match free {
            Some(channel) => Ok(channel),
            None => Ok(Box::new(connect(&self.way, Some(self.session), Some(PATIENCE))?.0)),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("place", &self.place).finish_non_exhaustive()
    }
}

/// The value in a reply, still encoded.
fn read<'a>(reply: &'a [u8], name: &str) -> Result<&'a [u8]> {
    let Some((status, value)) = reply.split_first_chunk::<REPLY>() else { return Err(ManagerError::Gone) };
    match u32::from_le_bytes(*status) {
        VALUE => Ok(value),
        FAULT => Err(codec::decode::<Fault>(value).map_err(ManagerError::Decode)?.explain(name)),
        _ => Err(ManagerError::Gone),
    }
}

fn stopped(stopped: Stopped) -> ManagerError {
    match stopped {
        Stopped::Gone => ManagerError::Gone,
        Stopped::TooLong(len) => ManagerError::TooLong(len),
        Stopped::Memory(error) => ManagerError::System(error),
    }
}

/// A channel to a server, which may take so long to let this process in.
fn connect(way: &Way, session: Option<u128>, pause: Option<Duration>) -> Result<(Channel, Welcome)> {
    let socket = match way {
        Way::Door(door) => match knock(door) {
            Ok(stream) => OwnedFd::from(stream),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ManagerError::Gone),
            Err(error) => return Err(error.into()),
        },
        Way::Address(address, secret) => {
            let socket = dial(address).map_err(ConnectError::System)?;
            if let Address::Tcp(_) = address {
                stream::keep_alive(socket.as_fd())?;
            }
            secret.connect(socket.as_fd())?;
            socket
        }
    };
    let mut channel = Channel::new(socket, Side::Client)?;
    let block = if channel.is_local() { Some(Lane::create()?) } else { None };
    let hello = Hello { build: build()?, session, lane: block.clone().map(LaneMemory) };
    match channel.greet(&hello, pause) {
        Ok(()) => {}
        // What the server has said before it closed tells more.
        Err(ConnectionError::End) => {}
        Err(error) => return Err(broken(error)),
    }
    let welcome = match channel.greeting::<Answer>(pause).map_err(broken)? {
        Ok(Ok(welcome)) => welcome,
        Ok(Err(Refusal::Session)) => return Err(ManagerError::Gone),
        Ok(Err(Refusal::Full)) => return Err(ManagerError::TooManyConnections),
        Ok(Err(Refusal::Greeting)) | Err(None) => return Err(ManagerError::NoManager),
        Ok(Err(Refusal::System)) => {
            let text = "the manager lacks what it takes to serve one more client";
            return Err(io::Error::other(text).into());
        }
        Err(Some(version)) => return Err(ManagerError::OtherVersion(version)),
    };
    let lane = block.map(|block| Lane::new(block, Side::Client)).transpose()?;
    channel.go_on(lane, welcome.limit);
    Ok((channel, welcome))
}

/// Why a greeting did not come about.
fn broken(error: ConnectionError) -> ManagerError {
    match error {
        ConnectionError::End | ConnectionError::Torn => ManagerError::Gone,
        ConnectionError::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "it did not answer in time").into()
        }
        ConnectionError::System(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            ManagerError::Gone
        }
        ConnectionError::System(error) => ManagerError::System(error),
        _ => ManagerError::NoManager,
    }
}
