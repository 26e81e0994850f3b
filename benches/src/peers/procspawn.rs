//! procspawn: the process pool in use today. A remark beside what the bounds refer to.
//!
//! It re-executes this program too, and takes over where `main` calls [`run_if_worker`].

use ::procspawn::Pool;

use crate::figure::Side;
use crate::{Result, timing};

/// If this process is a worker of procspawn, runs that and does not return.
pub fn run_if_worker() {
    ::procspawn::init();
}

/// Each slice: the seconds of each of `trips` round trips.
pub fn apply(trips: usize) -> Result<Side> {
    let pool = Pool::new(2)?;
    Ok(Side::remark("procspawn pool, spawn and join", move || timing::each(trips, || round_trip(&pool))))
}

/// Each slice: the seconds from nothing to a pool's first result, `times` over.
pub fn cold_pool(times: usize) -> Result<Side> {
    Ok(Side::remark("procspawn, new pool to first result", move || {
        let beginning = || {
            let (time, pool) = timing::once(|| {
                let pool = Pool::new(2)?;
                round_trip(&pool)?;
                Result::Ok(pool)
            });
            pool.map(|_ended_here| time)
        };
        (0..times).map(|_| beginning()).collect()
    }))
}

fn round_trip(pool: &Pool) -> Result<()> {
    assert_eq!(pool.spawn(41, |x: u64| x + 1).join()?, 42);
    Ok(())
}
