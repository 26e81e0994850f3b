//! Arrays that everybody may write, with a lock and without; and many blocks at a time.

use pool::shared::{Array, Event, Lock, RawArray, RawValue};

use crate::churn::{churn, held};
use crate::support::Random;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    an_array_is_read_and_written_by_items_and_by_parts,
    a_raw_array_is_read_and_written_by_items_and_by_parts,
    writers_of_neighbours_do_not_disturb_each_other,
    a_holder_that_is_killed_leaves_an_abandoned_array,
    arrays_of_one_lock_are_locked_together,
    many_arrays_made_passed_and_dropped_leave_nothing,
    many_raw_arrays_made_passed_and_dropped_leave_nothing,
);

const SEQUENCE: [i32; 9] = [680, 626, 934, 821, 150, 233, 548, 982, 714];

/// What both have: the calls are the same, the types are not.
macro_rules! by_items_and_by_parts {
    ($array:ident, $elsewhere:ident) => {{
        fn sums(array: $array<i32>) {
            for index in 1..array.len() {
                let sum = array.get(index - 1).unwrap() + array.get(index).unwrap();
                array.set(index, sum).unwrap();
            }
        }
        let mut expected = SEQUENCE;
        let array = $array::from_slice(&SEQUENCE).unwrap();
        assert_eq!(array.len(), SEQUENCE.len());
        assert_eq!(array.get(3).unwrap(), SEQUENCE[3]);
        let mut part = [0; 5];
        array.read(2, &mut part).unwrap();
        assert_eq!(part, SEQUENCE[2..7]);
        array.write(4, &[1, 2, 3, 4]).unwrap();
        expected[4..8].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(array.to_vec(), expected);

        for error in [
            array.get(9).unwrap_err(),
            array.set(9, 0).unwrap_err(),
            array.read(5, &mut part).unwrap_err(),
            array.write(usize::MAX, &part).unwrap_err(),
        ] {
            assert_eq!(error.len, 9);
        }
        assert_eq!(array.get(9).unwrap_err().to_string(), "item 9 of an array of 9");
        assert_eq!(array.to_vec(), expected);

        $elsewhere.start(sums, array.clone()).join();
        for index in 1..expected.len() {
            expected[index] += expected[index - 1];
        }
        assert_eq!(array.to_vec(), expected);
        assert!($array::<u64>::zeroed(0).unwrap().is_empty());
    }};
}

fn an_array_is_read_and_written_by_items_and_by_parts(elsewhere: Elsewhere) {
    by_items_and_by_parts!(Array, elsewhere);
}

fn a_raw_array_is_read_and_written_by_items_and_by_parts(elsewhere: Elsewhere) {
    by_items_and_by_parts!(RawArray, elsewhere);
}

#[test]
fn an_array_from_a_size_is_zero_even_where_memory_is_used_again() {
    const LEN: usize = 10;
    for _ in 0..3 {
        let (array, raw) = (Array::<i32>::zeroed(LEN).unwrap(), RawArray::<i32>::zeroed(LEN).unwrap());
        assert_eq!((array.to_vec(), raw.to_vec()), (vec![0; LEN], vec![0; LEN]));
        array.write(0, &[7; LEN]).unwrap();
        raw.write(0, &[7; LEN]).unwrap();
        assert_eq!((array.to_vec(), raw.to_vec()), (vec![7; LEN], vec![7; LEN]));
    }
}

#[test]
fn an_absurd_size_is_an_error_that_says_how_much() {
    for error in [
        Array::<u64>::zeroed(usize::MAX).unwrap_err(),
        Array::<u64>::zeroed(1 << 60).unwrap_err(),
        RawArray::<u8>::zeroed(1 << 62).unwrap_err(),
    ] {
        assert!(error.to_string().contains("bytes of shared memory"), "{error}");
    }
}

#[test]
fn what_is_one_object_is_not_read_as_another() {
    let refused =
        |error: pool::codec::CodecError, why: &str| assert!(error.to_string().contains(why), "{error}");
    let mut bytes = Vec::new();
    let array = RawArray::from_slice(&[1_u32, 2]).unwrap();
    pool::codec::encode(&array, &mut bytes).unwrap();
    assert_eq!(pool::codec::decode::<RawArray<u32>>(&bytes).unwrap().to_vec(), [1, 2]);
    refused(pool::codec::decode::<RawArray<i32>>(&bytes).unwrap_err(), "items of another type");
    refused(pool::codec::decode::<RawValue<u32>>(&bytes).unwrap_err(), "another kind");
}

fn writers_of_neighbours_do_not_disturb_each_other(elsewhere: Elsewhere) {
    const ROUNDS: u8 = 200;
    fn write((bytes, first): (RawArray<u8>, usize)) {
        for round in 1..=ROUNDS {
            for index in (first..bytes.len()).step_by(2) {
                bytes.set(index, round).unwrap();
                assert_eq!(bytes.get(index).unwrap(), round);
            }
        }
    }
    let bytes = RawArray::zeroed(65).unwrap();
    let party = elsewhere.start(write, (bytes.clone(), 0));
    write((bytes.clone(), 1));
    party.join();
    assert!(bytes.iter().all(|byte| byte == ROUNDS));
}

fn a_holder_that_is_killed_leaves_an_abandoned_array(elsewhere: Elsewhere) {
    fn hold((array, holds, never): (Array<u64>, Event, Event)) {
        let guard = array.lock();
        guard.set(0, 9).unwrap();
        holds.set();
        never.wait();
    }
    if !elsewhere.is_process() {
        return;
    }
    let array = Array::from_slice(&[1, 2, 3]).unwrap();
    let (holds, never) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(hold, (array.clone(), holds.clone(), never));
    holds.wait();
    assert!(array.try_lock().is_none());
    party.kill();
    let guard = array.lock();
    assert!(guard.is_abandoned());
    assert_eq!(guard.to_vec(), [9, 2, 3], "what it got done is there");
    guard.clear_abandoned();
    drop(guard);
    assert!(!array.lock().is_abandoned());
}

fn arrays_of_one_lock_are_locked_together(elsewhere: Elsewhere) {
    fn attempt(array: Array<u32>) -> bool {
        array.try_lock().is_some()
    }
    let lock = Lock::new().unwrap();
    let one = Array::with_lock(&[1], &lock).unwrap();
    let other = Array::zeroed_with_lock(2, &lock).unwrap();
    let guard = one.lock();
    assert!(!elsewhere.start(attempt, other.clone()).join());
    drop(guard);
    assert!(elsewhere.start(attempt, other).join());
}

fn many_arrays_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth| Array::from_slice(&[nth; 5]).unwrap();
    churn(elsewhere, make, |(array, nth): (Array<u32>, u32)| array.to_vec() == [nth; 5]);
}

fn many_raw_arrays_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth| RawArray::from_slice(&[nth; 5]).unwrap();
    churn(elsewhere, make, |(array, nth): (RawArray<u32>, u32)| array.to_vec() == [nth; 5]);
}

/// Each object has a segment of its own, so there is no arena to be tiled, and nothing that could be left in one.
#[test]
fn after_thousands_of_random_creations_and_drops_nothing_is_left() {
    let path = "shared::array::after_thousands_of_random_creations_and_drops_nothing_is_left";
    crate::support::alone(path, || {
        let before = held();
        let mut random = Random::new(5);
        let mut arrays = Vec::new();
        for _ in 0..5_000 {
            let len = 1 + random.below(1_000) as usize * (1 + random.below(50) as usize);
            arrays.push(RawArray::<u8>::zeroed(len).unwrap());
            if arrays.len() > 100 {
                let victim = random.below(arrays.len() as u64) as usize;
                arrays.swap_remove(victim);
            }
        }
        assert_eq!(held().1, before.1 + arrays.len());
        drop(arrays);
        assert_eq!(held(), before);
    });
}

#[test]
fn drops_beside_creations_on_another_thread_do_not_dead_lock() {
    let path = "shared::array::drops_beside_creations_on_another_thread_do_not_dead_lock";
    crate::support::alone(path, || {
        let before = held();
        let (give, take) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(move || take.into_iter().for_each(drop::<RawArray<u32>>));
            for nth in 0..5_000 {
                give.send(RawArray::from_slice(&[nth]).unwrap()).unwrap();
            }
            drop(give);
        });
        assert_eq!(held(), before);
    });
}
