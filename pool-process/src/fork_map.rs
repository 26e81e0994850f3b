//! A map over borrowed data by a closure that captures: children forked for the one call.
//!
//! ```text
//!  caller: perform                                    child: live, on the caller's stack
//!    fork ──────────────────────────────────────────>   claim an item │ run f on it │ send what came of it
//!    watcher thread: which children have ended          ... until none is left
//!    take in results; at the first failure: stop
//!    all have ended: reap
//! ```
//!
//! A forked child has the caller's memory, so neither the closure nor the items are sent; results are, over one
//! channel (`pool_ipc::results`). Items are claimed in input order, each when a child is free. After a failure
//! no more are begun: all before the failed one have been, so the first failure in input order is known once the
//! children have ended.

use std::cell::RefCell;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;

use pool_core::luggage::Luggage;
use pool_core::{Error, ErrorKind, Exit, Message, Result, Settings, Worker, single};
use pool_ipc::birth::{self, Born};
use pool_ipc::child::{Child, Ended};
use pool_ipc::results::{self, Arrival, Arrivals, Claims, Outlet};
use pool_ipc::watch::Watch;
use pool_ipc::{limits, own, passing};

use crate::identity::{Identity, Role};
use crate::{ProcessPool, StartMethod, porter, process};

impl ProcessPool {
    /// Runs `f` on every item, on up to `workers` processes that are forked for this call, and gives the results
    /// in the order of the items. Unlike a pool's tasks `f` may capture, and borrow, anything: the
    /// processes are copies of this one, as it is now. Neither the items nor what `f` captured are copied
    /// or encoded, only the results are. What `f` changes is changed in its copy alone.
    ///
    /// A process has a price (see [`StartMethod`]): this is for work that takes longer than a fork, on data that is
    /// large, or cannot be encoded. Where a crash need not be survived, threads do the same for less.
    ///
    /// ```standalone_crate
    /// use pool_process::ProcessPool;
    ///
    /// let words = vec!["one", "three", "seven"];
    /// let unit = String::from("letters");
    /// let texts = ProcessPool::fork_map(2, &words, |word| format!("{word}: {} {unit}", word.len()))?;
    /// assert_eq!(texts, ["one: 3 letters", "three: 5 letters", "seven: 5 letters"]);
    /// # Ok::<(), pool_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`ForkMap::map`]. It is refused in a program that has other threads; [`ForkMap`] can allow it.
    pub fn fork_map<A, R, F>(workers: usize, items: &[A], f: F) -> Result<Vec<R>>
    where
        F: Fn(&A) -> R,
        R: Message,
    {
        ForkMap::new(workers).map(items, f)
    }
}

/// [`ProcessPool::fork_map`] with options.
///
/// ```
/// use pool_process::ForkMap;
///
/// // An example may run beside others, on a thread.
/// let lengths = ForkMap::new(2).allow_fork_with_threads(true).map(&["a", "bcd"], |text| text.len())?;
/// assert_eq!(lengths, [1, 3]);
/// # Ok::<(), pool_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ForkMap {
    workers: usize,
    allow_fork_with_threads: bool,
}

impl ForkMap {
    /// On up to `workers` processes; there are never more of them than items.
    pub fn new(workers: usize) -> ForkMap {
        ForkMap { workers, allow_fork_with_threads: false }
    }

    /// Whether it forks although the program has other threads, whose locks stay locked in the children for
    /// ever: see the dangers of [`StartMethod::Fork`]. Default: no.
    pub fn allow_fork_with_threads(mut self, allow: bool) -> ForkMap {
        self.allow_fork_with_threads = allow;
        self
    }

    /// Runs `f` on every item and gives the results in the order of the items.
    ///
    /// # Errors
    /// Of the items that failed, the error of the first in input order; [`Error::item`] is its position. Items that
    /// had not begun by then are not begun. An item whose process ended
    /// fails with [`WorkerDied`](ErrorKind::WorkerDied).
    /// [`InvalidArgument`](ErrorKind::InvalidArgument) for 0 workers, and beside other threads
    /// unless they are allowed; [`Os`](ErrorKind::Os) when the system refuses a process.
    /// No process is left, whatever comes of it. There is no time limit: an item that does not end is waited for.
    pub fn map<A, R, F>(&self, items: &[A], f: F) -> Result<Vec<R>>
    where
        F: Fn(&A) -> R,
        R: Message,
    {
        let mut values: Vec<Option<R>> = std::iter::repeat_with(|| None).take(items.len()).collect();
        let run = |item: usize, output: &mut dyn FnMut(u32, &[u8])| single::run(|| f(&items[item]), output);
        porter::hire();
        self.perform(items.len(), &run, &mut |item, status, bytes, luggage| {
            values[item] = Some(single::finish(status, bytes, luggage)?);
            Ok(())
        })?;
        Ok(values.into_iter().flatten().collect())
    }

    /// Has all items run; `take` is given what came of each, once for each.
    fn perform(&self, items: usize, run: &Run<'_>, take: &mut Take<'_>) -> Result<()> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let settings = Settings { workers: Some(self.workers), name: None };
        let children = settings.count()?.min(items);
        if items == 0 {
            return Ok(());
        }
        let name = settings.name("ForkMap", &COUNT)?;
        let (mut crew, claims) = self.fork(&name, children, items, run).map_err(|error| {
            let kind = match error.kind() {
                io::ErrorKind::Unsupported => ErrorKind::InvalidArgument,
                _ => ErrorKind::Os,
            };
            let error = limits::explain(error);
            Error::new(kind, format!("cannot fork {children} processes: {error}")).with_source(error)
        })?;
        let mut outcome = Outcome { arrived: vec![false; items], first: None, stray: None };
        while !crew.is_over() {
            let next = crew.next().map_err(|error| {
                Error::new(ErrorKind::Os, format!("results cannot be received: {error}")).with_source(error)
            })?;
            match next {
                Arrival::Result { child, item, status, bytes } => {
                    let Some(item) = usize::try_from(item).ok().filter(|item| outcome.misses(*item)) else {
                        continue;
                    };
                    outcome.arrived[item] = true;
                    let taken = crew
                        .luggage(child, status)
                        .and_then(|luggage| take(item, status & !ACCOMPANIED, bytes, luggage));
                    if let Err(error) = taken {
                        outcome.failed(item, error.with_worker(crew.worker(child)));
                    }
                }
                Arrival::Ended(child) => {
                    if let Some(ended) = crew.reap(child) {
                        outcome.ended(claims.in_hand(child), crew.worker(child), ended);
                    }
                }
            }
            if outcome.first.is_some() {
                claims.stop();
            }
        }
        outcome.into_result()
    }

    /// Forks the children, and has a thread watch them.
    fn fork(&self, name: &str, children: usize, items: usize, run: &Run<'_>) -> io::Result<(Crew, Claims)> {
        let claims = Claims::new(children)?;
        let (outlet, arrivals) = results::channel(children)?;
        let mut crew = Crew::new(name);
        // A child has no use for its copy.
        let arrivals = RefCell::new(Some(arrivals));
        // Or else each child has it too, and writes it again.
        let _ = io::stdout().flush();
        for child in 0..children {
            let identity = Identity {
                name: crew.name_of(child),
                role: Role::Worker,
                index: Some(child),
                daemon: true,
                start_method: Some(StartMethod::Fork),
                parent: None,
            };
            let body = |born: Born| {
                arrivals.take();
                live(&born, child, items, &claims, &outlet, run);
            };
            crew.fork(&identity.to_word()?, self.allow_fork_with_threads, &body)?;
        }
        crew.arrivals = arrivals.take();
        crew.watch(outlet)?;
        Ok((crew, claims))
    }
}

/// Runs an item, and puts out a status and bytes, once.
type Run<'a> = dyn Fn(usize, &mut dyn FnMut(u32, &[u8])) + 'a;
/// Takes in what came of an item.
type Take<'a> = dyn FnMut(usize, u32, Vec<u8>, Option<Luggage>) -> Result<()> + 'a;

/// In the status of a result: descriptors came along, over its child's line.
const ACCOMPANIED: u32 = 1 << 31;

/// What a child does.
fn live(born: &Born, child: usize, items: usize, claims: &Claims, outlet: &Outlet, run: &Run<'_>) {
    if born.words.first().and_then(|word| Identity::assume(word)).is_none() {
        return;
    }
    while let Some(item) = claims.claim(child, items) {
        run(item, &mut |status, bytes| {
            let sent = match passing::leaving() {
                None => outlet.send(child, item as u64, status, bytes),
                Some(leaving) => born
                    .line
                    .send_descriptors(&leaving)
                    .and_then(|()| outlet.send(child, item as u64, status | ACCOMPANIED, bytes)),
            };
            if let Err(error) = sent {
                eprintln!("pool: a result cannot be sent: {error}");
                birth::leave(NOT_SENT);
            }
        });
    }
    process::end();
    let _ = io::stdout().flush();
}

/// The exit status of a child that cannot send a result.
const NOT_SENT: i32 = 1;

/// What came of the call so far.
struct Outcome {
    /// By item.
    arrived: Vec<bool>,
    /// The first failure in input order.
    first: Option<(usize, Error)>,
    /// A child that died with nothing in hand, as far as is known.
    stray: Option<Error>,
}

impl Outcome {
    fn misses(&self, item: usize) -> bool {
        self.arrived.get(item) == Some(&false)
    }

    fn failed(&mut self, item: usize, error: Error) {
        if self.first.as_ref().is_none_or(|(first, _)| item < *first) {
            self.first = Some((item, error.with_item(item)));
        }
    }

    fn ended(&mut self, in_hand: Option<usize>, worker: Worker, ended: Ended) {
        let exit = match ended {
            Ended::Code(code) => Exit::Code(code),
            Ended::Signal(number) => Exit::Signal { number, stack_overflow: false },
            Ended::Unknown => Exit::Unknown,
        };
        match in_hand {
            Some(item) if self.misses(item) => {
                self.arrived[item] = true;
                self.failed(item, Error::worker_died(worker, exit));
            }
            _ if ended == Ended::Code(0) => {}
            // It may have claimed an item that very moment, or nobody may be left to claim the others.
            _ => self.stray = Some(Error::worker_died(worker, exit)),
        }
    }

    /// All children have ended.
    fn into_result(self) -> Result<()> {
        if let Some((_, error)) = self.first {
            return Err(error);
        }
        let Some(lost) = self.arrived.iter().position(|arrived| !arrived) else { return Ok(()) };
        let lost_by = self.stray.unwrap_or_else(|| Error::new(ErrorKind::Os, "its result was lost"));
        Err(lost_by.with_item(lost))
    }
}

/// The children of a call. Dropping it kills and reaps those that there are.
struct Crew {
    name: String,
    children: Vec<Arc<Child>>,
    reaped: Vec<bool>,
    arrivals: Option<Arrivals>,
    watcher: Option<JoinHandle<()>>,
}

impl Crew {
    fn new(name: &str) -> Crew {
        Crew {
            name: name.to_owned(),
            children: Vec::new(),
            reaped: Vec::new(),
            arrivals: None,
            watcher: None,
        }
    }

    fn name_of(&self, child: usize) -> String {
        format!("{}-worker-{}", self.name, child + 1)
    }

    fn worker(&self, child: usize) -> Worker {
        Worker { name: self.name_of(child), pid: self.children.get(child).map(|child| child.pid()) }
    }

    /// What came along with a result of this child.
    fn luggage(&self, child: usize, status: u32) -> Result<Option<Luggage>> {
        let Some(child) = self.children.get(child).filter(|_| status & ACCOMPANIED != 0) else {
            return Ok(None);
        };
        child.line().descriptors().map(|came| Some(porter::came(came))).map_err(|error| {
            let text = format!("what came along with the result did not arrive: {error}");
            Error::new(ErrorKind::Os, text).with_source(error)
        })
    }

    fn fork(&mut self, identity: &str, allow_threads: bool, body: &dyn Fn(Born)) -> io::Result<()> {
        let child = birth::fork_with(&[identity], allow_threads, body)?;
        self.reaped.push(false);
        self.children.push(Arc::new(child));
        Ok(())
    }

    /// Starts the thread that says which children have ended: there are no more forks.
    fn watch(&mut self, outlet: Outlet) -> io::Result<()> {
        let watch = Watch::new()?;
        for (number, child) in self.children.iter().enumerate() {
            watch.add((**child).as_fd(), number as u64)?;
        }
        let children = self.children.clone();
        self.watcher = Some(own::thread(format!("{}-watcher", self.name), move || {
            let (mut left, mut ready) = (children.len(), Vec::new());
            while left > 0 {
                watch.wait(None, &mut ready);
                for number in ready.iter().map(|number| *number as usize) {
                    watch.remove((*children[number]).as_fd());
                    left -= 1;
                    // It fails when nobody wants to hear it.
                    let _ = outlet.ended(number);
                }
            }
        })?);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.reaped.iter().all(|reaped| *reaped)
    }

    fn next(&mut self) -> io::Result<Arrival> {
        match &mut self.arrivals {
            Some(arrivals) => arrivals.receive(),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Reaps a child, if it has ended and was not reaped.
    fn reap(&mut self, child: usize) -> Option<Ended> {
        if *self.reaped.get(child)? {
            return None;
        }
        let ended = self.children.get(child)?.reap()?;
        self.reaped[child] = true;
        Some(ended)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        let left: Vec<usize> = (0..self.reaped.len()).filter(|child| !self.reaped[*child]).collect();
        for child in &left {
            self.children[*child].kill();
        }
        for child in left {
            let _ = self.children[child].wait(None);
            self.reap(child);
        }
        // The watcher may be waiting for somebody to take what it says.
        self.arrivals = None;
        let _ = self.watcher.take().map(JoinHandle::join);
    }
}
