//! Plain data in the memory of a block.

use std::any::type_name;

use bytemuck::Pod;

/// Blocks begin an object's memory at a multiple of this.
const ALIGNED: usize = 64;

/// Which type the items of an object are: by what it is told from objects of other items. The processes of a program
/// are of one build, in which a type's name means one thing, or nearly so; whatever is mistaken is plain data still.
pub(crate) fn tag<T: Pod>() -> u64 {
    const { assert!(size_of::<T>() > 0, "items without a size cannot be in shared memory") };
    const { assert!(align_of::<T>() <= ALIGNED, "items in shared memory are aligned to 64 bytes at most") };
    // FNV-1a.
    let name = type_name::<T>().bytes().chain((size_of::<T>() as u64).to_ne_bytes());
    name.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// How many bytes so many items have; one number too large for any memory if that is none.
pub(crate) fn bytes_of_items<T>(len: usize) -> usize {
    len.saturating_mul(size_of::<T>())
}
