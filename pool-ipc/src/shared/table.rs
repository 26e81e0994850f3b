//! Which blocks this process has mapped, and which it remembers although nobody uses them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Block;
use super::block::Mapped;

/// How many blocks a worker remembers.
const REMEMBERED: usize = 16;

static TABLE: Mutex<Option<HashMap<u128, Weak<Mapped>>>> = Mutex::new(None);

/// Dropping a block takes the lock: blocks are dropped after it was given back.
fn table() -> MutexGuard<'static, Option<HashMap<u128, Weak<Mapped>>>> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The table's locks, which a fork must not find held by a thread that the child does not have.
pub(super) fn freeze() -> impl Drop {
    struct Frozen {
        _table: MutexGuard<'static, Option<HashMap<u128, Weak<Mapped>>>>,
        _recent: MutexGuard<'static, VecDeque<Block>>,
    }
    impl Drop for Frozen {
        fn drop(&mut self) {}
    }
    let recent = recent_blocks();
    Frozen { _table: table(), _recent: recent }
}

pub(super) fn note(block: &Block) {
    table().get_or_insert_default().insert(block.id(), Arc::downgrade(block.as_shared()));
}

pub(super) fn find(id: u128) -> Option<Block> {
    table().as_ref()?.get(&id)?.upgrade().map(Block::from)
}

/// `block` was just mapped: it, or what another thread mapped meanwhile.
pub(super) fn settle(block: Block) -> Block {
    let mut table = table();
    let known = table.get_or_insert_default();
    if let Some(other) = known.get(&block.id()).and_then(Weak::upgrade) {
        drop(table);
        return other.into();
    }
    known.insert(block.id(), Arc::downgrade(block.as_shared()));
    block
}

/// The block with this id is being dropped.
pub(super) fn drop_note(id: u128) {
    if let Some(known) = &mut *table() {
        // It may have been opened again already.
        if known.get(&id).is_some_and(|block| block.strong_count() == 0) {
            known.remove(&id);
        }
    }
}

static RECENT: Mutex<VecDeque<Block>> = Mutex::new(VecDeque::new());
/// How many there are in it, to look without the lock.
static RECENT_COUNT: AtomicUsize = AtomicUsize::new(0);
static REMEMBERS: AtomicBool = AtomicBool::new(false);

fn recent_blocks() -> MutexGuard<'static, VecDeque<Block>> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has this process remember the last few blocks that it opened, so that the next task that brings one finds it
/// mapped. Whoever calls this also calls [`forget_retired`] between tasks, and [`forget`] when there is no task.
pub fn remember() {
    // ORDERING: set by the thread that goes on to open blocks.
    REMEMBERS.store(true, Relaxed);
}

/// The remembered block with this id, which is now the one that was opened last.
pub(super) fn recent(id: u128) -> Option<Block> {
    if !REMEMBERS.load(Relaxed) {
        return None;
    }
    let mut recent = recent_blocks();
    let place = recent.iter().rposition(|known| known.id() == id)?;
    if place + 1 < recent.len()
        && let Some(block) = recent.remove(place)
    {
        recent.push_back(block);
    }
    recent.back().cloned()
}

/// `block` was opened.
pub(super) fn recall(block: &Block) {
    if !REMEMBERS.load(Relaxed) {
        return;
    }
    let mut recent = recent_blocks();
    let oldest = match recent.iter().position(|known| known.id() == block.id()) {
        Some(place) => recent.remove(place),
        None if recent.len() == REMEMBERED => recent.pop_front(),
        None => None,
    };
    recent.push_back(block.clone());
    RECENT_COUNT.store(recent.len(), Relaxed);
    drop(recent);
    drop(oldest);
}

/// Forgets the remembered blocks whose creators have dropped them; whether any are left.
pub fn forget_retired() -> bool {
    // ORDERING: a count that is out of date is looked at again after the next task.
    RECENT_COUNT.load(Relaxed) > 0 && forget_those(Block::is_retired)
}

/// Forgets all remembered blocks.
pub fn forget() {
    if RECENT_COUNT.load(Relaxed) > 0 {
        forget_those(|_| true);
    }
}

fn forget_those(which: impl Fn(&Block) -> bool) -> bool {
    let mut forgotten = Vec::new();
    let mut recent = recent_blocks();
    let mut place = 0;
    while let Some(block) = recent.get(place) {
        if which(block) { forgotten.extend(recent.remove(place)) } else { place += 1 }
    }
    let left = recent.len();
    RECENT_COUNT.store(left, Relaxed);
    drop(recent);
    left > 0
}
