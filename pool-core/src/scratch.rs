//! One reusable buffer per thread to encode into.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer that grew past this is given back to the system.
const KEEP: usize = 1 << 20;

/// Lends an empty buffer, warm from the last use. The user's encoding code runs inside and may come here again: it
/// then finds a buffer of its own.
#[inline]
pub fn with_scratch<U>(body: impl FnOnce(&mut Vec<u8>) -> U) -> U {
    let mut buffer = SCRATCH.with(Cell::take);
    buffer.clear();
    let result = body(&mut buffer);
    if buffer.capacity() <= KEEP {
        SCRATCH.with(|place| place.set(buffer));
    }
    result
}
