//! What the machine allows: the same movement as the pool's, with nothing around it.

pub mod arena_copies;
pub mod bare_fork;
pub mod bare_spawn;
pub mod futex_ping_pong;
pub mod spin_ping_pong;

use std::time::Duration;

/// How long a figure of lives rests before each of them: what the last one left to do is done.
pub const BETWEEN_LIVES: Duration = Duration::from_millis(2);
