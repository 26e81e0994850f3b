//! A server in this process.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_process::Finalizer;

use super::error::ManagerError;
use super::server::{Entrances, Server};
use crate::connection::Address;

/// The server of a [`Manager`](crate::Manager) in this process, as Python's `BaseManager.get_server`: for a program that
/// is nothing else, or that serves beside what it does.
///
/// ```
/// use pool_shared::{Managed, Manager, Method, Methods};
///
/// struct Counter(u64);
///
/// const ADD: Method<Counter, u64, u64> = Method::new("add", |counter, by| {
///     counter.0 += by;
///     counter.0
/// });
///
/// impl Managed for Counter {
///     const NAME: &'static str = "Counter";
///     fn methods() -> Methods<Counter> {
///         Methods::new().with(&ADD)
///     }
/// }
///
/// let server = Manager::builder().bind("127.0.0.1:0", b"secret").publish("visits", Counter, 0).server()?;
/// std::thread::scope(|scope| {
///     let serving = scope.spawn(|| server.serve_forever());
///     let manager = Manager::connect(server.address(), b"secret").unwrap();
///     assert_eq!(manager.find::<Counter>("visits").unwrap().call(&ADD, 1).unwrap(), 1);
///     server.stop();
///     serving.join().unwrap()
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ManagerServer {
    server: Arc<Server>,
    /// Until it has served.
    entrances: Mutex<Option<Entrances>>,
    address: Address,
    /// Removes the socket file, if there is one and serving has not.
    _file: Option<Finalizer>,
}

/// How long calls may take that are under way when the server ends.
const PATIENCE: Duration = Duration::from_secs(10);

impl ManagerServer {
    pub(super) fn new(
        server: Arc<Server>,
        entrances: Entrances,
        address: Address,
        file: Option<Finalizer>,
    ) -> ManagerServer {
        ManagerServer { server, entrances: Mutex::new(Some(entrances)), address, _file: file }
    }

    /// Where it listens; for TCP with the port that it has.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Serves until it is [stopped](ManagerServer::stop): nobody can connect any more then, calls that wait end, and all
    /// objects are dropped. Calls that are under way may take 10 more seconds.
    ///
    /// Those who connect before are served from now on.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): it serves or has served already; [`System`](ManagerError::System).
    pub fn serve_forever(&self) -> Result<(), ManagerError> {
        let entrances = self.entrances.lock().unwrap_or_else(PoisonError::into_inner).take();
        let entrances = entrances.ok_or(ManagerError::Gone)?;
        let served = self.server.serve(&entrances);
        self.server.send_away();
        self.server.wait_for_threads(PATIENCE);
        // They may have proxies of each other, which hold the server.
        self.server.registry.clear();
        Ok(served?)
    }

    /// Ends [`serve_forever`](ManagerServer::serve_forever), in whichever thread that is; if it has not begun, it ends at
    /// once.
    pub fn stop(&self) {
        self.server.stop();
    }
}

impl Drop for ManagerServer {
    fn drop(&mut self) {
        self.server.registry.clear();
    }
}

impl fmt::Debug for ManagerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagerServer").field("address", &self.address.to_string()).finish_non_exhaustive()
    }
}
