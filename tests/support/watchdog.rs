//! A test that hangs says where.
//!
//! What runs inside [`guarded`] and is not over within the limit gets the stacks of every thread of
//! this process and of all its descendants printed, and then the test program aborts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::process::{allow_debuggers, descendants};

/// Seconds until a test counts as hanging; `POOL_TEST_LIMIT` overrides it.
const LIMIT: u64 = 120;
/// The same for the debugger, which may hang in its turn.
const DEBUGGER_SECONDS: &str = "60";

/// Runs `body` on this thread, watched.
pub(crate) fn guarded<T>(body: impl FnOnce() -> T) -> T {
    watched(limit(), body)
}

/// After which time a test counts as hanging.
pub(crate) fn limit() -> Duration {
    let limit = std::env::var("POOL_TEST_LIMIT").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(limit.unwrap_or(LIMIT))
}

pub(super) fn watched<T>(limit: Duration, body: impl FnOnce() -> T) -> T {
    let _stop = watch(limit);
    body()
}

/// Not generic: there are hundreds of bodies.
fn watch(limit: Duration) -> Stop {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let (stop, over) = channel::<()>();
    let (ready, up) = channel();
    let watchdog = thread::Builder::new().name("watchdog".into()).spawn(move || {
        let _ = ready.send(());
        if over.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            report(&test, limit);
            std::process::abort();
        }
    });
    // A thread has its parent's name until it runs: a test that counts threads counts it right from here.
    let _ = up.recv();
    Stop(Some(stop), Some(watchdog.expect("a watchdog")))
}

/// Calls the watchdog off, and waits until it is gone: it must not be counted as left behind.
struct Stop(Option<Sender<()>>, Option<JoinHandle<()>>);

impl Drop for Stop {
    fn drop(&mut self) {
        drop(self.0.take());
        let _ = self.1.take().map(JoinHandle::join);
    }
}

fn report(test: &str, limit: Duration) {
    // Not `eprintln`: the test harness keeps that to itself until the test is over.
    let mut out = io::stderr().lock();
    let _ = writeln!(out, "\nwatchdog: {test} is not over after {limit:?}; all threads:");
    allow_debuggers();
    let mut processes = vec![std::process::id()];
    processes.extend(descendants(std::process::id()));
    for pid in &processes {
        for line in threads(*pid) {
            let _ = writeln!(out, "{line}");
        }
    }
    for pid in processes {
        let _ = writeln!(out, "watchdog: stacks of process {pid}\n{}", stacks(pid));
    }
}

/// What the kernel says of each thread.
fn threads(pid: u32) -> Vec<String> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let describe = |task: fs::DirEntry| {
        let read = |file: &str| fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let status = read("status");
        let state = status.lines().find(|line| line.starts_with("State:")).unwrap_or_default();
        let name = task.file_name();
        let (comm, wchan, syscall) = (read("comm"), read("wchan"), read("syscall"));
        format!(
            "process {pid} thread {}: {} {state} wchan {wchan} syscall {}",
            name.display(),
            comm.trim(),
            syscall.split_whitespace().next().unwrap_or_default()
        )
    };
    tasks.flatten().map(describe).collect()
}

/// What a debugger says, where there is one. It stops this process too, the watchdog with it: so it
/// writes to a file, because nobody reads a pipe meanwhile, and somebody else watches its time.
fn stacks(pid: u32) -> String {
    let path = std::env::temp_dir().join(format!("pool-test-stacks-{pid}"));
    let debug = || -> io::Result<String> {
        let debugger =
            ["gdb", "-p", &pid.to_string(), "-batch", "-nx", "-ex", "thread apply all backtrace 40"];
        Command::new("timeout")
            .args(["-s", "KILL", DEBUGGER_SECONDS])
            .args(debugger)
            .stdin(Stdio::null())
            .stdout(File::create(&path)?)
            .stderr(Stdio::null())
            .status()?;
        fs::read_to_string(&path)
    };
    let text = debug().unwrap_or_else(|error| format!("no debugger here: {error}"));
    let _ = fs::remove_file(&path);
    text
}
