//! One task at a time: how long until its result is there.

use crate::figure::{Bound, Figure, Reading, Side};
use crate::limits::{futex_ping_pong, spin_ping_pong};
use crate::peers::{ipc_channel, procspawn};
use crate::placement::Placement;
use crate::{Result, subjects};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        back_to_back("apply", Placement::Free),
        back_to_back("apply_two_cores", Placement::TwoCores),
        parked("apply_parked", Placement::Free),
        parked("apply_parked_one_core", Placement::OneCore),
        parked("apply_parked_two_cores", Placement::TwoCores),
    ]
}

/// Left alone, the scheduler may put both ends of a peer's channel on one core, where waking is
/// cheap and spinning hopeless, and move them in mid-run. Hence a second figure with the ends apart;
/// there is none with all on one core, since nobody would spin there.
fn back_to_back(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::Free => "one u64 to a worker process and back, back to back; p50, turns every {n}",
            _ => "the same with the caller on one core, the others on another",
        },
        n: 2_500,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement,
        sides: sides_back_to_back,
        bounds: &[Bound::AtMost(12.0, spin_ping_pong::NAME), Bound::AtLeast(5.0, ipc_channel::PING_PONG)],
    }
}

/// The scheduler moves sleepers as it likes, so the sides take turns every 50 round trips. The
/// figures with a fixed placement show both modes of what that gives.
fn parked(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::Free => "a u64 there and back after each 1 ms of idleness; p50, turns every {n}",
            Placement::OneCore => "the same with all processes on one core",
            Placement::TwoCores => "the same with the caller on one core, the others on another",
        },
        n: 50,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement,
        sides: sides_after_idleness,
        bounds: &[Bound::AtMost(1.4, futex_ping_pong::NAME)],
    }
}

fn sides_back_to_back(n: usize) -> Result<Vec<Side>> {
    let mut sides = vec![spin_ping_pong::side(n)?, ipc_channel::ping_pong(n)?, procspawn::apply(n)?];
    sides.splice(0..0, subjects::apply(n)?);
    Ok(sides)
}

fn sides_after_idleness(n: usize) -> Result<Vec<Side>> {
    let mut sides = vec![futex_ping_pong::side(n)?];
    sides.splice(0..0, subjects::apply_parked(n)?);
    Ok(sides)
}
