//! Starting a server, and what its users make of it.

use std::any::Any;
use std::fmt;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{codec, lend};
use pool_ipc::exit::random;
use pool_ipc::marked::Marked;
use pool_ipc::shared::Door;
use pool_process::{Passed, Process};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::context;
use super::error::{Fault, ManagerError};
use super::link::Link;
use super::method::{Managed, Waits, decode, object_of};
use super::proxy::Proxy;
use super::server::{self, Apart, Limits, Maker, Object, Orders, ServerStatus};
use super::wire::{FAULT, Request, VALUE};

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
pub struct Manager {
    link: Arc<Link>,
    /// Only where it was started.
    process: Option<Process<()>>,
}

/// How long a server may take to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// The settings of a [`Manager`].
#[derive(Debug, Clone)]
pub struct ManagerBuilder {
    limits: Limits,
}

impl Default for ManagerBuilder {
    fn default() -> ManagerBuilder {
        let limits = Limits { message: 1 << 30, connections: 4096, handshake: Duration::from_secs(10) };
        ManagerBuilder { limits }
    }
}

impl ManagerBuilder {
    /// The longest message, a call or a reply, in bytes: 1 GiB if nothing is said, at most 4 GiB.
    #[must_use]
    pub fn max_message(mut self, bytes: u64) -> ManagerBuilder {
        self.limits.message = bytes.min(u64::from(u32::MAX));
        self
    }

    /// How many channels there may be at a time, one for each thread that calls: 4096 if nothing is said. Who comes on
    /// top of them is turned away.
    #[must_use]
    pub fn max_connections(mut self, count: usize) -> ManagerBuilder {
        self.limits.connections = count;
        self
    }

    /// How long a client may take until it may call: 10 seconds if nothing is said.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> ManagerBuilder {
        self.limits.handshake = timeout;
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// The system refuses a process or a descriptor.
    pub fn start(self) -> Result<Manager> {
        let name = format!("manager-{:032x}", u128::from_ne_bytes(random()?));
        let door = Door::open(&name)?;
        let descriptor = Passed::from(door.as_fd().try_clone_to_owned()?);
        let orders = Orders { name: name.clone(), door: descriptor, limits: self.limits };
        let builder = Process::builder().name("Manager").daemon(true);
        let process = builder.spawn(server::run, orders).map_err(std::io::Error::other)?;
        // From here on only the server has the door: if it ends, whoever connects hears of it.
        drop(door);
        let link = match Link::open(&name, None) {
            Ok(link) => link,
            Err(error) => {
                process.kill();
                process.wait();
                return Err(error);
            }
        };
        Ok(Manager { link, process: Some(process) })
    }
}

impl Manager {
    /// Starts a server with the settings that a [builder](Manager::builder) begins with.
    ///
    /// # Errors
    /// The system refuses a process or a descriptor.
    pub fn start() -> Result<Manager> {
        Manager::builder().start()
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
        self.link.needs_same_build()?;
        let maker = marked.name().ok_or(ManagerError::OtherBuild)?;
        let input = {
            let _context = context::calling(&self.link);
            let mut input = Vec::new();
            if codec::with_plain(argument, |bytes| input.extend_from_slice(bytes)).is_none() {
                codec::encode(argument, &mut input).map_err(ManagerError::Encode)?;
            }
            input
        };
        let number = self.link.ask(&Request::Create { maker, input })?;
        Ok(Proxy::new(self.link.clone(), number))
    }

    /// A proxy of the object that was [published](Proxy::publish) under this name, which is to be a `T`.
    ///
    /// # Errors
    /// [`NotFound`](ManagerError::NotFound): there is none.
    pub fn find<T: 'static>(&self, name: &str) -> Result<Proxy<T>> {
        let (number, _type): (u64, String) = self.link.ask(&Request::Find { name: name.to_owned() })?;
        Ok(Proxy::new(self.link.clone(), number))
    }

    /// Takes back the name that an object was published under; whether something had it.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended.
    pub fn withdraw(&self, name: &str) -> Result<bool> {
        self.link.ask(&Request::Withdraw { name: name.to_owned() })
    }

    /// How the server is.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): it has ended.
    pub fn status(&self) -> Result<ServerStatus> {
        self.link.ask(&Request::Status)
    }

    /// Ends the server, and with it all objects; calls that wait there give [`Gone`](ManagerError::Gone). The same as to
    /// drop the manager where it was started.
    ///
    /// # Errors
    /// The server did not end by itself; it was killed.
    pub fn shutdown(mut self) -> Result<()> {
        self.stop()
    }

    fn stop(&mut self) -> Result<()> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let asked: Result<()> = self.link.ask(&Request::Shutdown);
        if asked.is_ok() && process.wait_timeout(PATIENCE) {
            return Ok(());
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
        f.debug_struct("Manager").field("server", &self.pid()).finish_non_exhaustive()
    }
}

/// What the server calls to make an object.
fn made<T, A, F>(maker: &mut dyn Any, input: &[u8], output: &mut Vec<u8>) -> u32
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
    let Err(fault) = made else { return VALUE };
    output.clear();
    // Numbers and texts: it cannot fail.
    let _ = codec::encode(&fault, output);
    FAULT
}
