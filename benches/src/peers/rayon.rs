//! rayon: `par_iter().map().collect()` over a slice of `u64`, on a pool of two threads, or of as many as the
//! comparison asks for.

use ::rayon::prelude::*;
use ::rayon::{ThreadPool, ThreadPoolBuilder};

use crate::figure::Side;
use crate::{Result, work};

/// The name of the side.
pub const MAP: &str = "rayon par_iter().map().collect()";

/// Each slice: the seconds of each of `repeats` maps of `increment` over so many items.
pub fn increment(items: u64, repeats: usize) -> Result<Side> {
    // A closure of its own in each case, so that rayon can inline it as it would anywhere.
    map(items, repeats, work::increment, |x| *x + 1)
}

/// The same with a function that takes about a microsecond.
pub fn about_a_microsecond(items: u64) -> Result<Side> {
    let f = work::about_a_microsecond;
    map(items, 1, f, |x| work::about_a_microsecond(*x))
}

fn map(
    items: u64,
    repeats: usize,
    expected: fn(u64) -> u64,
    f: impl Fn(&u64) -> u64 + Copy + Send + Sync + 'static,
) -> Result<Side> {
    let pool = pool(2)?;
    let input: Vec<u64> = (0..items).collect();
    let map_all = move || Ok(pool.install(|| input.par_iter().map(f).collect()));
    Ok(Side::peer(MAP, work::mapping(items, repeats, expected, map_all)))
}

/// A pool of so many threads.
pub fn pool(threads: usize) -> Result<ThreadPool> {
    Ok(ThreadPoolBuilder::new().num_threads(threads).build()?)
}

/// Maps `f` over the items, so many of them at least and at most without a split, or as rayon likes.
pub fn map_items<T, R>(
    pool: &ThreadPool,
    items: &[T],
    chunk: Option<usize>,
    f: impl Fn(&T) -> R + Send + Sync,
) -> Vec<R>
where
    T: Sync,
    R: Send,
{
    pool.install(|| match chunk {
        Some(chunk) => items.par_iter().with_min_len(chunk).with_max_len(chunk).map(f).collect(),
        None => items.par_iter().map(f).collect(),
    })
}
