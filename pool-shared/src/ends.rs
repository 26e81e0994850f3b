//! The words by which the two ends of a queue agree.
//!
//! ```text
//!  an end   count       items put (or got) here, ever; the lowest bit: closed
//!           positions   where the next item begins, in two places: that of the count's parity is true
//!           asleep      the count on which somebody of the other end sleeps
//!           hint        what this end last saw of the other one's count and position
//!           own         the count and the position once more, in the line of the lock
//! ```
//!
//! Who holds the end's lock writes its count, positions and hint. The position goes to the place that is not true,
//! and the store of the count makes it true: one store moves both. Whoever dies leaves an end as it was or as it
//! should be. What may be behind is the end's own copy, which who takes the lock from a dead one writes anew.
//!
//! That copy saves a fifth of the time there and back. One who waits at the other end takes away the line of the count, and
//! who moved on by reading the count first would fetch that line twice: to read it, and then to write it.
//!
//! **Nobody sleeps on what is there.** A consumer that finds nothing announces the count on which it will sleep, then
//! looks whether the tail's lock is held; the kernel compares the count again as it falls asleep. A producer takes the
//! lock, and then looks at the announcement; with a sequentially consistent fence in between on both sides.
//!
//! - If the producer sees the announcement, it has the kernel add to the count and wake the sleepers in one call. A
//!   producer that is killed has done both or neither.
//! - If it does not, the consumer sees the lock: held, or free again after the count was stored. In the second case it
//!   does not fall asleep. In the first it sleeps for a moment only, and looks again, for as long as the lock is held;
//!   if its holder has died it takes the lock and gives it back. (So that this costs no time the producer looks for
//!   the announcement once more when it is done, and wakes.)
//!
//! All who sleep are woken, since any one of them may die before it takes anything. An announcement is void as soon as
//! the count has changed: nobody needs to take it back, also not one who died. It never replaces a later one. Producers
//! that wait for room sleep on the head's count in the same way.

use crate::sync::{Acquire, AtomicU32, Relaxed, Release, SeqCst, fence};

/// How many words an end has: the first half for its own side, the second for what the other side reads. Each begins a
/// cache line, and there are some between them: processors fetch more lines than one was asked for, and would take away
/// what the other side is writing.
pub(crate) const END_WORDS: usize = 256;
/// The words from 0 on are for the end's lock.
pub(crate) const LOCK_WORDS: usize = 8;

const ASLEEP: usize = LOCK_WORDS;
const HINT_COUNT: usize = LOCK_WORDS + 1;
const HINT_POSITION: usize = LOCK_WORDS + 2;
const OWN_COUNT: usize = LOCK_WORDS + 3;
const OWN_POSITION: usize = LOCK_WORDS + 4;
const OWN_CORE: usize = LOCK_WORDS + 5;
const COUNT: usize = 128;
const POSITIONS: usize = 129;
const CORE: usize = 131;
/// Two places, each the item's length and one, and then its bytes. All is in the count's cache line.
const NEWEST: usize = 132;
const NEWEST_WORDS: usize = if cfg!(loom) { 3 } else { 6 };
const _: () = assert!(NEWEST + 2 * NEWEST_WORDS <= COUNT + 16 && COUNT.is_multiple_of(16));

/// How large an item may be that is kept beside the count.
pub(crate) const SMALL: usize = (NEWEST_WORDS - 1) * size_of::<u32>();

/// The bit of a count that says that the queue is closed.
pub(crate) const CLOSED: u32 = 1;
/// One item, in a count.
pub(crate) const ONE: u32 = 2;
/// So often the other end's position is read anew while it moves, before one makes do with an older one.
const TRIES: u32 = if cfg!(loom) { 2 } else { 100 };

/// One end of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End<'a>(&'a [AtomicU32; END_WORDS]);

/// How far an end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Its count.
    pub(crate) count: u32,
    /// Its position.
    pub(crate) position: u32,
}

impl Mark {
    /// How many items `self`, the tail's, is ahead of the head's.
    #[inline]
    pub(crate) fn items_since(self, head: Mark) -> u32 {
        items_between(head.count, self.count)
    }

    /// Whether the queue is closed.
    #[inline]
    pub(crate) fn is_closed(self) -> bool {
        self.count & CLOSED != 0
    }

    /// One item further on, where the one after it begins at `position`.
    #[inline]
    pub(crate) fn next(self, position: u32) -> Mark {
        Mark { count: self.count.wrapping_add(ONE), position }
    }
}

/// A small item as it is kept beside the count: its length and one, or 0, and then its bytes and zeros.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Small([u32; NEWEST_WORDS]);

impl Small {
    /// The item is too large.
    const NONE: Small = Small([0; NEWEST_WORDS]);

    #[inline]
    pub(crate) fn of(item: &[u8]) -> Small {
        if item.len() > SMALL {
            return Small::NONE;
        }
        let mut bytes = [0; SMALL];
        bytes[..item.len()].copy_from_slice(item);
        Small::of_whole(bytes, item.len())
    }

    /// The same of the first `len` of these bytes, behind which there are zeros.
    #[inline(always)]
    pub(crate) fn of_number(bytes: &[u8; 16], len: usize) -> Small {
        if len > SMALL {
            return Small::NONE;
        }
        let mut whole = [0; SMALL];
        let common = SMALL.min(bytes.len());
        whole[..common].copy_from_slice(&bytes[..common]);
        Small::of_whole(whole, len)
    }

    #[inline(always)]
    fn of_whole(bytes: [u8; SMALL], len: usize) -> Small {
        let mut small = Small([len as u32 + 1; NEWEST_WORDS]);
        let (words, _) = bytes.as_chunks();
        for (place, word) in small.0[1..].iter_mut().zip(words) {
            *place = u32::from_ne_bytes(*word);
        }
        small
    }

    /// Its first bytes, and zeros where it has fewer.
    #[inline]
    pub(crate) fn first_bytes(&self) -> [u8; 8] {
        let [_, low, high, ..] = self.0;
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&low.to_ne_bytes());
        bytes[4..].copy_from_slice(&high.to_ne_bytes());
        bytes
    }

    /// The item.
    #[inline]
    fn found(self) -> Option<Found> {
        let [length, words @ ..] = self.0;
        let len = (length as usize).checked_sub(1).filter(|length| *length <= SMALL)?;
        let mut bytes = [0; SMALL];
        let (places, _) = bytes.as_chunks_mut();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        Some(Found { bytes, len })
    }
}

/// A small item that was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    bytes: [u8; SMALL],
    /// At most [`SMALL`].
    len: usize,
}

impl Found {
    /// An item of so many bytes, at most [`SMALL`], which `fill` writes.
    #[inline]
    pub(crate) fn filled<E>(len: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Found, E> {
        let mut found = Found { bytes: [0; SMALL], len: len.min(SMALL) };
        fill(&mut found.bytes[..found.len])?;
        Ok(found)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A sequentially consistent fence behind the taking of a lock. On x86 that was a locked instruction, which is such a
/// fence already: the compiler alone must not reorder. (Another would cost a third of a `put`.)
#[inline]
fn fence_after_lock() {
    if cfg!(all(target_arch = "x86_64", not(loom))) {
        std::sync::atomic::compiler_fence(SeqCst);
    } else {
        fence(SeqCst);
    }
}

/// How many items are between the head's count and the tail's.
#[inline]
pub(crate) fn items_between(head: u32, tail: u32) -> u32 {
    (tail & !CLOSED).wrapping_sub(head & !CLOSED) / ONE
}

impl<'a> End<'a> {
    /// The end whose words these are; zeros are those of a new one.
    #[inline]
    pub(crate) fn new(words: &'a [AtomicU32; END_WORDS]) -> End<'a> {
        End(words)
    }

    /// The word on which the other end sleeps.
    #[inline]
    pub(crate) fn count_word(self) -> &'a AtomicU32 {
        &self.0[COUNT]
    }

    /// Its count.
    #[inline]
    pub(crate) fn count(self) -> u32 {
        // ORDERING: Acquire, for what was written before it was stored; pairs with `commit`.
        self.0[COUNT].load(Acquire)
    }

    /// How far it has come, for who holds its lock: without the count's line.
    #[inline]
    pub(crate) fn own(self) -> Mark {
        // ORDERING: the lock orders both.
        Mark { count: self.0[OWN_COUNT].load(Relaxed), position: self.0[OWN_POSITION].load(Relaxed) }
    }

    /// Remembers how far it has come. For who holds its lock.
    #[inline]
    pub(crate) fn set_own(self, now: Mark) {
        // ORDERING: as in `own`.
        self.0[OWN_COUNT].store(now.count, Relaxed);
        self.0[OWN_POSITION].store(now.position, Relaxed);
    }

    /// Finds out anew how far it has come. For who holds its lock, after another died with it or set a bit of the count.
    pub(crate) fn find_own(self) {
        // ORDERING: who holds the lock comes after all that the last one did, dead or not.
        let count = self.0[COUNT].load(Relaxed);
        self.set_own(Mark { count, position: self.position(count).load(Relaxed) });
    }

    /// How far it has come, for the other end; `None` if it moves too fast to tell.
    #[inline]
    pub(crate) fn read(self) -> Option<Mark> {
        for _ in 0..TRIES {
            let count = self.count();
            // ORDERING: Acquire: a position that was written after the next count was stored brings that count
            // along, and the comparison fails; pairs with the store in `stage`.
            let position = self.position(count).load(Acquire);
            if self.0[COUNT].load(Relaxed) == count {
                return Some(Mark { count, position });
            }
        }
        None
    }

    /// Writes the position of `next`, which the commit of that makes true. For who holds the lock.
    #[inline]
    pub(crate) fn stage(self, next: Mark) {
        // ORDERING: Release, for `read`.
        self.position(next.count).store(next.position, Release);
    }

    /// Writes the position and the newest item of `next`, which the commit of that makes true. For who holds the lock,
    /// and has written the item to the ring. The commit is to follow at once: who waits for it takes the cache line away.
    #[inline]
    pub(crate) fn stage_newest(self, next: Mark, newest: Small) {
        self.stage(next);
        let places = self.newest(next.count);
        for (place, word) in places.iter().zip(newest.0) {
            // ORDERING: Release, for `read_newest`.
            place.store(word, Release);
        }
    }

    /// The item that was put last when the count was `seen`; `None`: it is not small, or the count is another already.
    #[inline]
    pub(crate) fn read_newest(self, seen: u32) -> Option<Found> {
        let places = self.newest(seen);
        let mut newest = Small::NONE;
        for (word, place) in newest.0.iter_mut().zip(places) {
            // ORDERING: Acquire: what was written after the next count was stored brings that count along, and the
            // comparison fails; pairs with the stores in `stage_newest`.
            *word = place.load(Acquire);
        }
        (self.0[COUNT].load(Relaxed) == seen).then_some(newest)?.found()
    }

    /// Whether somebody of the other end may sleep until this end moves on from `now`. For who holds the lock.
    #[inline]
    pub(crate) fn has_sleeper(self, now: Mark) -> bool {
        // ORDERING: orders the taking of the lock before the load; pairs with the fence in `announce`.
        fence_after_lock();
        self.0[ASLEEP].load(Relaxed) == now.count
    }

    /// Moves on by one item to `next`, which was staged. Only if nobody sleeps; otherwise the kernel is to add [`ONE`] to
    /// the word and wake in one call. For who holds the lock.
    #[inline]
    pub(crate) fn commit(self, next: Mark) {
        // ORDERING: Release, for the item and the position; pairs with `count`.
        self.0[COUNT].store(next.count, Release);
    }

    /// Whether somebody fell asleep on `then`, from which this end has moved on, and has to be woken. For who has given
    /// the lock back; if it comes too early to see somebody, that one sleeps for a moment only.
    #[inline]
    pub(crate) fn left_sleeper(self, then: Mark) -> bool {
        // ORDERING: a hint.
        self.0[ASLEEP].load(Relaxed) == then.count
    }

    /// Announces to this end that one of the other end will sleep on `seen`; `false`: the count is another already.
    /// The caller then looks whether this end's lock is held.
    pub(crate) fn announce(self, seen: u32) -> bool {
        loop {
            // ORDERING: Acquire: who sees a later announcement sees the later count, too.
            let other = self.0[ASLEEP].load(Acquire);
            if self.count() != seen {
                return false;
            }
            // ORDERING: Release, for the Acquire above.
            if other == seen || self.0[ASLEEP].compare_exchange(other, seen, Release, Relaxed).is_ok() {
                // ORDERING: orders the announcement before the caller's look at the lock; pairs with the fence in
                // `has_sleeper`.
                fence(SeqCst);
                return true;
            }
        }
    }

    /// What was last seen of the other end. For who holds the lock, as the next one.
    #[inline]
    pub(crate) fn hint(self) -> Mark {
        // ORDERING: the lock orders both. Each is a value that the other end once had, also if who wrote them died
        // in between.
        Mark { count: self.0[HINT_COUNT].load(Relaxed), position: self.0[HINT_POSITION].load(Relaxed) }
    }

    /// Remembers what was seen of the other end.
    #[inline]
    pub(crate) fn set_hint(self, seen: Mark) {
        // ORDERING: as in `hint`.
        self.0[HINT_COUNT].store(seen.count, Relaxed);
        self.0[HINT_POSITION].store(seen.position, Relaxed);
    }

    /// Remembers on which core this end was last used. For who holds the lock.
    #[inline]
    pub(crate) fn set_core(self, core: u32) {
        // ORDERING: a hint. Written only when it changes, as the other end reads the line of that.
        if self.0[OWN_CORE].load(Relaxed) != core {
            self.0[OWN_CORE].store(core, Relaxed);
            self.0[CORE].store(core, Relaxed);
        }
    }

    /// What was last given to [`set_core`](End::set_core).
    pub(crate) fn core(self) -> u32 {
        // ORDERING: a hint.
        self.0[CORE].load(Relaxed)
    }

    #[inline]
    fn position(self, count: u32) -> &'a AtomicU32 {
        &self.0[POSITIONS + ((count / ONE) % 2) as usize]
    }

    #[inline]
    fn newest(self, count: u32) -> &'a [AtomicU32; NEWEST_WORDS] {
        let (places, _) = self.0[NEWEST..].as_chunks();
        &places[((count / ONE) % 2) as usize]
    }
}

/// Each of these was seen to fail when it was weakened in turn: the fence after taking the lock, or the one in
/// `announce`, left out; the lock not looked at, or read relaxed; the announcement stored instead of compared, or read
/// relaxed, or made without comparing the count; the count stored and the sleepers woken in two steps; one place for both
/// positions; the store or the load of a position or of the count relaxed; the count not read again after the position.
/// Of the newest item: its stores or its loads relaxed; one place for both; the count not read again.
#[cfg(all(test, loom))]
mod model {
    use super::*;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    /// How somebody sleeps.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Sleep {
        ForAMoment,
        UntilWoken,
    }

    struct Queue {
        tail: Box<[AtomicU32; END_WORDS]>,
        lock: AtomicU32,
        item: AtomicU32,
        /// Who sleeps on the tail's count; the kernel's lock of that.
        asleep: Mutex<Option<Sleep>>,
    }

    impl Queue {
        fn new() -> Arc<Queue> {
            let tail = Box::new([(); END_WORDS].map(|()| AtomicU32::new(0)));
            // Nobody has announced anything.
            tail[ASLEEP].store(u32::MAX, Relaxed);
            let (lock, item, asleep) = (AtomicU32::new(0), AtomicU32::new(0), Mutex::new(None));
            Arc::new(Queue { tail, lock, item, asleep })
        }

        fn tail(&self) -> End<'_> {
            End::new(&self.tail)
        }

        /// Puts an item as the first one. `dies`: when the count has been stored.
        fn put(&self, dies: bool) {
            // As the real lock.
            assert!(self.lock.compare_exchange(0, 1, Acquire, Relaxed).is_ok());
            let now = self.tail().own();
            self.item.store(7, Relaxed);
            let has_sleeper = self.tail().has_sleeper(now);
            let next = now.next(1);
            self.tail().stage(next);
            if has_sleeper {
                // The kernel's call.
                let mut asleep = self.asleep.lock().unwrap();
                self.tail().count_word().fetch_add(ONE, Release);
                *asleep = None;
            } else {
                self.tail().commit(next);
            }
            if dies {
                return;
            }
            self.tail().set_own(next);
            self.lock.store(0, Release);
            if self.tail().left_sleeper(now) {
                *self.asleep.lock().unwrap() = None;
            }
        }

        /// Goes to sleep unless there is an item; whether there was.
        fn get(&self) -> bool {
            let seen = self.tail().count();
            if seen != 0 || !self.tail().announce(seen) {
                return self.tail().count() != 0;
            }
            // ORDERING: Acquire, as that of `RawLock::holder`.
            let sleep = if self.lock.load(Acquire) != 0 { Sleep::ForAMoment } else { Sleep::UntilWoken };
            // The kernel's call.
            let mut asleep = self.asleep.lock().unwrap();
            if self.tail().count_word().load(Relaxed) == seen {
                *asleep = Some(sleep);
            }
            false
        }
    }

    fn nobody_sleeps(dies: bool) {
        loom::model(move || {
            let queue = Queue::new();
            let theirs = queue.clone();
            let producer = thread::spawn(move || theirs.put(dies));
            if queue.get() {
                assert_eq!(queue.item.load(Relaxed), 7);
            }
            producer.join().unwrap();
            assert_ne!(*queue.asleep.lock().unwrap(), Some(Sleep::UntilWoken));
        });
    }

    #[test]
    fn an_item_is_not_slept_through() {
        nobody_sleeps(false);
    }

    /// Nor one whose producer died before it could wake anybody.
    #[test]
    fn the_item_of_a_dead_producer_is_not_slept_through() {
        nobody_sleeps(true);
    }

    /// A consumer that saw the queue empty long ago does not hide from producers one that sleeps now.
    #[test]
    fn a_late_announcement_does_not_replace_a_later_one() {
        loom::model(|| {
            let queue = Queue::new();
            let theirs = queue.clone();
            let late = thread::spawn(move || theirs.tail().announce(0));
            queue.put(false);
            assert!(queue.tail().announce(ONE));
            late.join().unwrap();
            let now = queue.tail().own();
            assert!(now.count == ONE && queue.tail().has_sleeper(now));
        });
    }

    /// Two consumers announce the same.
    #[test]
    fn an_item_is_not_slept_through_by_two() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let queue = Queue::new();
            let (theirs, others) = (queue.clone(), queue.clone());
            let producer = thread::spawn(move || theirs.put(true));
            let other = thread::spawn(move || others.get());
            queue.get();
            producer.join().unwrap();
            other.join().unwrap();
            assert_ne!(*queue.asleep.lock().unwrap(), Some(Sleep::UntilWoken));
        });
    }

    /// The newest item is the one that belongs to the count, and all of it.
    #[test]
    fn the_newest_item_is_whole() {
        loom::model(|| {
            let queue = Queue::new();
            let theirs = queue.clone();
            let reader = thread::spawn(move || {
                let count = theirs.tail().count();
                (count, theirs.tail().read_newest(count))
            });
            for number in 1..=3_u8 {
                let next = queue.tail().own().next(0);
                queue.tail().stage_newest(next, Small::of(&[number; 5]));
                queue.tail().commit(next);
                queue.tail().set_own(next);
            }
            let (count, newest) = reader.join().unwrap();
            match newest {
                Some(item) => assert_eq!(item.bytes(), [(count / ONE) as u8; 5]),
                // The next two were put meanwhile, or there was none.
                None => assert!(count != 3 * ONE),
            }
        });
    }

    /// The position that belongs to the count, while both move; and the item that was put before.
    #[test]
    fn a_mark_is_whole() {
        loom::model(|| {
            let queue = Queue::new();
            let theirs = queue.clone();
            let reader = thread::spawn(move || {
                let mark = theirs.tail().read();
                (mark, theirs.item.load(Relaxed))
            });
            for (number, position) in [(1, 5), (2, 9), (3, 14)] {
                let next = queue.tail().own().next(position);
                queue.item.store(number, Relaxed);
                queue.tail().stage(next);
                queue.tail().commit(next);
                queue.tail().set_own(next);
            }
            let (mark, item) = reader.join().unwrap();
            if let Some(mark) = mark {
                let number = mark.count / ONE;
                assert_eq!(mark.position, [0, 5, 9, 14][number as usize]);
                assert!(item >= number);
            }
        });
    }
}
