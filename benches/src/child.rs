//! The other process of a yardstick: this program, run again as `figures --child NAME PARENT ..`.
//!
//! A yardstick's child must never outlive the run, however the run ends, and must not be taken
//! for a worker of the pool, which also re-executes this program but takes over before `main`.
//! So a child is told by its first argument, at the very start of [`crate::figures::main`]; it
//! asks the kernel for SIGKILL at its parent's death; and [`Child`] kills and reaps it on drop.

use std::ffi::OsString;
use std::fs::File;
use std::process::{Command, Stdio};

use crate::limits::{arena_copies, bare_fork, futex_ping_pong, spin_ping_pong};
use crate::peers::ipc_channel;
use crate::{Error, Result};

/// The first argument of every child.
pub const MARK: &str = "--child";

/// The child that does nothing: the yardstick of [`crate::limits::bare_spawn`].
pub const EXIT: &str = "exit";

/// If this process is a yardstick's child, runs that and does not return.
pub fn run_if_child() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|first| first != MARK) {
        return;
    }
    if args.next().is_some_and(|name| name == EXIT) {
        std::process::exit(0);
    }
    let args: Vec<String> = std::env::args().skip(2).collect();
    if let Err(error) = run(&args) {
        eprintln!("figures {MARK} {}: {error}", args.join(" "));
        std::process::exit(1);
    }
    std::process::exit(0);
}

fn run(args: &[String]) -> Result<()> {
    let [name, parent, rest @ ..] = args else {
        return Err("a child needs a name and its parent's pid".into());
    };
    die_with(parent.parse()?)?;
    let argument = rest.first().map_or("", String::as_str);
    match name.as_str() {
        spin_ping_pong::CHILD => spin_ping_pong::child(),
        futex_ping_pong::CHILD => futex_ping_pong::child(),
        bare_fork::CHILD => bare_fork::child(),
        arena_copies::CHILD => arena_copies::child(argument),
        ipc_channel::SPINS => ipc_channel::spins_child(argument),
        ipc_channel::WORDS => ipc_channel::words_child(argument),
        ipc_channel::VECTORS => ipc_channel::vectors_child(argument),
        ipc_channel::BYTES => ipc_channel::bytes_child(argument),
        ipc_channel::MEMORY => ipc_channel::memory_child(argument),
        unknown => Err(format!("no child is named {unknown}").into()),
    }
}

/// Ties this process's life to its parent's.
fn die_with(parent: u32) -> Result<()> {
    // SAFETY: the option takes a signal number and touches no memory of ours.
    if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    // A parent that died before the request is no parent any more.
    if std::os::unix::process::parent_id() != parent {
        return Err("the parent is gone".into());
    }
    Ok(())
}

/// A running child; killed and reaped on drop.
pub struct Child {
    name: &'static str,
    process: std::process::Child,
}

impl Child {
    /// Starts the child `name`. It finds `memory` as its standard input.
    pub fn spawn(name: &'static str, argument: &str, memory: Option<File>) -> Result<Child> {
        let process = Command::new(program()?)
            .args([MARK, name, &std::process::id().to_string(), argument])
            .stdin(memory.map_or_else(Stdio::null, Stdio::from))
            .spawn()?;
        Ok(Child { name, process })
    }

    /// An error if the child has ended: what it owes will never come.
    pub fn check(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            Some(status) => Err(format!("the child {} has ended: {status}", self.name).into()),
            None => Ok(()),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Both fail only if the child was reaped already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program's own file.
pub fn program() -> Result<OsString> {
    std::env::current_exe().map(OsString::from).map_err(Error::from)
}
