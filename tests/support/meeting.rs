//! How a test talks with its tasks: through files, because a task may be in another process.
//!
//! Nothing here waits for a time to pass. Whoever waits looks for the event again and again, and a
//! bound turns a test that would hang into one that fails.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use pool::Pool;
use serde::{Deserialize, Serialize};

/// The bound of every wait here; below the watchdog's.
const BOUND: Duration = Duration::from_secs(60);

/// Waits until `happened` says so; fails the test, with `what`, at the bound.
#[track_caller]
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let bound = Instant::now() + BOUND;
    while !happened() {
        assert!(Instant::now() < bound, "it never came about that {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A folder of the test's own, gone with it.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Scratch {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Relaxed);
        let path = std::env::temp_dir().join(format!("pool-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder for the test");
        Scratch(path)
    }

    /// Another's folder, for a process that is given its path. It is not gone with this.
    pub(crate) fn at(path: PathBuf) -> std::mem::ManuallyDrop<Scratch> {
        std::mem::ManuallyDrop::new(Scratch(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn gate(&self, name: &str) -> Gate {
        Gate(self.0.join(name))
    }

    pub(crate) fn marks(&self, name: &str) -> Marks {
        Marks(self.0.join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What holds tasks until the test opens it, or is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gate(PathBuf);

impl Gate {
    pub(crate) fn open(&self) {
        File::create(&self.0).expect("an open gate");
    }

    /// Called by tasks.
    pub(crate) fn wait(&self) {
        let folder = self.0.parent().expect("a gate is in a folder");
        eventually("the gate was opened", || self.0.exists() || !folder.exists());
    }
}

/// A count that survives the process that adds to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks(PathBuf);

impl Marks {
    /// Called by tasks.
    pub(crate) fn add(&self) {
        let file = OpenOptions::new().create(true).append(true).open(&self.0);
        file.and_then(|mut file| file.write_all(b"|")).expect("a mark");
    }

    pub(crate) fn count(&self) -> u64 {
        fs::metadata(&self.0).map_or(0, |file| file.len())
    }

    #[track_caller]
    pub(crate) fn wait_for(&self, count: u64) {
        eventually(&format!("{count} marks were made"), || self.count() >= count);
    }
}

/// The worker that runs this: its process and its thread.
pub(crate) fn whoami() -> (u32, String) {
    (std::process::id(), format!("{:?}", thread::current().id()))
}

/// All workers of the pool, in one place at one time: a pool that is not at full strength hangs here.
#[track_caller]
pub(crate) fn crew<P: Pool + ?Sized>(pool: &P, workers: usize) -> BTreeSet<(u32, String)> {
    fn meet((here, workers): (Marks, u64)) -> (u32, String) {
        here.add();
        here.wait_for(workers);
        whoami()
    }
    let scratch = Scratch::new();
    let here = scratch.marks("crew");
    let handles: Vec<_> =
        (0..workers).map(|_| pool.apply_async(meet, (here.clone(), workers as u64))).collect();
    let crew: BTreeSet<_> = handles.into_iter().map(|handle| handle.get().expect("a worker")).collect();
    assert_eq!(crew.len(), workers, "each answer came from another worker");
    crew
}
