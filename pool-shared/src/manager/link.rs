//! A process's link to one server: its session, and the channels that its threads use in turn.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pool_core::codec;
use pool_core::scratch::with_scratch;
use pool_ipc::marked::build;
use pool_ipc::own::generation;
use pool_ipc::shared::knock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::channel::Channel;
use super::context;
use super::error::{Fault, ManagerError};
use super::lane::{Lane, Side, Stopped};
use super::server::lock;
use super::wire::{FAULT, Head, Hello, LaneMemory, REPLY, Request, SERVER, VALUE, Welcome};
use crate::connection::ConnectionError;

/// How long a server may take to let a client in.
const PATIENCE: Duration = Duration::from_secs(10);

type Result<T> = std::result::Result<T, ManagerError>;

/// A process's link to one server.
pub(crate) struct Link {
    pub(crate) server: u128,
    /// The server's door on its machine.
    pub(crate) door: String,
    session: u128,
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

impl Link {
    /// A link to the server behind this door, which is `server` if that is known.
    pub(crate) fn open(door: &str, server: Option<u128>) -> Result<Arc<Link>> {
        if let Some(link) = server.and_then(Link::known) {
            return Ok(link);
        }
        let (channel, welcome) = connect(door, None)?;
        if server.is_some_and(|server| server != welcome.server) {
            return Err(ManagerError::Gone);
        }
        let link = Arc::new(Link {
            server: welcome.server,
            door: welcome.door,
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

    /// The link that this process has to a server.
    pub(crate) fn known(server: u128) -> Option<Arc<Link>> {
        let links: Vec<Arc<Link>> = lock(&LINKS).iter().filter_map(Weak::upgrade).collect();
        links.into_iter().find(|link| link.server == server && link.generation == generation())
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
            if codec::with_plain(argument, |bytes| message.extend_from_slice(bytes)).is_none() {
                codec::encode(argument, message).map_err(ManagerError::Encode)?;
            }
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
            read(message, name)
        });
        drop(context);
        result
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
            None => Ok(Box::new(connect(&self.door, Some(self.session))?.0)),
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("door", &self.door).finish_non_exhaustive()
    }
}

fn read<R: DeserializeOwned + 'static>(reply: &[u8], name: &str) -> Result<R> {
    let Some((status, value)) = reply.split_first_chunk::<REPLY>() else { return Err(ManagerError::Gone) };
    match u32::from_le_bytes(*status) {
        VALUE => codec::from_plain_slice(value)
            .unwrap_or_else(|| codec::decode(value))
            .map_err(ManagerError::Decode),
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

/// A channel to the server behind this door.
fn connect(door: &str, session: Option<u128>) -> Result<(Channel, Welcome)> {
    let socket: OwnedFd = match knock(door) {
        Ok(stream) => stream.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ManagerError::Gone),
        Err(error) => return Err(error.into()),
    };
    let mut channel = Channel::new(socket, Side::Client)?;
    let block = if channel.is_local() { Some(Lane::create()?) } else { None };
    let hello = Hello { build: build()?, session, lane: block.clone().map(LaneMemory) };
    channel.greet(&hello, PATIENCE).map_err(broken)?;
    let welcome = match channel.greeting::<std::result::Result<Welcome, String>>(PATIENCE).map_err(broken) {
        Ok(Ok(Ok(welcome))) => welcome,
        Ok(Ok(Err(why))) => return Err(ManagerError::Refused(why)),
        Ok(Err(Some(version))) => {
            return Err(ManagerError::Refused(format!("a server of version {version}")));
        }
        Ok(Err(None)) => return Err(ManagerError::Refused("who listens there is no manager".to_owned())),
        Err(error) => return Err(error),
    };
    let lane = block.map(|block| Lane::new(block, Side::Client)).transpose()?;
    channel.go_on(lane, welcome.limit);
    Ok((channel, welcome))
}

/// Why a greeting did not come about.
fn broken(error: ConnectionError) -> ManagerError {
    match error {
        ConnectionError::End | ConnectionError::Torn => ManagerError::Gone,
        ConnectionError::System(error) => ManagerError::System(error),
        other => ManagerError::System(io::Error::other(other)),
    }
}
