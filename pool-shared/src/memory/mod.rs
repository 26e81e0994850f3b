//! Values, arrays and named memory.

mod array;
mod locked;
mod plain;
mod shared_vec;
mod value;

pub use array::{Array, ArrayGuard, OutOfBounds, RawArray};
pub use shared_vec::{SharedVec, SharedVecDraft};
pub use value::{RawValue, Value, ValueGuard};
