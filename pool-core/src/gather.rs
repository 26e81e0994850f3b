//! `map`'s gathering: chunks come back in any order, the result has them in the order of the input.

use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::chunk::{Collect, Ended, Input, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::event::Event;
use crate::handle::Pending;
use crate::lock;
use crate::room::{Row, Seeded};
use crate::slot::{AsSlot, Callback, Raw, Slot};

pub(crate) struct Gather<R> {
    parts: Mutex<Parts<R>>,
    /// Number of the first chunk that failed, or 0 when the caller cancelled: later chunks that have not
    /// begun are not begun. Earlier ones are, for one of their items may be the first that fails.
    given_up: AtomicUsize,
    slot: Slot<(), Vec<R>, Gathered<R>>,
}

struct Parts<R> {
    /// The places that no chunk has yet.
    rest: Option<Row<R>>,
    /// What has ended, by number of the chunk.
    ended: Vec<Option<Ended<R>>>,
    /// Chunks that have not ended; one more while chunks are still being added.
    left: usize,
}

pub(crate) struct Gathered<R>(Vec<Option<Ended<R>>>);

impl<R: DeserializeOwned + Send + 'static> Gather<R> {
    pub(crate) fn new() -> Arc<Gather<R>> {
        let parts = Parts { rest: None, ended: Vec::new(), left: 1 };
        Arc::new(Gather {
            parts: Mutex::new(parts),
            given_up: AtomicUsize::new(usize::MAX),
            slot: Slot::new(None),
        })
    }

    /// Makes places for so many values. The claim may be a lie: memory that is never touched costs little, and if
    /// there is none the values are put together in the end.
    pub(crate) fn make_places(&self, count: usize) {
        lock(&self.parts).rest = Some(Row::new(count));
    }

    /// Takes the next places, if there are so many.
    pub(crate) fn cut(&self, places: usize) -> Option<Row<R>> {
        lock(&self.parts).rest.as_mut()?.cut(places)
    }

    /// Makes room for one more chunk.
    pub(crate) fn expect_one(&self) {
        lock(&self.parts).left += 1;
    }

    /// Takes the next items of a chunk, at most `most`, to where their values are to be, if there are places for
    /// them. They come before any that are taken later.
    pub(crate) fn lay_down<A>(&self, items: &mut impl Iterator<Item = A>, most: usize) -> Input<A, R> {
        if Seeded::<A, R>::FITS
            && let Some(row) = self.cut(most)
        {
            return match Seeded::new(row, items) {
                Ok(seeded) => Input::Seeded(seeded),
                Err(row) => Input::Apart(items.take(most).collect(), Some(row)),
            };
        }
        let items: Vec<A> = items.take(most).collect();
        let row = self.cut(items.len());
        Input::Apart(items, row)
    }

    /// Ends the call before its first chunk.
    pub(crate) fn fail(self: &Arc<Self>, error: Error) {
        self.settle(Gathered(vec![Some(Ended::lost(error))]));
    }

    /// All chunks were added.
    pub(crate) fn seal(self: &Arc<Self>) {
        let mut parts = lock(&self.parts);
        // Whoever joins the chunks' places finds that no others are left.
        parts.rest = None;
        self.count_down(parts);
    }

    fn count_down(self: &Arc<Self>, mut parts: MutexGuard<'_, Parts<R>>) {
        parts.left -= 1;
        if parts.left == 0 {
            let ended = mem::take(&mut parts.ended);
            drop(parts);
            self.settle(Gathered(ended));
        }
    }

    fn settle(self: &Arc<Self>, gathered: Gathered<R>) -> bool {
        self.slot.settle(gathered, || self.clone())
    }
}

impl<R: DeserializeOwned + Send + 'static> Collect<R> for Gather<R> {
    fn collect(self: Arc<Self>, index: usize, ended: Ended<R>) {
        if ended.has_failed() {
            // ORDERING: a hint; a chunk that misses it is run for nothing.
            self.given_up.fetch_min(index, Relaxed);
        }
        let mut parts = lock(&self.parts);
        if parts.ended.len() <= index {
            parts.ended.resize_with(index + 1, || None);
        }
        parts.ended[index] = Some(ended);
        self.count_down(parts);
    }

    fn wanted(&self, index: usize) -> bool {
        index < self.given_up.load(Relaxed)
    }
}

impl<R: DeserializeOwned + Send + 'static> Raw<Vec<R>> for Gathered<R> {
    /// The values of all chunks; or the failure of the first item, in input order, that failed:
    /// the one that a serial loop would have met. Chunks that were not begun for its sake are cancelled,
    /// which is not the news.
    fn finish(self) -> Result<Vec<R>> {
        let mut all = Joined { row: None, loose: Vec::new() };
        let mut cancelled = None;
        for ended in self.0 {
            let missing = || Ended::lost(Error::new(ErrorKind::Cancelled, ""));
            match ended.unwrap_or_else(missing).into_values() {
                Ok(values) => all.add(values),
                Err(error) if error.is_cancelled() => cancelled = cancelled.or(Some(error)),
                Err(error) => return Err(error),
            }
        }
        cancelled.map_or_else(|| Ok(all.into_vec()), Err)
    }
}

/// The values of chunks, in order: one row as long as they follow each other in the room, a `Vec` from the
/// first that does not.
struct Joined<R> {
    row: Option<Row<R>>,
    loose: Vec<R>,
}

impl<R> Joined<R> {
    fn add(&mut self, values: Values<R>) {
        match (values, &mut self.row) {
            (Values::Placed(row), None) if self.loose.is_empty() => self.row = Some(row),
            (Values::Placed(row), Some(all)) => {
                if let Err(row) = all.join(row) {
                    row.append_to(self.loosen());
                }
            }
            (Values::Placed(row), None) => row.append_to(&mut self.loose),
            (Values::Loose(mut values), _) => match self.loosen() {
                all if all.is_empty() => *all = values,
                all => all.append(&mut values),
            },
        }
    }

    fn loosen(&mut self) -> &mut Vec<R> {
        if let Some(row) = self.row.take() {
            self.loose = row.into_vec();
        }
        &mut self.loose
    }

    fn into_vec(mut self) -> Vec<R> {
        mem::take(self.loosen())
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
        self.settle(Gathered(vec![Some(cancelled)]))
    }
}
