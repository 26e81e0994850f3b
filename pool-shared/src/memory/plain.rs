//! Plain data in the memory of a block.

use std::any::TypeId;
use std::hash::{Hash, Hasher};
use std::io;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;

use bytemuck::Pod;
use pool_ipc::shared::Block;

use crate::crossing::{Encoded, Kind};

/// Blocks begin an object's memory at a multiple of this.
const ALIGNED: usize = 64;

/// Which type the items of an object are: by what it is told from objects of other items. The processes of a program
/// are of one build, in which a type's id is the same; and whatever is mistaken is plain data still.
pub(crate) fn tag<T: Pod>() -> u64 {
    const { assert!(size_of::<T>() > 0, "items without a size cannot be in shared memory") };
    const { assert!(align_of::<T>() <= ALIGNED, "items in shared memory are aligned to 64 bytes at most") };
    let mut id = Id(0);
    TypeId::of::<T>().hash(&mut id);
    id.0
}

/// What a type's id gives a hasher, which is a hash already.
struct Id(u64);

impl Hasher for Id {
    fn write(&mut self, bytes: &[u8]) {
        // FNV-1a, should it be given in bytes.
        let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.0 = bytes.iter().fold(self.0 ^ 0xcbf2_9ce4_8422_2325, add);
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = self.0.rotate_left(1) ^ id;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// How many bytes so many items have; if that is no number, one that no memory has.
pub(crate) fn bytes_of_items<T>(len: usize) -> usize {
    len.saturating_mul(size_of::<T>())
}

/// Items in a block that every process may write at any time: they are copied in and out, and nobody refers to them.
/// Before them is room for a lock.
///
/// An item is read and written in words as large as its alignment, 8 bytes at most, each of them whole. So an item
/// that is one such word, as every number up to 64 bits is, is never seen half written.
pub(crate) struct Items<T> {
    block: Block,
    items: PhantomData<T>,
}

/// Where the items begin.
const ITEMS_AT: usize = ALIGNED;

impl<T: Pod> Items<T> {
    /// So many items; all their bytes are zero.
    pub(crate) fn create(kind: Kind, len: usize) -> io::Result<Items<T>> {
        let size = bytes_of_items::<T>(len).saturating_add(ITEMS_AT);
        Ok(Items { block: Block::create_tagged(kind as u32, tag::<T>(), size)?, items: PhantomData })
    }

    pub(crate) fn open(encoded: &Encoded, kind: Kind) -> io::Result<Items<T>> {
        let block = encoded.open(kind)?;
        let is_whole =
            block.len().checked_sub(ITEMS_AT).is_some_and(|len| len.is_multiple_of(size_of::<T>()));
        if block.tag() != tag::<T>() || !is_whole {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "items of another type"));
        }
        Ok(Items { block, items: PhantomData })
    }

    pub(crate) fn block(&self) -> &Block {
        &self.block
    }

    pub(crate) fn len(&self) -> usize {
        (self.block.len() - ITEMS_AT) / size_of::<T>()
    }

    /// One item. There is one at `index`.
    pub(crate) fn get(&self, index: usize) -> T {
        let mut item = T::zeroed();
        self.load(index, std::slice::from_mut(&mut item));
        item
    }

    /// Copies items, from `start` on. There are so many.
    pub(crate) fn load(&self, start: usize, items: &mut [T]) {
        let (at, bytes) = (ITEMS_AT + start * size_of::<T>(), bytemuck::cast_slice_mut(items));
        macro_rules! by_words {
            ($words:ident, $size:literal) => {
                for (part, word) in bytes.chunks_exact_mut($size).zip(&self.block.$words()[at / $size..]) {
                    // ORDERING: nothing is handed over by an item.
                    part.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
                }
            };
        }
        match align_of::<T>() {
            1 => by_words!(words8, 1),
            2 => by_words!(words16, 2),
            4 => by_words!(words, 4),
            _ => by_words!(words64, 8),
        }
    }

    /// Copies items to the block, from `start` on. There is room for so many.
    pub(crate) fn store(&self, start: usize, items: &[T]) {
        let (at, bytes) = (ITEMS_AT + start * size_of::<T>(), bytemuck::cast_slice(items));
        macro_rules! by_words {
            ($words:ident, $number:ty) => {
                const SIZE: usize = size_of::<$number>();
                let (parts, _) = bytes.as_chunks::<SIZE>();
                for (part, word) in parts.iter().zip(&self.block.$words()[at / SIZE..]) {
                    // ORDERING: as in `load`.
                    word.store(<$number>::from_ne_bytes(*part), Relaxed);
                }
            };
        }
        match align_of::<T>() {
            1 => {
                by_words!(words8, u8);
            }
            2 => {
                by_words!(words16, u16);
            }
            4 => {
                by_words!(words, u32);
            }
            _ => {
                by_words!(words64, u64);
            }
        }
    }
}

impl<T> Items<T> {
    pub(crate) fn encoded(&self) -> io::Result<Encoded> {
        Encoded::of(self.block.locate())
    }
}

impl<T> Clone for Items<T> {
    fn clone(&self) -> Items<T> {
        Items { block: self.block.clone(), items: PhantomData }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip<T: Pod + PartialEq + std::fmt::Debug>(items: &[T]) {
        let shared = Items::create(Kind::Array, items.len()).unwrap();
        assert_eq!(shared.len(), items.len());
        let mut copy = vec![T::zeroed(); items.len()];
        shared.load(0, &mut copy);
        assert!(copy.iter().all(|item| *item == T::zeroed()));
        shared.store(0, items);
        shared.load(0, &mut copy);
        assert_eq!(copy, items);
        for (index, item) in items.iter().enumerate() {
            assert_eq!(shared.get(index), *item);
        }
        shared.store(1, &items[..1]);
        assert_eq!((shared.get(0), shared.get(1), shared.get(2)), (items[0], items[0], items[2]));
    }

    #[test]
    fn items_of_every_alignment_are_what_was_stored() {
        round_trip(&[1_u8, 2, 3]);
        round_trip(&[-1_i16, 2, 3]);
        round_trip(&[1.5_f32, 2.0, 3.0]);
        round_trip(&[1.5_f64, 2.0, 3.0]);
        round_trip(&[u128::MAX, 2, 3]);
        round_trip(&[[1_u8, 2, 3], [4, 5, 6], [7, 8, 9]]);
        round_trip(&[[1_u32, 2, 3], [4, 5, 6], [7, 8, 9]]);
    }

    #[test]
    fn types_are_told_apart() {
        let tags = [tag::<u8>(), tag::<i8>(), tag::<u32>(), tag::<f32>(), tag::<[u8; 4]>(), tag::<[u8; 5]>()];
        assert!((1..tags.len()).all(|nth| !tags[..nth].contains(&tags[nth])));
    }
}
