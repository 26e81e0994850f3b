//! Messages through a stream socket: each with its length before it.
//!
//! ```text
//!  length, u64 little-endian │ first 120 bytes of the message, or filled up to them │ the rest
//!  └──────────────────── cell, 128 bytes, received in one piece ───────────────────┘
//! ```
//!
//! Descriptors go with the first byte. Nothing is read ahead: a message is read as its cell, and then as many bytes as
//! there are. So what the socket has is all that there is, for `poll`, for another process that holds the same end,
//! and for one that is given it; and a small message still takes one call on each side, which a length read by itself
//! would not.
//!
//! A length is believed as far as bytes arrive: the memory for a message grows with it.

use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pool_ipc::own::{Own, Stays};
use pool_ipc::stream::{self, Reach};
use pool_ipc::{passing, reserve_bytes};

use super::error::ConnectionError;

/// How many bytes come before a message.
pub(crate) const HEAD: usize = size_of::<u64>();

/// A message is sent as at least so many bytes.
pub(crate) const CELL: usize = 128;

/// The longest message of a connection that has no limit of its own: 16 GiB.
pub(crate) const LIMIT: u64 = 1 << 34;

/// Memory for a message of this length is taken at once, for a longer one as it arrives.
const AT_ONCE: usize = 4 << 20;

/// The first eight bytes that a listener with a key sends. As a length it is more than there can be.
pub(crate) const GREETING: [u8; 8] = *b"pool-au\xff";

/// A connected socket, and how far each direction is.
pub(crate) struct Line {
    socket: Stays<OwnedFd>,
    reach: Reach,
    limit: u64,
    sending: Mutex<Direction>,
    receiving: Mutex<Direction>,
}

/// One direction of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The next byte is the first of a message.
    Whole,
    /// Within a message that will not be finished.
    Torn,
}

type Result<T> = std::result::Result<T, ConnectionError>;

impl Line {
    /// # Errors
    /// It is not a connected stream socket.
    pub(crate) fn new(socket: OwnedFd, limit: u64) -> io::Result<Line> {
        let reach = stream::reach(socket.as_fd())?;
        let [sending, receiving] = [Direction::Whole; 2].map(Mutex::new);
        Ok(Line { socket: Stays::new(socket), reach, limit, sending, receiving })
    }

    /// Whether the other side is on this machine.
    #[cfg(feature = "manager")]
    pub(crate) fn is_local(&self) -> bool {
        self.reach == Reach::Machine
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket.into_inner()
    }

    /// Whether a message was left half sent or half received.
    pub(crate) fn is_torn(&self) -> bool {
        *lock(&self.sending) == Direction::Torn || *lock(&self.receiving) == Direction::Torn
    }

    /// Encodes by `body`, with a list for descriptors where they can go along.
    pub(crate) fn encode<U>(&self, body: impl FnOnce() -> U) -> (U, Vec<Own<OwnedFd>>) {
        match self.reach {
            Reach::Machine => passing::apart(body),
            Reach::Network => (body(), Vec::new()),
        }
    }

    /// Sends a message, waiting for room at most for `pause` at a time.
    pub(crate) fn send(&self, message: &[u8], pause: Option<Duration>) -> Result<()> {
        let mut cell = [0; CELL];
        cell[..HEAD].copy_from_slice(&self.head(message.len())?);
        let (first, rest) = message.split_at(message.len().min(CELL - HEAD));
        cell[HEAD..HEAD + first.len()].copy_from_slice(first);
        self.put([&cell, rest], &[], pause)
    }

    /// Sends a message that begins behind room for its head.
    pub(crate) fn send_behind_head(
        &self,
        message: &mut Vec<u8>,
        descriptors: &[Own<OwnedFd>],
        pause: Option<Duration>,
    ) -> Result<()> {
        let head = self.head(message.len() - HEAD)?;
        message[..HEAD].copy_from_slice(&head);
        if message.len() < CELL {
            message.resize(CELL, 0);
        }
        self.put([message, &[]], descriptors, pause)
    }

    fn head(&self, len: usize) -> Result<[u8; HEAD]> {
        let len = len as u64;
        if len > self.limit {
            return Err(ConnectionError::TooLong { len, limit: self.limit });
        }
        Ok(len.to_le_bytes())
    }

    fn put(&self, parts: [&[u8]; 2], descriptors: &[Own<OwnedFd>], pause: Option<Duration>) -> Result<()> {
        let mut direction = lock(&self.sending);
        if *direction == Direction::Torn {
            return Err(ConnectionError::Torn);
        }
        let [first, second] = parts;
        let (mut sent, all) = (0, first.len() + second.len());
        while sent < all {
            let rest = [
                IoSlice::new(&first[sent.min(first.len())..]),
                IoSlice::new(&second[sent.saturating_sub(first.len())..]),
            ];
            let descriptors = if sent == 0 { descriptors } else { &[] };
            let parts = if second.is_empty() { &rest[..1] } else { &rest };
            let error = match stream::send(self.as_fd(), parts, descriptors, pause.is_none()) {
                Ok(len) => {
                    sent += len;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if stream::writable(self.as_fd(), pause) {
                        continue;
                    }
                    ConnectionError::TimedOut
                }
                Err(error) if is_gone(&error) => ConnectionError::End,
                Err(error) => ConnectionError::System(error),
            };
            if sent == 0 {
                return Err(error);
            }
            *direction = Direction::Torn;
            let timed_out = matches!(error, ConnectionError::TimedOut);
            return Err(if timed_out { ConnectionError::Torn } else { error });
        }
        Ok(())
    }

    /// Waits until a message begins, at most for `pause`, which is also the longest pause within it.
    pub(crate) fn begin(&self, pause: Option<Duration>) -> Result<Incoming<'_>> {
        let mut direction = lock(&self.receiving);
        if *direction == Direction::Torn {
            return Err(ConnectionError::Torn);
        }
        let mut cell = [0; CELL];
        // A time past the end of time is none.
        let end = pause.and_then(|pause| Instant::now().checked_add(pause));
        let first = loop {
            match stream::receive_first(self.as_fd(), &mut cell, pause.is_none()) {
                Ok(first) => break first,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    // Whoever has the same end may have taken what there was.
                    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
                    if !stream::readable(self.as_fd(), left) {
                        return Err(ConnectionError::TimedOut);
                    }
                }
                // The other end has closed without having read all that it was sent.
                Err(error) if is_gone(&error) && self.reach == Reach::Machine => {
                    return Err(ConnectionError::End);
                }
                Err(error) => return Err(ConnectionError::System(error)),
            }
        };
        if first.len == 0 {
            return Err(ConnectionError::End);
        }
        *direction = Direction::Torn;
        let (descriptors, cut) = (first.descriptors, first.cut);
        let mut incoming = Incoming { line: self, direction, pause, len: 0, cell, descriptors, cut };
        incoming.fill(&mut cell, first.len)?;
        let (head, _) = cell.split_first_chunk::<HEAD>().unwrap_or((&[0; HEAD], &[]));
        if *head == GREETING {
            return Err(ConnectionError::KeyWanted);
        }
        let len = u64::from_le_bytes(*head);
        match usize::try_from(len) {
            Ok(size) if len <= self.limit => incoming.len = size,
            _ => return Err(ConnectionError::TooLong { len, limit: self.limit }),
        }
        incoming.cell = cell;
        Ok(incoming)
    }

    /// Waits until there is something to receive, or the end.
    pub(crate) fn poll(&self, timeout: Duration) -> bool {
        stream::readable(self.as_fd(), Some(timeout))
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "descriptor {}", self.socket.as_raw_fd())
    }
}

/// A message whose cell has been received. Dropped before its last byte it leaves the direction torn.
pub(crate) struct Incoming<'a> {
    line: &'a Line,
    direction: MutexGuard<'a, Direction>,
    pause: Option<Duration>,
    len: usize,
    cell: [u8; CELL],
    descriptors: Vec<OwnedFd>,
    cut: bool,
}

impl Incoming<'_> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Receives it behind what `bytes` has; gives the descriptors that came along.
    pub(crate) fn onto(self, bytes: &mut Vec<u8>) -> Result<Vec<OwnedFd>> {
        let whole = bytes.len() + self.len;
        reserve(bytes, self.len.min(AT_ONCE))?;
        bytes.extend_from_slice(self.first());
        while bytes.len() < whole {
            if bytes.len() == bytes.capacity() {
                let more = (whole - bytes.len()).min(bytes.len().max(AT_ONCE));
                reserve(bytes, more)?;
            }
            let most = whole - bytes.len();
            self.more(|socket, wait| stream::receive_onto(socket, bytes, most, wait))?;
        }
        self.finish()
    }

    /// Receives it into `bytes`, which are as many as it has; descriptors that came along are closed.
    pub(crate) fn into_slice(mut self, bytes: &mut [u8]) -> Result<()> {
        let first = self.first();
        let len = first.len();
        bytes[..len].copy_from_slice(first);
        self.fill(bytes, len)?;
        self.finish().map(drop)
    }

    /// What of it came with the cell.
    fn first(&self) -> &[u8] {
        let message = &self.cell[HEAD..];
        &message[..self.len.min(message.len())]
    }

    fn finish(mut self) -> Result<Vec<OwnedFd>> {
        *self.direction = Direction::Whole;
        if self.cut {
            let text = "descriptors of a message were lost: this process may not have so many";
            return Err(ConnectionError::System(io::Error::other(text)));
        }
        Ok(std::mem::take(&mut self.descriptors))
    }

    fn fill(&mut self, bytes: &mut [u8], mut filled: usize) -> Result<()> {
        while filled < bytes.len() {
            filled += self.more(|socket, wait| stream::receive(socket, &mut bytes[filled..], wait))?;
        }
        Ok(())
    }

    /// Receives what comes next by `receive`; how much it was, and not nothing.
    fn more(&self, mut receive: impl FnMut(BorrowedFd<'_>, bool) -> io::Result<usize>) -> Result<usize> {
        loop {
            match receive(self.line.as_fd(), self.pause.is_none()) {
                Ok(0) => return Err(ConnectionError::Torn),
                Ok(len) => return Ok(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if !stream::readable(self.line.as_fd(), self.pause) {
                        return Err(ConnectionError::Torn);
                    }
                }
                Err(error) if is_gone(&error) => return Err(ConnectionError::Torn),
                Err(error) => return Err(ConnectionError::System(error)),
            }
        }
    }
}

/// Makes room for so many more bytes.
fn reserve(bytes: &mut Vec<u8>, more: usize) -> Result<()> {
    if bytes.capacity() == 0 {
        *bytes = reserve_bytes(more).map_err(ConnectionError::System)?;
        return Ok(());
    }
    let too_large = |_| ConnectionError::System(io::ErrorKind::OutOfMemory.into());
    bytes.try_reserve_exact(more).map_err(too_large)
}

/// Whether this says that the other end is not there any more.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

fn lock(direction: &Mutex<Direction>) -> MutexGuard<'_, Direction> {
    direction.lock().unwrap_or_else(PoisonError::into_inner)
}
