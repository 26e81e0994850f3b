//! What children that were forked for one call send back, and how they share the work out.
//!
//! ```text
//!  child 0 ─┐
//!  child 1 ─┼─ one channel ──> caller: Arrivals::receive     pieces of results, put together; ends of children
//!  watcher ─┘
//!  each child <──> Claims: the next item, and which one each child has in hand
//! ```
//!
//! A result travels in pieces, each of them one packet: a child that dies in the middle leaves a result without
//! its last piece, and nothing that anybody waits for. That a child has ended is said on the same channel, by a
//! thread of the caller's process that watches them; since it comes after all that the child sent, who
//! hears it has everything.
//!
//! What children wrote is not trusted: an arrival says which child, which item, and may lie.

use std::io;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::*};
use std::time::Duration;

use ipc_channel::IpcError;
use ipc_channel::ipc::{IpcBytesReceiver, IpcBytesSender, bytes_channel};
use memmap2::{MmapOptions, MmapRaw};

use crate::sys::memory;

/// Sends results; every child has a copy of it.
#[derive(Debug, Clone)]
pub struct Outlet(IpcBytesSender);

/// Where they arrive.
#[derive(Debug)]
pub struct Arrivals {
    channel: IpcBytesReceiver,
    /// By child: the pieces of the result that is on its way.
    pieces: Vec<Vec<u8>>,
}

/// What arrives.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A result.
    Result {
        /// The child that sent it.
        child: usize,
        /// Of which item.
        item: u64,
        /// The first word of it.
        status: u32,
        /// The rest.
        bytes: Vec<u8>,
    },
    /// A child has ended, or somebody says so.
    Ended(usize),
}

/// Fits into the buffer of a socket several times.
const PIECE: usize = 32 << 10;
/// Child, kind, status, item.
const HEAD: usize = 4 + 4 + 4 + 8;

const MORE: u32 = 0;
const LAST: u32 = 1;
const ENDED: u32 = 2;

/// A channel for the results of so many children.
///
/// # Errors
/// The system refuses a descriptor.
pub fn channel(children: usize) -> io::Result<(Outlet, Arrivals)> {
    let (sender, receiver) = bytes_channel()?;
    Ok((Outlet(sender), Arrivals { channel: receiver, pieces: vec![Vec::new(); children] }))
}

impl Outlet {
    /// Sends a result; waits while nobody takes it.
    ///
    /// # Errors
    /// The caller is gone, or the system has no memory for it.
    pub fn send(&self, child: usize, item: u64, status: u32, bytes: &[u8]) -> io::Result<()> {
        let mut pieces = bytes.chunks(PIECE).peekable();
        loop {
            let piece = pieces.next().unwrap_or_default();
            let kind = if pieces.peek().is_some() { MORE } else { LAST };
            self.packet(child, kind, status, item, piece)?;
            if kind == LAST {
                return Ok(());
            }
        }
    }

    /// Says that a child has ended, as often as it takes: the caller waits to hear it.
    ///
    /// # Errors
    /// The caller is gone.
    pub fn ended(&self, child: usize) -> io::Result<()> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset};
        loop {
            match self.packet(child, ENDED, 0, 0, &[]) {
                Err(error) if ![BrokenPipe, ConnectionReset].contains(&error.kind()) => {
                    // There is no memory for a packet now.
                    std::thread::sleep(Duration::from_millis(1));
                }
                said => return said,
            }
        }
    }

    fn packet(&self, child: usize, kind: u32, status: u32, item: u64, piece: &[u8]) -> io::Result<()> {
        let head = [child as u32, kind, status].map(u32::to_le_bytes);
        let packet = [head.as_flattened(), &item.to_le_bytes(), piece].concat();
        loop {
            match self.0.send(&packet) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent,
            }
        }
    }
}

impl Arrivals {
    /// Waits for the next one. Packets that make no sense are passed over.
    ///
    /// # Errors
    /// The channel cannot be read any more.
    pub fn receive(&mut self) -> io::Result<Arrival> {
        loop {
            // A packet that no honest child sends makes the channel panic.
            let packet = match catch_unwind(AssertUnwindSafe(|| self.channel.recv())) {
                Ok(Ok(packet)) => packet,
                Ok(Err(IpcError::Io(error))) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(Err(IpcError::Io(error))) => return Err(error),
                Ok(Err(error)) => return Err(io::Error::other(error.to_string())),
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            };
            if let Some(arrival) = self.take_in(&packet) {
                return Ok(arrival);
            }
        }
    }

    fn take_in(&mut self, packet: &[u8]) -> Option<Arrival> {
        let (head, piece) = packet.split_first_chunk::<HEAD>()?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let item = u64::from(word(12)) | u64::from(word(16)) << 32;
        let child = usize::try_from(word(0)).ok()?;
        let pieces = self.pieces.get_mut(child)?;
        match word(4) {
            ENDED => return Some(Arrival::Ended(child)),
            MORE | LAST => pieces.extend_from_slice(piece),
            _ => return None,
        }
        (word(4) == LAST).then(|| Arrival::Result {
            child,
            item,
            status: word(8),
            bytes: std::mem::take(pieces),
        })
    }
}

/// Words that all children of a call share with the caller: how many items were claimed, and for each child
/// one more than the item that it has in hand (0: none).
#[derive(Debug)]
pub struct Claims {
    words: MmapRaw,
    children: usize,
}

impl Claims {
    /// Nothing is claimed.
    ///
    /// # Errors
    /// The system refuses the memory.
    pub fn new(children: usize) -> io::Result<Claims> {
        let len = (1 + children) * size_of::<AtomicU64>();
        let segment = memory::segment(c"pool-claims", len as u64)?;
        // Unlike all other segments it is there in a fork: that is what it is for.
        let words = MmapOptions::new().len(len).map_raw(segment.as_raw_fd())?;
        Ok(Claims { words, children })
    }

    /// The next item of so many for this child; `None`: there is none left, or no more are to be begun.
    pub fn claim(&self, child: usize, items: usize) -> Option<usize> {
        // ORDERING: only who gets which number matters; items are not reached through it.
        let item = self.word(0).fetch_add(1, Relaxed);
        let item = usize::try_from(item).ok().filter(|item| *item < items);
        // ORDERING: read by the caller when the child has ended, which the kernel told it.
        self.hand(child).store(item.map_or(0, |item| item as u64 + 1), Relaxed);
        item
    }

    /// No more items are claimed.
    pub fn stop(&self) {
        // ORDERING: a child that does not see it yet begins one more item.
        self.word(0).store(u64::MAX / 2, Relaxed);
    }

    /// What a child that has ended had in hand, if it is to be believed.
    pub fn in_hand(&self, child: usize) -> Option<usize> {
        // ORDERING: as in `claim`.
        usize::try_from(self.hand(child).load(Relaxed).checked_sub(1)?).ok()
    }

    fn hand(&self, child: usize) -> &AtomicU64 {
        self.word(1 + child.min(self.children.saturating_sub(1)))
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        // SAFETY: `index` is at most the number of children, and there is one word more; the mapping is
        // aligned, writable, zeroed at first, and lives as long as `self`.
        unsafe { &*self.words.as_ptr().cast::<AtomicU64>().add(index.min(self.children)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_many_pieces_arrives_whole_and_before_the_end() {
        let (outlet, mut arrivals) = channel(2).unwrap();
        let large: Vec<u8> = (0..1_000_000u32).map(|x| x as u8).collect();
        let sent = large.clone();
        let sender = std::thread::spawn(move || {
            outlet.send(0, 1 << 40, 7, &[]).unwrap();
            outlet.send(1, 3, 8, &sent).unwrap();
            outlet.ended(1).unwrap();
        });
        let empty = Arrival::Result { child: 0, item: 1 << 40, status: 7, bytes: Vec::new() };
        assert_eq!(arrivals.receive().unwrap(), empty);
        assert_eq!(
            arrivals.receive().unwrap(),
            Arrival::Result { child: 1, item: 3, status: 8, bytes: large }
        );
        assert_eq!(arrivals.receive().unwrap(), Arrival::Ended(1));
        sender.join().unwrap();
    }

    #[test]
    fn an_end_that_nobody_hears_is_an_error() {
        let (outlet, arrivals) = channel(1).unwrap();
        drop(arrivals);
        assert!(outlet.ended(0).is_err());
    }

    #[test]
    fn half_a_result_is_none() {
        let (outlet, mut arrivals) = channel(1).unwrap();
        outlet.packet(0, MORE, 0, 0, &[1; PIECE]).unwrap();
        outlet.ended(0).unwrap();
        assert_eq!(arrivals.receive().unwrap(), Arrival::Ended(0));
    }

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let (outlet, mut arrivals) = channel(1).unwrap();
        outlet.0.send(b"short").unwrap();
        outlet.packet(1, LAST, 0, 0, b"no such child").unwrap();
        outlet.packet(0, 77, 0, 0, b"no such kind").unwrap();
        outlet.ended(0).unwrap();
        assert_eq!(arrivals.receive().unwrap(), Arrival::Ended(0));
    }

    #[test]
    fn each_item_is_claimed_once_until_the_stop() {
        let claims = Claims::new(2).unwrap();
        assert_eq!((claims.claim(0, 5), claims.claim(1, 5), claims.claim(0, 5)), (Some(0), Some(1), Some(2)));
        assert_eq!((claims.in_hand(0), claims.in_hand(1)), (Some(2), Some(1)));
        claims.stop();
        assert_eq!((claims.claim(0, 5), claims.in_hand(0), claims.in_hand(1)), (None, None, Some(1)));
    }
}
