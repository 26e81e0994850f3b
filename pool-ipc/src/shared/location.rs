//! What crosses to another process instead of a block, and how that one comes by it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::Block;
use super::who::{id_of, this_process};
use crate::passing;
use crate::sys::memory;

/// A block's id, and how to come by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    /// Random; the block's head has it too.
    pub id: u128,
    /// How to come by it.
    pub place: Place,
}

/// How to come by a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its descriptor comes along, at this place of the list ([`passing`]).
    Listed(u64),
    /// A process has it, as this descriptor.
    Held {
        /// The process.
        pid: u32,
        /// Its descriptor.
        descriptor: i32,
    },
}

impl Location {
    /// Where `block` is to be found by whoever decodes what this thread encodes.
    pub(super) fn of(block: &Block) -> io::Result<Location> {
        let held = Place::Held { pid: id_of(this_process()), descriptor: block.as_raw_fd() };
        let place = match passing::keep(block) {
            true => held,
            false => passing::list(block.as_fd()).transpose()?.map_or(held, Place::Listed),
        };
        Ok(Location { id: block.id(), place })
    }

    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        match self.place {
            Place::Listed(place) => passing::take(place).ok_or_else(|| {
                io::Error::new(io::ErrorKind::NotFound, "a shared object whose descriptor did not come along")
            }),
            Place::Held { pid, descriptor } => memory::open_of(pid, descriptor).map(File::into).map_err(|error| {
                let text = format!(
                    "the shared object is not there any more: process {pid} has dropped it or ended ({error}); \
                     keep it until it has arrived"
                );
                io::Error::new(error.kind(), text)
            }),
        }
    }
}
