//! Pipes, listeners and clients, and waiting for many things at once.

mod address;
mod ends;
mod error;
mod handshake;
mod line;
mod listener;
pub(crate) mod wait;

#[cfg(feature = "manager")]
pub(crate) use handshake::Secret;
#[cfg(feature = "manager")]
pub(crate) use line::{HEAD, LIMIT, Line};
#[cfg(feature = "manager")]
pub(crate) use listener::{SocketFile, dial};

pub use address::{Address, IntoAddress};
pub use ends::{Connection, Receiver, Sender, one_way, pipe};
pub use error::{AuthenticationError, ConnectError, ConnectionError};
pub use listener::{Client, Listener};
pub use wait::{Waitable, wait};
