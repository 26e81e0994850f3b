//! What a birth carries reaches the child: descriptors, words, setting; what cannot be done comes back. By
//! every start method.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pool_ipc::birth::{Birth, BirthEntry, Born, MISBORN, Setting};
use pool_ipc::child::{Child, Ended};
use pool_ipc::fork_server::ForkServer;
use pool_ipc::life_line::LifeLine;
use pool_ipc::line::Command;
use pool_ipc::start_method::{StartMethod, Starter};

/// Longer than any of these takes; a test that comes to it has failed.
const BOUND: Duration = Duration::from_secs(60);

fn birth<'a>(entry: BirthEntry, descriptors: &'a [BorrowedFd<'a>], setting: &'a Setting) -> Birth<'a> {
    Birth { entry, descriptors, words: &[], setting, outlives_starter: false }
}

/// A forked child has the pipes of whatever test runs beside it: so one runs at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The harness has threads; what these children do needs no lock of theirs.
fn by_each_method(test: impl Fn(&Starter)) {
    for method in StartMethod::all() {
        test(&Starter::new(*method, true).unwrap());
    }
}

fn end_of(child: &Child) -> Ended {
    assert!(child.wait(Some(BOUND)).unwrap(), "the child does not end");
    child.reap().unwrap()
}

/// What the child wrote into the pipe that was its only descriptor.
fn told(starter: &Starter, entry: BirthEntry, words: &[&str], setting: &Setting) -> String {
    let (mut hears, says) = std::io::pipe().unwrap();
    let child = starter.start(&Birth { words, ..birth(entry, &[says.as_fd()], setting) }).unwrap();
    drop(says);
    let mut text = String::new();
    hears.read_to_string(&mut text).unwrap();
    assert_eq!(end_of(&child), Ended::Code(0));
    text
}

fn tell(born: Born, text: &str) {
    let [says] = <[_; 1]>::try_from(born.descriptors).unwrap();
    std::fs::File::from(says).write_all(text.as_bytes()).unwrap();
}

#[test]
fn words_can_be_any_texts() {
    let _alone = alone();
    let long = "x".repeat(1 << 20);
    for words in [&["", "a\u{1f}b\0:\n=", "ü"][..], &[], &[&long, "y"]] {
        let echo = |born: Born| {
            let text = format!("{:?}", born.words);
            tell(born, &text);
        };
        by_each_method(|starter| {
            assert_eq!(told(starter, echo, words, &Setting::default()), format!("{words:?}"));
        });
    }
}

#[test]
fn descriptors_arrive_in_order_whatever_their_number() {
    let _alone = alone();
    by_each_method(three_hundred_descriptors);
}

fn three_hundred_descriptors(starter: &Starter) {
    let pipes: Vec<_> = (0..300).map(|_| std::io::pipe().unwrap()).collect();
    let descriptors: Vec<_> = pipes.iter().map(|(_, says)| says.as_fd()).collect();
    let count = |born: Born| {
        for (nth, says) in born.descriptors.into_iter().enumerate() {
            std::fs::File::from(says).write_all(&[nth as u8]).unwrap();
        }
    };
    let child = starter.start(&birth(count, &descriptors, &Setting::default())).unwrap();
    assert_eq!(end_of(&child), Ended::Code(0));
    for (nth, (mut hears, says)) in pipes.into_iter().enumerate() {
        drop(says);
        let mut bytes = Vec::new();
        hears.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, [nth as u8]);
    }
}

#[test]
fn a_setting_is_applied_before_the_entry_runs() {
    let _alone = alone();
    let setting = Setting {
        environment: vec![
            ("POOL_TEST_SET".into(), Some("a=b\n".into())),
            ("PATH".into(), None),
            ("POOL_TEST_GONE".into(), Some("x".into())),
            ("POOL_TEST_GONE".into(), None),
        ],
        directory: Some("/proc".into()),
        niceness: Some(7),
        cores: Some(vec![0]),
        memory: Some(8 << 30),
    };
    let look = |born: Born| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let memory = limits.lines().find_map(|line| line.strip_prefix("Max address space")).unwrap();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let text = format!(
            "{:?} {:?} {:?} {} nice {} cores {} memory {}",
            std::env::var_os("POOL_TEST_SET"),
            std::env::var_os("PATH"),
            std::env::var_os("POOL_TEST_GONE"),
            std::env::current_dir().unwrap().display(),
            stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap(),
            cores.trim(),
            memory.split_whitespace().take(2).collect::<Vec<_>>().join(" "),
        );
        tell(born, &text);
    };
    let expected = "Some(\"a=b\\n\") None None /proc nice 7 cores 0 memory 8589934592 8589934592";
    by_each_method(|starter| assert_eq!(told(starter, look, &[], &setting), expected));
}

#[test]
fn a_setting_that_cannot_be_applied_is_told_with_the_systems_words() {
    let _alone = alone();
    let nothing = Setting::default;
    let cases = [
        (Setting { directory: Some("/no/such folder".into()), ..nothing() }, "No such file or directory"),
        (Setting { niceness: Some(20), ..nothing() }, "from -20 to 19"),
        (Setting { cores: Some(vec![0, 1000]), ..nothing() }, "core 1000"),
        (Setting { cores: Some(vec![1 << 40]), ..nothing() }, "no core"),
        (Setting { cores: Some(vec![]), ..nothing() }, "Invalid argument"),
    ];
    for (setting, words) in cases {
        by_each_method(|starter| {
            let child = starter.start(&birth(|_| {}, &[], &setting)).unwrap();
            assert_eq!(end_of(&child), Ended::Code(MISBORN), "{setting:?}");
            let refusal = child.refusal().unwrap();
            assert!(refusal.contains(words), "{refusal}");
            assert_eq!(child.refusal(), None, "it is told once");
        });
    }
    let impossible = Setting { environment: vec![("a=b".into(), None)], ..nothing() };
    by_each_method(|starter| assert!(starter.start(&birth(|_| {}, &[], &impossible)).is_err()));
}

#[test]
fn an_entry_can_refuse() {
    let _alone = alone();
    by_each_method(|starter| {
        let setting = Setting::default();
        let child = starter.start(&birth(|born| born.refuse("not today"), &[], &setting)).unwrap();
        assert_eq!(end_of(&child), Ended::Code(MISBORN));
        assert_eq!(child.refusal().as_deref(), Some("not today"));
    });
}

/// Until the line ends, or a command comes. Who passed a pipe is told that it has begun.
fn linger(mut born: Born) {
    if let Some(says) = born.descriptors.pop() {
        std::fs::File::from(says).write_all(b"!").unwrap();
    }
    let code = if matches!(born.line.next(), Some((Command::Leave, _))) { 3 } else { 4 };
    pool_ipc::birth::leave(code);
}

#[test]
fn commands_and_signals_and_the_end_of_the_line_reach_the_child() {
    let _alone = alone();
    by_each_method(lingering_children);
}

fn lingering_children(starter: &Starter) {
    let start = || starter.start(&birth(linger, &[], &Setting::default())).unwrap();
    let child = start();
    assert!(!child.wait(Some(Duration::from_millis(1))).unwrap());
    assert_eq!(child.reap(), None);
    child.line().send(Command::Leave).unwrap();
    assert_eq!(end_of(&child), Ended::Code(3));
    assert!(child.send_signal(0).is_err(), "it was reaped");
    assert_eq!(child.reap(), Some(Ended::Unknown));

    let child = start();
    child.send_signal(libc::SIGTERM).unwrap();
    assert_eq!(end_of(&child), Ended::Signal(libc::SIGTERM));

    let child = start();
    child.kill();
    assert_eq!(end_of(&child), Ended::Signal(libc::SIGKILL));
    child.kill();
}

#[test]
fn a_child_dies_with_the_thread_that_started_it_unless_it_outlives_it() {
    let _alone = alone();
    for method in [StartMethod::Spawn, StartMethod::Fork] {
        let start = |outlives_starter| {
            let begin = move || {
                let setting = Setting::default();
                let (mut hears, says) = std::io::pipe().unwrap();
                let descriptors = [says.as_fd()];
                let birth = Birth { outlives_starter, ..birth(linger, &descriptors, &setting) };
                let child = Starter::new(method, true).unwrap().start(&birth).unwrap();
                drop(says);
                // The thread does not end before the child has settled in.
                hears.read_exact(&mut [0]).unwrap();
                child
            };
            std::thread::spawn(begin).join().unwrap()
        };
        assert_eq!(end_of(&start(false)), Ended::Signal(libc::SIGKILL));
        let child = start(true);
        child.line().send(Command::Leave).unwrap();
        assert_eq!(end_of(&child), Ended::Code(3));
    }
}

#[test]
fn a_child_knows_how_it_was_started_and_what_its_starter_would_use() {
    let _alone = alone();
    assert_eq!(StartMethod::of_this_process(), None);
    by_each_method(|starter| {
        let look = |born: Born| {
            let (method, own) = (born.method, StartMethod::of_this_process());
            tell(born, &format!("{method:?} {own:?} {:?}", StartMethod::default_method()));
        };
        let method = starter.method();
        assert_eq!(
            told(starter, look, &[], &Setting::default()),
            format!("{method:?} Some({method:?}) Spawn")
        );
    });
}

#[test]
fn a_panic_of_the_entry_ends_the_child_and_goes_no_further() {
    let _alone = alone();
    by_each_method(|starter| {
        let child = starter.start(&birth(|_| panic!("as it should"), &[], &Setting::default())).unwrap();
        assert!(!matches!(end_of(&child), Ended::Code(0) | Ended::Unknown));
    });
}

/// Births by the server while something happens to it. The other tests of this program may hold it too.
fn births_after(harm: impl Fn(u32)) {
    let server = ForkServer::hold().unwrap();
    let setting = Setting::default();
    let first = server.start(&birth(linger, &[], &setting)).unwrap();
    for _ in 0..20 {
        harm(server.pid().unwrap());
        let child = server.start(&birth(linger, &[], &setting)).unwrap();
        child.line().send(Command::Leave).unwrap();
        assert_eq!(end_of(&child), Ended::Code(3));
    }
    assert_eq!(first.reap(), None, "a child does not depend on the server");
    first.line().send(Command::Leave).unwrap();
    assert_eq!(end_of(&first), Ended::Code(3));
}

fn signal(pid: u32, number: i32) {
    // SAFETY: kill(2) takes two numbers; the process is a child that nobody has reaped.
    unsafe { libc::kill(pid as i32, number) };
}

#[test]
fn a_fork_server_that_is_killed_is_started_again() {
    let _alone = alone();
    births_after(|server| signal(server, libc::SIGKILL));
}

#[test]
fn a_fork_server_does_not_mind_ctrl_c() {
    let _alone = alone();
    births_after(|server| signal(server, libc::SIGINT));
}

#[test]
fn a_child_of_the_fork_server_is_a_child_of_the_program() {
    let _alone = alone();
    let server = ForkServer::hold().unwrap();
    let child = server.start(&birth(linger, &[], &Setting::default())).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).unwrap();
    let parent = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap();
    assert_eq!(parent, std::process::id().to_string());
    child.kill();
    assert_eq!(end_of(&child), Ended::Signal(libc::SIGKILL));
}

#[test]
fn a_child_of_the_life_line_lives_as_long_as_somebody_holds_it() {
    let _alone = alone();
    let life_line = LifeLine::hold().unwrap();
    let also = life_line.clone();
    let begin = move || life_line.spawn(&birth(linger, &[], &Setting::default())).unwrap();
    // The thread that asked ends, and with it one hold.
    let child = std::thread::spawn(begin).join().unwrap();
    child.line().send(Command::Leave).unwrap();
    assert_eq!(end_of(&child), Ended::Code(3));

    let (mut hears, says) = std::io::pipe().unwrap();
    let child = also.spawn(&birth(linger, &[says.as_fd()], &Setting::default())).unwrap();
    hears.read_exact(&mut [0]).unwrap();
    drop(also);
    assert_eq!(end_of(&child), Ended::Signal(libc::SIGKILL));
    // A thread that was joined is on the list for a moment more.
    let bound = Instant::now() + BOUND;
    while threads().contains(&"pool-life-line".to_owned()) {
        assert!(Instant::now() < bound, "the life line is left behind");
    }
}

fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}
