//! Reading allocates in proportion to its input, whatever the input says.
//!
//! A binary of its own, as it counts every allocation of the process: one test, so that nothing
//! else allocates beside it.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_core::codec::{Described, Plain, decode, encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to `System` unchanged; the counters do not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // ORDERING: counters read by the one test thread; no memory is published through them.
        let live = LIVE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(live, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // ORDERING: as in `alloc`.
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `ptr` came from `System` with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most that was allocated at once while `input` was read.
fn peak<T: DeserializeOwned>(input: &[u8]) -> usize {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    drop(decode::<T>(input));
    PEAK.load(Ordering::Relaxed) - before
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Tree(Vec<Tree>);

#[test]
fn reading_allocates_in_proportion_to_its_input() {
    // Each sequence says that all the rest of the input is its elements.
    let mut input = Vec::new();
    while input.len() < 8000 {
        let rest = 8000 - input.len() as u64;
        input.extend((rest).to_le_bytes());
    }
    // Fill every length with the largest that may be believed, one that may not, and garbage.
    for len in [input.len() as u64 - 8, u64::MAX, 1 << 40, 1 << 20] {
        input[..8].copy_from_slice(&len.to_le_bytes());
        // An element of these in memory is at most 48 bytes, and takes at least one in the input.
        let bound = 64 * input.len() + 4096;
        assert!(peak::<Tree>(&input) <= bound);
        assert!(peak::<Vec<Vec<Vec<u64>>>>(&input) <= bound);
        assert!(peak::<Vec<String>>(&input) <= bound);
        assert!(peak::<HashMap<String, Vec<u8>>>(&input) <= 3 * bound);
        assert!(peak::<Vec<()>>(&input) <= bound);
        assert!(peak::<Plain<Vec<u64>>>(&input) <= bound);
        assert!(peak::<Vec<Option<u128>>>(&input) <= bound);
    }

    // MessagePack: arrays in arrays that each announce 2^32 elements, and a long text.
    for level in [&b"\xdd\xff\xff\xff\xff"[..], b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"] {
        let mut input = Vec::new();
        encode(&Plain(level.repeat(100)), &mut input).unwrap();
        assert!(peak::<Described<Vec<Vec<u64>>>>(&input) <= 64 * input.len() + 4096);
        assert!(peak::<Described<Tree>>(&input) <= 64 * input.len() + 4096);
    }
}
