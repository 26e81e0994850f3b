//! A word in shared memory that the kernel changes as a thread ends, before it takes the memory of its process
//! apart: a robust futex, get_robust_list(2). A thread has one list of those, and the C library keeps it; so the
//! word is that of a robust mutex of the C library, which the thread locks and never unlocks.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering::Acquire};

/// The life of one thread. All zeros: of none yet.
#[repr(transparent)]
pub(crate) struct Life(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: this side only ever reads the futex word, as an atomic; the rest is the C library's, in the one thread
// whose life it is.
unsafe impl Sync for Life {}

/// Which word of the mutex is the futex, in the C libraries of this system.
const FUTEX: usize = if cfg!(target_env = "musl") { 1 } else { 0 };

impl Life {
    /// Makes it the life of the calling thread.
    ///
    /// # Errors
    /// The system has no such words.
    ///
    /// # Safety
    /// The memory can be written, stays for as long as the process, and is nobody's life yet.
    pub(crate) unsafe fn begin(&self) -> io::Result<()> {
        let done = |error: libc::c_int| match error {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        };
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are initialised before they are used, and destroyed once. The mutex is in memory
        // that stays, by this function's contract, and is locked once.
        unsafe {
            done(libc::pthread_mutexattr_init(attributes))?;
            let made = done(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))
                .and_then(|()| {
                    done(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST))
                })
                .and_then(|()| done(libc::pthread_mutex_init(self.0.get(), attributes)));
            libc::pthread_mutexattr_destroy(attributes);
            made?;
            done(libc::pthread_mutex_lock(self.0.get()))
        }
    }

    /// Whether its thread has ended, or is about to and runs nothing more.
    pub(crate) fn is_over(&self) -> bool {
        // SAFETY: in bounds of the mutex, and aligned as it is.
        let futex = unsafe { &*self.0.get().cast::<AtomicU32>().add(FUTEX) };
        // ORDERING: Acquire; the kernel writes it after everything that the thread did.
        futex.load(Acquire) & libc::FUTEX_OWNER_DIED != 0
    }
}
