//! The server's main thread: it lets clients in, and hears when they have gone.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::*;
use std::time::Duration;

use pool_ipc::exit::ignore_interrupts;
use pool_ipc::own::{self, Stays};
use pool_ipc::shared::Door;
use pool_ipc::stream;
use pool_process::{Passed, parent_process};
use serde::{Deserialize, Serialize};

use super::serve::serve;
use super::{Crew, Limits, Server};
use crate::connection::{Address, Secret, SocketFile};
use crate::manager::error::Fault;
use crate::manager::plan::Plan;

/// What a server that is a process of its own is told when it starts.
#[derive(Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) name: String,
    pub(crate) door: Passed<OwnedFd>,
    pub(crate) listening: Option<Listening>,
    /// What whoever may end it says.
    pub(crate) owner: u128,
    pub(crate) limits: Limits,
    pub(crate) plan: Plan,
}

/// A socket that listens for clients who have the key.
#[derive(Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) socket: Passed<OwnedFd>,
    pub(crate) address: Address,
    pub(crate) file: Option<SocketFile>,
    pub(crate) key: Vec<u8>,
}

/// Where clients come in.
pub(crate) struct Entrances {
    door: Door,
    gate: Option<Gate>,
}

/// The entrance of those who have the key.
struct Gate {
    socket: Socket,
    secret: Secret,
    file: Option<SocketFile>,
}

enum Socket {
    Unix(Stays<UnixListener>),
    Tcp(Stays<TcpListener>),
}

const DOOR: u64 = 0;
const GATE: u64 = 1;
const OWNER: u64 = 2;
/// The first token of a channel.
pub(super) const FIRST: u64 = 16;
/// How long to do nothing when a client cannot be let in, for want of descriptors most likely.
const REST: Duration = Duration::from_millis(10);
/// How soon to look whether a channel that was told to end has done so.
const SOON: Duration = Duration::from_millis(50);

/// What the process of a server does: it serves until somebody asks for the end.
pub(crate) fn run(orders: Orders) -> Result<(), Fault> {
    ignore_interrupts();
    let Orders { name, door, listening, owner, limits, plan } = orders;
    let refused = |error: io::Error| Fault::Refused(format!("the server cannot start: {error}"));
    let address = listening.as_ref().map(|listening| listening.address.clone());
    let entrances = Entrances::new(Door::from(door.into_inner()), listening, &limits);
    let server = Server::new(name, address, owner, limits, plan.types()).map_err(refused)?;
    plan.carry_out(&server)?;
    // With a file to remove it is not killed when its owner dies, but hears of that.
    let parent = match entrances.file() {
        Some(_) => parent_process().map_err(io::Error::other).map_err(refused)?,
        None => None,
    };
    if let Some(parent) = &parent {
        server.watch.add(parent.sentinel(), OWNER).map_err(refused)?;
    }
    server.serve(&entrances).map_err(refused)?;
    if parent.is_some_and(|parent| !parent.is_alive()) {
        // Nobody waits for what the objects may do as they are dropped.
        std::mem::forget(server);
    }
    Ok(())
}

impl Entrances {
    pub(crate) fn new(door: Door, listening: Option<Listening>, limits: &Limits) -> Entrances {
        let gate = listening.map(|listening| {
            let socket = listening.socket.into_inner();
            let socket = match listening.address {
                Address::Tcp(_) => Socket::Tcp(Stays::new(socket.into())),
                _ => Socket::Unix(Stays::new(socket.into())),
            };
            Gate { socket, secret: Secret::new(&listening.key, limits.handshake), file: listening.file }
        });
        Entrances { door, gate }
    }

    fn file(&self) -> Option<&SocketFile> {
        self.gate.as_ref()?.file.as_ref()
    }

    /// Nobody can come any more, whoever has the sockets too.
    fn close(&self) {
        if let Some(file) = self.file() {
            file.remove();
        }
        for (entrance, _) in self.all() {
            stream::stop(entrance);
        }
    }

    fn all(&self) -> impl Iterator<Item = (BorrowedFd<'_>, u64)> {
        let gate = self.gate.as_ref().map(|gate| (gate.socket.as_fd(), GATE));
        [(self.door.as_fd(), DOOR)].into_iter().chain(gate)
    }
}

impl Socket {
    fn accept(&self) -> io::Result<OwnedFd> {
        match self {
            Socket::Unix(socket) => Ok(socket.accept()?.0.into()),
            Socket::Tcp(socket) => {
                let stream = socket.accept()?.0;
                stream.set_nodelay(true)?;
                stream::keep_alive(stream.as_fd())?;
                Ok(stream.into())
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Unix(socket) => socket.as_fd(),
            Socket::Tcp(socket) => socket.as_fd(),
        }
    }
}

impl Server {
    /// Lets clients in until the server is to end; then nobody can come any more.
    ///
    /// # Errors
    /// The system refuses to watch the entrances.
    pub(crate) fn serve(self: &Arc<Server>, entrances: &Entrances) -> io::Result<()> {
        let watched = entrances.all().try_for_each(|(entrance, token)| self.watch.add(entrance, token));
        if watched.is_ok() {
            self.let_in(entrances);
        }
        entrances.close();
        watched
    }

    fn let_in(self: &Arc<Server>, entrances: &Entrances) {
        let (mut ready, mut is_open) = (Vec::new(), true);
        // ORDERING: set before the knock that wakes this thread.
        while !self.stopping.load(SeqCst) {
            let look = self.handshakes.look(&self.limits);
            if look.is_full == is_open {
                // Whoever comes while as many handshakes are under way as may be waits outside.
                is_open = !look.is_full;
                for (entrance, token) in entrances.all() {
                    match is_open {
                        // It was possible before.
                        true => drop(self.watch.add(entrance, token)),
                        false => self.watch.remove(entrance),
                    }
                }
            }
            let insist = self.insist().then_some(SOON);
            let again = [look.again, insist].into_iter().flatten().min();
            self.watch.wait(again, &mut ready);
            for token in &ready {
                match (*token, &entrances.gate) {
                    (DOOR, _) => {
                        let accept = || entrances.door.accept().map(OwnedFd::from);
                        self.let_all_in(accept, None);
                    }
                    (GATE, Some(gate)) => self.let_all_in(|| gate.socket.accept(), Some(&gate.secret)),
                    (OWNER, _) => self.stop(),
                    (token, _) => self.ended(token),
                }
            }
        }
    }

    fn let_all_in(self: &Arc<Server>, accept: impl Fn() -> io::Result<OwnedFd>, secret: Option<&Secret>) {
        while !self.handshakes.are_full(&self.limits) {
            match accept() {
                Ok(socket) => self.admit(socket, secret),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_of_the_client(&error) => {}
                Err(_) => return std::thread::sleep(REST),
            }
        }
    }

    /// Has a thread serve whoever is at the other end.
    fn admit(self: &Arc<Server>, socket: OwnedFd, secret: Option<&Secret>) {
        // Without the descriptor or the thread for it the client hears the end.
        let Ok(handshake) = self.handshakes.begin(self, socket.as_fd()) else { return };
        let (server, secret) = (self.clone(), secret.cloned());
        let crew = Crew::join(self);
        let body = move || {
            serve(&server, socket, secret.as_ref(), handshake);
            drop(crew);
        };
        let _ = own::thread("pool-manager".to_owned(), body);
    }

    /// Has the main thread end.
    pub(crate) fn stop(&self) {
        // ORDERING: before the knock.
        self.stopping.store(true, SeqCst);
        self.watch.knock();
    }
}

/// Whether this says that a client went away before it was let in.
fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(error.kind(), ConnectionAborted | ConnectionReset | NotConnected | InvalidInput | Interrupted)
}
