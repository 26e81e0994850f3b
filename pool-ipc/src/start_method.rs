//! The ways to turn a [`Birth`] into a [`Child`].

use std::io;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::birth::Birth;
use crate::child::Child;
use crate::fork_server::ForkServer;
use crate::life_line::LifeLine;

/// How a process is started.
///
/// | | begins as | has of the program | price |
/// |---|---|---|---|
/// | `Spawn` | the program executed again, caught before `main` | nothing | an execution |
/// | `ForkServer` | a copy of a clean process, which was spawned | nothing | a small fork |
/// | `Fork` | a copy of this process, as it is now | all its memory; no other thread | a fork of the program |
///
/// A global that `main` changed has its first value under `Spawn` and `ForkServer`, and under `Fork` the value
/// that it had at the fork: for a pool's worker, whenever that was started.
///
/// # Dangers of `Fork`
/// The copy has one thread. What another thread was doing at that moment stays half done in it for ever: a
/// lock that it held (of a logger, of standard output, of a library's cache) is never released, and a task
/// that wants it hangs. So `Fork` is refused in a program that has threads besides the caller and those of this
/// library, unless it is allowed in so many words. A pool's workers are forked by its own thread, also to
/// replace one that died, at a moment that nobody chose: keep no lock on standard output while you call
/// a `Fork` pool, and start no threads beside it.
///
/// The copy also has the program's open descriptors, signal handlers and buffers; exit handlers of the program
/// do not run when such a worker leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// The program is executed again: a clean process that shares nothing with this one.
    Spawn,
    /// A clean process, spawned once and kept while somebody uses it, forks itself on request. It has the
    /// environment and working directory that this program had when the server was started.
    ForkServer,
    /// This process is forked: the child goes on with a copy of its memory.
    Fork,
}

const ALL: [StartMethod; 3] = [StartMethod::Spawn, StartMethod::ForkServer, StartMethod::Fork];
static DEFAULT: AtomicU8 = AtomicU8::new(0);
/// One more than the number; 0: nobody started it, as far as this library knows.
static OWN: AtomicU8 = AtomicU8::new(0);

impl StartMethod {
    /// Those of this system, the one that is used when nobody chooses first.
    pub fn all() -> &'static [StartMethod] {
        &ALL
    }

    /// The one that is used where none is asked for. A child begins with the one of its starter.
    pub fn default_method() -> StartMethod {
        // ORDERING: a number that stands for itself.
        StartMethod::from_number(DEFAULT.load(Relaxed).into()).unwrap_or(StartMethod::Spawn)
    }

    /// Makes this the one that is used where none is asked for, from now on and in all of the program.
    pub fn set_default(self) {
        DEFAULT.store(self.number() as u8, Relaxed);
    }

    /// How this process was started; `None` in one that was not started by this library.
    pub fn of_this_process() -> Option<StartMethod> {
        StartMethod::from_number(u64::from(OWN.load(Relaxed)).checked_sub(1)?)
    }

    pub(crate) fn number(self) -> u64 {
        self as u64
    }

    pub(crate) fn from_number(number: u64) -> Option<StartMethod> {
        ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// This process was started this way.
    pub(crate) fn note(self) {
        OWN.store(self.number() as u8 + 1, Relaxed);
    }
}

/// Starts children by one method, and keeps what that needs.
///
/// A child must not outlive the starter that it has from [`ForkServer`](StartMethod::ForkServer), unless its
/// [`Birth`] says so: the life line of such children goes with the last user.
#[derive(Debug)]
pub struct Starter {
    method: StartMethod,
    server: Option<ForkServer>,
    life_line: Option<LifeLine>,
    allow_fork_with_threads: bool,
}

impl Starter {
    /// Gets ready what the method needs. `allow_fork_with_threads`: see the dangers of [`StartMethod`].
    ///
    /// # Errors
    /// The system refuses it; the fork server cannot be started.
    pub fn new(method: StartMethod, allow_fork_with_threads: bool) -> io::Result<Starter> {
        let server = match method {
            StartMethod::ForkServer => Some(ForkServer::hold()?),
            StartMethod::Spawn | StartMethod::Fork => None,
        };
        Ok(Starter { method, server, life_line: None, allow_fork_with_threads })
    }

    /// The same; children that are to die with their starter die with the program's [`LifeLine`], whatever
    /// thread asks for them.
    ///
    /// # Errors
    /// As [`new`](Starter::new).
    pub fn on_life_line(method: StartMethod, allow_fork_with_threads: bool) -> io::Result<Starter> {
        let life_line = Some(LifeLine::hold()?);
        Ok(Starter { life_line, ..Starter::new(method, allow_fork_with_threads)? })
    }

    /// The method.
    pub fn method(&self) -> StartMethod {
        self.method
    }

    /// The fork server, where it is what children come from.
    pub fn fork_server(&self) -> Option<&ForkServer> {
        self.server.as_ref()
    }

    /// Whether a child can be started without a fork or an execution, from any thread.
    pub fn can_start_at_once(&self) -> bool {
        self.server.as_ref().is_some_and(ForkServer::has_spare)
    }

    /// Starts a child as [`start`](Starter::start), if that [can be](Starter::can_start_at_once) done at once: on the
    /// core of this thread (`here`), or on another.
    ///
    /// # Errors
    /// As [`start`](Starter::start); or it would take longer.
    pub fn start_at_once(&self, birth: &Birth<'_>, here: bool) -> io::Result<Child> {
        match &self.server {
            Some(server) => server.start_spare(birth, here),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Starts a child.
    ///
    /// # Errors
    /// As [`Birth::spawn`]; [`Unsupported`](io::ErrorKind::Unsupported) for `Fork` beside other threads.
    pub fn start(&self, birth: &Birth<'_>) -> io::Result<Child> {
        if let Some(server) = &self.server {
            return server.start(birth);
        }
        let (method, allow) = (self.method, self.allow_fork_with_threads);
        let prepared = birth.prepare(method, allow)?;
        match &self.life_line {
            Some(life_line) => life_line.start(move || prepared.start()),
            None => prepared.start(),
        }
    }
}
