//! What this process keeps of itself: who it is, its children, what it does at its end.
//!
//! There is one [`Own`] for each process. A forked child has its parent's in its memory, and perhaps a lock
//! of it that a thread held which is not there any more: so a child never touches it, and begins with one
//! of its own, a generation further down the chain.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::finalize::Finalizers;
use crate::identity::Identity;
use crate::keeper::Keeper;
use crate::process::Children;

pub(crate) struct Own {
    /// Whose this is: set when it is first used.
    pid: OnceLock<u32>,
    pub(crate) identity: OnceLock<Identity>,
    pub(crate) key: OnceLock<[u8; 32]>,
    pub(crate) children: Children,
    /// How many processes it has named.
    pub(crate) named: AtomicUsize,
    pub(crate) finalizers: Finalizers,
    /// Reaps children as soon as they end, whoever holds their handles.
    pub(crate) reaper: Keeper,
    /// Hears the records of children.
    #[cfg(feature = "log")]
    pub(crate) logs: Keeper,
    next: OnceLock<Box<Own>>,
}

impl Own {
    const fn new() -> Own {
        Own {
            pid: OnceLock::new(),
            identity: OnceLock::new(),
            key: OnceLock::new(),
            children: Children::new(),
            named: AtomicUsize::new(0),
            finalizers: Finalizers::new(),
            reaper: Keeper::new("pool-reaper"),
            #[cfg(feature = "log")]
            logs: Keeper::new("pool-logs"),
            next: OnceLock::new(),
        }
    }

    /// Whether this is what the process that runs now keeps, and not what it was forked with.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.pid.get() == Some(&std::process::id())
    }
}

static FIRST: Own = Own::new();
/// How often the process was forked since `FIRST` was used.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// What this process keeps.
pub(crate) fn own() -> &'static Own {
    let mut own = &FIRST;
    // ORDERING: it changes in a process that has one thread, before it has a second.
    for _ in 0..GENERATION.load(Relaxed) {
        own = own.next.get_or_init(|| Box::new(Own::new()));
    }
    own.pid.get_or_init(std::process::id);
    own
}

/// Begins anew in a process that was just born, as `identity`.
pub(crate) fn begin(identity: Identity, key: [u8; 32]) {
    if !own().is_of_this_process() {
        // ORDERING: as above.
        GENERATION.fetch_add(1, Relaxed);
    }
    let own = own();
    let _ = own.key.set(key);
    let _ = own.identity.set(identity);
}

/// Locks without regard to poison: no user code runs under the locks in here.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
