//! Many bytes at once: how fast they go to a worker and come back.

use crate::figure::{Bound, Figure, Reading, Side};
use crate::limits::arena_copies::{self, Buffers};
use crate::peers::ipc_channel;
use crate::placement::Placement;
use crate::{Result, subjects};

pub(super) fn figures() -> Vec<Figure> {
    vec![Figure {
        name: "echo_64mib",
        what: "{n} bytes to a worker process and back",
        n: 64 << 20,
        reading: Reading::Rate("B/s"),
        slices: 1,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides: echo,
        bounds: &[Bound::AtLeast(0.5, arena_copies::FRESH), Bound::AtLeast(5.0, ipc_channel::VECTOR)],
    }]
}

fn echo(n: usize) -> Result<Vec<Side>> {
    let mut sides = vec![
        arena_copies::side(n, Buffers::Fresh)?,
        arena_copies::side(n, Buffers::Reused)?,
        ipc_channel::vectors(n)?,
        ipc_channel::bytes(n)?,
        ipc_channel::memory(n)?,
    ];
    sides.splice(0..0, subjects::echo(n)?);
    Ok(sides)
}
