//! Sleeping on a word that two processes share: futex(2), without the private flag.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Sleeps while `word` is `expected`, at most for `timeout`. Returns early for any reason or none.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |timeout| timeout as *const libc::timespec);
    // SAFETY: `word` is valid for the call, `timeout` is null or points to a live timespec. The
    // kernel only reads both. Every outcome (woken, changed, interrupted, timed out) means "look again".
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT, expected, timeout) };
}

/// Wakes up to `count` sleepers of `word`; how many it woke.
pub(crate) fn wake(word: &AtomicU32, count: i32) -> u32 {
    // SAFETY: the kernel uses the address only as the name of a queue.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}
