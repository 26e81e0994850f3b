//! A channel: what carries one call at a time, whichever way.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use pool_core::codec;
use pool_ipc::{passing, stream};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::lane::{Closer, Lane, Side, Stopped};
use super::wire::{GREETING, LONGEST_GREETING, MAGIC, VERSION};
use crate::connection::{ConnectionError, HEAD, LIMIT, Line};

/// Carries one call at a time, and its reply.
pub(crate) struct Channel {
    /// The socket: what the messages go through, or what tells that the other side is gone.
    line: Line,
    lane: Option<Lane>,
    side: Side,
}

impl Channel {
    /// A channel through this connected socket, for now.
    pub(crate) fn new(socket: OwnedFd, side: Side) -> io::Result<Channel> {
        Ok(Channel { line: Line::new(socket, LONGEST_GREETING)?, lane: None, side })
    }

    /// From here on messages go through this lane, if there is one, and may be of `limit` bytes.
    pub(crate) fn go_on(&mut self, lane: Option<Lane>, limit: u64) {
        self.line.set_limit(limit.min(LIMIT));
        self.lane = lane;
    }

    /// Whether the other side is on this machine, and descriptors go along.
    pub(crate) fn is_local(&self) -> bool {
        self.line.is_local()
    }

    /// Says `greeting`, and waits at most so long for room.
    pub(crate) fn greet<T: Serialize>(
        &self,
        greeting: &T,
        pause: Option<Duration>,
    ) -> Result<(), ConnectionError> {
        let mut message = vec![0; HEAD];
        message.extend_from_slice(&MAGIC);
        message.extend_from_slice(&VERSION.to_le_bytes());
        let (encoded, descriptors) = self.line.encode(|| codec::encode(greeting, &mut message));
        encoded.map_err(ConnectionError::Encode)?;
        self.line.send_behind_head(&mut message, &descriptors, pause)
    }

    /// Waits at most so long for the other side's greeting. The inner error: it is of another version, which is
    /// given; or none.
    pub(crate) fn greeting<T: DeserializeOwned>(
        &self,
        pause: Option<Duration>,
    ) -> Result<Result<T, Option<u32>>, ConnectionError> {
        let mut message = Vec::new();
        let descriptors = self.line.begin(pause)?.onto(&mut message)?;
        let Some((head, rest)) = message.split_first_chunk::<GREETING>() else { return Ok(Err(None)) };
        let (magic, version) = head.split_at(MAGIC.len());
        let version = version.try_into().map(u32::from_le_bytes).unwrap_or(0);
        if magic != MAGIC {
            return Ok(Err(None));
        }
        if version != VERSION {
            return Ok(Err(Some(version)));
        }
        passing::receiving(descriptors, || codec::decode(rest)).map(Ok).map_err(ConnectionError::Decode)
    }

    #[inline]
    pub(crate) fn send(&mut self, message: &[u8]) -> Result<(), Stopped> {
        let (line, side) = (&self.line, self.side);
        match &mut self.lane {
            Some(lane) => lane.send(message, watch(side, &|| is_there(line))),
            None => line.send(message, None).map_err(stopped),
        }
    }

    /// Appends what the other side sends, which may be of `limit` bytes.
    #[inline]
    pub(crate) fn receive(&mut self, message: &mut Vec<u8>, limit: usize) -> Result<(), Stopped> {
        let (line, side) = (&self.line, self.side);
        match &mut self.lane {
            Some(lane) => lane.receive(message, limit, watch(side, &|| is_there(line))),
            None => match line.begin(None).and_then(|incoming| incoming.onto(message)) {
                Ok(_) => Ok(()),
                Err(error) => Err(stopped(error)),
            },
        }
    }

    /// What closes the lane from another thread, if there is one.
    pub(crate) fn closer(&self) -> Option<Closer> {
        self.lane.as_ref().map(Lane::closer)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.line.as_fd()
    }
}

/// A client looks after its server by itself. A server is told when a client is gone.
fn watch(side: Side, is_there: &dyn Fn() -> bool) -> Option<&dyn Fn() -> bool> {
    match side {
        Side::Client => Some(is_there),
        Side::Server => None,
    }
}

/// Beside a lane nothing comes through the socket but its end.
fn is_there(line: &Line) -> bool {
    !stream::readable(line.as_fd(), Some(Duration::ZERO))
}

fn stopped(error: ConnectionError) -> Stopped {
    match error {
        ConnectionError::TooLong { len, .. } => Stopped::TooLong(len),
        ConnectionError::System(error) => Stopped::Memory(error),
        _ => Stopped::Gone,
    }
}
