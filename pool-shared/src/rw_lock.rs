//! A lock that many have to read, or one to write.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use pool_ipc::shared::Block;

use crate::crossing::{Kind, passed};
use crate::raw::{LOCK_WORDS, RawLock};
use crate::rows::{Line, Row, Rows, words_for, words_for_line};
use crate::sync::{AtomicU64, Relaxed, Waits, end_of, is_alive, this_thread};

/// The words behind the lock: who writes; whether somebody died writing.
const WRITER: usize = LOCK_WORDS;
const MARK: usize = LOCK_WORDS + 1;
const READERS_AT: usize = LOCK_WORDS + 2;
/// How many threads can read at a time. Any more wait.
const READERS: usize = 4096;
const LINE_AT: usize = READERS_AT + words_for(READERS);
/// How many threads can wait in the order in which they came. Any more wait without order.
const LINE: usize = 4096;
const WORDS: usize = LINE_AT + words_for_line(LINE);

/// A lock that many threads of all processes have at a time to read, or one to write. A clone is the same lock, and
/// so is what another process decodes.
///
/// Taking it when it can be had and giving it back take no system call. Others get it in the order in which they
/// came, readers that follow each other together; so neither readers nor writers starve. A thread that reads may
/// read once more; one that reads and wants to write, or the other way round, waits for itself.
///
/// **A holder that dies** holds it no more, and who waits gets it within about 100 ms. If it was writing, the lock is
/// marked as [abandoned](RwLock::is_abandoned) until somebody [clears](RwLock::clear_abandoned) that. A dead reader has
/// changed nothing, and leaves no mark.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::RwLock;
///
/// let lock = RwLock::new()?;
/// let guard = lock.read();
/// let tries = |lock: RwLock| (lock.try_read().is_some(), lock.try_write().is_some());
/// assert_eq!(Process::spawn(tries, lock.clone())?.join()?, (true, false));
/// drop(guard);
/// let guard = lock.write();
/// assert_eq!(Process::spawn(tries, lock.clone())?.join()?, (false, false));
/// # drop(guard);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RwLock(Block);

passed!(RwLock, Kind::RwLock, WORDS);

/// What it is taken for; in the line a writer has a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Reading,
    Writing,
}

impl RwLock {
    /// A new lock, which nobody holds.
    ///
    /// # Errors
    /// The system refuses the memory or a descriptor.
    pub fn new() -> io::Result<RwLock> {
        Ok(RwLock(Block::create(Kind::RwLock as u32, WORDS * size_of::<u64>())?))
    }

    /// Takes the lock to read, until the guard is dropped.
    pub fn read(&self) -> ReadGuard<'_> {
        while !self.state().acquire_until(For::Reading, None) {}
        ReadGuard::new(self)
    }

    /// Takes the lock to read, if it can be had and nobody waits to write.
    pub fn try_read(&self) -> Option<ReadGuard<'_>> {
        self.state().try_acquire(For::Reading).then(|| ReadGuard::new(self))
    }

    /// Takes the lock to read, unless that takes longer than `timeout`.
    pub fn read_timeout(&self, timeout: Duration) -> Option<ReadGuard<'_>> {
        self.state().acquire_until(For::Reading, end_of(timeout)).then(|| ReadGuard::new(self))
    }

    /// Takes the lock to write, until the guard is dropped.
    pub fn write(&self) -> WriteGuard<'_> {
        while !self.state().acquire_until(For::Writing, None) {}
        WriteGuard::new(self)
    }

    /// Takes the lock to write, if it can be had and nobody waits for it.
    pub fn try_write(&self) -> Option<WriteGuard<'_>> {
        self.state().try_acquire(For::Writing).then(|| WriteGuard::new(self))
    }

    /// Takes the lock to write, unless that takes longer than `timeout`.
    pub fn write_timeout(&self, timeout: Duration) -> Option<WriteGuard<'_>> {
        self.state().acquire_until(For::Writing, end_of(timeout)).then(|| WriteGuard::new(self))
    }

    /// Whether one that wrote died with it, and nobody has cleared that. For who has the lock.
    pub fn is_abandoned(&self) -> bool {
        // ORDERING: written under the lock that the caller has.
        self.state().mark.load(Relaxed) != 0
    }

    /// Says that what the lock protects is well again. For who has the lock to write.
    pub fn clear_abandoned(&self) {
        self.state().mark.store(0, Relaxed);
    }

    fn state(&self) -> State<'_> {
        let words = self.0.words64();
        State {
            lock: RawLock::new(words),
            writer: &words[WRITER],
            mark: &words[MARK],
            readers: Rows::new(&words[READERS_AT..LINE_AT]),
            line: Line::new(&words[LINE_AT..]),
        }
    }
}

#[derive(Clone, Copy)]
struct State<'a> {
    lock: RawLock<'a>,
    writer: &'a AtomicU64,
    mark: &'a AtomicU64,
    readers: Rows<'a>,
    line: Line<'a>,
}

// ORDERING of all accesses here: under the lock. Each taking and giving back is the store of one word, so whoever is
// killed under the lock has done it or has not.
impl<'a> State<'a> {
    fn try_acquire(self, what: For) -> bool {
        let _held = self.lock.hold();
        self.take_if_may(what, None) || {
            self.bury();
            self.line.bury_first();
            self.take_if_may(what, None)
        }
    }

    fn acquire_until(self, what: For, end: Option<Instant>) -> bool {
        let held = self.lock.hold();
        if self.take_if_may(what, None) {
            return true;
        }
        let place = self.line.join(this_thread(), what == For::Writing);
        drop(held);
        self.wait(what, place, end)
    }

    #[cold]
    fn wait(self, what: For, place: Option<Row<'a>>, end: Option<Instant>) -> bool {
        let mut waits = Waits::until(end);
        loop {
            let slice = waits.slice();
            if let Some(slice) = slice {
                self.line.sleep(place.as_ref(), slice);
            }
            let _held = self.lock.hold();
            self.line.bury_first();
            let takes = self.take_if_may(what, place.as_ref()) || {
                // The first in the line looks after those that have the lock.
                if self.line.is_next(place.as_ref(), |_| true) {
                    self.bury();
                }
                self.take_if_may(what, place.as_ref())
            };
            if takes || slice.is_none() {
                if let Some(row) = place {
                    row.remove();
                }
                self.call_next();
                return takes;
            }
        }
    }

    fn take_if_may(self, what: For, place: Option<&Row<'a>>) -> bool {
        let me = this_thread();
        let reads = self.readers.iter().find(|row| row.who() == me);
        match what {
            For::Reading => {
                if let Some(row) = reads {
                    row.number.store(row.number().saturating_add(1), Relaxed);
                    return true;
                }
                let may = self.writer.load(Relaxed) == 0 && self.line.is_next(place, |writes| writes);
                may && self.readers.add(me, 1).is_some()
            }
            For::Writing => {
                let is_free = self.writer.load(Relaxed) == 0 && self.readers.iter().next().is_none();
                let may = is_free && self.line.is_next(place, |_| true);
                if may {
                    self.writer.store(me, Relaxed);
                }
                may
            }
        }
    }

    /// Those that died with the lock hold it no more.
    fn bury(self) {
        self.readers.bury();
        let writer = self.writer.load(Relaxed);
        if writer != 0 && !is_alive(writer) {
            self.mark.store(1, Relaxed);
            self.writer.store(0, Relaxed);
        }
    }

    fn release(self, what: For) {
        let _held = self.lock.hold();
        let me = this_thread();
        match what {
            For::Writing => self.writer.store(0, Relaxed),
            For::Reading => {
                if let Some(row) = self.readers.iter().find(|row| row.who() == me) {
                    match row.number() {
                        0 | 1 => row.remove(),
                        times => row.number.store(times - 1, Relaxed),
                    }
                }
            }
        }
        self.call_next();
    }

    /// Something has changed: the first may have its turn now, and, if it reads, those that read up to the first that
    /// writes.
    fn call_next(self) {
        let Some(first) = self.line.first() else { return };
        if first.note() {
            return first.call();
        }
        let writer = self.line.first_with(|writes| writes).map_or(u64::MAX, |row| row.number());
        self.line.iter().filter(|row| row.number() < writer).for_each(|row| row.call());
    }
}

impl fmt::Debug for RwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let held = state.lock.hold();
        let (is_written, readers) = (state.writer.load(Relaxed) != 0, state.readers.iter().count());
        drop(held);
        f.debug_struct("RwLock")
            .field("is_written", &is_written)
            .field("readers", &readers)
            .field("is_abandoned", &self.is_abandoned())
            .finish()
    }
}

/// Makes the guard of a kind of taking.
macro_rules! guard {
    ($(#[$doc:meta])* $name:ident, $what:expr) => {
        $(#[$doc])*
        #[must_use = "the lock is given back when the guard is dropped"]
        pub struct $name<'a> {
            lock: &'a RwLock,
            /// The lock is this thread's.
            _stays: PhantomData<*const ()>,
        }

        impl<'a> $name<'a> {
            fn new(lock: &'a RwLock) -> $name<'a> {
                $name { lock, _stays: PhantomData }
            }

            /// As [`RwLock::is_abandoned`].
            pub fn is_abandoned(&self) -> bool {
                self.lock.is_abandoned()
            }
        }

        impl Drop for $name<'_> {
            fn drop(&mut self) {
                self.lock.state().release($what);
            }
        }

        impl fmt::Debug for $name<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("lock", &self.lock).finish()
            }
        }
    };
}

guard!(
    /// Has an [`RwLock`] to read, until it is dropped. It stays with the thread that took the lock.
    ReadGuard,
    For::Reading
);
guard!(
    /// Has an [`RwLock`] to write, until it is dropped. It stays with the thread that took the lock.
    WriteGuard,
    For::Writing
);

impl WriteGuard<'_> {
    /// As [`RwLock::clear_abandoned`].
    pub fn clear_abandoned(&self) {
        self.lock.clear_abandoned();
    }
}
