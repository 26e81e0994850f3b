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
    // A finalizer may run when the thread's locals are gone already: then it has a new one each time.
    let mut buffer = SCRATCH.try_with(Cell::take).unwrap_or_default();
    buffer.clear();
    let result = body(&mut buffer);
    if buffer.capacity() <= KEEP {
        let _ = SCRATCH.try_with(|place| place.set(buffer));
    }
    result
}
