//! Values, with a lock and without.

use std::time::Duration;

use bytemuck::{Pod, Zeroable};
use pool::shared::{Array, Event, Lock, RawArray, RawValue, Value};

use crate::churn::churn;
use crate::support::Random;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    values_have_what_was_put_in_and_then_what_the_other_wrote,
    raw_values_have_what_was_put_in_and_then_what_the_other_wrote,
    the_other_doubles_scalars_a_struct_an_array_and_a_text,
    the_other_doubles_scalars_a_struct_an_array_and_a_text_under_locks,
    no_increment_under_the_lock_is_lost,
    the_lock_keeps_the_other_out,
    values_of_one_lock_are_locked_together,
    a_holder_that_is_killed_leaves_an_abandoned_value,
    one_that_is_killed_while_it_counts_leaves_a_whole_number,
    a_panic_in_a_change_changes_nothing,
    many_values_made_passed_and_dropped_leave_nothing,
    many_raw_values_made_passed_and_dropped_leave_nothing,
);

fn values_have_what_was_put_in_and_then_what_the_other_wrote(elsewhere: Elsewhere) {
    type Values = (Value<i32>, Value<f64>, Value<i16>, Value<i64>, Value<u8>);
    fn write((int, double, short, long, byte): Values) -> (i32, f64, i16, i64, u8) {
        let before = (int.get(), double.get(), short.get(), long.get(), byte.get());
        int.set(-7);
        assert_eq!(double.replace(6.25), 3.5);
        short.with(|short| *short = -232);
        long.lock().set(1 << 60);
        byte.set(b'y');
        before
    }
    let values: Values = (
        Value::new(7).unwrap(),
        Value::new(3.5).unwrap(),
        Value::new(1234).unwrap(),
        Value::new(-(1 << 60)).unwrap(),
        Value::new(b'x').unwrap(),
    );
    let before = elsewhere.start(write, values.clone()).join();
    assert_eq!(before, (7, 3.5, 1234, -(1 << 60), b'x'));
    let (int, double, short, long, byte) = values;
    let now = (int.get(), double.get(), short.get(), long.get(), byte.get());
    assert_eq!(now, (-7, 6.25, -232, 1 << 60, b'y'));
}

fn raw_values_have_what_was_put_in_and_then_what_the_other_wrote(elsewhere: Elsewhere) {
    type Values = (RawValue<i32>, RawValue<f64>, RawValue<i16>, RawValue<i64>, RawValue<u8>);
    fn write((int, double, short, long, byte): Values) -> (i32, f64, i16, i64, u8) {
        let before = (int.get(), double.get(), short.get(), long.get(), byte.get());
        int.set(-7);
        double.set(6.25);
        short.set(-232);
        long.set(1 << 60);
        byte.set(b'y');
        before
    }
    let values: Values = (
        RawValue::new(7).unwrap(),
        RawValue::new(3.5).unwrap(),
        RawValue::new(1234).unwrap(),
        RawValue::new(-(1 << 60)).unwrap(),
        RawValue::new(b'x').unwrap(),
    );
    let before = elsewhere.start(write, values.clone()).join();
    assert_eq!(before, (7, 3.5, 1234, -(1 << 60), b'x'));
    let (int, double, short, long, byte) = values;
    let now = (int.get(), double.get(), short.get(), long.get(), byte.get());
    assert_eq!(now, (-7, 6.25, -232, 1 << 60, b'y'));
}

#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
struct Record {
    x: i32,
    z: u32,
    y: f64,
}

impl Record {
    fn doubled(self) -> Record {
        Record { x: self.x * 2, z: self.z * 2, y: self.y * 2.0 }
    }
}

const RECORD: Record = Record { x: 3, z: 1 << 30, y: 2.5 };

fn the_other_doubles_scalars_a_struct_an_array_and_a_text(elsewhere: Elsewhere) {
    type Things = (RawValue<i32>, RawValue<f64>, RawValue<Record>, RawArray<f64>, RawArray<u8>);
    fn double((int, float, record, numbers, text): Things) {
        int.set(int.get() * 2);
        float.set(float.get() * 2.0);
        record.set(record.get().doubled());
        for index in 0..numbers.len() {
            numbers.set(index, numbers.get(index).unwrap() * 2.0).unwrap();
        }
        let mut part = [0; 5];
        text.read(0, &mut part).unwrap();
        text.write(5, &part).unwrap();
    }
    let things: Things = (
        RawValue::new(7).unwrap(),
        RawValue::new(1.0 / 3.0).unwrap(),
        RawValue::new(RECORD).unwrap(),
        RawArray::from_slice(&(0..10).map(f64::from).collect::<Vec<_>>()).unwrap(),
        RawArray::zeroed(20).unwrap(),
    );
    things.4.write(0, b"hello").unwrap();
    elsewhere.start(double, things.clone()).join();
    let (int, float, record, numbers, text) = things;
    assert_eq!((int.get(), float.get(), record.get()), (14, 2.0 / 3.0, RECORD.doubled()));
    assert!(numbers.iter().eq((0..10).map(|n| f64::from(n) * 2.0)));
    assert_eq!(text.to_vec(), *b"hellohello\0\0\0\0\0\0\0\0\0\0");
}

fn the_other_doubles_scalars_a_struct_an_array_and_a_text_under_locks(elsewhere: Elsewhere) {
    type Things = (Value<i32>, Value<f64>, Value<Record>, Array<f64>, Array<u8>);
    fn double((int, float, record, numbers, text): Things) {
        int.with(|int| *int *= 2);
        float.with(|float| *float *= 2.0);
        record.with(|record| *record = record.doubled());
        numbers.with(|numbers| numbers.iter_mut().for_each(|number| *number *= 2.0));
        text.with(|text| text.copy_within(0..5, 5));
    }
    // Some have a lock of their own, some have this one.
    let lock = Lock::new().unwrap();
    let things: Things = (
        Value::with_lock(7, &lock).unwrap(),
        Value::new(1.0 / 3.0).unwrap(),
        Value::with_lock(RECORD, &lock).unwrap(),
        Array::with_lock(&(0..10).map(f64::from).collect::<Vec<_>>(), &lock).unwrap(),
        Array::zeroed(20).unwrap(),
    );
    things.4.write(0, b"hello").unwrap();
    elsewhere.start(double, things.clone()).join();
    let (int, float, record, numbers, text) = things;
    assert_eq!((int.get(), float.get(), record.get()), (14, 2.0 / 3.0, RECORD.doubled()));
    assert_eq!(numbers.to_vec(), (0..10).map(|n| f64::from(n) * 2.0).collect::<Vec<_>>());
    assert_eq!(text.to_vec(), *b"hellohello\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn a_copy_of_a_shared_struct_is_independent() {
    let shared = RawValue::new(RECORD).unwrap();
    let copy = shared.get();
    shared.set(Record { x: 0, z: 0, y: 0.0 });
    assert_eq!(copy, RECORD);
    let mut other = shared.get();
    other.x += 9;
    assert_eq!((other.x, shared.get().x), (9, 0));
}

fn no_increment_under_the_lock_is_lost(elsewhere: Elsewhere) {
    const TIMES: u64 = 10_000;
    fn count(value: Value<u64>) {
        (0..TIMES).for_each(|_| value.with(|value| *value += 1));
    }
    let value = Value::new(0).unwrap();
    let party = elsewhere.start(count, value.clone());
    count(value.clone());
    party.join();
    assert_eq!(value.get(), 2 * TIMES);
}

fn the_lock_keeps_the_other_out(elsewhere: Elsewhere) {
    fn attempt(value: Value<u32>) -> bool {
        value.try_lock().is_some() || value.lock_timeout(Duration::from_millis(5)).is_some()
    }
    let value = Value::new(1).unwrap();
    let guard = value.lock();
    assert!(!elsewhere.start(attempt, value.clone()).join());
    guard.set(guard.get() + 1);
    drop(guard);
    assert!(elsewhere.start(attempt, value.clone()).join());
    assert_eq!(value.get(), 2);
}

fn values_of_one_lock_are_locked_together(elsewhere: Elsewhere) {
    fn attempt((value, lock): (Value<u32>, Lock)) -> bool {
        value.try_lock().is_some() || lock.try_lock().is_some()
    }
    let lock = Lock::new().unwrap();
    let one = Value::with_lock(1, &lock).unwrap();
    let other = Value::with_lock(2, &lock).unwrap();
    let guard = one.lock();
    assert!(!elsewhere.start(attempt, (other.clone(), lock.clone())).join());
    drop(guard);
    assert!(elsewhere.start(attempt, (other, lock)).join());
}

fn a_holder_that_is_killed_leaves_an_abandoned_value(elsewhere: Elsewhere) {
    fn hold((value, holds, never): (Value<u64>, Event, Event)) {
        let guard = value.lock();
        guard.set(2);
        holds.set();
        never.wait();
    }
    if !elsewhere.is_process() {
        return;
    }
    let lock = Lock::new().unwrap();
    for value in [Value::new(1).unwrap(), Value::with_lock(1, &lock).unwrap()] {
        let (holds, never) = (Event::new().unwrap(), Event::new().unwrap());
        let party = elsewhere.start(hold, (value.clone(), holds.clone(), never));
        holds.wait();
        party.kill();
        let guard = value.lock();
        assert!(guard.is_abandoned());
        assert_eq!(guard.get(), 2);
        drop(guard);
        // Until somebody says otherwise; the value can be used all the same.
        value.set(3);
        let guard = value.lock();
        assert!(guard.is_abandoned());
        guard.clear_abandoned();
        drop(guard);
        assert!(!value.lock().is_abandoned());
        assert_eq!(value.get(), 3);
    }
}

/// A number that shows whether it is whole.
fn is_whole(number: u64) -> bool {
    number as u32 == (number >> 32) as u32
}

fn one_that_is_killed_while_it_counts_leaves_a_whole_number(elsewhere: Elsewhere) {
    fn count((value, counts): (Value<u64>, Event)) {
        loop {
            value.with(|value| *value = value.wrapping_add((1 << 32) | 1));
            counts.set();
        }
    }
    if !elsewhere.is_process() {
        return;
    }
    let value = Value::new(0).unwrap();
    let mut random = Random::new(1);
    for _ in 0..crate::churn::kills() {
        let counts = Event::new().unwrap();
        let party = elsewhere.start(count, (value.clone(), counts.clone()));
        counts.wait();
        (0..random.below(300)).for_each(|_| assert!(is_whole(value.get())));
        party.kill();
        assert!(is_whole(value.get()));
    }
}

fn a_panic_in_a_change_changes_nothing(elsewhere: Elsewhere) {
    fn change(value: Value<u64>) -> bool {
        let change = || {
            value.with(|value| {
                *value = 2;
                panic!("as it is meant to");
            })
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(change)).is_err()
    }
    let value = Value::new(1).unwrap();
    assert!(elsewhere.start(change, value.clone()).join());
    let guard = value.try_lock().expect("the lock was given back");
    assert_eq!((guard.get(), guard.is_abandoned()), (1, false));
}

fn many_values_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth| Value::new(nth).unwrap();
    churn(elsewhere, make, |(value, nth): (Value<u32>, u32)| value.with(|value| *value == nth));
}

fn many_raw_values_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth| RawValue::new(nth).unwrap();
    churn(elsewhere, make, |(value, nth): (RawValue<u32>, u32)| value.get() == nth);
}
