//! Descriptors that go along with requests and replies. A lane is memory and cannot carry them: they travel over the
//! worker's line, before what they belong to.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::line::FarEnd;
use crate::own::Own;

/// What comes along with requests, and goes along with replies. The thread that listens to the line puts in what
/// came; the one that serves the lane takes it out.
#[derive(Debug)]
pub struct Luggage {
    line: Arc<FarEnd>,
    came: Mutex<BTreeMap<u64, Vec<OwnedFd>>>,
    more_came: Condvar,
}

impl Luggage {
    /// What comes and goes over `line`.
    pub fn new(line: Arc<FarEnd>) -> Luggage {
        Luggage { line, came: Mutex::default(), more_came: Condvar::new() }
    }

    /// These came along with the request of this number.
    pub fn came(&self, number: u64, descriptors: Vec<OwnedFd>) {
        self.lock().insert(number, descriptors);
        self.more_came.notify_one();
    }

    /// The request of this number was taken back.
    pub fn discard(&self, number: u64) {
        drop(self.lock().remove(&number));
    }

    /// Waits for what comes along with the request of this number, which is on its way.
    pub(super) fn take(&self, number: u64) -> Vec<OwnedFd> {
        let mut came = self.lock();
        loop {
            if let Some(descriptors) = came.remove(&number) {
                return descriptors;
            }
            came = self.more_came.wait(came).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sends what goes along with the next reply.
    pub(super) fn send(&self, descriptors: &[Own<OwnedFd>]) -> io::Result<()> {
        self.line.send_descriptors(descriptors)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Vec<OwnedFd>>> {
        self.came.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
