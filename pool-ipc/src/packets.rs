//! One way for messages that keep their bounds: from a child to who started it, in the order in which they
//! were sent. What was sent arrives, also when the sender has died since; what lies there unread is bounded by
//! the socket's buffer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::own::Own;
use crate::sys::{events, socket};

/// The sending end.
#[derive(Debug)]
pub struct Sender(OwnedFd);

/// The receiving end: as a descriptor, readable when there is something to take.
#[derive(Debug)]
pub struct Receiver(Own<OwnedFd>);

/// What a [`Receiver`] has.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A message of this length.
    Message(usize),
    /// Nothing now.
    Nothing,
    /// Nothing ever again: nobody has the other end any more.
    End,
}

/// Two ends.
///
/// # Errors
/// The system refuses a descriptor.
pub fn pair() -> io::Result<(Receiver, OwnedFd)> {
    let (near, far) = socket::pair()?;
    Ok((Receiver(Own::new(near)), far))
}

impl Sender {
    /// The end that the process was born with.
    pub fn new(descriptor: OwnedFd) -> Sender {
        Sender(descriptor)
    }

    /// Sends one message, waiting for room at most for `patience`; `false`: it is not sent.
    pub fn send(&self, message: &[u8], patience: Duration) -> bool {
        match socket::send(self.0.as_fd(), message, &[]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !patience.is_zero() => {
                events::writable(self.0.as_fd(), Some(patience))
                    && socket::send(self.0.as_fd(), message, &[]).is_ok()
            }
            other => other.is_ok(),
        }
    }
}

impl Receiver {
    /// Takes the next message into `buffer`, without waiting. One that is longer than the buffer is lost.
    pub fn take(&self, buffer: &mut [u8]) -> Next {
        match socket::receive(self.0.as_fd(), buffer, false) {
            Ok((0, _)) => Next::End,
            Ok((len, _)) => Next::Message(len),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Next::End,
            Err(_) => Next::Nothing,
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_arrive_in_order_and_then_the_end() {
        let (receiver, far) = pair().unwrap();
        let mut buffer = [0; 8];
        assert_eq!(receiver.take(&mut buffer), Next::Nothing);
        let sender = Sender::new(far);
        assert!(sender.send(b"one", Duration::ZERO) && sender.send(b"three", Duration::ZERO));
        drop(sender);
        assert_eq!((receiver.take(&mut buffer), &buffer[..3]), (Next::Message(3), &b"one"[..]));
        assert_eq!((receiver.take(&mut buffer), &buffer[..5]), (Next::Message(5), &b"three"[..]));
        assert_eq!(receiver.take(&mut buffer), Next::End);
    }

    #[test]
    fn when_nobody_takes_them_they_are_refused_in_the_end() {
        let (receiver, far) = pair().unwrap();
        let sender = Sender::new(far);
        let sent = (0..100_000).take_while(|_| sender.send(&[7; 1_000], Duration::ZERO)).count();
        assert!((10..100_000).contains(&sent));
        assert!(!sender.send(&[7; 1_000], Duration::from_millis(1)));
        let mut buffer = [0; 1_000];
        while receiver.take(&mut buffer) == Next::Message(1_000) {}
        assert!(sender.send(b"again", Duration::ZERO));
    }
}
