//! Records that workers and processes make: they arrive with their place and their process, in order; a flood
//! is bounded; what was sent before a death arrives. By every start method; but a child by `Fork` has the program's
//! logger in its memory, and a second one cannot be set, so there nothing is forwarded.

#![cfg(all(feature = "log", target_os = "linux"))]

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pool::{
    Pool, Process, ProcessBuilder, ProcessPool, ProcessPoolBuilder, RecordOrigin, StartMethod, record_origin,
};
use support::{Gate, Scratch, eventually};

/// Functions of no argument, with a start method as the program's default.
mod by {
    use pool::StartMethod;

    use crate::support::alone_on_start_method;

    macro_rules! by_default {
        ($($test:ident),+ $(,)?) => {
            $(pub(crate) fn $test(method: StartMethod) {
                method.set_default();
                super::$test();
            })+
        };
    }

    macro_rules! without_a_fork {
        ($($test:ident),+ $(,)?) => {
            by_default!($($test),+);
            mod without_a_fork {
                use super::*;
                alone_on_start_method! { spawn Spawn; crate::support::limit(); $($test),+ }
                alone_on_start_method! { fork_server ForkServer; crate::support::limit(); $($test),+ }
            }
        };
    }

    without_a_fork!(
        records_of_a_process_arrive_with_their_place_and_origin,
        records_of_workers_arrive_in_their_order,
        the_level_of_the_program_holds_in_its_children,
        what_was_sent_before_a_death_arrives,
        a_flood_that_nobody_takes_in_does_not_hold_a_process_for_ever,
        events_of_tracing_arrive_as_records,
    );

    by_default!(
        the_librarys_own_records_have_its_target,
        children_print_on_standard_error_as_the_program_does
    );
    crate::support::alone_on_every_start_method!(
        the_librarys_own_records_have_its_target,
        children_print_on_standard_error_as_the_program_does,
    );
}

#[test]
fn a_child_that_has_a_logger_already_is_refused() {
    support::alone(concat!(module_path!(), "::a_child_that_has_a_logger_already_is_refused"), || {
        listen(LevelFilter::Info);
        pool::StartMethod::Fork.set_default();
        let child = process().forward_logs(true).spawn(|()| (), ()).unwrap();
        let error = child.join().unwrap_err().to_string();
        assert!(error.contains("logger"), "{error}");
    });
}

/// The test harness has threads.
fn process() -> ProcessBuilder {
    Process::builder().allow_fork_with_threads(true)
}

/// The same, of workers.
fn workers() -> ProcessPoolBuilder {
    ProcessPool::builder().allow_fork_with_threads(true)
}

/// What the program's logger heard.
#[derive(Debug, Clone)]
struct Heard {
    level: Level,
    target: String,
    file: Option<String>,
    line: Option<u32>,
    text: String,
    origin: RecordOrigin,
    pairs: usize,
}

#[derive(Default)]
struct Ear {
    heard: Mutex<Vec<Heard>>,
    /// Before it listens.
    gate: OnceLock<Gate>,
}

impl Log for Ear {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(gate) = self.gate.get() {
            gate.wait();
        }
        self.heard.lock().unwrap().push(Heard {
            level: record.level(),
            target: record.target().to_owned(),
            file: record.file().map(str::to_owned),
            line: record.line(),
            text: record.args().to_string(),
            origin: record_origin(),
            pairs: record.key_values().count(),
        });
    }

    fn flush(&self) {}
}

/// Listens from now on.
fn listen(level: LevelFilter) -> &'static Ear {
    static EAR: OnceLock<Ear> = OnceLock::new();
    let ear = EAR.get_or_init(Ear::default);
    log::set_logger(ear).unwrap();
    log::set_max_level(level);
    ear
}

impl Ear {
    /// Those of this test, once there are so many.
    fn wait_for(&self, count: usize) -> Vec<Heard> {
        let ours = || -> Vec<Heard> {
            let heard = self.heard.lock().unwrap();
            heard.iter().filter(|heard| heard.target.starts_with("logs")).cloned().collect()
        };
        eventually(&format!("{count} records were heard"), || ours().len() >= count);
        ours()
    }
}

fn records_of_a_process_arrive_with_their_place_and_origin() {
    fn speak(n: u64) -> u32 {
        log::warn!("{n} is a number");
        line!() - 1
    }
    let ear = listen(LevelFilter::Info);
    let child = process().name("speaker").forward_logs(true).spawn(speak, 7).unwrap();
    let line = child.join().unwrap();
    let heard = ear.wait_for(1).remove(0);
    assert_eq!((heard.level, heard.text.as_str()), (Level::Warn, "7 is a number"));
    assert_eq!((heard.file.as_deref(), heard.line), (Some(file!()), Some(line)));
    let thread = "speaker".to_owned();
    assert_eq!(heard.origin, RecordOrigin { process: "speaker".to_owned(), pid: child.pid(), thread });
    assert_eq!(heard.pairs, 3);
    assert_eq!(record_origin().process, "MainProcess");
}

/// The two numbers that it is made of.
fn words_of(heard: &Heard) -> (u64, u64) {
    let (one, other) = heard.text.split_once(' ').unwrap();
    (one.parse().unwrap(), other.parse().unwrap())
}

fn records_of_workers_arrive_in_their_order() {
    fn speak(n: u64) -> u32 {
        // A worker does not always have its tasks in the order of the items.
        static SAID: AtomicU64 = AtomicU64::new(0);
        log::info!("{} {n}", SAID.fetch_add(1, Relaxed));
        std::process::id()
    }
    let ear = listen(LevelFilter::Info);
    let pool = workers().workers(2).name("crew").forward_logs(true).build().unwrap();
    let pids = pool.map(speak, 0..1_000).unwrap();
    let heard = ear.wait_for(1_000);
    assert_eq!(heard.len(), 1_000);
    for worker in ["crew-worker-1", "crew-worker-2"] {
        let mine = heard.iter().filter(|heard| heard.origin.process == worker);
        let said: Vec<u64> = mine.map(|heard| words_of(heard).0).collect();
        assert!(said.iter().copied().eq(0..said.len() as u64), "{said:?}");
    }
    for heard in heard {
        assert_eq!(heard.origin.pid, pids[words_of(&heard).1 as usize]);
        assert_eq!(heard.origin.thread, heard.origin.process, "the thread of a worker is named as it");
    }
}

fn the_level_of_the_program_holds_in_its_children() {
    fn speak(_: u64) -> bool {
        log::debug!("not wanted");
        log::warn!("wanted");
        log::log_enabled!(Level::Info)
    }
    let ear = listen(LevelFilter::Warn);
    let child = process().forward_logs(true).spawn(speak, 0).unwrap();
    assert!(!child.join().unwrap());
    assert_eq!(ear.wait_for(1).len(), 1);
    // Without being asked to, a process sends nothing.
    process().spawn(speak, 0).unwrap().join().unwrap();
    assert_eq!(ear.wait_for(1).len(), 1);
}

fn what_was_sent_before_a_death_arrives() {
    fn speak_and_die(n: u64) {
        (0..n).for_each(|n| log::info!("{n}"));
        std::process::abort();
    }
    let ear = listen(LevelFilter::Info);
    let child = process().forward_logs(true).spawn(speak_and_die, 100).unwrap();
    assert!(child.join().unwrap_err().is_process_died());
    let texts: Vec<_> = ear.wait_for(100).into_iter().map(|heard| heard.text).collect();
    assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
}

fn a_flood_that_nobody_takes_in_does_not_hold_a_process_for_ever() {
    fn flood(count: u64) -> u64 {
        (0..count).for_each(|n| log::info!("{n} {}", "x".repeat(1_000)));
        count
    }
    let ear = listen(LevelFilter::Info);
    let scratch = Scratch::new();
    let gate = ear.gate.get_or_init(|| scratch.gate("gate"));
    let child = process().forward_logs(true).spawn(flood, 50_000).unwrap();
    // The logger stands still: the process goes on all the same, and its records take no memory here.
    assert_eq!(child.join().unwrap(), 50_000);
    gate.open();
    let heard = ear.wait_for(1);
    assert!(heard[0].text.starts_with("0 ") && heard.len() < 50_000);
}

fn events_of_tracing_arrive_as_records() {
    let speak = |n: u64| tracing::warn!(n, "an event");
    let ear = listen(LevelFilter::Info);
    let pool = workers().workers(1).name("crew").forward_logs(true).build().unwrap();
    pool.apply(speak, 7).unwrap();
    let heard = ear.wait_for(1).remove(0);
    assert_eq!((heard.level, heard.text.as_str()), (Level::Warn, "an event n=7"));
    assert_eq!((heard.file.as_deref(), heard.origin.process.as_str()), (Some(file!()), "crew-worker-1"));
}

fn die(_: ()) {
    std::process::abort();
}

fn the_librarys_own_records_have_its_target() {
    let ear = listen(LevelFilter::Debug);
    let own = |level, text: &str| {
        let heard = ear.heard.lock().unwrap();
        heard.iter().any(|heard| heard.target == "pool" && heard.level == level && heard.text.contains(text))
    };
    process().name("short").spawn(|()| (), ()).unwrap().join().unwrap();
    eventually("it started", || own(Level::Debug, "short has started"));
    eventually("it ended", || own(Level::Debug, "short has ended"));
    let _ = process().name("fragile").spawn(die, ()).unwrap().join();
    eventually("it died", || own(Level::Warn, "fragile has ended"));
    let pool = workers().workers(1).name("crew").build().unwrap();
    assert!(pool.apply(die, ()).is_err());
    eventually("the worker died", || own(Level::Warn, "crew-worker-1 has ended"));
    eventually("another started", || own(Level::Debug, "crew-worker-1 has started"));
}

fn children_print_on_standard_error_as_the_program_does() {
    const SPEAK: &str = "POOL_TEST_SPEAK";
    if std::env::var_os(SPEAK).is_some() {
        pool::log_to_stderr(LevelFilter::Info).unwrap();
        assert!(pool::log_to_stderr(LevelFilter::Info).is_err(), "it has one now");
        log::info!("from the program");
        let speak = |()| log::warn!("from a process");
        process().name("reader").spawn(speak, ()).unwrap().join().unwrap();
        return;
    }
    let method = match StartMethod::default_method() {
        StartMethod::Spawn => "spawn",
        StartMethod::ForkServer => "fork_server",
        _ => "fork",
    };
    let test = format!("by::{method}::children_print_on_standard_error_as_the_program_does");
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SPEAK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let has =
        |start: &str, end: &str| text.lines().any(|line| line.starts_with(start) && line.ends_with(end));
    assert!(has("[INFO/MainProcess ", "] from the program"), "{text}");
    assert!(has("[WARN/reader ", " reader] from a process"), "{text}");
}
