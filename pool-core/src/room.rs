//! Where the results of a `map` go: one piece of memory that several threads fill at once.
//!
//! ```text
//!  room   │ value value value ·  ·  │ value ·  ·  ·  ·  │ ·  ·  ·  ·  · │
//!         └──── row, 3 filled ──────┴── row, 1 filled ──┴── row ────────┘
//! ```
//!
//! A room is cut into rows, one for each chunk. Whoever has a row writes its values where they belong in the
//! result, so they are neither moved nor gathered afterwards, and memory that is fresh is first touched by the
//! threads that fill it. In the end the full rows are joined again and become the `Vec` that the room was.
//!
//! Where an item and its value have the same layout, a row can hold the items too, each in the place of its
//! value: the worker finds in its cache what it is about to write. A vector of items can become a room as it is.
//!
//! Rust cannot see that two threads that write into one `Vec` keep to their own places. So there is `unsafe`
//! here, and these are its rules:
//!
//! 1. Two rows of a room have no place in common. A room begins as one row over all places; `cut` takes the
//!    places from one row that it gives to another, and `join` takes them back.
//! 2. In a row the first `filled` places hold values, which belong to the row; the others hold none. Of a row
//!    with items the places from `taken` to `end` hold items besides, and `filled` never passes `taken`.
//! 3. The memory outlives every row and stays where it is: each row has a share of the room, and the room is
//!    taken apart only by a row that has the last one.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::Arc;
use std::{mem, ptr, vec};

struct Room<R> {
    /// Owns the memory. Empty as far as it knows, so that it drops no values.
    memory: Vec<R>,
    /// The first place.
    base: *mut R,
}

// SAFETY: a room by itself gives no access to a value. Rows do, each to its own (rule 1), and whoever has a row
// sends, drops or takes the values in it, which R: Send allows on any thread.
unsafe impl<R: Send> Send for Room<R> {}
// SAFETY: as for Send; a shared room is good for nothing but arithmetic on its base.
unsafe impl<R: Send> Sync for Room<R> {}

/// Places of a room that nobody else has.
pub(crate) struct Row<R> {
    room: Arc<Room<R>>,
    start: usize,
    places: usize,
    filled: usize,
}

impl<R> Row<R> {
    /// A new room of so many places; of none when there is no memory for them.
    pub(crate) fn new(places: usize) -> Row<R> {
        let mut memory = Vec::new();
        let places = if memory.try_reserve_exact(places).is_ok() { places } else { 0 };
        let base = memory.as_mut_ptr();
        Row { room: Arc::new(Room { memory, base }), start: 0, places, filled: 0 }
    }

    /// Takes the first places off an empty row; `None` when it has not so many.
    pub(crate) fn cut(&mut self, places: usize) -> Option<Row<R>> {
        if self.filled > 0 || places > self.places {
            return None;
        }
        let row = Row { room: self.room.clone(), start: self.start, places, filled: 0 };
        self.start += places;
        self.places -= places;
        Some(row)
    }

    /// Puts what `make` returns into one place after the other that is free; it is called with 0, 1 and so on, until
    /// it returns `None`. Where it panics, what it returned before is kept.
    pub(crate) fn fill_with(&mut self, mut make: impl FnMut(usize) -> Option<R>) {
        let free = self.places - self.filled;
        // SAFETY: start + filled is a place of this row, or the one after its last (rule 1).
        let first = unsafe { self.room.base.add(self.start + self.filled) };
        let mut new = Filling { filled: &mut self.filled, new: 0 };
        for number in 0..free {
            let Some(value) = make(number) else { return };
            // SAFETY: a place of this row, which nobody else has (rule 1) and which holds no value (rule 2). It is
            // counted at once, before anything can panic.
            unsafe { first.add(number).write(value) };
            new.new = number + 1;
        }
    }

    /// How many values it has.
    pub(crate) fn filled(&self) -> usize {
        self.filled
    }

    pub(crate) fn is_full(&self) -> bool {
        self.filled == self.places
    }

    /// Calls `f` on one item after the other and keeps what it returns, as long as there are places. Where `f`
    /// panics, what it returned before is kept, and the items that are left stay.
    pub(crate) fn fill<A>(&mut self, items: &mut vec::IntoIter<A>, mut f: impl FnMut(A) -> R) {
        let free = self.places - self.filled;
        // SAFETY: start + filled is a place of this row, or the one after its last (rule 1).
        let first = unsafe { self.room.base.add(self.start + self.filled) };
        let mut new = Filling { filled: &mut self.filled, new: 0 };
        let mut put = |item| {
            let value = f(item);
            // SAFETY: at most `free` items come here, so this is a place of this row, which nobody else has
            // (rule 1) and which holds no value (rule 2). It is counted at once, before anything can panic.
            unsafe { first.add(new.new).write(value) };
            new.new += 1;
        };
        // A loop over all of the items, where they fit, is one that the compiler makes wide.
        match items.len() <= free {
            true => items.for_each(put),
            false => items.take(free).for_each(&mut put),
        }
    }

    /// Adds the places and values of a row that is full behind this one, if it follows it in the same room, and
    /// this one is full too.
    pub(crate) fn join(&mut self, mut next: Row<R>) -> Result<(), Row<R>> {
        let follows = Arc::ptr_eq(&self.room, &next.room) && self.start + self.places == next.start;
        if !follows || !self.is_full() {
            return Err(next);
        }
        self.places += mem::take(&mut next.places);
        self.filled += mem::take(&mut next.filled);
        Ok(())
    }

    /// The values. Moves none of them when the row begins with the room and no other row is left.
    pub(crate) fn into_vec(mut self) -> Vec<R> {
        let at_the_beginning = self.start == 0;
        if let Some(room) = Arc::get_mut(&mut self.room).filter(|_| at_the_beginning) {
            let mut values = mem::take(&mut room.memory);
            // SAFETY: this row has the last share of the room and its first places, so that the first `filled`
            // of the memory hold values (rule 2). They are no longer the row's.
            unsafe { values.set_len(mem::take(&mut self.filled)) };
            return values;
        }
        let mut values = Vec::new();
        self.append_to(&mut values);
        values
    }

    /// Moves the values behind `all`.
    pub(crate) fn append_to(mut self, all: &mut Vec<R>) {
        all.reserve(self.filled);
        // SAFETY: the values lie from `start` on (rule 2), the room for as many behind those of `all` was just
        // made, and the two are different memory. From here on they are those of `all` and no longer the row's.
        unsafe {
            let first = self.room.base.add(self.start);
            all.as_mut_ptr().add(all.len()).copy_from_nonoverlapping(first, self.filled);
            all.set_len(all.len() + mem::take(&mut self.filled));
        }
    }
}

/// A row whose places hold items, until they are taken and their values put there.
pub(crate) struct Seeded<A, R> {
    row: Row<R>,
    taken: usize,
    end: usize,
    items: PhantomData<A>,
}

// SAFETY: it owns items as a `Vec<A>` would, and a row; both may go to another thread.
unsafe impl<A: Send, R: Send> Send for Seeded<A, R> {}

impl<A, R> Seeded<A, R> {
    /// Whether an item fits into the place of a value, and fills it.
    pub(crate) const FITS: bool = size_of::<A>() == size_of::<R>() && align_of::<A>() <= align_of::<R>();
    /// Whether a vector of items is memory for a vector of values.
    pub(crate) const SAME: bool = Self::FITS && align_of::<A>() == align_of::<R>();

    /// Puts items into an empty row, until it has no place left or they end. Gives the row back if it is not
    /// empty or items do not fit.
    pub(crate) fn new(row: Row<R>, items: &mut impl Iterator<Item = A>) -> Result<Seeded<A, R>, Row<R>> {
        if !Seeded::<A, R>::FITS || row.filled > 0 {
            return Err(row);
        }
        let mut seeded = Seeded::<A, R> { row, taken: 0, end: 0, items: PhantomData };
        let (first, places) = (seeded.first(), seeded.row.places);
        // Should the input panic, those that were put in are dropped with `seeded`.
        let mut new = Filling { filled: &mut seeded.end, new: 0 };
        items.take(places).for_each(|item| {
            // SAFETY: at most `places` items come here, so this is a place of this row, which nobody else has
            // (rule 1) and which holds nothing (rule 2); an item fits into it.
            unsafe { first.add(new.new).write(item) };
            new.new += 1;
        });
        drop(new);
        seeded.row.places = seeded.end;
        Ok(seeded)
    }

    /// A room that is a vector's own memory, where its items lie already. Gives the vector back if that is no memory
    /// for values.
    pub(crate) fn of(items: Vec<A>) -> Result<Seeded<A, R>, Vec<A>> {
        if !Seeded::<A, R>::SAME {
            return Err(items);
        }
        let mut items = ManuallyDrop::new(items);
        let (base, count, capacity) = (items.as_mut_ptr().cast::<R>(), items.len(), items.capacity());
        // SAFETY: it is the memory of a vector, which is forgotten. Its places are as large and as aligned as those
        // of values, and none of them counts as holding one.
        let memory = unsafe { Vec::from_raw_parts(base, 0, capacity) };
        let row = Row { room: Arc::new(Room { memory, base }), start: 0, places: count, filled: 0 };
        Ok(Seeded { row, taken: 0, end: count, items: PhantomData })
    }

    /// Takes the first items off, at most so many, with their places; none when some were taken by themselves.
    pub(crate) fn cut(&mut self, items: usize) -> Seeded<A, R> {
        let items = if self.taken == 0 { items.min(self.end) } else { 0 };
        let row = Row { room: self.row.room.clone(), start: self.row.start, places: items, filled: 0 };
        self.row.start += items;
        self.row.places -= items;
        self.end -= items;
        Seeded { row, taken: 0, end: items, items: PhantomData }
    }

    /// The first place, seen as that of an item.
    fn first(&self) -> *mut A {
        // SAFETY: start is a place of this row, or the one after its last (rule 1).
        unsafe { self.row.room.base.add(self.row.start) }.cast()
    }

    /// How many items it has.
    pub(crate) fn len(&self) -> usize {
        self.end - self.taken
    }

    /// Calls `f` on one item after the other and puts what it returns in its place. Where `f` panics, what it
    /// returned before is kept, and the items that are left stay.
    pub(crate) fn fill(&mut self, mut f: impl FnMut(A) -> R) {
        if self.taken != self.row.filled {
            return; // An item is missing, since a panic: the values would not follow each other.
        }
        let (items, places, end) = (self.first(), self.first().cast::<R>(), self.end);
        let mut turned = Turning { taken: &mut self.taken, filled: &mut self.row.filled, begun: 0, done: 0 };
        let start = *turned.taken;
        for place in start..end {
            // SAFETY: a place between `taken` and `end` holds an item (rule 2), which is counted as taken before
            // anything can panic.
            let item = unsafe { items.add(place).read() };
            turned.begun = place + 1 - start;
            let value = f(item);
            // SAFETY: it is the place that the item was in: this row's, and empty.
            unsafe { places.add(place).write(value) };
            turned.done = turned.begun;
        }
    }

    /// Drops the items that are left.
    pub(crate) fn drop_items(&mut self) {
        let (first, count) = (self.taken, self.len());
        self.taken = self.end;
        // SAFETY: the places from `taken` to `end` held items (rule 2), and nobody counts them any more.
        unsafe { ptr::drop_in_place(ptr::slice_from_raw_parts_mut(self.first().add(first), count)) };
    }

    /// The items, moved out.
    pub(crate) fn into_items(mut self) -> Vec<A> {
        self.move_items()
    }

    /// The values, and the items that are left.
    pub(crate) fn apart(mut self) -> (Vec<R>, Vec<A>) {
        let items = self.move_items();
        (self.into_row().into_vec(), items)
    }

    fn move_items(&mut self) -> Vec<A> {
        let (first, count) = (self.taken, self.len());
        let mut items: Vec<A> = Vec::with_capacity(count);
        self.taken = self.end;
        // SAFETY: the places from `taken` to `end` held items (rule 2) that nobody counts any more; the new
        // memory has room for them.
        unsafe {
            items.as_mut_ptr().copy_from_nonoverlapping(self.first().add(first), count);
            items.set_len(count);
        }
        items
    }

    /// The row with the values; items that are left are dropped.
    pub(crate) fn into_row(mut self) -> Row<R> {
        let empty = Row { room: self.row.room.clone(), start: 0, places: 0, filled: 0 };
        self.drop_items();
        mem::replace(&mut self.row, empty)
    }
}

impl<A, R> Drop for Seeded<A, R> {
    fn drop(&mut self) {
        // The values go with the row, after this.
        self.drop_items();
    }
}

/// Counts items as they are taken and values as they are put in, and tells the row when that ends, however it
/// does.
struct Turning<'a> {
    taken: &'a mut usize,
    filled: &'a mut usize,
    begun: usize,
    done: usize,
}

impl Drop for Turning<'_> {
    fn drop(&mut self) {
        *self.taken += self.begun;
        *self.filled += self.done;
    }
}

impl<R> Drop for Row<R> {
    fn drop(&mut self) {
        if self.filled > 0 {
            // SAFETY: these places hold values that are the row's alone (rules 1 and 2); nobody has it after this.
            unsafe {
                let first = self.room.base.add(self.start);
                ptr::drop_in_place(ptr::slice_from_raw_parts_mut(first, self.filled));
            }
        }
    }
}

/// Counts values as they are put in, and adds them to the row's when the putting ends, however it does.
struct Filling<'a> {
    filled: &'a mut usize,
    new: usize,
}

impl Drop for Filling<'_> {
    fn drop(&mut self) {
        *self.filled += self.new;
    }
}

#[cfg(test)]
mod tests;
