//! Descriptors inside of what goes to a process, or comes back from it.
//!
//! A descriptor is a number that means something in one process alone. It is encoded as its place in a list that
//! goes along with the bytes: see [`passing`].

use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, OwnedFd};

use pool_ipc::passing;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something with a descriptor (a listener, a stream, a file, the end of a pipe) inside the argument of a
/// [`Process`](crate::Process), of a pool's task or of an initializer, or inside a result. Who gets it gets a copy of
/// the descriptor: both have the same open file.
///
/// `T` is any type that shows its descriptor and can be made of one, as `TcpListener`, `UnixStream`, `File`,
/// `PipeReader` and `OwnedFd` are. Its settings (non-blocking, position) are those of the open file, and
/// so are common to both.
///
/// ```
/// use pool_process::{Passed, Process};
/// use std::io::{Read, Write};
/// use std::net::{TcpListener, TcpStream};
///
/// fn greet(listener: Passed<TcpListener>) {
///     let (mut client, _) = listener.accept().unwrap();
///     client.write_all(b"hello").unwrap();
/// }
///
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let address = listener.local_addr()?;
/// let server = Process::spawn(greet, Passed::from(listener))?;
/// let mut text = String::new();
/// TcpStream::connect(address)?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// server.join()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It can also be a part of what is sent through a `Connection` of the crate `pool-shared` between processes of one
/// machine. Anywhere else (a context of [`with`](pool_core::with), which goes to many workers; a queue) it is an
/// [`Encode`](pool_core::ErrorKind::Encode) error. One value can have 253 of them.
#[derive(Debug)]
pub struct Passed<T>(T);

impl<T> Passed<T> {
    /// What is passed.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> From<T> for Passed<T> {
    fn from(thing: T) -> Passed<T> {
        Passed(thing)
    }
}

impl<T> Deref for Passed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Passed<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: AsFd> Serialize for Passed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let place = match passing::list(self.0.as_fd()) {
            None => {
                let text = "a descriptor can be passed in an argument or a result, and through a connection on this \
                            machine, but not in a context or elsewhere";
                Err(text.to_owned())
            }
            Some(place) => place.map_err(|error| format!("a descriptor cannot be passed: {error}")),
        };
        serializer.serialize_u64(place.map_err(S::Error::custom)?)
    }
}

impl<'de, T: From<OwnedFd>> Deserialize<'de> for Passed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Passed<T>, D::Error> {
        let place = u64::deserialize(deserializer)?;
        match passing::take(place) {
            Some(descriptor) => Ok(Passed(T::from(descriptor))),
            None => Err(D::Error::custom("a descriptor that was not passed, or was taken before")),
        }
    }
}
