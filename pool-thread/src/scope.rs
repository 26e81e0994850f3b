//! Closures that borrow: after `std::thread::scope`.
//!
//! A task function of the pool captures nothing, because another process could not have what it
//! captured. On threads it could; but a thread that outlives the borrow must not, and only a scope
//! that waits for its threads can promise that without `unsafe`. So a scope runs on scoped threads
//! of its own, as many as the pool has workers, started as there is work for them.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use pool_core::{Error, ErrorKind, Pool, Result, panics};

use crate::ThreadPool;

type Job<'scope> = Box<dyn FnOnce() + Send + 'scope>;

/// Runs closures that borrow from outside of it: see [`ThreadPool::scope`].
#[derive(Debug)]
pub struct Scope<'scope, 'env> {
    threads: &'scope thread::Scope<'scope, 'env>,
    name: String,
    workers: usize,
    started: Cell<usize>,
    sender: Sender<Job<'scope>>,
    queue: Receiver<Job<'scope>>,
}

impl ThreadPool {
    /// Calls `body` with a scope whose tasks may borrow what outlives it, and returns when all of
    /// them have ended.
    ///
    /// ```
    /// use pool_thread::ThreadPool;
    /// let pool = ThreadPool::new(2)?;
    /// let words = vec!["one", "two", "three"];
    /// let total = pool.scope(|scope| {
    ///     let lengths = scope.map(|i: usize| words[i].len(), 0..3)?;
    ///     Ok::<usize, pool_core::Error>(lengths.iter().sum())
    /// })?;
    /// assert_eq!(total, 11);
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    pub fn scope<'env, T>(&self, body: impl for<'scope> FnOnce(&Scope<'scope, 'env>) -> T) -> T {
        thread::scope(|threads| {
            let (sender, queue) = unbounded();
            let name = format!("{}-scope", self.shared().name());
            let started = Cell::new(0);
            // Dropped at the end of this closure, sender and all, so the threads leave.
            body(&Scope { threads, name, workers: self.workers(), started, sender, queue })
        })
    }
}

impl<'scope> Scope<'scope, '_> {
    /// Starts `f` on a thread of the scope.
    pub fn spawn<R: Send + 'scope>(&self, f: impl FnOnce() -> R + Send + 'scope) -> ScopedResult<R> {
        let (sender, result) = bounded(1);
        self.run(Box::new(move || {
            let _ = sender.send(panics::catch(f).map_err(Error::panicked));
        }));
        ScopedResult { result }
    }

    /// Runs `f` on every item and gives the results in the order of the items.
    ///
    /// # Errors
    /// A panic of `f`, of the first item in input order that panicked; no thread to run on.
    pub fn map<A, R, F>(&self, f: F, items: impl IntoIterator<Item = A>) -> Result<Vec<R>>
    where
        A: Send + 'scope,
        R: Send + 'scope,
        F: Fn(A) -> R + Send + Sync + 'scope,
    {
        let mut items: Vec<A> = items.into_iter().collect();
        let size = items.len().div_ceil(self.workers * 4).max(1);
        let f = std::sync::Arc::new(f);
        let (sender, results) = unbounded();
        let mut chunks = 0;
        while !items.is_empty() {
            let rest = items.split_off(size.min(items.len()));
            let chunk = std::mem::replace(&mut items, rest);
            let (f, sender, number) = (f.clone(), sender.clone(), chunks);
            self.run(Box::new(move || {
                let done = AtomicUsize::new(0);
                let ran = panics::catch(|| {
                    let run = |item| (f(item), done.fetch_add(1, Relaxed)).0;
                    chunk.into_iter().map(run).collect::<Vec<R>>()
                });
                let item = number * size + done.into_inner();
                let _ = sender.send((number, ran.map_err(|panic| Error::panicked(panic).with_item(item))));
            }));
            chunks += 1;
        }
        drop(sender);
        let mut parts: Vec<(usize, Result<Vec<R>>)> = results.into_iter().collect();
        parts.sort_by_key(|(number, _)| *number);
        let mut all = Vec::new();
        for (_, part) in parts {
            all.append(&mut part?);
        }
        Ok(all)
    }

    fn run(&self, job: Job<'scope>) {
        if self.started.get() < self.workers {
            let queue = self.queue.clone();
            let number = self.started.get() + 1;
            let thread = thread::Builder::new().name(format!("{}-worker-{number}", self.name));
            match thread.spawn_scoped(self.threads, move || queue.into_iter().for_each(|job| job())) {
                Ok(_) => self.started.set(number),
                // With no thread at all the job runs here; with some, they do it.
                Err(_) if self.started.get() == 0 => return job(),
                Err(_) => {}
            }
        }
        if let Err(unsent) = self.sender.send(job) {
            (unsent.0)();
        }
    }
}

/// The result to come of [`Scope::spawn`].
#[derive(Debug)]
pub struct ScopedResult<R> {
    result: Receiver<Result<R>>,
}

impl<R> ScopedResult<R> {
    /// Waits for the result.
    ///
    /// # Errors
    /// [`Panicked`](ErrorKind::Panicked).
    pub fn get(self) -> Result<R> {
        self.result.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Cancelled, "its scope ended")))
    }
}
