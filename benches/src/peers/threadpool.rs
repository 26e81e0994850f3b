//! threadpool: jobs one by one, each with a channel of its own for its result, since this pool has
//! no result handles. All jobs are submitted before the first result is taken.

use std::sync::mpsc;

use ::threadpool::ThreadPool;

use crate::figure::Side;
use crate::{Result, work};

/// The name of the side the bound refers to.
pub const ONESHOT: &str = "threadpool, oneshot channel each";

/// Each slice: the seconds until the results of all `jobs` are there.
pub fn oneshot(jobs: usize) -> Result<Side> {
    let pool = ThreadPool::new(2);
    Ok(Side::peer(ONESHOT, move || {
        let submit = |x| submit(&pool, move || work::increment(x));
        work::all_jobs(jobs, submit, |handle| Ok(handle.recv()?))
    }))
}

/// Submits a job with a oneshot channel for its result.
pub fn submit<R>(pool: &ThreadPool, job: impl FnOnce() -> R + Send + 'static) -> ::oneshot::Receiver<R>
where
    R: Send + 'static,
{
    let (result, handle) = ::oneshot::channel();
    // Who drops the handle does not want the result.
    pool.execute(move || drop(result.send(job())));
    handle
}

/// The same with a channel of the standard library for each job.
pub fn mpsc(jobs: usize) -> Result<Side> {
    let pool = ThreadPool::new(2);
    Ok(Side::remark("threadpool, std mpsc channel each", move || {
        let submit = |x| {
            let (result, handle) = mpsc::channel();
            pool.execute(move || result.send(work::increment(x)).unwrap());
            handle
        };
        work::all_jobs(jobs, submit, |handle| Ok(handle.recv()?))
    }))
}
