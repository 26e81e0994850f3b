//! Where a listener listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::ConnectError;

/// Where a [`Listener`](crate::Listener) listens. It can be sent to who is to connect.
///
/// A text is one of these, by how it looks:
///
/// | text | address |
/// |---|---|
/// | begins with a NUL character | abstract: what follows is the name |
/// | `host:port`, `1.2.3.4:port`, `[::1]:port` | TCP |
/// | `\\.\pipe\name`, which is a pipe of Windows | an error |
/// | anything else | the path of a socket file |
///
/// ```
/// use pool_shared::Address;
///
/// assert_eq!(Address::try_from("/run/app.socket")?, Address::Path("/run/app.socket".into()));
/// assert_eq!(Address::try_from("localhost:4000")?, Address::Tcp("localhost:4000".into()));
/// assert!(Address::try_from(r"\\.\pipe\app").is_err());
/// # Ok::<(), pool_shared::ConnectError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Address {
    /// A socket file. Who may write to the file may connect.
    Path(PathBuf),
    /// A name that no file system has; Linux alone has these. Whoever knows it may connect, so a key is
    /// needed where that is not wanted. It is free again as soon as nobody listens.
    Abstract(Vec<u8>),
    /// TCP: `host:port`. With port 0 the system chooses one, which [`Listener::address`](crate::Listener::address)
    /// tells.
    Tcp(String),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Path(path) => path.display().fmt(f),
            Address::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Address::Tcp(address) => f.write_str(address),
        }
    }
}

impl TryFrom<&str> for Address {
    type Error = ConnectError;

    fn try_from(text: &str) -> Result<Address, ConnectError> {
        if text.starts_with(r"\\") {
            let text = format!(
                "{text} is a named pipe of Windows, which there is none of here: use a path, `host:port` or \
                 an abstract name"
            );
            return Err(ConnectError::Address(text));
        }
        if text.is_empty() {
            return Err(ConnectError::Address("an empty address".to_owned()));
        }
        if let Some(name) = text.strip_prefix('\0') {
            return Ok(Address::Abstract(name.as_bytes().to_vec()));
        }
        let is_tcp = !text.contains('/')
            && text
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        Ok(if is_tcp { Address::Tcp(text.to_owned()) } else { Address::Path(text.into()) })
    }
}

impl TryFrom<String> for Address {
    type Error = ConnectError;

    fn try_from(text: String) -> Result<Address, ConnectError> {
        Address::try_from(&*text)
    }
}

/// A path, whatever it looks like.
impl From<&Path> for Address {
    fn from(path: &Path) -> Address {
        Address::Path(path.to_owned())
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Address {
        Address::Path(path)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Address {
        Address::Tcp(address.to_string())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Address {
        address.clone()
    }
}

/// What is an address or looks like one.
pub trait IntoAddress {
    /// The address.
    ///
    /// # Errors
    /// [`Address`](ConnectError::Address) when it is of no kind that there is here.
    fn into_address(self) -> Result<Address, ConnectError>;
}

impl<A> IntoAddress for A
where
    A: TryInto<Address>,
    ConnectError: From<A::Error>,
{
    fn into_address(self) -> Result<Address, ConnectError> {
        Ok(self.try_into()?)
    }
}
