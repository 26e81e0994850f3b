//! A queue of bytes: what all queues are made of.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use pool_ipc::shared::{Block, add_and_wake, set_and_wake, wait, wake};

use super::ledger::Ledger;
use super::pace;
use super::ring::{self, Ring, Rings};
use super::until::Until;
use super::words::{self, MOST, Side, Words};
#[cfg(feature = "connection")]
use crate::connection::wait::sealed::Sleeper;
use crate::crossing::Kind;
use crate::ends::{CLOSED, End, Found, Mark, ONE, Small, items_between};
use crate::raw::{Acquired, RawLock};

/// How often a sleeper looks after somebody who holds the other end's lock.
const LOOK: Duration = Duration::from_millis(2);

/// How often who joins looks after those who have taken items.
const LOOK_AFTER_TAKERS: Duration = Duration::from_millis(16);

#[derive(Debug, Clone)]
pub(crate) struct Core {
    block: Block,
    rings: Rings,
    has_ledger: bool,
}

/// An item to put.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    bytes: &'a [u8],
    /// The same, if it is small.
    small: Small,
}

impl<'a> Item<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Item<'a> {
        Item { bytes, small: Small::of(bytes) }
    }

    /// An item whose length is known when this is compiled: the first `len` of these bytes.
    #[inline(always)]
    pub(super) fn number(bytes: &'a [u8; 16], len: usize) -> Item<'a> {
        Item { bytes: &bytes[..len], small: Small::of_number(bytes, len) }
    }
}

/// Why nothing was put or got.
#[derive(Debug)]
pub(super) enum Fault {
    /// Full, or empty, until the time was over.
    Time,
    Closed,
    /// The item is too large, or the queue's memory is not what queues write.
    Failed(io::Error),
}

/// How a join ended.
pub(super) enum Joined {
    Done,
    /// So many items are those of processes that died.
    Lost(usize),
    Time,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault::Failed(error)
    }
}

impl Core {
    /// A new queue of at most `bound` items, if any, which together take at most about `bytes`, if it is said.
    pub(super) fn create(kind: Kind, bound: Option<usize>, bytes: Option<u64>) -> io::Result<Core> {
        let (block, rings) = Rings::create(kind as u32, words::base(kind), bytes)?;
        Words::of(&block).set_bound(bound);
        Ok(Core { block, rings, has_ledger: kind == Kind::JoinableQueue })
    }

    /// The queue in this block.
    pub(super) fn of(kind: Kind, block: Block) -> io::Result<Core> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not the memory of a queue");
        let rings = Rings::of(&block, words::base(kind)).ok_or_else(invalid)?;
        // One that nobody can write is none either.
        block.write(0, &[])?;
        Ok(Core { block, rings, has_ledger: kind == Kind::JoinableQueue })
    }

    pub(super) fn block(&self) -> &Block {
        &self.block
    }

    pub(super) fn put(&self, item: Item<'_>, until: Until) -> Result<(), Fault> {
        let too_large =
            || io::Error::new(io::ErrorKind::FileTooLarge, "an item that is larger than any queue");
        let units = ring::units_of(item.bytes.len()).filter(|units| *units <= self.rings.largest());
        let units = units.ok_or_else(too_large)?;
        let words = self.words();
        let lock = words.lock(Side::Tail);
        loop {
            self.heed(Side::Tail, until.acquire(lock).ok_or(Fault::Time)?);
            let put = self.put_locked(words, item, units, until);
            lock.release();
            match put? {
                Put::Done(then) => {
                    if then.is_some_and(|then| words.tail().left_sleeper(then)) {
                        wake(words.tail().count_word(), u32::MAX);
                    }
                    return Ok(());
                }
                Put::Full(full) => {
                    self.sleep(Side::Tail, until, || (words.head().count() == full).then_some(full))?;
                }
            }
        }
    }

    #[inline]
    fn put_locked(&self, words: Words<'_>, item: Item<'_>, units: u32, until: Until) -> Result<Put, Fault> {
        let tail = words.tail();
        let now = tail.own();
        if now.is_closed() {
            return Err(Fault::Closed);
        }
        let bound = words.bound().unwrap_or(MOST);
        let mut ring = self.ring(words)?;
        let seen = tail.hint();
        if now.items_since(seen) >= bound || !has_room(ring, seen, now, units) {
            ring = match self.room(now, bound, ring, units, until)? {
                Ok(ring) => ring,
                Err(full) => return Ok(Put::Full(full)),
            };
        }
        ring.write(&self.block, now.position, item.bytes, item.small)?;
        let next = now.next(now.position.wrapping_add(units));
        Ok(Put::Done(advance(tail, now, next, || tail.stage_newest(next, item.small))))
    }

    /// The ring with room for an item of so many units; or the head's count, on whose change there may be some. For when
    /// there is none as far as the tail knows.
    #[cold]
    fn room(
        &self,
        now: Mark,
        bound: u32,
        ring: Ring,
        units: u32,
        until: Until,
    ) -> Result<Result<Ring, u32>, Fault> {
        let tail = self.tail();
        let head = match self.head().read() {
            Some(head) => head,
            // It has moved on from what was seen before.
            None => return Ok(Err(tail.hint().count)),
        };
        if head.is_closed() {
            // Somebody died who was closing it.
            set_and_wake(tail.count_word(), CLOSED);
            tail.find_own();
            return Err(Fault::Closed);
        }
        if now.position.wrapping_sub(head.position) > ring.units() {
            return Err(nonsense());
        }
        tail.set_hint(head);
        if now.items_since(head) >= bound {
            return Ok(Err(head.count));
        }
        if has_room(ring, head, now, units) { Ok(Ok(ring)) } else { self.grow(now, ring, units, until) }
    }

    /// Moves to a larger ring, as `room`.
    #[cold]
    fn grow(&self, now: Mark, ring: Ring, units: u32, until: Until) -> Result<Result<Ring, u32>, Fault> {
        let lock = self.head_lock();
        // A consumer holds it while it copies an item.
        let Some(acquired) = until.acquire(lock) else { return Err(Fault::Time) };
        self.heed(Side::Head, acquired);
        let head = self.head().own();
        let used = now.position.wrapping_sub(head.position);
        let moved = (|| {
            if used > ring.units() {
                return Err(nonsense());
            }
            let Some((number, larger)) = self.rings.with_units(u64::from(used) + u64::from(units)) else {
                return Ok(Err(head.count));
            };
            if larger.units() > ring.units() {
                ring.copy_to(larger, &self.block, head.position, used)?;
                self.move_to(number);
                return Ok(Ok(larger));
            }
            Ok(Ok(ring))
        })();
        lock.release();
        moved
    }

    /// Back to the first ring, if the queue is still empty.
    #[cold]
    fn shrink(&self) {
        let soon = Until::after(LOOK);
        let Some(acquired) = soon.acquire(self.tail_lock()) else { return };
        self.heed(Side::Tail, acquired);
        if let Some(acquired) = soon.acquire(self.head_lock()) {
            self.heed(Side::Head, acquired);
            if self.tail().own().items_since(self.head().own()) == 0 {
                self.move_to(0);
            }
            self.head_lock().release();
        }
        self.tail_lock().release();
    }

    /// For who holds both locks.
    fn move_to(&self, number: u32) {
        // ORDERING: read under one of the locks.
        self.words().ring().store(number, Relaxed);
        // Also that which somebody gave up who died here.
        self.rings.give_back_others(&self.block, number);
    }

    /// Takes the item at the head: gives it if it is small, or else appends it to `bytes`.
    pub(super) fn get(&self, bytes: &mut Vec<u8>, until: Until) -> Result<Option<Found>, Fault> {
        let words = self.words();
        let (head, tail, lock) = (words.head(), words.tail(), words.lock(Side::Head));
        loop {
            // Without the lock this is a guess, but one that saves taking it in vain. The tail's line is left alone while
            // there are items that were seen before.
            if head.hint().count == head.count() && nothing(head, tail).is_some() {
                self.sleep(Side::Head, until, || nothing(head, tail))?;
                pace::lull(|| self.len());
            }
            self.heed(Side::Head, until.acquire(lock).ok_or(Fault::Time)?);
            let got = self.get_locked(words, bytes);
            lock.release();
            if let Some(Got { item, then, is_burst_over }) = got? {
                if then.is_some_and(|then| head.left_sleeper(then)) {
                    wake(head.count_word(), u32::MAX);
                }
                if is_burst_over {
                    self.shrink();
                }
                return Ok(item);
            }
            // Somebody else was quicker.
            self.sleep(Side::Head, until, || nothing(head, tail))?;
        }
    }

    #[inline]
    fn get_locked(&self, words: Words<'_>, bytes: &mut Vec<u8>) -> Result<Option<Got>, Fault> {
        let (head, tail) = (words.head(), words.tail());
        let now = head.own();
        let mut seen = head.hint();
        if seen.items_since(now) == 0 {
            seen.count = tail.count();
            head.set_hint(seen);
        }
        let newest = match seen.items_since(now) {
            0 if seen.is_closed() => return Err(Fault::Closed),
            // Or else `get` would see an item, and this not, over and over.
            0 if head.count() != now.count => return Err(nonsense()),
            0 => return Ok(None),
            // Who waited for it finds it beside the count.
            1 => tail.read_newest(seen.count),
            2..=MOST => None,
            _ => return Err(nonsense()),
        };
        let (item, units) = match newest {
            Some(item) => (Some(item), ring::units_of(item.bytes().len()).unwrap_or(1)),
            None => self.ring(words)?.read(&self.block, now.position, bytes)?,
        };
        let ledger = self.ledger();
        let next = now.next(now.position.wrapping_add(units));
        let place = ledger.map(|ledger| ledger.taking(next.count));
        let then = advance(head, now, next, || head.stage(next));
        if let (Some(ledger), Some(place)) = (ledger, place) {
            ledger.taken(place);
        }
        // ORDERING: read under the lock.
        let is_large = words.ring().load(Relaxed) > ring::KEPT;
        let is_burst_over = is_large && items_between(next.count, tail.count()) == 0;
        Ok(Some(Got { item, then, is_burst_over }))
    }

    /// Sleeps until the other end's count is not `stays` any more: somebody of the end `side` has nothing to do.
    fn sleep(&self, side: Side, until: Until, stays: impl Fn() -> Option<u32>) -> Result<(), Fault> {
        if until.is_over() {
            return match stays() {
                Some(_) => Err(Fault::Time),
                None => Ok(()),
            };
        }
        let (core, others) = (pace::core_now(), self.words().end(side.other()).core());
        let same_core = core != 0 && core == others;
        pace::with_patience(|patience| {
            if core != 0 && others != 0 && !same_core {
                patience.seen_elsewhere();
            }
            if patience.spin(same_core, || stays().is_none()) {
                return Ok(());
            }
            let start = Instant::now();
            while let Some(seen) = stays() {
                let left = until.left();
                if left == Some(Duration::ZERO) {
                    return Err(Fault::Time);
                }
                self.doze(side.other(), seen, left);
            }
            if same_core {
                patience.yielded_in_vain();
            } else {
                patience.slept(start.elapsed());
            }
            Ok(())
        })
    }

    /// Sleeps while the count of the end `side` is `seen`, at most for `left`. Returns early for any reason or none.
    fn doze(&self, side: Side, seen: u32, left: Option<Duration>) {
        let (end, lock) = (self.words().end(side), self.words().lock(side));
        if !end.announce(seen) {
            return;
        }
        let is_held = lock.holder() != 0;
        let left = if is_held { Some(left.map_or(LOOK, |left| left.min(LOOK))) } else { left };
        wait(end.count_word(), seen, left);
        if is_held && end.count() == seen {
            // Has its holder died before the count was stored? Nobody else may come.
            if let Some(acquired) = lock.try_acquire() {
                self.heed(side, acquired);
                lock.release();
            }
        }
    }

    pub(super) fn close(&self) {
        // In the order of `grow`.
        self.heed(Side::Tail, self.tail_lock().acquire());
        self.heed(Side::Head, self.head_lock().acquire());
        // The head first: a producer that sees it, and that the tail is not closed, closes that.
        for end in [self.head(), self.tail()] {
            set_and_wake(end.count_word(), CLOSED);
            end.find_own();
        }
        self.head_lock().release();
        self.tail_lock().release();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.tail().count() & CLOSED != 0
    }

    pub(super) fn len(&self) -> usize {
        let head = self.head().count();
        let tail = self.tail().count();
        items_between(head, tail).min(MOST) as usize
    }

    pub(super) fn bound(&self) -> Option<usize> {
        self.words().bound().map(|bound| bound as usize)
    }

    /// Notes that an item is done; `false`: there is none that is not.
    pub(super) fn task_done(&self) -> bool {
        let Some(ledger) = self.ledger() else { return false };
        self.heed(Side::Head, self.head_lock().acquire());
        let was_one = ledger.done();
        let (done, joins) = self.words().joins();
        // ORDERING: the lock orders it with `join`.
        let is_last = was_one && self.len() == 0 && ledger.items() == 0;
        let wakes = is_last && joins.swap(0, Relaxed) != 0;
        if is_last {
            done.fetch_add(1, Relaxed);
        }
        self.head_lock().release();
        if wakes {
            wake(done, u32::MAX);
        }
        was_one
    }

    /// Waits until everything is done, once.
    pub(super) fn join(&self, until: Until) -> Joined {
        let Some(ledger) = self.ledger() else { return Joined::Done };
        let (done, joins) = self.words().joins();
        let mut first = None;
        loop {
            let Some(acquired) = until.acquire(self.head_lock()) else { return Joined::Time };
            self.heed(Side::Head, acquired);
            let (now, items) = (done.load(Relaxed), self.len() + ledger.items());
            let lost = ledger.lost();
            // ORDERING: as in `task_done`.
            joins.store(1, Relaxed);
            self.head_lock().release();
            if items == 0 || *first.get_or_insert(now) != now {
                return Joined::Done;
            }
            if lost > 0 {
                return Joined::Lost(lost);
            }
            let left = until.left();
            if left == Some(Duration::ZERO) {
                return Joined::Time;
            }
            // Who has items may die.
            wait(done, now, Some(left.map_or(LOOK_AFTER_TAKERS, |left| left.min(LOOK_AFTER_TAKERS))));
        }
    }

    fn ledger(&self) -> Option<Ledger<'_>> {
        self.has_ledger.then(|| words::ledger(&self.block))
    }

    /// After taking the lock of `side`: puts right what somebody who died with it left.
    #[inline]
    fn heed(&self, side: Side, acquired: Acquired) {
        if acquired == Acquired::Abandoned {
            self.repair(side);
        }
    }

    #[cold]
    fn repair(&self, side: Side) {
        self.words().end(side).find_own();
        if side == Side::Head
            && let Some(ledger) = self.ledger()
        {
            ledger.resolve(self.head().own().count);
        }
        self.words().lock(side).clear_abandoned();
    }

    #[inline]
    fn ring(&self, words: Words<'_>) -> Result<Ring, Fault> {
        // ORDERING: read under one of the locks.
        self.rings.get(words.ring().load(Relaxed)).ok_or_else(nonsense)
    }

    #[inline]
    fn words(&self) -> Words<'_> {
        Words::of(&self.block)
    }

    fn tail(&self) -> End<'_> {
        self.words().tail()
    }

    fn head(&self) -> End<'_> {
        self.words().head()
    }

    fn tail_lock(&self) -> RawLock<'_> {
        self.words().lock(Side::Tail)
    }

    fn head_lock(&self) -> RawLock<'_> {
        self.words().lock(Side::Head)
    }
}

/// For `wait`: ready when a `get` would not wait. All who sleep are woken at each put, so nobody has to pass it on.
#[cfg(feature = "connection")]
impl Sleeper for Core {
    fn is_ready(&self) -> bool {
        nothing(self.head(), self.tail()).is_none()
    }

    fn sleep(&self) {
        if let Some(seen) = nothing(self.head(), self.tail()) {
            self.doze(Side::Tail, seen, None);
        }
    }

    fn disturb(&self) {
        wake(self.tail().count_word(), u32::MAX);
    }
}

enum Put {
    /// The item is there; from where the end moved on, if its sleepers may not have been woken.
    Done(Option<Mark>),
    /// There is no room while the head has this count.
    Full(u32),
}

struct Got {
    /// The item, if it is small.
    item: Option<Found>,
    /// As in [`Put::Done`].
    then: Option<Mark>,
    is_burst_over: bool,
}

/// Moves an end on from `now` to `next`, which `stage` writes; from where, if its sleepers may not have been woken.
#[inline]
fn advance(end: End<'_>, now: Mark, next: Mark, stage: impl FnOnce()) -> Option<Mark> {
    end.set_core(pace::core_lately());
    let has_sleeper = end.has_sleeper(now);
    stage();
    if has_sleeper {
        add_and_wake(end.count_word(), ONE);
    } else {
        end.commit(next);
    }
    end.set_own(next);
    (!has_sleeper).then_some(now)
}

/// The tail's count, while there is nothing to get and the queue is not closed.
#[inline]
fn nothing(head: End<'_>, tail: End<'_>) -> Option<u32> {
    // The head first: it does not overtake the tail.
    let head = head.count();
    let tail = tail.count();
    (items_between(head, tail) == 0 && tail & CLOSED == 0).then_some(tail)
}

/// Whether there is room for so many units in the ring, from the head to the tail's place `now`.
#[inline]
fn has_room(ring: Ring, head: Mark, now: Mark, units: u32) -> bool {
    let used = now.position.wrapping_sub(head.position);
    u64::from(used) + u64::from(units) <= u64::from(ring.units())
}

#[cold]
fn nonsense() -> Fault {
    Fault::Failed(io::Error::new(
        io::ErrorKind::InvalidData,
        "the memory of a queue was written by somebody else",
    ))
}
