//! What a thread remembers of its puts and gets: where it is, how patiently it waits, and whether items come in a rush.

use std::cell::{Cell, RefCell};
use std::hint;

use pool_ipc::current_core;
use pool_ipc::patience::Patience;

thread_local! {
    static PATIENCE: RefCell<Patience> = const { RefCell::new(Patience::new()) };
    static LULL: Cell<Lull> = const { Cell::new(Lull { looks: 0, waits: 0 }) };
    static HERE: Cell<Here> = const { Cell::new(Here { core: 0, uses: 0 }) };
}

/// On which core this thread was when it last asked: its number and one, or 0 where the system does not say.
#[derive(Clone, Copy)]
struct Here {
    core: u32,
    /// For how many uses more that will do.
    uses: u32,
}

/// It asks once in so many puts and gets, and when it waits, which costs no time. The answer is a hint.
const SELDOM: u32 = 16;

/// Two that follow each other closely spend their time with passing cache lines back and forth. So in a rush the
/// consumer stays behind a little: when an item has come it lets some more come.
#[derive(Clone, Copy)]
struct Lull {
    /// For how many looks.
    looks: u32,
    /// How often it waited for an item, to try now and then whether there is a rush.
    waits: u32,
}

/// A microsecond or two.
const LONGEST_LULL: u32 = 64;
const FIRST_LULL: u32 = 24;
/// A lull is tried once in so many waits.
const LULLS: u32 = 64;
/// How many items have come in a lull that is worth it.
const RUSH: usize = 3;

/// The core that this thread is on, as [`Here`] has it.
pub(super) fn core_now() -> u32 {
    let core = current_core().map_or(0, |core| u32::from(core) + 1);
    HERE.set(Here { core, uses: SELDOM });
    core
}

/// The core that this thread was on lately.
#[inline]
pub(super) fn core_lately() -> u32 {
    let Here { core, uses } = HERE.get();
    if uses == 0 {
        return core_now();
    }
    HERE.set(Here { core, uses: uses - 1 });
    core
}

/// How patient this thread is.
#[inline]
pub(super) fn with_patience<R>(body: impl FnOnce(&mut Patience) -> R) -> R {
    PATIENCE.with_borrow_mut(body)
}

/// After a wait for an item: stays behind, if there is a rush. `len`: how many there are.
#[inline]
pub(super) fn lull(len: impl FnOnce() -> usize) {
    let Lull { looks, waits } = LULL.get();
    let waits = waits.wrapping_add(1);
    let looks = if looks == 0 && waits.is_multiple_of(LULLS) { FIRST_LULL } else { looks };
    let looks = if looks == 0 { 0 } else { stay_behind(looks, len) };
    LULL.set(Lull { looks, waits });
}

/// For how many looks the next time.
#[cold]
fn stay_behind(looks: u32, len: impl FnOnce() -> usize) -> u32 {
    (0..looks).for_each(|_| hint::spin_loop());
    if len() >= RUSH { (looks * 2).min(LONGEST_LULL) } else { looks / 2 }
}
