//! A queue of bytes: what all queues are made of.

use std::cell::{Cell, RefCell};
use std::hint;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::time::{Duration, Instant};

use pool_ipc::current_core;
use pool_ipc::patience::Patience;
use pool_ipc::shared::{Block, add_and_wake, set_and_wake, wait, wake};

use super::ledger::{self, Ledger};
use super::ring::{self, Ring, Rings};
use super::until::Until;
#[cfg(feature = "connection")]
use crate::connection::wait::sealed::Sleeper;
use crate::crossing::Kind;
use crate::ends::{CLOSED, END_WORDS, End, Mark, Newest, ONE, items_between};
use crate::raw::{Acquired, RawLock};

/// The object's words: which ring is in use; the most items, 0: as many as there may be.
const RING: usize = 0;
const BOUND: usize = 1;
/// Where the ends are. In the block each line is one of the processor's.
const TAIL: usize = 16;
const HEAD: usize = TAIL + END_WORDS;
/// Where they are over, and who has taken what begins.
const LEDGER: usize = HEAD + END_WORDS;
/// The rings begin at a page, behind the block's own head.
const PAGE: usize = 4096;

/// Of a joinable queue: how often everything was done; 1: somebody sleeps on that.
const DONE: usize = 2;
const JOINS: usize = 3;

/// No queue has more items.
const MOST: u32 = 1 << 30;
/// How often a sleeper looks after somebody who holds the other end's lock.
const LOOK: Duration = Duration::from_millis(2);

/// How often who joins looks after those who have taken items.
const LOOK_AFTER_TAKERS: Duration = Duration::from_millis(16);

thread_local! {
    static PATIENCE: RefCell<Patience> = const { RefCell::new(Patience::new()) };
    static LULL: Cell<Lull> = const { Cell::new(Lull { looks: 0, waits: 0 }) };
}

/// Two that follow each other closely spend their time with passing cache lines back and forth. So in a rush the
/// consumer stays behind a little: when an item has come it lets some more come.
#[derive(Clone, Copy)]
struct Lull {
    /// For how many looks.
    looks: u32,
    /// How often it waited for an item, to try now and then whether there is a rush.
    waits: u32,
}

/// A microsecond or two.
const LONGEST_LULL: u32 = 64;
const FIRST_LULL: u32 = 24;
/// A lull is tried once in so many waits.
const LULLS: u32 = 64;
/// How many items have come in a lull that is worth it.
const RUSH: usize = 3;

#[derive(Debug, Clone)]
pub(crate) struct Core {
    block: Block,
    rings: Rings,
    has_ledger: bool,
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
        let (block, rings) = Rings::create(kind as u32, base(kind), bytes)?;
        let bound = bound.map_or(0, |bound| bound.clamp(1, MOST as usize) as u32);
        // ORDERING: written before it is passed on.
        block.words()[BOUND].store(bound, Relaxed);
        Ok(Core { block, rings, has_ledger: kind == Kind::JoinableQueue })
    }

    /// The queue in this block.
    pub(super) fn of(kind: Kind, block: Block) -> io::Result<Core> {
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not the memory of a queue");
        let rings = Rings::of(&block, base(kind)).ok_or_else(invalid)?;
        // One that nobody can write is none either.
        block.write(0, &[])?;
        Ok(Core { block, rings, has_ledger: kind == Kind::JoinableQueue })
    }

    pub(super) fn block(&self) -> &Block {
        &self.block
    }

    pub(super) fn put(&self, bytes: &[u8], until: Until) -> Result<(), Fault> {
        let too_large =
            || io::Error::new(io::ErrorKind::FileTooLarge, "an item that is larger than any queue");
        let units = ring::units_of(bytes.len()).filter(|units| *units <= self.rings.largest());
        let units = units.ok_or_else(too_large)?;
        loop {
            let lock = self.tail_lock();
            self.heed(Side::Tail, until.acquire(lock).ok_or(Fault::Time)?);
            let full = match self.put_locked(bytes, units, until) {
                Ok(Put::Done(then)) => {
                    lock.release();
                    if then.is_some_and(|then| self.tail().left_sleeper(then)) {
                        wake(self.tail().count_word(), u32::MAX);
                    }
                    return Ok(());
                }
                Ok(Put::Full(seen)) => seen,
                Err(fault) => {
                    lock.release();
                    return Err(fault);
                }
            };
            lock.release();
            self.sleep(Side::Tail, until, || (self.head().count() == full).then_some(full))?;
        }
    }

    fn put_locked(&self, bytes: &[u8], units: u32, until: Until) -> Result<Put, Fault> {
        let tail = self.tail();
        let now = tail.own();
        if now.is_closed() {
            return Err(Fault::Closed);
        }
        let ring = match self.room(tail, now, units, until)? {
            Ok(ring) => ring,
            Err(full) => return Ok(Put::Full(full)),
        };
        ring.write(&self.block, now.position, bytes)?;
        let newest = Newest::of(bytes);
        Ok(Put::Done(advance(tail, now, || tail.stage_newest(now, now.position.wrapping_add(units), newest))))
    }

    /// The ring with room for an item of so many units; or the head's count, on whose change there may be some.
    fn room(&self, tail: End<'_>, now: Mark, units: u32, until: Until) -> Result<Result<Ring, u32>, Fault> {
        // ORDERING: never changes.
        let bound = match self.block.words()[BOUND].load(Relaxed) {
            0 => MOST,
            bound => bound,
        };
        let ring = self.ring()?;
        let has_room = |ring: Ring, head: Mark| {
            let used = now.position.wrapping_sub(head.position);
            u64::from(used) + u64::from(units) <= u64::from(ring.units())
        };
        let mut head = tail.hint();
        if now.items_since(head) < bound && has_room(ring, head) {
            return Ok(Ok(ring));
        }
        head = match self.head().read() {
            Some(head) => head,
            None => return Ok(Err(head.count)),
        };
        if head.is_closed() {
            // Somebody died who was closing it.
            set_and_wake(tail.count_word(), CLOSED);
            return Err(Fault::Closed);
        }
        if now.position.wrapping_sub(head.position) > ring.units() {
            return Err(nonsense());
        }
        tail.set_hint(head);
        if now.items_since(head) >= bound {
            return Ok(Err(head.count));
        }
        if has_room(ring, head) { Ok(Ok(ring)) } else { self.grow(now, ring, units, until) }
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
        self.block.words()[RING].store(number, Relaxed);
        // Also that which somebody gave up who died here.
        self.rings.give_back_others(&self.block, number);
    }

    /// Appends the item at the head to `bytes`.
    pub(super) fn get(&self, bytes: &mut Vec<u8>, until: Until) -> Result<(), Fault> {
        let (head, tail, lock) = (self.head(), self.tail(), self.head_lock());
        loop {
            // Without the lock this is a guess, but one that saves taking it in vain. The tail's line is left alone while
            // there are items that were seen before.
            if head.hint().count == head.count() && nothing(head, tail).is_some() {
                self.sleep(Side::Head, until, || nothing(head, tail))?;
                self.lull();
            }
            self.heed(Side::Head, until.acquire(lock).ok_or(Fault::Time)?);
            let got = self.get_locked(bytes);
            lock.release();
            if let Some(Got { then, is_burst_over }) = got? {
                if then.is_some_and(|then| self.head().left_sleeper(then)) {
                    wake(self.head().count_word(), u32::MAX);
                }
                if is_burst_over {
                    self.shrink();
                }
                return Ok(());
            }
            // Somebody else was quicker.
            self.sleep(Side::Head, until, || nothing(head, tail))?;
        }
    }

    fn get_locked(&self, bytes: &mut Vec<u8>) -> Result<Option<Got>, Fault> {
        let (head, tail) = (self.head(), self.tail());
        let now = head.own();
        let mut seen = head.hint();
        if seen.items_since(now) == 0 {
            seen.count = tail.count();
            head.set_hint(seen);
        }
        let newest = match seen.items_since(now) {
            0 if seen.is_closed() => return Err(Fault::Closed),
            0 => return Ok(None),
            // Who waited for it finds it beside the count.
            1 => tail.read_newest(seen.count),
            2..=MOST => None,
            _ => return Err(nonsense()),
        };
        let units = match newest {
            Some((item, len)) => {
                bytes.extend_from_slice(&item[..len]);
                ring::units_of(len).unwrap_or(1)
            }
            None => self.ring()?.read(&self.block, now.position, bytes)?,
        };
        let ledger = self.ledger();
        let place = ledger.map(|ledger| ledger.taking(now.count.wrapping_add(ONE)));
        let then = advance(head, now, || head.stage(now, now.position.wrapping_add(units)));
        if let (Some(ledger), Some(place)) = (ledger, place) {
            ledger.taken(place);
        }
        // ORDERING: read under the lock.
        let is_large = self.block.words()[RING].load(Relaxed) > ring::KEPT;
        let is_burst_over = is_large && items_between(now.count.wrapping_add(ONE), tail.count()) == 0;
        Ok(Some(Got { then, is_burst_over }))
    }

    fn lull(&self) {
        let Lull { looks, waits } = LULL.get();
        let waits = waits.wrapping_add(1);
        let looks = if looks == 0 && waits.is_multiple_of(LULLS) { FIRST_LULL } else { looks };
        (0..looks).for_each(|_| hint::spin_loop());
        let looks = match looks {
            0 => 0,
            looks if self.len() >= RUSH => (looks * 2).min(LONGEST_LULL),
            looks => looks / 2,
        };
        LULL.set(Lull { looks, waits });
    }

    /// Sleeps until the other end's count is not `stays` any more: somebody of the end `side` has nothing to do.
    fn sleep(&self, side: Side, until: Until, stays: impl Fn() -> Option<u32>) -> Result<(), Fault> {
        if until.is_over() {
            return match stays() {
                Some(_) => Err(Fault::Time),
                None => Ok(()),
            };
        }
        let other = self.end(side.other());
        let (core, others) = (current_core().map_or(0, |core| u32::from(core) + 1), other.core());
        let same_core = core != 0 && core == others;
        PATIENCE.with_borrow_mut(|patience| {
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
            patience.slept(start.elapsed());
            Ok(())
        })
    }

    /// Sleeps while the count of the end `side` is `seen`, at most for `left`. Returns early for any reason or none.
    fn doze(&self, side: Side, seen: u32, left: Option<Duration>) {
        let end = self.end(side);
        if !end.announce(seen) {
            return;
        }
        let lock = self.lock(side);
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
        set_and_wake(self.head().count_word(), CLOSED);
        set_and_wake(self.tail().count_word(), CLOSED);
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
        // ORDERING: never changes.
        match self.block.words()[BOUND].load(Relaxed) {
            0 => None,
            bound => Some(bound as usize),
        }
    }

    /// Notes that an item is done; `false`: there is none that is not.
    pub(super) fn task_done(&self) -> bool {
        let Some(ledger) = self.ledger() else { return false };
        self.heed(Side::Head, self.head_lock().acquire());
        let was_one = ledger.done();
        let (done, joins) = (&self.block.words()[DONE], &self.block.words()[JOINS]);
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
        let (done, joins) = (&self.block.words()[DONE], &self.block.words()[JOINS]);
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
        self.has_ledger.then(|| Ledger::new(&self.block.words64()[LEDGER / 2..]))
    }

    /// After taking the lock of `side`: a queue has nothing to repair, but a ledger may.
    #[inline]
    fn heed(&self, side: Side, acquired: Acquired) {
        if acquired == Acquired::Abandoned {
            self.repair(side);
        }
    }

    #[cold]
    fn repair(&self, side: Side) {
        if side == Side::Head
            && let Some(ledger) = self.ledger()
        {
            ledger.resolve(self.head().own().count);
        }
        self.lock(side).clear_abandoned();
    }

    fn ring(&self) -> Result<Ring, Fault> {
        // ORDERING: read under one of the locks.
        self.rings.get(self.block.words()[RING].load(Relaxed)).ok_or_else(nonsense)
    }

    fn tail(&self) -> End<'_> {
        self.end(Side::Tail)
    }

    fn head(&self) -> End<'_> {
        self.end(Side::Head)
    }

    #[inline]
    fn end(&self, side: Side) -> End<'_> {
        let words = self.block.words().get(side as usize..).and_then(<[AtomicU32]>::first_chunk);
        match words {
            Some(words) => End::new(words),
            None => unreachable!("a queue's block has its ends"),
        }
    }

    fn tail_lock(&self) -> RawLock<'_> {
        self.lock(Side::Tail)
    }

    fn head_lock(&self) -> RawLock<'_> {
        self.lock(Side::Head)
    }

    #[inline]
    fn lock(&self, side: Side) -> RawLock<'_> {
        RawLock::new(&self.block.words64()[side as usize / 2..])
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Tail = TAIL as isize,
    Head = HEAD as isize,
}

impl Side {
    fn other(self) -> Side {
        match self {
            Side::Tail => Side::Head,
            Side::Head => Side::Tail,
        }
    }
}

enum Put {
    /// The item is there; from where the end moved on, if its sleepers may not have been woken.
    Done(Option<Mark>),
    /// There is no room while the head has this count.
    Full(u32),
}

struct Got {
    /// As in [`Put::Done`].
    then: Option<Mark>,
    is_burst_over: bool,
}

/// Moves an end on to what `stage` writes; where it was, if its sleepers may not have been woken.
#[inline]
fn advance(end: End<'_>, now: Mark, stage: impl FnOnce()) -> Option<Mark> {
    if let Some(core) = current_core() {
        end.set_core(u32::from(core) + 1);
    }
    let has_sleeper = end.has_sleeper(now);
    stage();
    if has_sleeper {
        add_and_wake(end.count_word(), ONE);
        None
    } else {
        end.commit(now);
        Some(now)
    }
}

/// The tail's count, while there is nothing to get and the queue is not closed.
#[inline]
fn nothing(head: End<'_>, tail: End<'_>) -> Option<u32> {
    // The head first: it does not overtake the tail.
    let head = head.count();
    let tail = tail.count();
    (items_between(head, tail) == 0 && tail & CLOSED == 0).then_some(tail)
}

/// Where the rings begin in the object.
fn base(kind: Kind) -> usize {
    let ledger = if kind == Kind::JoinableQueue { ledger::BYTES } else { 0 };
    (pool_ipc::shared::HEAD + LEDGER * size_of::<u32>() + ledger).next_multiple_of(PAGE)
        - pool_ipc::shared::HEAD
}

fn nonsense() -> Fault {
    Fault::Failed(io::Error::new(
        io::ErrorKind::InvalidData,
        "the memory of a queue was written by somebody else",
    ))
}
