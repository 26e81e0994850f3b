//! A process that owns named memory for others.
//!
//! ```text
//!  a handle, in any process                            ║  the server, a process of its own
//!  connect to the address ─ kind, size ────────────────╫─> creates the memory, keeps it: its owner
//!  attach by the name <──────────────────────── name ──╫──
//!  shutdown, or the end of the scope ── stop ──────────╫─> ends, and with it all names
//! ```

use std::fmt;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use pool_ipc::exit::{ignore_interrupts, random};
use pool_ipc::shared::{Block, Door, knock};
use pool_process::{Passed, Process};
use serde::{Deserialize, Serialize};

use super::named::{LONGEST_NAME, NamedBlock};
use super::shareable_list::{Layout, Scalar, ShareableList};
use super::shared_memory::SharedMemory;
use crate::crossing::Kind;

/// Owns named memory in a process of its own, as Python's `multiprocessing.managers.SharedMemoryManager`: all that was
/// made through it goes when it is shut down or dropped, and not when whoever asked for it ends.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{SharedMemory, SharedMemoryManager};
///
/// let manager = SharedMemoryManager::start()?;
/// let make = |manager: SharedMemoryManager| {
///     let memory = manager.shared_memory(5).unwrap();
///     memory.write(0, b"hello").unwrap();
///     memory.name().to_owned()
/// };
/// let name = Process::spawn(make, manager.handle())?.join()?;
/// assert_eq!(SharedMemory::attach(&name)?.to_vec(), b"hello"); // its maker has ended
/// manager.shutdown()?;
/// assert!(SharedMemory::attach(&name).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [`handle`](SharedMemoryManager::handle), and what another process decodes, use the same server and do not end it.
/// To everybody but the server the memory is what they are attached to.
///
/// The server ignores Ctrl-C, which is for the program. **When a process dies** that uses it, nothing happens to the others. The server ends with
/// the program that started it, however that ends; if the server is killed, the names are gone, and who is attached
/// keeps the memory.
#[derive(Serialize, Deserialize)]
pub struct SharedMemoryManager {
    address: String,
    /// Only where it was started.
    #[serde(skip)]
    server: Option<Process<()>>,
}

/// How long either side waits for the other's next bytes: both are in no hurry, but alive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the server waits for one who connects and then says nothing.
const SHORT_PATIENCE: Duration = Duration::from_secs(1);

impl SharedMemoryManager {
    /// Starts a server, which can be used from now on.
    ///
    /// # Errors
    /// The system refuses a process or a descriptor.
    pub fn start() -> io::Result<SharedMemoryManager> {
        let address = format!("manager-{:032x}", u128::from_ne_bytes(random()?));
        let door = Door::open(&address)?;
        let descriptor = Passed::from(door.as_fd().try_clone_to_owned()?);
        let builder = Process::builder().name("SharedMemoryManager").daemon(true);
        let server = builder.spawn(serve, descriptor).map_err(io::Error::other)?;
        // From here on only the server has the door.
        drop(door);
        Ok(SharedMemoryManager { address, server: Some(server) })
    }

    /// Another handle, which does not end the server.
    pub fn handle(&self) -> SharedMemoryManager {
        SharedMemoryManager { address: self.address.clone(), server: None }
    }

    /// New memory of `size` bytes, all zero, with a name that is made up.
    ///
    /// # Errors
    /// As [`SharedMemory::create`]; [`NotFound`](io::ErrorKind::NotFound) when the server has ended.
    pub fn shared_memory(&self, size: usize) -> io::Result<SharedMemory> {
        if size == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "shared memory of no bytes"));
        }
        self.create(Kind::SharedMemory, size).map(SharedMemory::of)
    }

    /// A new list of these items, with a name that is made up.
    ///
    /// # Errors
    /// As [`ShareableList::create`]; [`NotFound`](io::ErrorKind::NotFound) when the server has ended.
    pub fn shareable_list(&self, items: impl IntoIterator<Item = Scalar>) -> io::Result<ShareableList> {
        let layout = Layout::of(items)?;
        let memory = self.create(Kind::ShareableList, layout.size)?;
        // Nobody else has been told the name.
        layout.fill(&memory.block)?;
        ShareableList::new(memory)
    }

    /// The server's process id, where it was started.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Process::pid)
    }

    /// Ends the server, and with it the names of all that was made through it. The same as to drop the handle that
    /// [`start`](SharedMemoryManager::start) gave; of any other this does nothing.
    ///
    /// # Errors
    /// The server did not end by itself; it was killed.
    pub fn shutdown(mut self) -> io::Result<()> {
        self.stop()
    }

    fn stop(&mut self) -> io::Result<()> {
        let Some(server) = self.server.take() else { return Ok(()) };
        let asked = self.ask(Request { kind: STOP, size: 0 });
        if asked.is_ok() && server.wait_timeout(PATIENCE) {
            return Ok(());
        }
        server.kill();
        server.wait();
        asked.map(drop).and(Err(io::ErrorKind::TimedOut.into()))
    }

    fn create(&self, kind: Kind, size: usize) -> io::Result<NamedBlock> {
        let name = self.ask(Request { kind: kind as u32, size: size as u64 })?;
        NamedBlock::attach(kind, &name)
    }

    fn ask(&self, request: Request) -> io::Result<String> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, NotFound};
        let ended = || io::Error::new(NotFound, "the shared memory manager has ended");
        let answer = self.exchange(&request).map_err(|error| match error.kind() {
            NotFound | ConnectionReset | BrokenPipe => ended(),
            _ => error,
        })?;
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        match answer.split_first() {
            Some((&DONE, name)) => Ok(text(name)),
            Some((_, why)) => Err(io::Error::other(format!("the shared memory manager: {}", text(why)))),
            None => Err(ended()),
        }
    }

    fn exchange(&self, request: &Request) -> io::Result<Vec<u8>> {
        let mut stream = knock(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&request.to_bytes())?;
        let mut answer = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for SharedMemoryManager {
    fn drop(&mut self) {
        // There is nobody to tell.
        let _ = self.stop();
    }
}

impl fmt::Debug for SharedMemoryManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemoryManager").field("server", &self.pid()).finish_non_exhaustive()
    }
}

/// What a handle asks of the server. The answer is one byte and a text: the name, or why not.
struct Request {
    /// What to make; [`STOP`]: nothing any more.
    kind: u32,
    size: u64,
}

const STOP: u32 = 0;
const DONE: u8 = 1;
const REFUSED: u8 = 0;
const LONGEST_ANSWER: u64 = 1 + 10 * LONGEST_NAME as u64;

impl Request {
    fn to_bytes(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[4..].copy_from_slice(&self.size.to_ne_bytes());
        bytes
    }

    fn read(mut stream: &UnixStream) -> io::Result<Request> {
        let (mut kind, mut size) = ([0; 4], [0; 8]);
        stream.read_exact(&mut kind)?;
        stream.read_exact(&mut size)?;
        Ok(Request { kind: u32::from_ne_bytes(kind), size: u64::from_ne_bytes(size) })
    }
}

/// What the server does.
fn serve(door: Passed<OwnedFd>) {
    ignore_interrupts();
    let door = Door::from(door.into_inner());
    let mut owned = Vec::new();
    loop {
        let Ok(stream) = door.next() else { continue };
        // Whoever asks nothing, or does not want the answer, has gone.
        if let Ok(Request { kind: STOP, .. }) = answer(&stream, &mut owned) {
            return;
        }
    }
}

fn answer(mut stream: &UnixStream, owned: &mut Vec<NamedBlock>) -> io::Result<Request> {
    stream.set_read_timeout(Some(SHORT_PATIENCE))?;
    stream.set_write_timeout(Some(SHORT_PATIENCE))?;
    let request = Request::read(stream)?;
    let (status, text) = match make(&request) {
        Ok(None) => (DONE, String::new()),
        Ok(Some(memory)) => {
            let name = memory.name().to_owned();
            owned.push(memory);
            (DONE, name)
        }
        Err(error) => (REFUSED, error.to_string()),
    };
    stream.write_all(&[&[status], text.as_bytes()].concat())?;
    Ok(request)
}

fn make(request: &Request) -> io::Result<Option<NamedBlock>> {
    if request.kind == STOP {
        return Ok(None);
    }
    let kind =
        [Kind::SharedMemory, Kind::ShareableList].into_iter().find(|kind| *kind as u32 == request.kind);
    let kind = kind.ok_or(io::ErrorKind::Unsupported)?;
    let size = usize::try_from(request.size).map_err(|_| io::ErrorKind::OutOfMemory)?;
    NamedBlock::create(None, Block::create(kind as u32, size)?).map(Some)
}
