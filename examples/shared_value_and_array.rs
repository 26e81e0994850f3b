//! A number and an array that processes share: a race without the lock, none with it.
//!
//! What to look for:
//! - `RawValue` has no lock. To add one is to read, to add and to write, and what another process wrote in between is
//!   lost. The sum is too small, and another one each time.
//! - `Value` has a lock. `with` holds it for the whole change, so nothing is lost. `set(get() + 1)` would not do: it
//!   takes the lock twice.
//! - No lock is needed where everybody has places of their own, as in the array.

mod common;

use common::say;
use pool::Process;
use pool::shared::{RawArray, RawValue, Value};

const CHILDREN: usize = 4;
const TIMES: u64 = 50_000;

fn add_without(sum: RawValue<u64>) {
    for _ in 0..TIMES {
        sum.set(sum.get() + 1);
    }
    say("added without a lock");
}

fn add_with(sum: Value<u64>) {
    for _ in 0..TIMES {
        sum.with(|sum| *sum += 1);
    }
    say("added with the lock");
}

fn fill((array, part): (RawArray<u32>, usize)) {
    let size = array.len() / CHILDREN;
    for place in part * size..(part + 1) * size {
        array.set(place, std::process::id()).expect("a place in the array");
    }
    say(format!("filled part {part}"));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let expected = CHILDREN as u64 * TIMES;

    let raw = RawValue::new(0)?;
    let children: Vec<_> = (0..CHILDREN).map(|_| Process::spawn(add_without, raw.clone())).collect();
    children.into_iter().try_for_each(|child| child?.join())?;
    say(format!("without: {} of {expected}, {} lost", raw.get(), expected - raw.get()));

    let locked = Value::new(0)?;
    let children: Vec<_> = (0..CHILDREN).map(|_| Process::spawn(add_with, locked.clone())).collect();
    children.into_iter().try_for_each(|child| child?.join())?;
    say(format!("with: {} of {expected}", locked.get()));

    let array = RawArray::zeroed(8 * CHILDREN)?;
    let children: Vec<_> = (0..CHILDREN).map(|part| Process::spawn(fill, (array.clone(), part))).collect();
    children.into_iter().try_for_each(|child| child?.join())?;
    say(format!("who wrote each place: {:?}", array.to_vec()));
    Ok(())
}
