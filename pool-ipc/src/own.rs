//! What this library has in the program that a forked child must not have: its descriptors and threads.
//!
//! A child by `Fork` is a copy of the program. The user's descriptors are its own; this library's belong to
//! pools that stay with the parent, so they are listed here and the child closes them. (One that another
//! thread has just opened and not listed yet stays open in the child; it leads to nothing that the
//! child knows.) Memory shared with workers is not copied at all: it is mapped that way.
//!
//! Ends of connections are the user's, but a copy that a child has without knowing would keep the other side from
//! seeing the end. They are on a second list: a child that is given what it is to have, has dead sockets in
//! their place; one that goes on with a closure of the program (`birth::fork_with`) keeps them.
//!
//! The threads are counted, because only the others are dangerous to fork beside: a fork waits until each of
//! this library's is in a place where it holds no lock that the child needs.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

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
    /// Another descriptor of the same open file.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn copy(&self) -> io::Result<Own<OwnedFd>> {
        self.try_clone().map(Own::new)
    }

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

impl<T: AsFd> AsFd for Own<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
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

static STAYING: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// A descriptor of which a forked child has no copy, unless it is given one.
#[derive(Debug)]
pub struct Stays<T: AsFd>(ManuallyDrop<T>);

impl<T: AsFd> Stays<T> {
    /// Puts it on the list.
    pub fn new(descriptor: T) -> Stays<T> {
        staying().insert(descriptor.as_fd().as_raw_fd());
        Stays(ManuallyDrop::new(descriptor))
    }

    /// Takes it from the list.
    pub fn into_inner(self) -> T {
        staying().remove(&self.0.as_fd().as_raw_fd());
        let mut this = ManuallyDrop::new(self);
        // SAFETY: taken once; `this` is not dropped.
        unsafe { ManuallyDrop::take(&mut this.0) }
    }
}

impl<T: AsFd> Deref for Stays<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: AsFd> Drop for Stays<T> {
    fn drop(&mut self) {
        let mut staying = staying();
        staying.remove(&self.0.as_fd().as_raw_fd());
        // Under the lock: the number may be anybody's as soon as it is closed.
        // SAFETY: dropped once, here.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}

/// The descriptors that stay, a list which does not change while it is held.
pub(crate) fn staying() -> MutexGuard<'static, BTreeSet<RawFd>> {
    STAYING.lock().unwrap_or_else(PoisonError::into_inner)
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
    Builder::new().name(name).spawn(counted(body))
}

/// Starts a thread of this library that ends before `scope` does.
///
/// # Errors
/// The system refuses a thread.
pub fn scoped_thread<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    body: impl FnOnce() + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, ()>> {
    Builder::new().name(name).spawn_scoped(scope, counted(body))
}

/// What a thread of this library does around its work.
fn counted(body: impl FnOnce() + Send) -> impl FnOnce() + Send {
    let counted = OwnThread::count();
    let begun = NoFork::begin();
    move || {
        drop(begun);
        body();
        // Dropped when the standard library has nothing more to do in this thread.
        LAST.with(|last| last.set(Some((NoFork::begin(), counted))));
    }
}

thread_local! {
    static LAST: Cell<Option<(NoFork, OwnThread)>> = const { Cell::new(None) };
}

/// While one of these lives, no process is forked: for what takes a lock of the standard library, which the
/// child would find locked for ever. A thread does on its way into its body and out of it (that of the
/// stacks' guard pages: such a child could never start a thread), and so does who reads the environment.
pub(crate) struct NoFork;

static FORKS: Mutex<Forks> = Mutex::new(Forks { wanted: 0, forbidden: 0, discouraged: 0 });
static FORKS_CHANGED: Condvar = Condvar::new();

pub(crate) struct Forks {
    /// How many threads wait for the last [`NoFork`] to end: no other begins then.
    wanted: usize,
    /// How many [`NoFork`]s live.
    forbidden: usize,
    /// How many threads of this library run code of the program.
    discouraged: usize,
}

impl NoFork {
    /// Waits for a fork that is wanted or under way. Nobody who has one may want another.
    pub(crate) fn begin() -> NoFork {
        wait_while(forks(), |forks| forks.wanted > 0).forbidden += 1;
        NoFork
    }
}

impl Drop for NoFork {
    fn drop(&mut self) {
        let mut forks = forks();
        forks.forbidden = forks.forbidden.saturating_sub(1);
        if forks.forbidden == 0 {
            FORKS_CHANGED.notify_all();
        }
    }
}

fn forks() -> MutexGuard<'static, Forks> {
    FORKS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait_while(
    forks: MutexGuard<'static, Forks>,
    condition: impl Fn(&mut Forks) -> bool,
) -> MutexGuard<'static, Forks> {
    FORKS_CHANGED.wait_while(forks, condition).unwrap_or_else(PoisonError::into_inner)
}

thread_local! {
    /// Whether this thread is in [`running_program_code`].
    static RUNS_PROGRAM_CODE: Cell<bool> = const { Cell::new(false) };
}

/// How long a fork waits for code of the program that runs on a thread of this library.
const COURTESY: Duration = Duration::from_millis(200);

/// Runs code of the program on a thread of this library. It may hold any lock of the program (that of a stream that it
/// prints on), so a fork waits for its end; but not for long, because it may itself wait for the process that is to be
/// forked.
pub fn running_program_code(run: &mut dyn FnMut()) {
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            let mut forks = forks();
            forks.discouraged = forks.discouraged.saturating_sub(1);
            FORKS_CHANGED.notify_all();
            RUNS_PROGRAM_CODE.set(false);
        }
    }
    wait_while(forks(), |forks| forks.wanted > 0).discouraged += 1;
    RUNS_PROGRAM_CODE.set(true);
    let _running = Running;
    run();
}

/// Waits until there is no [`NoFork`]; there will be none while this is held. To be taken as the last lock
/// before a fork.
pub(crate) fn may_fork() -> MutexGuard<'static, Forks> {
    let mut forks = forks();
    forks.wanted += 1;
    let until = Instant::now() + COURTESY;
    // That code may be who forks.
    let own = usize::from(RUNS_PROGRAM_CODE.get());
    while forks.discouraged > own
        && let Some(left) = until.checked_duration_since(Instant::now())
    {
        forks = FORKS_CHANGED.wait_timeout(forks, left).unwrap_or_else(PoisonError::into_inner).0;
    }
    let mut forks = wait_while(forks, |forks| forks.forbidden > 0);
    forks.wanted -= 1;
    FORKS_CHANGED.notify_all();
    forks
}

/// How many threads are this library's.
pub(crate) fn threads() -> usize {
    THREADS.load(Relaxed)
}

/// In a forked child, which has one thread: nothing of what is counted here is there any more.
pub(crate) fn forked() {
    let mut forks = forks();
    (forks.wanted, forks.discouraged) = (0, 0);
    drop(forks);
    GENERATION.fetch_add(1, Relaxed);
    THREADS.store(0, Relaxed);
}
