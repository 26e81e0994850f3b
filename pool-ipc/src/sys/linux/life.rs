//! A word in shared memory that the kernel changes as a thread ends, before it takes the memory of its process
//! apart: a robust futex, get_robust_list(2). A thread has one list of those, and the C library keeps it; so the
//! word is that of a robust mutex of the C library, which the thread locks and never unlocks.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering::*};

use super::futex::Expected;

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
            done(libc::pthread_mutex_lock(self.0.get()))?;
        }
        // The kernel wakes a sleeper where it is told that there is one. Who that is, this side does not know.
        // ORDERING: a bit that stands for itself.
        self.futex().fetch_or(libc::FUTEX_WAITERS, Relaxed);
        Ok(())
    }

    /// Whether its thread has ended, or is about to and runs nothing more.
    pub(crate) fn is_over(&self) -> bool {
        // ORDERING: Acquire; the kernel writes it after everything that the thread did.
        is_end(self.futex().load(Acquire))
    }

    /// What to sleep on until its thread ends; `None`: it has ended, or is nobody's yet.
    pub(crate) fn expected(&self) -> Option<Expected> {
        // ORDERING: who sleeps looks again.
        let now = self.futex().load(Relaxed);
        (now != 0 && !is_end(now)).then(|| Expected::new(self.futex(), now))
    }

    fn futex(&self) -> &AtomicU32 {
        // SAFETY: in bounds of the mutex, and aligned as it is. The C library uses it as an atomic too.
        unsafe { &*self.0.get().cast::<AtomicU32>().add(FUTEX) }
    }
}

fn is_end(futex: u32) -> bool {
    futex & libc::FUTEX_OWNER_DIED != 0
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::sys::futex;

    /// A thread that has begun its life, and ends when the sender goes.
    fn living() -> (&'static Life, std::sync::mpsc::Sender<()>, thread::JoinHandle<()>) {
        // SAFETY: all zeros are the life of nobody.
        let life: &'static Life = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
        let ((begun, has_begun), (keep, end)) = (channel(), channel::<()>());
        let thread = thread::spawn(move || {
            // SAFETY: the memory was leaked, and is this thread's alone.
            begun.send(unsafe { life.begin() }).unwrap();
            let _ = end.recv();
        });
        has_begun.recv().unwrap().unwrap();
        (life, keep, thread)
    }

    #[test]
    fn a_life_is_over_when_its_thread_has_ended_and_not_before() {
        let (life, keep, thread) = living();
        assert!(!life.is_over() && life.expected().is_some());
        drop(keep);
        thread.join().unwrap();
        assert!(life.is_over() && life.expected().is_none());
    }

    #[test]
    fn who_sleeps_on_a_life_is_woken_by_its_end() {
        if !futex::can_wait_for_any() {
            // Linux before 5.16: nobody sleeps on a life.
            return;
        }
        const FOR_EVER: Duration = Duration::from_secs(1 << 20);
        for _ in 0..50 {
            let (life, keep, thread) = living();
            let sleeper = thread::spawn(move || {
                let bell = AtomicU32::new(0);
                while let Some(expected) = life.expected() {
                    futex::wait_for_any(&bell, 0, [expected].into_iter(), FOR_EVER);
                }
                assert!(life.is_over());
            });
            drop(keep);
            sleeper.join().unwrap();
            thread.join().unwrap();
        }
    }
}
