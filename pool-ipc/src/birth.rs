//! How a worker comes to life: the program is executed again, and caught before `main`.
//!
//! ```text
//!  parent                                    child: the same image
//!  spawn(entry, descriptors, words)
//!    └─ marker in the environment ──────────> loader ─> constructors ─> `on_load` sees the marker
//!                                                ├─ is the parent of the same build?    no: says so, exits
//!                                                ├─ dies with its parent; only its own descriptors
//!                                                ├─ the constructors that come after it
//!                                                └─ entry(Born), never `main`
//! ```
//!
//! A program that is not caught there must not be executed again: its `main` would make the same pool,
//! and so on without end. Since the catching code and this file's callers are linked together, it is
//! enough to check that they are part of the main program; [`spawn`] refuses when they are not (the
//! library was loaded into some other program, or the program was started through the loader).

use std::ffi::{c_char, c_int};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::child::Child;
use crate::image::{address_of, identity, name_of};
use crate::sys::{born, process};

/// What runs in the worker, in place of `main`. When it returns the worker exits with status 0.
pub type BirthEntry = fn(Born);

/// What a worker is born with.
#[derive(Debug)]
pub struct Born {
    /// The descriptors passed to [`spawn`], in the same order.
    pub descriptors: Vec<OwnedFd>,
    /// The words passed to [`spawn`].
    pub words: Vec<String>,
}

/// The environment variable that marks a worker, for the moment of its birth.
const MARKER: &str = "POOL_WORKER_BIRTH";
/// Exit status of a process with a marker that it cannot follow.
pub const MISBORN: i32 = 113;

/// Starts this program again as a worker that runs `entry`.
///
/// The calling thread is the worker's life line: when it ends, however it does, the worker is killed.
///
/// # Errors
/// The system refuses a process, or the program is one that must not be executed again.
pub fn spawn(entry: BirthEntry, descriptors: &[BorrowedFd<'_>], words: &[&str]) -> io::Result<Child> {
    let catcher = name_of(on_load as *const () as usize).map_err(|_| {
        io::Error::new(
            io::ErrorKind::Unsupported,
            "this program cannot be re-executed as a worker: the pool is not linked into the main program \
             (it is in a shared library, or the program was started through the loader); use a ThreadPool here",
        )
    })?;
    let numbers: Vec<String> =
        descriptors.iter().map(|descriptor| descriptor.as_raw_fd().to_string()).collect();
    let marker = Marker {
        identity: identity()?,
        catcher,
        entry: name_of(entry as usize)?,
        parent: std::process::id(),
        descriptors: numbers.join(","),
        words: words.join("\u{1f}"),
    };
    let pid = process::spawn_self((MARKER, marker.to_text()), descriptors)?;
    Child::hold(pid)
}

/// What the environment variable says.
struct Marker {
    identity: u64,
    catcher: u64,
    entry: u64,
    parent: u32,
    descriptors: String,
    words: String,
}

impl Marker {
    fn to_text(&self) -> String {
        let Marker { identity, catcher, entry, parent, descriptors, words } = self;
        format!("{identity}:{catcher}:{entry}:{parent}:{descriptors}:{words}")
    }

    fn from_text(text: &str) -> Option<Marker> {
        let mut parts = text.splitn(6, ':');
        Some(Marker {
            identity: parts.next()?.parse().ok()?,
            catcher: parts.next()?.parse().ok()?,
            entry: parts.next()?.parse().ok()?,
            parent: parts.next()?.parse().ok()?,
            descriptors: parts.next()?.to_owned(),
            words: parts.next()?.to_owned(),
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
    let code = match marker {
        None => misborn("its environment has a worker's marker that makes no sense"),
        Some(marker) => be_born(&marker, || {
            let Ok(image) = crate::image::image() else { return };
            for constructor in image.later_constructors(on_load) {
                if ![0, usize::MAX].contains(constructor) {
                    // SAFETY: an entry of the program's array of constructors, called as the loader would,
                    // once: the loader does not come to it, because this process ends here.
                    let constructor = unsafe { std::mem::transmute::<usize, Constructor>(*constructor) };
                    constructor(count, arguments, environment);
                }
            }
        }),
    };
    std::process::exit(code);
}

/// Follows the marker; returns the exit status.
fn be_born(marker: &Marker, construct_the_rest: impl FnOnce()) -> i32 {
    let same_build = identity().is_ok_and(|own| own == marker.identity)
        && name_of(on_load as *const () as usize).is_ok_and(|own| own == marker.catcher);
    if !same_build {
        return misborn("it is not the program that its parent is");
    }
    let numbers: Vec<c_int> =
        marker.descriptors.split(',').filter_map(|number| number.parse().ok()).collect();
    match born::settle_in(marker.parent, &numbers) {
        Ok(true) => {}
        Ok(false) => return 0,
        Err(error) => return misborn(&format!("the system refuses: {error}")),
    }
    construct_the_rest();
    let Ok(entry) = address_of(marker.entry) else {
        return misborn("its marker names code that it does not have");
    };
    // SAFETY: the name was made from a `BirthEntry` by `spawn` in a process of the same build, as was
    // checked; the descriptors were opened for this process and belong to nothing else in it.
    let (entry, descriptors) = unsafe {
        let own = |number: &c_int| OwnedFd::from_raw_fd(*number);
        (std::mem::transmute::<usize, BirthEntry>(entry), numbers.iter().map(own).collect())
    };
    let words = marker.words.split('\u{1f}').map(str::to_owned).collect();
    entry(Born { descriptors, words });
    0
}

fn misborn(why: &str) -> i32 {
    eprintln!("pool: a worker could not be started: {why}");
    MISBORN
}

/// Leaves the process at once, without running exit handlers: for a worker whose pool is gone.
pub fn leave_now() -> ! {
    born::exit_now(0)
}
