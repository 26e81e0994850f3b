//! Starting a server, and what its users make of it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pool_core::lend;
use pool_ipc::marked::Marked;
use pool_ipc::own::generation;
use pool_process::{Finalizer, Process, at_exit};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::builder::ManagerBuilder;
use super::context;
use super::error::{Fault, ManagerError};
use super::link::{Link, Way};
use super::method::{Managed, Waits, decode, end, object_of, put};
use super::proxy::Proxy;
use super::server::{Apart, Maker, Object, ServerStatus};
use super::wire::Request;
use crate::connection::{Address, IntoAddress, Secret, SocketFile};

type Result<T> = std::result::Result<T, ManagerError>;

/// A server process that owns objects for others, as Python's `multiprocessing.Manager`.
///
/// Its methods make objects in the server and give proxies of them, which any process can have.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{DictProxy, Manager};
///
/// let manager = Manager::start()?;
/// let ages = manager.dict::<String, u32>()?;
/// let child = |ages: DictProxy<String, u32>| ages.insert("Ada".to_owned(), 36).is_ok();
/// assert!(Process::spawn(child, ages.clone())?.join()?);
/// assert_eq!(ages.get("Ada")?, Some(36));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The server ends when the manager is [shut down](Manager::shutdown) or dropped where it was started, and with the
/// program that started it, however that ends. It ignores Ctrl-C, which is for the program.
///
/// # By an address
/// A server that was [bound](ManagerBuilder::bind) to an address can be [connected](Manager::connect) to by whoever has
/// its key.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{Address, Dict, DictProxy, Manager, Proxy};
///
/// fn ask(address: Address) -> Option<u32> {
///     let manager = Manager::connect(&address, b"secret").unwrap();
///     let ages: DictProxy<String, u32> = manager.find::<Dict<String, u32>>("ages").unwrap().into();
///     ages.get("Ada").unwrap()
/// }
///
/// let manager = Manager::bind("127.0.0.1:0", b"secret")?;
/// let ages = manager.dict::<String, u32>()?;
/// ages.insert("Ada".to_owned(), 36)?;
/// Proxy::from(ages.clone()).publish("ages")?;
/// let address = manager.address().unwrap().clone();
/// assert_eq!(Process::spawn(ask, address)?.join()?, Some(36));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Where a proxy goes, its server's address goes with it, but not the key. A process of the same user on the same machine
/// needs none. Any other has to connect first, and so have its own processes: a pool's workers on another machine
/// connect in their [initializer](pool_process::ProcessPoolBuilder::initializer). A process that was forked has what
/// its parent has.
///
/// A socket file is removed when the server ends, and also when the program that started it is killed. If both are
/// killed it is left, and has to be removed before the address can be bound again.
pub struct Manager {
    link: Arc<Link>,
    /// Only where it was started.
    process: Option<Process<std::result::Result<(), Fault>>>,
    /// What ends the server.
    owner: u128,
    address: Option<Address>,
    /// The server's socket file. It is removed by the server, or here if that was killed.
    file: Option<SocketFile>,
    /// Ends a server with a file at the latest when this process ends.
    last: Option<Finalizer>,
}

/// How long a server may take to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

impl Manager {
    /// Starts a server with the settings that a [builder](Manager::builder) begins with.
    ///
    /// # Errors
    /// The system refuses a process or a descriptor.
    pub fn start() -> Result<Manager> {
        Manager::builder().start()
    }

    /// Starts a server that listens at an address too: see [`ManagerBuilder::bind`].
    ///
    /// # Errors
    /// As [`ManagerBuilder::start`].
    pub fn bind(address: impl IntoAddress, key: &[u8]) -> Result<Manager> {
        Manager::builder().bind(address, key).start()
    }

    /// The manager whose server listens at this address, as Python's `BaseManager.connect`. It does not end the server.
    ///
    /// Calls go through the connection; where that is one of this machine alone (a path, an abstract name), through
    /// shared memory.
    ///
    /// # Errors
    /// [`Connect`](ManagerError::Connect): nobody listens there, or it has another key, or is something that knows of
    /// none; [`NoManager`](ManagerError::NoManager): it is something else that has the key;
    /// [`OtherVersion`](ManagerError::OtherVersion), [`TooManyConnections`](ManagerError::TooManyConnections).
    pub fn connect(address: impl IntoAddress, key: &[u8]) -> Result<Manager> {
        let address = address.into_address()?;
        let secret = Secret::new(key, PATIENCE);
        let link = Link::open(Way::Address(address.clone(), secret), None, Some(PATIENCE))?;
        Ok(Manager { link, process: None, owner: 0, address: Some(address), file: None, last: None })
    }

    pub(super) fn started(
        link: Arc<Link>,
        process: Process<std::result::Result<(), Fault>>,
        owner: u128,
        address: Option<Address>,
        file: Option<SocketFile>,
    ) -> Manager {
        let last = file.as_ref().map(|_| {
            let link = link.clone();
            // Before this process waits for the server, which is no daemon and goes on until it is told.
            at_exit(Some(i32::MAX), move || drop(link.ask::<()>(&Request::Shutdown { owner })))
        });
        Manager { link, process: Some(process), owner, address, file, last }
    }

    /// Where the server listens for those who have the key, if it does; for TCP with the port that it has.
    pub fn address(&self) -> Option<&Address> {
        self.address.as_ref()
    }

    /// Settings, to start a server with.
    pub fn builder() -> ManagerBuilder {
        ManagerBuilder::default()
    }

    /// The server's process id, where it was started.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// A new object: what `make` gives for `argument`, in the server. `make` captures nothing, as a task of a pool.
    ///
    /// # Errors
    /// [`Panicked`](ManagerError::Panicked): `make` did; [`OtherBuild`](ManagerError::OtherBuild): the server runs
    /// another build of the program; [`Gone`](ManagerError::Gone): it has ended.
    pub fn create<T, A, F>(&self, make: F, argument: A) -> Result<Proxy<T>>
    where
        T: Managed,
        A: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> T + Copy + Send + Sync + 'static,
    {
        lend::given(make);
        self.make(const { &Marked::new(made::<T, A, F>) }, &argument)
    }

    /// A new object of a type that waits by itself.
    pub(crate) fn create_waiting<T, A, F>(&self, make: F, argument: A) -> Result<Proxy<T>>
    where
        T: Waits,
        A: Serialize + DeserializeOwned + 'static,
        F: Fn(A) -> T + Copy + Send + Sync + 'static,
    {
        lend::given(make);
        self.make(const { &Marked::new(made_apart::<T, A, F>) }, &argument)
    }

    fn make<T: 'static, A: Serialize + 'static>(
        &self,
        marked: &'static Marked,
        argument: &A,
    ) -> Result<Proxy<T>> {
        let link = self.link()?;
        link.needs_same_build()?;
        let maker = marked.name().ok_or(ManagerError::OtherBuild)?;
        let input = encoded(&link, argument)?;
        let number = link.ask(&Request::Create { maker, input })?;
        Ok(Proxy::new(link, number))
    }

    /// The link of this process: in a forked child that is not the one of its parent.
    fn link(&self) -> Result<Arc<Link>> {
        if self.link.generation == generation() { Ok(self.link.clone()) } else { Link::to(&self.link.place) }
    }

    /// A new object of the type that the server has [registered](ManagerBuilder::register) under this name, which is to
    /// be a `T`: what the server's function gives for `argument`. Builds of the program need not be the same.
    ///
    /// # Errors
    /// [`NotFound`](ManagerError::NotFound): none is; [`Panicked`](ManagerError::Panicked): the function did;
    /// [`Refused`](ManagerError::Refused): it takes another argument; [`Gone`](ManagerError::Gone): the server has ended.
    pub fn create_named<T: 'static, A: Serialize + 'static>(
        &self,
        name: &str,
        argument: A,
    ) -> Result<Proxy<T>> {
        let link = self.link()?;
        let input = encoded(&link, &argument)?;
        let number = link.ask(&Request::CreateNamed { name: name.to_owned(), input })?;
        Ok(Proxy::new(link, number))
    }

    /// A proxy of the object that was [published](Proxy::publish) under this name, which is to be a `T`.
    ///
    /// # Errors
    /// [`NotFound`](ManagerError::NotFound): there is none.
    pub fn find<T: 'static>(&self, name: &str) -> Result<Proxy<T>> {
        let link = self.link()?;
        let (number, _type): (u64, String) = link.ask(&Request::Find { name: name.to_owned() })?;
        Ok(Proxy::new(link, number))
    }

    /// Takes back the name that an object was published under; whether something had it.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn withdraw(&self, name: &str) -> Result<bool> {
        self.link()?.ask(&Request::Withdraw { name: name.to_owned() })
    }

    /// How the server is.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): it has ended.
    pub fn status(&self) -> Result<ServerStatus> {
        self.link()?.ask(&Request::Status)
    }

    /// Ends the server, and with it all objects; calls that wait there give [`Gone`](ManagerError::Gone). The same as to
    /// drop the manager where it was started.
    ///
    /// # Errors
    /// The server did not end by itself; it was killed. [`Misuse`](ManagerError::Misuse): the server was started
    /// elsewhere.
    pub fn shutdown(mut self) -> Result<()> {
        if self.process.is_none() {
            let text = "a manager is shut down where it was started";
            return Err(ManagerError::Misuse(text.to_owned()));
        }
        self.stop()
    }

    fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        if self.link.generation != generation() {
            // It is its parent's, of which this process is a copy.
            return Ok(());
        }
        if let Some(last) = &self.last {
            last.cancel();
        }
        let stopped = self.stop_process(&process);
        self.file.iter().for_each(SocketFile::remove);
        stopped
    }

    fn stop_process(&self, process: &Process<std::result::Result<(), Fault>>) -> Result<()> {
        let asked: Result<()> = self.link.ask(&Request::Shutdown { owner: self.owner });
        if asked.is_ok() && process.wait_timeout(PATIENCE) {
            return match process.exit() {
                Some(exit) if exit.code() != Some(0) => {
                    Err(std::io::Error::other(format!("the manager's server ended otherwise: {exit}")).into())
                }
                _ => Ok(()),
            };
        }
        process.kill();
        process.wait();
        asked.and(Err(ManagerError::System(std::io::ErrorKind::TimedOut.into())))
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.stop();
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_ref().map(ToString::to_string);
        f.debug_struct("Manager")
            .field("server", &self.pid())
            .field("address", &address)
            .finish_non_exhaustive()
    }
}

/// The argument of a call that this link is asked for.
fn encoded<A: Serialize + 'static>(link: &Arc<Link>, argument: &A) -> Result<Vec<u8>> {
    let _context = context::calling(link);
    let mut input = Vec::new();
    put(argument, &mut input).map_err(ManagerError::Encode)?;
    Ok(input)
}

/// What the server calls to make an object.
pub(super) fn made<T, A, F>(maker: &mut dyn Any, input: &[u8], output: &mut Vec<u8>) -> u32
where
    T: Managed,
    A: DeserializeOwned + 'static,
    F: Fn(A) -> T + Copy + Send + Sync + 'static,
{
    fill(maker, output, || Ok(object_of(lend::lent::<F>()(decode(input)?))))
}

/// The same for one that waits by itself.
fn made_apart<T, A, F>(maker: &mut dyn Any, input: &[u8], output: &mut Vec<u8>) -> u32
where
    T: Waits,
    A: DeserializeOwned + 'static,
    F: Fn(A) -> T + Copy + Send + Sync + 'static,
{
    fill(maker, output, || Ok(Box::new(Apart::new(lend::lent::<F>()(decode(input)?)))))
}

fn fill(
    maker: &mut dyn Any,
    output: &mut Vec<u8>,
    make: impl FnOnce() -> std::result::Result<Box<dyn Object>, Fault>,
) -> u32 {
    let made = match maker.downcast_mut::<Maker>() {
        Some(maker) => make().map(|object| *maker = Some(object)),
        None => Err(Fault::Refused("a function that makes an object, given another".to_owned())),
    };
    end(made, output)
}
