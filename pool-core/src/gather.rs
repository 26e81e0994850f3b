//! `map`'s gathering: chunks come back in any order, the result has them in the order of the input.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::chunk::{Collect, Ended};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::handle::Pending;
use crate::lock;
use crate::slot::{AsSlot, Callback, Raw, Slot};

pub(crate) struct Gather<R> {
    parts: Mutex<Parts<R>>,
    /// Number of the first chunk that failed, or 0 when the caller cancelled: later chunks that have not
    /// begun are not begun. Earlier ones are, for one of their items may be the first that fails.
    given_up: AtomicUsize,
    slot: Slot<(), Vec<R>, Gathered<R>>,
}

struct Parts<R> {
    /// The values of the first `joined` chunks; `None` while a thread is adding to them.
    values: Option<Vec<R>>,
    joined: usize,
    /// What has ended and is not joined, from chunk number `joined` on.
    ended: VecDeque<Option<Ended<R>>>,
    /// Chunks that have not ended; one more while chunks are still being added.
    left: usize,
}

pub(crate) struct Gathered<R> {
    values: Vec<R>,
    rest: VecDeque<Option<Ended<R>>>,
}

impl<R: DeserializeOwned + Send + 'static> Gather<R> {
    /// A gathering of about `items` values.
    pub(crate) fn new(items: usize) -> Arc<Gather<R>> {
        // The claim may be a lie: room is made for as much as costs little.
        let room = items.min(MOST_ROOM / size_of::<R>().max(1));
        let parts =
            Parts { values: Some(Vec::with_capacity(room)), joined: 0, ended: VecDeque::new(), left: 1 };
        Arc::new(Gather {
            parts: Mutex::new(parts),
            given_up: AtomicUsize::new(usize::MAX),
            slot: Slot::new(None),
        })
    }

    /// Makes room for one more chunk.
    pub(crate) fn expect_one(&self) {
        lock(&self.parts).left += 1;
    }

    /// Ends the call before its first chunk.
    pub(crate) fn fail(self: &Arc<Self>, error: Error) {
        self.settle(Gathered { values: Vec::new(), rest: [Some(Ended::lost(error))].into() });
    }

    /// All chunks were added.
    pub(crate) fn seal(self: &Arc<Self>) {
        self.count_down(lock(&self.parts));
    }

    /// Joins what can be joined: whoever ends a chunk adds to the values what is next in order, so that
    /// the caller finds them in one piece. One thread at a time does; the others leave their chunk.
    fn join<'a>(&'a self, mut parts: MutexGuard<'a, Parts<R>>) -> MutexGuard<'a, Parts<R>> {
        while parts.ended.front().is_some_and(|ended| ended.as_ref().is_some_and(Ended::is_whole))
            && let Some(mut values) = parts.values.take()
        {
            let ended = parts.ended.pop_front().flatten();
            parts.joined += 1;
            drop(parts);
            if let Some(ended) = ended {
                ended.append_to(&mut values);
            }
            parts = lock(&self.parts);
            parts.values = Some(values);
        }
        parts
    }

    fn count_down(self: &Arc<Self>, mut parts: MutexGuard<'_, Parts<R>>) {
        parts.left -= 1;
        if parts.left == 0 {
            let values = parts.values.take().unwrap_or_default();
            let rest = std::mem::take(&mut parts.ended);
            drop(parts);
            self.settle(Gathered { values, rest });
        }
    }

    fn settle(self: &Arc<Self>, gathered: Gathered<R>) -> bool {
        self.slot.settle(gathered, || self.clone())
    }
}

/// Of the room for all results, as much as is made before the first is there, in bytes.
const MOST_ROOM: usize = 64 << 20;

impl<R: DeserializeOwned + Send + 'static> Collect<R> for Gather<R> {
    fn collect(self: Arc<Self>, index: usize, ended: Ended<R>) {
        if ended.has_failed() {
            // ORDERING: a hint; a chunk that misses it is run for nothing.
            self.given_up.fetch_min(index, Relaxed);
        }
        let mut parts = lock(&self.parts);
        let place = index - parts.joined;
        if parts.ended.len() <= place {
            parts.ended.resize_with(place + 1, || None);
        }
        parts.ended[place] = Some(ended);
        // This chunk is counted as ended after it may have been joined: nobody settles before.
        let parts = self.join(parts);
        self.count_down(parts);
    }

    fn wanted(&self, index: usize) -> bool {
        index < self.given_up.load(Relaxed)
    }

    fn lend(&self, index: usize) -> Option<Vec<R>> {
        let mut parts = lock(&self.parts);
        if parts.joined == index { parts.values.take() } else { None }
    }

    fn take_back(self: Arc<Self>, gathered: Vec<R>) {
        let mut parts = lock(&self.parts);
        parts.values = Some(gathered);
        parts.joined += 1;
        parts.ended.pop_front();
        let parts = self.join(parts);
        self.count_down(parts);
    }

    fn return_lent(&self, gathered: Vec<R>) {
        lock(&self.parts).values = Some(gathered);
    }
}

impl<R: DeserializeOwned + Send + 'static> Raw<Vec<R>> for Gathered<R> {
    /// The values of all chunks; or the failure of the first item, in input order, that failed:
    /// the one that a serial loop would have met. Chunks that were not begun for its sake are cancelled,
    /// which is not the news.
    fn finish(self) -> Result<Vec<R>> {
        let mut all = self.values;
        let mut cancelled = None;
        for ended in self.rest {
            let missing = || Ended::lost(Error::new(ErrorKind::Cancelled, ""));
            match ended.unwrap_or_else(missing).into_values() {
                Ok(values) if all.is_empty() => all = values,
                Ok(mut values) => all.append(&mut values),
                Err(error) if error.is_cancelled() => cancelled = cancelled.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        cancelled.map_or(Ok(all), Err)
    }
}

impl<R: DeserializeOwned + Send + 'static> AsSlot<(), Vec<R>, Gathered<R>> for Gather<R> {
    fn as_slot(&self) -> &Slot<(), Vec<R>, Gathered<R>> {
        &self.slot
    }
}

impl<R: DeserializeOwned + Send + 'static> Pending<Vec<R>> for Gather<R> {
    fn event(&self) -> &Event {
        &self.slot.event
    }

    fn take(&self) -> Result<Vec<R>> {
        self.slot.take()
    }

    fn look(&self, show: &mut dyn FnMut(&Result<Vec<R>>)) {
        self.slot.look(show);
    }

    fn on_end(&self, callback: Callback<Vec<R>>, backend: &Arc<dyn Backend>) {
        self.slot.on_end(callback, backend);
    }

    fn cancel(self: Arc<Self>, _backend: &dyn Backend) -> bool {
        // Chunks that have not begun are dropped as their turn comes; those that run are let be.
        self.given_up.store(0, Relaxed);
        let cancelled = Ended::lost(Error::new(ErrorKind::Cancelled, ""));
        self.settle(Gathered { values: Vec::new(), rest: [Some(cancelled)].into() })
    }
}
