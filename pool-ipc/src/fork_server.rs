//! A clean process that forks itself on request: workers for the price of a small fork.
//!
//! ```text
//!  program                                          fork server: spawned, one thread
//!  Server::ask
//!    a line's far end ─────── request ────────────> clone(CLONE_PARENT) ──> the child: waits at the line
//!    0 or an error number <── answer ──────────────   │                       ·
//!    born: the child's pid <─ a shared word ──────────┘                       ·
//!  ForkServer::start                                                          ·
//!    order ──────────────────────────────────────────> line ────────────────> takes it, settles in, ...
//! ```
//!
//! **One child is ahead.** A fork takes longer than anything else in a birth, so a pool whose worker is ready has
//! the server make the next child ([`look_ahead`](ForkServer::look_ahead)), and a birth finds it waiting for its
//! order. That spare is a copy of the server that has run nothing and shares its memory; there is one for the
//! program, and it goes with the server.
//!
//! CLONE_PARENT makes the child the server's sibling: a child of the program, to be waited for and reaped as any
//! other. To the kernel its parent is the thread that started the server, the program's
//! [life line](crate::life_line), and a child that is to die with its starter dies with that.
//!
//! The server is started when it is first wanted, kept while anybody holds a [`ForkServer`], and ended with the
//! last. It has no state worth saving: when it is killed, the next birth starts another. The kernel
//! writes the child's pid into the shared word before the child runs, so a server that dies between the
//! fork and its answer leaves no child that nobody knows.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::birth::{self, Birth, Born, MISBORN, Setting};
use crate::child::{Child, Ended};
use crate::life_line::LifeLine;
use crate::line::{FarEnd, Line};
use crate::own::{Own, generation};
use crate::start_method::StartMethod;
use crate::sys::{born, core, events, memory, process, socket};

/// A user of the program's fork server, which is there as long as one is.
#[derive(Debug)]
pub struct ForkServer {
    life_line: LifeLine,
    generation: u32,
}

struct State {
    users: usize,
    server: Option<Server>,
}

static STATE: Mutex<State> = Mutex::new(State { users: 0, server: None });

struct Server {
    process: Child,
    socket: Own<OwnedFd>,
    born: Word,
    ahead: Ahead,
}

/// The child that is to wait for its order.
enum Ahead {
    None,
    /// It was asked for, and the answer is still to be read.
    Asked(Line),
    There(Child),
}

/// As the threads have on which a child will run the user's code.
const STACK: usize = 8 << 20;
/// A fork takes the server a moment. One that does not answer for so long was stopped by somebody.
const PATIENCE: Duration = Duration::from_secs(10);

impl ForkServer {
    /// Takes hold of the server, and starts it if nobody else has.
    ///
    /// # Errors
    /// As [`Birth::spawn`].
    pub fn hold() -> io::Result<ForkServer> {
        let life_line = LifeLine::hold()?;
        let mut state = state();
        if state.server.is_none() {
            state.server = Some(Server::start(&life_line)?);
        }
        state.users += 1;
        Ok(ForkServer { life_line, generation: generation() })
    }

    /// Has the server start a child.
    ///
    /// # Errors
    /// As [`Birth::spawn`]; the server cannot fork, or cannot be started again after it died.
    pub fn start(&self, birth: &Birth<'_>) -> io::Result<Child> {
        if self.generation != generation() {
            return Err(io::Error::other(
                "this fork server belongs to the process that this one is a fork of",
            ));
        }
        let mut state = state();
        let order = birth.order(StartMethod::ForkServer)?;
        let mut why = Ended::Unknown;
        // Once more for a spare that somebody killed, and once more for a server.
        for _ in 0..3 {
            let server = match &mut state.server {
                Some(server) => server,
                none => none.insert(Server::start(&self.life_line)?),
            };
            let Some(child) = server.child()? else {
                why = state.server.take().map_or(Ok(Ended::Unknown), Server::dismiss)?;
                continue;
            };
            match child.line().order(&order, birth.descriptors) {
                Ok(()) => return Ok(child),
                Err(error) => {
                    child.abandon();
                    if error.kind() != io::ErrorKind::BrokenPipe
                        && error.kind() != io::ErrorKind::ConnectionReset
                    {
                        return Err(error);
                    }
                }
            }
        }
        Err(io::Error::other(format!("the fork server or its children end again and again: {why:?}")))
    }

    /// What becomes readable when the server has made the next child: then somebody [meets](Self::meet_spare) it.
    pub fn birth_of_spare(&self) -> Option<Own<OwnedFd>> {
        let state = self.of_this_process()?;
        let server = state.server.as_ref().filter(|server| matches!(server.ahead, Ahead::Asked(_)))?;
        server.socket.copy().ok()
    }

    /// Takes note of the child that the server has made ahead, so that it can be started at once. The answer is what
    /// becomes readable when it ends.
    pub fn meet_spare(&self) -> Option<Own<OwnedFd>> {
        let mut state = self.of_this_process()?;
        let server = state.server.as_mut()?;
        server.meet();
        server.spare()?.handle().copy().ok()
    }

    fn of_this_process(&self) -> Option<MutexGuard<'static, State>> {
        (self.generation == generation()).then(state)
    }

    /// Reaps the child that waited for its order, if it has ended: somebody killed it. The next one is made when
    /// somebody looks ahead again.
    pub fn bury_spare(&self) {
        if let Some(mut state) = self.of_this_process()
            && let Some(server) = &mut state.server
            && server.spare().is_some_and(|spare| spare.reap().is_some())
        {
            server.ahead = Ahead::None;
        }
    }

    /// Whether a child waits for its order, and is known.
    pub fn has_spare(&self) -> bool {
        let state = STATE.try_lock();
        self.generation == generation()
            && state.is_ok_and(|state| state.server.as_ref().is_some_and(|server| server.spare().is_some()))
    }

    /// Starts the child that waits for its order: on the core of this thread (`here`), which is about to sleep, or on
    /// another. Both its threads call [`roam`](crate::roam) once they are there.
    ///
    /// # Errors
    /// There is none, or it has ended; as [`start`](Self::start).
    pub fn start_spare(&self, birth: &Birth<'_>, here: bool) -> io::Result<Child> {
        let none = || io::Error::from(io::ErrorKind::WouldBlock);
        if self.generation != generation() {
            return Err(none());
        }
        let mut state = STATE.try_lock().map_err(|_| none())?;
        let server = state.server.as_mut().ok_or_else(none)?;
        let order = birth.order(StartMethod::ForkServer)?;
        let child = match std::mem::replace(&mut server.ahead, Ahead::None) {
            Ahead::There(child) => child,
            other => {
                server.ahead = other;
                return Err(none());
            }
        };
        core::bring(child.pid(), here);
        match child.line().order(&order, birth.descriptors) {
            Ok(()) => Ok(child),
            Err(error) => {
                child.abandon();
                Err(error)
            }
        }
    }

    /// Has the server make the next child now, and does not wait for it: to be called when nothing more urgent
    /// wants the cores.
    pub fn look_ahead(&self) {
        if self.generation == generation()
            && let Some(server) = &mut state().server
            && matches!(server.ahead, Ahead::None)
        {
            // If it cannot be asked, the next birth starts another.
            let _ = server.ask(AHEAD);
        }
    }

    /// The server's process id, for those who look after processes.
    pub fn pid(&self) -> Option<u32> {
        state().server.as_ref().map(|server| server.process.pid())
    }
}

impl Drop for ForkServer {
    fn drop(&mut self) {
        if self.generation != generation() {
            return;
        }
        let mut state = state();
        state.users -= 1;
        if state.users == 0
            && let Some(server) = state.server.take()
        {
            let _ = server.dismiss();
        }
    }
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the server from changing while this process is forked; the child calls [`Frozen::forget`].
pub(crate) struct Frozen(MutexGuard<'static, State>);

pub(crate) fn freeze() -> Frozen {
    Frozen(state())
}

impl Frozen {
    /// The server belongs to the parent. Its descriptors were closed.
    pub(crate) fn forget(mut self) {
        self.0.users = 0;
        std::mem::forget(self.0.server.take());
    }
}

impl Server {
    fn start(life_line: &LifeLine) -> io::Result<Server> {
        let (socket, far) = socket::pair()?;
        let segment = memory::segment(c"pool-fork-server", PAGE as u64)?;
        let born = Word::map(segment.as_fd())?;
        let descriptors = [far.as_fd(), segment.as_fd()];
        let setting = Setting::default();
        let birth = Birth {
            entry: serve,
            descriptors: &descriptors,
            words: &[],
            setting: &setting,
            outlives_starter: false,
        };
        Ok(Server { process: life_line.spawn(&birth)?, socket: Own::new(socket), born, ahead: Ahead::None })
    }

    /// Asks for a child at the far end of a new line.
    ///
    /// # Errors
    /// The server is gone; the system refuses a line.
    fn ask(&mut self, what: u8) -> io::Result<()> {
        let (line, far) = Line::new()?;
        // ORDERING: the server is asked after this, through the kernel.
        self.born.word().store(0, Relaxed);
        self.ahead = Ahead::Asked(line);
        socket::send(self.socket.as_fd(), &[what], &[far.as_fd()])
    }

    /// The child that waits for its order, or has ended and was not reaped.
    fn spare(&self) -> Option<&Child> {
        match &self.ahead {
            Ahead::There(child) => Some(child),
            Ahead::None | Ahead::Asked(_) => None,
        }
    }

    /// Reads the answer, if it is there.
    fn meet(&mut self) {
        if matches!(self.ahead, Ahead::Asked(_))
            && events::readable(self.socket.as_fd(), Some(Duration::ZERO))
            // What cannot be had is asked for again by the next birth, which says why if that fails too.
            && let Ok(Some(child)) = self.child()
        {
            self.ahead = Ahead::There(child);
        }
    }

    /// A child that waits for its order. `None`: the server is dead, or as good as.
    fn child(&mut self) -> io::Result<Option<Child>> {
        let asked = if matches!(self.ahead, Ahead::None) { self.ask(FORK) } else { Ok(()) };
        match std::mem::replace(&mut self.ahead, Ahead::None) {
            Ahead::There(child) => Ok(Some(child)),
            Ahead::Asked(line) => match self.answer(asked.is_ok())? {
                Some(pid) => Child::hold(pid, line).map(Some),
                None => Ok(None),
            },
            Ahead::None => asked.map(|()| None),
        }
    }

    /// What became of the child that was asked for. `None`: as above.
    fn answer(&mut self, asked: bool) -> io::Result<Option<u32>> {
        let mut answer = [0; 4];
        let answered = asked && events::readable(self.socket.as_fd(), Some(PATIENCE));
        let len =
            if answered { socket::receive(self.socket.as_fd(), &mut answer, false) } else { Ok((0, vec![])) };
        if !matches!(len, Ok((4, _))) {
            // After its death the word does not change any more.
            self.process.kill();
            self.process.wait(None)?;
        }
        // ORDERING: the kernel wrote it before the server answered, or before it was seen to be dead.
        match (self.born.word().load(Acquire), i32::from_ne_bytes(answer)) {
            (0, 0) => Ok(None),
            (0, error) => Err(io::Error::from_raw_os_error(error)),
            (pid, _) => Ok(Some(pid)),
        }
    }

    /// Ends it, or sees it out. Why it could not start is an error.
    fn dismiss(self) -> io::Result<Ended> {
        self.process.kill();
        self.process.wait(None)?;
        match self.ahead {
            Ahead::None => {}
            // ORDERING: the kernel wrote it before the server was seen to be dead.
            Ahead::Asked(_) => match self.born.word().load(Acquire) {
                0 => {}
                pid => process::abandon(pid),
            },
            Ahead::There(child) => child.abandon(),
        }
        let ended = self.process.reap().unwrap_or(Ended::Unknown);
        match (ended, self.process.refusal()) {
            (Ended::Code(MISBORN), Some(why)) => {
                Err(io::Error::other(format!("the fork server cannot start: {why}")))
            }
            _ => Ok(ended),
        }
    }
}

/// Requests: for a child that has its order soon, and for one that has time.
const FORK: u8 = b'F';
const AHEAD: u8 = b'A';
const PAGE: usize = 4096;

/// Where the kernel notes the pid of a child before it runs.
struct Word(MmapRaw);

impl Word {
    fn map(segment: BorrowedFd<'_>) -> io::Result<Word> {
        let page = MmapOptions::new().len(PAGE).map_raw(segment.as_raw_fd())?;
        // No child of this process has it.
        page.advise(Advice::DontFork)?;
        Ok(Word(page))
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped writable for as long as `self` lives, and aligned.
        unsafe { &*self.0.as_mut_ptr().cast::<AtomicU32>() }
    }
}

/// The server.
fn serve(mut born: Born) {
    if process::count_threads().is_none_or(|count| count > 1) {
        let why = "a constructor of the program starts a thread, beside which nothing can be forked; use \
                   StartMethod::Spawn";
        born.refuse(why);
    }
    let descriptors = std::mem::take(&mut born.descriptors);
    let Ok([requests, segment]) = <[_; 2]>::try_from(descriptors) else { return };
    let word = match Word::map(segment.as_fd()) {
        Ok(word) => word,
        Err(error) => born.refuse(&error.to_string()),
    };
    drop(segment);
    let name = process::rename(c"pool-fork-serve");
    loop {
        let mut request = [0];
        let far = match socket::receive(requests.as_fd(), &mut request, true) {
            Ok((1, far)) if [FORK, AHEAD].contains(&request[0]) => far.into_iter().next(),
            _ => born::exit_now(0),
        };
        let Some(far) = far else { continue };
        // Before the child is there: it may be brought to a core before it has run.
        match request[0] {
            AHEAD => core::remember_home(),
            _ => core::forget_home(),
        }
        let error = match process::fork_sibling(word.word()) {
            Ok(None) => {
                // The mapping did not come along.
                std::mem::forget(word);
                process::rename(c"pool-spare");
                drop((requests, born));
                // Should its starter end before it has an order, it is not needed.
                if born::die_with_starter().is_err() {
                    born::exit_now(0);
                }
                if request[0] == AHEAD {
                    rehearse();
                }
                birth::be_born(FarEnd::new(far), || drop(process::rename(&name)));
                std::process::exit(0);
            }
            Ok(Some(())) => 0i32,
            Err(error) => error.raw_os_error().unwrap_or(libc::EAGAIN),
        };
        drop(far);
        if socket::send(requests.as_fd(), &error.to_ne_bytes(), &[]).is_err() {
            born::exit_now(0);
        }
    }
}

/// Does once, while there is time, what takes most of the time from an order to the first task: starting a thread
/// with a large stack, and its first memory. The C library keeps both for the next thread, and the pages that were
/// copied or mapped for it stay.
fn rehearse() {
    let body = || drop(std::hint::black_box(vec![0u8; 64]));
    if let Ok(thread) = std::thread::Builder::new().stack_size(STACK).spawn(body) {
        let _ = thread.join();
    }
}
