//! Births and deaths: a new pool, a process for one call, and the next result after a worker has died.

use std::process::exit;
use std::rc::Rc;

use pool::{ForkMap, Pool, Process, ProcessPool, StartMethod, ThreadPool};

use super::{WORKERS, cases};
use crate::comparison::crew::{METHODS, Python, process_pool};
use crate::comparison::entrant::{PYTHONS, Who};
use crate::comparison::table::{Axis, Column, Entry, Field, Reading, Scale, Table, per_item};
use crate::peers::{rayon, rusty_pool, threadpool};
use crate::{Result, timing, work};

const POOL: &str = "a new pool of 2, to its first result";
const CALL: &str = "one call in a process of its own";
const DEATH: &str = "a task that ends its process, and the next result";

pub(super) fn table() -> Table {
    Table {
        name: "lives",
        title: "Births and deaths",
        question: "What do a pool, a process for one call, and the death of a worker cost?",
        what: "The end of a pool is not in its time; a fork server is there already. The pools in which a task ends its \
               process (`exit(3)`) have one worker, so that the next result is one of its successor; a pool that breaks \
               for good is made anew."
            .into(),
        axis: Axis::Cases,
        reading: Reading::Time,
        columns: cases(&[POOL, CALL, DEATH]),
        rounds: 7,
        ours: alike,
        notes: vec![
            "`multiprocessing.Pool` and mpire have no entry for a death: the call whose process has ended never \
             returns. In a thread pool `exit` ends the program."
                .into(),
        ],
        start: Box::new(start),
    }
}

/// Those that start their processes in the same way.
fn alike(peer: Who) -> Who {
    match peer {
        Who::Rayon | Who::Threadpool | Who::RustyPool | Who::PyDummy | Who::PyThreads => Who::ThreadPool,
        Who::ProcspawnOnce => Who::ProcessSpawn,
        Who::PyProcess => Who::ForkMap,
        Who::PyPoolForkServer => Who::ForkServer,
        Who::PyPool | Who::PyProcesses | Who::Mpire | Who::Pebble => Who::Fork,
        _ => Who::Spawn,
    }
}

fn start() -> Result<Field> {
    let (mut pools, missing) = Python::start_all(&PYTHONS, WORKERS)?;
    pools.extend(Python::start_all(&[Who::PyPoolSpawn, Who::PyPoolForkServer], WORKERS)?.0);
    let once = Python::start_all(&[Who::PyProcess], 1)?.0;
    let mortals = Python::start_all(&[Who::PyProcesses, Who::Loky, Who::Pebble], 1)?.0;
    // As long as there is a pool of its children, the fork server stays.
    let server = process_pool(StartMethod::ForkServer, 1)?;
    let sides = move |column: &Column, scale: Scale| {
        let _there = &server;
        let asked = |pythons: &[Python], question: &'static str| -> Vec<Entry> {
            pythons.iter().map(|python| repeated(python.who, scale, by(python, question))).collect()
        };
        let (mut entries, more) = match column.label.as_str() {
            POOL => (births(scale), asked(&pools, "birth")),
            CALL => (calls(scale)?, asked(&once, "process")),
            _ => (deaths(scale)?, asked(&mortals, "death")),
        };
        entries.extend(more);
        Ok(entries)
    };
    Ok(Field { missing, sides: Box::new(sides) })
}

fn by(python: &Python, question: &'static str) -> impl FnMut() -> Result<f64> + 'static {
    let python = python.clone();
    move || python.ask(question)
}

/// An entrant that does it again and again, and times it itself.
fn repeated(who: Who, scale: Scale, mut once: impl FnMut() -> Result<f64> + 'static) -> Entry {
    per_item(who, 1, 20, scale, move |n| (0..n).map(|_| once()).sum())
}

fn births(scale: Scale) -> Vec<Entry> {
    let mut entries = vec![birth(Who::ThreadPool, scale, || {
        let pool = ThreadPool::new(WORKERS)?;
        pool.apply(work::increment, 41)?;
        Ok(pool)
    })];
    for (who, method) in METHODS {
        entries.push(birth(who, scale, move || {
            let pool = process_pool(method, WORKERS)?;
            pool.apply(work::increment, 41)?;
            Ok(pool)
        }));
    }
    entries.extend([
        birth(Who::Rayon, scale, || {
            let pool = rayon::pool(WORKERS)?;
            pool.install(|| work::increment(41));
            Ok(pool)
        }),
        birth(Who::Threadpool, scale, || {
            let pool = ::threadpool::ThreadPool::new(WORKERS);
            threadpool::submit(&pool, || work::increment(41)).recv()?;
            Ok(pool)
        }),
        birth(Who::RustyPool, scale, || {
            let pool = rusty_pool::pool(WORKERS);
            pool.evaluate(|| work::increment(41)).await_complete();
            Ok(pool)
        }),
        birth(Who::Procspawn, scale, || {
            let pool = ::procspawn::Pool::new(WORKERS)?;
            pool.spawn(41, work::increment).join()?;
            Ok(pool)
        }),
    ]);
    entries
}

/// The pool that `new` gives is dropped outside of the time.
fn birth<P>(who: Who, scale: Scale, mut new: impl FnMut() -> Result<P> + 'static) -> Entry {
    repeated(who, scale, move || {
        let (time, pool) = timing::once(&mut new);
        pool.map(|_ended_here| time)
    })
}

fn calls(scale: Scale) -> Result<Vec<Entry>> {
    let pool = ProcessPool::new(1)?;
    let process =
        |method| move || Ok(Process::builder().start_method(method).spawn(work::increment, 41)?.join()?);
    let forked = ForkMap::new(1).allow_fork_with_threads(true);
    Ok(vec![
        call(Who::Spawn, scale, move || Ok(pool.apply(work::increment, 41)?)),
        call(Who::ProcessSpawn, scale, process(StartMethod::Spawn)),
        call(Who::ProcessForkServer, scale, process(StartMethod::ForkServer)),
        call(Who::ForkMap, scale, move || Ok(forked.map(&[41], |x| work::increment(*x))?[0])),
        call(Who::ProcspawnOnce, scale, || Ok(::procspawn::spawn(41, work::increment).join()?)),
    ])
}

fn call(who: Who, scale: Scale, mut run: impl FnMut() -> Result<u64> + 'static) -> Entry {
    repeated(who, scale, move || {
        let (time, result) = timing::once(&mut run);
        assert_eq!(result?, 42, "the result differs");
        Ok(time)
    })
}

fn leave(code: u64) -> u64 {
    exit(code as i32)
}

fn deaths(scale: Scale) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (who, method) in METHODS {
        let pool = Rc::new(process_pool(method, 1)?);
        entries.push(call(who, scale, move || match pool.apply(leave, 3) {
            Err(error) if error.is_worker_died() => Ok(pool.apply(work::increment, 41)?),
            other => Err(format!("a task that ends its process ended: {other:?}").into()),
        }));
    }
    let pool = ::procspawn::Pool::new(1)?;
    let by_procspawn = move || match pool.spawn(3, leave).join() {
        Err(_) => Ok(pool.spawn(41, work::increment).join()?),
        Ok(_) => Err("a task that ends its process has a result".into()),
    };
    entries.push(call(Who::Procspawn, scale, by_procspawn));
    Ok(entries)
}
