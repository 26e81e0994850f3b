//! The ring of bytes between a queue's ends: where it lies, and an item in it.
//!
//! ```text
//!  block   head, ends ..│ ring 0 │    ring 1    │          ring 2          │ ..        memory only where it was written
//!
//!  a ring  .. │ length │ bytes        │ length │ bytes  │ ..                whole units; a position counts units
//! ```
//!
//! Each ring is twice the size of the one before, and one of them is in use. A position goes on for ever (it wraps at
//! 2^32 units) and is a place in each of the rings: what is left of it when it is divided by the ring's size. So a move
//! to another ring copies what is between the ends and changes no position.

use std::io;

use pool_ipc::shared::Block;

use crate::ends::{Found, SMALL, Small};

/// An item begins at a whole unit, with its length in the first half of it.
const UNIT: usize = 16;
const LENGTH: usize = 8;
/// The size of the first ring.
const FIRST: usize = 1 << 16;
const FIRST_UNITS: u32 = (FIRST / UNIT) as u32;
/// There are no more rings: positions wrap at 2^32 units, and the largest ring has half of that.
const MOST_RINGS: u32 = 20;
/// So many there are at least, if nobody asked for fewer.
const FEWEST_RINGS: u32 = 4;
/// A queue that is empty goes back to the first ring from one larger than this (16 MiB): fresh memory costs much more
/// than what is used again.
pub(super) const KEPT: u32 = 8;

/// The rings of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rings {
    /// Where the first begins in the object.
    base: usize,
    count: u32,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ring {
    start: usize,
    units: u32,
}

/// How many units an item of so many bytes takes; `None`: no ring is so large.
#[inline]
pub(super) fn units_of(len: usize) -> Option<u32> {
    u32::try_from(len.checked_add(LENGTH)?.div_ceil(UNIT)).ok()
}

impl Rings {
    /// A new block with as many rings as the system has address space for, or as it takes for the largest to have this
    /// many bytes.
    pub(super) fn create(kind: u32, base: usize, bytes: Option<u64>) -> io::Result<(Block, Rings)> {
        let mut count = match bytes {
            None => MOST_RINGS,
            Some(bytes) => match (1..=MOST_RINGS).find(|count| (FIRST as u64) << (count - 1) >= bytes) {
                Some(count) => count,
                None => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "a queue has 32 GiB at most"));
                }
            },
        };
        loop {
            let rings = Rings { base, count };
            match Block::create(kind, rings.end()) {
                Ok(block) => return Ok((block, rings)),
                Err(error) if count <= FEWEST_RINGS || bytes.is_some() => return Err(error),
                Err(_) => count -= 4,
            }
        }
    }

    /// Those of a block that another made; `None`: it is none of a queue.
    pub(super) fn of(block: &Block, base: usize) -> Option<Rings> {
        let mut rings = (1..=MOST_RINGS).map(|count| Rings { base, count });
        rings.find(|rings| rings.end() == block.len())
    }

    /// The ring of this number.
    #[inline]
    pub(super) fn get(self, number: u32) -> Option<Ring> {
        (number < self.count).then(|| Ring { start: self.start(number), units: FIRST_UNITS << number })
    }

    /// The smallest with so many units.
    pub(super) fn with_units(self, units: u64) -> Option<(u32, Ring)> {
        let mut rings = (0..self.count).filter_map(|number| Some((number, self.get(number)?)));
        rings.find(|(_, ring)| u64::from(ring.units) >= units)
    }

    /// How many units the largest has.
    #[inline]
    pub(super) fn largest(self) -> u32 {
        FIRST_UNITS << (self.count - 1)
    }

    /// Gives back the memory of all but this one.
    pub(super) fn give_back_others(self, block: &Block, number: u32) {
        block.give_back(self.start(0)..self.start(number));
        block.give_back(self.start(number + 1)..self.end());
    }

    fn start(self, number: u32) -> usize {
        self.base + FIRST * ((1 << number) - 1)
    }

    fn end(self) -> usize {
        self.start(self.count)
    }
}

impl Ring {
    /// How many units it has.
    #[inline]
    pub(super) fn units(self) -> u32 {
        self.units
    }

    /// Writes an item at this position, where there is room. `small`: the same item, if it is small.
    #[inline]
    pub(super) fn write(self, block: &Block, position: u32, bytes: &[u8], small: Small) -> io::Result<()> {
        let (at, room) = self.place(position);
        if bytes.len() <= UNIT - LENGTH {
            // In one piece, which is quicker than two.
            let mut unit = [0; UNIT];
            unit[..LENGTH].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            unit[LENGTH..].copy_from_slice(&small.first_bytes());
            return block.write(at, &unit);
        }
        block.write(at, &(bytes.len() as u64).to_le_bytes())?;
        let (first, rest) = bytes.split_at(bytes.len().min(room - LENGTH));
        block.write(at + LENGTH, first)?;
        if rest.is_empty() { Ok(()) } else { block.write(self.start, rest) }
    }

    /// Reads the item at this position: gives it if it is small, or else appends it to `bytes`; and how many units it
    /// takes.
    #[inline]
    pub(super) fn read(
        self,
        block: &Block,
        position: u32,
        bytes: &mut Vec<u8>,
    ) -> io::Result<(Option<Found>, u32)> {
        let (at, room) = self.place(position);
        let mut length = [0; LENGTH];
        block.read(at, &mut length)?;
        let outside = || io::Error::new(io::ErrorKind::InvalidData, "an item that is larger than the queue");
        let len = usize::try_from(u64::from_le_bytes(length)).map_err(|_| outside())?;
        let units = units_of(len).filter(|units| *units <= self.units).ok_or_else(outside)?;
        let first = len.min(room - LENGTH);
        if len <= SMALL {
            let item = Found::filled(len, |item| {
                let (front, rest) = item.split_at_mut(first);
                block.read(at + LENGTH, front)?;
                if rest.is_empty() { Ok(()) } else { block.read(self.start, rest) }
            });
            return Ok((Some(item?), units));
        }
        block.reserve(bytes, len)?;
        block.append_to(bytes, at + LENGTH, first)?;
        if first < len {
            block.append_to(bytes, self.start, len - first)?;
        }
        Ok((None, units))
    }

    /// Copies so many units from this position on to where they are in another ring.
    pub(super) fn copy_to(
        self,
        other: Ring,
        block: &Block,
        mut position: u32,
        mut units: u32,
    ) -> io::Result<()> {
        while units > 0 {
            let ((from, left), (to, room)) = (self.place(position), other.place(position));
            let bytes = left.min(room).min(units as usize * UNIT);
            block.copy(from, to, bytes)?;
            let done = (bytes / UNIT) as u32;
            (position, units) = (position.wrapping_add(done), units - done);
        }
        Ok(())
    }

    /// Where a position is, and how many bytes there are from there to the ring's end.
    #[inline]
    fn place(self, position: u32) -> (usize, usize) {
        let at = (position & (self.units - 1)) as usize * UNIT;
        (self.start + at, self.units as usize * UNIT - at)
    }
}
