//! What this process has: children, threads, descriptors. For one test at a time ([`alone`]).
//!
//! [`alone`]: super::alone

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::process::{all_children, is_spare};

/// A count of what a process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Census {
    /// Living or zombie.
    pub(crate) children: Vec<u32>,
    /// How many threads of each name.
    pub(crate) threads: BTreeMap<String, usize>,
    /// How many descriptors of each kind.
    pub(crate) descriptors: BTreeMap<String, usize>,
}

/// How long what was left may take to go.
const BOUND: Duration = Duration::from_secs(10);

impl Census {
    /// Takes a census once the births and ends that are under way are over: when it has been the same for a
    /// while. A thread that was joined is in the kernel's list for an instant more.
    pub(crate) fn settled() -> Census {
        let bound = Instant::now() + BOUND;
        let (mut last, mut same) = (Census::take(), 0);
        while same < 20 && Instant::now() < bound {
            thread::sleep(Duration::from_millis(1));
            let now = Census::take();
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
        last
    }

    pub(crate) fn take() -> Census {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir("/proc/self/task").expect("the list of threads").flatten() {
            // One that has no name any more has ended since the list was read.
            if let Ok(name) = fs::read_to_string(task.path().join("comm")) {
                *threads.entry(name.trim().to_owned()).or_default() += 1;
            }
        }
        // Reading the folder takes a descriptor of its own, which is gone by the time it is looked at.
        let opened: Vec<PathBuf> =
            fs::read_dir("/proc/self/fd").expect("the descriptors").flatten().map(|fd| fd.path()).collect();
        let mut descriptors: BTreeMap<String, usize> = BTreeMap::new();
        for target in opened.iter().filter_map(|fd| fs::read_link(fd).ok()) {
            // Without the number of the socket or pipe.
            let kind = target.to_string_lossy().split(":[").next().unwrap_or_default().to_owned();
            *descriptors.entry(kind).or_default() += 1;
        }
        let all = all_children();
        // The spare of the fork server, and the line to it, are there or not, as it happens.
        if all.iter().any(|pid| is_spare(*pid)) {
            descriptors.entry("socket".to_owned()).and_modify(|count| *count -= 1);
        }
        let children = all.into_iter().filter(|pid| !is_spare(*pid)).collect();
        Census { children, threads, descriptors }
    }

    /// Waits until this process has again what it had; fails when it does not come to that.
    #[track_caller]
    pub(crate) fn assert_restored(&self) {
        self.wait_for("left behind", |now| now == self);
    }

    /// Waits until this process has again the children and threads that it had; fails when it does not come
    /// to that.
    #[track_caller]
    pub(crate) fn assert_nobody_left(&self) {
        self.wait_for("somebody left behind", |now| {
            (&now.children, &now.threads) == (&self.children, &self.threads)
        });
    }

    /// Waits until this process has no more than it had, and as many children; fails when it does not
    /// come to that. Less is fine: what a worker needs while it is born may have been counted before.
    #[track_caller]
    pub(crate) fn assert_no_more(&self) {
        self.wait_for("more than before", |now| now.is_within(self));
    }

    #[track_caller]
    fn wait_for(&self, otherwise: &str, is_well: impl Fn(&Census) -> bool) {
        let bound = Instant::now() + BOUND;
        loop {
            let now = Census::take();
            if is_well(&now) {
                return;
            }
            assert!(Instant::now() < bound, "{otherwise}\n before: {self:?}\n    now: {now:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn is_within(&self, before: &Census) -> bool {
        let within = |now: &BTreeMap<String, usize>, before: &BTreeMap<String, usize>| {
            now.iter().all(|(kind, count)| before.get(kind).is_some_and(|before| count <= before))
        };
        self.children.len() == before.children.len()
            && within(&self.threads, &before.threads)
            && within(&self.descriptors, &before.descriptors)
    }
}
