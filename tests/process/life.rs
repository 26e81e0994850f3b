//! From the start to the join.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use pool::{ErrorKind, Passed, Process, Run, StartMethod, active_children, current_process};
use serde::{Deserialize, Serialize};

use crate::support::{
    Census, Gate, Marks, SIGKILL, SIGTERM, Scratch, children, disturb, eventually, is_alive, is_readable,
};
use crate::{Case, on_every_start_method};

on_every_start_method!(
    a_life_from_the_start_to_the_join,
    a_join_of_no_time_returns_at_once,
    a_terminated_process_has_the_exit_code_of_the_signal,
    a_killed_process_has_the_exit_code_of_the_signal,
    active_children_are_those_that_live,
    children_have_children_of_their_own,
    the_sentinel_is_readable_once_the_process_ended,
    a_process_that_runs_cannot_be_closed,
    closing_frees_what_the_handle_held,
    a_hundred_at_once,
    a_hundred_that_sleep_are_terminated_at_once,
    the_parent_holds_nothing_of_the_argument,
    descriptors_of_a_child_do_not_grow_with_its_siblings,
    a_signal_during_a_join_does_not_end_it,
    a_join_can_be_repeated,
    many_threads_can_join,
    a_dropped_handle_leaves_the_process_running_and_no_zombie,
    a_process_that_nobody_looks_at_is_reaped,
    the_programs_other_children_are_left_alone,
    a_process_outlives_the_thread_that_started_it,
    a_value_that_runs_serves_until_it_is_told_to_stop,
    a_pool_works_within_a_process,
);

fn hold(gate: Gate) {
    gate.wait();
}

fn a_life_from_the_start_to_the_join(case: Case) {
    fn look((gate, number): (Gate, u64)) -> (u64, String, u32, [u8; 32]) {
        gate.wait();
        let this = current_process();
        (number, this.name().to_owned(), this.pid(), this.auth_key().unwrap())
    }
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    assert!(active_children().is_empty());
    let child = case.builder().name("reader").spawn(look, (gate.clone(), 7)).unwrap();
    assert_eq!((child.is_alive(), child.exit_code(), child.daemon()), (true, None, false));
    assert_eq!(active_children().iter().map(|child| child.pid()).collect::<Vec<_>>(), [child.pid()]);
    gate.open();
    let key = current_process().auth_key().unwrap();
    assert_eq!(child.join().unwrap(), (7, "reader".to_owned(), child.pid(), key));
    assert_eq!((child.is_alive(), child.exit_code()), (false, Some(0)));
    assert!(active_children().is_empty());
}

fn a_join_of_no_time_returns_at_once(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let child = case.spawn(hold, gate.clone());
    let error = child.join_timeout(Duration::ZERO).unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(!child.wait_timeout(Duration::from_millis(1)));
    assert!(child.is_alive());
    gate.open();
    child.join_timeout(Duration::MAX).unwrap();
}

fn a_terminated_process_has_the_exit_code_of_the_signal(case: Case) {
    let scratch = Scratch::new();
    let child = case.spawn(hold, scratch.gate("gate"));
    child.terminate();
    let error = child.join().unwrap_err();
    assert_eq!(child.exit_code(), Some(-SIGTERM));
    assert_eq!(error.kind(), ErrorKind::ProcessDied);
    assert_eq!(error.exit().unwrap().signal(), Some(SIGTERM));
    assert!(error.to_string().contains("SIGTERM") && error.to_string().contains(child.name()), "{error}");
    child.terminate();
}

fn a_killed_process_has_the_exit_code_of_the_signal(case: Case) {
    let scratch = Scratch::new();
    let child = case.spawn(hold, scratch.gate("gate"));
    child.kill();
    assert!(child.join().unwrap_err().is_process_died());
    assert_eq!(child.exit_code(), Some(-SIGKILL));
    assert!(!child.is_alive());
    child.kill();
}

fn active_children_are_those_that_live(case: Case) {
    let scratch = Scratch::new();
    let (first, second) = (scratch.gate("first"), scratch.gate("second"));
    let names = || active_children().iter().map(|child| child.name().to_owned()).collect::<Vec<_>>();
    let one = case.builder().name("one").spawn(hold, first.clone()).unwrap();
    drop(case.builder().name("two").spawn(hold, second.clone()).unwrap());
    assert_eq!(names(), ["one", "two"], "with a handle or without");
    first.open();
    one.join().unwrap();
    assert_eq!(names(), ["two"]);
    let two = active_children().remove(0);
    second.open();
    two.wait();
    assert_eq!((two.exit_code(), names().len()), (Some(0), 0));
}

#[derive(Serialize, Deserialize)]
struct Family {
    path: Vec<u32>,
    report: Passed<PipeWriter>,
}

fn have_children(mut family: Family) {
    family.report.write_all(format!("{:?}\n", family.path).as_bytes()).unwrap();
    if family.path.len() < 2 {
        for number in 0..2 {
            let path = [&family.path[..], &[number]].concat();
            let report = family.report.try_clone().unwrap().into();
            // Under whichever start method it was started itself.
            let method = current_process().start_method().unwrap();
            let child = Process::builder()
                .start_method(method)
                .allow_fork_with_threads(true)
                .spawn(have_children, Family { path, report });
            child.unwrap().join().unwrap();
        }
    }
}

fn children_have_children_of_their_own(case: Case) {
    let (mut reports, report) = pipe().unwrap();
    let child = case.spawn(have_children, Family { path: Vec::new(), report: report.into() });
    let mut text = String::new();
    reports.read_to_string(&mut text).unwrap();
    child.join().unwrap();
    assert_eq!(text, "[]\n[0]\n[0, 0]\n[0, 1]\n[1]\n[1, 0]\n[1, 1]\n");
}

fn the_sentinel_is_readable_once_the_process_ended(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let child = case.spawn(hold, gate.clone());
    assert!(!is_readable(child.sentinel(), Duration::ZERO));
    gate.open();
    assert!(is_readable(child.as_fd(), Duration::from_secs(60)));
    assert_eq!(child.exit_code(), Some(0));
    assert!(is_readable(child.sentinel(), Duration::ZERO), "also when it was reaped");
}

fn a_process_that_runs_cannot_be_closed(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let child = case.spawn(hold, gate.clone());
    let refused = child.close().unwrap_err();
    assert!(refused.to_string().contains("still running"), "{refused}");
    let child = refused.0;
    gate.open();
    child.join().unwrap();
    child.close().unwrap();
    let refused = case.spawn(hold, scratch.gate("other")).close().unwrap_err();
    assert_eq!(pool::Error::from(refused).kind(), ErrorKind::StillRunning);
    active_children().iter().for_each(|child| child.kill());
}

fn closing_frees_what_the_handle_held(case: Case) {
    let before = Census::take();
    let child = case.spawn(|size: usize| vec![1u8; size], 1 << 20);
    assert_eq!(child.join().unwrap().len(), 1 << 20);
    assert_ne!(Census::take().descriptors, before.descriptors, "the result is there until then");
    child.close().unwrap();
    before.assert_restored();
}

fn a_hundred_at_once(case: Case) {
    let children: Vec<_> = (0..100u64).map(|n| case.spawn(|n: u64| n * n, n)).collect();
    for (n, child) in (0..).zip(&children) {
        assert_eq!((child.join().unwrap(), child.exit_code()), (n * n, Some(0)));
    }
}

fn a_hundred_that_sleep_are_terminated_at_once(case: Case) {
    let scratch = Scratch::new();
    let children: Vec<_> = (0..100).map(|_| case.spawn(hold, scratch.gate("gate"))).collect();
    assert_eq!(active_children().len(), 100);
    children.iter().for_each(Process::terminate);
    for child in children {
        assert!(child.join().is_err());
        assert_eq!(child.exit_code(), Some(-SIGTERM));
    }
}

/// Counts those that are in this process.
#[derive(Serialize, Deserialize)]
struct Counted(u64, #[serde(skip)] Option<Arc<AtomicUsize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(count) = &self.1 {
            count.fetch_sub(1, Relaxed);
        }
    }
}

fn the_parent_holds_nothing_of_the_argument(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let count = Arc::new(AtomicUsize::new(1));
    let held = |(gate, counted): (Gate, Counted)| {
        gate.wait();
        counted.0
    };
    let child = case.spawn(held, (gate.clone(), Counted(5, Some(count.clone()))));
    assert_eq!(count.load(Relaxed), 0);
    assert!(child.is_alive());
    gate.open();
    assert_eq!(child.join().unwrap(), 5);
}

fn descriptors_of_a_child_do_not_grow_with_its_siblings(case: Case) {
    fn count(gate: Gate) -> usize {
        let count = std::fs::read_dir("/proc/self/fd").unwrap().count();
        gate.wait();
        count
    }
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let children: Vec<_> = (0..10).map(|_| case.spawn(count, gate.clone())).collect();
    gate.open();
    let counts: Vec<_> = children.iter().map(|child| child.join().unwrap()).collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
    // A forked child has the program's own besides.
    assert!(counts[0] <= 8 || case.method == StartMethod::Fork, "{counts:?}");
}

fn a_signal_during_a_join_does_not_end_it(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let child = case.spawn(hold, gate.clone());
    let signals = disturb(|| child.join().unwrap(), || gate.open());
    assert!(signals > 0);
    assert_eq!(child.exit_code(), Some(0));
}

fn a_join_can_be_repeated(case: Case) {
    let child = case.spawn(|text: String| text + "!", "once".to_owned());
    for _ in 0..3 {
        assert_eq!(child.join().unwrap(), "once!");
        assert_eq!(child.join_timeout(Duration::ZERO).unwrap(), "once!");
    }
    let child = case.spawn(|n: u64| 1 / n, 0);
    assert!((0..3).all(|_| child.join().unwrap_err().is_panic()));
}

fn many_threads_can_join(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let child = case.spawn(
        |gate: Gate| {
            gate.wait();
            11
        },
        gate.clone(),
    );
    std::thread::scope(|scope| {
        let joins: Vec<_> = (0..8).map(|_| scope.spawn(|| child.join().unwrap())).collect();
        gate.open();
        assert!(joins.into_iter().all(|join| join.join().unwrap() == 11));
    });
}

fn a_dropped_handle_leaves_the_process_running_and_no_zombie(case: Case) {
    fn mark((gate, marks): (Gate, Marks)) {
        gate.wait();
        marks.add();
    }
    let scratch = Scratch::new();
    let (gate, marks) = (scratch.gate("gate"), scratch.marks("marks"));
    drop(case.spawn(mark, (gate.clone(), marks.clone())));
    gate.open();
    marks.wait_for(1);
    eventually("the child was reaped", || children().is_empty());
}

fn a_process_that_nobody_looks_at_is_reaped(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let child = case.spawn(hold, gate.clone());
    gate.open();
    // A zombie would still be there.
    let process = PathBuf::from(format!("/proc/{}", child.pid()));
    eventually("the child was reaped", || !process.exists());
    assert_eq!(child.exit_code(), Some(0));
    child.join().unwrap();
}

fn the_programs_other_children_are_left_alone(case: Case) {
    let mut other = std::process::Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().unwrap();
    assert!(has_ended(other.id()));
    (0..3).for_each(|_| case.spawn(|(): ()| (), ()).join().unwrap());
    assert_eq!(other.wait().unwrap().code(), Some(7), "nobody else has reaped it");
}

/// Waits until the process has ended, and does not reap it.
fn has_ended(pid: u32) -> bool {
    let bound = Instant::now() + Duration::from_secs(60);
    while is_alive(pid) && Instant::now() < bound {
        std::thread::yield_now();
    }
    !is_alive(pid)
}

fn a_process_outlives_the_thread_that_started_it(case: Case) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let held = gate.clone();
    let start =
        move || [true, false].map(|daemon| case.builder().daemon(daemon).spawn(hold, held.clone()).unwrap());
    let children = std::thread::spawn(start).join().unwrap();
    // A child whose life line that thread was would be gone by now.
    gate.open();
    for child in children {
        child.join().unwrap();
        assert_eq!(child.exit_code(), Some(0));
    }
}

/// Adds up what it reads, until it reads a zero.
#[derive(Serialize, Deserialize)]
struct Adder {
    sum: u64,
    requests: Passed<PipeReader>,
    replies: Passed<PipeWriter>,
}

impl Run for Adder {
    type Output = u64;

    fn run(&mut self) -> u64 {
        let mut byte = [0];
        while self.requests.read_exact(&mut byte).is_ok() && byte[0] != 0 {
            self.sum += u64::from(byte[0]);
            self.replies.write_all(&self.sum.to_le_bytes()).unwrap();
        }
        self.sum
    }
}

fn a_value_that_runs_serves_until_it_is_told_to_stop(case: Case) {
    let ((requests, mut ask), (mut answers, replies)) = (pipe().unwrap(), pipe().unwrap());
    let adder = Adder { sum: 100, requests: requests.into(), replies: replies.into() };
    let child = case.builder().run(adder).unwrap();
    for (number, sum) in [(1u8, 101u64), (5, 106), (200, 306)] {
        ask.write_all(&[number]).unwrap();
        let mut answer = [0; 8];
        answers.read_exact(&mut answer).unwrap();
        assert_eq!(u64::from_le_bytes(answer), sum);
    }
    ask.write_all(&[0]).unwrap();
    assert_eq!(child.join().unwrap(), 306);
}

fn a_pool_works_within_a_process(case: Case) {
    fn squares(n: u64) -> Vec<u64> {
        use pool::Pool;
        let pool = pool::ProcessPool::new(4).unwrap();
        pool.map(|x: u64| x * x, 0..n).unwrap()
    }
    assert_eq!(case.spawn(squares, 5).join().unwrap(), [0, 1, 4, 9, 16]);
}
