//! The three ways to do the same work: serially, on threads, on processes.

use std::time::{Duration, Instant};

use pool::{AnyPool, Message, Pool, ProcessPool, ThreadPool, with};

use crate::failure::Failure;

/// Each trip to a worker costs some microseconds and wakes the parent, and an item takes a fraction of
/// a millisecond, so up to this many go at once (cpu on two processes: 1.85 × serial with one at a
/// time, 1.97 × with eight).
const CHUNK: usize = 8;
/// But not so many that a worker gets fewer tasks than this: at the end the others wait for whoever
/// has the last one.
const TASKS: usize = 64;

/// One way, with its pool, which is made once and used by all workloads.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pool: Option<Box<dyn AnyPool>>,
    /// From nothing to the pool's first result.
    pub(crate) start: Duration,
}

impl Way {
    pub(crate) fn all(workers: usize) -> Result<[Way; 3], Failure> {
        Ok([
            Way { name: "serial", pool: None, start: Duration::ZERO },
            Way::on("threads", || Ok(Box::new(ThreadPool::new(workers)?)))?,
            Way::on("processes", || Ok(Box::new(ProcessPool::new(workers)?)))?,
        ])
    }

    fn on(name: &'static str, make: impl FnOnce() -> pool::Result<Box<dyn AnyPool>>) -> Result<Way, Failure> {
        let began = Instant::now();
        let cannot =
            |error: pool::Error| Failure::of_run(format!("the pool of {name} cannot start: {error}"));
        let pool = make().map_err(cannot)?;
        pool.apply(|()| (), ()).map_err(cannot)?;
        Ok(Way { name, pool: Some(pool), start: began.elapsed() })
    }

    pub(crate) fn is_serial(&self) -> bool {
        self.pool.is_none()
    }

    /// Calls `task(&context, item)` for each item, and `take` here with each value, in the order of
    /// the items. A text that a task returns as its error ends the run.
    ///
    /// `imap` gives results as they come, so the progress bar moves, and no more than a window of
    /// items is under way.
    pub(crate) fn each<C, A, R, F>(
        &self,
        context: C,
        task: F,
        items: impl ExactSizeIterator<Item = A>,
        mut take: impl FnMut(R),
    ) -> Result<(), Failure>
    where
        C: Message + Sync,
        A: Message,
        R: Message,
        F: Fn(&C, A) -> Result<R, String> + Copy + Send + Sync + 'static,
    {
        match &self.pool {
            None => {
                for item in items {
                    take(task(&context, item).map_err(Failure::of_run)?);
                }
            }
            Some(pool) => {
                let chunk = (items.len() / (pool.workers() * TASKS)).clamp(1, CHUNK);
                for result in pool.chunk_size(chunk).imap(with(context, task), items) {
                    take(result?.map_err(Failure::of_run)?);
                }
            }
        }
        Ok(())
    }
}
