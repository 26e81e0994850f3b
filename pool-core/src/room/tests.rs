//! Values are where they belong, and each is dropped once, whatever happens to the rows.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::*;

/// Counts itself while it lives.
struct Counted<'a>(u32, &'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(x: u32, living: &'a AtomicUsize) -> Counted<'a> {
        living.fetch_add(1, Relaxed);
        Counted(x, living)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Relaxed);
    }
}

fn items(range: std::ops::Range<u32>) -> vec::IntoIter<u32> {
    range.collect::<Vec<_>>().into_iter()
}

fn filled<'a>(mut row: Row<Counted<'a>>, from: u32, living: &'a AtomicUsize) -> Row<Counted<'a>> {
    let end = from + (row.places - row.filled) as u32;
    row.fill(&mut items(from..end), |x| Counted::new(x, living));
    row
}

fn numbers(values: &[Counted<'_>]) -> Vec<u32> {
    values.iter().map(|value| value.0).collect()
}

#[test]
fn rows_that_threads_fill_become_one_vec_in_the_same_memory() {
    let mut rest = Row::new(10);
    let base = rest.room.base;
    let mut rows: Vec<Row<String>> = [4, 1, 0, 5].map(|places| rest.cut(places).unwrap()).into();
    assert!(rest.cut(1).is_none());
    drop(rest);
    std::thread::scope(|scope| {
        for (from, row) in [0, 4, 5, 5].into_iter().zip(&mut rows) {
            scope.spawn(move || row.fill(&mut items(from..10), |x| x.to_string()));
        }
    });
    let mut rows = rows.into_iter();
    let mut all = rows.next().unwrap();
    rows.for_each(|row| assert!(all.join(row).is_ok()));
    let values = all.into_vec();
    assert_eq!(values, (0..10).map(|x| x.to_string()).collect::<Vec<_>>());
    assert_eq!(values.as_ptr(), base.cast_const());
}

#[test]
fn what_a_row_has_is_dropped_with_it_once() {
    let living = AtomicUsize::new(0);
    let mut rest = Row::new(6);
    let [first, second] = [3, 2].map(|places| filled(rest.cut(places).unwrap(), 0, &living));
    assert_eq!(living.load(Relaxed), 5);
    drop(first);
    assert_eq!(living.load(Relaxed), 2);
    drop(rest);
    drop(second);
    assert_eq!(living.load(Relaxed), 0);
}

#[test]
fn a_panic_leaves_the_values_before_it_and_the_items_after_it() {
    let living = AtomicUsize::new(0);
    let mut row = Row::new(5);
    let mut items = items(0..5);
    let fill = |row: &mut Row<_>, items: &mut vec::IntoIter<u32>| {
        catch_unwind(AssertUnwindSafe(|| {
            row.fill(items, |x| if x == 2 { panic!("two") } else { Counted::new(x, &living) });
        }))
    };
    assert!(fill(&mut row, &mut items).is_err());
    assert_eq!((row.filled(), row.is_full(), items.as_slice()), (2, false, &[3, 4][..]));
    // It can go on from there.
    assert!(fill(&mut row, &mut items).is_ok());
    assert_eq!((row.filled(), living.load(Relaxed)), (4, 4));
    assert_eq!(numbers(&row.into_vec()), [0, 1, 3, 4]);
    assert_eq!(living.load(Relaxed), 0);
}

#[test]
fn items_without_a_place_are_left() {
    let mut row = Row::new(3);
    let mut items = items(0..5);
    row.fill(&mut items, |x| x);
    row.fill(&mut items, |x| x);
    assert_eq!(items.as_slice(), [3, 4]);
    assert_eq!(row.into_vec(), [0, 1, 2]);
}

#[test]
fn only_full_rows_of_one_room_that_follow_each_other_are_joined() {
    let living = AtomicUsize::new(0);
    let mut rest = Row::new(6);
    let [first, second, third] = [2, 2, 2].map(|places| rest.cut(places).unwrap());
    let mut first = filled(first, 0, &living);
    let third = first.join(filled(third, 4, &living)).err().unwrap();
    let elsewhere = first.join(filled(Row::new(2), 9, &living)).err().unwrap();
    drop(elsewhere);
    let mut second = second;
    second.fill(&mut items(2..3), |x| Counted::new(x, &living));
    let third = second.join(third).err().unwrap();
    let second = filled(second, 3, &living);
    assert!(first.join(second).is_ok());
    assert!(first.join(third).is_ok());
    assert_eq!(numbers(&first.into_vec()), [0, 1, 2, 3, 4, 5]);
    assert_eq!(living.load(Relaxed), 0);
}

#[test]
fn a_room_that_others_have_rows_of_is_left_to_them() {
    let living = AtomicUsize::new(0);
    let mut rest = Row::new(6);
    let [first, second, third] = [2, 2, 2].map(|places| rest.cut(places).unwrap());
    let first = filled(first, 0, &living);
    let base = first.room.base.cast_const();
    let values = first.into_vec();
    assert_ne!(values.as_ptr(), base);
    let third = filled(third, 4, &living);
    // Not the first places, and not the last row.
    let more = third.into_vec();
    let mut all = values;
    filled(second, 2, &living).append_to(&mut all);
    assert_eq!((numbers(&all), numbers(&more)), (vec![0, 1, 2, 3], vec![4, 5]));
    drop((all, more));
    assert_eq!(living.load(Relaxed), 0);
}

#[test]
fn a_row_with_values_is_not_cut() {
    let mut row = Row::new(4);
    row.fill(&mut items(0..1), |x| x);
    assert!(row.cut(1).is_none());
}

#[test]
fn more_places_than_there_is_memory_are_none() {
    let mut row = Row::<u64>::new(usize::MAX);
    assert!(row.cut(1).is_none());
    row.fill(&mut items(0..3), u64::from);
    assert_eq!(row.into_vec(), []);
}

#[test]
fn values_without_bytes_are_counted_too() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Relaxed);
        }
    }
    let mut rest = Row::new(usize::MAX);
    let [mut first, mut second] = [3, 4].map(|places| rest.cut(places).unwrap());
    drop(rest);
    first.fill(&mut items(0..9), |_| Nothing);
    second.fill(&mut items(0..9), |_| Nothing);
    assert!(first.join(second).is_ok());
    let values = first.into_vec();
    assert_eq!((values.len(), DROPPED.load(Relaxed)), (7, 0));
    drop(values);
    assert_eq!(DROPPED.load(Relaxed), 7);
}

fn seeded<'a>(
    row: Row<u64>,
    numbers: std::ops::Range<u32>,
    living: &'a AtomicUsize,
) -> Seeded<Eight<'a>, u64> {
    Seeded::new(row, &mut numbers.map(|x| Eight::new(x, living))).ok().unwrap()
}

/// As large as a `u64`, and counts itself while it lives.
struct Eight<'a>(Box<Counted<'a>>);

impl<'a> Eight<'a> {
    fn new(x: u32, living: &'a AtomicUsize) -> Eight<'a> {
        Eight(Box::new(Counted::new(x, living)))
    }
}

#[test]
fn items_lie_where_their_values_will_be() {
    let living = AtomicUsize::new(0);
    let mut rest = Row::<u64>::new(5);
    let base = rest.room.base.cast_const();
    let [first, second] = [3, 2].map(|places| rest.cut(places).unwrap());
    drop(rest);
    let [mut first, mut second] = [seeded(first, 0..9, &living), seeded(second, 3..9, &living)];
    assert_eq!((first.len(), second.len(), living.load(Relaxed)), (3, 2, 5));
    std::thread::scope(|scope| {
        for row in [&mut second, &mut first] {
            scope.spawn(move || row.fill(|item| u64::from(item.0.0)));
        }
    });
    assert_eq!((first.len(), living.load(Relaxed)), (0, 0));
    let mut all = first.into_row();
    assert!(all.join(second.into_row()).is_ok());
    let values = all.into_vec();
    assert_eq!(values, [0, 1, 2, 3, 4]);
    assert_eq!(values.as_ptr(), base);
}

#[test]
fn an_input_that_ends_early_leaves_a_shorter_row() {
    let living = AtomicUsize::new(0);
    let mut row = seeded(Row::new(5), 0..2, &living);
    row.fill(|item| u64::from(item.0.0));
    let row = row.into_row();
    assert!(row.is_full());
    assert_eq!(row.into_vec(), [0, 1]);
}

#[test]
fn an_input_that_panics_takes_its_items_with_it() {
    let living = AtomicUsize::new(0);
    let mut input = (0..5).map(|x| if x == 3 { panic!("three") } else { Eight::new(x, &living) });
    let unwound = catch_unwind(AssertUnwindSafe(|| Seeded::new(Row::<u64>::new(5), &mut input)));
    assert!(unwound.is_err());
    assert_eq!(living.load(Relaxed), 0);
}

#[test]
fn a_panic_in_place_leaves_the_values_before_it_and_the_items_after_it() {
    let living = AtomicUsize::new(0);
    let made = AtomicUsize::new(0);
    let mut rest = Row::<Eight<'_>>::new(5);
    let mut row =
        Seeded::new(rest.cut(5).unwrap(), &mut (0..5).map(|x| Eight::new(x, &living))).ok().unwrap();
    fn turn<'a>(row: &mut Seeded<Eight<'_>, Eight<'a>>, made: &'a AtomicUsize) -> std::thread::Result<()> {
        let fill = || row.fill(|item| if item.0.0 == 2 { panic!() } else { Eight::new(item.0.0, made) });
        catch_unwind(AssertUnwindSafe(fill))
    }
    assert!(turn(&mut row, &made).is_err());
    // The third item went with the panic.
    assert_eq!((row.len(), living.load(Relaxed), made.load(Relaxed)), (2, 2, 2));
    // It does not go on, for its values would not follow each other.
    assert!(turn(&mut row, &made).is_ok());
    assert_eq!((row.len(), made.load(Relaxed)), (2, 2));
    row.drop_items();
    assert_eq!((row.len(), living.load(Relaxed)), (0, 0));
    let row = row.into_row();
    assert_eq!((row.filled(), row.is_full()), (2, false));
    drop(row);
    assert_eq!(made.load(Relaxed), 0);
}

#[test]
fn items_in_place_are_dropped_or_moved_out_once() {
    let living = AtomicUsize::new(0);
    let mut rest = Row::new(6);
    let [dropped, moved, returned] = [2, 2, 2].map(|places| seeded(rest.cut(places).unwrap(), 0..2, &living));
    drop(dropped);
    assert_eq!(living.load(Relaxed), 4);
    let items = moved.into_items();
    assert_eq!(items.iter().map(|item| item.0.0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(returned.into_row().filled(), 0);
    assert_eq!(living.load(Relaxed), 2);
    drop(items);
    assert_eq!(living.load(Relaxed), 0);
}

#[test]
fn only_items_of_the_size_of_values_lie_in_their_places() {
    let fits = [Seeded::<u64, f64>::FITS, Seeded::<[u8; 8], u64>::FITS];
    // As large, but not so aligned; smaller.
    let does_not = [Seeded::<u64, [u8; 8]>::FITS, Seeded::<u32, u64>::FITS];
    assert_eq!((fits, does_not), ([true; 2], [false; 2]));
    let mut input = 0..3u32;
    assert!(Seeded::new(Row::<u64>::new(3), &mut input).is_err());
    assert_eq!(input, 0..3);
}

#[test]
fn values_made_one_by_one_fill_a_row_until_there_are_no_more() {
    let mut row = Row::new(5);
    row.fill_with(|place| (place < 2).then(|| place.to_string()));
    assert_eq!((row.filled(), row.is_full()), (2, false));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        row.fill_with(|place| if place == 1 { panic!("one") } else { Some(format!("again {place}")) });
    }));
    assert!(unwound.is_err());
    row.fill_with(|place| Some(place.to_string()));
    assert!(row.is_full());
    row.fill_with(|_| Some(String::from("one more")));
    assert_eq!(row.into_vec(), ["0", "1", "again 0", "0", "1"]);
}

#[test]
fn a_vector_is_a_room_of_its_items() {
    let (living, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut items = Vec::with_capacity(9);
    items.extend((0..5).map(|x| Eight::new(x, &living)));
    let base = items.as_ptr();
    let mut rest = Seeded::of(items).ok().unwrap();
    let mut rows = [2, 3].map(|items| rest.cut(items));
    assert_eq!((rest.len(), rest.cut(1).len()), (0, 0));
    drop(rest);
    std::thread::scope(|scope| {
        for row in &mut rows {
            scope.spawn(|| row.fill(|item| Eight::new(item.0.0 + 10, &made)));
        }
    });
    let [mut first, second] = rows.map(Seeded::into_row);
    assert!(first.join(second).is_ok());
    let values: Vec<Eight<'_>> = first.into_vec();
    assert_eq!(values.iter().map(|value| value.0.0).collect::<Vec<_>>(), [10, 11, 12, 13, 14]);
    assert_eq!((values.as_ptr(), values.capacity()), (base, 9));
    assert_eq!((living.load(Relaxed), made.load(Relaxed)), (0, 5));
    drop(values);
    assert_eq!(made.load(Relaxed), 0);
}

#[test]
fn a_vector_whose_memory_does_not_suit_values_is_given_back() {
    assert_eq!(Seeded::<[u8; 8], u64>::of(vec![[1; 8]]).err(), Some(vec![[1; 8]]));
    // A vector of values would be given back to the allocator as less aligned than it was.
    assert_eq!(Seeded::<u64, [u8; 8]>::of(vec![1]).err(), Some(vec![1]));
    assert_eq!(Seeded::<u32, u64>::of(vec![1]).err(), Some(vec![1]));
    let nothing = Seeded::<(), ()>::of(vec![(); 3]).ok().unwrap();
    assert_eq!((nothing.len(), nothing.into_items()), (3, vec![(); 3]));
}

#[test]
fn after_a_panic_the_values_and_the_items_that_are_left_come_apart() {
    let (living, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut row = Seeded::of((0..5).map(|x| Eight::new(x, &living)).collect()).ok().unwrap();
    let fill = || row.fill(|item| if item.0.0 == 2 { panic!("two") } else { Eight::new(item.0.0, &made) });
    assert!(catch_unwind(AssertUnwindSafe(fill)).is_err());
    let (values, items) = row.apart();
    let of = |all: &[Eight<'_>]| all.iter().map(|one| one.0.0).collect::<Vec<_>>();
    assert_eq!((of(&values), of(&items)), (vec![0, 1], vec![3, 4]));
    assert_eq!((living.load(Relaxed), made.load(Relaxed)), (2, 2));
    drop((values, items));
    assert_eq!((living.load(Relaxed), made.load(Relaxed)), (0, 0));
}

#[test]
fn a_row_that_was_begun_has_no_items_to_cut() {
    let mut row = Seeded::<u64, u64>::of(vec![1, 2, 3]).ok().unwrap();
    row.fill(|x| x);
    assert_eq!((row.cut(2).len(), row.into_row().into_vec()), (0, vec![1, 2, 3]));
}
