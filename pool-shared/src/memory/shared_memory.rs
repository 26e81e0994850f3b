//! Memory with a name.

use std::fmt;
use std::io;
use std::sync::atomic::AtomicU8;

use pool_ipc::shared::Block;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::array::OutOfBounds;
use super::named::{EncodedName, NamedBlock};
use crate::crossing::Kind;

/// Memory with a name, as Python's `multiprocessing.shared_memory.SharedMemory`: any process of the same user can attach
/// to it by the name. A clone is the same memory, and so is what another process decodes.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::SharedMemory;
///
/// let memory = SharedMemory::create(None, 10)?;
/// let child = Process::spawn(
///     |name: String| {
///         let memory = SharedMemory::attach(&name).unwrap();
///         memory.write(0, b"hello").unwrap();
///     },
///     memory.name().to_owned(),
/// )?;
/// child.join()?;
/// let mut bytes = [0; 5];
/// memory.read(0, &mut bytes)?;
/// assert_eq!(&bytes, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It belongs to **who created it**: the name goes when the last clone there is dropped, when
/// [`unlink`](SharedMemory::unlink) is called, or when that process ends, in whatever way. Those who attached never
/// destroy it, and whoever is attached when the name goes keeps the memory. It is gone when nobody has it; no process
/// leaves anything behind, however it ends.
///
/// What crosses to another process is the name: keep the memory until it has been decoded there, or that fails.
///
/// The name is that of an abstract Unix socket of the creator, which hands out the memory on a thread of its own. So names
/// are seen within one network namespace (a container has its own), by the same user only, and a creator that is stopped
/// answers nobody.
///
/// The bytes are copied in and out, as any process may write them at any time; what is copied while another process
/// writes it may be partly old and partly new.
#[derive(Clone)]
pub struct SharedMemory(NamedBlock);

impl SharedMemory {
    /// New memory of `size` bytes, all zero, with this name; `None`: with one that is made up. The memory itself is taken
    /// where it is written.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a size of 0, and for a name that is empty, has a NUL in it or
    /// more than 80 bytes; [`AlreadyExists`](io::ErrorKind::AlreadyExists) when another has the name; what the system
    /// says when it refuses the memory, a descriptor or a thread.
    pub fn create(name: Option<&str>, size: usize) -> io::Result<SharedMemory> {
        if size == 0 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "shared memory of no bytes"));
        }
        NamedBlock::create(name, Block::create(Kind::SharedMemory as u32, size)?).map(SharedMemory)
    }

    /// The memory of this name, whatever its size.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound): there is none;
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied): it is another user's;
    /// [`TimedOut`](io::ErrorKind::TimedOut): its creator has not answered for 10 s;
    /// [`InvalidData`](io::ErrorKind::InvalidData): something else has this name; and as
    /// [`create`](SharedMemory::create).
    pub fn attach(name: &str) -> io::Result<SharedMemory> {
        NamedBlock::attach(Kind::SharedMemory, name).map(SharedMemory)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        self.0.block.len()
    }

    /// Whether the name goes with this: it was created, and not attached to.
    pub fn is_owner(&self) -> bool {
        self.0.is_owner()
    }

    /// Copies bytes, from `start` on, as many as `bytes` has room for.
    ///
    /// # Errors
    /// The memory does not have so many; nothing is copied.
    pub fn read(&self, start: usize, bytes: &mut [u8]) -> Result<(), OutOfBounds> {
        let outside = self.outside(start, bytes.len());
        self.0.block.read(start, bytes).map_err(|_| outside)
    }

    /// Makes the bytes from `start` on these.
    ///
    /// # Errors
    /// The memory does not have so many; nothing is changed.
    pub fn write(&self, start: usize, bytes: &[u8]) -> Result<(), OutOfBounds> {
        self.0.block.write(start, bytes).map_err(|_| self.outside(start, bytes.len()))
    }

    fn outside(&self, index: usize, count: usize) -> OutOfBounds {
        OutOfBounds { index, count, len: self.size() }
    }

    /// A copy of all bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.size()];
        let all = self.read(0, &mut bytes);
        debug_assert!(all.is_ok());
        bytes
    }

    /// The bytes where they lie, each of which is read and written whole. It begins at a multiple of 64.
    pub fn bytes(&self) -> &[AtomicU8] {
        self.0.block.words8()
    }

    /// Gives this handle up: the same as to drop it.
    pub fn close(self) {}

    /// Takes the name away: nobody can attach any more, and the name is free at once. Who is attached keeps the memory.
    ///
    /// # Errors
    /// [`PermissionDenied`](io::ErrorKind::PermissionDenied) for those who attached;
    /// [`NotFound`](io::ErrorKind::NotFound) when it was done before.
    pub fn unlink(&self) -> io::Result<()> {
        self.0.unlink()
    }
}

#[cfg(feature = "memory-manager")]
impl SharedMemory {
    pub(super) fn of(memory: NamedBlock) -> SharedMemory {
        SharedMemory(memory)
    }
}

impl fmt::Debug for SharedMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMemory").field("name", &self.name()).field("size", &self.size()).finish()
    }
}

impl Serialize for SharedMemory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.encoded().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SharedMemory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SharedMemory, D::Error> {
        let encoded = EncodedName::deserialize(deserializer)?;
        encoded.open(Kind::SharedMemory).map(SharedMemory).map_err(D::Error::custom)
    }
}
