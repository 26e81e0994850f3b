//! By the size of what goes to a worker: as it comes back, and as work is done on it.

use std::iter;
use std::rc::Rc;

use pool::Pool;
use pool::codec::Plain;

use super::WORKERS;
use crate::comparison::crew::{Crew, Grain, METHODS, map_ours};
use crate::comparison::entrant::{Who, like_kind};
use crate::comparison::table::{Axis, Column, Entry, Field, Reading, Scale, Table, per_item, sizes};
use crate::peers::{ipc_channel, procspawn, rayon, threadpool};
use crate::{Result, timing, work};

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "payloads",
            title: "So many bytes to a worker and back",
            question: "What does it cost to send an argument and to get a result?",
            what: "The time of one call of a function that gives back the bytes which it was given, one call after the \
                   other (`apply`, `submit` and the result, ..). Threads move a vector and copy nothing."
                .into(),
            axis: Axis::Payload,
            reading: Reading::Time,
            columns: sizes(&[8, 1 << 10, 64 << 10, 1 << 20, 8 << 20, 64 << 20]),
            rounds: 5,
            ours: like_kind,
            notes: Vec::new(),
            start: Box::new(|| start(echoes)),
        },
        Table {
            name: "checksums",
            title: "Checksums of so many bytes each",
            question: "From which size of an argument on is light work worth sending: a nanosecond for each byte?",
            what: "Speed-up over a plain loop in the same language. A `map` as it is over vectors of so many bytes; the \
                   function is a checksum, in Rust FNV-1a, in Python `zlib.crc32`; 2 workers. The plain loop and rayon \
                   borrow the vectors, the pools are given them. Our processes are asked twice: with vectors of bytes as they \
                   are, and in `codec::Plain`, which sends each as memory; peers are compared with the first."
                .into(),
            axis: Axis::Payload,
            reading: Reading::SpeedUp,
            columns: sizes(&[8, 64, 512, 4 << 10, 32 << 10, 1 << 20, 64 << 20]),
            rounds: 5,
            ours: like_kind,
            notes: vec!["threadpool, rusty_pool, procspawn and ipc-channel have no map.".into()],
            start: Box::new(|| start(checksums)),
        },
    ]
}

fn start(entries: fn(&Crew, usize, Scale) -> Result<Vec<Entry>>) -> Result<Field> {
    let crew = Crew::start(WORKERS)?;
    let missing = crew.missing.clone();
    let sides = move |column: &Column, scale: Scale| entries(&crew, column.x.unwrap_or(8.0) as usize, scale);
    Ok(Field { missing, sides: Box::new(sides) })
}

/// No more calls than this in a turn.
const MOST: usize = 1 << 20;

fn echoes(crew: &Crew, len: usize, scale: Scale) -> Result<Vec<Entry>> {
    let bytes = Rc::new(work::bytes(len));
    let echo = |who, trip| echo(who, &bytes, scale, trip);
    let threads = crew.threads.clone();
    let mut entries = vec![echo(Who::ThreadPool, Box::new(move |b| Ok(threads.apply(|b: Vec<u8>| b, b)?)))];
    for ((who, _), pool) in METHODS.into_iter().zip(&crew.processes) {
        let pool = pool.clone();
        entries.push(echo(who, Box::new(move |b| Ok(pool.apply(|b: Vec<u8>| b, b)?))));
    }
    let pool = crew.rayon.clone();
    entries.push(echo(Who::Rayon, Box::new(move |b| Ok(pool.install(move || b)))));
    let pool = crew.threadpool.clone();
    entries.push(echo(Who::Threadpool, Box::new(move |b| Ok(threadpool::submit(&pool, move || b).recv()?))));
    let pool = crew.rusty_pool.clone();
    entries.push(echo(Who::RustyPool, Box::new(move |b| Ok(pool.evaluate(move || b).await_complete()))));
    let pool = crew.procspawn.clone();
    let by_procspawn =
        move |b: Vec<u8>| procspawn::map_items(&pool, iter::once(b), |b| b)?.pop().ok_or("no result".into());
    entries.push(echo(Who::Procspawn, Box::new(by_procspawn)));
    entries.push(echo(Who::IpcChannel, Box::new(ipc_channel::vectors_trip()?)));
    entries.push(echo(Who::IpcBytes, Box::new(ipc_channel::bytes_trip()?)));
    entries.push(echo(Who::IpcMemory, Box::new(ipc_channel::memory_trip()?)));
    let pythons = crew.pythons.iter().filter(|python| python.who != Who::PySerial);
    entries.extend(pythons.map(|python| python.asked(1, MOST, scale, move |n| format!("echo {len} {n}"))));
    Ok(entries)
}

type Trip = Box<dyn FnMut(Vec<u8>) -> Result<Vec<u8>>>;

fn echo(who: Who, bytes: &Rc<Vec<u8>>, scale: Scale, mut trip: Trip) -> Entry {
    let original = bytes.clone();
    per_item(who, 1, MOST, scale, move |n| {
        let first = original.to_vec();
        let (time, last) = timing::once(|| (0..n).try_fold(first, |bytes, _| trip(bytes)));
        assert!(last? == *original, "the echo differs");
        Ok(time)
    })
}

fn checksums(crew: &Crew, len: usize, scale: Scale) -> Result<Vec<Entry>> {
    // As much as a loop does in a turn, but no more vectors than are quickly made.
    let most = ((scale.turn() * 1e9) as usize / len).clamp(WORKERS, 200_000);
    let bytes = Rc::new(work::bytes(len));
    let expected = work::checksum(&bytes);
    let entry = |who, mut map: Map| {
        let bytes = bytes.clone();
        per_item(who, WORKERS, most, scale, move |n| {
            let vectors = vec![bytes.to_vec(); n];
            let (time, sums) = map(vectors)?;
            assert!(sums.len() == n && sums.iter().all(|sum| *sum == expected), "the sums differ");
            Ok(time)
        })
    };
    let in_a_loop = |vectors: Vec<Vec<u8>>| {
        Ok(timing::once(|| vectors.iter().map(|bytes| work::checksum(bytes)).collect::<Vec<u64>>()))
    };
    let mut entries =
        vec![entry(Who::Serial, Box::new(in_a_loop)), entry(Who::ThreadPool, ours(crew.threads.clone()))];
    for ((who, _), pool) in METHODS.into_iter().zip(&crew.processes) {
        entries.push(entry(who, ours(pool.clone())));
    }
    let [pool, ..] = crew.processes.clone();
    let plain = move |vectors: Vec<Vec<u8>>| {
        let items: Vec<Plain<Vec<u8>>> = vectors.into_iter().map(Plain).collect();
        let sum = |bytes: Plain<Vec<u8>>| work::checksum(&bytes.0);
        let (time, sums) = timing::once(|| map_ours(&*pool, sum, items, Grain::Default));
        Ok((time, sums?))
    };
    entries.insert(3, entry(Who::SpawnPlain, Box::new(plain)));
    let pool = crew.rayon.clone();
    let by_rayon = move |vectors: Vec<Vec<u8>>| {
        Ok(timing::once(|| rayon::map_items(&pool, &vectors, None, |bytes| work::checksum(bytes))))
    };
    entries.push(entry(Who::Rayon, Box::new(by_rayon)));
    let asked = crew.pythons.iter().map(|python| {
        let step = if python.who == Who::PySerial { 1 } else { WORKERS };
        python.asked(step, most, scale, move |n| format!("sums {len} {n} 0"))
    });
    entries.extend(asked);
    Ok(entries)
}

/// The seconds of a map of checksums, and the sums.
type Map = Box<dyn FnMut(Vec<Vec<u8>>) -> Result<(f64, Vec<u64>)>>;

fn ours<P: Pool + 'static>(pool: Rc<P>) -> Map {
    Box::new(move |vectors| {
        let sum = |bytes: Vec<u8>| work::checksum(&bytes);
        let (time, sums) = timing::once(|| map_ours(&*pool, sum, vectors, Grain::Default));
        Ok((time, sums?))
    })
}
