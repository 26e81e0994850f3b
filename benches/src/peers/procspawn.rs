//! procspawn: the process pool in use today. A remark beside what the bounds refer to.
//!
//! It re-executes this program too, and takes over where `main` calls [`run_if_worker`].

use std::collections::VecDeque;

use ::procspawn::Pool;
use serde::Serialize;
use serde::de::DeserializeOwned;

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

/// Each job in hand costs four descriptors.
const IN_HAND: usize = 64;

/// A job for each item; results are joined in the order of the items. No more than [`IN_HAND`] are in hand: this pool
/// has no bound of its own, and one that is joined out of order blocks for ever.
pub fn map_items<A, R>(pool: &Pool, items: impl IntoIterator<Item = A>, f: fn(A) -> R) -> Result<Vec<R>>
where
    A: Serialize + DeserializeOwned,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let (mut in_hand, mut results) = (VecDeque::new(), Vec::new());
    for item in items {
        if in_hand.len() == IN_HAND {
            results.extend(
                in_hand.pop_front().map(|oldest: ::procspawn::JoinHandle<R>| oldest.join()).transpose()?,
            );
        }
        in_hand.push_back(pool.spawn(item, f));
    }
    for handle in in_hand {
        results.push(handle.join()?);
    }
    Ok(results)
}
