//! Maps by closures that capture, on processes forked for the call.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write;
use std::rc::Rc;

use pool::{Error, ErrorKind, Exit, ForkMap, Passed, ProcessPool, Role, current_process, parent_process};
use support::{
    Census, SIGKILL, SIGSEGV, Scratch, all_children, alone, is_alive, kill, limit_descriptors, violate_memory,
};

macro_rules! alone {
    ($($test:ident),+ $(,)?) => {
        mod once {
            $(#[test] fn $test() {
                super::alone(concat!(module_path!(), "::", stringify!($test)), || super::nothing_left(super::$test))
            })+
        }
    };
}

alone!(
    results_are_in_the_order_of_the_items,
    what_is_captured_is_borrowed_and_not_copied,
    what_a_child_changes_is_changed_there_alone,
    no_items_need_no_process,
    items_go_to_whoever_is_free,
    each_child_knows_who_it_is,
    large_results_arrive_whole,
    a_panic_is_the_error_of_its_item,
    of_several_panics_the_first_in_input_order_is_reported,
    after_a_failure_nothing_more_is_begun,
    a_death_is_the_error_of_its_item,
    a_result_that_cannot_be_encoded_is_an_error,
    a_call_inside_a_child_works,
    a_result_can_be_a_descriptor,
    beside_other_threads_it_is_refused,
    no_workers_are_refused,
    children_die_with_the_program,
    when_a_process_is_refused_none_is_left,
);

fn nothing_left(test: fn()) {
    // What is made once for the program is made.
    let _ = on(2).map(&[1, 2], |x: &i32| *x);
    let census = Census::settled();
    test();
    census.assert_restored();
    assert_eq!(all_children(), []);
}

/// The test harness has a thread of its own.
fn on(workers: usize) -> ForkMap {
    ForkMap::new(workers).allow_fork_with_threads(true)
}

fn results_are_in_the_order_of_the_items() {
    let items: Vec<u64> = (0..1_000).collect();
    let squares = on(3).map(&items, |x| x * x).unwrap();
    assert!(squares.iter().zip(&items).all(|(square, x)| *square == x * x) && squares.len() == 1_000);
}

fn what_is_captured_is_borrowed_and_not_copied() {
    struct Opaque(Vec<u8>);
    let data = Opaque(vec![7; 64 << 20]);
    let place = data.0.as_ptr() as usize;
    let shared = Rc::new(String::from("neither Send nor Sync"));
    let look = |at: &usize| (data.0[*at], data.0.as_ptr() as usize == place, shared.len());
    assert_eq!(on(2).map(&[0, 1 << 20], look).unwrap(), [(7, true, 21); 2]);
}

fn what_a_child_changes_is_changed_there_alone() {
    let count = Cell::new(0);
    let counts = on(1).map(&[(), (), ()], |()| count.replace(count.get() + 1)).unwrap();
    assert_eq!((counts, count.get()), (vec![0, 1, 2], 0));
}

fn no_items_need_no_process() {
    assert_eq!(ProcessPool::fork_map(2, &[0u8; 0], |x| *x).unwrap(), []);
}

fn items_go_to_whoever_is_free() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    // The first is held up until all others are done.
    let item = |x: &u32| match x {
        0 => gate.wait(),
        9 => gate.open(),
        _ => {}
    };
    assert_eq!(on(2).map(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], item).unwrap().len(), 10);
}

fn each_child_knows_who_it_is() {
    let marks = Scratch::new();
    let both = marks.marks("both");
    let tell = |_: &u8| {
        both.add();
        both.wait_for(2);
        let me = current_process();
        let parent = parent_process().unwrap().unwrap().pid();
        (me.name().to_owned(), me.role() == Role::Worker, me.index(), parent)
    };
    let told: BTreeSet<_> = on(2).map(&[0, 0], tell).unwrap().into_iter().collect();
    let names: Vec<_> = told.iter().map(|(name, ..)| name.rsplit_once("-worker-").unwrap().1).collect();
    assert_eq!(names, ["1", "2"]);
    assert!(told.iter().all(|(.., parent)| *parent == std::process::id()));
    assert!(told.iter().all(|(_, worker, index, _)| *worker && index.is_some()));
}

fn large_results_arrive_whole() {
    let make = |seed: &u8| (0..5_000_000u32).map(|x| (x as u8).wrapping_mul(*seed)).collect::<Vec<u8>>();
    let seeds = [1, 3, 5, 7];
    let results = on(2).map(&seeds, make).unwrap();
    assert!(results.iter().zip(&seeds).all(|(result, seed)| *result == make(seed)));
}

fn a_panic_is_the_error_of_its_item() {
    let divisor = 0;
    let error = on(2).map(&[1, 2, 3], |x| if *x == 2 { x / divisor } else { *x }).unwrap_err();
    let panic = error.panic().unwrap();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Panicked, Some(1)));
    assert!(panic.message.contains("divide by zero"), "{error}");
    assert!(panic.location.as_deref().unwrap().contains("fork_map.rs:"), "{error}");
    assert!(error.worker().unwrap().name.contains("-worker-"));
}

fn of_several_panics_the_first_in_input_order_is_reported() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let item = |x: &u32| {
        if *x == 0 {
            gate.wait()
        } else {
            gate.open()
        }
        assert!(*x > 1, "the first comes last");
    };
    let error = on(2).map(&[0, 1], item).unwrap_err();
    assert_eq!(error.item(), Some(0));
}

fn after_a_failure_nothing_more_is_begun() {
    let scratch = Scratch::new();
    let begun = scratch.marks("begun");
    let item = |x: &u32| {
        begun.add();
        kill(std::process::id(), SIGKILL);
        *x
    };
    assert_eq!(on(1).map(&[1; 50], item).unwrap_err().item(), Some(0));
    assert_eq!(begun.count(), 1);
}

fn a_death_is_the_error_of_its_item() {
    let deaths: [(fn(), Exit); 5] = [
        (|| std::process::exit(0), Exit::Code(0)),
        (|| std::process::exit(3), Exit::Code(3)),
        (|| std::process::abort(), Exit::Signal { number: 6, stack_overflow: false }),
        (|| kill(std::process::id(), SIGKILL), Exit::Signal { number: SIGKILL, stack_overflow: false }),
        (violate_memory, Exit::Signal { number: SIGSEGV, stack_overflow: false }),
    ];
    for (die, exit) in deaths {
        let mut pid = 0;
        let error: Error = on(2)
            .map(&[0, 1, 2], |x| {
                if *x == 1 {
                    die();
                }
                *x
            })
            .inspect_err(|error| pid = error.worker().unwrap().pid.unwrap())
            .unwrap_err();
        assert!(error.is_worker_died(), "{error}");
        assert_eq!((error.item(), error.exit()), (Some(1), Some(exit)));
        assert!(!is_alive(pid));
    }
}

fn a_result_that_cannot_be_encoded_is_an_error() {
    #[derive(serde::Deserialize)]
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    let error = on(2).map(&[1], |_| Refuses).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.item()), (ErrorKind::Encode, Some(0)));
    assert!(error.to_string().contains("not today"), "{error}");
}

fn a_call_inside_a_child_works() {
    let factor = 10;
    // The child has one thread: it needs no permission.
    let inner = |x: &u64| -> std::result::Result<Vec<u64>, String> {
        ProcessPool::fork_map(2, &[1, 2, 3], |y| factor * x + y).map_err(|error| error.to_string())
    };
    let results = on(2).map(&[1, 2], inner).unwrap();
    assert_eq!(results, [Ok(vec![11, 12, 13]), Ok(vec![21, 22, 23])]);
}

fn a_result_can_be_a_descriptor() {
    let open = |text: &&str| {
        let (hears, mut says) = std::io::pipe().unwrap();
        says.write_all(text.as_bytes()).unwrap();
        Passed::from(hears)
    };
    let texts: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let heard = on(3).map(&texts, open).unwrap();
    for (text, hears) in texts.iter().zip(heard) {
        assert_eq!(std::io::read_to_string(hears.into_inner()).unwrap(), *text);
    }
}

fn beside_other_threads_it_is_refused() {
    let error = ProcessPool::fork_map(2, &[1, 2], |x| *x).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for words in ["other threads", "allow_fork_with_threads"] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

fn no_workers_are_refused() {
    assert_eq!(on(0).map(&[1], |x| *x).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

fn children_die_with_the_program() {
    let scratch = Scratch::new();
    let (begun, ended) = (scratch.marks("begun"), scratch.gate("ended"));
    // The inner call is the program here, and is killed while its children wait for ever.
    let outer = |_: &u8| -> u8 {
        let main = std::process::id();
        let wait = |child: &u8| {
            begun.add();
            begun.wait_for(2);
            if *child == 0 {
                kill(main, SIGKILL);
            }
            ended.wait();
        };
        let _ = ProcessPool::fork_map(2, &[0, 1], wait);
        0
    };
    assert!(on(1).map(&[0], outer).unwrap_err().is_worker_died());
    assert_eq!(begun.count(), 2);
}

fn when_a_process_is_refused_none_is_left() {
    limit_descriptors(40);
    let refused = on(50).map(&[0; 50], |x| *x);
    limit_descriptors(1_024);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Os);
    assert_eq!(on(50).map(&[0; 50], |x| *x).unwrap().len(), 50);
}
