//! What a server is started with.

use std::fmt;
use std::os::fd::AsFd;
use std::time::Duration;

use pool_core::lend;
use pool_ipc::exit::random;
use pool_ipc::marked::Marked;
use pool_ipc::shared::Door;
use pool_process::{Finalizer, Passed, Process, at_exit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{Fault, ManagerError};
use super::host::ManagerServer;
use super::link::{Link, Way};
use super::method::Managed;
use super::plan::{Plan, initialise};
use super::server::{self, Entrances, Limits, Listening, Orders, Server};
use super::start::{Manager, PATIENCE, made};
use crate::connection::{Address, ConnectError, IntoAddress, Listener, SocketFile};

type Result<T> = std::result::Result<T, ManagerError>;

/// The settings of a [`Manager`], or of a [`ManagerServer`].
pub struct ManagerBuilder {
    limits: Limits,
    bound: Option<(std::result::Result<Address, ConnectError>, Vec<u8>)>,
    plan: Plan,
}

impl Default for ManagerBuilder {
    fn default() -> ManagerBuilder {
        let limits = Limits {
            message: 1 << 30,
            connections: 4096,
            handshakes: 64,
            handshake: Duration::from_secs(10),
        };
        ManagerBuilder { limits, bound: None, plan: Plan::default() }
    }
}

impl ManagerBuilder {
    /// Has the server listen at an address too, for those who have the key and [connect](Manager::connect): an
    /// [`Address`](crate::Address), or a text or path that is one. With port 0 of TCP the system chooses a port, which
    /// [`Manager::address`] tells.
    ///
    /// Whoever connects and the server show each other that they have the key (HMAC-SHA-256 of random challenges) before
    /// anything else is read. What is sent afterwards is neither encrypted nor signed: between machines use a tunnel
    /// (SSH, TLS). Who has the key may make objects, and use all that there are.
    #[must_use]
    pub fn bind(mut self, address: impl IntoAddress, key: &[u8]) -> ManagerBuilder {
        self.bound = Some((address.into_address(), key.to_vec()));
        self
    }

    /// Has the server run `f(argument)` before it serves anybody, in its own process; several are run in order. `f`
    /// captures nothing, as a task of a pool.
    ///
    /// If it panics the server does not start: [`Panicked`](ManagerError::Panicked).
    #[must_use]
    pub fn initializer<A, F>(mut self, f: F, argument: A) -> ManagerBuilder
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(A) + Copy + Send + Sync + 'static,
    {
        lend::given(f);
        self.plan.add(None, const { &Marked::new(initialise::<A, F>) }, argument);
        self
    }

    /// Has the server make objects with `make` for whoever asks for this name: see
    /// [`Manager::create_named`]. Other builds of the program can ask too.
    #[must_use]
    pub fn register<T, A, F>(mut self, name: &str, make: F) -> ManagerBuilder
    where
        T: Managed,
        A: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> T + Copy + Send + Sync + 'static,
    {
        lend::given(make);
        self.plan.register(name.to_owned(), const { &Marked::new(made::<T, A, F>) });
        self
    }

    /// Has the server make an object before it serves anybody, by `make(argument)`, and give it this name, by which
    /// anybody [finds](Manager::find) it. It is made in the order in which initializers and objects are given here.
    ///
    /// If `make` panics the server does not start: [`Panicked`](ManagerError::Panicked).
    #[must_use]
    pub fn publish<T, A, F>(mut self, name: &str, make: F, argument: A) -> ManagerBuilder
    where
        T: Managed,
        A: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(A) -> T + Copy + Send + Sync + 'static,
    {
        lend::given(make);
        self.plan.add(Some(name.to_owned()), const { &Marked::new(made::<T, A, F>) }, argument);
        self
    }

    /// The longest message, a call or a reply, in bytes: 1 GiB if nothing is said, at most 4 GiB.
    #[must_use]
    pub fn max_message(mut self, bytes: u64) -> ManagerBuilder {
        self.limits.message = bytes.min(u64::from(u32::MAX));
        self
    }

    /// How many channels there may be at a time, one for each thread that calls: 4096 if nothing is said. Who comes on
    /// top of them is turned away: [`TooManyConnections`](ManagerError::TooManyConnections).
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> ManagerBuilder {
        self.limits.connections = count;
        self
    }

    /// How many clients there may be at a time that may not call yet: 64 if nothing is said, at least 1. Others wait until they are
    /// accepted; then one that has taken longer than a second is sent away.
    #[must_use]
    pub fn max_handshakes(mut self, count: usize) -> ManagerBuilder {
        self.limits.handshakes = count.max(1);
        self
    }

    /// How long a client may take until it may call: 10 seconds if nothing is said.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> ManagerBuilder {
        self.limits.handshake = timeout;
        self
    }

    /// Starts the server, as a process.
    ///
    /// # Errors
    /// [`Connect`](ManagerError::Connect): it cannot listen at the address; [`Panicked`](ManagerError::Panicked): an
    /// initializer did; [`Refused`](ManagerError::Refused): the argument of one cannot be decoded;
    /// [`System`](ManagerError::System): no process or descriptor, or an empty key.
    pub fn start(self) -> Result<Manager> {
        let ManagerBuilder { limits, bound, plan } = self;
        let Entry { name, door, listening, address, file } = Entry::open(bound)?;
        let owner = u128::from_ne_bytes(random()?);
        let descriptor = Passed::from(door.as_fd().try_clone_to_owned()?);
        let orders = Orders { name: name.clone(), door: descriptor, listening, owner, limits, plan };
        // A daemon is killed with its owner. One that has a file to remove ends by itself then.
        let builder = Process::builder().name("Manager").daemon(file.is_none());
        let process = builder.spawn(server::run, orders).map_err(std::io::Error::other)?;
        // From here on only the server has the door: if it ends, whoever connects hears of it.
        drop(door);
        // It answers when it has done what was planned, however long that takes.
        match Link::open(Way::Door(name), None, None) {
            Ok(link) => Ok(Manager::started(link, process, owner, address, file)),
            Err(error) => {
                let error = why_not(&process).unwrap_or(error);
                file.iter().for_each(SocketFile::remove);
                Err(error)
            }
        }
    }

    /// A server for this process, which serves when it is [told to](ManagerServer::serve_forever), as
    /// Python's `get_server()`. The plan (initializers, objects) is done here.
    ///
    /// # Errors
    /// As [`start`](ManagerBuilder::start); [`Misuse`](ManagerError::Misuse) without an
    /// [address](ManagerBuilder::bind), for nobody would know where it is.
    pub fn server(self) -> Result<ManagerServer> {
        let ManagerBuilder { limits, bound, plan } = self;
        let Entry { name, door, listening, address, file } = Entry::open(bound)?;
        let Some(address) = address else {
            let text = "a server without a process of its own needs an address: `bind`";
            return Err(ManagerError::Misuse(text.to_owned()));
        };
        let entrances = Entrances::new(door, listening, &limits);
        let owner = u128::from_ne_bytes(random()?);
        let server = Server::new(name, Some(address.clone()), owner, limits, plan.types())?;
        plan.carry_out(&server).map_err(|fault| fault.explain(""))?;
        Ok(ManagerServer::new(server, entrances, address, file.map(remove_at_end)))
    }
}

/// Where clients come in.
struct Entry {
    name: String,
    door: Door,
    listening: Option<Listening>,
    address: Option<Address>,
    file: Option<SocketFile>,
}

impl Entry {
    fn open(bound: Option<(std::result::Result<Address, ConnectError>, Vec<u8>)>) -> Result<Entry> {
        let listening = bound.map(|(address, key)| listen(address?, key)).transpose()?;
        let address = listening.as_ref().map(|listening| listening.address.clone());
        let file = listening.as_ref().and_then(|listening| listening.file.clone());
        let name = format!("manager-{:032x}", u128::from_ne_bytes(random()?));
        let door = Door::open(&name)?;
        Ok(Entry { name, door, listening, address, file })
    }
}

fn listen(address: Address, key: Vec<u8>) -> Result<Listening> {
    if key.is_empty() {
        let text = "an empty key, which everybody has";
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, text).into());
    }
    let (socket, address, file) = Listener::<(), ()>::bind(address)?.into_parts()?;
    Ok(Listening { socket: Passed::from(socket), address, file, key })
}

/// At the latest when this process ends.
fn remove_at_end(file: SocketFile) -> Finalizer {
    at_exit(Some(-1), move || file.remove())
}

/// Why the server has ended, if it has and says so. It is gone in any case.
fn why_not(process: &Process<std::result::Result<(), Fault>>) -> Option<ManagerError> {
    if !process.wait_timeout(PATIENCE) {
        process.kill();
        process.wait();
        return None;
    }
    match process.join() {
        Ok(Err(fault)) => Some(fault.explain("")),
        _ => None,
    }
}

impl fmt::Debug for ManagerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.bound.as_ref().map(|(address, _)| address);
        f.debug_struct("ManagerBuilder")
            .field("limits", &self.limits)
            .field("bound", &address)
            .finish_non_exhaustive()
    }
}
