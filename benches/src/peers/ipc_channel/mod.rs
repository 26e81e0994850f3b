//! ipc-channel: two channels and a process that sends back what it gets, without any pool.
//!
//! The child makes both channels and hands our ends over through a one-shot server, whose name it
//! got as its argument. It ends when our sender is dropped.

mod bytes;
mod ping_pong;
mod pipelined;

use ::ipc_channel::ipc::{self, IpcOneShotServer, IpcReceiver, IpcSender};
use serde::{Deserialize, Serialize};

pub use bytes::{BYTES, MEMORY, VECTOR, VECTORS};
pub use bytes::{bytes, bytes_child, memory, memory_child, vectors, vectors_child};
pub use bytes::{bytes_trip, memory_trip, vectors_trip};
pub use ping_pong::{PING_PONG, WORDS, ping_pong, words_child};
pub use pipelined::{PIPELINED, SPINS, Spinners, pipelined, spins_child};

use crate::Result;
use crate::child::Child;

/// Our ends of the two channels: requests to the child, its replies.
type Ends<T> = (IpcSender<T>, IpcReceiver<T>);

/// A child that answers on channels of `T`.
struct Echo<T> {
    requests: IpcSender<T>,
    replies: IpcReceiver<T>,
    /// After the channels, so that the child sees their end before it is killed.
    _child: Child,
}

impl<T> Echo<T>
where
    T: for<'de> Deserialize<'de> + Serialize,
{
    fn start(name: &'static str) -> Result<Echo<T>> {
        let (child, (requests, replies)) = bootstrap::<Ends<T>>(name)?;
        Ok(Echo { requests, replies, _child: child })
    }

    fn send(&self, request: T) -> Result<()> {
        Ok(self.requests.send(request)?)
    }

    fn recv(&self) -> Result<T> {
        Ok(self.replies.recv()?)
    }
}

/// Starts the child `name` and takes the ends it hands over.
fn bootstrap<E>(name: &'static str) -> Result<(Child, E)>
where
    E: for<'de> Deserialize<'de> + Serialize,
{
    let (server, address) = IpcOneShotServer::<E>::new()?;
    let child = Child::spawn(name, &address, None)?;
    let (_, ends) = server.accept()?;
    Ok((child, ends))
}

/// The child's part: hands the ends over, then answers until the requests end.
fn answer<T>(address: &str, f: impl Fn(T) -> T) -> Result<()>
where
    T: for<'de> Deserialize<'de> + Serialize,
{
    let (to_us, requests) = ipc::channel()?;
    let (replies, from_us) = ipc::channel()?;
    IpcSender::<Ends<T>>::connect(address.to_owned())?.send((to_us, from_us))?;
    while let Ok(request) = requests.recv() {
        replies.send(f(request))?;
    }
    Ok(())
}
