//! Who a process is, and who its parent is.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::time::Duration;

use pool::{Passed, Pool, Process, ProcessPool, Role, cpu_count, current_process, parent_process};

use crate::support::{SIGTERM, is_readable, threads};
use crate::{Case, on_every_start_method};

on_every_start_method!(
    a_process_knows_itself,
    a_worker_knows_itself,
    processes_are_counted_within_their_parent,
    main_threads_are_two_to_the_system,
    the_function_runs_on_a_thread_with_the_name_of_the_process,
    a_grandchild_sees_that_its_parent_is_gone,
    a_parent_that_was_gone_before_is_seen_as_gone,
);

fn a_process_knows_itself(case: Case) {
    let this = current_process();
    assert_eq!((this.name(), this.role(), this.daemon()), ("MainProcess", Role::Main, false));
    assert_eq!(this.pid(), std::process::id());
    assert!(this.start_method().is_none() && parent_process().unwrap().is_none());
    let key = this.auth_key().unwrap();
    assert!(key != [0; 32] && key == this.auth_key().unwrap());
    assert!(cpu_count() >= 1);

    fn look(daemon: bool) -> (u32, [u8; 32], u32) {
        let this = current_process();
        assert_eq!((this.role(), this.daemon(), this.index()), (Role::Process, daemon, None));
        (this.pid(), this.auth_key().unwrap(), parent_process().unwrap().unwrap().pid())
    }
    for daemon in [false, true] {
        let child = case.builder().daemon(daemon).spawn(look, daemon).unwrap();
        assert_eq!(child.join().unwrap(), (child.pid(), key, std::process::id()));
    }
    let method = case.spawn(|()| format!("{:?}", current_process().start_method()), ());
    assert_eq!(method.join().unwrap(), format!("{:?}", Some(case.method)));
}

fn a_worker_knows_itself(case: Case) {
    fn look((): ()) -> (String, usize, bool, [u8; 32], u32, bool) {
        let this = current_process();
        assert_eq!(std::thread::current().name(), Some(this.name()));
        (
            this.name().to_owned(),
            this.index().unwrap(),
            this.role() == Role::Worker && this.daemon(),
            this.auth_key().unwrap(),
            parent_process().unwrap().unwrap().pid(),
            parent_process().unwrap().unwrap().is_alive(),
        )
    }
    let pool = ProcessPool::builder()
        .workers(2)
        .name("crew")
        .start_method(case.method)
        .allow_fork_with_threads(true)
        .build()
        .unwrap();
    let key = current_process().auth_key().unwrap();
    for seen in pool.map(look, [(); 20]).unwrap() {
        assert!(seen.1 < 2);
        let name = format!("crew-worker-{}", seen.1 + 1);
        assert_eq!(seen, (name, seen.1, true, key, std::process::id(), true));
    }
}

fn processes_are_counted_within_their_parent(case: Case) {
    fn name((): ()) -> String {
        current_process().name().to_owned()
    }
    fn nested((): ()) -> (String, String) {
        (name(()), Process::spawn(name, ()).unwrap().join().unwrap())
    }
    for number in 1..3 {
        let names = case.spawn(nested, ()).join().unwrap();
        assert_eq!(names, (format!("Process-{number}"), format!("Process-{number}:1")));
    }
}

fn main_threads_are_two_to_the_system(case: Case) {
    let child = case.spawn(|()| threads(), ());
    let theirs = child.join().unwrap();
    assert!(theirs.contains(&child.pid()));
    assert!(threads().contains(&std::process::id()) && !threads().iter().any(|ours| theirs.contains(ours)));
}

fn the_function_runs_on_a_thread_with_the_name_of_the_process(case: Case) {
    let name = |()| std::thread::current().name().map(str::to_owned);
    let child = case.builder().name("reader").spawn(name, ()).unwrap();
    assert_eq!(child.join().unwrap().as_deref(), Some("reader"));
}

/// Says that it is there, and after the end of its parent, whether it saw it.
fn watch_the_parent(mut report: Passed<PipeWriter>) {
    let parent = parent_process().unwrap().unwrap();
    assert!(parent.is_alive() && !parent.wait_timeout(Duration::ZERO));
    report.write_all(&[u8::from(parent.is_alive())]).unwrap();
    parent.wait();
    assert!(is_readable(parent.sentinel(), Duration::ZERO));
    report.write_all(&[u8::from(parent.is_alive())]).unwrap();
}

fn start_a_watcher(report: Passed<PipeWriter>) {
    let method = current_process().start_method().unwrap();
    let child = Process::builder()
        .start_method(method)
        .allow_fork_with_threads(true)
        .spawn(watch_the_parent, report)
        .unwrap();
    child.wait();
}

fn a_grandchild_sees_that_its_parent_is_gone(case: Case) {
    let (mut reports, report) = pipe().unwrap();
    let child = case.spawn(start_a_watcher, report.into());
    let mut byte = [0];
    reports.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [1]);
    child.terminate();
    assert_eq!(child.join().unwrap_err().exit().unwrap().signal(), Some(SIGTERM));
    let mut rest = Vec::new();
    reports.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [0], "it saw the end, and ended itself");
}

/// Looks at its parent for the first time when it is told to.
fn look_later((mut go, mut report): (Passed<PipeReader>, Passed<PipeWriter>)) {
    report.write_all(&[1]).unwrap();
    go.read_exact(&mut [0]).unwrap();
    let parent = parent_process().unwrap().unwrap();
    parent.wait();
    report.write_all(&[u8::from(parent.is_alive())]).unwrap();
}

fn start_one_that_looks_later(ends: (Passed<PipeReader>, Passed<PipeWriter>)) {
    Process::spawn(look_later, ends).unwrap().wait();
}

fn a_parent_that_was_gone_before_is_seen_as_gone(case: Case) {
    let ((go, mut say), (mut reports, report)) = (pipe().unwrap(), pipe().unwrap());
    let child = case.spawn(start_one_that_looks_later, (go.into(), report.into()));
    let mut byte = [0];
    reports.read_exact(&mut byte).unwrap();
    child.kill();
    child.wait();
    say.write_all(&[1]).unwrap();
    reports.read_exact(&mut byte).unwrap();
    assert_eq!(byte, [0]);
}
