//! A `u64` to the other process and one back, back to back.

use super::{Echo, answer};
use crate::figure::Side;
use crate::{Result, timing, work};

/// The name of the other process.
pub const WORDS: &str = "ipc-words";

/// The name of the side.
pub const PING_PONG: &str = "ipc-channel ping-pong";

/// Each slice: the seconds of each of `trips` round trips.
pub fn ping_pong(trips: usize) -> Result<Side> {
    let echo = Echo::<u64>::start(WORDS)?;
    Ok(Side::peer(PING_PONG, move || {
        timing::each(trips, || {
            echo.send(41)?;
            assert_eq!(echo.recv()?, 42);
            Ok(())
        })
    }))
}

/// Adds one to each word.
pub fn words_child(address: &str) -> Result<()> {
    answer(address, work::increment)
}
