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

use crate::child::Child;
use crate::image::{address_of, identity, name_of};
use crate::line::{FarEnd, Line};
use crate::sys::{born, process, setting};

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
    pub line: FarEnd,
}

impl Born {
    /// Ends this process because it cannot do what it was born for: the starter reads `why` from
    /// [`Child::refusal`].
    pub fn refuse(self, why: &str) -> ! {
        self.line.refuse(why);
        born::exit_now(MISBORN)
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
        self.prepare_spawn()?.spawn()
    }

    /// All of it but the process; that can be started by another thread, whose child it is then.
    pub(crate) fn prepare_spawn(&self) -> io::Result<Prepared> {
        let catcher = name_of(on_load as *const () as usize).map_err(|_| {
            io::Error::new(
                io::ErrorKind::Unsupported,
                "this program cannot be re-executed as a worker: the pool is not linked into the main \
                 program (it is in a shared library, or the program was started through the loader); use \
                 a ThreadPool here",
            )
        })?;
        let (line, far) = self.order()?;
        Ok(Prepared {
            marker: Marker { identity: identity()?, catcher, line: far.as_fd().as_raw_fd() },
            line,
            far,
        })
    }

    /// A line with the order on it.
    fn order(&self) -> io::Result<(Line, FarEnd)> {
        let order = Order {
            entry: name_of(self.entry as usize)?,
            parent: std::process::id(),
            dies_with_starter: !self.outlives_starter,
            descriptors: self.descriptors.len() as u64,
            words: self.words.iter().map(|word| (*word).to_owned()).collect(),
            setting: self.setting.clone(),
        };
        Line::order(&order, self.descriptors)
    }
}

/// A birth that waits for its process.
pub(crate) struct Prepared {
    marker: Marker,
    line: Line,
    far: FarEnd,
}

impl Prepared {
    pub(crate) fn spawn(self) -> io::Result<Child> {
        let pid = process::spawn_self((MARKER, self.marker.to_text()), &[self.far.as_fd()])?;
        Child::hold(pid, self.line)
    }
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
fn be_born(line: FarEnd, prepare: impl FnOnce()) {
    match grow_up(&line, prepare) {
        Ok(None) => {}
        Ok(Some((entry, words, descriptors))) => entry(Born { descriptors, words, line }),
        Err(error) => {
            line.refuse(&error.to_string());
            born::exit_now(MISBORN);
        }
    }
}

type Grown = (BirthEntry, Vec<String>, Vec<OwnedFd>);

/// What there is to do before the entry runs; `None`: the starter is gone already.
fn grow_up(line: &FarEnd, prepare: impl FnOnce()) -> io::Result<Option<Grown>> {
    let (order, descriptors) = line.take_order()?;
    if !born::settle_in(order.parent, order.dies_with_starter)? {
        return Ok(None);
    }
    setting::apply(&order.setting)?;
    prepare();
    let entry = address_of(order.entry)?;
    // SAFETY: the name was made from a `BirthEntry` by `Birth::order` in a process of the same build, as was
    // checked where this one is not its copy.
    let entry = unsafe { std::mem::transmute::<usize, BirthEntry>(entry) };
    Ok(Some((entry, order.words, descriptors)))
}

/// Leaves the process at once, without running exit handlers: for a worker whose pool is gone.
pub fn leave_now() -> ! {
    born::exit_now(0)
}
