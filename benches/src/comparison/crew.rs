//! Those who map a function over numbers, with so many workers: the backends of `pool`, and peers.

use std::cell::RefCell;
use std::rc::Rc;
use std::{array, iter};

use pool::{Message, Pool, ProcessPool, StartMethod, TaskFn, ThreadPool};

use super::entrant::{PYTHONS, Who};
use super::table::{Entry, Scale, per_item};
use crate::peers::cpython::Session;
use crate::peers::{ipc_channel, procspawn, rayon, rusty_pool, threadpool};
use crate::{Result, timing};

/// A number of workers of each kind, and Python's plain loop.
pub(super) struct Crew {
    pub(super) workers: usize,
    pub(super) threads: Rc<ThreadPool>,
    /// By start method, as `METHODS` has them.
    pub(super) processes: [Rc<ProcessPool>; 3],
    pub(super) rayon: Rc<::rayon::ThreadPool>,
    pub(super) threadpool: Rc<::threadpool::ThreadPool>,
    pub(super) rusty_pool: Rc<::rusty_pool::ThreadPool>,
    pub(super) procspawn: Rc<::procspawn::Pool>,
    spinners: Rc<RefCell<ipc_channel::Spinners>>,
    pub(super) pythons: Vec<Python>,
    /// Those who are not there, and why.
    pub(super) missing: Vec<String>,
}

/// A Python that was asked once and may be asked again.
#[derive(Clone)]
pub(super) struct Python {
    pub(super) who: Who,
    session: Rc<RefCell<Session>>,
}

/// The start methods, with the names that they have here.
pub(super) const METHODS: [(Who, StartMethod); 3] = [
    (Who::Spawn, StartMethod::Spawn),
    (Who::Fork, StartMethod::Fork),
    (Who::ForkServer, StartMethod::ForkServer),
];

/// A map of one function over many equal numbers.
#[derive(Clone, Copy)]
pub(super) struct Job<F> {
    pub(super) f: F,
    /// What the function is given.
    pub(super) item: u64,
    /// No more items than this in a turn.
    pub(super) most: usize,
    pub(super) grain: Grain,
    /// The function's name in `peers.py`, and what it is given.
    pub(super) python: Option<(&'static str, u64)>,
}

/// How many items go together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Grain {
    /// Each is a task of its own.
    One,
    Chunk(usize),
    /// As each pool likes.
    Default,
}

impl Grain {
    /// What the number of items is a multiple of.
    fn step(self, workers: usize) -> usize {
        match self {
            Grain::Chunk(size) => workers * size,
            Grain::One | Grain::Default => workers,
        }
    }

    fn size(self) -> Option<usize> {
        match self {
            Grain::One => Some(1),
            Grain::Chunk(size) => Some(size),
            Grain::Default => None,
        }
    }
}

/// A pool of processes that were started so. The comparison has threads, and a fork beside them must be allowed.
pub(super) fn process_pool(method: StartMethod, workers: usize) -> Result<ProcessPool> {
    let builder = ProcessPool::builder().workers(workers).start_method(method);
    let forks = method == StartMethod::Fork;
    Ok(if forks { builder.allow_fork_with_threads(true) } else { builder }.build()?)
}

impl Crew {
    /// All of them.
    pub(super) fn start(workers: usize) -> Result<Crew> {
        let (pythons, missing) =
            Python::start_all(&iter::once(Who::PySerial).chain(PYTHONS).collect::<Vec<_>>(), workers)?;
        Ok(Crew { pythons, missing, ..Crew::in_rust(workers)? })
    }

    /// Without those in Python.
    pub(super) fn in_rust(workers: usize) -> Result<Crew> {
        let mut pools = Vec::new();
        for (_, method) in METHODS {
            pools.push(Rc::new(process_pool(method, workers)?));
        }
        Ok(Crew {
            workers,
            threads: Rc::new(ThreadPool::new(workers)?),
            processes: array::from_fn(|i| pools[i].clone()),
            rayon: Rc::new(rayon::pool(workers)?),
            threadpool: Rc::new(::threadpool::ThreadPool::new(workers)),
            rusty_pool: Rc::new(rusty_pool::pool(workers)),
            procspawn: Rc::new(::procspawn::Pool::new(workers)?),
            spinners: Rc::new(RefCell::new(ipc_channel::Spinners::start(workers)?)),
            pythons: Vec::new(),
            missing: Vec::new(),
        })
    }

    /// All of them, each doing the job. Those that take jobs one by one are there only where a task is an item; the
    /// bare ipc-channel, whose other end has one function, is in [`spinning`](Crew::spinning).
    pub(super) fn mapping<F>(&self, job: Job<F>, pointer: fn(u64) -> u64, scale: Scale) -> Vec<Entry>
    where
        F: TaskFn<u64, Output = u64> + Fn(u64) -> u64 + Copy + Send + Sync,
    {
        let mut entries = vec![serial(job, scale)];
        entries.push(ours(Who::ThreadPool, self.threads.clone(), job, self.workers, scale));
        for ((who, _), pool) in METHODS.into_iter().zip(&self.processes) {
            entries.push(ours(who, pool.clone(), job, self.workers, scale));
        }
        entries.push(self.by_rayon(job, scale));
        if job.grain == Grain::One {
            entries.extend(self.one_by_one(job, pointer, scale));
        }
        entries.extend(self.pythons.iter().filter_map(|python| python.mapping(job, self.workers, scale)));
        entries
    }

    /// Two processes behind a bare ipc-channel, doing what [`crate::work::spin`] does.
    pub(super) fn spinning(&self, turns: u64, most: usize, scale: Scale) -> Entry {
        let spinners = self.spinners.clone();
        let expected = crate::work::spin(turns);
        per_item(Who::IpcChannel, self.workers, most, scale, move |n| {
            let (time, sum) = timing::once(|| spinners.borrow_mut().all(turns, n));
            assert_eq!(sum?, expected.wrapping_mul(n as u64), "the results differ");
            Ok(time)
        })
    }

    fn by_rayon<F>(&self, job: Job<F>, scale: Scale) -> Entry
    where
        F: Fn(u64) -> u64 + Copy + Send + Sync + 'static,
    {
        let pool = self.rayon.clone();
        let map =
            move |items: Vec<u64>| Ok(rayon::map_items(&pool, &items, job.grain.size(), |x| (job.f)(*x)));
        per_item(Who::Rayon, job.grain.step(self.workers), job.most, scale, timed(job, map))
    }

    fn one_by_one<F>(&self, job: Job<F>, pointer: fn(u64) -> u64, scale: Scale) -> [Entry; 3]
    where
        F: Fn(u64) -> u64 + Copy + Send + 'static,
    {
        let (workers, f) = (self.workers, job.f);
        let pool = self.threadpool.clone();
        let with_channels = move |items: Vec<u64>| {
            let handles: Vec<_> =
                items.into_iter().map(|x| threadpool::submit(&pool, move || f(x))).collect();
            handles.into_iter().map(|handle| Ok(handle.recv()?)).collect()
        };
        let pool = self.rusty_pool.clone();
        let evaluated = move |items: Vec<u64>| {
            let handles: Vec<_> = items.into_iter().map(|x| pool.evaluate(move || f(x))).collect();
            Ok(handles.into_iter().map(|handle| handle.await_complete()).collect())
        };
        let pool = self.procspawn.clone();
        let joined = move |items: Vec<u64>| procspawn::map_items(&pool, items, pointer);
        [
            per_item(Who::Threadpool, workers, job.most, scale, timed(job, with_channels)),
            per_item(Who::RustyPool, workers, job.most, scale, timed(job, evaluated)),
            per_item(Who::Procspawn, workers, job.most, scale, timed(job, joined)),
        ]
    }

    /// Python's plain loop, if it is there.
    pub(super) fn python_serial(&self) -> Option<&Python> {
        self.pythons.iter().find(|python| python.who == Who::PySerial)
    }
}

/// A plain loop over the items.
fn serial<F>(job: Job<F>, scale: Scale) -> Entry
where
    F: Fn(u64) -> u64 + Copy + 'static,
{
    let map = move |items: Vec<u64>| Ok(items.into_iter().map(job.f).collect());
    per_item(Who::Serial, 1, job.most, scale, timed(job, map))
}

fn ours<F, P>(who: Who, pool: Rc<P>, job: Job<F>, workers: usize, scale: Scale) -> Entry
where
    F: TaskFn<u64, Output = u64> + Fn(u64) -> u64 + Copy,
    P: Pool + 'static,
{
    let map = move |items| map_ours(&*pool, job.f, items, job.grain);
    per_item(who, job.grain.step(workers), job.most, scale, timed(job, map))
}

/// A map by one of our pools.
pub(super) fn map_ours<F, A>(pool: &impl Pool, f: F, items: Vec<A>, grain: Grain) -> Result<Vec<F::Output>>
where
    F: TaskFn<A>,
    A: Message,
    F::Output: Message,
{
    Ok(match grain.size() {
        Some(size) => pool.chunk_size(size).map(f, items)?,
        None => pool.map(f, items)?,
    })
}

/// The seconds that `map` takes for so many items; its results are compared after that.
fn timed<F>(
    job: Job<F>,
    mut map: impl FnMut(Vec<u64>) -> Result<Vec<u64>>,
) -> impl FnMut(usize) -> Result<f64>
where
    F: Fn(u64) -> u64 + Copy,
{
    let expected = (job.f)(job.item);
    move |n| {
        let items = vec![job.item; n];
        let (time, results) = timing::once(|| map(items));
        let results = results?;
        assert!(results.len() == n && results.iter().all(|result| *result == expected), "the results differ");
        Ok(time)
    }
}

impl Python {
    /// Starts those that are there, beside each other; of the others, why not.
    pub(super) fn start_all(wanted: &[Who], workers: usize) -> Result<(Vec<Python>, Vec<String>)> {
        let (mut starting, mut missing) = (Vec::new(), Vec::new());
        for who in wanted {
            let name = who.python().ok_or("no entrant of Python")?;
            match Session::start(name, workers) {
                Ok(session) => starting.push((*who, session)),
                Err(why) => missing.push(format!("{}: {why}", who.name())),
            }
        }
        let mut there = Vec::new();
        for (who, mut session) in starting {
            match session.ready() {
                Ok(_) => there.push(Python { who, session: Rc::new(RefCell::new(session)) }),
                Err(why) => missing.push(format!("{}: {why}", who.name())),
            }
        }
        Ok((there, missing))
    }

    pub(super) fn ask(&self, question: &str) -> Result<f64> {
        self.session.borrow_mut().ask(question)
    }

    /// An entrant that is asked so for each number of items.
    pub(super) fn asked(
        &self,
        step: usize,
        most: usize,
        scale: Scale,
        question: impl Fn(usize) -> String + 'static,
    ) -> Entry {
        let python = self.clone();
        per_item(self.who, step, most, scale, move |n| python.ask(&question(n)))
    }

    fn mapping<F>(&self, job: Job<F>, workers: usize, scale: Scale) -> Option<Entry> {
        let (function, argument) = job.python?;
        let chunk = job.grain.size().unwrap_or(0);
        let step = if self.who == Who::PySerial { 1 } else { job.grain.step(workers) };
        Some(self.asked(step, job.most, scale, move |n| format!("map {function} {argument} {n} {chunk}")))
    }
}

/// What each Python that is there calls itself.
pub(super) fn python_versions() -> Vec<String> {
    let mut versions = Vec::new();
    for who in [Who::PySerial, Who::Loky, Who::Mpire, Who::Pebble] {
        let version =
            Session::start(who.python().unwrap_or_default(), 1).and_then(|mut session| session.ready());
        versions.extend(version.ok());
    }
    versions
}
