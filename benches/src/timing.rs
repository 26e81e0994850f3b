//! How a piece of work is timed.
//!
//! Reading the clock costs some 20 to 40 ns, which is nothing beside a task but a quarter of a
//! spinning round trip: left in, it would flatter the pool, whose bound is a multiple of it. So
//! the clock's own cost is measured once and taken off every single time, the subject's as well
//! as the yardstick's.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::Result;
use crate::stats::median;

/// Seconds that each of `n` runs of `f` took, without the clock's own cost.
pub fn each(n: usize, mut f: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let clock = clock_cost();
    let mut times = Vec::with_capacity(n);
    let mut before = Instant::now();
    for _ in 0..n {
        f()?;
        let after = Instant::now();
        times.push(((after - before).as_secs_f64() - clock).max(0.0));
        before = after;
    }
    Ok(times)
}

/// Seconds that `f` took, and what it gave: the caller drops that outside the measured time.
pub fn once<R>(f: impl FnOnce() -> R) -> (f64, R) {
    let before = Instant::now();
    let given = f();
    (before.elapsed().as_secs_f64(), given)
}

/// Seconds that reading the clock takes.
pub fn clock_cost() -> f64 {
    static COST: OnceLock<f64> = OnceLock::new();
    *COST.get_or_init(|| {
        let times: Vec<f64> = (0..1_001)
            .map(|_| {
                let before = Instant::now();
                before.elapsed().as_secs_f64()
            })
            .collect();
        median(&times)
    })
}

/// Seconds that each of `n` runs of `f` took, where a millisecond of idleness came before each.
/// The idleness is not in the times.
pub fn after_idling(n: usize, mut f: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let clock = clock_cost();
    let mut times = Vec::with_capacity(n);
    for _ in 0..n {
        std::thread::sleep(Duration::from_millis(1));
        let (time, done) = once(&mut f);
        done?;
        times.push((time - clock).max(0.0));
    }
    Ok(times)
}
