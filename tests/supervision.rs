//! How a process pool looks after its workers: limits on tasks, memory, deaths and idleness; initializers that
//! end their process; hooks. By every start method. `tests/conformance/supervised.rs` has what threads do as well.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool::{ErrorKind, Exit, Pool, ProcessPool, ProcessPoolBuilder, Worker};
use support::{Census, Gate, Marks, SIGKILL, Scratch, children, crew, eventually, guarded, is_alive, kill};

/// A function of a start method from one of none: that is the program's default then, and what is left behind is
/// counted.
macro_rules! by_every_start_method {
    ($($test:ident),+ $(,)?) => {
        mod each {
            $(pub(crate) fn $test(method: pool::StartMethod) {
                method.set_default();
                let before = super::Census::take();
                super::$test();
                before.assert_restored();
            })+
            $crate::support::alone_on_every_start_method!($($test),+);
        }
    };
}

by_every_start_method!(
    a_worker_does_its_number_of_tasks_and_no_more,
    workers_are_replaced_after_their_number_of_tasks,
    results_arrive_when_a_pool_of_short_lives_is_closed_early,
    short_lives_with_deaths_and_retries,
    the_last_task_of_a_life_may_die,
    a_worker_that_grew_too_large_is_replaced,
    a_small_worker_stays,
    an_initializer_that_exits_breaks_the_pool,
    an_initializer_that_is_killed_breaks_the_pool,
    an_initializer_that_takes_too_long_breaks_the_pool,
    an_initializer_that_fails_in_a_refill_ends_what_is_in_hand,
    an_initializer_runs_in_every_refill,
    an_initializer_under_way_does_not_hold_up_a_drop,
    an_initializer_with_short_lives,
    too_many_deaths_break_the_pool,
    deaths_by_the_pools_own_hand_are_not_counted,
    a_pool_without_a_limit_withstands_many_deaths,
    idle_workers_leave_and_come_back,
    closing_a_pool_whose_workers_come_and_go_does_what_was_submitted,
    what_waits_behind_a_long_task_in_a_closing_pool_is_done_by_others,
    what_waits_behind_a_long_task_is_done_by_others_though_nobody_waits,
    results_before_a_long_task_are_there_while_it_runs,
    an_initializer_is_not_cancelled_with_what_is_queued,
    an_idle_pool_does_nothing,
    the_supervisor_sleeps_while_a_worker_takes_its_time_to_leave,
    hooks_hear_of_every_worker,
    hooks_that_panic_harm_nobody,
    a_smaller_pool_has_fewer_processes,
    workers_have_the_environment_they_are_given,
    workers_work_where_they_are_told,
    workers_are_as_nice_as_they_are_told,
    workers_are_pinned_to_their_cores,
    a_worker_dies_of_its_limit_of_memory,
    surroundings_that_cannot_be_had_break_the_pool,
);

fn builder(workers: usize) -> ProcessPoolBuilder {
    // The test harness has threads.
    ProcessPool::builder().workers(workers).allow_fork_with_threads(true)
}

fn pid(_: u64) -> u32 {
    std::process::id()
}

fn die(_: u64) -> u64 {
    kill(std::process::id(), SIGKILL);
    unreachable!("SIGKILL cannot be survived")
}

#[test]
fn limits_of_nothing_are_refused() {
    guarded(|| {
        let error = builder(1).max_tasks_per_worker(0).build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("max_tasks_per_worker"), "{error}");
        let unencodable = builder(1).initializer(|_: Unencodable| (), Unencodable).build().unwrap_err();
        assert_eq!(unencodable.kind(), ErrorKind::Encode);
        assert!(unencodable.to_string().contains("not today"), "{unencodable}");
    });
}

/// Refuses to be encoded.
#[derive(serde::Deserialize)]
struct Unencodable;

impl serde::Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("not today"))
    }
}

fn a_worker_does_its_number_of_tasks_and_no_more() {
    for most in [1, 2, 7] {
        let pool = builder(2).max_tasks_per_worker(most).build().unwrap();
        let mut tasks = std::collections::BTreeMap::new();
        // One by one, and as many ahead as the pool likes.
        for x in 0..20 {
            *tasks.entry(pool.apply(pid, x).unwrap()).or_insert(0) += 1;
        }
        for pid in pool.chunk_size(1).map(pid, 0..100).unwrap() {
            *tasks.entry(pid).or_insert(0) += 1;
        }
        assert_eq!(tasks.values().sum::<usize>(), 120);
        assert!(tasks.values().all(|count| *count <= most), "at most {most}: {tasks:?}");
        assert!(tasks.len() >= 120 / most, "each in as many as it takes");
    }
}

fn workers_are_replaced_after_their_number_of_tasks() {
    let pool = builder(3).max_tasks_per_worker(10).build().unwrap();
    let first: BTreeSet<u32> = crew(&pool, 3).into_iter().map(|(pid, _)| pid).collect();
    assert_eq!(
        pool.chunk_size(1).map(|x: u64| x * x, 0..100).unwrap(),
        (0..100).map(|x| x * x).collect::<Vec<_>>()
    );
    let last: BTreeSet<u32> = crew(&pool, 3).into_iter().map(|(pid, _)| pid).collect();
    assert!(first.is_disjoint(&last));
    pool.close();
    pool.join().unwrap();
}

fn results_arrive_when_a_pool_of_short_lives_is_closed_early() {
    for _ in 0..5 {
        let pool = builder(3).max_tasks_per_worker(1).build().unwrap();
        let handles: Vec<_> = (0..12).map(|x: u64| pool.apply_async(|x: u64| x * x, x)).collect();
        pool.close();
        pool.join().unwrap();
        for (x, handle) in (0..).zip(handles) {
            assert_eq!(handle.get().unwrap(), x * x);
        }
        assert_eq!(children(), []);
    }
}

fn short_lives_with_deaths_and_retries() {
    let pool = builder(2).max_tasks_per_worker(3).build().unwrap();
    let scratch = Scratch::new();
    let task = |(tries, x): (Marks, u64)| {
        tries.add();
        if tries.count() == 1 && x.is_multiple_of(5) { die(x) } else { x }
    };
    let items: Vec<_> = (0..60).map(|x| (scratch.marks(&x.to_string()), x)).collect();
    let results = pool.retries(1).chunk_size(1).map(task, items).unwrap();
    assert_eq!(results, (0..60).collect::<Vec<_>>());
}

fn the_last_task_of_a_life_may_die() {
    let pool = builder(1).max_tasks_per_worker(2).build().unwrap();
    for x in 0..6 {
        assert_eq!(pool.apply(|x: u64| x, x).unwrap(), x);
        assert!(pool.apply(die, x).unwrap_err().is_worker_died());
    }
}

static HOARD: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Keeps so many MiB, and says who it is.
fn hoard(mebibytes: u64) -> u32 {
    let bytes = (mebibytes as usize) << 20;
    // Written to, so that it is resident.
    HOARD.lock().unwrap().push((0..bytes).map(|at| at as u8).collect());
    std::process::id()
}

fn a_worker_that_grew_too_large_is_replaced() {
    let pool = builder(1).max_memory_per_worker(200 << 20).build().unwrap();
    let first = pool.apply(hoard, 1).unwrap();
    assert_eq!(pool.apply(hoard, 1).unwrap(), first);
    assert_eq!(pool.apply(hoard, 300).unwrap(), first, "it ends its task");
    let second = pool.apply(hoard, 1).unwrap();
    assert_ne!(second, first);
    assert_eq!(pool.apply(hoard, 1).unwrap(), second);
    eventually("the large one was gone", || !is_alive(first));
}

fn a_small_worker_stays() {
    let pool = builder(1).max_memory_per_worker(4 << 30).build().unwrap();
    let pids: BTreeSet<u32> = pool.chunk_size(1).map(pid, 0..100).unwrap().into_iter().collect();
    assert_eq!(pids.len(), 1);
}

#[track_caller]
fn is_broken_by(pool: &ProcessPool, texts: &[&str]) {
    let error = pool.apply(pid, 0).unwrap_err();
    assert!(error.is_broken(), "{error}");
    for text in texts {
        assert!(error.to_string().contains(text), "no word of {text:?} in: {error}");
    }
    eventually("all workers were gone", || children().is_empty());
    assert!(pool.map(pid, 0..10).unwrap_err().is_broken(), "for good");
}

fn an_initializer_that_exits_breaks_the_pool() {
    let pool = builder(2).initializer(|code: i32| std::process::exit(code), 3).build().unwrap();
    is_broken_by(&pool, &["initializer", "status 3", "-worker-"]);
}

fn an_initializer_that_is_killed_breaks_the_pool() {
    let pool = builder(2).initializer(|_: u64| kill(std::process::id(), SIGKILL), 0).build().unwrap();
    is_broken_by(&pool, &["initializer", "SIGKILL"]);
}

fn an_initializer_that_takes_too_long_breaks_the_pool() {
    let stuck = |_: u64| eventually("pigs flew", || false);
    let limit = Duration::from_millis(100);
    let pool = builder(2).initializer(stuck, 0).initializer_timeout(limit).build().unwrap();
    is_broken_by(&pool, &["initializer", "100ms"]);
}

fn an_initializer_that_fails_in_a_refill_ends_what_is_in_hand() {
    let scratch = Scratch::new();
    let initialize = |marks: Marks| {
        marks.add();
        assert!(marks.count() <= 2, "the third time");
    };
    let pool = builder(2).initializer(initialize, scratch.marks("initialized")).build().unwrap();
    crew(&pool, 2);
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let held = pool.apply_async(
        |(begun, gate): (Marks, support::Gate)| {
            begun.add();
            gate.wait();
        },
        (begun.clone(), gate),
    );
    begun.wait_for(1);
    assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    let error = held.get().unwrap_err();
    assert!(error.is_broken() && error.to_string().contains("the third time"), "{error}");
    is_broken_by(&pool, &["the third time", "supervision.rs:"]);
}

fn an_initializer_runs_in_every_refill() {
    let scratch = Scratch::new();
    let marks = scratch.marks("initialized");
    let pool = builder(2).initializer(|marks: Marks| marks.add(), marks.clone()).build().unwrap();
    crew(&pool, 2);
    for deaths in 1..=5 {
        assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
        crew(&pool, 2);
        assert_eq!(marks.count(), 2 + deaths);
    }
}

fn an_initializer_under_way_does_not_hold_up_a_drop() {
    let scratch = Scratch::new();
    let marks = scratch.marks("begun");
    let stuck = |marks: Marks| {
        marks.add();
        eventually("pigs flew", || false);
    };
    let pool = builder(2).initializer(stuck, marks.clone()).build().unwrap();
    let handle = pool.apply_async(pid, 0);
    marks.wait_for(2);
    drop(pool);
    assert_eq!(handle.get().unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(children(), []);
}

fn an_initializer_with_short_lives() {
    let scratch = Scratch::new();
    let marks = scratch.marks("initialized");
    let pool = builder(2)
        .initializer(|marks: Marks| marks.add(), marks.clone())
        .max_tasks_per_worker(5)
        .build()
        .unwrap();
    assert_eq!(pool.chunk_size(1).map(|x: u64| x, 0..50).unwrap().len(), 50);
    pool.close();
    pool.join().unwrap();
    assert!(marks.count() >= 10, "{}", marks.count());
}

fn too_many_deaths_break_the_pool() {
    let pool = builder(2).restart_limit(3, Duration::from_secs(600)).build().unwrap();
    for _ in 0..3 {
        assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    }
    assert_eq!(pool.apply(|x: u64| x, 5).unwrap(), 5, "as many as allowed");
    let last = pool.apply(die, 0).unwrap_err();
    assert!(last.is_worker_died() || last.is_broken(), "{last}");
    is_broken_by(&pool, &["4 workers died within 600s", "SIGKILL"]);
}

fn deaths_by_the_pools_own_hand_are_not_counted() {
    let limit = Duration::from_secs(600);
    let pool = builder(1).restart_limit(0, limit).max_tasks_per_worker(2).build().unwrap();
    let for_ever = |_: u64| eventually("pigs flew", || false);
    for x in 0..3 {
        assert!(pool.timeout(Duration::from_millis(20)).apply(for_ever, 0).unwrap_err().is_timeout());
        assert_eq!(pool.apply(|x: u64| x, x).unwrap(), x);
        assert_eq!(pool.apply(|x: u64| x, x).unwrap(), x);
    }
    let scratch = Scratch::new();
    let begun = scratch.marks("begun");
    let handle = pool.apply_async(
        |begun: Marks| {
            begun.add();
            eventually("pigs flew", || false);
        },
        begun.clone(),
    );
    begun.wait_for(1);
    assert!(handle.cancel());
    assert_eq!(pool.apply(|x: u64| x, 5).unwrap(), 5);
}

fn a_pool_without_a_limit_withstands_many_deaths() {
    let pool = builder(2).build().unwrap();
    for _ in 0..50 {
        assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    }
    assert_eq!(pool.apply(|x: u64| x, 5).unwrap(), 5);
}

fn idle_workers_leave_and_come_back() {
    let pool = builder(3).idle_timeout(Duration::from_millis(30)).build().unwrap();
    for _ in 0..3 {
        crew(&pool, 3);
        eventually("all had left", || children().is_empty());
        assert_eq!(pool.workers(), 3, "as many as are wanted");
        assert_eq!(pool.apply(|x: u64| x, 5).unwrap(), 5);
        assert_eq!(pool.map(|x: u64| x, 0..100).unwrap().len(), 100);
    }
    // With nobody there.
    eventually("all had left", || children().is_empty());
    pool.close();
    pool.join().unwrap();
    let pool = builder(1).idle_timeout(Duration::from_millis(1)).build().unwrap();
    for x in 0..100 {
        assert_eq!(pool.apply(|x: u64| x, x).unwrap(), x, "whatever the moment");
    }
    eventually("all had left", || children().is_empty());
}

fn closing_a_pool_whose_workers_come_and_go_does_what_was_submitted() {
    for round in 0..20 {
        let pool = builder(3).idle_timeout(Duration::from_millis(1)).build().unwrap();
        if round % 2 == 0 {
            eventually("all had left", || children().is_empty());
        }
        let handle = pool.chunk_size(1).map_async(|x: u64| x + 1, 0..50);
        pool.close();
        assert_eq!(handle.get().unwrap(), (1..51).collect::<Vec<u64>>());
        pool.join().unwrap();
    }
}

fn what_waits_behind_a_long_task_in_a_closing_pool_is_done_by_others() {
    for idle_timeout in [None, Some(Duration::from_millis(1))] {
        let scratch = Scratch::new();
        let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
        let pool = match idle_timeout {
            Some(after) => builder(2).idle_timeout(after).build().unwrap(),
            None => builder(2).build().unwrap(),
        };
        // Short tasks: from now on lanes are filled.
        pool.chunk_size(1).map(|x: u64| x, 0..200).unwrap();
        let long = pool.apply_async(hold, (begun.clone(), gate.clone()));
        let short: Vec<_> = (0..50).map(|x: u64| pool.apply_async(|x: u64| x, x)).collect();
        pool.close();
        begun.wait_for(1);
        for (x, handle) in short.into_iter().enumerate() {
            assert_eq!(handle.get().unwrap(), x as u64);
        }
        assert!(!long.ready());
        gate.open();
        long.get().unwrap();
        pool.join().unwrap();
    }
}

/// Begins, and waits for the gate.
fn hold((begun, gate): (Marks, Gate)) {
    begun.add();
    gate.wait();
}

/// Has the pool know its tasks for so short that lanes are filled.
fn is_used_to_short_tasks(pool: &ProcessPool) {
    let nap = |_: u64| std::thread::sleep(Duration::from_micros(50));
    pool.chunk_size(1).map(nap, 0..200).unwrap();
}

fn what_waits_behind_a_long_task_is_done_by_others_though_nobody_waits() {
    let scratch = Scratch::new();
    let (begun, done, gate) = (scratch.marks("begun"), scratch.marks("done"), scratch.gate("gate"));
    let pool = builder(2).build().unwrap();
    is_used_to_short_tasks(&pool);
    let long = pool.apply_async(hold, (begun, gate.clone()));
    (0..40).for_each(|_| drop(pool.apply_async(|done: Marks| done.add(), done.clone())));
    done.wait_for(40);
    assert!(!long.ready());
    gate.open();
    long.get().unwrap();
}

fn results_before_a_long_task_are_there_while_it_runs() {
    let scratch = Scratch::new();
    for workers in [1, 2] {
        let (begun, gate) =
            (scratch.marks(&format!("begun {workers}")), scratch.gate(&format!("gate {workers}")));
        let pool = builder(workers).build().unwrap();
        is_used_to_short_tasks(&pool);
        let first: Vec<_> = (0..workers as u64).map(|x| pool.apply_async(|x: u64| x, x)).collect();
        let long: Vec<_> =
            (0..workers).map(|_| pool.apply_async(hold, (begun.clone(), gate.clone()))).collect();
        let last: Vec<_> = (0..20u64).map(|x| pool.apply_async(|x: u64| x, x)).collect();
        begun.wait_for(workers as u64);
        for (x, handle) in (0..).zip(first) {
            assert_eq!(handle.get().unwrap(), x);
        }
        assert!(long.iter().all(|handle| !handle.ready()));
        gate.open();
        long.into_iter().for_each(|handle| handle.get().unwrap());
        assert!((0..).zip(last).all(|(x, handle)| handle.get().unwrap() == x));
    }
}

fn an_initializer_is_not_cancelled_with_what_is_queued() {
    let pool = builder(1).initializer(|_: u64| (), 1).build().unwrap();
    let handle = pool.apply_async(pid, 1);
    // Most likely before the initializer has begun.
    pool.terminate_workers();
    match handle.get() {
        Ok(worker) => assert_ne!(worker, std::process::id()),
        Err(error) => assert!(error.is_cancelled() || error.is_worker_died() || error.is_broken(), "{error}"),
    }
    pool.join().unwrap();
}

/// Neither with idle workers nor when they have left does the pool wake up to look.
fn an_idle_pool_does_nothing() {
    // The kernel keeps fifteen letters of a thread's name.
    let pool = builder(2).name("q").idle_timeout(Duration::from_millis(50)).build().unwrap();
    crew(&pool, 2);
    eventually("all had left", || children().is_empty());
    // What the last exit set off may still be under way.
    let mut before = switches();
    eventually("the supervisor slept", || {
        std::thread::sleep(Duration::from_millis(20));
        std::mem::replace(&mut before, switches()) == before
    });
    // Long enough for whoever looks once in a while.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(switches(), before, "it slept through");
}

/// Leaves when the gate is open.
fn leave_by(gate: Gate) -> u32 {
    pool::at_exit(Some(0), move || gate.wait()).leave_to_exit();
    std::process::id()
}

fn the_supervisor_sleeps_while_a_worker_takes_its_time_to_leave() {
    /// Somebody who is busy is not asleep so many times in a row.
    const LOOKS: usize = 30;
    let scratch = Scratch::new();
    for nth in 0..10 {
        let gate = scratch.gate(&nth.to_string());
        let pool = builder(1).name("q").max_tasks_per_worker(1).build().unwrap();
        let first = pool.apply_async(|()| (), ());
        // This one is there before its worker is.
        let leaver = pool.apply_async(leave_by, gate.clone());
        first.get().unwrap();
        let leaver = leaver.get().unwrap();
        let mut asleep = 0;
        while asleep < LOOKS {
            // It is killed after five seconds.
            assert!(is_alive(leaver), "the supervisor is busy");
            asleep = if status("State").contains("sleeping") { asleep + 1 } else { 0 };
            std::thread::sleep(Duration::from_millis(1));
        }
        gate.open();
    }
}

/// How often the supervisor of the pool `q` gave up its core.
fn switches() -> String {
    status("voluntary_ctxt_switches")
}

/// What the system says of the supervisor of the pool `q`.
fn status(what: &str) -> String {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let read = |task: &std::fs::DirEntry, file: &str| {
        std::fs::read_to_string(task.path().join(file)).unwrap_or_default()
    };
    let status: String = tasks
        .filter(|task| read(task, "comm").trim() == "q-supervisor")
        .map(|task| read(&task, "status"))
        .collect();
    let line = status.lines().find(|line| line.starts_with(what));
    line.expect("the supervisor's status").to_owned()
}

fn hooks_hear_of_every_worker() {
    /// A start, or an end.
    type Heard = Mutex<Vec<(Worker, Option<Exit>)>>;
    let heard: Arc<Heard> = Arc::default();
    let (starts, exits) = (heard.clone(), heard.clone());
    let pool = builder(2)
        .name("kitchen")
        .on_worker_start(move |worker| starts.lock().unwrap().push((worker.clone(), None)))
        .on_worker_exit(move |worker, exit| exits.lock().unwrap().push((worker.clone(), Some(exit))))
        .build()
        .unwrap();
    let mut pids: BTreeSet<u32> = crew(&pool, 2).into_iter().map(|(pid, _)| pid).collect();
    assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    pids.extend(crew(&pool, 2).into_iter().map(|(pid, _)| pid));
    pool.close();
    pool.join().unwrap();
    let heard = heard.lock().unwrap();
    let started: Vec<u32> =
        heard.iter().filter(|(_, exit)| exit.is_none()).filter_map(|(w, _)| w.pid).collect();
    assert_eq!(started.iter().copied().collect::<BTreeSet<_>>(), pids);
    assert_eq!(started.len(), 3, "each once");
    let exits: Vec<Exit> = heard.iter().filter_map(|(_, exit)| *exit).collect();
    assert_eq!(exits.len(), 3, "each once, before join returns");
    assert_eq!(exits.iter().filter(|exit| exit.signal() == Some(SIGKILL)).count(), 1);
    assert_eq!(
        exits.iter().filter(|exit| **exit == Exit::Code(0)).count(),
        2,
        "those that were told to leave"
    );
    assert!(heard.iter().all(|(worker, _)| worker.name.starts_with("kitchen-worker-")));
    // A worker starts before it ends.
    for (worker, _) in heard.iter().filter(|(_, exit)| exit.is_some()) {
        let of_it: Vec<_> = heard.iter().filter(|(other, _)| other == worker).collect();
        assert!(of_it[0].1.is_none() && of_it[1].1.is_some());
    }
}

fn hooks_that_panic_harm_nobody() {
    let pool =
        builder(2).on_worker_start(|_| panic!("a hook")).on_worker_exit(|_, _| panic!("a hook")).build();
    let pool = pool.unwrap();
    crew(&pool, 2);
    assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    crew(&pool, 2);
}

fn a_smaller_pool_has_fewer_processes() {
    let pool = builder(4).build().unwrap();
    crew(&pool, 4);
    pool.resize(1).unwrap();
    eventually("three had left", || children().len() == 1);
    assert_eq!(pool.map(|x: u64| x, 0..50).unwrap().len(), 50);
    assert_eq!(children().len(), 1);
    // Deaths are made good to the new size.
    assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    crew(&pool, 1);
    assert_eq!(children().len(), 1);
    pool.resize(3).unwrap();
    crew(&pool, 3);
}

fn workers_have_the_environment_they_are_given() {
    let pool =
        builder(1).env("POOL_TEST_GIVEN", "a = b").env("POOL_TEST_GONE", "x").env_remove("POOL_TEST_GONE");
    let pool = pool.env_remove("TMPDIR").build().unwrap();
    let read = |name: String| std::env::var(name).ok();
    assert_eq!(pool.apply(read, "POOL_TEST_GIVEN".into()).unwrap().as_deref(), Some("a = b"));
    assert_eq!(pool.apply(read, "POOL_TEST_GONE".into()).unwrap(), None);
    assert_eq!(pool.apply(read, "TMPDIR".into()).unwrap(), None);
    assert!(std::env::var_os("TMPDIR").is_some(), "the program's is as it was");
    assert_eq!(
        pool.apply(read, "PATH".into()).unwrap(),
        std::env::var("PATH").ok(),
        "and the rest is the same"
    );
    for name in ["", "a=b", "a\0b"] {
        let error = builder(1).env(name, "x").build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert_eq!(builder(1).env_remove(name).build().unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
    assert_eq!(builder(1).env("a", "x\0y").build().unwrap_err().kind(), ErrorKind::InvalidArgument);
}

fn workers_work_where_they_are_told() {
    let scratch = Scratch::new();
    let pool = builder(2).current_dir(scratch.path()).build().unwrap();
    let here = |_: u64| std::env::current_dir().unwrap();
    let expected = scratch.path().canonicalize().unwrap();
    assert_eq!(pool.apply(here, 0).unwrap(), expected);
    assert!(pool.apply(die, 0).unwrap_err().is_worker_died());
    assert_eq!(pool.chunk_size(1).map(here, 0..8).unwrap(), vec![expected; 8], "also those that come later");
    assert_ne!(std::env::current_dir().unwrap(), scratch.path());
}

fn stat(field: usize) -> String {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(field - 3).unwrap().to_owned()
}

fn workers_are_as_nice_as_they_are_told() {
    let pool = builder(1).nice(7).build().unwrap();
    assert_eq!(pool.apply(|_: u64| stat(19), 0).unwrap(), "7");
    assert_eq!(builder(1).nice(20).build().unwrap_err().kind(), ErrorKind::InvalidArgument);
}

fn workers_are_pinned_to_their_cores() {
    let allowed = |_: u64| {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        (std::thread::current().name().unwrap().to_owned(), line.trim().to_owned())
    };
    let cores = std::thread::available_parallelism().unwrap().get();
    let second = if cores > 1 { 1 } else { 0 };
    let pool = builder(4).cpus([[0], [second]]).build().unwrap();
    for (name, list) in pool.chunk_size(1).map(allowed, 0..100).unwrap() {
        let number: usize = name.rsplit('-').next().unwrap().parse().unwrap();
        let expected = if number % 2 == 1 { 0 } else { second };
        assert_eq!(list, expected.to_string(), "{name}");
    }
    for sets in [vec![], vec![vec![]]] {
        assert_eq!(builder(1).cpus(sets).build().unwrap_err().kind(), ErrorKind::InvalidArgument);
    }
}

fn a_worker_dies_of_its_limit_of_memory() {
    let pool = builder(2).memory_limit(1 << 30).build().unwrap();
    assert!(pool.apply(hoard, 1).is_ok());
    let error = pool.apply(hoard, 2_000).unwrap_err();
    assert!(error.is_worker_died(), "{error}");
    assert!(pool.apply(hoard, 1).is_ok());
}

fn surroundings_that_cannot_be_had_break_the_pool() {
    let pool = builder(2).current_dir("/nowhere/at/all").build().unwrap();
    is_broken_by(&pool, &["/nowhere/at/all"]);
    let pool = builder(1).cpus([[100_000]]).build().unwrap();
    is_broken_by(&pool, &["core"]);
}
