//! The functions that subjects and peers run alike.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::stats::median;
use crate::{Result, timing};

/// How often [`about_a_microsecond`] turns its number. The default fits a 3 GHz machine.
static TURNS: AtomicU32 = AtomicU32::new(500);

/// Nothing worth mentioning, but not nothing: its result differs from its argument.
pub fn increment(x: u64) -> u64 {
    x + 1
}

/// Arithmetic that takes about 1 µs once [`calibrate`] has run in this process. Each turn needs
/// the one before, so neither the optimiser nor the processor can run turns side by side.
pub fn about_a_microsecond(x: u64) -> u64 {
    // ORDERING: Relaxed; the word was set before any worker was started and guards nothing.
    turn(x, TURNS.load(Relaxed))
}

/// The same without calibration, which a worker process does not know of.
pub fn five_hundred_turns(x: u64) -> u64 {
    turn(x, 500)
}

fn turn(x: u64, turns: u32) -> u64 {
    let mut state = x | 1;
    for _ in 0..turns {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    state
}

/// Arithmetic of so many turns: the task of the comparison. A worker need not have been calibrated.
pub fn spin(turns: u64) -> u64 {
    turn(turns, turns as u32)
}

/// The number of turns that take so many seconds, once [`calibrate`] has run in this process.
pub fn turns_in(seconds: f64) -> u64 {
    // ORDERING: Relaxed, as in `about_a_microsecond`.
    (seconds * 1e6 * f64::from(TURNS.load(Relaxed))).round() as u64
}

/// The same under a lock that the process has one of: a library that must not be called by two threads at once.
pub fn spin_locked(turns: u64) -> u64 {
    static LIBRARY: Mutex<()> = Mutex::new(());
    let _in_it = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    spin(turns)
}

/// Waits so many microseconds.
pub fn wait(micros: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(micros));
    micros
}

/// Makes a map of so many strings and drops it: what programs that build trees ask of the allocator.
pub fn small_allocations(count: u64) -> u64 {
    let map: BTreeMap<u64, String> = (0..count).map(|x| (x, x.to_string())).collect();
    std::hint::black_box(&map).len() as u64
}

/// Touches so many bytes of memory that is fresh from the system, and gives them back.
pub fn fresh_pages(bytes: u64) -> u64 {
    let mut memory = vec![0_u8; bytes as usize];
    memory.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&memory).len() as u64
}

/// A checksum that reads one byte after the other (FNV-1a): about a nanosecond for each.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Sets the number of turns so that one item takes 1 µs here, and gives the time reached.
pub fn calibrate() -> f64 {
    const TARGET: f64 = 1e-6;
    let turns = TURNS.load(Relaxed);
    let fitted = f64::from(turns) * TARGET / time_of_one();
    TURNS.store(fitted.round() as u32, Relaxed);
    time_of_one()
}

fn time_of_one() -> f64 {
    const ITEMS: u32 = 1_000;
    let times: Vec<f64> = (0..21)
        .map(|_| {
            let before = Instant::now();
            let sum = (0..u64::from(ITEMS)).fold(0, |sum, x| sum ^ about_a_microsecond(x));
            std::hint::black_box(sum);
            before.elapsed().as_secs_f64() / f64::from(ITEMS)
        })
        .collect();
    median(&times)
}

/// Bytes to echo, no two neighbouring pages alike.
pub fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ (i >> 12)) as u8).collect()
}

/// Times echoes of `len` bytes through `send_and_receive`, one for each call of what it gives.
/// The bytes are made before and compared after; only the way there and back is timed.
pub fn echo(
    len: usize,
    mut send_and_receive: impl FnMut(Vec<u8>) -> Result<Vec<u8>>,
) -> impl FnMut() -> Result<Vec<f64>> {
    let original = bytes(len);
    move || {
        let request = original.clone();
        let (time, reply) = timing::once(|| send_and_receive(request));
        assert!(reply? == original, "the echo differs");
        Ok(vec![time])
    }
}

/// Times `map_all`, which applies `f` to the numbers below `items` and collects the results, so
/// often in each call of what it gives. The results are compared and dropped outside the time.
pub fn mapping(
    items: u64,
    repeats: usize,
    f: impl Fn(u64) -> u64,
    mut map_all: impl FnMut() -> Result<Vec<u64>>,
) -> impl FnMut() -> Result<Vec<f64>> {
    move || {
        let mut times = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let (time, results) = timing::once(&mut map_all);
            let results = results?;
            assert_eq!(results.len() as u64, items);
            let picked = (0..items).step_by(997);
            assert!(picked.into_iter().all(|x| results[x as usize] == f(x)));
            times.push(time);
        }
        Ok(times)
    }
}

/// Seconds until all `jobs` were submitted one by one and then all their results taken, in order.
pub fn all_jobs<H>(
    jobs: usize,
    mut submit: impl FnMut(u64) -> H,
    mut take: impl FnMut(H) -> Result<u64>,
) -> Result<Vec<f64>> {
    let (time, sum) = timing::once(|| {
        let handles: Vec<H> = (0..jobs as u64).map(&mut submit).collect();
        let results = handles.into_iter().map(&mut take);
        results.sum::<Result<u64>>()
    });
    assert_eq!(sum?, (1..=jobs as u64).sum(), "the results differ");
    Ok(vec![time])
}
