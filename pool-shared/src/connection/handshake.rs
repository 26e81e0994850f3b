//! How a listener and a client show each other that they have the same key, without sending it.
//!
//! ```text
//!  listener                                                                  client
//!     greeting, its challenge, zeros       128 bytes  ───────────────────────>
//!                                      <───────────  8 + 32 + 32 bytes    greeting, its challenge, its proof
//!     accepted, its proof              1 + 32 bytes  ───────────────────────>
//!                                      <───────────  1 byte               accepted
//! ```
//!
//! A challenge is random; a proof is the HMAC-SHA-256, by the key, of who gives it and both challenges. So an answer
//! that was heard before proves nothing, and neither does one's own sent back. Each step has one length: there is
//! nothing to read before the key is shown but these bytes, and one time limit holds for all of it.
//!
//! What it gives: at the time of the handshake the other side has the key. What is sent afterwards is neither
//! encrypted nor signed.

use std::io::{self, IoSlice};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use pool_ipc::{exit::random, stream};
use sha2::Sha256;

use super::error::{AuthenticationError, ConnectError};
use super::line::{CELL, GREETING};

const CHALLENGE: usize = 32;
const PROOF: usize = 32;
/// So that a client without a key, who takes it for the beginning of a message, has that whole.
const FILL: usize = CELL - GREETING.len() - CHALLENGE;

/// No descriptors.
const NONE: &[OwnedFd] = &[];

const ACCEPTED: u8 = 1;
const REFUSED: u8 = 0;

type Result<T> = std::result::Result<T, ConnectError>;

/// The key that both sides have, and how long the handshake may take.
#[derive(Clone)]
pub(crate) struct Secret {
    key: Vec<u8>,
    patience: Duration,
}

/// How long a handshake may take if nothing else is said.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Who gives a proof.
#[derive(Clone, Copy)]
enum Side {
    Listener,
    Client,
}

impl Secret {
    /// What [`new`](Secret::new) was given.
    pub(crate) fn parts(&self) -> (Vec<u8>, Duration) {
        (self.key.clone(), self.patience)
    }

    pub(crate) fn new(key: &[u8], patience: Duration) -> Secret {
        Secret { key: key.to_vec(), patience }
    }

    fn mac(&self, side: Side, challenges: [&[u8]; 2]) -> Result<Hmac<Sha256>> {
        // A key of any length will do; it does not come to this error.
        let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).map_err(too_long)?;
        mac.update(match side {
            Side::Listener => b"pool listener",
            Side::Client => b"pool client..",
        });
        for challenge in challenges {
            mac.update(challenge);
        }
        Ok(mac)
    }

    /// The listener's side.
    pub(crate) fn receive(&self, socket: BorrowedFd<'_>) -> Result<()> {
        let talk = Talk::new(socket, self.patience);
        let own: [u8; CHALLENGE] = random()?;
        talk.tell(&[&GREETING, &own, &[0; FILL]])?;
        let answer: [u8; GREETING.len() + CHALLENGE + PROOF] = talk.hear()?;
        let (greeting, rest) = answer.split_at(GREETING.len());
        let (theirs, proof) = rest.split_at(CHALLENGE);
        if greeting != GREETING {
            return Err(AuthenticationError::Malformed.into());
        }
        if self.mac(Side::Client, [&own, theirs])?.verify_slice(proof).is_err() {
            // So that it knows why; it may be gone.
            let _ = talk.tell(&[&[REFUSED], &[0; PROOF]]);
            return Err(AuthenticationError::WrongAnswer.into());
        }
        let proof = self.mac(Side::Listener, [&own, theirs])?.finalize().into_bytes();
        talk.tell(&[&[ACCEPTED], &proof])?;
        talk.accepted(talk.hear::<1>()?[0])
    }

    /// The client's side.
    pub(crate) fn connect(&self, socket: BorrowedFd<'_>) -> Result<()> {
        let talk = Talk::new(socket, self.patience);
        let question: [u8; CELL] = talk.hear()?;
        let (greeting, rest) = question.split_at(GREETING.len());
        let (theirs, _) = rest.split_at(CHALLENGE);
        if greeting != GREETING {
            return Err(AuthenticationError::Malformed.into());
        }
        let own: [u8; CHALLENGE] = random()?;
        let proof = self.mac(Side::Client, [theirs, &own])?.finalize().into_bytes();
        talk.tell(&[&GREETING, &own, &proof])?;
        let answer: [u8; 1 + PROOF] = talk.hear()?;
        talk.accepted(answer[0])?;
        if self.mac(Side::Listener, [theirs, &own])?.verify_slice(&answer[1..]).is_err() {
            let _ = talk.tell(&[&[REFUSED]]);
            return Err(AuthenticationError::WrongAnswer.into());
        }
        talk.tell(&[&[ACCEPTED]])
    }
}

/// A handshake under way.
struct Talk<'a> {
    socket: BorrowedFd<'a>,
    /// `None`: past the end of time.
    end: Option<Instant>,
}

impl<'a> Talk<'a> {
    fn new(socket: BorrowedFd<'a>, patience: Duration) -> Talk<'a> {
        Talk { socket, end: Instant::now().checked_add(patience) }
    }

    fn left(&self) -> Option<Duration> {
        self.end.map(|end| end.saturating_duration_since(Instant::now()))
    }

    fn hear<const N: usize>(&self) -> Result<[u8; N]> {
        let (mut bytes, mut heard) = ([0; N], 0);
        while heard < N {
            match stream::receive(self.socket, &mut bytes[heard..], false) {
                Ok(0) => return Err(AuthenticationError::Ended.into()),
                Ok(len) => heard += len,
                Err(error) => self.wait(error, stream::readable)?,
            }
        }
        Ok(bytes)
    }

    fn tell(&self, parts: &[&[u8]]) -> Result<()> {
        let bytes = parts.concat();
        let mut told = 0;
        while told < bytes.len() {
            match stream::send(self.socket, &[IoSlice::new(&bytes[told..])], NONE, false) {
                Ok(len) => told += len,
                Err(error) => self.wait(error, stream::writable)?,
            }
        }
        Ok(())
    }

    /// Waits for what was missing, if that is what `error` says.
    fn wait(&self, error: io::Error, ready: fn(BorrowedFd<'_>, Option<Duration>) -> bool) -> Result<()> {
        match error.kind() {
            io::ErrorKind::WouldBlock if ready(self.socket, self.left()) => Ok(()),
            io::ErrorKind::WouldBlock => Err(AuthenticationError::TimedOut.into()),
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                Err(AuthenticationError::Ended.into())
            }
            _ => Err(error.into()),
        }
    }

    fn accepted(&self, verdict: u8) -> Result<()> {
        match verdict {
            ACCEPTED => Ok(()),
            REFUSED => Err(AuthenticationError::Refused.into()),
            _ => Err(AuthenticationError::Malformed.into()),
        }
    }
}
