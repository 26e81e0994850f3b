//! A manager of named memory.

use std::fs;
use std::io::ErrorKind;

use pool::shared::{Event, Scalar, ShareableList, SharedMemory, SharedMemoryManager};

use crate::support::{SIGKILL, eventually, kill};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    what_is_made_through_a_manager_outlives_its_maker_and_ends_with_the_manager,
    the_end_of_the_scope_ends_all_that_was_made,
    after_the_shutdown_nothing_can_be_made,
    the_server_ignores_ctrl_c_and_its_starter_does_not,
    a_server_that_is_killed_takes_the_names_and_not_the_memory,
    a_maker_that_is_killed_takes_nothing_along,
);

fn make(manager: SharedMemoryManager) -> (String, String) {
    let memory = manager.shared_memory(32).unwrap();
    memory.write(0, b"hello").unwrap();
    assert!(!memory.is_owner());
    let list = manager.shareable_list(["howdy".into(), 7.into()]).unwrap();
    (memory.name().to_owned(), list.name().to_owned())
}

fn is_gone((memory, list): &(String, String)) -> bool {
    let gone = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
    SharedMemory::attach(memory).is_err_and(gone) && ShareableList::attach(list).is_err_and(gone)
}

fn what_is_made_through_a_manager_outlives_its_maker_and_ends_with_the_manager(elsewhere: Elsewhere) {
    let manager = SharedMemoryManager::start().unwrap();
    let names = elsewhere.start(make, manager.handle()).join();
    assert_eq!(SharedMemory::attach(&names.0).unwrap().to_vec()[..5], *b"hello");
    let list = ShareableList::attach(&names.1).unwrap();
    assert_eq!(list.to_vec().unwrap(), ["howdy".into(), Scalar::Int(7)]);
    assert_eq!(list.format().unwrap(), "8sq");
    // Only the one that started the server ends it.
    manager.handle().shutdown().unwrap();
    drop(manager.handle());
    assert!(!is_gone(&names));
    manager.shutdown().unwrap();
    assert!(is_gone(&names));
    list.set(1, 8).unwrap();
}

fn the_end_of_the_scope_ends_all_that_was_made(elsewhere: Elsewhere) {
    let names = {
        let manager = SharedMemoryManager::start().unwrap();
        elsewhere.start(make, manager.handle()).join()
    };
    assert!(is_gone(&names));
}

fn after_the_shutdown_nothing_can_be_made(elsewhere: Elsewhere) {
    fn attempt(manager: SharedMemoryManager) -> [String; 2] {
        let memory = manager.shared_memory(1).unwrap_err();
        [memory.to_string(), manager.shareable_list([]).unwrap_err().to_string()]
    }
    let manager = SharedMemoryManager::start().unwrap();
    assert_eq!(manager.shared_memory(0).unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = manager.shared_memory(1 << 60).unwrap_err();
    assert!(error.to_string().contains("bytes of shared memory"), "{error}");
    let handle = manager.handle();
    manager.shutdown().unwrap();
    for error in elsewhere.start(attempt, handle).join() {
        assert_eq!(error, "the shared memory manager has ended");
    }
}

/// Whether the process ignores SIGINT.
fn ignores_interrupts(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(ignored.trim(), 16).unwrap() & (1 << (libc::SIGINT - 1)) != 0
}

fn the_server_ignores_ctrl_c_and_its_starter_does_not(elsewhere: Elsewhere) {
    // Whoever started the tests may have it ignored (a shell does, of what runs in the background).
    // SAFETY: the default action is no function of the program.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    let manager = SharedMemoryManager::start().unwrap();
    let pid = manager.pid().unwrap();
    elsewhere.start(make, manager.handle()).join();
    assert!(ignores_interrupts(pid));
    assert!(!ignores_interrupts(std::process::id()));
    kill(pid, libc::SIGINT);
    let names = elsewhere.start(make, manager.handle()).join();
    assert!(!is_gone(&names));
}

fn a_server_that_is_killed_takes_the_names_and_not_the_memory(elsewhere: Elsewhere) {
    let manager = SharedMemoryManager::start().unwrap();
    let names = elsewhere.start(make, manager.handle()).join();
    let memory = SharedMemory::attach(&names.0).unwrap();
    kill(manager.pid().unwrap(), SIGKILL);
    eventually("the names were gone", || is_gone(&names));
    assert_eq!(memory.to_vec()[..5], *b"hello");
    assert_eq!(manager.shared_memory(1).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(manager.shutdown().is_err());
}

fn a_maker_that_is_killed_takes_nothing_along(elsewhere: Elsewhere) {
    fn make_and_stay((manager, list, made, never): (SharedMemoryManager, ShareableList, Event, Event)) {
        let memory = manager.shared_memory(5).unwrap();
        memory.write(0, b"hello").unwrap();
        list.set(0, memory.name()).unwrap();
        made.set();
        never.wait();
    }
    if !elsewhere.is_process() {
        return;
    }
    let manager = SharedMemoryManager::start().unwrap();
    let list = manager.shareable_list(["a name of this length".into()]).unwrap();
    let (made, never) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(make_and_stay, (manager.handle(), list.clone(), made.clone(), never));
    made.wait();
    party.kill();
    let Scalar::Str(name) = list.get(0).unwrap() else { panic!("a name") };
    assert_eq!(SharedMemory::attach(&name).unwrap().to_vec(), b"hello");
}
