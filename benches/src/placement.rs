//! On which cores the two ends of a round trip are.
//!
//! Left alone, the scheduler may keep one worker beside its caller and another on a core that
//! sleeps, for a whole run: an eightfold difference that has nothing to do with either side. A
//! figure can therefore also be taken with both ends on one core, or with the caller on one and
//! every other process on another.

use std::io;

use crate::Result;
use crate::process_tree::{descendants, threads_of};

/// Where a figure is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Placement {
    /// Wherever the scheduler likes.
    Free,
    /// All processes on one core.
    OneCore,
    /// This process on one core, all its children on another.
    TwoCores,
}

impl Placement {
    /// Runs `build`, which starts the children, and `measure`, with everything in its place; then
    /// frees this process again.
    pub fn during<B, T>(
        self,
        build: impl FnOnce() -> Result<B>,
        measure: impl FnOnce(B) -> Result<T>,
    ) -> Result<T> {
        let before = allowed_cores()?;
        let _restored = Restored(before);
        match (self, cores_of(&before).as_slice()) {
            (Placement::Free, _) => measure(build()?),
            (Placement::OneCore, [core, ..]) => {
                // Children and threads inherit the place.
                place(0, &only(*core))?;
                measure(build()?)
            }
            (Placement::TwoCores, [here, there, ..]) => {
                // Only afterwards, so that whoever counts the cores while starting counts them all.
                let built = build()?;
                place(0, &only(*here))?;
                for thread in descendants().into_iter().flat_map(threads_of) {
                    // A thread that has ended meanwhile is in nobody's way.
                    let _ = place(thread, &only(*there));
                }
                measure(built)
            }
            _ => Err("there are too few cores".into()),
        }
    }
}

struct Restored(libc::cpu_set_t);

impl Drop for Restored {
    fn drop(&mut self) {
        let _ = place(0, &self.0);
    }
}

fn cores_of(set: &libc::cpu_set_t) -> Vec<usize> {
    let all = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: the number is below the size of the set.
    all.filter(|core| unsafe { libc::CPU_ISSET(*core, set) }).collect()
}

fn only(core: usize) -> libc::cpu_set_t {
    // SAFETY: an all-zero set is the empty one, and the core is one the kernel named.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core, &mut set);
        set
    }
}

/// The cores the calling thread may run on.
fn allowed_cores() -> Result<libc::cpu_set_t> {
    // SAFETY: the kernel fills the set, whose size it is told.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of_val(&set), &mut set) {
            0 => Ok(set),
            _ => Err(io::Error::last_os_error().into()),
        }
    }
}

/// Binds thread `tid` to these cores; 0 is the calling thread.
fn place(tid: u32, set: &libc::cpu_set_t) -> Result<()> {
    // SAFETY: the kernel reads the set, whose size it is told.
    match unsafe { libc::sched_setaffinity(tid as i32, size_of_val(set), set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error().into()),
    }
}
