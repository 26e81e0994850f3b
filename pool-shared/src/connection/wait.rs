//! Waiting for many things at once.
//!
//! Most have a descriptor, and the system waits for any number of these. A queue is shared memory, on which one can
//! sleep, but not on it and something else at once. So for the time of a `wait` that finds nothing ready each queue
//! has a thread that sleeps on it, and knocks. When the wait is over the thread is woken for as long as it
//! takes to end: none is left.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pool_ipc::own::scoped_thread;
use pool_ipc::stream::{Knock, readable_of};

use self::sealed::{Sealed, Sleeper, Waited};

/// What [`wait`] can wait for: whatever has a descriptor (a [`Connection`](crate::Connection), a
/// [`Listener`](crate::Listener), the sentinel of a process, a socket), and queues.
pub trait Waitable: Sealed {}

pub(crate) mod sealed {
    use std::os::fd::BorrowedFd;

    /// How one waits for it.
    pub trait Sealed {
        fn waited(&self) -> Waited<'_>;
    }

    /// What to wait on.
    pub enum Waited<'a> {
        /// Ready when this is readable, or at its end.
        Descriptor(BorrowedFd<'a>),
        /// Something else on which a thread can sleep.
        Memory(&'a dyn Sleeper),
    }

    /// Something in memory that becomes ready.
    pub trait Sleeper: Sync {
        /// Whether it is ready now.
        fn is_ready(&self) -> bool;

        /// Sleeps while it is not ready; may return early. Takes nothing: where the maker of a change wakes one
        /// sleeper, who is woken here has to wake the next.
        fn sleep(&self);

        /// Wakes whoever is in `sleep`.
        fn disturb(&self);
    }
}

impl<D: AsFd + ?Sized> Sealed for D {
    fn waited(&self) -> Waited<'_> {
        Waited::Descriptor(self.as_fd())
    }
}

impl<S: Sealed + ?Sized> Waitable for S {}

/// Waits until one of `things` is ready, at most for `timeout` (`None`: without a limit; zero: looks and returns). Gives
/// the places of those that are ready, and of no others, in order; none when the time is over.
///
/// A connection is ready when it has a message or is at its end, a listener when somebody wants to connect, the sentinel
/// of a process when the process has ended, a queue when it has an item. What is ready may be taken by somebody
/// else before it is used.
///
/// # Errors
/// The system refuses: more things than the process may have descriptors; with queues, a descriptor or a thread.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{one_way, wait};
///
/// let (sender, receiver) = one_way::<u64>()?;
/// let child = Process::spawn(|sender: pool_shared::Sender<u64>| sender.send(&7).unwrap(), sender)?;
/// assert_eq!(wait(&[&receiver], None)?, [0]);
/// assert_eq!(receiver.recv()?, 7);
/// assert_eq!(wait(&[&child.sentinel(), &receiver], None)?.is_empty(), false);
/// child.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn wait(things: &[&dyn Waitable], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    let (mut descriptors, mut sleepers) = (Vec::new(), Vec::new());
    for (place, thing) in things.iter().enumerate() {
        match thing.waited() {
            Waited::Descriptor(descriptor) => descriptors.push((place, descriptor)),
            Waited::Memory(sleeper) => sleepers.push((place, sleeper)),
        }
    }
    let readable = |wait, knock: Option<&Knock>| -> io::Result<Vec<usize>> {
        let all: Vec<BorrowedFd<'_>> =
            descriptors.iter().map(|(_, descriptor)| *descriptor).chain(knock.map(AsFd::as_fd)).collect();
        let found = readable_of(&all, wait)?.into_iter();
        Ok(found.filter_map(|nth| descriptors.get(nth)).map(|(place, _)| *place).collect())
    };
    if sleepers.is_empty() {
        return readable(timeout, None);
    }
    // A time past the end of time is none.
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    loop {
        let mut places = readable(Some(Duration::ZERO), None)?;
        places.extend(sleepers.iter().filter(|(_, sleeper)| sleeper.is_ready()).map(|(place, _)| place));
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if !places.is_empty() || left == Some(Duration::ZERO) {
            places.sort_unstable();
            return Ok(places);
        }
        let knock = Knock::new()?;
        while_they_sleep(&sleepers, &knock, || readable(left, Some(&knock)))?;
    }
}

/// Runs `body` while a thread for each sleeper sleeps on it, to knock when it is ready. The threads have ended when
/// this returns.
fn while_they_sleep<U>(
    sleepers: &[(usize, &dyn Sleeper)],
    knock: &Knock,
    body: impl FnOnce() -> io::Result<U>,
) -> io::Result<U> {
    let night = Night {
        sleepers,
        asleep: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        caller: thread::current(),
    };
    let (night, mut place) = (&night, 0);
    thread::scope(|scope| {
        let _morning = Morning(night);
        for (_, sleeper) in sleepers {
            place += 1;
            // ORDERING: only the number matters here; see `Morning`.
            night.asleep.fetch_add(1, Relaxed);
            let sleep = move || {
                // ORDERING: the flag comes with nothing else.
                while !night.is_over.load(Relaxed) && !sleeper.is_ready() {
                    sleeper.sleep();
                }
                knock.knock();
                night.leave();
            };
            if let Err(error) = scoped_thread(scope, format!("pool-wait-{place}"), sleep) {
                night.leave();
                return Err(error);
            }
        }
        body()
    })
}

/// What the threads that sleep have in common.
struct Night<'a> {
    sleepers: &'a [(usize, &'a dyn Sleeper)],
    /// How many have not left yet.
    asleep: AtomicUsize,
    is_over: AtomicBool,
    caller: Thread,
}

impl Night<'_> {
    fn leave(&self) {
        // ORDERING: the last thing that a thread does with any of this; nothing is handed over.
        self.asleep.fetch_sub(1, Relaxed);
        self.caller.unpark();
    }
}

/// Ends the night when it is dropped.
struct Morning<'a>(&'a Night<'a>);

/// How long a thread has to leave before it is woken again: it may have looked just before it was told to leave, and
/// fallen asleep just after it was woken.
const AGAIN: Duration = Duration::from_millis(1);

impl Drop for Morning<'_> {
    fn drop(&mut self) {
        let night = self.0;
        // ORDERING: whoever misses it is woken again, and looks again.
        night.is_over.store(true, Relaxed);
        while night.asleep.load(Relaxed) > 0 {
            night.sleepers.iter().for_each(|(_, sleeper)| sleeper.disturb());
            thread::park_timeout(AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;
    use crate::one_way;

    /// A number of items, as a queue has them.
    #[derive(Default)]
    struct Items(Mutex<(usize, usize)>, Condvar);

    impl Items {
        fn put(&self) {
            self.0.lock().unwrap().0 += 1;
            self.1.notify_one();
        }
    }

    impl Sleeper for Items {
        fn is_ready(&self) -> bool {
            self.0.lock().unwrap().0 > 0
        }

        fn sleep(&self) {
            let items = self.0.lock().unwrap();
            if items.0 == 0 {
                drop(self.1.wait(items).unwrap());
            }
            self.1.notify_one();
        }

        fn disturb(&self) {
            self.0.lock().unwrap().1 += 1;
            self.1.notify_all();
        }
    }

    impl Sealed for Items {
        fn waited(&self) -> Waited<'_> {
            Waited::Memory(self)
        }
    }

    #[test]
    fn what_sleeps_in_memory_wakes_a_wait_and_no_thread_is_left() {
        let (sender, receiver) = one_way::<u8>().unwrap();
        let (first, second) = (Items::default(), Items::default());
        let things: [&dyn Waitable; 3] = [&first, &receiver, &second];
        assert_eq!(wait(&things, Some(Duration::ZERO)).unwrap(), []);
        assert_eq!(wait(&things, Some(Duration::from_millis(5))).unwrap(), []);
        thread::scope(|scope| {
            scope.spawn(|| second.put());
            assert_eq!(wait(&things, None).unwrap(), [2]);
        });
        sender.send(&1).unwrap();
        assert_eq!(wait(&things, None).unwrap(), [1, 2]);
        first.put();
        assert_eq!(wait(&things, None).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn a_wait_that_ends_by_something_else_lets_the_sleepers_go_however_they_are_met() {
        let (one, other) = crate::pipe::<u8, u8>().unwrap();
        let items = Items::default();
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..500 {
                    let number = other.recv().unwrap();
                    other.send(&number).unwrap();
                }
            });
            for number in 0..500_u32 {
                one.send(&(number as u8)).unwrap();
                assert_eq!(wait(&[&items, &one], None).unwrap(), [1]);
                assert_eq!(one.recv().unwrap(), number as u8);
            }
        });
    }
}
