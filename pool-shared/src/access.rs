//! The agreement of a lock that many have to read, or one to write: a lock over who reads, who writes, and who waits.
//!
//! ```text
//!  writer   who writes; 0: nobody
//!  mark     1: somebody died writing, and nobody has taken the mark back
//!  readers  thread, and how often it has it
//!  line     who waits, in the order in which they came; those who are to write have a note
//! ```
//!
//! Who gives it back, or leaves the line, calls those whose turn it may be now: the first, or all readers before the first
//! that is to write. They take it themselves when they have woken. The first in the line looks after those that have it and
//! may have died, and everybody in it after the first.

use std::time::Instant;

use crate::raw::{LOCK_WORDS, RawLock};
use crate::rows::{Line, Row, Rows, words_for, words_for_line};
use crate::sync::{AtomicU64, Relaxed, is_alive, this_thread};

const WRITER: usize = LOCK_WORDS;
const MARK: usize = LOCK_WORDS + 1;
const READERS_AT: usize = LOCK_WORDS + 2;
/// How many threads can read at a time. Any more wait.
const READERS: usize = if cfg!(loom) { 2 } else { 4096 };
const LINE_AT: usize = READERS_AT + words_for(READERS);
/// How many threads can wait in the order in which they came. Any more wait without order.
const LINE: usize = if cfg!(loom) { 2 } else { 4096 };
/// How many words of 64 bits it has.
pub(crate) const ACCESS_WORDS: usize = LINE_AT + words_for_line(LINE);

/// What it is taken for; in the line a writer has a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    Reading,
    Writing,
}

#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    lock: RawLock<'a>,
    writer: &'a AtomicU64,
    mark: &'a AtomicU64,
    readers: Rows<'a>,
    line: Line<'a>,
}

// ORDERING of all accesses here: under the lock. Each taking and giving back is the store of one word, so whoever is
// killed under the lock has done it or has not.
impl<'a> Access<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Access<'a> {
        Access {
            lock: RawLock::new(words),
            writer: &words[WRITER],
            mark: &words[MARK],
            readers: Rows::new(&words[READERS_AT..LINE_AT]),
            line: Line::new(&words[LINE_AT..]),
        }
    }

    /// Whether one that wrote died with it. For who has it.
    pub(crate) fn is_marked(self) -> bool {
        self.mark.load(Relaxed) != 0
    }

    pub(crate) fn clear_mark(self) {
        self.mark.store(0, Relaxed);
    }

    /// Whether somebody writes, and how many read.
    pub(crate) fn holders(self) -> (bool, usize) {
        let _held = self.lock.hold();
        (self.writer.load(Relaxed) != 0, self.readers.iter().count())
    }

    pub(crate) fn try_acquire(self, what: For) -> bool {
        let _held = self.lock.hold();
        self.take_if_may(what, None) || {
            self.bury();
            self.line.bury_first();
            self.take_if_may(what, None)
        }
    }

    pub(crate) fn acquire_until(self, what: For, end: Option<Instant>) -> bool {
        let held = self.lock.hold();
        if self.take_if_may(what, None) {
            return true;
        }
        let place = self.line.join(this_thread(), what == For::Writing);
        drop(held);
        let take = |place: Option<&Row<'a>>| {
            self.take_if_may(what, place) || {
                // The first in the line looks after those that have the lock.
                if self.line.is_next(place, |_| true) {
                    self.bury();
                }
                self.take_if_may(what, place)
            }
        };
        self.line.wait(self.lock, place, end, take, || self.call_next())
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

    pub(crate) fn release(self, what: For) {
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

/// The models were seen to fail with each of these: one that gives back, or one that leaves the line, calls nobody; a row
/// that stays in the line; the line joined after the lock is given back; what is held given back without the lock; a
/// writer that does not look at those who read, or a reader at who writes.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::Arc;
    use loom::thread;

    struct Shared {
        words: Vec<AtomicU64>,
        /// Two numbers that are the same whenever nobody writes; read and written as plain memory is.
        pair: [AtomicU64; 2],
    }

    impl Shared {
        fn access(&self) -> Access<'_> {
            Access::new(&self.words)
        }

        fn write(&self) {
            assert!(self.access().acquire_until(For::Writing, None));
            self.pair.each_ref().map(|number| number.store(number.load(Relaxed) + 1, Relaxed));
            self.access().release(For::Writing);
        }

        fn read(&self) -> u64 {
            assert!(self.access().acquire_until(For::Reading, None));
            let [one, other] = self.pair.each_ref().map(|number| number.load(Relaxed));
            assert_eq!(one, other);
            self.access().release(For::Reading);
            one
        }
    }

    fn bounded(preemptions: usize, model: impl Fn(Arc<Shared>) + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(preemptions);
        builder.check(move || {
            let words = (0..ACCESS_WORDS).map(|_| AtomicU64::new(0)).collect();
            let shared = Arc::new(Shared { words, pair: [AtomicU64::new(0), AtomicU64::new(0)] });
            model(shared.clone());
            assert_eq!(shared.access().holders(), (false, 0));
            assert!(shared.access().line.first().is_none());
        });
    }

    /// One at a time, each sees what the last one wrote, and nobody is left asleep.
    #[test]
    fn two_write_by_turns() {
        bounded(3, |shared| {
            let theirs = shared.clone();
            let other = thread::spawn(move || theirs.write());
            shared.write();
            other.join().unwrap();
            assert_eq!(shared.read(), 2);
        });
    }

    #[test]
    fn who_reads_sees_nothing_half_written() {
        bounded(3, |shared| {
            let theirs = shared.clone();
            let other = thread::spawn(move || theirs.read());
            shared.write();
            assert!(other.join().unwrap() <= 1);
            assert_eq!(shared.read(), 1);
        });
    }

    /// Who gives back what another was to write calls all that wait to read.
    #[test]
    fn two_who_wait_to_read_do() {
        bounded(2, |shared| {
            assert!(shared.access().acquire_until(For::Writing, None));
            let others = [(); 2].map(|()| {
                let theirs = shared.clone();
                thread::spawn(move || theirs.read())
            });
            shared.pair.each_ref().map(|number| number.store(1, Relaxed));
            shared.access().release(For::Writing);
            for other in others {
                assert_eq!(other.join().unwrap(), 1);
            }
        });
    }

    /// One that is to write and whose time is over lets those behind it read.
    #[test]
    fn who_leaves_the_line_calls_the_next() {
        bounded(2, |shared| {
            assert!(shared.access().acquire_until(For::Reading, None));
            let theirs = shared.clone();
            let writer = thread::spawn(move || {
                if theirs.access().acquire_until(For::Writing, Some(Instant::now())) {
                    theirs.access().release(For::Writing);
                }
            });
            let theirs = shared.clone();
            let reader = thread::spawn(move || theirs.read());
            reader.join().unwrap();
            writer.join().unwrap();
            shared.access().release(For::Reading);
        });
    }
}
