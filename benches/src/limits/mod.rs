//! What the machine allows: the same movement as the pool's, with nothing around it.

pub mod arena_copies;
pub mod bare_spawn;
pub mod futex_ping_pong;
pub mod spin_ping_pong;
