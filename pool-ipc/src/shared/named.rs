//! Blocks with a name, and who hands them out.
//!
//! ```text
//!  the owner                                           ║  another process of the same user
//!  Name::claim(name, block)                            ║
//!    a socket of that name, watched by the keeper      ║
//!  pool-names thread: accept <─────────────────────────╫── find(name): connect
//!    the user is the same: id, descriptor ─────────────╫─────> maps it, unless it is mapped already
//! ```
//!
//! The name is that of a socket in no file system (unix(7): abstract). The system takes it back when the socket is
//! closed, in whatever way the owner ends, so that nothing is ever left over. The block itself stays for those who have
//! it.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Block;
use crate::own::{self, Own, generation};
use crate::sys::{events, named_socket, socket};
use crate::watch::Watch;

/// How long to wait for the owner's answer, which is in no hurry but alive: it may be stopped.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to do nothing when a caller cannot be let in, for want of descriptors most likely.
const REST: Duration = Duration::from_millis(10);

/// A socket with a name, for processes of the same user.
#[derive(Debug)]
pub struct Door(Own<UnixListener>);

impl Door {
    /// Opens one.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists): somebody has the name. The system refuses a descriptor.
    pub fn open(name: &str) -> io::Result<Door> {
        match named_socket::listen(name) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            other => Ok(Door(Own::new(other?))),
        }
    }

    /// Lets the next one in; [`WouldBlock`](io::ErrorKind::WouldBlock): nobody is there.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn accept(&self) -> io::Result<UnixStream> {
        named_socket::accept(&self.0)
    }

    /// Waits for the next one, and lets it in.
    ///
    /// # Errors
    /// It went away again; the system refuses a descriptor.
    pub fn next(&self) -> io::Result<UnixStream> {
        events::readable(self.as_fd(), None);
        self.accept()
    }
}

/// One that another process opened.
impl From<OwnedFd> for Door {
    fn from(descriptor: OwnedFd) -> Door {
        Door(Own::new(descriptor.into()))
    }
}

impl AsFd for Door {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Connects to the door of this name.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound): there is none. [`PermissionDenied`](io::ErrorKind::PermissionDenied): it is
/// another user's.
pub fn knock(name: &str) -> io::Result<UnixStream> {
    match named_socket::connect(name) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Err(io::ErrorKind::NotFound.into()),
        other => other,
    }
}

/// The name of a block, for as long as this lives.
#[derive(Debug)]
pub struct Name {
    token: u64,
    generation: u32,
}

impl Name {
    /// Gives `block` this name.
    ///
    /// # Errors
    /// [`AlreadyExists`](io::ErrorKind::AlreadyExists): something has this name. The system refuses a descriptor or a
    /// thread.
    pub fn claim(name: &str, block: &Block) -> io::Result<Name> {
        let named = Named { door: Door::open(name)?, block: block.clone() };
        let generation = generation();
        let mut keeper = keeper();
        let at_work = match &mut *keeper {
            Some(at_work) if at_work.generation == generation => at_work,
            // There is none; or it is the one of the process of which this is a fork.
            other => {
                let watch = Arc::new(Watch::new()?);
                let watched = watch.clone();
                // It takes the lock before it looks at what there is to do.
                own::thread("pool-names".to_owned(), move || keep(&watched))?;
                other.insert(Keeper { generation, watch, named: HashMap::new(), next: 0 })
            }
        };
        let token = at_work.next;
        at_work.next += 1;
        let added = at_work.watch.add(named.door.as_fd(), token);
        match added {
            Ok(()) => drop(at_work.named.insert(token, named)),
            Err(_) => at_work.watch.knock(),
        }
        drop(keeper);
        added.map(|()| Name { token, generation })
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        if self.generation != generation() {
            // It is the name of something that the parent has.
            return;
        }
        let mut keeper = keeper();
        let Some(at_work) = keeper.as_mut() else { return };
        let named = at_work.named.remove(&self.token);
        if let Some(named) = &named {
            at_work.watch.remove(named.door.as_fd());
        }
        if at_work.named.is_empty() {
            at_work.watch.knock();
        }
        drop(keeper);
        // The thread answers under the lock: with this the name is gone.
        drop(named);
    }
}

/// The block of this name, of an object of this kind.
///
/// # Errors
/// [`NotFound`](io::ErrorKind::NotFound): nothing has this name. [`TimedOut`](io::ErrorKind::TimedOut): its owner does
/// not answer. It is something else.
pub fn find(name: &str, kind: u32) -> io::Result<Block> {
    let stream = knock(name)?;
    if !events::readable(stream.as_fd(), Some(PATIENCE)) {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "its owner does not answer"));
    }
    let mut id = [0; 16];
    let (len, mut descriptors) = match socket::receive(stream.as_fd(), &mut id, false) {
        // The name was given up while this one stood in line.
        Ok((0, _)) => return Err(io::ErrorKind::NotFound.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
            return Err(io::ErrorKind::NotFound.into());
        }
        other => other?,
    };
    match (len, descriptors.pop()) {
        (16, Some(descriptor)) => Block::adopt(u128::from_le_bytes(id), kind, false, || Ok(descriptor)),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "something else that has this name")),
    }
}

struct Keeper {
    /// Of the process that has it.
    generation: u32,
    watch: Arc<Watch>,
    named: HashMap<u64, Named>,
    next: u64,
}

struct Named {
    door: Door,
    block: Block,
}

/// `None`: there is no thread.
static KEEPER: Mutex<Option<Keeper>> = Mutex::new(None);

fn keeper() -> MutexGuard<'static, Option<Keeper>> {
    KEEPER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The keeper's lock, which a fork must not find held by a thread that the child does not have.
pub(super) fn freeze() -> impl Drop {
    struct Frozen(#[allow(dead_code)] MutexGuard<'static, Option<Keeper>>);
    impl Drop for Frozen {
        fn drop(&mut self) {}
    }
    Frozen(keeper())
}

/// What the thread does, until no name is left.
fn keep(watch: &Arc<Watch>) {
    let mut ready = Vec::new();
    loop {
        watch.wait(None, &mut ready);
        let mut keeper = keeper();
        let Some(at_work) = keeper.as_mut().filter(|at_work| Arc::ptr_eq(&at_work.watch, watch)) else {
            return;
        };
        let named = ready.iter().filter_map(|token| at_work.named.get(token));
        let refused = named.filter(|named| named.answer().is_err()).count();
        if at_work.named.is_empty() {
            *keeper = None;
            return;
        }
        drop(keeper);
        if refused > 0 {
            std::thread::sleep(REST);
        }
    }
}

impl Named {
    /// Hands the block to everybody who stands in line.
    fn answer(&self) -> io::Result<()> {
        loop {
            match self.door.accept() {
                // Whoever does not want the answer has gone.
                Ok(stream) => {
                    let id = self.block.id().to_le_bytes();
                    let _ = socket::send(stream.as_fd(), &id, &[self.block.as_fd()]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(what: &str) -> String {
        format!("test-{}-{what}", std::process::id())
    }

    #[test]
    fn a_block_is_found_by_its_name_until_that_is_given_up() {
        let name = name("found");
        assert_eq!(find(&name, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        let block = Block::create(5, 10).unwrap();
        let held = Name::claim(&name, &block).unwrap();
        assert_eq!(Name::claim(&name, &block).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        let found = find(&name, 5).unwrap();
        found.write(0, b"x").unwrap();
        let mut byte = [0];
        block.read(0, &mut byte).unwrap();
        assert_eq!(&byte, b"x");
        assert_eq!(find(&name, 6).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(held);
        assert_eq!(find(&name, 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        // At once, whatever the thread is doing.
        drop(Name::claim(&name, &block).unwrap());
    }

    #[test]
    fn names_come_and_go_on_many_threads() {
        let hammer = |thread: u32| {
            for nth in 0..200 {
                let name = name(&format!("{thread}-{nth}"));
                let block = Block::create(5, 10).unwrap();
                let held = Name::claim(&name, &block).unwrap();
                assert_eq!(find(&name, 5).unwrap().id(), block.id());
                drop(held);
                assert!(find(&name, 5).is_err());
            }
        };
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || hammer(thread));
            }
        });
    }
}
