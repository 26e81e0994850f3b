//! Shared objects as arguments, contexts, results and of initializers, of pools by each start method.

use std::fs::File;
use std::io::{Read, Write, pipe};
use std::sync::OnceLock;

use pool::shared::Event;
use pool::{ErrorKind, Passed, Pool, ProcessPool, ProcessPoolBuilder, with};

use crate::support::{all_children, eventually};
use crate::{Elsewhere, in_processes};

in_processes!(
    a_task_gets_the_object_and_not_a_copy,
    what_the_program_dropped_arrives,
    an_initializer_and_a_context_get_it_too,
    a_result_brings_one_that_the_worker_made,
    a_result_outlives_its_worker,
    a_process_brings_one_back_as_often_as_it_is_joined,
    a_worker_that_is_idle_keeps_nothing,
    descriptors_go_with_tasks_and_come_with_results,
    a_task_that_is_taken_back_takes_its_descriptors_with_it,
    a_retry_has_what_the_first_try_had,
    what_cannot_go_along_is_refused,
);

fn builder(elsewhere: Elsewhere, workers: usize) -> ProcessPoolBuilder {
    let Elsewhere::Process(method) = elsewhere else { panic!("a pool of processes") };
    ProcessPool::builder().workers(workers).start_method(method).allow_fork_with_threads(true)
}

fn pool(elsewhere: Elsewhere, workers: usize) -> ProcessPool {
    builder(elsewhere, workers).build().unwrap()
}

fn event() -> Event {
    Event::new().unwrap()
}

fn a_task_gets_the_object_and_not_a_copy(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 2);
    let (one, other) = (event(), event());
    let waits = pool.apply_async(
        |(one, other): (Event, Event)| {
            other.set();
            one.wait();
        },
        (one.clone(), other.clone()),
    );
    other.wait();
    assert!(!waits.ready());
    one.set();
    waits.get().unwrap();
    // Many at once, in one chunk and in many.
    let events: Vec<_> = (0..100).map(|_| event()).collect();
    pool.map(|event: Event| event.set(), events.clone()).unwrap();
    assert!(events.iter().all(Event::is_set));
    let events: Vec<_> = (0..100).map(|_| event()).collect();
    pool.chunk_size(100).map(|event: Event| event.set(), events.clone()).unwrap();
    assert!(events.iter().all(Event::is_set));
}

fn what_the_program_dropped_arrives(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 1);
    let gate = event();
    let blocked = pool.apply_async(|gate: Event| gate.wait(), gate.clone());
    let behind: Vec<_> = (0..20)
        .map(|_| {
            let event = event();
            event.set();
            // The pool has the last one.
            pool.apply_async(|event: Event| event.is_set(), event)
        })
        .collect();
    gate.set();
    blocked.get().unwrap();
    for handle in behind {
        assert!(handle.get().unwrap());
    }
    let child = elsewhere.start(|event: Event| event.wait(), {
        let event = event();
        event.set();
        event
    });
    child.join();
}

fn an_initializer_and_a_context_get_it_too(elsewhere: Elsewhere) {
    static GIVEN: OnceLock<Event> = OnceLock::new();
    let given = event();
    let pool =
        builder(elsewhere, 2).initializer(|event: Event| GIVEN.set(event).unwrap(), given.clone()).build();
    let pool = pool.unwrap();
    pool.apply(|()| GIVEN.get().unwrap().set(), ()).unwrap();
    assert!(given.is_set());

    let bound = event();
    pool.map(
        with(bound.clone(), |bound: &Event, x: u64| {
            if x == 99 {
                bound.set()
            }
        }),
        0..100,
    )
    .unwrap();
    assert!(bound.is_set());
}

fn a_result_brings_one_that_the_worker_made(elsewhere: Elsewhere) {
    fn make(is_set: bool) -> (u64, Event) {
        let event = Event::new().unwrap();
        if is_set {
            event.set();
        }
        (7, event)
    }
    let pool = pool(elsewhere, 2);
    let made = pool.map(make, (0..300).map(|n| n % 3 == 0)).unwrap();
    for (n, (seven, event)) in made.iter().enumerate() {
        assert_eq!((*seven, event.is_set()), (7, n % 3 == 0));
    }
    // What was not decoded yet waits with the result.
    let handles: Vec<_> = (0..50).map(|_| pool.apply_async(make, true)).collect();
    for handle in handles.into_iter().rev() {
        assert!(handle.get().unwrap().1.is_set());
    }
    // One that nobody asks for is no concern of the others.
    drop(pool.apply_async(make, false));
    assert!(pool.apply(make, true).unwrap().1.is_set());
}

fn a_result_outlives_its_worker(elsewhere: Elsewhere) {
    let pool = builder(elsewhere, 1).max_tasks_per_worker(1).build().unwrap();
    let make = |()| {
        let event = Event::new().unwrap();
        event.set();
        (std::process::id(), event)
    };
    let handles: Vec<_> = (0..4).map(|_| pool.apply_async(make, ())).collect();
    handles.iter().for_each(|handle| handle.wait());
    let pids: Vec<_> = all_children().into_iter().collect();
    drop(pool);
    for handle in handles {
        let (pid, event) = handle.get().unwrap();
        assert!(event.is_set());
        assert!(!all_children().contains(&pid), "{pids:?}");
    }
}

fn a_process_brings_one_back_as_often_as_it_is_joined(elsewhere: Elsewhere) {
    let crate::Party::Process(child) = elsewhere.start(
        |()| {
            let event = Event::new().unwrap();
            event.set();
            event
        },
        (),
    ) else {
        unreachable!()
    };
    let (one, other) = (child.join().unwrap(), child.join().unwrap());
    assert!(one.is_set());
    one.clear();
    assert!(!other.is_set(), "both are the same");
}

/// How many shared objects this process has mapped.
fn mapped() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains("memfd:pool-shared")).count()
}

fn a_worker_that_is_idle_keeps_nothing(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 1);
    let before = pool.apply(|()| mapped(), ()).unwrap();
    let kept: Vec<_> = (0..10).map(|_| event()).collect();
    pool.map(|event: Event| event.set(), kept.clone()).unwrap();
    // This program has them still, and so the worker may remember them; for a moment.
    let pid = pool.apply(|()| std::process::id(), ()).unwrap();
    eventually("the worker forgot them", || {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        maps.lines().filter(|line| line.contains("memfd:pool-shared")).count() == before
    });
    // What the program dropped, a busy worker forgets too.
    pool.map(|event: Event| event.set(), kept.clone()).unwrap();
    drop(kept);
    pool.map(|_: u64| (), 0..10).unwrap();
    assert_eq!(pool.apply(|()| mapped(), ()).unwrap(), before);
}

fn descriptors_go_with_tasks_and_come_with_results(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 2);
    let ends: Vec<_> = (0..20).map(|_| pipe().unwrap()).collect();
    let (inputs, outputs): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
    let say = |(number, output): (u64, Passed<std::io::PipeWriter>)| {
        write!(output.into_inner(), "{number}").unwrap();
    };
    pool.map(say, (0..20).zip(outputs.into_iter().map(Passed::from))).unwrap();
    for (number, mut input) in inputs.into_iter().enumerate() {
        let mut text = String::new();
        input.read_to_string(&mut text).unwrap();
        assert_eq!(text, number.to_string());
    }
    let (mut input, output) = pipe().unwrap();
    pool.apply(say, (1, Passed::from(output))).unwrap();
    let mut text = String::new();
    input.read_to_string(&mut text).unwrap();
    assert_eq!(text, "1");

    let opened =
        pool.map(|path: String| Passed::from(File::open(path).unwrap()), ["/proc/self/stat".to_owned()]);
    for file in opened.unwrap() {
        let mut text = String::new();
        file.into_inner().read_to_string(&mut text).unwrap();
        assert!(text.starts_with(|first: char| first.is_ascii_digit()));
    }
}

fn a_task_that_is_taken_back_takes_its_descriptors_with_it(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 1);
    let (begun, gate) = (event(), event());
    let blocked = pool.apply_async(
        |(begun, gate): (Event, Event)| {
            begun.set();
            gate.wait();
        },
        (begun.clone(), gate.clone()),
    );
    begun.wait();
    let (mut input, output) = pipe().unwrap();
    let waits = pool.apply_async(|_: Passed<std::io::PipeWriter>| (), Passed::from(output));
    assert!(waits.cancel());
    drop(waits);
    // The end comes when nobody has the other end: not the worker either.
    assert_eq!(input.read(&mut [0]).unwrap(), 0);
    gate.set();
    blocked.get().unwrap();
}

fn a_retry_has_what_the_first_try_had(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 2);
    let (mut input, output) = pipe().unwrap();
    let first = event();
    let dies_once = |(first, output): (Event, Passed<std::io::PipeWriter>)| {
        if !first.is_set() {
            first.set();
            std::process::abort();
        }
        output.into_inner().write_all(b"again").unwrap();
    };
    pool.retries(1).apply(dies_once, (first, Passed::from(output))).unwrap();
    let mut text = String::new();
    input.read_to_string(&mut text).unwrap();
    assert_eq!(text, "again");
}

fn what_cannot_go_along_is_refused(elsewhere: Elsewhere) {
    let pool = pool(elsewhere, 1);
    let (_input, output) = pipe().unwrap();
    let bound = with(Passed::from(output), |_: &Passed<std::io::PipeWriter>, _: u64| ());
    let error = pool.apply(bound, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("not in a context"), "{error}");
    let (_input, output) = pipe().unwrap();
    let many: Vec<_> = (0..300).map(|_| Passed::from(output.try_clone().unwrap())).collect();
    let error = pool.apply(|many: Vec<Passed<std::io::PipeWriter>>| many.len(), many).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Os);
    assert_eq!(pool.apply(|x: u64| x + 1, 1).unwrap(), 2);
}
