//! What goes along with bytes: descriptors, and blocks that must live until the bytes have arrived.
//!
//! A descriptor is a number that means something in one process alone. While a thread encodes a value, a descriptor
//! in it goes into the thread's [`Bag`] and is encoded as its place there ([`list`]). The thread that decodes the
//! value has the descriptors that came ([`receiving`], [`take`]). A block of shared memory goes the same way, or is
//! encoded as where it is, and then the bag only keeps it alive: which of the two says [`Way`]. Who it is that
//! encodes, and for whom, is not known here: [`Encoding`] asks. Who sends a value along with its descriptors by itself
//! gathers them apart from all that ([`apart`]).

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

use crate::own::Own;
use crate::shared::Block;

/// How descriptors and blocks go with the value that a thread encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All descriptors go along: the value arrives once, and perhaps when this process is gone.
    Along,
    /// Blocks are found at this process, which keeps them: who gets the value may have them already.
    Kept,
    /// The same, and no descriptor can go along: many get the value.
    Alone,
}

/// Knows what a thread encodes.
#[derive(Debug)]
pub struct Encoding {
    /// How things go with the value that this thread encodes; `None`: nothing goes along, and nobody keeps it.
    pub way: fn() -> Option<Way>,
    /// There is something in this thread's bag.
    pub packed: fn(),
}

static ENCODING: OnceLock<Encoding> = OnceLock::new();

/// Has `encoding` be asked. The first one stays.
pub fn ask(encoding: Encoding) {
    let _ = ENCODING.set(encoding);
}

/// What goes along with one encoded value.
#[derive(Debug, Default)]
pub struct Bag {
    /// The descriptors, in the order of their places.
    pub descriptors: Vec<Own<OwnedFd>>,
    /// What has to live until the value has arrived. The first one is by itself: mostly it is the only one, and
    /// takes no memory then.
    block: Option<Block>,
    blocks: Vec<Block>,
}

impl Bag {
    const EMPTY: Bag = Bag { descriptors: Vec::new(), block: None, blocks: Vec::new() };

    /// Itself, for whoever keeps it. What is only one block needs no memory for that: it is counted already.
    pub fn into_shared(mut self) -> Arc<dyn Any + Send + Sync> {
        match self.block.take() {
            Some(block) if self.descriptors.is_empty() && self.blocks.is_empty() => block.into_shared(),
            block => Arc::new(Bag { block, ..self }),
        }
    }

    fn keep(&mut self, block: Block) {
        match self.block {
            None => self.block = Some(block),
            Some(_) => self.blocks.push(block),
        }
    }
}

thread_local! {
    /// What goes along with what this thread encodes.
    static BAG: RefCell<Bag> = const { RefCell::new(Bag::EMPTY) };
    /// What goes along with a value that this thread encodes apart from what it may be encoding.
    static APART: RefCell<Option<Vec<Own<OwnedFd>>>> = const { RefCell::new(None) };
    /// The descriptors that came with what this thread decodes, until they are taken.
    static CAME: RefCell<Vec<Option<OwnedFd>>> = const { RefCell::new(Vec::new()) };
    /// What goes along with what this thread sends next, and whether there is anything.
    static LEAVING: RefCell<Vec<Own<OwnedFd>>> = const { RefCell::new(Vec::new()) };
    static LEAVES: Cell<bool> = const { Cell::new(false) };
    /// Nothing goes along with what this thread encodes, and nobody keeps it.
    static BARE: Cell<bool> = const { Cell::new(false) };
}

fn way() -> Option<Way> {
    if BARE.get() {
        return None;
    }
    (ENCODING.get()?.way)()
}

/// Encodes by `encode`, and gives copies of the descriptors in what it encoded, in order; those of blocks too.
pub fn apart<U>(encode: impl FnOnce() -> U) -> (U, Vec<Own<OwnedFd>>) {
    /// Puts back what was there, also when the user's code panics.
    struct Outer(Option<Vec<Own<OwnedFd>>>, bool);
    impl Drop for Outer {
        fn drop(&mut self) {
            APART.set(self.0.take());
            BARE.set(self.1);
        }
    }
    let outer = Outer(APART.replace(Some(Vec::new())), BARE.replace(false));
    let encoded = encode();
    let gathered = APART.take().unwrap_or_default();
    drop(outer);
    (encoded, gathered)
}

/// Encodes by `encode` with which nothing goes along and which nobody keeps, whatever this thread may be encoding: a
/// block is encoded as held by this process.
#[inline]
pub fn bare<U>(encode: impl FnOnce() -> U) -> U {
    /// Puts back what was there, also when the user's code panics.
    struct Outer(bool);
    impl Drop for Outer {
        fn drop(&mut self) {
            BARE.set(self.0);
        }
    }
    let _outer = Outer(BARE.replace(true));
    encode()
}

/// Whether this thread encodes something apart.
fn is_apart() -> bool {
    !BARE.get() && APART.with_borrow(Option::is_some)
}

fn pack(what: impl FnOnce(&mut Bag)) {
    BAG.with_borrow_mut(what);
    ENCODING.get().inspect(|encoding| (encoding.packed)());
}

/// Puts a copy of the descriptor into the bag of what this thread encodes, and gives its place; `None`: it encodes
/// nothing that descriptors could go along with.
pub fn list(descriptor: BorrowedFd<'_>) -> Option<io::Result<u64>> {
    if is_apart() {
        return Some(descriptor.try_clone_to_owned().map(|copy| {
            let mut apart = APART.take().unwrap_or_default();
            apart.push(Own::new(copy));
            let place = apart.len() as u64 - 1;
            APART.set(Some(apart));
            place
        }));
    }
    way().filter(|way| *way != Way::Alone)?;
    Some(descriptor.try_clone_to_owned().map(|copy| {
        let mut place = 0;
        pack(|bag| {
            place = bag.descriptors.len() as u64;
            bag.descriptors.push(Own::new(copy));
        });
        place
    }))
}

/// Has what this thread encodes keep `block`, and says `true`; `false`: its descriptor is to be listed.
pub(crate) fn keep(block: &Block) -> bool {
    match way() {
        _ if is_apart() => false,
        Some(Way::Along) => false,
        Some(Way::Kept | Way::Alone) => {
            pack(|bag| bag.keep(block.clone()));
            true
        }
        None => true,
    }
}

/// Takes this thread's bag.
pub fn take_bag() -> Bag {
    BAG.take()
}

/// Gives this thread a bag back.
pub fn put_bag(bag: Bag) {
    BAG.set(bag);
}

/// Decodes by `decode` a value that these descriptors came with. What it leaves of them is closed.
pub fn receiving<U>(descriptors: Vec<OwnedFd>, decode: impl FnOnce() -> U) -> U {
    /// Puts back what was there, also when the user's code panics.
    struct Outer(Vec<Option<OwnedFd>>);
    impl Drop for Outer {
        fn drop(&mut self) {
            // What is left is closed when the list is free again.
            let _left = CAME.replace(std::mem::take(&mut self.0));
        }
    }
    let _outer = Outer(CAME.replace(descriptors.into_iter().map(Some).collect()));
    decode()
}

/// Takes the descriptor at this place of those that came; `None`: there is none, or it was taken before.
pub fn take(place: u64) -> Option<OwnedFd> {
    CAME.with_borrow_mut(|came| came.get_mut(usize::try_from(place).ok()?)?.take())
}

/// Has these descriptors go along with what this thread sends next.
pub fn leave_with(descriptors: Vec<Own<OwnedFd>>) {
    LEAVES.set(!descriptors.is_empty());
    LEAVING.set(descriptors);
}

/// What goes along with what this thread sends now; `None`: nothing does.
pub fn leaving() -> Option<Vec<Own<OwnedFd>>> {
    LEAVES.replace(false).then(|| LEAVING.take())
}
