//! The control channel of a worker: rare, typed messages, over `ipc-channel`.
//!
//! ```text
//!   pool: Door::open ── name ──(passed at birth)──> worker: say_hello
//!   pool: Door::accept <──────── Hello, with the worker's end for commands ──────── worker
//!   pool: Control::send ── Command ──────────────> worker: Commands::next
//! ```
//!
//! A worker's main thread does nothing but wait for a command; when the channel breaks, its pool is
//! gone and so is it.

use std::io;
use std::path::Path;

use ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::{Deserialize, Serialize};

use crate::image;
use crate::sys::socket;

/// What a worker says first.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    /// Which build it runs.
    identity: u64,
    pid: u32,
    commands: IpcSender<Command>,
}

/// What a pool tells a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Leave: exit with status 0. Sent when there is nothing in the lane.
    Leave,
}

/// Where one worker will say hello.
pub struct Door {
    server: IpcOneShotServer<Hello>,
    name: String,
}

impl Door {
    /// A new door.
    ///
    /// # Errors
    /// The system refuses a socket, or there is no folder for it.
    pub fn open() -> io::Result<Door> {
        let (server, name) = IpcOneShotServer::new().map_err(|error| {
            let text = format!(
                "no socket for a worker's control channel (is TMPDIR a folder that can be written?): {error}"
            );
            io::Error::new(error.kind(), text)
        })?;
        Ok(Door { server, name })
    }

    /// What the worker needs to find it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lets the worker in. It does not block once the worker has said that it knocked.
    ///
    /// # Errors
    /// What knocked is not the worker, or not of this build.
    pub fn accept(self, pid: u32) -> io::Result<Control> {
        let (_, hello) = self.server.accept().map_err(io::Error::other)?;
        if hello.identity != image::identity()? || hello.pid != pid {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a worker of another build said hello"));
        }
        Ok(Control { commands: hello.commands })
    }
}

/// Ends the wait of a thread that is in [`Door::accept`], for a worker that will not come.
pub fn release(name: &str) {
    // Whoever knocks and says nothing is sent away. It fails when the wait is over, which is all that is
    // wanted. (ipc-channel's own `connect` leaks a descriptor when it fails.)
    let _ = socket::knock(Path::new(name));
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A pool's end of the channel to one worker.
#[derive(Debug)]
pub struct Control {
    commands: IpcSender<Command>,
}

impl Control {
    /// Sends a command.
    ///
    /// # Errors
    /// The worker is gone.
    pub fn send(&self, command: Command) -> io::Result<()> {
        self.commands.send(command).map_err(io::Error::other)
    }
}

/// The worker's end.
#[derive(Debug)]
pub struct Commands {
    receiver: IpcReceiver<Command>,
}

/// Says hello at the door called `name`.
///
/// # Errors
/// The pool is gone.
pub fn say_hello(name: &str) -> io::Result<Commands> {
    let (commands, receiver) = ipc::channel()?;
    let hello = Hello { identity: image::identity()?, pid: std::process::id(), commands };
    IpcSender::connect(name.to_owned())?.send(hello).map_err(io::Error::other)?;
    Ok(Commands { receiver })
}

impl Commands {
    /// Waits for a command; `None`: the pool is gone.
    pub fn next(&self) -> Option<Command> {
        self.receiver.recv().ok()
    }
}
