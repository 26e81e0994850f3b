//! Many bytes to the other process and back, in the three ways ipc-channel offers.
//!
//! As `Vec<u8>` through serde is what anybody would write first, and what the bound refers to. As
//! a remark, a channel of bytes, and its shared memory; there too both ends have the bytes as a
//! `Vec<u8>`, since that is what a task takes and gives.

use ::ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcSender, IpcSharedMemory};

use super::{Echo, answer, bootstrap};
use crate::figure::Side;
use crate::{Result, work};

/// The name of the other process that echoes a `Vec<u8>`.
pub const VECTORS: &str = "ipc-vectors";

/// The name of the other process that echoes on a channel of bytes.
pub const BYTES: &str = "ipc-bytes";

/// The name of the other process that echoes shared memory.
pub const MEMORY: &str = "ipc-memory";

/// The name of the side the bound refers to.
pub const VECTOR: &str = "ipc-channel, Vec<u8>";

/// Each slice: the seconds of one echo of `len` bytes as `Vec<u8>`.
pub fn vectors(len: usize) -> Result<Side> {
    Ok(Side::peer(VECTOR, work::echo(len, vectors_trip()?)))
}

/// A way there and back as `Vec<u8>`.
pub fn vectors_trip() -> Result<impl FnMut(Vec<u8>) -> Result<Vec<u8>>> {
    let echo = Echo::<Vec<u8>>::start(VECTORS)?;
    Ok(move |request| {
        echo.send(request)?;
        echo.recv()
    })
}

/// Sends each vector back.
pub fn vectors_child(address: &str) -> Result<()> {
    answer::<Vec<u8>>(address, |request| request)
}

/// Each slice: the seconds of one echo of `len` bytes on a channel of bytes.
pub fn bytes(len: usize) -> Result<Side> {
    Ok(Side::remark("ipc-channel, bytes channel", work::echo(len, bytes_trip()?)))
}

/// A way there and back on a channel of bytes.
pub fn bytes_trip() -> Result<impl FnMut(Vec<u8>) -> Result<Vec<u8>>> {
    let (child, (requests, replies)) = bootstrap::<(IpcBytesSender, IpcBytesReceiver)>(BYTES)?;
    Ok(move |request: Vec<u8>| {
        let _alive = &child;
        requests.send(&request)?;
        Ok(replies.recv()?)
    })
}

/// Sends the bytes back.
pub fn bytes_child(address: &str) -> Result<()> {
    let (to_us, requests) = ipc::bytes_channel()?;
    let (replies, from_us) = ipc::bytes_channel()?;
    IpcSender::connect(address.to_owned())?.send((to_us, from_us))?;
    while let Ok(request) = requests.recv() {
        replies.send(&request)?;
    }
    Ok(())
}

/// Each slice: the seconds of one echo of `len` bytes as shared memory.
pub fn memory(len: usize) -> Result<Side> {
    Ok(Side::remark("ipc-channel, shared memory", work::echo(len, memory_trip()?)))
}

/// A way there and back as shared memory.
pub fn memory_trip() -> Result<impl FnMut(Vec<u8>) -> Result<Vec<u8>>> {
    let echo = Echo::<IpcSharedMemory>::start(MEMORY)?;
    Ok(move |request: Vec<u8>| {
        echo.send(IpcSharedMemory::from_bytes(&request))?;
        Ok(echo.recv()?.to_vec())
    })
}

/// Takes the bytes out and sends them back in new shared memory.
pub fn memory_child(address: &str) -> Result<()> {
    answer(address, |request: IpcSharedMemory| {
        let received: Vec<u8> = request.to_vec();
        IpcSharedMemory::from_bytes(&received)
    })
}
