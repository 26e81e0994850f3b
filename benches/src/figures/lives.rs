//! A pool's beginning, its life without work, and the end of a task that takes too long.

use std::time::Duration;

use pool::StartMethod;

use crate::figure::{Bound, Figure, Reading, Side};
use crate::limits::{bare_fork, bare_spawn};
use crate::peers::procspawn;
use crate::placement::Placement;
use crate::process_tree::precise_cpu_time_of_tree;
use crate::{Result, subjects};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            name: "cold_pool",
            what: "a new pool of 2 processes to its first result; p50, turns every {n}",
            n: 10,
            reading: Reading::Time,
            slices: 4,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: beginnings,
            bounds: &[Bound::AtMost(2.5, bare_spawn::NAME)],
        },
        Figure {
            name: "deadline",
            what: "how long after a task's deadline of 50 ms its error is there, its worker killed; p50 of {n}",
            n: 10,
            reading: Reading::Time,
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: subjects::deadline,
            bounds: &[Bound::Within(0.020)],
        },
        Figure {
            name: "refill_fork_server",
            what: "SIGKILL of an idle pool's only worker to a result of the next one, by the fork server; p50, {n}",
            n: 20,
            reading: Reading::Time,
            slices: 4,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: refills_by_fork_server,
            bounds: &[Bound::AtMost(2.0, bare_fork::NAME)],
        },
        Figure {
            name: "refill_spawn",
            what: "SIGKILL of an idle pool's only worker to a result of the next one, spawned; p50, {n} times",
            n: 10,
            reading: Reading::Time,
            slices: 4,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: |n| Ok(vec![subjects::refill(StartMethod::Spawn, n)?, bare_spawn::side(n)?]),
            bounds: &[Bound::AtMost(1.5, bare_spawn::NAME)],
        },
        Figure {
            name: "idle",
            what: "processor time of an idle pool of 2 processes and its caller over {n} ms",
            n: 5_000,
            reading: Reading::Time,
            slices: 1,
            max_rounds: 1,
            placement: Placement::Free,
            sides: idleness,
            bounds: &[Bound::Nothing],
        },
    ]
}

fn refills_by_fork_server(n: usize) -> Result<Vec<Side>> {
    let method = StartMethod::ForkServer;
    Ok(vec![subjects::refill(method, n)?, bare_fork::side(n)?, subjects::end(method, n)?])
}

fn beginnings(n: usize) -> Result<Vec<Side>> {
    let mut sides = vec![bare_spawn::side(n)?, procspawn::cold_pool(n)?];
    sides.splice(0..0, subjects::cold_pool(n)?);
    Ok(sides)
}

fn idleness(n: usize) -> Result<Vec<Side>> {
    let interval = Duration::from_millis(n as u64);
    let mut sides = vec![Side::remark("no pool, by the scheduler's count", move || {
        let before = precise_cpu_time_of_tree();
        std::thread::sleep(interval);
        Ok(vec![precise_cpu_time_of_tree() - before])
    })];
    sides.splice(0..0, subjects::idle(interval)?);
    Ok(sides)
}
