//! Who a process is: what Python's `current_process` and `parent_process` say.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use pool_core::{Error, ErrorKind, Result};
use pool_ipc::{child, exit};

use crate::StartMethod;
use crate::own::{self, own};

/// What a process of a program is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It is the program as the user started it.
    Main,
    /// It is a worker of a [`ProcessPool`](crate::ProcessPool), or of a [`ForkMap`](crate::ForkMap).
    Worker,
    /// It is a [`Process`](crate::Process).
    Process,
}

/// This process, as [`current_process`] knows it.
#[derive(Debug, Clone, Copy)]
pub struct CurrentProcess(&'static Identity);

/// Who this process is.
///
/// ```
/// use pool_process::{Process, Role, current_process};
///
/// assert_eq!(current_process().name(), "MainProcess");
/// let child = Process::builder().name("reader").spawn(|(): ()| current_process().name().to_owned(), ())?;
/// assert_eq!(child.join()?, "reader");
/// # Ok::<(), pool_core::Error>(())
/// ```
pub fn current_process() -> CurrentProcess {
    CurrentProcess(own().identity.get_or_init(|| Identity {
        name: "MainProcess".to_owned(),
        role: Role::Main,
        index: None,
        daemon: false,
        start_method: None,
        parent: None,
    }))
}

impl CurrentProcess {
    /// Its name: `MainProcess`, `ProcessPool-1-worker-3`, `Process-2`, or what its builder was told.
    pub fn name(&self) -> &'static str {
        &self.0.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        std::process::id()
    }

    /// What it is there for.
    pub fn role(&self) -> Role {
        self.0.role
    }

    /// A worker's place in its pool, from 0: 2 for `ProcessPool-1-worker-3`. A worker that is replaced is
    /// replaced in its place.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// Whether it ends with the program that started it. Workers do.
    pub fn daemon(&self) -> bool {
        self.0.daemon
    }

    /// How it was started; `None` for the program itself.
    pub fn start_method(&self) -> Option<StartMethod> {
        self.0.start_method
    }

    /// A secret that this process shares with all its children and with whoever it is a child of: 32 bytes
    /// that nobody else can guess, made when they are first asked for.
    ///
    /// # Errors
    /// [`Os`](ErrorKind::Os) when the system has no random bytes.
    pub fn auth_key(&self) -> Result<[u8; 32]> {
        auth_key().map_err(|error| {
            Error::new(ErrorKind::Os, format!("no random bytes for a key: {error}")).with_source(error)
        })
    }
}

fn auth_key() -> io::Result<[u8; 32]> {
    let known = &own().key;
    match known.get() {
        Some(key) => Ok(*key),
        None => {
            let fresh = exit::random()?;
            Ok(*known.get_or_init(|| fresh))
        }
    }
}

/// The process that started this one: see [`parent_process`].
#[derive(Debug)]
pub struct ParentProcess {
    pid: u32,
    end: OwnedFd,
}

/// The process that started this one; `None` in the program itself, whose parent is not of this program.
///
/// # Errors
/// [`Os`](ErrorKind::Os) when the system refuses a descriptor.
pub fn parent_process() -> Result<Option<ParentProcess>> {
    let Some(pid) = current_process().0.parent else { return Ok(None) };
    match child::end_of_parent(pid) {
        Ok(end) => Ok(Some(ParentProcess { pid, end })),
        Err(error) => {
            Err(Error::new(ErrorKind::Os, format!("no handle of the parent: {error}")).with_source(error))
        }
    }
}

impl ParentProcess {
    /// Its process id. When it has ended, another process may have the same.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended.
    pub fn is_alive(&self) -> bool {
        !self.wait_timeout(Duration::ZERO)
    }

    /// Waits until it has ended.
    pub fn wait(&self) {
        child::wait_until_readable(self.sentinel(), None);
    }

    /// Waits until it has ended (`true`), for at most `timeout` (`false`).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        child::wait_until_readable(self.sentinel(), Some(timeout))
    }

    /// A descriptor that is readable once it has ended.
    pub fn sentinel(&self) -> BorrowedFd<'_> {
        self.end.as_fd()
    }
}

impl AsFd for ParentProcess {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sentinel()
    }
}

/// How many cores this process may use; at least 1.
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// What a child is told of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) index: Option<usize>,
    pub(crate) daemon: bool,
    pub(crate) start_method: Option<StartMethod>,
    pub(crate) parent: Option<u32>,
}

/// Between the parts of a word; the name comes last and may contain it.
const BETWEEN: char = ':';

impl Identity {
    /// As a word of a birth.
    pub(crate) fn to_word(&self) -> io::Result<String> {
        let Identity { name, role, index, daemon, start_method, parent: _ } = self;
        let role = match role {
            Role::Main => "main",
            Role::Worker => "worker",
            Role::Process => "process",
        };
        let method = match start_method {
            None => "",
            Some(StartMethod::Spawn) => "spawn",
            Some(StartMethod::ForkServer) => "forkserver",
            Some(StartMethod::Fork) => "fork",
            Some(_) => "",
        };
        let index = index.map_or(String::new(), |index| index.to_string());
        let key: String = auth_key()?.iter().map(|byte| format!("{byte:02x}")).collect();
        let parent = std::process::id();
        let parts =
            [role, &index, if *daemon { "daemon" } else { "" }, method, &parent.to_string(), &key, name];
        Ok(parts.join(&BETWEEN.to_string()))
    }

    /// What the word of a birth says, and the key in it. `None`: it makes no sense.
    fn from_word(word: &str) -> Option<(Identity, [u8; 32])> {
        let mut parts = word.splitn(7, BETWEEN);
        let role = match parts.next()? {
            "main" => Role::Main,
            "worker" => Role::Worker,
            "process" => Role::Process,
            _ => return None,
        };
        let index = parts.next()?.parse().ok();
        let daemon = parts.next()? == "daemon";
        let start_method = match parts.next()? {
            "spawn" => Some(StartMethod::Spawn),
            "forkserver" => Some(StartMethod::ForkServer),
            "fork" => Some(StartMethod::Fork),
            _ => None,
        };
        let parent = Some(parts.next()?.parse().ok()?);
        let digits = parts.next()?;
        let mut key = [0; 32];
        for (index, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(digits.get(2 * index..2 * index + 2)?, 16).ok()?;
        }
        let name = parts.next()?.to_owned();
        Some((Identity { name, role, index, daemon, start_method, parent }, key))
    }

    /// Makes this process, which was just born, what the word says.
    pub(crate) fn assume(word: &str) -> Option<&'static str> {
        let (identity, key) = Identity::from_word(word)?;
        own::begin(identity, key);
        Some(current_process().name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_told_who_it_is() {
        let identity = Identity {
            name: "a:b, c".to_owned(),
            role: Role::Worker,
            index: Some(3),
            daemon: true,
            start_method: Some(StartMethod::Spawn),
            parent: Some(std::process::id()),
        };
        let (read, key) = Identity::from_word(&identity.to_word().unwrap()).unwrap();
        assert_eq!(read, identity);
        assert_eq!(key, current_process().auth_key().unwrap());
        assert_ne!(key, [0; 32]);
        assert_eq!(Identity::from_word("worker:1"), None);
    }

    #[test]
    fn the_program_itself_is_no_child() {
        let this = current_process();
        assert_eq!((this.name(), this.role(), this.pid()), ("MainProcess", Role::Main, std::process::id()));
        assert_eq!((this.daemon(), this.index(), this.start_method()), (false, None, None));
        assert!(parent_process().unwrap().is_none());
        assert!(cpu_count() >= 1);
    }
}
