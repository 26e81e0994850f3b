//! Large arrays, passed as a handle.

use bytemuck::{Pod, Zeroable};
use pool::shared::{Event, SharedVec};
use pool::{Pool, ThreadPool};

use crate::churn::{churn, encoded};
use crate::support::pool_of;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    an_array_is_read_where_it_lies,
    an_array_of_structs_is_read_where_it_lies,
    an_array_without_items_is_passed_too,
    an_array_is_a_result_too,
    a_pools_task_gives_an_array_for_an_array,
    a_child_has_no_array_that_is_being_filled,
    an_array_outlives_the_handles_of_whoever_made_it,
    a_reader_that_is_killed_takes_nothing_along,
    many_arrays_made_passed_and_dropped_leave_nothing,
);

fn an_array_is_read_where_it_lies(elsewhere: Elsewhere) {
    fn sums(arrays: Vec<SharedVec<u64>>) -> Vec<u64> {
        arrays.iter().map(|array| array.iter().sum()).collect()
    }
    const LEN: u64 = 1 << 20;
    let items: Vec<u64> = (0..LEN).collect();
    let mut draft = SharedVec::draft(items.len()).unwrap();
    assert!(draft.iter().all(|item| *item == 0));
    draft.copy_from_slice(&items);
    let arrays = vec![
        draft.freeze().unwrap(),
        SharedVec::from_slice(&items).unwrap(),
        SharedVec::try_from_iter(items.iter().copied()).unwrap(),
    ];
    for array in &arrays {
        assert!(array[..] == items[..]);
    }
    assert_eq!(elsewhere.start(sums, arrays).join(), [LEN * (LEN - 1) / 2; 3]);
}

#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Point {
    place: [f64; 3],
    count: u32,
    colour: u32,
}

fn an_array_of_structs_is_read_where_it_lies(elsewhere: Elsewhere) {
    fn first_and_last(points: SharedVec<Point>) -> (Vec<f64>, u32) {
        (points[0].place.to_vec(), points[points.len() - 1].count)
    }
    let point = |count| Point { place: [f64::from(count); 3], count, colour: 7 };
    let points = SharedVec::try_from_iter((5..10).map(point)).unwrap();
    assert_eq!(elsewhere.start(first_and_last, points).join(), (vec![5.0; 3], 9));
}

fn an_array_without_items_is_passed_too(elsewhere: Elsewhere) {
    let arrays = [SharedVec::from_slice(&[]).unwrap(), SharedVec::draft(0).unwrap().freeze().unwrap()];
    for array in arrays {
        assert!(elsewhere.start(|array: SharedVec<u32>| array.is_empty(), array).join());
    }
}

fn an_array_is_a_result_too(elsewhere: Elsewhere) {
    fn squares(len: u64) -> SharedVec<u64> {
        SharedVec::try_from_iter((0..len).map(|n| n * n)).unwrap()
    }
    // Its maker has ended.
    let array = elsewhere.start(squares, 1_000).join();
    assert!(array.iter().copied().eq((0..1_000).map(|n| n * n)));
    let sum = elsewhere.start(|array: SharedVec<u64>| array.iter().sum::<u64>(), array.clone()).join();
    assert_eq!(sum, array.iter().sum());
}

fn a_pools_task_gives_an_array_for_an_array(elsewhere: Elsewhere) {
    fn doubled(array: SharedVec<u32>) -> SharedVec<u32> {
        let mut draft = SharedVec::draft(array.len()).unwrap();
        draft.iter_mut().zip(&array).for_each(|(to, from)| *to = from * 2);
        draft.freeze().unwrap()
    }
    fn check(pool: &impl Pool) {
        let arrays: Vec<_> = (0..20).map(|n| SharedVec::from_slice(&[n; 100]).unwrap()).collect();
        let doubles = pool.map(doubled, arrays.clone()).unwrap();
        for (array, double) in arrays.iter().zip(&doubles) {
            assert!(double.iter().eq(array.iter().map(|n| n * 2).collect::<Vec<_>>().iter()));
        }
        // And once more, what a worker made.
        assert_eq!(pool.apply(doubled, doubles[7].clone()).unwrap()[..], [28; 100]);
    }
    match elsewhere {
        Elsewhere::Thread => check(&ThreadPool::new(2).unwrap()),
        Elsewhere::Process(method) => check(&pool_of(method, 2)),
    }
}

fn a_child_has_no_array_that_is_being_filled(elsewhere: Elsewhere) {
    fn has_a_draft(_: ()) -> bool {
        std::fs::read_to_string("/proc/self/maps").unwrap().contains("memfd:pool-frozen")
    }
    let mut draft = SharedVec::<u32>::draft(10).unwrap();
    draft.fill(5);
    assert!(has_a_draft(()));
    if elsewhere.is_process() {
        assert!(!elsewhere.start(has_a_draft, ()).join());
    }
    assert_eq!(draft.freeze().unwrap()[..], [5; 10]);
}

fn an_array_outlives_the_handles_of_whoever_made_it(elsewhere: Elsewhere) {
    fn sum((array, has_it, dropped): (SharedVec<u32>, Event, Event)) -> u32 {
        has_it.set();
        dropped.wait();
        array.iter().sum()
    }
    let (has_it, dropped) = (Event::new().unwrap(), Event::new().unwrap());
    let array = SharedVec::try_from_iter(0..10_000).unwrap();
    let party = elsewhere.start(sum, (array, has_it.clone(), dropped.clone()));
    has_it.wait();
    dropped.set();
    assert_eq!(party.join(), 10_000 * 9_999 / 2);
}

fn a_reader_that_is_killed_takes_nothing_along(elsewhere: Elsewhere) {
    if !elsewhere.is_process() {
        return;
    }
    fn read((array, reads): (SharedVec<u32>, Event)) {
        while array.iter().sum::<u32>() == 100_000 {
            reads.set();
        }
    }
    let array = SharedVec::from_slice(&[1_u32; 100_000]).unwrap();
    let reads = Event::new().unwrap();
    let party = elsewhere.start(read, (array.clone(), reads.clone()));
    reads.wait();
    party.kill();
    assert!(array.iter().all(|item| *item == 1));
    let sum = elsewhere.start(|array: SharedVec<u32>| array.iter().sum::<u32>(), array).join();
    assert_eq!(sum, 100_000);
}

fn many_arrays_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth| SharedVec::from_slice(&[nth; 3]).unwrap();
    churn(elsewhere, make, |(array, nth): (SharedVec<u32>, u32)| array[..] == [nth; 3]);
}

#[test]
fn items_of_another_type_are_refused() {
    let array = SharedVec::from_slice(&[1_u32, 2]).unwrap();
    let bytes = encoded(&array);
    assert_eq!(pool::codec::decode::<SharedVec<u32>>(&bytes).unwrap(), array);
    let error = pool::codec::decode::<SharedVec<i32>>(&bytes).unwrap_err();
    assert!(error.to_string().contains("items of another type"), "{error}");
    let error = pool::codec::decode::<Event>(&bytes).unwrap_err();
    assert!(error.to_string().contains("another kind"), "{error}");
    drop(array);
    assert!(pool::codec::decode::<SharedVec<u32>>(&bytes).is_err(), "nobody kept it");
}

#[test]
fn an_absurd_length_is_an_error_that_says_how_much() {
    let error = SharedVec::<u64>::draft(1 << 60).unwrap_err();
    assert!(error.to_string().contains("bytes of shared memory"), "{error}");
    let error = SharedVec::<u64>::draft(usize::MAX).unwrap_err();
    assert!(error.to_string().contains("bytes of shared memory"), "{error}");
}

#[test]
fn what_is_passed_does_not_grow_with_the_array() {
    let passed = |len| encoded(&SharedVec::<u8>::draft(len).unwrap().freeze().unwrap()).len();
    assert!(passed(1 << 30) <= 32);
}

#[test]
fn nobody_can_write_an_array_that_is_frozen() {
    let array = SharedVec::from_slice(&[1_u8; 4096]).unwrap();
    let mapped = std::fs::read_to_string("/proc/self/maps").unwrap();
    let place = format!("{:x}-", array.as_ptr() as usize & !4095);
    let line = mapped.lines().find(|line| line.starts_with(&place)).unwrap();
    assert!(line.contains(" r--"), "{line}");
}
