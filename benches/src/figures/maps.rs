//! One function over many items: how many items a second.

use crate::figure::{Bound, Figure, Reading, Side};
use crate::peers::rayon;
use crate::placement::Placement;
use crate::{Result, subjects};

/// A map of numbers takes less than a millisecond, and rayon's time has two modes, so a round holds
/// several maps in several turns.
const TURNS: usize = 5;
const REPEATS: usize = 2;

pub(super) fn figures() -> Vec<Figure> {
    vec![
        map(
            "map_processes",
            "map of {n} u64, |x| x + 1; 2 processes",
            TURNS,
            |n| {
                let mut sides = vec![rayon::increment(n as u64, REPEATS)?];
                sides.splice(0..0, subjects::map_processes(n as u64, REPEATS)?);
                Ok(sides)
            },
            &[Bound::PerSecond(60e6)],
        ),
        map(
            "map_threads",
            "map of {n} u64, |x| x + 1; 2 threads",
            TURNS,
            |n| {
                let mut sides = vec![rayon::increment(n as u64, REPEATS)?];
                sides.splice(0..0, subjects::map_threads(n as u64, REPEATS)?);
                Ok(sides)
            },
            &[Bound::AtMost(1.5, rayon::MAP)],
        ),
        map(
            "map_threads_1us",
            "map of {n} u64, about 1 µs each; 2 threads",
            1,
            |n| {
                let mut sides = vec![rayon::about_a_microsecond(n as u64)?];
                sides.splice(0..0, subjects::map_threads_1us(n as u64)?);
                Ok(sides)
            },
            &[Bound::AtMost(1.05, rayon::MAP)],
        ),
    ]
}

fn map(
    name: &'static str,
    what: &'static str,
    slices: usize,
    sides: fn(usize) -> Result<Vec<Side>>,
    bounds: &'static [Bound],
) -> Figure {
    Figure {
        name,
        what,
        n: 1_000_000,
        reading: Reading::Rate("items/s"),
        slices,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides,
        bounds,
    }
}
