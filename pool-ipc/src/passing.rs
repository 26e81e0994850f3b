//! What goes along with bytes: descriptors, and blocks that must live until the bytes have arrived.
//!
//! A descriptor is a number that means something in one process alone. While a thread encodes something that takes
//! its descriptors along, it has a list, and a descriptor is encoded as its place there ([`collect`], [`list`]). The
//! thread that decodes it has the list that came ([`receive`], [`take`]). Where none can go along, a block of shared
//! memory is encoded as where it is, and whoever has the bytes keeps it ([`keep`], [`carry`]).

use std::cell::RefCell;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::shared::Block;

thread_local! {
    /// The descriptors in what this thread encodes; `None`: none can go along.
    static GOING: RefCell<Option<Vec<OwnedFd>>> = const { RefCell::new(None) };
    /// Those that came with what this thread decodes, until they are taken.
    static CAME: RefCell<Vec<Option<OwnedFd>>> = const { RefCell::new(Vec::new()) };
    /// The blocks in what this thread encodes; `None`: whoever has the bytes does not keep them.
    static CARRIED: RefCell<Option<Vec<Block>>> = const { RefCell::new(None) };
}

/// Encodes by `body` with a list for descriptors, and gives those in what it encoded, in order.
pub fn collect<U>(body: impl FnOnce() -> U) -> (U, Vec<OwnedFd>) {
    let outer = GOING.replace(Some(Vec::new()));
    let encoded = body();
    (encoded, GOING.replace(outer).unwrap_or_default())
}

/// Puts a copy of the descriptor on the list of what this thread encodes, and gives its place; `None`: there is no
/// list.
pub fn list(descriptor: BorrowedFd<'_>) -> Option<io::Result<u64>> {
    GOING.with_borrow_mut(|going| {
        let going = going.as_mut()?;
        Some(descriptor.try_clone_to_owned().map(|copy| {
            going.push(copy);
            going.len() as u64 - 1
        }))
    })
}

/// Has this thread decode with these descriptors.
pub fn receive(descriptors: Vec<OwnedFd>) {
    CAME.set(descriptors.into_iter().map(Some).collect());
}

/// Takes the descriptor at this place of the list that came; `None`: there is none, or it was taken before.
pub fn take(place: u64) -> Option<OwnedFd> {
    CAME.with_borrow_mut(|came| came.get_mut(usize::try_from(place).ok()?)?.take())
}

/// Encodes by `body`, and gives the blocks in what it encoded: to be kept until that has arrived.
pub fn keep<U>(body: impl FnOnce() -> U) -> (U, Vec<Block>) {
    let outer = CARRIED.replace(Some(Vec::new()));
    let encoded = body();
    (encoded, CARRIED.replace(outer).unwrap_or_default())
}

/// What this thread encodes has `block` in it.
pub(crate) fn carry(block: &Block) {
    CARRIED.with_borrow_mut(|carried| carried.as_mut().map(|carried| carried.push(block.clone())));
}
