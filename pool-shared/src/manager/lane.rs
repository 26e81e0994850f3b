//! Calls through shared memory: two sides that take turns.
//!
//! ```text
//!  side     word      how many turns it has taken, in the upper bits; closed; somebody sleeps on it
//!           length    how many bytes of the message are left, with this part
//!           core      on which it took its turn
//!           inline    the first bytes of the part
//!  area               the rest of the part
//! ```
//!
//! A turn is taken by one addition to one's own word. It hands over what was written before it, and tells whether the other
//! side sleeps. A message of several parts is answered by an empty turn after each but the last. So there is one word
//! for each direction, and a small message is in the cache line of its word.
//!
//! Nothing that the other side writes is believed: what is read is copied, a length is limited, and a word that does
//! not move is waited for.

use std::io;
use std::time::Duration;

use pool_ipc::current_core;
use pool_ipc::patience::Patience;
use pool_ipc::shared::{Block, wait, wake};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use crate::crossing::Kind;

/// How many bytes are in the line of the word.
const INLINE: usize = 64 - INLINE_AT;
const INLINE_AT: usize = 12;
/// How many bytes a part has behind those.
const AREA: usize = 32 << 10;
/// Where a side's line is, and where its area.
const LINE: [usize; 2] = [0, 128];
const AREAS: [usize; 2] = [4096, 4096 + AREA];
const BYTES: usize = 4096 + 2 * AREA;

/// Of a word: somebody sleeps on it; nobody will take a turn any more; one turn.
const ASLEEP: u32 = 1;
const CLOSED: u32 = 2;
const TURN: u32 = 4;

/// A sleep of a side that looks whether the other one is there after each.
const SLICE: Duration = Duration::from_millis(50);

/// So often it looks before it asks which core the other side is on.
const SOON: u32 = 40;
/// It asks which core it is on itself at every so many turns.
const OFTEN: u32 = 8;

/// Which side of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client = 0,
    Server = 1,
}

/// One side's end of a lane.
pub(crate) struct Lane {
    block: Block,
    own: usize,
    other: usize,
    /// The word of the other side when it had taken its last turn, without [`ASLEEP`].
    seen: u32,
    /// The core on which it last took a turn, and how many those were.
    here: u32,
    turns: u32,
    patience: Patience,
}

/// Why nothing came.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The other side is gone.
    Gone,
    /// The message has so many bytes.
    TooLong(u64),
    /// The memory for it is refused.
    Memory(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Memory(error)
    }
}

impl Lane {
    /// The memory of a new lane.
    pub(crate) fn create() -> io::Result<Block> {
        Block::create(Kind::ManagerLane as u32, BYTES)
    }

    /// One side's end of the lane in `block`.
    ///
    /// # Errors
    /// It is no such memory.
    pub(crate) fn new(block: Block, side: Side) -> io::Result<Lane> {
        if block.len() != BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not the memory of a lane"));
        }
        let own = side as usize;
        let patience = Patience::new();
        Ok(Lane { block, own, other: 1 - own, seen: 0, here: u32::MAX - 1, turns: 0, patience })
    }

    fn word(&self, side: usize) -> &AtomicU32 {
        &self.block.words()[LINE[side] / 4]
    }

    fn length(&self, side: usize) -> &AtomicU32 {
        &self.block.words()[LINE[side] / 4 + 1]
    }

    fn core(&self, side: usize) -> &AtomicU32 {
        &self.block.words()[LINE[side] / 4 + 2]
    }

    /// Takes a turn, which hands over what this side has written.
    fn turn(&self) {
        let word = self.word(self.own);
        // ORDERING: Release hands over what was written, to the Acquire in `await_turn`; with the exchange in
        // `sleep` on the same word, either this sees that somebody sleeps, or that one sees the turn.
        if word.fetch_add(TURN, AcqRel) & ASLEEP != 0 {
            // ORDERING: who sleeps next sets it anew.
            word.fetch_and(!ASLEEP, Relaxed);
            wake(word, 1);
        }
    }

    /// Waits until the other side has taken a turn. Without a `watch` it sleeps until somebody wakes it;
    /// with one it looks whether the other side is still there.
    fn await_turn(&mut self, watch: Option<&dyn Fn() -> bool>) -> Result<(), Stopped> {
        let (word, seen) = (&self.block.words()[LINE[self.other] / 4], self.seen);
        // ORDERING: Acquire, for what was written before the turn; pairs with `turn`.
        let has_turned = || word.load(Acquire) & !ASLEEP != seen;
        // Where each side has a core, it does not come to more than this.
        let soon = (0..SOON).any(|_| {
            std::hint::spin_loop();
            has_turned()
        });
        if !soon {
            // ORDERING: a hint.
            let core = self.block.words()[LINE[self.other] / 4 + 2].load(Relaxed);
            let here = current_core().map_or(u32::MAX, u32::from);
            let same_core = core == here;
            if !self.patience.spin(same_core, has_turned) {
                let began = std::time::Instant::now();
                while !has_turned() {
                    if !sleep(word, seen, watch.map(|_| SLICE)) {
                        continue;
                    }
                    if let Some(is_there) = watch
                        && !has_turned()
                        && !is_there()
                    {
                        return Err(Stopped::Gone);
                    }
                }
                if same_core {
                    self.patience.yielded_in_vain();
                } else {
                    self.patience.slept(began.elapsed());
                }
            }
        }
        let now = word.load(Acquire) & !ASLEEP;
        self.seen = now;
        if now & CLOSED == 0 { Ok(()) } else { Err(Stopped::Gone) }
    }

    /// Finds out on which core this is, now and then.
    #[inline]
    fn look_around(&mut self) {
        self.turns = self.turns.wrapping_add(1);
        if self.turns % OFTEN == 1 {
            self.here = current_core().map_or(u32::MAX - 1, u32::from);
        }
    }

    /// Takes a turn with `message`.
    pub(crate) fn send(&mut self, message: &[u8], watch: Option<&dyn Fn() -> bool>) -> Result<(), Stopped> {
        self.look_around();
        let mut rest = message;
        loop {
            let left = u32::try_from(rest.len()).map_err(|_| Stopped::TooLong(rest.len() as u64))?;
            let (first, behind) = rest.split_at(rest.len().min(INLINE));
            let (second, behind) = behind.split_at(behind.len().min(AREA));
            // ORDERING: `turn` hands all of it over.
            self.length(self.own).store(left, Relaxed);
            self.core(self.own).store(self.here, Relaxed);
            self.block.write(LINE[self.own] + INLINE_AT, first)?;
            if !second.is_empty() {
                self.block.write(AREAS[self.own], second)?;
            }
            self.turn();
            rest = behind;
            if rest.is_empty() {
                return Ok(());
            }
            self.await_turn(watch)?;
        }
    }

    /// Waits for the other side's turn, and appends its message to `message`, which is of at most `limit` bytes.
    pub(crate) fn receive(
        &mut self,
        message: &mut Vec<u8>,
        limit: usize,
        watch: Option<&dyn Fn() -> bool>,
    ) -> Result<(), Stopped> {
        self.await_turn(watch)?;
        // ORDERING: the turn's Acquire. It is read once.
        let whole = self.length(self.other).load(Relaxed) as usize;
        if whole > limit {
            return Err(Stopped::TooLong(whole as u64));
        }
        let mut left = whole;
        loop {
            let first = left.min(INLINE);
            let second = (left - first).min(AREA);
            self.block.append_to(message, LINE[self.other] + INLINE_AT, first)?;
            if second > 0 {
                self.block.append_to(message, AREAS[self.other], second)?;
            }
            left -= first + second;
            if left == 0 {
                return Ok(());
            }
            self.turn();
            self.await_turn(watch)?;
        }
    }

    /// What closes this lane from another thread.
    pub(crate) fn closer(&self) -> Closer {
        Closer(self.block.clone())
    }
}

/// Closes a lane.
pub(crate) struct Closer(Block);

impl Closer {
    /// Wakes both sides, and no turn is waited for any more.
    pub(crate) fn close(&self) {
        for line in LINE {
            let word = &self.0.words()[line / 4];
            // ORDERING: nothing goes along with it.
            word.fetch_or(CLOSED, Relaxed);
            wake(word, u32::MAX);
        }
    }
}

/// Sleeps until `word` is not `seen` any more, for at most `longest`; whether the time was over, or somebody woke it
/// for another reason.
fn sleep(word: &AtomicU32, seen: u32, longest: Option<Duration>) -> bool {
    // ORDERING: as in `turn`.
    match word.compare_exchange(seen, seen | ASLEEP, AcqRel, Acquire) {
        Ok(_) => {}
        Err(now) if now == seen | ASLEEP => {}
        Err(_) => return false,
    }
    wait(word, seen | ASLEEP, longest);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Lane, Lane) {
        let block = Lane::create().unwrap();
        (Lane::new(block.clone(), Side::Client).unwrap(), Lane::new(block, Side::Server).unwrap())
    }

    #[test]
    fn messages_of_any_length_go_both_ways() {
        let (mut client, mut server) = pair();
        let echo = std::thread::spawn(move || {
            let mut message = Vec::new();
            while server.receive(&mut message, usize::MAX, None).is_ok() {
                server.send(&message, None).unwrap();
                message.clear();
            }
        });
        for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, INLINE + AREA, INLINE + AREA + 1, 1 << 20] {
            let message: Vec<u8> = (0..len).map(|nth| nth as u8).collect();
            client.send(&message, None).unwrap();
            let mut reply = Vec::new();
            client.receive(&mut reply, usize::MAX, None).unwrap();
            assert!(reply == message, "{len} bytes");
        }
        client.closer().close();
        echo.join().unwrap();
    }

    #[test]
    fn a_message_past_the_limit_is_refused_before_it_is_read() {
        let (mut client, mut server) = pair();
        client.send(&[7; 40], None).unwrap();
        let mut message = Vec::new();
        assert!(matches!(server.receive(&mut message, 39, None), Err(Stopped::TooLong(40))));
        assert!(message.is_empty());
    }

    #[test]
    fn who_waits_hears_that_the_other_is_gone() {
        let (mut client, server) = pair();
        assert!(matches!(client.receive(&mut Vec::new(), 10, Some(&|| false)), Err(Stopped::Gone)));
        let closer = server.closer();
        let waits = std::thread::spawn(move || client.receive(&mut Vec::new(), 10, None));
        closer.close();
        assert!(matches!(waits.join().unwrap(), Err(Stopped::Gone)));
    }

    #[test]
    fn other_memory_is_no_lane() {
        assert!(Lane::new(Block::create(1, 10).unwrap(), Side::Client).is_err());
    }
}
