//! What is to be done once.

use std::fmt;
use std::io;

use pool_ipc::shared::Block;

use crate::claim::Claim;
use crate::crossing::{Kind, passed};

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
        struct Running<'a>(Claim<'a>);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.give_up();
            }
        }
        if !self.claim().begin() {
            return false;
        }
        let running = Running(self.claim());
        action();
        std::mem::forget(running);
        self.claim().complete();
        true
    }

    /// Whether it has been done.
    pub fn is_completed(&self) -> bool {
        self.claim().is_done()
    }

    fn claim(&self) -> Claim<'_> {
        Claim::new(&self.0.words64()[0])
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("is_completed", &self.is_completed()).finish()
    }
}
