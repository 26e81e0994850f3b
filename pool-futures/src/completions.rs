//! Many futures, waited for at once.
//!
//! ```text
//!  task ends ──wakes──> its mark ──writes its number──> board ──is set──> whoever waits
//! ```
//!
//! Each future is registered with once, and each end writes one number; nobody ever looks through all of them. So
//! the work grows with their number and not with its square. Futures of several pools may be among them: this
//! thread waits through the pool of the first, doing that pool's work meanwhile, and the others are told that
//! somebody is interested.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::Instant;

use pool_core::{Backend, Event, Registration};

use crate::future::Future;
use crate::on_drop::Wish;

pub(crate) struct Completions<R> {
    /// By number; `None`: given out.
    futures: Vec<Option<(Future<R>, Option<Registration>)>>,
    board: Arc<Board>,
    /// Of the first future; `None`: there is none.
    backend: Option<Arc<dyn Backend>>,
    /// Numbers taken off the board, to be given out next.
    ended: VecDeque<usize>,
    /// The waker that the last poll left.
    polled: Option<Registration>,
}

struct Board {
    state: Mutex<State>,
    /// Set when as many as are needed are on the board.
    event: Event,
}

struct State {
    ended: VecDeque<usize>,
    needed: usize,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the future of this number has ended.
    fn write(&self, number: usize) {
        let enough = {
            let mut state = self.lock();
            state.ended.push_back(number);
            state.ended.len() >= state.needed
        };
        if enough {
            self.event.set();
        }
    }
}

/// Wakes by writing a number on the board.
struct Mark {
    board: Arc<Board>,
    number: usize,
}

impl Wake for Mark {
    fn wake(self: Arc<Self>) {
        self.board.write(self.number);
    }
}

impl<R> Completions<R> {
    /// Those that have ended already come first, in their order.
    pub(crate) fn of(futures: impl IntoIterator<Item = Future<R>>) -> Completions<R> {
        let state = Mutex::new(State { ended: VecDeque::new(), needed: 1 });
        let board = Arc::new(Board { state, event: Event::new() });
        let mut backend: Option<Arc<dyn Backend>> = None;
        // The addresses of the other backends.
        let mut others = HashSet::new();
        let register = |(number, future): (usize, Future<R>)| {
            let event = future.handle().event();
            // One that has ended needs no mark.
            let registration = if event.is_set() {
                None
            } else {
                event.register(&Waker::from(Arc::new(Mark { board: board.clone(), number })))
            };
            if registration.is_none() {
                board.write(number);
            }
            let its = future.handle().backend();
            let first = backend.get_or_insert_with(|| its.clone());
            let is_other = !std::ptr::addr_eq(Arc::as_ptr(first), Arc::as_ptr(its));
            if is_other && others.insert(Arc::as_ptr(its).cast::<()>()) {
                its.attend();
            }
            Some((future, registration))
        };
        let futures = futures.into_iter().enumerate().map(register).collect();
        Completions { futures, board, backend, ended: VecDeque::new(), polled: None }
    }

    /// How many there were.
    pub(crate) fn len(&self) -> usize {
        self.futures.len()
    }

    /// Those that ended since the last look, by their numbers.
    pub(crate) fn take(&mut self) -> VecDeque<usize> {
        std::mem::take(&mut self.board.lock().ended)
    }

    /// Waits until `needed` more have ended since the last look (`true`), until `deadline` at most.
    pub(crate) fn wait_for(&self, needed: usize, deadline: Option<Instant>) -> bool {
        let Some(backend) = &self.backend else { return true };
        // A set that comes for what was needed before is taken back here; or it comes later, and wakes early.
        self.board.event.clear();
        let enough = || {
            let mut state = self.board.lock();
            state.needed = needed;
            state.ended.len() >= needed
        };
        while !enough() {
            if !backend.wait(&self.board.event, deadline) {
                return enough();
            }
            self.board.event.clear();
        }
        true
    }

    /// The next that ended; `None`: none has by `deadline`.
    pub(crate) fn next(&mut self, deadline: Option<Instant>) -> Option<Future<R>> {
        if self.ended.is_empty() {
            self.wait_for(1, deadline);
            self.ended = self.take();
        }
        let number = self.ended.pop_front()?;
        self.give(number)
    }

    /// The next that ended; `None`: none has, and `waker` will be woken by it.
    pub(crate) fn poll_next(&mut self, waker: &Waker) -> Option<Future<R>> {
        if let Some(last) = self.polled.take() {
            self.board.event.unregister(last);
        }
        while self.ended.is_empty() {
            self.board.event.clear();
            self.ended = self.take();
            if self.ended.is_empty() {
                self.polled = self.board.event.register(waker);
                if self.polled.is_some() {
                    return None;
                }
            }
        }
        let number = self.ended.pop_front()?;
        self.give(number)
    }

    /// The first pool too is told that nobody waits in it.
    pub(crate) fn attend(&self) {
        if let Some(backend) = &self.backend {
            backend.attend();
        }
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Future<R>> {
        self.futures.get(number)?.as_ref().map(|(future, _)| future)
    }

    fn give(&mut self, number: usize) -> Option<Future<R>> {
        let (future, _) = self.futures.get_mut(number)?.take()?;
        Some(future)
    }

    /// All that were not given out, by their numbers.
    pub(crate) fn into_rest(mut self) -> impl Iterator<Item = (usize, Future<R>)> {
        self.unregister();
        let futures = std::mem::take(&mut self.futures);
        futures.into_iter().enumerate().filter_map(|(number, future)| Some((number, future?.0)))
    }

    /// Those that were not given out.
    pub(crate) fn give_up(&self, wish: Wish) {
        let all = |wish| self.futures.iter().flatten().for_each(|(future, _)| future.give_up(wish));
        if wish == Wish::Kill {
            // First, or others of them would begin on the workers that are still there.
            all(Wish::Cancel);
        }
        all(wish);
    }

    fn unregister(&mut self) {
        for (future, registration) in self.futures.iter_mut().flatten() {
            let event = future.handle().event();
            // One that has happened keeps none.
            if let Some(registration) = registration.take().filter(|_| !event.is_set()) {
                event.unregister(registration);
            }
        }
    }
}

impl<R> Drop for Completions<R> {
    /// A future of which nobody waits keeps no waker.
    fn drop(&mut self) {
        self.unregister();
    }
}
