//! Many small jobs, each submitted by itself: how many a second.

use crate::figure::{Bound, Figure, Reading, Side};
use crate::peers::{ipc_channel, rusty_pool, threadpool};
use crate::placement::Placement;
use crate::{Result, subjects};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            name: "apply_async_processes",
            what: "{n} × apply_async of a u64, then all results; 2 processes",
            n: 200_000,
            reading: Reading::Rate("tasks/s"),
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: on_processes,
            bounds: &[Bound::PerSecond(500_000.0), Bound::AtLeast(4.0, ipc_channel::PIPELINED)],
        },
        Figure {
            name: "apply_async_threads",
            what: "{n} × apply_async of a u64, then all results; 2 threads",
            n: 200_000,
            reading: Reading::Rate("jobs/s"),
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: on_threads,
            bounds: &[Bound::AtLeast(1.0, threadpool::ONESHOT), Bound::AtLeast(1.0, rusty_pool::EVALUATE)],
        },
    ]
}

fn on_processes(n: usize) -> Result<Vec<Side>> {
    let mut sides = vec![ipc_channel::pipelined(n)?];
    sides.splice(0..0, subjects::apply_async_processes(n)?);
    Ok(sides)
}

fn on_threads(n: usize) -> Result<Vec<Side>> {
    let mut sides = vec![threadpool::oneshot(n)?, threadpool::mpsc(n)?, rusty_pool::evaluate(n)?];
    sides.splice(0..0, subjects::apply_async_threads(n)?);
    Ok(sides)
}
