//! Memory with a name.

use std::io::ErrorKind;
use std::sync::atomic::Ordering::Relaxed;

use pool::shared::{Event, SharedMemory};

use crate::churn::{churn, encoded};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    the_other_writes_through_the_name_or_through_a_handle,
    those_who_attach_and_leave_destroy_nothing,
    an_attached_one_that_is_killed_destroys_nothing,
    an_owner_that_ends_takes_the_name_along_and_not_the_memory,
    an_owner_that_is_killed_takes_the_name_along_and_not_the_memory,
    when_all_are_killed_nothing_is_left,
    a_handle_that_arrives_too_late_finds_nothing,
    many_segments_made_passed_and_dropped_leave_nothing,
);

/// A name that nobody else uses.
fn name(what: &str) -> String {
    format!("test-{}-{what}", std::process::id())
}

fn the_other_writes_through_the_name_or_through_a_handle(elsewhere: Elsewhere) {
    fn by_name(name: String) -> String {
        let memory = SharedMemory::attach(&name).unwrap();
        assert!(!memory.is_owner());
        memory.write(0, b"by name").unwrap();
        memory.name().to_owned()
    }
    fn by_handle(memory: SharedMemory) -> Vec<u8> {
        let seen = memory.to_vec();
        memory.write(3, b"handle!").unwrap();
        memory.bytes()[10].store(b'?', Relaxed);
        seen
    }
    let memory = SharedMemory::create(None, 11).unwrap();
    assert!(memory.is_owner());
    assert_eq!(elsewhere.start(by_name, memory.name().to_owned()).join(), memory.name());
    assert_eq!(memory.to_vec(), b"by name\0\0\0\0");
    assert_eq!(elsewhere.start(by_handle, memory.clone()).join(), b"by name\0\0\0\0");
    assert_eq!(memory.to_vec(), b"by handle!?");
}

#[test]
fn memory_is_created_attached_to_by_name_and_unlinked_once() {
    let name = name("basics");
    let owner = SharedMemory::create(Some(&name), 512).unwrap();
    assert_eq!(owner.name(), name);
    assert!(owner.size() >= 512);
    owner.write(0, &[42]).unwrap();
    let attached = SharedMemory::attach(&name).unwrap();
    assert_eq!((attached.size(), attached.to_vec()[0]), (owner.size(), 42));
    attached.write(511, &[7]).unwrap();
    assert_eq!(owner.to_vec()[511], 7);

    let error = SharedMemory::create(Some(&name), 512).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
    let other = SharedMemory::create(None, 512).unwrap();
    assert!(other.name() != name && !other.name().is_empty());

    assert_eq!(attached.unlink().unwrap_err().kind(), ErrorKind::PermissionDenied);
    owner.unlink().unwrap();
    assert_eq!(owner.unlink().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(SharedMemory::attach(&name).unwrap_err().kind(), ErrorKind::NotFound);
    // Who has it keeps it, and the name is free.
    owner.write(0, b"still").unwrap();
    let mut bytes = [0; 5];
    attached.read(0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"still");
    let again = SharedMemory::create(Some(&name), 1).unwrap();
    assert_eq!(SharedMemory::attach(&name).unwrap().size(), 1);
    // The name is not that of the first one any more: to drop that changes nothing.
    drop((owner, attached));
    SharedMemory::attach(&name).unwrap().close();
    again.close();
    let error = SharedMemory::attach(&name).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("not found"), "{error}");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let long = "x".repeat(81);
    for (name, why) in [("", "empty"), ("a\0b", "NUL"), (&long, "81 bytes")] {
        for error in
            [SharedMemory::create(Some(name), 1).unwrap_err(), SharedMemory::attach(name).unwrap_err()]
        {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(why), "{error}");
        }
    }
    let longest = SharedMemory::create(Some(&long[1..]), 1).unwrap();
    assert!(SharedMemory::attach(longest.name()).is_ok());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    assert_eq!(SharedMemory::create(None, 0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = SharedMemory::create(None, 1 << 60).unwrap_err();
    assert!(error.to_string().contains("bytes of shared memory"), "{error}");
}

#[test]
fn bytes_outside_are_an_error() {
    let memory = SharedMemory::create(None, 10).unwrap();
    assert_eq!(memory.write(8, &[1; 3]).unwrap_err().len, 10);
    assert_eq!(memory.read(usize::MAX, &mut [1; 3]).unwrap_err().index, usize::MAX);
    assert_eq!(memory.to_vec(), [0; 10]);
}

#[test]
fn an_encoded_handle_attaches_to_the_same_memory() {
    let memory = SharedMemory::create(None, 8).unwrap();
    let bytes = encoded(&memory);
    let other: SharedMemory = pool::codec::decode(&bytes).unwrap();
    assert_eq!((other.name(), other.size()), (memory.name(), memory.size()));
    other.write(0, b"1").unwrap();
    memory.write(1, b"2").unwrap();
    assert_eq!((other.to_vec(), memory.to_vec()), (b"12\0\0\0\0\0\0".to_vec(), b"12\0\0\0\0\0\0".to_vec()));
}

#[test]
fn an_encoded_handle_of_memory_that_was_unlinked_finds_nothing() {
    let name = name("late");
    let memory = SharedMemory::create(Some(&name), 8).unwrap();
    let bytes = encoded(&memory);
    memory.unlink().unwrap();
    let not_found = || {
        let error = pool::codec::decode::<SharedMemory>(&bytes).unwrap_err();
        assert!(error.to_string().contains("not found"), "{error}");
    };
    not_found();
    // Nor what else has the name since.
    let _other = SharedMemory::create(Some(&name), 8).unwrap();
    not_found();
}

fn a_handle_that_arrives_too_late_finds_nothing(elsewhere: Elsewhere) {
    fn attach(name: String) -> String {
        SharedMemory::attach(&name).unwrap_err().to_string()
    }
    let memory = SharedMemory::create(None, 8).unwrap();
    let name = memory.name().to_owned();
    drop(memory);
    let error = elsewhere.start(attach, name).join();
    assert!(error.contains("not found"), "{error}");
}

fn those_who_attach_and_leave_destroy_nothing(elsewhere: Elsewhere) {
    fn attach(name: String) {
        let memory = SharedMemory::attach(&name).unwrap();
        memory.clone().close();
        memory.write(0, b"was here").unwrap();
    }
    let memory = SharedMemory::create(None, 8).unwrap();
    for _ in 0..3 {
        elsewhere.start(attach, memory.name().to_owned()).join();
        assert_eq!(memory.to_vec(), b"was here");
        assert!(SharedMemory::attach(memory.name()).is_ok());
    }
}

fn attach_and_stay((memory, attached, never): (SharedMemory, Event, Event)) {
    memory.write(0, b"attached").unwrap();
    attached.set();
    never.wait();
}

fn own_and_stay((name, owns, leave): (String, Event, Event)) {
    let memory = SharedMemory::create(Some(&name), 8).unwrap();
    memory.write(0, b"of owner").unwrap();
    owns.set();
    leave.wait();
}

fn an_attached_one_that_is_killed_destroys_nothing(elsewhere: Elsewhere) {
    if !elsewhere.is_process() {
        return;
    }
    let memory = SharedMemory::create(None, 8).unwrap();
    let (attached, never) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(attach_and_stay, (memory.clone(), attached.clone(), never));
    attached.wait();
    party.kill();
    assert_eq!(memory.to_vec(), b"attached");
    assert!(SharedMemory::attach(memory.name()).is_ok());
}

fn an_owner_that_ends_takes_the_name_along_and_not_the_memory(elsewhere: Elsewhere) {
    an_owner_that_goes(elsewhere, |party, leave| {
        leave.set();
        party.join();
    });
}

fn an_owner_that_is_killed_takes_the_name_along_and_not_the_memory(elsewhere: Elsewhere) {
    if elsewhere.is_process() {
        an_owner_that_goes(elsewhere, |party, _| party.kill());
    }
}

fn an_owner_that_goes(elsewhere: Elsewhere, go: fn(crate::Party<()>, Event)) {
    let name = name("owner");
    let (owns, leave) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(own_and_stay, (name.clone(), owns.clone(), leave.clone()));
    owns.wait();
    let memory = SharedMemory::attach(&name).unwrap();
    go(party, leave);
    assert_eq!(memory.to_vec(), b"of owner");
    assert_eq!(SharedMemory::attach(&name).unwrap_err().kind(), ErrorKind::NotFound);
    memory.write(0, b"no owner").unwrap();
    assert_eq!(memory.to_vec(), b"no owner");
    SharedMemory::create(Some(&name), 1).unwrap();
}

fn when_all_are_killed_nothing_is_left(elsewhere: Elsewhere) {
    if !elsewhere.is_process() {
        return;
    }
    let name = name("all");
    let (owns, attached, never) = (Event::new().unwrap(), Event::new().unwrap(), Event::new().unwrap());
    let owner = elsewhere.start(own_and_stay, (name.clone(), owns.clone(), never.clone()));
    owns.wait();
    let memory = SharedMemory::attach(&name).unwrap();
    let other = elsewhere.start(attach_and_stay, (memory, attached.clone(), never));
    attached.wait();
    let sockets = || std::fs::read_to_string("/proc/net/unix").unwrap();
    assert!(sockets().contains(&name));
    owner.kill();
    other.kill();
    assert!(!sockets().contains(&name));
    SharedMemory::create(Some(&name), 1).unwrap();
}

fn many_segments_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    let make = |nth: u32| {
        let memory = SharedMemory::create(None, 4).unwrap();
        memory.write(0, &nth.to_ne_bytes()).unwrap();
        memory
    };
    churn(elsewhere, make, |(memory, nth): (SharedMemory, u32)| memory.to_vec() == nth.to_ne_bytes());
}
