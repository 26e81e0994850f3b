//! Deaths of workers, in every way and at every moment: no call hangs, the error says how it ended,
//! nobody else is affected, and the pool is at full strength again. `POOL_DEATH_RUNS` says how often
//! each is tried.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::hint::black_box;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use pool::{Error, ErrorKind, Exit, Pool, ProcessPool, StartMethod};
use support::{
    Census, Gate, Marks, SIGABRT, SIGKILL, SIGSEGV, Scratch, children, crew, eventually, guarded, is_alive,
    is_asleep, kill, pool_of,
};

/// Each test on each start method, in a program of its own, so that what is left behind can be counted.
macro_rules! alone {
    ($($test:ident),+ $(,)?) => {
        mod alone {
            use super::METHOD;

            $(fn $test(method: pool::StartMethod) {
                METHOD.set(method).unwrap();
                super::$test();
            })+
            crate::support::alone_on_every_start_method!($($test),+);
        }
    };
}

/// The one of this program.
static METHOD: OnceLock<StartMethod> = OnceLock::new();

fn method() -> StartMethod {
    *METHOD.get().unwrap()
}

alone!(
    killed_in_a_task,
    aborted_in_a_task,
    exited_in_a_task,
    exited_with_status_0_in_a_task,
    stack_overflow_in_a_task,
    stack_overflow_in_a_thread_of_a_task,
    killed_while_idle,
    killed_while_being_born,
    killed_with_tasks_behind,
    every_worker_killed_at_once,
    killed_at_random,
    killed_while_closing,
    the_only_worker_dies_over_and_over,
    a_chunk_is_lost_as_a_whole_and_alone,
    map_names_the_first_item_of_the_lost_chunk,
    a_death_leaves_a_large_result_of_another_alone,
    retries_run_the_task_again,
    retries_are_used_up,
    retries_do_not_repeat_panics,
    a_pool_that_outlives_its_thread_refills,
    a_pool_dropped_in_mid_work,
    terminate_in_mid_work,
    callbacks_and_futures_hear_of_a_death,
);

fn runs() -> u64 {
    std::env::var("POOL_DEATH_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

fn pids(pool: &ProcessPool, workers: usize) -> Vec<u32> {
    let mut pids: Vec<u32> = crew(pool, workers).into_iter().map(|(pid, _)| pid).collect();
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), workers, "as many processes as workers");
    pids
}

fn die_by_signal(_: u64) -> u64 {
    kill(std::process::id(), SIGKILL);
    unreachable!("SIGKILL cannot be survived")
}

/// Twenty calls, one of which dies; again and again with the same pool.
fn dies(task: impl Fn(u64) -> u64 + Copy + Send + Sync + 'static, is_it: fn(Exit) -> bool) {
    let before_all = Census::take();
    let pool = pool_of(method(), 2);
    let mut alive = pids(&pool, 2);
    let census = Census::settled();
    for run in 0..runs() {
        let handles: Vec<_> =
            (0..20).map(|x| (x, pool.apply_async(task, if x == 7 { u64::MAX } else { x }))).collect();
        let mut died = 0;
        for (x, handle) in handles {
            match handle.get() {
                Ok(value) => assert_eq!(value, x),
                Err(error) => {
                    assert_eq!((x, error.kind()), (7, ErrorKind::WorkerDied), "run {run}: {error}");
                    assert!(is_it(error.exit().unwrap()), "run {run}: {error}");
                    died = error.worker().and_then(|worker| worker.pid).expect("which worker");
                }
            }
        }
        assert!(alive.contains(&died), "run {run}: {died} is none of {alive:?}");
        alive = pids(&pool, 2);
        assert!(!alive.contains(&died));
        assert_eq!(children(), alive, "no zombie, and nobody else");
        census.assert_no_more();
    }
    drop(pool);
    before_all.assert_restored();
}

fn killed_in_a_task() {
    let task = |x: u64| if x == u64::MAX { die_by_signal(x) } else { x };
    dies(task, |exit| exit == Exit::Signal { number: SIGKILL, stack_overflow: false });
}

fn aborted_in_a_task() {
    let task = |x: u64| if x == u64::MAX { std::process::abort() } else { x };
    dies(task, |exit| exit == Exit::Signal { number: SIGABRT, stack_overflow: false });
}

fn exited_in_a_task() {
    let task = |x: u64| if x == u64::MAX { std::process::exit(3) } else { x };
    dies(task, |exit| exit == Exit::Code(3));
}

fn exited_with_status_0_in_a_task() {
    let task = |x: u64| if x == u64::MAX { std::process::exit(0) } else { x };
    dies(task, |exit| exit == Exit::Code(0));
}

/// Uses up the stack.
fn deep(level: u64) -> u64 {
    let ballast = black_box([level; 128]);
    if level == 0 { ballast[7] } else { deep(level - 1) + ballast[3] }
}

fn is_overflow(exit: Exit) -> bool {
    matches!(exit, Exit::Signal { number, stack_overflow: true } if [SIGABRT, SIGSEGV].contains(&number))
}

fn stack_overflow_in_a_task() {
    dies(|x: u64| if x == u64::MAX { deep(x) } else { x }, is_overflow);
}

/// std reports that one, in its own way; the pool cannot tell it from any other end by that signal.
fn stack_overflow_in_a_thread_of_a_task() {
    let task = |x: u64| match x {
        u64::MAX => std::thread::spawn(move || deep(x)).join().unwrap(),
        _ => x,
    };
    dies(task, |exit| matches!(exit.signal(), Some(SIGABRT | SIGSEGV)));
}

fn killed_while_idle() {
    let pool = pool_of(method(), 2);
    let census = {
        pids(&pool, 2);
        Census::settled()
    };
    for run in 0..runs() {
        let alive = pids(&pool, 2);
        let victim = alive[run as usize % 2];
        // Not one that still looks for work: it could begin a task in the moment before it dies.
        eventually("the worker slept", || is_asleep(victim));
        kill(victim, SIGKILL);
        // At once, and again when the pool has noticed: nothing was in hand, so nothing is lost.
        for (x, handle) in (0..20).map(|x: u64| (x, pool.apply_async(|x: u64| x + 1, x))).collect::<Vec<_>>()
        {
            assert_eq!(handle.get().unwrap(), x + 1, "run {run}");
        }
        eventually("the dead worker was reaped", || !children().contains(&victim));
        assert_eq!(pool.map(|x: u64| x + 1, 0..20).unwrap(), (1..=20).collect::<Vec<_>>());
        assert!(!pids(&pool, 2).contains(&victim));
        census.assert_no_more();
    }
}

fn killed_while_being_born() {
    for _ in 0..runs() {
        let pool = pool_of(method(), 2);
        if let Some(victim) = children().first() {
            kill(*victim, SIGKILL);
        }
        let results = pool.map(|x: u64| x + 1, 0..20);
        match results {
            Ok(values) => assert_eq!(values, (1..=20).collect::<Vec<_>>()),
            // It was up already, and had begun.
            Err(error) => assert_eq!(error.kind(), ErrorKind::WorkerDied),
        }
        pids(&pool, 2);
    }
    assert_eq!(children(), []);
}

/// Many short tasks make the pool send several at once; those behind the one that dies are not lost.
fn killed_with_tasks_behind() {
    let pool = pool_of(method(), 2);
    for run in 0..runs() {
        pool.chunk_size(1).map(|x: u64| x, 0..500).unwrap();
        let task = |x: u64| if x.is_multiple_of(100) { die_by_signal(x) } else { x };
        let results: Vec<_> = pool.imap(task, 1..=500).collect();
        assert_eq!(results.len(), 500);
        for (x, result) in (1..).zip(results) {
            match result {
                Ok(value) => assert_eq!(value, x),
                Err(error) => assert_eq!(
                    (x % 100, error.kind(), error.item()),
                    (0, ErrorKind::WorkerDied, Some(x as usize - 1)),
                    "run {run}: {error}"
                ),
            }
        }
    }
    pids(&pool, 2);
}

fn every_worker_killed_at_once() {
    let pool = pool_of(method(), 3);
    for _ in 0..runs() {
        let scratch = Scratch::new();
        let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
        let hold = |(begun, gate): (Marks, Gate)| {
            begun.add();
            gate.wait();
        };
        let in_hand: Vec<_> = (0..3).map(|_| pool.apply_async(hold, (begun.clone(), gate.clone()))).collect();
        begun.wait_for(3);
        let waiting = pool.map_async(|x: u64| x, 0..50);
        children().into_iter().for_each(|pid| kill(pid, SIGKILL));
        for handle in in_hand {
            assert_eq!(handle.get().unwrap_err().exit().and_then(Exit::signal), Some(SIGKILL));
        }
        assert_eq!(waiting.get().unwrap().len(), 50);
        pids(&pool, 3);
    }
}

/// Deaths at any moment: every call ends, with its own result or the death of its own worker.
fn killed_at_random() {
    let pool = pool_of(method(), 2);
    pids(&pool, 2);
    let over = std::sync::atomic::AtomicBool::new(false);
    let over = &over;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut seed = 1u64;
            while !over.load(std::sync::atomic::Ordering::SeqCst) {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // The instants are the input of this test, and nothing waits for them. Slow enough that workers come up in between: a pool whose workers cannot start breaks.
                std::thread::sleep(Duration::from_micros(10_000 + (seed >> 33) % 5_000));
                let alive = children();
                if !alive.is_empty() {
                    kill(alive[(seed >> 40) as usize % alive.len()], SIGKILL);
                }
            }
        });
        for run in 0..runs() {
            let only_deaths =
                |error: &Error| assert_eq!(error.kind(), ErrorKind::WorkerDied, "run {run}: {error}");
            let handles: Vec<_> = (0..200u64).map(|x| (x, pool.apply_async(|x: u64| x + 1, x))).collect();
            for (x, result) in pool.chunk_size(3).imap(|x: u64| x + 1, 0..300).enumerate() {
                match result {
                    Ok(value) => assert_eq!(value, x as u64 + 1),
                    Err(error) => only_deaths(&error),
                }
            }
            for (x, handle) in handles {
                match handle.get() {
                    Ok(value) => assert_eq!(value, x + 1),
                    Err(error) => only_deaths(&error),
                }
            }
            match pool.apply(|x: Vec<u8>| x, vec![7; 300_000]) {
                Ok(value) => assert!(value == vec![7; 300_000]),
                Err(error) => only_deaths(&error),
            }
        }
        over.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    // The last blow may come after this has begun.
    eventually("the pool was at full strength", || {
        children().len() == 2 && children().iter().all(|pid| is_alive(*pid))
    });
    pids(&pool, 2);
}

fn killed_while_closing() {
    for _ in 0..runs() {
        let pool = pool_of(method(), 2);
        let scratch = Scratch::new();
        let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
        let hold = |(begun, gate): (Marks, Gate)| {
            begun.add();
            gate.wait();
        };
        let in_hand: Vec<_> = (0..2).map(|_| pool.apply_async(hold, (begun.clone(), gate.clone()))).collect();
        begun.wait_for(2);
        let waiting: Vec<_> = (0..50).map(|x: u64| pool.apply_async(|x: u64| x, x)).collect();
        pool.close();
        children().into_iter().for_each(|pid| kill(pid, SIGKILL));
        for handle in in_hand {
            assert!(handle.get().unwrap_err().is_worker_died());
        }
        pool.join().unwrap();
        for (x, handle) in (0..).zip(waiting) {
            assert_eq!(handle.get().unwrap(), x, "close lets queued work finish");
        }
        assert_eq!(children(), []);
    }
}

fn the_only_worker_dies_over_and_over() {
    let pool = pool_of(method(), 1);
    for _ in 0..runs() {
        assert!(pool.apply(die_by_signal, 0).unwrap_err().is_worker_died());
        assert_eq!(pool.apply(|x: u64| x, 5).unwrap(), 5);
        assert!(pool.map(die_by_signal, 0..4).unwrap_err().is_worker_died());
    }
    pids(&pool, 1);
}

fn a_chunk_is_lost_as_a_whole_and_alone() {
    let pool = pool_of(method(), 2);
    let task = |x: u64| if x == 12 { die_by_signal(x) } else { x };
    for _ in 0..runs() {
        let results: Vec<_> = pool.chunk_size(5).imap(task, 0..30).collect();
        assert_eq!(results.len(), 30);
        for (x, result) in results.into_iter().enumerate() {
            match result {
                Ok(value) => assert_eq!(value, x as u64),
                Err(error) => {
                    assert!((10..15).contains(&x) && error.is_worker_died());
                    assert_eq!(error.item(), Some(x));
                    assert_eq!(error.exit().and_then(Exit::signal), Some(SIGKILL));
                }
            }
        }
    }
}

fn map_names_the_first_item_of_the_lost_chunk() {
    let pool = pool_of(method(), 2);
    let task = |x: u64| if x == 12 { die_by_signal(x) } else { x };
    for (size, item) in [(1, 12), (5, 10), (100, 0)] {
        let error = pool.chunk_size(size).map(task, 0..30).unwrap_err();
        assert_eq!((error.kind(), error.item()), (ErrorKind::WorkerDied, Some(item)));
        let text = error.to_string();
        assert!(text.contains("SIGKILL") && text.contains("pid"), "{text}");
    }
}

fn a_death_leaves_a_large_result_of_another_alone() {
    let pool = pool_of(method(), 2);
    for _ in 0..runs() {
        let large = pool.apply_async(|n: u8| vec![n; 8 << 20], 9);
        let dead = pool.apply_async(die_by_signal, 0);
        let second = pool.apply_async(|n: u8| vec![n; 8 << 20], 8);
        assert!(dead.get().unwrap_err().is_worker_died());
        assert!(second.get().unwrap() == vec![8; 8 << 20]);
        assert!(large.get().unwrap() == vec![9; 8 << 20]);
    }
}

/// Dies the first `deaths` times.
fn fragile((tries, deaths): (Marks, u64)) -> u64 {
    tries.add();
    if tries.count() <= deaths { die_by_signal(0) } else { tries.count() }
}

fn retries_run_the_task_again() {
    let pool = pool_of(method(), 2);
    for run in 0..runs() {
        let scratch = Scratch::new();
        let view = pool.retries(2);
        assert_eq!(view.apply(fragile, (scratch.marks("apply"), 1)).unwrap(), 2, "run {run}");
        assert_eq!(view.apply(fragile, (scratch.marks("twice"), 2)).unwrap(), 3);
        let items: Vec<_> = (0..6u64).map(|x| (scratch.marks(&format!("map-{x}")), x % 2)).collect();
        assert_eq!(view.clone().chunk_size(1).map(fragile, items).unwrap(), [1, 2, 1, 2, 1, 2]);
        let items: Vec<_> = (0..6u64).map(|x| (scratch.marks(&format!("imap-{x}")), x % 2)).collect();
        for (x, result) in (0..).zip(view.imap(fragile, items)) {
            assert_eq!(result.unwrap(), x % 2 + 1, "run {run}, item {x}");
        }
        let large = (scratch.marks("large"), vec![5u8; 1 << 20]);
        let echo = |(tries, bytes): (Marks, Vec<u8>)| {
            fragile((tries, 1));
            bytes
        };
        assert!(view.apply(echo, large).unwrap() == vec![5u8; 1 << 20]);
    }
    pids(&pool, 2);
}

fn retries_are_used_up() {
    let pool = pool_of(method(), 2);
    for retries in 0..3 {
        let scratch = Scratch::new();
        let tries = scratch.marks("tries");
        let error = pool.retries(retries).apply(fragile, (tries.clone(), 100)).unwrap_err();
        assert!(error.is_worker_died());
        assert_eq!(tries.count(), u64::from(retries) + 1);
    }
    pids(&pool, 2);
}

fn mark_and_panic(tries: Marks) {
    tries.add();
    panic!("every time")
}

fn retries_do_not_repeat_panics() {
    let pool = pool_of(method(), 1);
    let scratch = Scratch::new();
    let tries = scratch.marks("tries");
    assert!(pool.retries(3).apply(mark_and_panic, tries.clone()).unwrap_err().is_panic());
    assert_eq!(tries.count(), 1);
}

fn a_pool_that_outlives_its_thread_refills() {
    let pool = std::thread::spawn(|| pool_of(method(), 2)).join().unwrap();
    let first = pids(&pool, 2);
    kill(first[0], SIGKILL);
    eventually("the dead worker was reaped", || !children().contains(&first[0]));
    assert!(pids(&pool, 2).contains(&first[1]), "the other goes on");
}

fn for_ever(begun: Marks) {
    begun.add();
    loop {
        std::thread::park();
    }
}

fn a_pool_dropped_in_mid_work() {
    let before = Census::take();
    for _ in 0..runs() {
        let scratch = Scratch::new();
        let pool = pool_of(method(), 2);
        let begun = scratch.marks("begun");
        let handles: Vec<_> = (0..10).map(|_| pool.apply_async(for_ever, begun.clone())).collect();
        begun.wait_for(2);
        drop(pool);
        assert_eq!(children(), [], "reaped when the drop returns");
        assert!(handles.iter().all(|handle| handle.ready()));
        assert!(handles.into_iter().all(|handle| handle.get().unwrap_err().kind() == ErrorKind::Terminated));
    }
    before.assert_restored();
}

fn terminate_in_mid_work() {
    for _ in 0..runs() {
        let scratch = Scratch::new();
        let pool = pool_of(method(), 2);
        let begun = scratch.marks("begun");
        let mapped = pool.chunk_size(1).map_async(for_ever, vec![begun.clone(); 10_000]);
        begun.wait_for(2);
        pool.terminate();
        assert_eq!(mapped.get().unwrap_err().kind(), ErrorKind::Terminated);
        pool.join().unwrap();
        assert_eq!(children(), []);
        assert_eq!(begun.count(), 2);
    }
}

/// Nobody waits in the pool when the worker dies.
fn callbacks_and_futures_hear_of_a_death() {
    let pool = pool_of(method(), 1);
    for _ in 0..runs() {
        let (sender, heard) = std::sync::mpsc::channel();
        pool.apply_async(die_by_signal, 0).on_error(move |error| sender.send(error.kind()).unwrap());
        assert_eq!(heard.recv().unwrap(), ErrorKind::WorkerDied);
        let (sender, heard) = std::sync::mpsc::channel();
        pool.apply_async(|x: u64| x, 5).on_success(move |value| sender.send(*value).unwrap());
        assert_eq!(heard.recv().unwrap(), 5);
    }
}

/// Set in the program that [`parent`] is to be the parent in, to how it ends.
const PARENT: &str = "POOL_TEST_PARENT";
/// And to which of [`METHODS`] it uses.
const PARENTS_METHOD: &str = "POOL_TEST_PARENTS_METHOD";
const METHODS: [StartMethod; 3] = [StartMethod::Spawn, StartMethod::ForkServer, StartMethod::Fork];

/// Not a test but in a program started by one: makes a pool, says who its workers are, and ends as it
/// is told, with every worker in a task that does not end.
#[test]
fn parent() {
    let Some(end) = std::env::var_os(PARENT) else { return };
    // Whoever started the tests may have it ignored (a shell does, of what runs in the background).
    // SAFETY: the default action is no function of the program.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    let number: usize = std::env::var(PARENTS_METHOD).unwrap().parse().unwrap();
    let method = METHODS[number];
    let scratch = Scratch::new();
    // The thread that makes it has ended long before anything happens.
    let pool = std::thread::spawn(move || pool_of(method, 3)).join().unwrap();
    let pids = pids(&pool, 3);
    let begun = scratch.marks("begun");
    let _working = pool.map_async(for_ever, vec![begun.clone(); 3]);
    begun.wait_for(3);
    std::fs::remove_dir_all(scratch.path()).unwrap();
    println!("\nworkers {pids:?}");
    match end.to_str() {
        Some("exit") => std::process::exit(0),
        Some("abort") => std::process::abort(),
        Some("panic") => panic!("as told, with {pool:?}"),
        Some("return") => {
            static POOL: OnceLock<ProcessPool> = OnceLock::new();
            return POOL.set(pool).unwrap();
        }
        _ => {}
    }
    let _ = pool.map(for_ever, vec![begun; 3]);
}

fn parent_that(ends: &str) {
    (0..METHODS.len()).for_each(|method| parent_with(method, ends));
}

fn parent_with(method: usize, ends: &str) {
    guarded(|| {
        let mut parent = Command::new(std::env::current_exe().unwrap())
            .args(["parent", "--exact", "--nocapture"])
            .env(PARENT, ends)
            .env(PARENTS_METHOD, method.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Kept until the end: the harness in there goes on writing.
        let mut output = BufReader::new(parent.stdout.take().unwrap()).lines().map_while(Result::ok);
        let line = output.find(|line| line.starts_with("workers")).unwrap();
        let numbers = line.trim_start_matches("workers").trim_matches([' ', '[', ']']);
        let pids: Vec<u32> = numbers.split(", ").map(|pid| pid.parse().unwrap()).collect();
        assert_eq!(pids.len(), 3);
        if let Ok(signal) = ends.parse() {
            assert!(pids.iter().all(|pid| is_alive(*pid)));
            kill(parent.id(), signal);
        }
        let status = parent.wait().unwrap();
        if let "exit" | "return" = ends {
            assert!(status.success(), "{status}");
        }
        eventually("all workers were gone", || !pids.iter().any(|pid| is_alive(*pid)));
    });
}

#[test]
fn workers_go_when_their_parent_is_killed() {
    (0..runs().min(5)).for_each(|_| parent_that(&SIGKILL.to_string()));
}

/// Ctrl-C of the terminal, and a polite end: without a handler the program dies of them.
#[test]
fn workers_go_when_their_parent_is_ended_by_a_signal() {
    ["2", "15"].into_iter().for_each(parent_that);
}

#[test]
fn workers_go_when_their_parent_returns_from_main_with_a_pool_in_a_static() {
    parent_that("return");
}

#[test]
fn workers_go_when_their_parent_panics() {
    parent_that("panic");
}

#[test]
fn workers_go_when_their_parent_exits_with_a_pool() {
    parent_that("exit");
}

#[test]
fn workers_go_when_their_parent_aborts() {
    parent_that("abort");
}
