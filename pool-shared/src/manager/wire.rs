//! What goes through a channel.
//!
//! ```text
//!  greeting   magic, version │ Hello                a message, from the client
//!             magic, version │ Answer               a message, from the server
//!  call       object u64 │ method u32 │ thread u32 │ argument
//!  reply      status u32 │ value, or Fault
//! ```
//!
//! Numbers are little-endian; everything else is in the codec of pool-core. Object 0 is the server itself, whose argument is
//! a [`Request`].

use serde::{Deserialize, Serialize};

use crate::connection::Address;
use crate::crossing::{self, Kind};
use pool_ipc::shared::Block;

/// The first bytes of a greeting, and the version of all that follows.
pub(crate) const MAGIC: [u8; 8] = *b"pool-mgr";
pub(crate) const VERSION: u32 = 1;
pub(crate) const GREETING: usize = 12;

pub(crate) const CALL: usize = 16;
pub(crate) const REPLY: usize = 4;

pub(crate) const VALUE: u32 = 0;
pub(crate) const FAULT: u32 = 1;

/// The object that is the server.
pub(crate) const SERVER: u64 = 0;

/// The longest greeting.
pub(crate) const LONGEST_GREETING: u64 = 1 << 10;

/// How the first bytes of a call are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) object: u64,
    pub(crate) method: u32,
    /// Which thread of the client calls.
    pub(crate) thread: u32,
}

impl Head {
    pub(crate) fn write(self, bytes: &mut Vec<u8>) {
        let mut head = [0; CALL];
        head[..8].copy_from_slice(&self.object.to_le_bytes());
        head[8..12].copy_from_slice(&self.method.to_le_bytes());
        head[12..].copy_from_slice(&self.thread.to_le_bytes());
        bytes.extend_from_slice(&head);
    }

    pub(crate) fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let (head, rest) = bytes.split_first_chunk::<CALL>()?;
        let (object, rest_of_head) = head.split_first_chunk::<8>()?;
        let (method, rest_of_head) = rest_of_head.split_first_chunk::<4>()?;
        let (thread, _) = rest_of_head.split_first_chunk::<4>()?;
        let head = Head {
            object: u64::from_le_bytes(*object),
            method: u32::from_le_bytes(*method),
            thread: u32::from_le_bytes(*thread),
        };
        Some((head, rest))
    }
}

/// What a client says first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Hello {
    /// Which build of the program it is.
    pub(crate) build: u64,
    /// The session that this channel is for; `None`: a new one.
    pub(crate) session: Option<u128>,
    /// The memory of a lane, if calls are to go through one.
    pub(crate) lane: Option<LaneMemory>,
}

/// The answer to it.
pub(crate) type Answer = Result<Welcome, Refusal>;

/// The client is let in.
#[derive(Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) place: Whereabouts,
    pub(crate) session: u128,
    pub(crate) build: u64,
    /// The longest message that the server takes.
    pub(crate) limit: u64,
}

/// The client is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// What it said is no greeting of this version.
    Greeting,
    /// The session has ended.
    Session,
    /// There are as many channels as there may be.
    Full,
    /// The system refuses what it takes to serve it.
    System,
}

/// Which server, and where it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    pub(crate) server: u128,
    /// The door for processes of the same user on the same machine.
    pub(crate) door: String,
    /// Where it listens for those who have the key, as whoever says this knows it.
    pub(crate) address: Option<Address>,
}

/// The block of a lane, which crosses with its descriptor.
pub(crate) struct LaneMemory(pub(crate) Block);

impl Serialize for LaneMemory {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crossing::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for LaneMemory {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<LaneMemory, D::Error> {
        // Whose process a client names, and which descriptor of it, is not for the server to open.
        crossing::deserialize_along(Kind::ManagerLane, deserializer).map(LaneMemory)
    }
}

/// What a client asks of the server itself.
#[derive(Serialize, Deserialize)]
pub(crate) enum Request {
    /// Make an object by the marked function of this name, which is given these bytes: `u64`, its number.
    Create { maker: u64, input: Vec<u8> },
    /// The same by a registered type's name: `u64`.
    CreateNamed { name: String, input: Vec<u8> },
    /// Run the marked function of this name on the object: `Vec<u8>`.
    Run { object: u64, function: u64, input: Vec<u8> },
    /// Count one more proxy; with the ticket, if it is not 0 and nobody has had it: `()`.
    Adopt { object: u64, ticket: u64 },
    /// Count one less.
    Release { object: u64 },
    /// A ticket for a proxy that is encoded for somebody else: `u64`.
    Ticket { object: u64 },
    /// Give the object a name.
    Publish { object: u64, name: String },
    /// Take the name from it: `bool`, whether something had it.
    Withdraw { name: String },
    /// The object of this name, for one more proxy: `(u64, String)`, number and type.
    Find { name: String },
    /// End, if `owner` is what whoever started the server has told it: `()`.
    Shutdown { owner: u128 },
    /// How it is: [`Status`](super::ServerStatus).
    Status,
}
