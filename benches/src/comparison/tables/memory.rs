//! What a worker that does nothing keeps in memory.

use std::fs;

use pool::{Pool, StartMethod, ThreadPool};

use super::{WORKERS, cases};
use crate::comparison::crew::{METHODS, Python, process_pool};
use crate::comparison::entrant::{PYTHONS, Who};
use crate::comparison::table::{Axis, Column, Entry, Field, Reading, Scale, Table};
use crate::figure::Side;
use crate::peers::{procspawn, rayon};
use crate::process_tree::descendants;
use crate::{Result, work};

/// Threads of a pool share so much that what one adds is seen only in many.
const MANY_THREADS: usize = 32;
const TASKS: usize = 100;

pub(super) fn table() -> Table {
    Table {
        name: "memory",
        title: "Memory of a worker",
        question: "What does an idle worker keep?",
        what: "After 100 small tasks: the pages that a worker process has for itself alone (`Private_*` of `smaps_rollup`), \
               which its end would free; of a thread what the program's grew by. A forked process shares with its parent \
               what neither has written to."
            .into(),
        axis: Axis::Cases,
        reading: Reading::Memory,
        columns: cases(&["an idle worker"]),
        rounds: 3,
        ours: crate::comparison::entrant::like_kind,
        notes: Vec::new(),
        start: Box::new(start),
    }
}

fn start() -> Result<Field> {
    let (mut pythons, missing) = Python::start_all(&PYTHONS[..5], WORKERS)?;
    pythons.extend(Python::start_all(&[Who::PyPoolSpawn, Who::PyPoolForkServer], WORKERS)?.0);
    // So that the fork server is no part of the first pool of its children.
    let server = process_pool(StartMethod::ForkServer, 1)?;
    let sides = move |_: &Column, _: Scale| {
        let _there = &server;
        let mut entries = vec![entry(Who::ThreadPool, || {
            by_threads(|| {
                let pool = ThreadPool::new(MANY_THREADS)?;
                pool.chunk_size(1).map(work::increment, 0..TASKS as u64)?;
                Ok(pool)
            })
        })];
        for (who, method) in METHODS {
            entries.push(entry(who, move || {
                by_processes(|| {
                    let pool = process_pool(method, WORKERS)?;
                    pool.chunk_size(1).map(work::increment, 0..TASKS as u64)?;
                    Ok(pool)
                })
            }));
        }
        entries.push(entry(Who::Rayon, || {
            by_threads(|| {
                let pool = rayon::pool(MANY_THREADS)?;
                rayon::map_items(&pool, &[41; TASKS], Some(1), |x| work::increment(*x));
                Ok(pool)
            })
        }));
        entries.push(entry(Who::Procspawn, || {
            by_processes(|| {
                let pool = ::procspawn::Pool::new(WORKERS)?;
                procspawn::map_items(&pool, 0..TASKS as u64, work::increment)?;
                Ok(pool)
            })
        }));
        entries.extend(pythons.iter().cloned().map(|python| entry(python.who, move || python.ask("memory"))));
        Ok(entries)
    };
    Ok(Field { missing, sides: Box::new(sides) })
}

fn entry(who: Who, mut bytes: impl FnMut() -> Result<f64> + 'static) -> Entry {
    (who, Side::remark(who.name(), move || Ok(vec![bytes()?])))
}

fn by_threads<P>(new: impl FnOnce() -> Result<P>) -> Result<f64> {
    let own = std::process::id();
    let before = private_bytes(own)?;
    let _pool = new()?;
    Ok((private_bytes(own)? - before).max(0.0) / MANY_THREADS as f64)
}

fn by_processes<P>(new: impl FnOnce() -> Result<P>) -> Result<f64> {
    let before = descendants();
    let _pool = new()?;
    let born = descendants().into_iter().filter(|pid| !before.contains(pid));
    let sizes = born.map(private_bytes).collect::<Result<Vec<f64>>>()?;
    Ok(sizes.iter().sum::<f64>() / WORKERS as f64)
}

/// The bytes that a process shares with no other.
fn private_bytes(pid: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let lines =
        text.lines().filter(|line| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:"));
    let mut kibibytes = 0.0;
    for line in lines {
        let number = line.split_whitespace().nth(1).ok_or("a line of smaps_rollup has no number")?;
        kibibytes += number.parse::<f64>()?;
    }
    Ok(kibibytes * 1024.0)
}
