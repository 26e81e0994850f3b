//! The pool's side of each figure, written as a user would write it: closures that capture
//! nothing, no settings but the number of workers.
//!
//! Each pool has two workers, is made once for its figure and warmed up by the round that does not
//! count; `cold_pool` and `idle` make their own.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use pool::{Pool, ProcessPool, StartMethod, ThreadPool};

use crate::figure::Side;
use crate::process_tree::{cpu_time_of_tree, precise_cpu_time_of_tree};
use crate::{Result, limits, timing, work};

const WORKERS: usize = 2;

/// Each slice: the seconds of each of `trips` round trips, back to back.
pub fn apply(trips: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(WORKERS)?;
    let side = Side::subject("apply", move || timing::each(trips, || round_trip(&pool)));
    Ok(vec![side])
}

/// The same after each millisecond of idleness.
pub fn apply_parked(trips: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(WORKERS)?;
    let slice = move || timing::after_idling(trips, || round_trip(&pool));
    Ok(vec![Side::subject("apply", slice)])
}

fn round_trip(pool: &ProcessPool) -> Result<()> {
    assert_eq!(pool.apply(|x: u64| x + 1, 41)?, 42);
    Ok(())
}

/// Each slice: the seconds until the results of all `tasks` are there, from processes.
pub fn apply_async_processes(tasks: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(WORKERS)?;
    let slice = move || {
        let submit = |x| pool.apply_async(|x: u64| x + 1, x);
        work::all_jobs(tasks, submit, |handle| Ok(handle.get()?))
    };
    Ok(vec![Side::subject("ProcessPool::apply_async", slice)])
}

/// The same from threads.
pub fn apply_async_threads(jobs: usize) -> Result<Vec<Side>> {
    let pool = ThreadPool::new(WORKERS)?;
    let slice = move || {
        let submit = |x| pool.apply_async(|x: u64| x + 1, x);
        work::all_jobs(jobs, submit, |handle| Ok(handle.get()?))
    };
    Ok(vec![Side::subject("ThreadPool::apply_async", slice)])
}

/// Each slice: the seconds of each of `repeats` maps over so many items, on processes.
pub fn map_processes(items: u64, repeats: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(WORKERS)?;
    let map_all = move || Ok(pool.map(|x: u64| x + 1, 0..items)?);
    let slice = work::mapping(items, repeats, work::increment, map_all);
    Ok(vec![Side::subject("ProcessPool::map", slice)])
}

/// The same on threads.
pub fn map_threads(items: u64, repeats: usize) -> Result<Vec<Side>> {
    let pool = Rc::new(ThreadPool::new(WORKERS)?);
    let drawn_by = pool.clone();
    let map_all = move || Ok(pool.map(|x: u64| x + 1, 0..items)?);
    // Nobody but the caller may use such an iterator, where a range can be cut.
    let map_drawn = move || Ok(drawn_by.map(|x: u64| x + 1, (0..items).take(usize::MAX))?);
    Ok(vec![
        Side::subject("ThreadPool::map", work::mapping(items, repeats, work::increment, map_all)),
        Side::remark("the same over any iterator", work::mapping(items, repeats, work::increment, map_drawn)),
    ])
}

/// The same on threads with a function that takes about a microsecond.
pub fn map_threads_1us(items: u64) -> Result<Vec<Side>> {
    let pool = ThreadPool::new(WORKERS)?;
    let map_all = move || Ok(pool.map(work::about_a_microsecond, 0..items)?);
    let slice = work::mapping(items, 1, work::about_a_microsecond, map_all);
    Ok(vec![Side::subject("ThreadPool::map", slice)])
}

/// Each slice: the seconds of one echo of `len` bytes.
pub fn echo(len: usize) -> Result<Vec<Side>> {
    let pool = ProcessPool::new(WORKERS)?;
    let slice = work::echo(len, move |bytes| Ok(pool.apply(|b: Vec<u8>| b, bytes)?));
    Ok(vec![Side::subject("apply of a Vec<u8>", slice)])
}

/// Each slice: the seconds from nothing to a pool's first result, `times` over. The pool's end is
/// not in the time.
pub fn cold_pool(times: usize) -> Result<Vec<Side>> {
    let slice = move || {
        let beginning = || {
            let (time, pool) = timing::once(|| {
                let pool = ProcessPool::new(WORKERS)?;
                round_trip(&pool)?;
                Result::Ok(pool)
            });
            pool.map(|_ended_here| time)
        };
        (0..times).map(|_| beginning()).collect()
    };
    Ok(vec![Side::subject("new pool to first result", slice)])
}

/// Each slice: the seconds from the deadlines of so many tasks, which never end, to their errors. What a task
/// takes to get to its worker is in them too.
pub fn deadline(tasks: usize) -> Result<Vec<Side>> {
    const LIMIT: Duration = Duration::from_millis(50);
    let pool = ProcessPool::new(WORKERS)?;
    fn for_ever(_: ()) {
        loop {
            std::thread::park();
        }
    }
    let late = move || {
        // The workers are up again: a task does not run out of time before one has it.
        pool.chunk_size(1).map(|_: u64| std::thread::sleep(Duration::from_millis(10)), 0..4)?;
        let (time, ended) = timing::once(|| pool.timeout(LIMIT).apply(for_ever, ()));
        match ended {
            Err(error) if error.is_timeout() => Ok(time - LIMIT.as_secs_f64()),
            other => Err(format!("a task without end ended: {other:?}").into()),
        }
    };
    Ok(vec![Side::subject("apply with a timeout", move || (0..tasks).map(|_| late()).collect())])
}

/// Each slice: the seconds from the deaths of a pool's only worker, so many times, to the first results of
/// those that come after it. The worker is idle when it is killed, and so is the caller until it submits.
pub fn refill(method: StartMethod, times: usize) -> Result<Side> {
    let pool = ProcessPool::builder().workers(1).start_method(method).build()?;
    let refill = move || {
        let old = pool.apply(|(): ()| std::process::id(), ())?;
        std::thread::sleep(limits::BETWEEN_LIVES);
        let (time, new) = timing::once(|| {
            // SAFETY: a plain system call; the worker is this process's child, and not reaped before it is dead.
            unsafe { libc::kill(old as libc::pid_t, libc::SIGKILL) };
            pool.apply(|(): ()| std::process::id(), ())
        });
        match new? {
            new if new == old => Err("a killed worker gave a result".into()),
            _ => Ok(time),
        }
    };
    Ok(Side::subject("kill to next worker's result", move || (0..times).map(|_| refill()).collect()))
}

/// Each slice: the seconds from the SIGKILL of such a worker to its end, so many times: before that nobody can
/// know of it.
pub fn end(method: StartMethod, times: usize) -> Result<Side> {
    let pool = ProcessPool::builder().workers(1).start_method(method).build()?;
    let end = move || {
        let old = pool.apply(|(): ()| std::process::id(), ())?;
        // SAFETY: a plain system call with the id of a child of this process; its result is checked and owned.
        let handle = unsafe {
            match libc::syscall(libc::SYS_pidfd_open, old as libc::pid_t, 0) {
                -1 => return Err(std::io::Error::last_os_error().into()),
                handle => OwnedFd::from_raw_fd(handle as i32),
            }
        };
        std::thread::sleep(limits::BETWEEN_LIVES);
        let (time, ()) = timing::once(|| {
            let mut ended = libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: a plain system call as in `refill`, and one valid pollfd.
            unsafe {
                libc::kill(old as libc::pid_t, libc::SIGKILL);
                libc::poll(&mut ended, 1, -1);
            }
        });
        Ok(time)
    };
    Ok(Side::remark("kill to the worker's end", move || (0..times).map(|_| end()).collect()))
}

/// Each slice: the processor time of this process and its workers over the interval, once as the
/// processes account for it and once, beside the bound, as the scheduler does.
pub fn idle(interval: Duration) -> Result<Vec<Side>> {
    let by = |clock: fn() -> f64| {
        move || {
            let pool = ProcessPool::new(WORKERS)?;
            round_trip(&pool)?;
            // Whoever still spins for more work may give up first.
            std::thread::sleep(Duration::from_millis(100));
            let before = clock();
            std::thread::sleep(interval);
            Ok(vec![clock() - before])
        }
    };
    Ok(vec![
        Side::subject("idle pool, by utime + stime", by(cpu_time_of_tree)),
        Side::remark("idle pool, by the scheduler's count", by(precise_cpu_time_of_tree)),
    ])
}
