//! The end of a program: what becomes of its processes, and what it has registered for it.

use std::io::Write;
use std::process::Stdio;

use pool::{Pool, ProcessPool, at_exit, current_process};

use crate::support::{Gate, Marks, SIGKILL, SIGTERM, Scratch, descendants, eventually, is_alive, kill};
use crate::{Case, on_every_start_method};

on_every_start_method!(
    at_a_normal_end_the_program_waits_for_its_processes,
    at_a_normal_end_daemons_are_killed,
    when_the_program_is_killed_daemons_die_and_the_others_go_on,
    a_program_that_is_terminated_leaves_no_segment,
    finalizers_run_at_the_end_in_their_order,
    a_process_runs_its_own_finalizers_and_no_others,
    a_worker_runs_its_finalizers_when_it_leaves,
);

/// The files through which a program and its test talk.
struct Files {
    begun: Marks,
    gate: Gate,
    done: Marks,
}

impl Files {
    fn of(scratch: &Scratch) -> Files {
        Files { begun: scratch.marks("begun"), gate: scratch.gate("gate"), done: scratch.marks("done") }
    }

    /// What a process of the program is given of them.
    fn argument(&self) -> (Marks, Gate, Marks) {
        (self.begun.clone(), self.gate.clone(), self.done.clone())
    }
}

fn work((begun, gate, done): (Marks, Gate, Marks)) {
    begun.add();
    gate.wait();
    done.add();
}

fn at_a_normal_end_the_program_waits_for_its_processes(case: Case) {
    let (scratch, mut program) = case.program(|folder| {
        let files = Files::of(&folder);
        drop(case.spawn(work, files.argument()));
        folder.marks("over").add();
    });
    let mut program = program.stdout(Stdio::null()).spawn().unwrap();
    let files = Files::of(&scratch);
    files.begun.wait_for(1);
    scratch.marks("over").wait_for(1);
    files.gate.open();
    assert!(program.wait().unwrap().success());
    assert_eq!(files.done.count(), 1, "the program ended after its process");
}

fn at_a_normal_end_daemons_are_killed(case: Case) {
    let (scratch, output) = case.output(|folder| {
        let files = Files::of(&folder);
        let child = case.builder().daemon(true).spawn(work, files.argument()).unwrap();
        files.begun.wait_for(1);
        println!("pid={}", child.pid());
    });
    assert!(output.status.success(), "{output:?}");
    assert!(!is_alive(number(&String::from_utf8_lossy(&output.stdout), "pid=")));
    assert_eq!(Files::of(&scratch).done.count(), 0);
}

/// The number that follows `key` in `text`.
#[track_caller]
fn number(text: &str, key: &str) -> u32 {
    let rest = text.split_once(key).unwrap_or_else(|| panic!("no {key} in {text}")).1;
    rest.split(|letter: char| !letter.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn when_the_program_is_killed_daemons_die_and_the_others_go_on(case: Case) {
    let (scratch, mut program) = case.program(|folder| {
        let files = Files::of(&folder);
        let start = |daemon| case.builder().daemon(daemon).spawn(work, files.argument()).unwrap();
        let (daemon, other) = (start(true), start(false));
        files.begun.wait_for(2);
        let (new, pids) = (folder.path().join("new"), folder.path().join("pids"));
        std::fs::write(&new, format!("daemon={} other={}", daemon.pid(), other.pid())).unwrap();
        std::fs::rename(new, pids).unwrap();
        folder.gate("never").wait();
    });
    let mut program = program.stdout(Stdio::null()).spawn().unwrap();
    let pids = scratch.path().join("pids");
    eventually("the program started its processes", || pids.exists());
    let pids = std::fs::read_to_string(pids).unwrap();
    let (daemon, other) = (number(&pids, "daemon="), number(&pids, "other="));
    kill(program.id(), SIGKILL);
    program.wait().unwrap();
    eventually("the daemon died", || !is_alive(daemon));
    assert!(is_alive(other));
    let files = Files::of(&scratch);
    files.gate.open();
    files.done.wait_for(1);
    eventually("the other ended", || !is_alive(other));
    assert_eq!(files.done.count(), 1);
}

fn a_program_that_is_terminated_leaves_no_segment(case: Case) {
    let (scratch, mut program) = case.program(|folder| {
        let files = Files::of(&folder);
        let pool = ProcessPool::builder()
            .workers(2)
            .start_method(case.method)
            .allow_fork_with_threads(true)
            .build()
            .unwrap();
        let _large = pool.apply(|bytes: Vec<u8>| bytes, vec![1; 1 << 20]).unwrap();
        let _daemon = case.builder().daemon(true).spawn(work, files.argument()).unwrap();
        files.begun.wait_for(1);
        folder.marks("ready").add();
        folder.gate("never").wait();
    });
    let mut program = program.stdout(Stdio::null()).spawn().unwrap();
    scratch.marks("ready").wait_for(1);
    let all = descendants(program.id());
    assert!(all.len() >= 3);
    kill(program.id(), SIGTERM);
    program.wait().unwrap();
    eventually("workers and daemon died with it", || !all.iter().any(|pid| is_alive(*pid)));
    // Segments have no names; what a name could be left in is empty, or has nothing of ours.
    let names = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten().map(|file| file.file_name());
    assert!(!names.into_iter().any(|name| name.to_string_lossy().contains("pool")));
}

/// Says it in one piece: at the end of a program std's output has no buffer any more, and others speak too.
fn say_at_once(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).expect("an open output");
}

fn finalizers_run_at_the_end_in_their_order(case: Case) {
    let (_, output) = case.output(|folder| {
        let say = |text: &'static str| move || say_at_once(&format!("<{text}>\n"));
        at_exit(None, say("never")).leave_to_exit();
        at_exit(Some(0), say("5: zero")).leave_to_exit();
        at_exit(Some(1), say("4: one, registered first")).leave_to_exit();
        at_exit(Some(1), say("3: one, registered last")).leave_to_exit();
        at_exit(Some(-1), say("7: below zero, when the processes have ended")).leave_to_exit();
        drop(at_exit(Some(7), say("1: dropped")));
        let files = Files::of(&folder);
        let gate = files.gate.clone();
        at_exit(Some(2), move || {
            say_at_once("<2: two>\n");
            gate.open();
        })
        .leave_to_exit();
        let end = |gate: Gate| {
            gate.wait();
            at_exit(Some(0), || say_at_once("<6: the process>\n")).leave_to_exit();
        };
        drop(case.spawn(end, files.gate.clone()));
    });
    let text = String::from_utf8_lossy(&output.stdout);
    let mut said: Vec<&str> = text.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    // The process and the program speak at the same time, from the second on.
    let of_the_process = said.iter().position(|text| *text == "6: the process").expect("the process's");
    assert!(of_the_process >= 2, "{said:?}");
    let own = said.remove(of_the_process);
    said.insert(said.len() - 1, own);
    let numbers: Vec<&str> = said.iter().map(|text| text.split(':').next().unwrap()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7"], "{text}");
}

fn a_process_runs_its_own_finalizers_and_no_others(case: Case) {
    let (_, output) = case.output(|_| {
        let name = || println!("<{}>", current_process().name());
        at_exit(Some(3), name).leave_to_exit();
        let _held = at_exit(Some(4), name);
        let register = |()| at_exit(Some(3), || println!("<{}>", current_process().name())).leave_to_exit();
        case.spawn(register, ()).join().unwrap();
    });
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("<Process-1>").count(), 1, "{text}");
    assert_eq!(text.matches("<MainProcess>").count(), 2, "{text}");
}

fn a_worker_runs_its_finalizers_when_it_leaves(case: Case) {
    let scratch = Scratch::new();
    let marks = scratch.marks("marks");
    let pool = ProcessPool::builder()
        .workers(1)
        .start_method(case.method)
        .allow_fork_with_threads(true)
        .build()
        .unwrap();
    let register = |marks: Marks| at_exit(Some(0), move || marks.add()).leave_to_exit();
    (0..3).for_each(|_| pool.apply(register, marks.clone()).unwrap());
    assert_eq!(marks.count(), 0);
    pool.close();
    pool.join().unwrap();
    assert_eq!(marks.count(), 3);
}
