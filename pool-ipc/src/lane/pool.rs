//! The pool's half of a lane.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::{
    ACCOMPANIED, ANSWERS, CAPACITY, Ends, IN_ARENA, INLINE, NO_ROOM, PoolHead, READY, Slot, WorkerHead,
    words_of,
};
use crate::arena::Arena;
use crate::image::{self, Entry};
use crate::own::Own;
use crate::patience::known_cores;
use crate::protocol::{PoolWords, Tell, WorkerWords};
use crate::segment::Segment;
use crate::sync::Ordering::*;
use crate::sys::core::{NO_CORE, current_core};
use crate::sys::events::Alarm;
use crate::sys::futex::{self, Expected};
use crate::sys::life::Life;

/// So many requests are published together in a rush.
const BATCH: u32 = 8;
/// With fewer requests outstanding somebody may be waiting for each of them.
const BUSY: usize = 16;
/// So many publications in a row that find the worker awake and busy are a rush.
const RUSH: u32 = 64;

/// A function to be run and what it is to be given.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The function.
    pub entry: Entry,
    /// Its first argument.
    pub word: u32,
    /// Its second argument.
    pub context: &'a [u8],
    /// Its third argument.
    pub input: &'a [u8],
    /// The number of what comes along with it over the line.
    pub luggage: Option<u64>,
}

/// What the function put out, copied out of the worker's reach.
#[derive(Debug)]
pub struct Reply {
    /// The word.
    pub status: u32,
    /// The bytes.
    pub output: Output,
    /// Whether descriptors came along, over the worker's line.
    pub accompanied: bool,
}

/// The bytes of a reply, or of a request that came back.
#[derive(Debug)]
pub enum Output {
    /// Few, without an allocation: how many, and the bytes, in words of this machine's order.
    Inline(u8, [u64; INLINE / 8]),
    /// Many.
    Heap(Vec<u8>),
}

/// A request that came back because its worker had not begun it.
#[derive(Debug)]
pub struct Returned {
    /// Its first argument.
    pub word: u32,
    /// Its third argument again; the others the sender has. It can fail for want of memory.
    pub input: io::Result<Output>,
}

/// The end of the thread that answers in some lane: see [`Bell::wait`](crate::bell::Bell::wait).
#[derive(Debug, Clone, Copy)]
pub struct End(pub(crate) Expected);

/// The worker wrote something that no honest worker writes, or its reply could not be taken in.
#[derive(Debug)]
pub struct LaneError(pub io::Error);

/// The pool's half of a lane.
pub struct PoolLane {
    requests: Segment,
    replies: Segment,
    alarm: Alarm,
    arena: Arena,
    /// Requests put into the ring, ever.
    tail: u32,
    /// Those of them that the worker may see.
    published: u32,
    /// Replies taken in, ever.
    seen: u32,
    /// The last of the worker's sleeps that was ended.
    woken: u32,
    /// How many publications in a row found the worker awake and busy.
    streak: u32,
    /// Requests may be held back: a worker that runs dry rings.
    holding: bool,
    /// After how many replies, ever, the worker was last asked to tell, and whom.
    armed: Option<(u32, Tell)>,
    /// The address of the last function that was sent, and its name.
    last_name: (usize, u64),
    /// The core that the last reply was written on.
    their_core: u16,
}

// SAFETY: the raw mappings inside belong to this value alone within the process; what the other process
// does to them is dealt with word by word.
unsafe impl Send for PoolLane {}

impl PoolLane {
    /// A new lane, and what its worker needs to attach to it.
    ///
    /// # Errors
    /// The system refuses a segment or a descriptor.
    pub fn create() -> io::Result<(PoolLane, Ends)> {
        let requests = Segment::create(c"pool-requests", size_of::<PoolHead>())?;
        let replies = Segment::file_for_the_other_side(c"pool-replies")?;
        let alarm = Alarm::new()?;
        let ends = Ends {
            requests: Own::new(crate::sys::memory::read_only(requests.file())?.into()),
            replies: Own::new(replies.try_clone()?.into()),
            alarm: Own::new(alarm.as_fd().try_clone_to_owned()?),
        };
        // This half only reads the replies; the mapping says so.
        let replies = Segment::map(replies, size_of::<WorkerHead>(), false)?;
        let lane = PoolLane {
            requests,
            replies,
            alarm,
            arena: Arena::default(),
            tail: 0,
            published: 0,
            seen: 0,
            woken: 0,
            streak: 0,
            holding: false,
            armed: None,
            last_name: (0, 0),
            their_core: NO_CORE,
        };
        // No reply is number u32::MAX for a long time: nobody is to be told of anything yet.
        lane.words().notify.0.store(u64::from(u32::MAX), Relaxed);
        // SAFETY: as in `words`.
        unsafe { (*lane.requests.head().cast::<PoolHead>()).cores.0.store(known_cores(), Relaxed) };
        Ok((lane, ends))
    }

    fn words(&self) -> &PoolWords {
        // SAFETY: the head is mapped, aligned to a page and zeroed, which is a valid PoolHead; its words
        // are atomics.
        unsafe { &(*self.requests.head().cast::<PoolHead>()).words }
    }

    fn theirs(&self) -> &WorkerWords {
        // SAFETY: as in `words`; the mapping is read-only, and this half only loads.
        unsafe { &(*self.replies.head().cast::<WorkerHead>()).words }
    }

    /// Requests that were sent and not answered.
    #[inline]
    pub fn outstanding(&self) -> usize {
        self.tail.wrapping_sub(self.seen) as usize
    }

    /// Puts a request into the lane. The worker sees it after [`flush`](PoolLane::flush).
    ///
    /// # Errors
    /// The lane is full ([`CAPACITY`]), the payload does not fit into memory, or the function is not part
    /// of the main program.
    pub fn send(&mut self, request: Request<'_>) -> io::Result<()> {
        if self.outstanding() >= CAPACITY {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "the lane is full"));
        }
        let mut slot = Slot {
            what: self.name_of(request.entry)?,
            len: request.input.len() as u64,
            word: request.word,
            flags: 0,
            core: current_core().unwrap_or(NO_CORE),
            place: [0; INLINE / 8],
        };
        if request.context.is_empty() && request.input.len() <= INLINE && request.luggage.is_none() {
            self.arena.place(0);
            slot.place = words_of(request.input);
        } else {
            let context = request.context.len() as u64;
            let range = self.arena.place(context + slot.len);
            let written = self.requests.write(range.start, request.context);
            if let Err(error) =
                written.and_then(|()| self.requests.write(range.start + context, request.input))
            {
                self.arena.free_newest();
                return Err(error);
            }
            slot.flags = IN_ARENA;
            slot.place[0] = range.start;
            slot.place[1] = context;
            if let Some(number) = request.luggage {
                slot.flags |= ACCOMPANIED;
                slot.place[2] = number;
            }
        }
        // SAFETY: the slot is inside the mapped head. The worker does not read it before `tail` covers
        // it, and has answered what was in it before, because no more than CAPACITY are outstanding.
        unsafe { self.slot(self.tail).write(slot) };
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// The name of a function; the last one is remembered, because the tasks of a call have the same.
    fn name_of(&mut self, entry: Entry) -> io::Result<u64> {
        let address = entry as usize;
        if self.last_name.0 != address {
            self.last_name = (address, image::name_of(address)?);
        }
        Ok(self.last_name.1)
    }

    fn slot(&self, number: u32) -> *mut Slot {
        // SAFETY: in bounds of the head's array by the remainder.
        unsafe {
            (&raw mut (*self.requests.head().cast::<PoolHead>()).slots)
                .cast::<Slot>()
                .add(number as usize % CAPACITY)
        }
    }

    /// Lets the worker see what was sent, and wakes it if it sleeps.
    #[inline]
    pub fn flush(&mut self) {
        if self.published != self.tail {
            self.publish();
        } else if self.holding && self.theirs().sleeping.0.load(Relaxed) != 0 {
            self.hold_no_more();
        }
    }

    fn publish(&mut self) {
        self.published = self.tail;
        self.words().publish(self.tail);
        self.wake();
    }

    /// As [`flush`](PoolLane::flush); but in a rush of requests a few are held back and published together.
    /// The worker rings the alarm when it runs dry meanwhile, and whoever answers that is to flush.
    pub fn flush_or_hold(&mut self) {
        let busy = self.outstanding() >= BUSY;
        if busy && self.holding && self.tail.wrapping_sub(self.published) < BATCH {
            return;
        }
        if busy && self.is_holding_back() {
            self.streak = self.streak.saturating_add(1);
        }
        self.flush();
        if !self.holding && self.streak >= RUSH {
            self.holding = self.words().hold(self.theirs());
        }
    }

    /// Whether the worker cannot see all that was sent.
    pub fn is_holding_back(&self) -> bool {
        self.published != self.tail
    }

    fn hold_no_more(&mut self) {
        self.streak = 0;
        if std::mem::take(&mut self.holding) {
            self.words().hold_no_more();
        }
    }

    fn wake(&mut self) {
        if let Some(sleep) = self.theirs().must_wake(self.woken, self.tail) {
            self.woken = sleep;
            futex::wake(&self.words().tail.0, 1);
            self.hold_no_more();
        }
    }

    /// Whether a reply is there.
    #[inline]
    pub fn has_reply(&self) -> bool {
        // ORDERING: a hint; `receive` looks again.
        self.tail != self.seen && self.theirs().replied.0.load(Relaxed) != self.seen
    }

    /// The core that the worker was last seen on.
    pub fn their_core(&self) -> Option<u16> {
        Some(self.their_core).filter(|core| *core != NO_CORE)
    }

    /// Takes the next reply in, copying it.
    ///
    /// # Errors
    /// What the worker wrote makes no sense: it is not to be trusted with anything more.
    pub fn receive(&mut self) -> Option<Result<Reply, LaneError>> {
        if self.outstanding() == 0 {
            return None;
        }
        // ORDERING: Acquire for the replies' contents; pairs with the store in `announce_reply`.
        let ahead = self.theirs().replied.0.load(Acquire).wrapping_sub(self.seen);
        if ahead == 0 {
            return None;
        }
        if ahead as usize > self.outstanding() {
            return Some(Err(LaneError(io::Error::new(
                io::ErrorKind::InvalidData,
                "more replies than requests",
            ))));
        }
        let index = self.seen as usize % CAPACITY;
        // SAFETY: in bounds of the mapped head. The copy is taken once, volatile, and is what is checked;
        // a Slot is plain numbers, for which any bytes are valid.
        let slot = unsafe {
            let slots = (&raw const (*self.replies.head().cast::<WorkerHead>()).slots).cast::<Slot>();
            slots.add(index).read_volatile()
        };
        let mut status = slot.what as u32;
        let output = if slot.flags & IN_ARENA == 0 {
            Output::Inline(slot.len.min(INLINE as u64) as u8, slot.place)
        } else {
            match self.replies.read(slot.place[0], slot.len) {
                Ok(bytes) => Output::Heap(bytes),
                // That is the loss of this reply alone, and none of its worker's doing.
                Err(error) if error.kind() == io::ErrorKind::OutOfMemory => {
                    status = NO_ROOM;
                    Output::Inline(0, [0; INLINE / 8])
                }
                Err(error) => return Some(Err(LaneError(error))),
            }
        };
        self.their_core = slot.core;
        self.seen = self.seen.wrapping_add(1);
        self.arena.free_oldest();
        // ORDERING: Release after the copy: the worker writes there again once it sees this.
        self.words().seen.0.store(self.seen, Release);
        Some(Ok(Reply { status, output, accompanied: slot.flags & ACCOMPANIED != 0 }))
    }

    /// How many of the outstanding requests the worker has taken on: answered ones whose reply was not
    /// taken in, and at most one that is not answered.
    pub fn in_hand(&self) -> usize {
        // ORDERING: pairs with the stores in `claim`; of a worker that is gone, the kernel has ordered them.
        let claimed = self.theirs().claimed.0.load(Acquire).wrapping_sub(self.seen) as usize;
        if claimed <= self.outstanding() { claimed } else { 0 }
    }

    /// Takes back all requests that the worker has not begun. Returns them, oldest first.
    pub fn take_back(&mut self) -> Vec<Returned> {
        self.flush();
        let kept = self.words().take_back(self.theirs(), self.seen);
        let mut returned = Vec::with_capacity(self.tail.wrapping_sub(kept) as usize);
        while self.tail != kept {
            self.tail = self.tail.wrapping_sub(1);
            returned.push(self.sent(self.tail));
            self.arena.free_newest();
        }
        returned.reverse();
        self.published = self.tail;
        // The worker may have looked while the tail was low, and may be falling asleep on it: now, or after
        // this wake-up. So the next publication wakes it again.
        self.woken = 0;
        self.wake();
        self.woken = 0;
        returned
    }

    /// Of a worker that is gone: every request that has no reply, oldest first.
    pub fn left_over(&mut self) -> Vec<Returned> {
        (0..self.outstanding()).map(|nth| self.sent(self.seen.wrapping_add(nth as u32))).collect()
    }

    /// Reads a request back from this side's own memory.
    fn sent(&mut self, number: u32) -> Returned {
        // SAFETY: in bounds, written by `send`, and nobody else can write it.
        let slot = unsafe { self.slot(number).read() };
        let input = if slot.flags & IN_ARENA == 0 {
            Ok(Output::Inline(slot.len as u8, slot.place))
        } else {
            // Written by us, so the length has memory behind it.
            self.requests.read(slot.place[0] + slot.place[1], slot.len).map(Output::Heap)
        };
        Returned { word: slot.word, input }
    }

    /// Asks that the worker tell when it has given `more` further replies, or before. Returns whether it
    /// may be too late to ask: there is a reply already.
    pub fn arm(&mut self, more: usize, tell: Tell) -> bool {
        let outstanding = self.outstanding();
        if outstanding == 0 {
            return false;
        }
        let more = more.clamp(1, outstanding) as u32;
        let replied = match self.armed {
            // It was asked already, and told already if it has come that far.
            Some((at, by)) if by == tell && (1..=more).contains(&at.wrapping_sub(self.seen)) => {
                // ORDERING: as in `has_reply`.
                self.theirs().replied.0.load(Relaxed)
            }
            _ => {
                let at = self.seen.wrapping_add(more);
                self.armed = Some((at, tell));
                self.words().arm(self.theirs(), at, tell)
            }
        };
        replied != self.seen
    }

    /// Readable once the worker has told by [`Tell::Alarm`].
    pub fn alarm(&self) -> BorrowedFd<'_> {
        self.alarm.as_fd()
    }

    /// Quiets the alarm.
    pub fn silence(&self) {
        self.alarm.silence();
    }

    /// Whether the worker has said that it is ready.
    pub fn is_ready(&self) -> bool {
        // SAFETY: as in `theirs`.
        // ORDERING: pairs with the store in `Ready::tell`.
        unsafe { (*self.replies.head().cast::<WorkerHead>()).state.0.load(Acquire) == READY }
    }

    /// Whether the thread that answers is ending, or has ended: it takes on nothing more. The process may not have
    /// ended yet; and if not, a process that wrote this itself may go on.
    #[inline]
    pub fn is_forsaken(&self) -> bool {
        self.lives()[ANSWERS].is_over()
    }

    /// Whether no thread of the worker goes on: its process is being taken apart, and needs a core for that.
    pub fn is_deserted(&self) -> bool {
        self.lives().iter().all(Life::is_over)
    }

    /// What to sleep on until the thread that answers [ends](Self::is_forsaken), if it has not.
    pub fn end(&self) -> Option<End> {
        self.lives()[ANSWERS].expected().map(End)
    }

    fn lives(&self) -> &[Life; 2] {
        // SAFETY: as in `theirs`.
        unsafe { &(*self.replies.head().cast::<WorkerHead>()).lives.0 }
    }

    /// Whether the worker noted that a task's stack overflowed.
    pub fn stack_overflowed(&self) -> bool {
        // SAFETY: as in `theirs`.
        // ORDERING: pairs with the store in the fault's handler, whose process is gone.
        unsafe { (*self.replies.head().cast::<WorkerHead>()).overflow.0.load(Acquire) != 0 }
    }

    /// Whether an idle lane holds memory that a burst left behind.
    pub fn has_spare_memory(&self) -> bool {
        self.arena.spare() > 0
    }

    /// Gives that memory back to the system.
    pub fn trim(&mut self) {
        if let Some(range) = self.arena.trim() {
            self.requests.give_back(range);
        }
    }
}

impl std::fmt::Debug for PoolLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PoolLane").field("tail", &self.tail).field("seen", &self.seen).finish_non_exhaustive()
    }
}
