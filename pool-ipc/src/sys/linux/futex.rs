//! Sleeping on a word that two processes share: futex(2), without the private flag.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::*};
use std::time::Duration;

use super::timespec;

/// Sleeps while `word` is `expected`, at most for `timeout`. Returns early for any reason or none.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    // SAFETY: `word` is valid for the call.
    unsafe { wait_at(word.as_ptr(), expected, timeout) }
}

/// A word to sleep on, which nobody on this side reads meanwhile, and what it is expected to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected(*const u32, u32);

impl Expected {
    /// The word may be gone by the time that somebody sleeps on it: then nobody does.
    pub(crate) fn new(word: &AtomicU32, expected: u32) -> Expected {
        Expected(word.as_ptr(), expected)
    }
}

/// How many others somebody can sleep on besides.
pub(crate) const MOST_OTHERS: usize = 4;

/// The system was asked to have somebody sleep on several words, and cannot: Linux before 5.16, or a sandbox that
/// does not know the call.
static CANNOT_WAIT_FOR_ANY: AtomicBool = AtomicBool::new(false);

/// As [`wait`], while the first [`MOST_OTHERS`] of `others` are what is expected too. Where nobody can sleep on more
/// than one word, it is the first.
pub(crate) fn wait_for_any(
    word: &AtomicU32,
    expected: u32,
    others: impl Iterator<Item = Expected>,
    timeout: Duration,
) {
    // ORDERING: a fact that stands for itself.
    if CANNOT_WAIT_FOR_ANY.load(Relaxed) {
        return wait(word, expected, Some(timeout));
    }
    let all = [Expected::new(word, expected)].into_iter().chain(others);
    // SAFETY: all-zero is a valid value.
    let mut waiters: [libc::futex_waitv; 1 + MOST_OTHERS] = unsafe { std::mem::zeroed() };
    let mut count = 0_usize;
    for (waiter, Expected(word, expected)) in waiters.iter_mut().zip(all) {
        waiter.val = expected.into();
        waiter.uaddr = word.expose_provenance() as u64;
        waiter.flags = libc::FUTEX2_SIZE_U32 as u32;
        count += 1;
    }
    let until = timespec(now().saturating_add(timeout));
    // SAFETY: so many valid waiters and a valid time. The kernel reads the words; of one that is not mapped any more
    // it says so.
    let slept = unsafe {
        let (waiters, flags) = (waiters.as_ptr(), 0_usize);
        libc::syscall(libc::SYS_futex_waitv, waiters, count, flags, &raw const until, libc::CLOCK_MONOTONIC)
    };
    match io::Error::last_os_error().raw_os_error() {
        _ if slept >= 0 => {}
        // Changed, interrupted or timed out means "look again".
        Some(libc::EAGAIN | libc::EINTR | libc::ETIMEDOUT) => {}
        // Another word is gone, or there is no memory for it: this time.
        Some(libc::EFAULT | libc::ENOMEM) => wait(word, expected, Some(timeout)),
        _ => {
            // ORDERING: as above.
            CANNOT_WAIT_FOR_ANY.store(true, Relaxed);
            wait(word, expected, Some(timeout));
        }
    }
}

/// Whether nobody has found yet that the system cannot.
#[cfg(test)]
pub(crate) fn can_wait_for_any() -> bool {
    let word = AtomicU32::new(0);
    wait_for_any(&word, 1, [Expected::new(&word, 0)].into_iter(), Duration::ZERO);
    // ORDERING: as above.
    !CANNOT_WAIT_FOR_ANY.load(Relaxed)
}

/// The clock by which the system sleeps, since its beginning.
fn now() -> Duration {
    // SAFETY: all-zero is a valid time; the call writes another.
    let now = unsafe {
        let mut now: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now);
        now
    };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
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
    let timeout = timeout.map(timespec);
    let timeout = timeout.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
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
