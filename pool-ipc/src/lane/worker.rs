//! The worker's half of a lane.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::slice;
use std::thread;
use std::time::{Duration, Instant};

use super::{
    ACCOMPANIED, ANSWERS, CAPACITY, IN_ARENA, INLINE, LISTENS, Luggage, PoolHead, READY, REFUSED, Slot,
    WorkerHead, words_of,
};
use crate::arena::Arena;
use crate::bell::Bell;
use crate::image::{self, Entry};
use crate::patience::Patience;
use crate::protocol::{PoolWords, Tell};
use crate::segment::Segment;
use crate::sync::AtomicU32;
use crate::sync::Ordering::*;
use crate::sys::core::{NO_CORE, current_core, leave_core, roam};
use crate::sys::events::Alarm;
use crate::sys::{born, futex};
use crate::{passing, shared};

/// The worker's half of a lane. There is one in a worker's life; its heads stay mapped for ever.
pub struct WorkerLane {
    inbox: Inbox,
    outbox: Outbox,
}

/// Requests, on their way in.
struct Inbox {
    segment: Segment,
    head: &'static PoolHead,
    /// Requests taken on, ever.
    claimed: u32,
    sleeps: u32,
    patience: Patience,
    /// The name of the last function that was called, and its address.
    last_name: (u64, usize),
    /// The core that the last request was written on.
    their_core: u16,
    last_move: Option<Instant>,
}

/// Replies, on their way out.
struct Outbox {
    segment: Segment,
    head: &'static WorkerHead,
    theirs: &'static PoolWords,
    alarm: Alarm,
    bell: Bell,
    arena: Arena,
    /// Replies published, ever.
    replied: u32,
    /// Somebody who slept was woken by the last reply.
    rang: bool,
}

/// A request, as the worker sees it.
struct Request<'a> {
    entry: Entry,
    word: u32,
    context: &'a [u8],
    input: &'a [u8],
    luggage: Option<u64>,
}

/// An idle worker that was used lately gives the memory of a burst back after this long.
const TRIM_AFTER: Duration = Duration::from_secs(5);
/// An idle worker forgets the shared objects of its last tasks after this long.
const FORGET_AFTER: Duration = Duration::from_millis(100);
/// The first lets the thread that answers do so, the others let it and those that it woke go on.
const YIELDS: u32 = 3;
/// A move to another core costs some 20 µs, and the kernel may undo it.
const MOVE_EVERY: Duration = Duration::from_millis(2);

impl WorkerLane {
    /// Attaches to the lane whose descriptors the process was born with.
    ///
    /// # Errors
    /// They cannot be mapped.
    pub fn attach(requests: OwnedFd, replies: OwnedFd, alarm: OwnedFd, bell: Bell) -> io::Result<WorkerLane> {
        let mut requests = Segment::map(File::from(requests), size_of::<PoolHead>(), false)?;
        let mut replies = Segment::map(File::from(replies), size_of::<WorkerHead>(), true)?;
        // SAFETY: the head is mapped for ever, aligned to a page, and was zeroed or written by `PoolLane`:
        // a valid PoolHead. Its words are atomics; a slot is read only while a claim makes it ours.
        let their_head = unsafe { requests.leak_head().cast::<PoolHead>().as_ref() };
        // SAFETY: as above; its words are atomics, and its slots are written through a raw pointer alone.
        let head = unsafe { replies.leak_head().cast::<WorkerHead>().as_ref() };
        // ORDERING: written before this process was started.
        let patience = Patience::told(their_head.cores.0.load(Relaxed));
        let alarm = Alarm::from_descriptor(alarm);
        Ok(WorkerLane {
            inbox: Inbox {
                segment: requests,
                head: their_head,
                claimed: 0,
                sleeps: 0,
                patience,
                last_name: (0, 0),
                their_core: NO_CORE,
                last_move: None,
            },
            outbox: Outbox {
                segment: replies,
                head,
                theirs: &their_head.words,
                alarm,
                bell,
                arena: Arena::default(),
                replied: 0,
                rang: false,
            },
        })
    }

    /// Makes an overflow of this thread's stack known to the pool.
    ///
    /// # Errors
    /// The system refuses the handler.
    pub fn report_stack_overflow(&self) -> io::Result<()> {
        born::report_stack_overflow(&self.outbox.head.overflow.0)
    }

    /// Has the pool see that this thread ends, the one that answers, as soon as it does.
    ///
    /// # Errors
    /// The system has no means for it. Then the pool sees the end of the process, a moment later.
    pub fn report_end(&self) -> io::Result<()> {
        // SAFETY: the head is mapped for writing, for ever, and this is the only thread that answers.
        unsafe { self.outbox.head.lives.0[ANSWERS].begin() }
    }

    /// What says that this worker is ready: to be used once, by the thread that listens on the worker's line.
    ///
    /// # Errors
    /// The system refuses a descriptor.
    pub fn ready(&self) -> io::Result<Ready> {
        let is_late = self.outbox.theirs.has_request(self.inbox.claimed);
        Ok(Ready { head: self.outbox.head, alarm: self.outbox.alarm.try_clone()?, is_late })
    }

    /// Waits for the next request, runs its function, and answers it.
    pub fn serve(&mut self, luggage: &Luggage) {
        let WorkerLane { inbox, outbox } = self;
        inbox.wait_for_request(outbox);
        let request = match inbox.open() {
            Ok(request) => request,
            Err(error) => return outbox.refuse(&error),
        };
        let mut answer = None;
        let mut run = || {
            (request.entry)(request.word, request.context, request.input, &mut |status, bytes| {
                answer.get_or_insert_with(|| outbox.reply(status, bytes, luggage));
            });
        };
        match request.luggage {
            None => run(),
            Some(number) => passing::receiving(luggage.take(number), run),
        }
        match answer {
            Some(Ok(())) => {}
            Some(Err(error)) => outbox.refuse(&error),
            None => outbox.refuse(&io::Error::other("the function gave no answer")),
        }
        shared::forget_retired();
    }
}

impl Inbox {
    /// Waits for a request and takes it on.
    fn wait_for_request(&mut self, outbox: &mut Outbox) {
        let (pool, worker) = (&self.head.words, &outbox.head.words);
        while !worker.claim(pool, self.claimed) {
            if std::mem::take(&mut outbox.rang) {
                // Whoever was woken may wait for this very core.
                std::thread::yield_now();
                continue;
            }
            let same_core = self.shares_a_core();
            if self.patience.spin(same_core, || pool.has_request(self.claimed)) {
                continue;
            }
            self.sleeps = self.sleeps.wrapping_add(1).max(1);
            if let Some((tail, ring)) = worker.announce_sleep(pool, self.sleeps, self.claimed) {
                if ring {
                    outbox.alarm.ring();
                }
                outbox.sleep(&pool.tail.0, tail, &mut self.patience, same_core);
            }
            worker.awake();
        }
        self.claimed = self.claimed.wrapping_add(1);
    }

    /// Whether the last request came from the core that this thread is on. In a rush of requests it moves
    /// to another, if it can: the kernel wakes a sleeper on the waker's core, and may leave the two there
    /// while other cores idle.
    fn shares_a_core(&mut self) -> bool {
        let Some(core) = current_core() else { return false };
        if core != self.their_core {
            if self.their_core != NO_CORE {
                self.patience.seen_elsewhere();
            }
            return false;
        }
        if self.patience.is_rush() && self.last_move.is_none_or(|last| last.elapsed() >= MOVE_EVERY) {
            self.last_move = Some(Instant::now());
            return !leave_core(core);
        }
        true
    }

    /// The request that was taken on last.
    fn open(&mut self) -> io::Result<Request<'_>> {
        let slot = &self.head.slots[self.claimed.wrapping_sub(1) as usize % CAPACITY];
        self.their_core = slot.core;
        if self.last_name.0 != slot.what {
            self.last_name = (slot.what, image::address_of(slot.what)?);
        }
        let address = self.last_name.1;
        // SAFETY: the name was made by `PoolLane::send` from an `Entry`, in a process of the same build (the
        // birth checked that), in memory that only that process can write.
        let entry = unsafe { std::mem::transmute::<usize, Entry>(address) };
        let word = slot.word;
        if slot.flags & IN_ARENA == 0 {
            let len = slot.len.min(INLINE as u64) as usize;
            // SAFETY: `place` is INLINE bytes of plain numbers.
            let input = unsafe { slice::from_raw_parts(slot.place.as_ptr().cast(), len) };
            return Ok(Request { entry, word, context: &[], input, luggage: None });
        }
        let [at, context_len, len] = [slot.place[0], slot.place[1], slot.len];
        let arena = self.segment.arena(at + context_len + len)?;
        // SAFETY: the mapping covers the range, which the pool wrote before it published the request and
        // does not touch before it has our reply. The borrow of `self` keeps the mapping until then.
        let (context, input) = unsafe {
            let context = arena.add(at as usize);
            let input = context.add(context_len as usize);
            (slice::from_raw_parts(context, context_len as usize), slice::from_raw_parts(input, len as usize))
        };
        let luggage = (slot.flags & ACCOMPANIED != 0).then_some(slot.place[2]);
        Ok(Request { entry, word, context, input, luggage })
    }
}

impl Outbox {
    /// Answers the request in hand, with what this thread has to go along.
    fn reply(&mut self, status: u32, bytes: &[u8], luggage: &Luggage) -> io::Result<()> {
        match passing::leaving() {
            None => self.put(status, bytes, 0),
            Some(leaving) => {
                luggage.send(&leaving)?;
                self.put(status, bytes, ACCOMPANIED)
            }
        }
    }

    fn put(&mut self, status: u32, bytes: &[u8], flags: u16) -> io::Result<()> {
        // The pool's count changes with every reply it takes in; it is looked at when there is a need.
        if bytes.len() > INLINE || self.arena.len() >= CAPACITY {
            self.free_what_was_seen();
        }
        let mut slot = Slot {
            what: u64::from(status),
            len: bytes.len() as u64,
            word: 0,
            flags,
            core: current_core().unwrap_or(NO_CORE),
            place: [0; INLINE / 8],
        };
        if bytes.len() <= INLINE {
            self.arena.place(0);
            slot.place = words_of(bytes);
        } else {
            let range = self.arena.place(slot.len);
            if let Err(error) = self.segment.write(range.start, bytes) {
                self.arena.free_newest();
                return Err(error);
            }
            slot.flags |= IN_ARENA;
            slot.place[0] = range.start;
        }
        let index = self.replied as usize % CAPACITY;
        // SAFETY: in bounds of the mapped head, which is writable. The pool reads the slot after `replied`
        // covers it, and has taken in what was there before: no more than CAPACITY are outstanding.
        unsafe {
            let slots = (&raw const self.head.slots).cast_mut().cast::<Slot>();
            slots.add(index).write(slot);
        }
        self.replied = self.replied.wrapping_add(1);
        match self.head.words.announce_reply(self.theirs, self.replied) {
            Some(Tell::Bell) => {
                self.bell.ring();
                self.rang = true;
            }
            Some(Tell::Alarm) => self.alarm.ring(),
            None => {}
        }
        Ok(())
    }

    /// Answers that there is no answer. The text is short enough to need no memory.
    fn refuse(&mut self, error: &io::Error) {
        let text = error.to_string();
        let mut end = text.len().min(INLINE);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let _ = self.put(REFUSED, &text.as_bytes()[..end], 0);
    }

    /// Sleeps on the tail, and after long enough gives up what is only kept for the next task.
    fn sleep(&mut self, word: &AtomicU32, tail: u32, patience: &mut Patience, same_core: bool) {
        let (burst, remembers) = (self.arena.has_burst(), shared::forget_retired());
        let limit = if remembers { Some(FORGET_AFTER) } else { burst.then_some(TRIM_AFTER) };
        // How long it took matters to who looks, and not to who yields; and the clock is cold when it is read
        // after a sleep.
        let start = (limit.is_some() || !same_core).then(Instant::now);
        futex::wait(word, tail, limit);
        let slept = start.map(|start| start.elapsed());
        match slept {
            Some(slept) if !same_core => patience.slept(slept),
            _ => patience.yielded_in_vain(),
        }
        let slept = slept.unwrap_or_default();
        if remembers && slept >= FORGET_AFTER {
            shared::forget();
        } else if burst && slept >= TRIM_AFTER {
            self.trim();
        }
    }

    fn free_what_was_seen(&mut self) {
        // ORDERING: Acquire: the pool has copied what it says it has seen.
        let unseen = self.replied.wrapping_sub(self.theirs.seen.0.load(Acquire)) as usize;
        while self.arena.len() > unseen {
            self.arena.free_oldest();
        }
    }

    fn trim(&mut self) {
        self.free_what_was_seen();
        if let Some(range) = self.arena.trim() {
            self.segment.give_back(range);
        }
    }
}

impl std::fmt::Debug for WorkerLane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerLane").field("claimed", &self.inbox.claimed).finish_non_exhaustive()
    }
}

/// Tells the pool that this worker is ready.
pub struct Ready {
    head: &'static WorkerHead,
    alarm: Alarm,
    /// A request is there already.
    is_late: bool,
}

impl Ready {
    /// Tells it, of the thread that answers; and the end of the calling thread will be seen too. Where a request is
    /// there already, whose reply says as much, this leaves the core to that and to who waits for it.
    pub fn tell(self) {
        if self.is_late {
            (0..YIELDS).for_each(|_| thread::yield_now());
        }
        // The starter wanted the first reply on the core where this is.
        roam();
        // Without it the pool does not know that nothing is left of this process but its memory.
        // SAFETY: the head is mapped for writing, for ever, and there is one such value for it, used once.
        let _ = unsafe { self.head.lives.0[LISTENS].begin() };
        // ORDERING: pairs with the load in `PoolLane::is_ready`.
        self.head.state.0.store(READY, Release);
        self.alarm.ring();
    }
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready").finish_non_exhaustive()
    }
}
