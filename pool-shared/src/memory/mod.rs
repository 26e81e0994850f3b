//! Values, arrays and named memory.

mod array;
mod locked;
#[cfg(feature = "memory-manager")]
mod manager;
mod named;
mod plain;
mod shareable_list;
mod shared_memory;
mod shared_vec;
mod value;

pub use array::{Array, ArrayGuard, OutOfBounds, RawArray};
#[cfg(feature = "memory-manager")]
pub use manager::SharedMemoryManager;
pub use shareable_list::{Scalar, ShareableList, ShareableListError};
pub use shared_memory::SharedMemory;
pub use shared_vec::{SharedVec, SharedVecDraft};
pub use value::{RawValue, Value, ValueGuard};
