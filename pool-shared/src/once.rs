//! What is to be done once.

use std::fmt;
use std::io;

use pool_ipc::shared::Block;

use crate::crossing::{Kind, passed};
use crate::sync::{
    Acquire, AtomicU64, FIRST, Relaxed, Release, SECOND, WHO, Waits, is_alive, this_thread, wait_low,
    wake_low,
};

/// The word: who runs it; or that it is done. `WAITED`: somebody sleeps on the word.
const DONE: u64 = FIRST;
const WAITED: u64 = SECOND;

/// What one of all processes is to do once. A clone is the same, and so is what another process decodes.
///
/// **One that dies** while it does it, or panics, has not done it: the next one does.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::Once;
///
/// let once = Once::new()?;
/// let ran_here = once.call_once(|| println!("once"));
/// let child = Process::spawn(|once: Once| once.call_once(|| println!("twice")), once.clone())?;
/// assert!(ran_here && !child.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Once(Block);

passed!(Once, Kind::Once, 1);

impl Once {
    /// A new one, not done.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<Once> {
        Ok(Once(Block::create(Kind::Once as u32, size_of::<u64>())?))
    }

    /// Runs `action`, unless it has been done; whether it ran. When this returns it has been done, and what was written
    /// meanwhile is seen. While another does it, this waits. An `action` that calls this waits for itself.
    pub fn call_once(&self, action: impl FnOnce()) -> bool {
        /// Not done, unless it has come to its end.
        struct Running<'a>(&'a Once);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.end(0);
            }
        }
        if !self.begin() {
            return false;
        }
        let running = Running(self);
        action();
        std::mem::forget(running);
        self.end(DONE);
        true
    }

    /// Whether it has been done.
    pub fn is_completed(&self) -> bool {
        // ORDERING: Acquire: what was written before it was done; pairs with the release in `end`.
        self.word().load(Acquire) & DONE != 0
    }

    /// Whether this thread is to do it. `false`: it is done.
    fn begin(&self) -> bool {
        let me = this_thread();
        let mut waits = Waits::until(None);
        let mut before = None;
        loop {
            // ORDERING: Acquire, as in `is_completed`.
            let seen = self.word().load(Acquire);
            if seen & DONE != 0 {
                return false;
            }
            let runner = seen & WHO;
            if runner == 0 || before == Some(seen) && !is_alive(runner) {
                // ORDERING: Acquire: what one that gave up has written.
                if self.word().compare_exchange(seen, me | seen & WAITED, Acquire, Relaxed).is_ok() {
                    return true;
                }
                continue;
            }
            let asleep = seen | WAITED;
            if seen != asleep && self.word().compare_exchange(seen, asleep, Relaxed, Relaxed).is_err() {
                continue;
            }
            wait_low(self.word(), asleep, waits.slice());
            before = Some(asleep);
        }
    }

    fn end(&self, outcome: u64) {
        // ORDERING: Release: what was written meanwhile; pairs with the loads of the word.
        if self.word().swap(outcome, Release) & WAITED != 0 {
            wake_low(self.word(), u32::MAX);
        }
    }

    fn word(&self) -> &AtomicU64 {
        &self.0.words64()[0]
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("is_completed", &self.is_completed()).finish()
    }
}
