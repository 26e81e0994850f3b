//! What this library has in the program that a forked child must not have: its descriptors and threads.
//!
//! A child by `Fork` is a copy of the program. The user's descriptors are its own; this library's belong to
//! pools that stay with the parent, so they are listed here and the child closes them. (One that another
//! thread has just opened and not listed yet stays open in the child; it leads to nothing that the
//! child knows.) Memory shared with workers is not copied at all: it is mapped that way.
//!
//! The threads are counted, because only the others are dangerous to fork beside.

use std::collections::BTreeSet;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

static LIST: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// A descriptor of this library: a forked child closes it.
#[derive(Debug)]
pub struct Own<T: AsFd> {
    descriptor: ManuallyDrop<T>,
    generation: u32,
}

impl<T: AsFd> Own<T> {
    pub(crate) fn new(descriptor: T) -> Own<T> {
        list().insert(descriptor.as_fd().as_raw_fd());
        Own { descriptor: ManuallyDrop::new(descriptor), generation: generation() }
    }
}

impl Own<OwnedFd> {
    /// The descriptor, which is this library's no more.
    pub fn into_inner(self) -> OwnedFd {
        list().remove(&self.as_raw_fd());
        let mut own = ManuallyDrop::new(self);
        // SAFETY: taken once; `own` is not dropped.
        unsafe { ManuallyDrop::take(&mut own.descriptor) }
    }
}

impl<T: AsFd> Deref for Own<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.descriptor
    }
}

impl<T: AsFd> Drop for Own<T> {
    fn drop(&mut self) {
        if self.generation != generation() {
            // The number is somebody else's by now.
            return;
        }
        let mut list = list();
        list.remove(&self.descriptor.as_fd().as_raw_fd());
        // Under the lock: the number may be anybody's as soon as it is closed.
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.descriptor) };
    }
}

/// The descriptors on the list, which does not change while it is held.
pub(crate) fn list() -> MutexGuard<'static, BTreeSet<RawFd>> {
    LIST.lock().unwrap_or_else(PoisonError::into_inner)
}

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How often this process came about by a fork of one that had this library's state: what was made in
/// another generation belongs to another process.
pub fn generation() -> u32 {
    // ORDERING: it changes when there is one thread.
    GENERATION.load(Relaxed)
}

static THREADS: AtomicUsize = AtomicUsize::new(0);

/// Counts a thread of this library for as long as it lives.
#[derive(Debug)]
pub struct OwnThread(u32);

impl OwnThread {
    /// To be made before the thread is started, and dropped by it as the last thing it does.
    pub fn count() -> OwnThread {
        // ORDERING: whoever compares it with the system's list looks again if they do not fit.
        THREADS.fetch_add(1, Relaxed);
        OwnThread(generation())
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        if self.0 == generation() {
            THREADS.fetch_sub(1, Relaxed);
        }
    }
}

/// Starts a thread of this library.
///
/// # Errors
/// The system refuses a thread.
pub fn thread(name: String, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let counted = OwnThread::count();
    Builder::new().name(name).spawn(move || {
        body();
        drop(counted);
    })
}

/// How many threads are this library's.
pub(crate) fn threads() -> usize {
    THREADS.load(Relaxed)
}

/// In a forked child, which has one thread: nothing of what is counted here is there any more.
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Relaxed);
    THREADS.store(0, Relaxed);
}
