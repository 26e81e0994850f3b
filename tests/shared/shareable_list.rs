//! Lists of scalars in named memory.

use pool::shared::{Event, Scalar, ShareableList, ShareableListError, SharedMemory};

use crate::churn::{churn, encoded};
use crate::support::Random;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    the_other_reads_and_changes_items,
    no_change_under_a_writer_is_seen_in_part,
    one_that_is_killed_while_it_sets_leaves_the_old_or_the_new,
    many_lists_made_passed_and_dropped_leave_nothing,
);

fn mixed() -> ShareableList {
    let items =
        ["howdy".into(), b"HoWdY".into(), (-273.154).into(), 100.into(), ().into(), true.into(), 42.into()];
    ShareableList::create(None, items).unwrap()
}

#[test]
fn a_list_of_mixed_scalars_has_its_items_by_index_from_both_ends() {
    let list = mixed();
    assert_eq!(list.len(), 7);
    assert_eq!(list.get(0).unwrap(), "howdy".into());
    assert_eq!(list.get(1).unwrap(), b"HoWdY".into());
    assert_eq!(list.get(-2).unwrap(), Scalar::Bool(true));
    assert_eq!(list.get(-7).unwrap(), "howdy".into());
    for index in [7, -8, isize::MAX, isize::MIN] {
        let outside = ShareableListError::OutOfRange { index, len: 7 };
        assert_eq!(list.get(index), Err(outside));
        assert_eq!(list.set(index, 1), Err(outside));
    }
    assert_eq!(list.format().unwrap(), "8s8sdqxxxxxx?xxxxxxxx?q");
}

#[test]
fn an_item_changes_its_type_in_place_within_its_room() {
    let list = mixed();
    list.set(4, "some").unwrap();
    assert_eq!(list.format().unwrap(), "8s8sdq8sxxxxxxx?q");
    list.set(3, 2.5).unwrap();
    list.set(-1, ()).unwrap();
    assert_eq!(list.format().unwrap(), "8s8sdd8sxxxxxxx?xxxxxx?x");
    assert_eq!(list.get(3).unwrap(), Scalar::Float(2.5));
    assert_eq!(list.get(6).unwrap(), Scalar::None);
}

#[test]
fn an_item_has_room_for_its_encoded_bytes_and_nothing_spills() {
    let list = mixed();
    let before = list.to_vec().unwrap();
    let too_long = ShareableListError::TooLong { bytes: 12, capacity: 8 };
    assert_eq!(list.set(4, "far too many"), Err(too_long));
    assert_eq!(list.set(0, &b"far too many"[..]), Err(too_long));
    assert_eq!(list.to_vec().unwrap(), before);
    // Six characters, eight bytes.
    list.set(0, "ééhowd").unwrap();
    assert_eq!(list.get(0).unwrap(), "ééhowd".into());
    // Seven characters, nine bytes.
    assert!(matches!(list.set(0, "ééhowdy"), Err(ShareableListError::TooLong { bytes: 9, capacity: 8 })));
    assert_eq!(list.get(0).unwrap(), "ééhowd".into());
    assert_eq!(list.to_vec().unwrap()[1..], before[1..]);
}

#[test]
fn items_are_counted_and_found() {
    let list = mixed();
    list.set(0, 42).unwrap();
    assert_eq!(list.count(42).unwrap(), 2);
    assert_eq!(list.count(b"HoWdY").unwrap(), 1);
    assert_eq!(list.count("adios").unwrap(), 0);
    assert_eq!(list.index(42).unwrap(), Some(0));
    assert_eq!(list.index(true).unwrap(), Some(5));
    assert_eq!(list.index(1).unwrap(), None);
}

#[test]
fn a_copy_has_other_memory_and_a_second_handle_the_same() {
    let list = mixed();
    let copy = list.copy(None).unwrap();
    assert_ne!(copy.name(), list.name());
    assert_eq!(copy.to_vec().unwrap(), list.to_vec().unwrap());
    let name = format!("test-{}-copy", std::process::id());
    assert_eq!(list.copy(Some(&name)).unwrap().name(), name);

    let second = ShareableList::attach(copy.name()).unwrap();
    assert_eq!((second.name(), second.format()), (copy.name(), copy.format()));
    second.set(-1, 9).unwrap();
    assert_eq!(copy.get(6).unwrap(), Scalar::Int(9));
    assert_eq!(list.get(6).unwrap(), Scalar::Int(42));
}

#[test]
fn an_empty_list_has_nothing() {
    let list = ShareableList::create(None, []).unwrap();
    assert!(list.is_empty() && list.to_vec().unwrap().is_empty());
    assert_eq!(list.format().unwrap(), "");
    assert_eq!(list.count("any").unwrap(), 0);
    assert_eq!(list.index("any").unwrap(), None);
    assert!(list.get(0).is_err() && list.get(-1).is_err());
    let second = ShareableList::attach(list.name()).unwrap();
    assert!(second.is_empty());
}

#[test]
fn an_encoded_list_is_the_same_list_and_none_after_unlink() {
    let list = mixed();
    let bytes = encoded(&list);
    let other: ShareableList = pool::codec::decode(&bytes).unwrap();
    other.set(3, -1).unwrap();
    assert_eq!(list.get(3).unwrap(), Scalar::Int(-1));
    list.unlink().unwrap();
    assert!(list.unlink().is_err());
    let error = pool::codec::decode::<ShareableList>(&bytes).unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
    assert_eq!(other.get(3).unwrap(), Scalar::Int(-1), "who has it keeps it");
}

#[test]
fn other_memory_is_no_list() {
    let memory = SharedMemory::create(None, 1000).unwrap();
    let error = ShareableList::attach(memory.name()).unwrap_err();
    assert!(error.to_string().contains("another kind"), "{error}");
    assert!(SharedMemory::attach(mixed().name()).is_err());
}

fn the_other_reads_and_changes_items(elsewhere: Elsewhere) {
    fn change(list: ShareableList) -> Vec<Scalar> {
        let before = list.to_vec().unwrap();
        list.set(0, "adios").unwrap();
        list.set(4, 7).unwrap();
        before
    }
    let list = mixed();
    let before = list.to_vec().unwrap();
    assert_eq!(elsewhere.start(change, list.clone()).join(), before);
    assert_eq!((list.get(0).unwrap(), list.get(4).unwrap()), ("adios".into(), 7.into()));
    assert_eq!(list.format().unwrap(), "8s8sdqqxxxxxxx?q");
}

const LONG: usize = 4000;

/// An item that shows whether it is whole.
fn item(nth: u32) -> Scalar {
    match nth % 3 {
        0 => Scalar::Str("x".repeat(LONG)),
        1 => Scalar::Bytes(vec![7; LONG / 2]),
        _ => Scalar::Int(-1),
    }
}

fn is_item(found: &Scalar) -> bool {
    (0..3).any(|nth| *found == item(nth))
}

fn no_change_under_a_writer_is_seen_in_part(elsewhere: Elsewhere) {
    fn write((list, done): (ShareableList, Event)) {
        (0..1_000).for_each(|nth| list.set(0, item(nth)).unwrap());
        done.set();
    }
    let list = ShareableList::create(None, [item(0)]).unwrap();
    let done = Event::new().unwrap();
    let party = elsewhere.start(write, (list.clone(), done.clone()));
    while !done.is_set() {
        assert!(is_item(&list.get(0).unwrap()));
    }
    party.join();
}

fn one_that_is_killed_while_it_sets_leaves_the_old_or_the_new(elsewhere: Elsewhere) {
    fn write((list, writes): (ShareableList, Event)) {
        let mut nth = 0;
        loop {
            nth += 1;
            list.set(0, item(nth)).unwrap();
            writes.set();
        }
    }
    if !elsewhere.is_process() {
        return;
    }
    let list = ShareableList::create(None, [item(0)]).unwrap();
    let mut random = Random::new(1);
    for _ in 0..crate::churn::kills() {
        let writes = Event::new().unwrap();
        let party = elsewhere.start(write, (list.clone(), writes.clone()));
        writes.wait();
        (0..random.below(100)).for_each(|_| assert!(is_item(&list.get(0).unwrap())));
        party.kill();
        assert!(is_item(&list.get(0).unwrap()));
        list.set(0, item(1)).unwrap();
        assert_eq!(list.get(0).unwrap(), item(1));
    }
}

fn many_lists_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth: u32| ShareableList::create(None, [i64::from(nth).into(), "x".into()]).unwrap();
    churn(elsewhere, make, |(list, nth): (ShareableList, u32)| list.get(0) == Ok(i64::from(nth).into()));
}
