//! How a child comes to life.
//!
//! ```text
//!  starter                                    child
//!  Birth ─> order and descriptors on a line
//!    └─ spawn: the program is executed again,
//!       a marker in the environment ────────> loader ─> constructors ─> `on_load` sees the marker
//!                                                ├─ is the starter of the same build?   no: says so, exits
//!                                                ├─ takes the order from the line
//!                                                ├─ settles in; applies its setting to itself
//!                                                ├─ the constructors that come after `on_load`
//!                                                └─ entry(Born), never `main`
//! ```
//!
//! A program that is not caught there must not be executed again: its `main` would make the same pool,
//! and so on without end. Since the catching code and this file's callers are linked together, it is
//! enough to check that they are part of the main program; [`Birth::spawn`] refuses when they are not
//! (the library was loaded into some other program, or the program was started through the loader).

mod order;

use std::ffi::{c_char, c_int};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use crate::child::Child;
use crate::image::{address_of, identity, name_of};
use crate::line::{FarEnd, Line};
use crate::own;
use crate::shared;
use crate::start_method::StartMethod;
use crate::sys::{born, process, setting};
use crate::{fork_server, life_line};

pub(crate) use order::Order;
pub use order::Setting;

/// What runs in the child, in place of `main`. When it returns the child exits with status 0.
pub type BirthEntry = fn(Born);

/// A birth, as data: the same for every way to start a process.
#[derive(Debug, Clone, Copy)]
pub struct Birth<'a> {
    /// What the child runs.
    pub entry: BirthEntry,
    /// What it has of this program's descriptors, besides the standard ones.
    pub descriptors: &'a [BorrowedFd<'a>],
    /// Any texts.
    pub words: &'a [&'a str],
    /// What it has otherwise than this program.
    pub setting: &'a Setting,
    /// Whether it goes on when the thread that started it ends. Otherwise the kernel kills it then,
    /// however that thread ends: the thread is its life line.
    pub outlives_starter: bool,
}

/// What a child is born with.
#[derive(Debug)]
pub struct Born {
    /// Those of the [`Birth`], in the same order.
    pub descriptors: Vec<OwnedFd>,
    /// Those of the [`Birth`].
    pub words: Vec<String>,
    /// The line to the starter.
    pub line: Arc<FarEnd>,
    /// How it was started.
    pub method: StartMethod,
}

impl Born {
    /// Ends this process because it cannot do what it was born for: the starter reads `why` from
    /// [`Child::refusal`].
    pub fn refuse(&self, why: &str) -> ! {
        self.line.refuse(why);
        born::exit_now(MISBORN)
    }
}

/// Leaves the process with this status. Exit handlers run, but in a process that was forked from one that
/// has a `main`: they are the parent's, and so is what stands in its buffers.
pub fn leave(code: i32) -> ! {
    match StartMethod::of_this_process() {
        Some(StartMethod::Fork) => born::exit_now(code),
        _ => std::process::exit(code),
    }
}

/// The environment variable that marks a child, for the moment of its birth.
const MARKER: &str = "POOL_WORKER_BIRTH";
/// Exit status of a child that could not be born; [`Child::refusal`] says why.
pub const MISBORN: i32 = 113;

impl Birth<'_> {
    /// Starts this program again, as a child that runs the entry.
    ///
    /// # Errors
    /// The system refuses a process or a descriptor; the program is one that must not be executed again;
    /// the setting has a variable that cannot be.
    pub fn spawn(&self) -> io::Result<Child> {
        self.prepare(StartMethod::Spawn, false)?.start()
    }

    /// All of a birth but the process; another thread can start that, whose child it is then.
    pub(crate) fn prepare(&self, method: StartMethod, allow_threads: bool) -> io::Result<Prepared> {
        let marker = match method {
            StartMethod::Fork if allow_threads => None,
            StartMethod::Fork => {
                process::no_foreign_threads()?;
                None
            }
            StartMethod::Spawn | StartMethod::ForkServer => Some((identity()?, catcher()?)),
        };
        let (line, far) = Line::new()?;
        line.order(&self.order(method)?, self.descriptors)?;
        Ok(Prepared { marker, line, far, goes_on: false })
    }

    /// What the child is to be told.
    pub(crate) fn order(&self, method: StartMethod) -> io::Result<Order> {
        Ok(Order {
            entry: name_of(self.entry as usize)?,
            parent: std::process::id(),
            dies_with_starter: !self.outlives_starter,
            method,
            default_method: StartMethod::default_method(),
            descriptors: self.descriptors.len() as u64,
            words: self.words.iter().map(|word| (*word).to_owned()).collect(),
            setting: self.setting.clone(),
        })
    }
}

/// Forks this process; the child runs `body` with the words, and exits when it returns. Whatever `body` refers to
/// is there in the child's copy of the memory, as it is now. The child dies with the calling thread.
///
/// # Errors
/// As [`Birth::spawn`]; [`Unsupported`](io::ErrorKind::Unsupported) beside other threads, unless `allow_threads`.
pub fn fork_with(words: &[&str], allow_threads: bool, body: &dyn Fn(Born)) -> io::Result<Child> {
    let place = std::ptr::from_ref(&body).expose_provenance().to_string();
    let words = [words, &[&place]].concat();
    let birth = Birth {
        entry: run_body,
        descriptors: &[],
        words: &words,
        setting: &Setting::default(),
        outlives_starter: false,
    };
    Prepared { goes_on: true, ..birth.prepare(StartMethod::Fork, allow_threads)? }.start()
}

fn run_body(mut born: Born) {
    let Some(place) = born.words.pop().and_then(|place| place.parse().ok()) else { return };
    // SAFETY: only `fork_with` has this entry, with the place of a variable of its frame; the child is a copy of
    // the process in which that frame was live, goes on below it on the same stack, and never returns to it.
    let body = unsafe { *std::ptr::with_exposed_provenance::<&dyn Fn(Born)>(place) };
    body(born);
}

/// The name of what catches a program that is executed again.
fn catcher() -> io::Result<u64> {
    let name = name_of(on_load as *const () as usize).ok();
    let name = name.filter(|_| crate::image::image().is_ok_and(|image| image.was_executed()));
    name.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "this program cannot be re-executed as a worker: the pool is not linked into the main program (it \
             is in a shared library, or the program was started through the loader); use a ThreadPool here",
        )
    })
}

/// A birth that waits for its process.
pub(crate) struct Prepared {
    /// The build and its catcher, for a program that is executed; a fork needs none.
    marker: Option<(u64, u64)>,
    line: Line,
    far: FarEnd,
    /// Whether a fork goes on with what the program has, and is not given what it is to have.
    goes_on: bool,
}

impl Prepared {
    pub(crate) fn start(self) -> io::Result<Child> {
        let Prepared { marker, line, far, goes_on } = self;
        let Some((identity, catcher)) = marker else { return fork(line, far, goes_on) };
        let marker = Marker { identity, catcher, line: far.as_fd().as_raw_fd() };
        let pid = process::spawn_self((MARKER, marker.to_text()), &[far.as_fd()])?;
        Child::hold(pid, line)
    }
}

/// Forks this process: the child goes on with a copy of its memory, and runs the entry.
fn fork(line: Line, far: FarEnd, goes_on: bool) -> io::Result<Child> {
    // What another thread held now, the child could never have.
    let (server, life_line, shared) = (fork_server::freeze(), life_line::freeze(), shared::freeze());
    let mut own = own::list();
    let staying = own::staying();
    let may_fork = own::may_fork();
    if let Some(pid) = process::fork()? {
        drop((may_fork, server, life_line, shared, staying, own));
        return Child::hold(pid, line);
    }
    drop(may_fork);
    drop(shared);
    own::forked();
    born::close_own(&mut own, far.as_fd());
    drop(own);
    if !goes_on {
        born::deaden(&staying);
    }
    drop(staying);
    server.forget();
    life_line.forget();
    // Nothing may unwind into the parent's frames.
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| be_born(far, || {})));
    born::exit_now(if lived.is_ok() { 0 } else { 101 })
}

/// What the environment variable says.
#[derive(Debug, PartialEq, Eq)]
struct Marker {
    identity: u64,
    catcher: u64,
    line: c_int,
}

impl Marker {
    fn to_text(&self) -> String {
        let Marker { identity, catcher, line } = self;
        format!("{identity}:{catcher}:{line}")
    }

    fn from_text(text: &str) -> Option<Marker> {
        let mut parts = text.splitn(3, ':');
        Some(Marker {
            identity: parts.next()?.parse().ok()?,
            catcher: parts.next()?.parse().ok()?,
            line: parts.next()?.parse().ok().filter(|line| *line > 2)?,
        })
    }
}

/// A function that the loader calls before `main`.
pub(crate) type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

#[used]
// SAFETY: the section holds pointers to functions of this type, which the loader calls once each.
#[unsafe(link_section = ".init_array")]
static ON_LOAD: Constructor = on_load;

/// In a program that is not a worker this looks at one environment variable.
extern "C" fn on_load(count: c_int, arguments: *const *const c_char, environment: *const *const c_char) {
    let Some(text) = std::env::var_os(MARKER) else { return };
    let marker = text.to_str().and_then(Marker::from_text);
    // SAFETY: before `main`, in the only thread of the process.
    unsafe { std::env::remove_var(MARKER) };
    let Some(marker) = marker else {
        eprintln!("pool: a worker could not be started: its environment has a marker that makes no sense");
        std::process::exit(MISBORN);
    };
    // SAFETY: the starter opened it for this process, where it belongs to nothing else.
    let line = FarEnd::new(unsafe { OwnedFd::from_raw_fd(marker.line) });
    let same_build = identity().is_ok_and(|own| own == marker.identity)
        && name_of(on_load as *const () as usize).is_ok_and(|own| own == marker.catcher);
    if !same_build {
        line.refuse("what was executed is not the program that started it");
        std::process::exit(MISBORN);
    }
    born::close_all_but(&line);
    born::open_streams();
    be_born(line, || {
        let Ok(image) = crate::image::image() else { return };
        for constructor in image.later_constructors(on_load) {
            if ![0, usize::MAX].contains(constructor) {
                // SAFETY: an entry of the program's array of constructors, called as the loader would,
                // once: the loader does not come to it, because this process ends here.
                let constructor = unsafe { std::mem::transmute::<usize, Constructor>(*constructor) };
                constructor(count, arguments, environment);
            }
        }
    });
    std::process::exit(0);
}

/// Follows the order on the line.
pub(crate) fn be_born(line: FarEnd, prepare: impl FnOnce()) {
    match grow_up(&line, prepare) {
        Ok(None) => {}
        Ok(Some((order, entry, descriptors))) => {
            entry(Born { descriptors, words: order.words, line: Arc::new(line), method: order.method });
        }
        Err(error) => {
            line.refuse(&error.to_string());
            born::exit_now(MISBORN);
        }
    }
}

/// What there is to do before the entry runs; `None`: the starter is gone already.
fn grow_up(line: &FarEnd, prepare: impl FnOnce()) -> io::Result<Option<(Order, BirthEntry, Vec<OwnedFd>)>> {
    let Some((order, descriptors)) = line.take_order()? else { return Ok(None) };
    if !born::settle_in(order.parent, order.dies_with_starter)? {
        return Ok(None);
    }
    order.method.note();
    order.default_method.set_default();
    setting::apply(&order.setting)?;
    prepare();
    let entry = address_of(order.entry)?;
    // SAFETY: the name was made from a `BirthEntry` by `Birth::order` in a process of the same build, as was
    // checked where this one is not its copy.
    let entry = unsafe { std::mem::transmute::<usize, BirthEntry>(entry) };
    Ok(Some((order, entry, descriptors)))
}

/// Leaves the process at once, without running exit handlers: for a worker whose pool is gone.
pub fn leave_now() -> ! {
    born::exit_now(0)
}
