//! Sleeping on a word that two processes share: futex(2), without the private flag.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

/// Sleeps while `word` is `expected`, at most for `timeout`. Returns early for any reason or none.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    // SAFETY: `word` is valid for the call.
    unsafe { wait_at(word.as_ptr(), expected, timeout) }
}

/// Sleeps while the low half of `word` is that of `expected`, as [`wait`].
pub(crate) fn wait_low(word: &AtomicU64, expected: u64, timeout: Option<Duration>) {
    // SAFETY: `word` is valid for the call, and so is its half. Only the kernel ever reads the half alone.
    unsafe { wait_at(low(word), expected as u32, timeout) }
}

/// Wakes up to `count` sleepers of `word`; how many it woke.
pub(crate) fn wake(word: &AtomicU32, count: i32) -> u32 {
    wake_at(word.as_ptr(), count)
}

/// Wakes up to `count` sleepers of the low half of `word`; how many it woke.
pub(crate) fn wake_low(word: &AtomicU64, count: i32) -> u32 {
    wake_at(low(word), count)
}

/// Where the low half of `word` is. To give to the kernel, and not to read.
fn low(word: &AtomicU64) -> *mut u32 {
    word.as_ptr().cast::<u32>().wrapping_add(usize::from(cfg!(target_endian = "big")))
}

/// # Safety
/// `word` points to four aligned bytes that stay for the call.
unsafe fn wait_at(word: *mut u32, expected: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(std::ptr::null(), |timeout| timeout as *const libc::timespec);
    // SAFETY: `word` is valid as the caller says, `timeout` is null or points to a live timespec. The
    // kernel only reads both. Every outcome (woken, changed, interrupted, timed out) means "look again".
    unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAIT, expected, timeout) };
}

fn wake_at(word: *mut u32, count: i32) -> u32 {
    // SAFETY: the kernel uses the address only as the name of a queue.
    let woken = unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, count) };
    u32::try_from(woken).unwrap_or(0)
}

/// Adds `number`, which is below 2^11, to `word` and wakes all who sleep on it, in one call: a process that is killed
/// has done both or neither.
pub(crate) fn add_and_wake(word: &AtomicU32, number: u32) {
    debug_assert!(number < 1 << 11);
    if !change_and_wake(word, libc::FUTEX_OP_ADD, number) {
        // ORDERING: as that of the kernel, which orders everything.
        word.fetch_add(number, SeqCst);
        wake(word, i32::MAX);
    }
}

/// Sets `bits`, which are below 2^11, in `word` and wakes all who sleep on it, as [`add_and_wake`].
pub(crate) fn set_and_wake(word: &AtomicU32, bits: u32) {
    debug_assert!(bits < 1 << 11);
    if !change_and_wake(word, libc::FUTEX_OP_OR, bits) {
        // ORDERING: as above.
        word.fetch_or(bits, SeqCst);
        wake(word, i32::MAX);
    }
}

/// FUTEX_WAKE_OP; `false` where the system does not have it, and nothing was done.
fn change_and_wake(word: &AtomicU32, operation: i32, operand: u32) -> bool {
    // Wakes more if the old value is less than the smallest that can be given here; by then all are awake.
    let operation = (operation as u32) << 28 | (libc::FUTEX_OP_CMP_LT as u32) << 24 | operand << 12 | 1 << 11;
    let (word, none) = (word.as_ptr(), 0_usize);
    // SAFETY: `word` is valid for the call. The kernel changes it as an atomic does, which `AtomicU32` allows.
    let done =
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE_OP, i32::MAX, none, word, operation) };
    done >= 0
}
