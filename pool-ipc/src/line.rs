//! The line between a child and who started it: a pair of connected sockets, one end each.
//!
//! ```text
//!   starter: Line::order ── the order, the descriptors ──> child: FarEnd::take_order
//!   starter: Line::send  ── Command ─────────────────────> child: FarEnd::next
//!   starter: Line::refusal <── why it cannot start ─────── child: FarEnd::refuse        and it exits
//! ```
//!
//! A child is born with one descriptor whatever the start method. The order lies in the socket before the child is
//! started; but one that the fork server made ahead of need waits for it. The starter waits for nothing. When it is
//! gone the child hears the end of the line.
//!
//! What comes from the child is a text for people, read at most once, of bounded length.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::birth::Order;
use crate::own::Own;
use crate::sys::{events, memory, socket};

/// What a child is told after its birth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Leave: exit with status 0.
    Leave,
    /// Descriptors for the request with this number, which come with it.
    Descriptors(u64),
    /// That request was taken back.
    Discard(u64),
}

impl Command {
    fn to_bytes(self) -> [u8; COMMAND] {
        let (letter, number) = match self {
            Command::Leave => (b'L', 0),
            Command::Descriptors(number) => (b'D', number),
            Command::Discard(number) => (b'X', number),
        };
        let mut bytes = [letter; COMMAND];
        bytes[1..].copy_from_slice(&number.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: [u8; COMMAND]) -> Option<Command> {
        let [letter, number @ ..] = bytes;
        let number = u64::from_le_bytes(number);
        match letter {
            b'L' => Some(Command::Leave),
            b'D' => Some(Command::Descriptors(number)),
            b'X' => Some(Command::Discard(number)),
            _ => None,
        }
    }
}

/// The starter's end.
#[derive(Debug)]
pub struct Line(Own<OwnedFd>);

/// The child's end.
#[derive(Debug)]
pub struct FarEnd(Own<OwnedFd>);

/// An order up to this size travels in the message itself, a larger one in a segment.
const SMALL: usize = 32 << 10;
/// The longest text that is read from a child.
const LONGEST: usize = 4 << 10;

/// How long to wait for room on the line before trying again.
const WHILE: std::time::Duration = std::time::Duration::from_millis(100);

/// A letter and a number.
const COMMAND: usize = 9;

const IN_MESSAGE: u8 = 0;
const IN_SEGMENT: u8 = 1;
const MORE_DESCRIPTORS: u8 = 2;

impl Line {
    /// A new line.
    pub(crate) fn new() -> io::Result<(Line, FarEnd)> {
        let (near, far) = socket::pair()?;
        Ok((Line(Own::new(near)), FarEnd::new(far)))
    }

    /// Puts the order and its descriptors on the line.
    ///
    /// # Errors
    /// The order cannot be written down; or nobody is at the far end any more.
    pub(crate) fn order(&self, order: &Order, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let near = self.0.as_fd();
        let bytes = order.to_bytes()?;
        let mut descriptors = descriptors.chunks(socket::MOST_DESCRIPTORS);
        if bytes.len() <= SMALL {
            let message = [&[IN_MESSAGE], &bytes[..]].concat();
            // All at once, where that can be: a child that waits for it wakes once.
            socket::send(near, &message, descriptors.next().unwrap_or_default())?;
        } else {
            let mut segment = memory::segment(c"pool-order", bytes.len() as u64)?;
            segment.write_all(&bytes)?;
            socket::send(near, &[IN_SEGMENT], &[segment.as_fd()])?;
        }
        descriptors.try_for_each(|some| socket::send(near, &[MORE_DESCRIPTORS], some))
    }

    /// Sends a command.
    ///
    /// # Errors
    /// The child is gone, or has so many commands before it that the line is full.
    pub fn send(&self, command: Command) -> io::Result<()> {
        socket::send(self.0.as_fd(), &command.to_bytes(), &[])
    }

    /// Sends descriptors for the request with this number.
    ///
    /// # Errors
    /// As [`send`](Self::send); or they are too many for one message.
    pub fn send_descriptors(&self, number: u64, descriptors: &[Own<OwnedFd>]) -> io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        socket::send(self.0.as_fd(), &Command::Descriptors(number).to_bytes(), &descriptors)
    }

    /// The descriptors that came with what the child says next. They are there already: the child sends them first.
    ///
    /// # Errors
    /// They are not there, or are too many for this process.
    pub fn descriptors(&self) -> io::Result<Vec<Own<OwnedFd>>> {
        let (_, descriptors) = socket::receive(self.0.as_fd(), &mut [0; COMMAND], false)?;
        Ok(descriptors.into_iter().map(Own::new).collect())
    }

    /// Why the child could not start, if it said so.
    pub(crate) fn refusal(&self) -> Option<String> {
        let mut text = vec![0; LONGEST];
        let (len, _) = socket::receive(self.0.as_fd(), &mut text, false).ok()?;
        text.truncate(len);
        (len > 0).then(|| String::from_utf8_lossy(&text).into_owned())
    }
}

impl FarEnd {
    pub(crate) fn new(descriptor: OwnedFd) -> FarEnd {
        FarEnd(Own::new(descriptor))
    }

    /// What this process is to be; `None`: the starter is gone. It may have to be waited for.
    pub(crate) fn take_order(&self) -> io::Result<Option<(Order, Vec<OwnedFd>)>> {
        let nonsense = || io::Error::new(io::ErrorKind::InvalidData, "its order makes no sense");
        let mut message = vec![0; SMALL + 1];
        let (len, attached) = socket::receive(self.0.as_fd(), &mut message, true)?;
        message.truncate(len);
        if len == 0 {
            return Ok(None);
        }
        let mut descriptors = Vec::new();
        let order = match message.split_first() {
            Some((&IN_MESSAGE, bytes)) => {
                descriptors = attached;
                Order::from_bytes(bytes)
            }
            Some((&IN_SEGMENT, _)) => {
                let segment = attached.into_iter().next().ok_or_else(nonsense)?;
                let (mut segment, mut bytes) = (File::from(segment), Vec::new());
                io::Seek::rewind(&mut segment)?;
                segment.read_to_end(&mut bytes)?;
                Order::from_bytes(&bytes)
            }
            _ => None,
        };
        let order = order.ok_or_else(nonsense)?;
        while (descriptors.len() as u64) < order.descriptors {
            let (_, more) = socket::receive(self.0.as_fd(), &mut [0], true)?;
            if more.is_empty() {
                return Err(nonsense());
            }
            descriptors.extend(more);
        }
        Ok(Some((order, descriptors)))
    }

    /// Waits for a command; `None`: the starter is gone.
    pub fn next(&self) -> Option<(Command, Vec<OwnedFd>)> {
        let mut bytes = [0; COMMAND];
        match socket::receive(self.0.as_fd(), &mut bytes, true) {
            Ok((COMMAND, descriptors)) => Some((Command::from_bytes(bytes)?, descriptors)),
            _ => None,
        }
    }

    /// Sends what goes along with what this process says next. Waits while the starter has not taken what was sent
    /// before.
    ///
    /// # Errors
    /// The starter is gone, or they are too many for one message.
    pub fn send_descriptors(&self, descriptors: &[Own<OwnedFd>]) -> io::Result<()> {
        let descriptors: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
        loop {
            match socket::send(self.0.as_fd(), &Command::Descriptors(0).to_bytes(), &descriptors) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    events::writable(self.0.as_fd(), Some(WHILE));
                }
                sent => return sent,
            }
        }
    }

    /// Says why this process cannot do what it was born for.
    pub(crate) fn refuse(&self, why: &str) {
        let end = (0..=why.len().min(LONGEST)).rev().find(|end| why.is_char_boundary(*end)).unwrap_or(0);
        // If it fails, nobody is there who wants to know.
        let _ = socket::send(self.0.as_fd(), &why.as_bytes()[..end], &[]);
    }
}

impl AsFd for FarEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
