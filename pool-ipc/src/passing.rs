//! What goes along with bytes: descriptors, and blocks that must live until the bytes have arrived.
//!
//! A descriptor is a number that means something in one process alone. While a thread encodes a value it has a
//! [`Bag`] open, and a descriptor is encoded as its place there ([`list`]). The thread that decodes the value has the
//! descriptors that came ([`receiving`], [`take`]). A block of shared memory goes the same way, or is encoded as where
//! it is, and then the bag only keeps it alive: which of the two says [`Blocks`].

use std::cell::RefCell;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::own::Own;
use crate::shared::Block;

/// How the blocks in a value go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blocks {
    /// Their descriptors go along: for a value that arrives once, or may arrive when this process is gone.
    Along,
    /// They are found at this process, which keeps them: for a value that somebody gets who may have them already.
    Kept,
    /// The same for a value that many get: no descriptor can go along with it.
    Alone,
}

/// What goes along with one encoded value.
#[derive(Debug)]
pub struct Bag {
    how: Blocks,
    /// The descriptors, in the order of their places.
    pub descriptors: Vec<Own<OwnedFd>>,
    /// What has to live until the value has arrived.
    pub blocks: Vec<Block>,
}

impl Bag {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.descriptors.is_empty() && self.blocks.is_empty()
    }
}

thread_local! {
    /// What goes along with what this thread encodes; the last one is of the value that it encodes now.
    static OPEN: RefCell<Vec<Bag>> = const { RefCell::new(Vec::new()) };
    /// The descriptors that came with what this thread decodes, until they are taken.
    static CAME: RefCell<Vec<Option<OwnedFd>>> = const { RefCell::new(Vec::new()) };
    /// What goes along with what this thread sends next.
    static LEAVING: RefCell<Vec<Own<OwnedFd>>> = const { RefCell::new(Vec::new()) };
}

/// This thread begins to encode a value.
pub fn open(how: Blocks) {
    OPEN.with_borrow_mut(|open| open.push(Bag { how, descriptors: Vec::new(), blocks: Vec::new() }));
}

/// The value is encoded: what goes along with it.
pub fn close() -> Option<Bag> {
    OPEN.with_borrow_mut(Vec::pop).filter(|bag| !bag.is_empty())
}

/// Puts a copy of the descriptor into the bag of what this thread encodes, and gives its place; `None`: it encodes
/// nothing that descriptors could go along with.
pub fn list(descriptor: BorrowedFd<'_>) -> Option<io::Result<u64>> {
    OPEN.with_borrow_mut(|open| {
        let bag = open.last_mut().filter(|bag| bag.how != Blocks::Alone)?;
        Some(descriptor.try_clone_to_owned().map(|copy| {
            bag.descriptors.push(Own::new(copy));
            bag.descriptors.len() as u64 - 1
        }))
    })
}

/// Has what this thread encodes keep `block`, and says `true`; `false`: its descriptor is to be listed.
pub(crate) fn keep(block: &Block) -> bool {
    OPEN.with_borrow_mut(|open| match open.last_mut() {
        Some(bag) if bag.how == Blocks::Along => false,
        Some(bag) => {
            bag.blocks.push(block.clone());
            true
        }
        None => true,
    })
}

/// Decodes by `decode` a value that these descriptors came with. What it leaves of them is closed.
pub fn receiving<U>(descriptors: Vec<OwnedFd>, decode: impl FnOnce() -> U) -> U {
    let outer = CAME.replace(descriptors.into_iter().map(Some).collect());
    let decoded = decode();
    CAME.set(outer);
    decoded
}

/// Takes the descriptor at this place of those that came; `None`: there is none, or it was taken before.
pub fn take(place: u64) -> Option<OwnedFd> {
    CAME.with_borrow_mut(|came| came.get_mut(usize::try_from(place).ok()?)?.take())
}

/// Has these descriptors go along with what this thread sends next.
pub fn leave_with(descriptors: Vec<Own<OwnedFd>>) {
    LEAVING.set(descriptors);
}

/// What goes along with what this thread sends now.
pub fn leaving() -> Vec<Own<OwnedFd>> {
    LEAVING.take()
}
