//! Where process pools hang, lose tasks or break: each scenario in which a well-known pool does, and what this
//! one does in it. The table of them all is `docs/hangs.md`.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use pool::{ErrorKind, Exit, Pool, ProcessPool, StartMethod};
use serde::{Deserialize, Deserializer, Serialize};
use support::{
    Gate, METHODS, Marks, SIGKILL, Scratch, alone_on_every_start_method, children, crew, eventually,
    is_alive, is_asleep, kill, pool_of,
};

alone_on_every_start_method!(
    a_task_that_exits_its_process_ends_with_an_error,
    a_task_that_exits_its_process_leaves_the_others_alone,
    an_idle_worker_that_is_killed_is_replaced,
    an_error_that_cannot_be_rebuilt_fails_its_call_alone,
    an_endless_input_to_imap_is_taken_by_the_window,
    an_endless_input_to_map_is_refused,
    cancel_of_a_running_task_kills_its_worker_alone,
    a_pool_works_inside_a_worker,
    a_program_that_ends_with_a_task_running_ends,
);

fn pids(pool: &ProcessPool, workers: usize) -> Vec<u32> {
    crew(pool, workers).into_iter().map(|(pid, _)| pid).collect()
}

fn exit_at_7(x: u64) -> u64 {
    if x == 7 { std::process::exit(3) } else { x }
}

fn a_task_that_exits_its_process_ends_with_an_error(method: StartMethod) {
    let pool = pool_of(method, 2);
    let error = pool.apply(exit_at_7, 7).unwrap_err();
    assert_eq!((error.kind(), error.exit()), (ErrorKind::WorkerDied, Some(Exit::Code(3))), "{error}");
    let error = pool.chunk_size(1).map(exit_at_7, 0..20).unwrap_err();
    assert_eq!((error.item(), error.exit()), (Some(7), Some(Exit::Code(3))), "{error}");
}

fn a_task_that_exits_its_process_leaves_the_others_alone(method: StartMethod) {
    let pool = pool_of(method, 2);
    let handles: Vec<_> = (0..20).map(|x| pool.apply_async(exit_at_7, x)).collect();
    for (x, handle) in (0..).zip(handles) {
        match handle.get() {
            Ok(value) => assert_eq!(value, x),
            Err(error) => assert_eq!((x, error.kind()), (7, ErrorKind::WorkerDied), "{error}"),
        }
    }
    pids(&pool, 2);
}

fn an_idle_worker_that_is_killed_is_replaced(method: StartMethod) {
    let pool = pool_of(method, 2);
    for victim in pids(&pool, 2) {
        eventually("the worker slept", || is_asleep(victim));
        kill(victim, SIGKILL);
        assert_eq!(pool.map(|x: u64| x + 1, 0..100).unwrap(), (1..=100).collect::<Vec<_>>());
        eventually("the dead worker was reaped", || !children().contains(&victim));
        assert!(!pids(&pool, 2).contains(&victim));
    }
}

/// The error of a task, which can be sent and not be received.
#[derive(Debug, Serialize)]
struct Unreadable(String);

impl<'de> Deserialize<'de> for Unreadable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unreadable, D::Error> {
        let text = String::deserialize(deserializer)?;
        Err(serde::de::Error::custom(format!("{text} cannot be rebuilt")))
    }
}

fn an_error_that_cannot_be_rebuilt_fails_its_call_alone(method: StartMethod) {
    let pool = pool_of(method, 2);
    let before = pids(&pool, 2);
    let fails = |x: u64| if x == 7 { Err(Unreadable("this".to_owned())) } else { Ok(x) };
    let handles: Vec<_> = (0..20).map(|x| pool.apply_async(fails, x)).collect();
    for (x, handle) in (0..).zip(handles) {
        match handle.get() {
            Ok(value) => assert_eq!(value.unwrap(), x),
            Err(error) => {
                assert_eq!((x, error.kind()), (7, ErrorKind::Decode));
                assert!(error.to_string().contains("this cannot be rebuilt"), "{error}");
            }
        }
    }
    // The later calls, and the workers, do not know of it.
    assert_eq!(pool.map(|x: u64| x + 1, 0..100).unwrap(), (1..=100).collect::<Vec<_>>());
    assert_eq!(pids(&pool, 2), before);
}

fn an_endless_input_to_imap_is_taken_by_the_window(method: StartMethod) {
    let pool = pool_of(method, 2);
    let taken = Arc::new(AtomicU64::new(0));
    let counter = taken.clone();
    let input = std::iter::from_fn(move || Some(counter.fetch_add(1, SeqCst)));
    let mut given = 0;
    for result in pool.window(50).imap(|x: u64| x, input).take(1_000) {
        assert_eq!(result.unwrap(), given);
        given += 1;
        assert!(taken.load(SeqCst) <= given + 50, "{} taken, {given} given", taken.load(SeqCst));
    }
    assert_eq!(given, 1_000);
    assert!(taken.load(SeqCst) <= 1_050, "nobody takes more when the results are dropped");
}

/// A map of it would have no result, ever, and take all memory on the way.
fn an_endless_input_to_map_is_refused(method: StartMethod) {
    let pool = pool_of(method, 2);
    let error = pool.map(|x: u64| x, 0..).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("`imap`"), "{error}");
}

fn hold((begun, gate): (Marks, Gate)) -> u32 {
    begun.add();
    gate.wait();
    std::process::id()
}

fn cancel_of_a_running_task_kills_its_worker_alone(method: StartMethod) {
    let pool = pool_of(method, 2);
    let before = pids(&pool, 2);
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let cancelled = pool.apply_async(hold, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let other = pool.apply_async(hold, (begun.clone(), gate.clone()));
    begun.wait_for(2);
    assert!(cancelled.cancel());
    assert!(cancelled.get().unwrap_err().is_cancelled());
    // It is at full strength again while the other task goes on.
    assert_eq!(pool.apply(|x: u64| x, 5).unwrap(), 5);
    gate.open();
    let kept = other.get().unwrap();
    let now = pids(&pool, 2);
    assert!(before.contains(&kept) && now.contains(&kept));
    assert_eq!(before.iter().filter(|pid| now.contains(pid)).count(), 1);
}

fn a_pool_works_inside_a_worker(method: StartMethod) {
    let sums = |workers: usize| {
        let inner = ProcessPool::new(workers).unwrap();
        let values = inner.map(|x: u64| (x, std::process::id()), 0..100).unwrap();
        assert!(values.iter().all(|(_, pid)| *pid != std::process::id()));
        values.into_iter().map(|(x, _)| x).sum::<u64>()
    };
    let pool = pool_of(method, 2);
    assert_eq!(pool.map(sums, [1, 2, 3]).unwrap(), [4_950; 3]);
}

/// Set in the program that ends, to how it was started.
const PROGRAM: &str = "POOL_TEST_PROGRAM";

/// Not a test but in a program started by one: it returns from its `main` with every worker in a task that
/// does not end, and nobody closes or drops the pool.
#[test]
fn program() {
    let Ok(name) = std::env::var(PROGRAM) else { return };
    let method = *METHODS.iter().find(|method| format!("{method:?}") == name).unwrap();
    let pool = Box::leak(Box::new(pool_of(method, 2)));
    println!("\nworkers {:?}", pids(pool, 2));
    let scratch = Scratch::new();
    let begun = scratch.marks("begun");
    let running = pool.map_async(hold_for_ever, vec![begun.clone(); 2]);
    begun.wait_for(2);
    drop(running);
}

fn hold_for_ever(begun: Marks) {
    begun.add();
    loop {
        std::thread::park();
    }
}

fn a_program_that_ends_with_a_task_running_ends(method: StartMethod) {
    // The output ends when nobody is left who could write to it: the workers are gone too.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["program", "--exact", "--nocapture"])
        .env(PROGRAM, format!("{method:?}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("workers")).unwrap();
    let numbers = line.trim_start_matches("workers").trim_matches([' ', '[', ']']);
    let workers: Vec<u32> = numbers.split(", ").map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(workers.len(), 2);
    eventually("the workers were gone", || !workers.iter().any(|pid| is_alive(*pid)));
}
