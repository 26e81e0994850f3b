//! A test in a program of its own.
//!
//! The harness runs tests as threads of one process, where nobody can say whose child, thread or
//! descriptor is left. So such a test starts its program again for itself alone, with a folder for
//! temporary files of its own, and when that has passed looks for what outlived it.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::meeting::{Scratch, eventually};
use super::process::no_core_files;
use super::watchdog::{limit, watched};

/// Set in the program that runs one test.
const ALONE: &str = "POOL_TEST_ALONE";

/// Runs `body`, the test at `path` (with the name of its test program), in a program of its own.
pub(crate) fn alone(path: &str, body: impl FnOnce()) {
    alone_within(limit(), path, body);
}

/// The same with another time until it counts as hanging.
pub(crate) fn alone_within(limit: Duration, path: &str, body: impl FnOnce()) {
    alone_with(&[], limit, path, body);
}

/// The same with these variables in its environment.
pub(crate) fn alone_with(environment: &[(&str, &str)], limit: Duration, path: &str, body: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        no_core_files();
        return watched(limit, body);
    }
    start_again(environment, limit, path);
}

/// Not generic: there are hundreds of bodies.
fn start_again(environment: &[(&str, &str)], limit: Duration, path: &str) {
    let (_, test) = path.split_once("::").expect("the path of a test");
    // The inner watchdog comes first: it knows more.
    watched(limit + Duration::from_secs(180), || {
        let scratch = Scratch::new();
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(ALONE, "1")
            .envs(environment.iter().copied())
            .env("TMPDIR", scratch.path())
            .output()
            .expect("the test program again");
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{}\n{text}", output.status);
        print!("{text}");
        let left: Vec<_> =
            fs::read_dir(scratch.path()).expect("the folder").flatten().map(|file| file.path()).collect();
        assert!(left.is_empty(), "left in the folder for temporary files: {left:?}");
        eventually("no process of the test was left", || !anybody_with(scratch.path()));
    });
}

/// Whether some living process was started with this folder for temporary files.
fn anybody_with(folder: &Path) -> bool {
    let entry = format!("TMPDIR={}", folder.display()).into_bytes();
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes
        .flatten()
        .filter_map(|process| fs::read(process.path().join("environ")).ok())
        .any(|environ| environ.split(|byte| *byte == 0).any(|variable| variable == entry))
}
