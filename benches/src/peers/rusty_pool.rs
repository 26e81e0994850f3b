//! rusty_pool: jobs one by one through `evaluate`, which gives a handle for each result. All jobs
//! are submitted before the first result is taken.

use ::rusty_pool::{Builder, ThreadPool};

use crate::figure::Side;
use crate::{Result, work};

/// The name of the side.
pub const EVALUATE: &str = "rusty_pool evaluate";

/// Each slice: the seconds until the results of all `jobs` are there.
pub fn evaluate(jobs: usize) -> Result<Side> {
    let pool = pool(2);
    Ok(Side::peer(EVALUATE, move || {
        let submit = |x| pool.evaluate(move || work::increment(x));
        work::all_jobs(jobs, submit, |handle| Ok(handle.await_complete()))
    }))
}

/// A pool of so many threads, all of them started.
pub fn pool(threads: usize) -> ThreadPool {
    let pool = Builder::new().core_size(threads).max_size(threads).build();
    pool.start_core_threads();
    pool
}
