//! Which process has taken how many items of a joinable queue and not said that they are done.
//!
//! ```text
//!  an entry   who      the process
//!             taken    how many it has taken and not done; in the lower half: the head's count that will say that it
//!                      took one more
//! ```
//!
//! All of it is guarded by the lock of the queue's head. What is taken is first noted in the lower half, then taken,
//! then counted, each by one store; who finds that somebody died with the lock finishes that by comparing the head's
//! count. So nothing is counted twice or not at all, whenever somebody dies.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pool_ipc::shared::{is_alive, this_process};

/// How many processes can have items at a time; what more of them take is counted together, and their deaths go unnoticed.
const ENTRIES: usize = 4096;
pub(super) const BYTES: usize =
    (2 + (ENTRIES + 1) * size_of::<Entry>() / size_of::<u64>()) * size_of::<u64>();
/// One item, in `taken`.
const ITEM: u64 = 1 << 32;
const NOTE: u64 = ITEM - 1;

/// Who, and what it has taken.
type Entry = [AtomicU64; 2];

/// For who holds the lock of the queue's head.
#[derive(Clone, Copy)]
pub(super) struct Ledger<'a> {
    /// How many entries were ever used.
    used: &'a AtomicU64,
    /// The last one is for those who have none.
    entries: &'a [Entry],
}

// ORDERING, of all here: the lock orders it.
impl<'a> Ledger<'a> {
    /// The ledger in the first [`BYTES`] of `words`.
    pub(super) fn new(words: &'a [AtomicU64]) -> Ledger<'a> {
        let [used, _, rest @ ..] = words else { unreachable!("a block that was made or checked too small") };
        let (entries, _) = rest.as_chunks();
        Ledger { used, entries: &entries[..=ENTRIES] }
    }

    /// This process is about to take the item that makes the head's count `next`; the entry to give to
    /// [`taken`](Ledger::taken).
    pub(super) fn taking(self, next: u32) -> &'a Entry {
        let entry = self.entry();
        entry[1].store(entry[1].load(Relaxed) & !NOTE | note(next), Relaxed);
        entry
    }

    /// It has taken it.
    pub(super) fn taken(self, entry: &Entry) {
        entry[1].store((entry[1].load(Relaxed) & !NOTE).wrapping_add(ITEM), Relaxed);
    }

    /// Somebody died with the lock: was what it was taking taken?
    pub(super) fn resolve(self, count: u32) {
        for entry in self.entries_used() {
            match entry[1].load(Relaxed) & NOTE {
                0 => {}
                noted if noted == note(count) => self.taken(entry),
                _ => entry[1].store(entry[1].load(Relaxed) & !NOTE, Relaxed),
            }
        }
    }

    /// An item is done: one that this process took, or else one of a process that died, or else any. `false`: there is
    /// none.
    pub(super) fn done(self) -> bool {
        let me = this_process();
        let with_items = || self.entries_used().filter(|entry| items(entry) > 0);
        let found = with_items()
            .find(|entry| who(entry) == me)
            .or_else(|| with_items().find(|entry| is_dead(entry)))
            .or_else(|| with_items().next());
        found.is_some_and(|entry| {
            entry[1].store(entry[1].load(Relaxed).wrapping_sub(ITEM), Relaxed);
            true
        })
    }

    /// How many items have been taken and not done.
    pub(super) fn items(self) -> usize {
        self.entries_used().map(items).fold(0, usize::saturating_add)
    }

    /// How many of them were taken by processes that died.
    pub(super) fn lost(self) -> usize {
        let dead = self.entries_used().filter(|entry| items(entry) > 0 && is_dead(entry));
        dead.map(items).fold(0, usize::saturating_add)
    }

    /// This process's entry, or one that nobody needs.
    fn entry(self) -> &'a Entry {
        let me = this_process();
        let used = self.used();
        let known = &self.entries[..used];
        if let Some(entry) = known.iter().find(|entry| who(entry) == me) {
            return entry;
        }
        if let Some(entry) = known.iter().find(|entry| items(entry) == 0) {
            entry[0].store(me, Relaxed);
            return entry;
        }
        if used < ENTRIES {
            self.entries[used][0].store(me, Relaxed);
            self.used.store(used as u64 + 1, Relaxed);
        }
        &self.entries[used]
    }

    fn used(self) -> usize {
        usize::try_from(self.used.load(Relaxed)).map_or(ENTRIES, |used| used.min(ENTRIES))
    }

    fn entries_used(self) -> impl Iterator<Item = &'a Entry> {
        self.entries[..self.used()].iter().chain(self.entries.last())
    }
}

/// How a head's count is noted: not as 0.
fn note(count: u32) -> u64 {
    u64::from(count | 1)
}

fn who(entry: &Entry) -> u64 {
    entry[0].load(Relaxed)
}

fn items(entry: &Entry) -> usize {
    (entry[1].load(Relaxed) / ITEM) as usize
}

fn is_dead(entry: &Entry) -> bool {
    // Nobody's name is 0: those who have no entry.
    who(entry) != 0 && !is_alive(who(entry))
}
