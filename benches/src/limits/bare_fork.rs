//! The shortest life of a copy of a small process: forked, gone, and waited for. The process that forks is a
//! child of this program, which has done nothing else: what a fork costs grows with the memory to be copied,
//! and this program's is large.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use super::futex_ping_pong::{await_change, tell};
use crate::Result;
use crate::child::Child;
use crate::figure::Side;
use crate::shared::Shared;

/// The name of the process that forks.
pub const CHILD: &str = "bare-fork";

/// The name of the side.
pub const NAME: &str = "bare fork, exit, wait";

/// Each slice: the seconds of each of `times` lives, by the clock of the process that forks.
pub fn side(times: usize) -> Result<Side> {
    let (shared, memory) = Shared::create(0)?;
    let mut child = Child::spawn(CHILD, "", Some(memory))?;
    let mut number = 0_u32;
    let mut life = move || {
        number = number.wrapping_add(1);
        tell(shared.word(0), number);
        await_change(shared.word(1), number.wrapping_sub(1), || child.check())?;
        // ORDERING: Relaxed: written before the word that was just awaited.
        Ok(time(&shared).load(Relaxed) as f64 * 1e-9)
    };
    Ok(Side::limit(NAME, move || {
        (0..times)
            .map(|_| {
                // As its rival does between two deaths.
                std::thread::sleep(super::BETWEEN_LIVES);
                life()
            })
            .collect()
    }))
}

/// Lives one life whenever it is told to.
pub fn child() -> Result<()> {
    let shared = Shared::inherited(0)?;
    let mut number = 0_u32;
    loop {
        await_change(shared.word(0), number, || Ok(()))?;
        number = number.wrapping_add(1);
        let start = Instant::now();
        live()?;
        // ORDERING: Relaxed: read after the word that is told next.
        time(&shared).store(start.elapsed().as_nanos() as u64, Relaxed);
        tell(shared.word(1), number);
    }
}

fn time(shared: &Shared) -> &AtomicU64 {
    shared.sequence(2)
}

fn live() -> Result<()> {
    // SAFETY: this process has one thread, and its copy does nothing but leave.
    let (pid, waited) = unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(0);
        }
        (pid, libc::waitpid(pid, std::ptr::null_mut(), 0))
    };
    if pid < 0 || waited != pid {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(())
}
