//! Who it is that holds something: a thread or a process by its id and the time it started.
//!
//! Ids are used again. So a name is an id and, with it, the time at which its bearer started, in one word that one
//! store writes: nobody is ever seen with the id of one and the time of another.

use std::cell::Cell;

use crate::own::generation;
use crate::sys::process;

/// The bits of a word that name somebody: the id in the low 30, the time in the upper 32. The two bits between them
/// are for the word's owner to use.
pub const WHO: u64 = !FLAGS;
const FLAGS: u64 = 0b11 << ID_BITS;
/// The system's ids are below 2^22.
const ID_BITS: u32 = 30;
const TIME_AT: u32 = 32;

thread_local! {
    /// This thread's name, and the generation of the process that it was asked in: a forked child's only thread
    /// has the memory of another, but is somebody else.
    static THREAD: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
    static PROCESS: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// This thread's name, which is not 0.
#[inline]
pub fn this_thread() -> u64 {
    let (who, asked) = THREAD.get();
    if who != 0 && asked == generation() { who } else { ask_thread() }
}

#[cold]
fn ask_thread() -> u64 {
    let who = name(process::thread_id());
    THREAD.set((who, generation()));
    who
}

/// This process's name: that of its first thread.
#[inline]
pub fn this_process() -> u64 {
    let (who, asked) = PROCESS.get();
    if who != 0 && asked == generation() { who } else { ask_process() }
}

#[cold]
fn ask_process() -> u64 {
    let who = name(std::process::id());
    PROCESS.set((who, generation()));
    who
}

/// A time that the system does not tell is 0.
fn name(id: u32) -> u64 {
    let started = process::started(id).ok().flatten().unwrap_or(0);
    u64::from(id) & ((1 << ID_BITS) - 1) | started << TIME_AT
}

/// The id in a name.
pub fn id_of(who: u64) -> u32 {
    (who & ((1 << ID_BITS) - 1)) as u32
}

/// Whether the bearer of this name still runs. A process that has ended does not, whether or not somebody has asked
/// for its status yet. In doubt it does.
pub fn is_alive(who: u64) -> bool {
    match process::started(id_of(who)) {
        Ok(None) => false,
        Ok(Some(started)) => who >> TIME_AT == 0 || (started << TIME_AT) >> TIME_AT == who >> TIME_AT,
        Err(_) => process::exists(id_of(who)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_lives_until_it_has_ended() {
        let me = this_thread();
        assert_eq!(me, this_thread());
        assert_eq!(me & WHO, me);
        assert!(me != 0 && is_alive(me) && is_alive(this_process()));
        let other = std::thread::spawn(|| {
            let me = this_thread();
            assert!(is_alive(me));
            me
        });
        let other = other.join().unwrap();
        assert_ne!(other, me);
        // It is on the system's list for a moment more.
        while is_alive(other) {
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_id_that_is_used_again_is_somebody_else() {
        assert!(!is_alive(this_process() ^ 1 << TIME_AT));
    }

    #[test]
    fn a_process_that_nobody_reaped_has_ended() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let who = name(child.id());
        while is_alive(who) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_alive(who));
    }
}
