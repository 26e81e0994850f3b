//! How workers are started: what they have of the program, and what becomes of the fork server.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::collections::BTreeSet;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pool::{ErrorKind, Pool, ProcessPool, StartMethod, current_process};
use support::{
    Gate, METHODS, SIGKILL, Scratch, all_children, alone, alone_on_every_start_method, builder_of, crew,
    duplicate, eventually, guarded, is_fork_server, is_spare, kill, pool_of,
};

alone_on_every_start_method!(
    squares,
    a_pool_and_its_workers_tell_their_start_method,
    a_worker_has_the_programs_descriptors_only_as_a_fork,
    a_global_changed_before_is_seen_by_a_fork_alone,
    a_worker_can_have_a_pool_of_its_own,
);

macro_rules! alone {
    ($($test:ident),+ $(,)?) => {
        mod once {
            $(#[test] fn $test() {
                super::alone(concat!(module_path!(), "::", stringify!($test)), super::$test)
            })+
        }
    };
}

alone!(
    a_fork_server_does_not_mind_ctrl_c,
    a_fork_server_that_is_killed_is_started_again,
    one_fork_server_serves_all_pools_and_goes_with_the_last,
    a_birth_uses_the_spare_and_one_that_is_killed_costs_nothing,
    a_spare_that_is_killed_is_reaped_although_nobody_is_born,
    a_worker_that_follows_a_killed_one_may_use_every_core,
    the_programs_default_can_be_each_method_in_turn,
    fork_beside_other_threads_is_refused,
    a_pool_that_was_forked_along_refuses_its_calls,
);

fn squares(method: StartMethod) {
    assert_eq!(pool_of(method, 2).map(|x: u64| x * x, [1, 2, 3]).unwrap(), [1, 4, 9]);
}

fn a_pool_and_its_workers_tell_their_start_method(method: StartMethod) {
    let pool = pool_of(method, 2);
    assert_eq!(pool.start_method(), method);
    let tell =
        |(): ()| format!("{:?} {:?}", StartMethod::of_this_process(), current_process().start_method());
    assert_eq!(pool.apply(tell, ()).unwrap(), format!("Some({method:?}) Some({method:?})"));
    assert_eq!((StartMethod::of_this_process(), current_process().start_method()), (None, None));
}

fn a_worker_has_the_programs_descriptors_only_as_a_fork(method: StartMethod) {
    let file = std::fs::File::open("/dev/null").unwrap();
    let other = pool_of(method, 3);
    crew(&other, 3);
    let pool = pool_of(method, 1);
    let look = |number: i32| {
        let kind = |path: &Path| Some(std::fs::read_link(path).ok()?.to_string_lossy().into_owned());
        let opened = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let lanes = opened.filter_map(|fd| kind(&fd.path())).filter(|kind| kind.contains("pool-re")).count();
        (kind(Path::new(&format!("/proc/self/fd/{number}"))), lanes)
    };
    // A number that no worker would come to by itself.
    let file = duplicate(&file, 700);
    let (own, lanes) = pool.apply(look, file.as_raw_fd()).unwrap();
    assert_eq!(own.as_deref(), None, "it was opened after the fork");
    assert_eq!(lanes, 2, "of all lanes it has its own, in two parts");
    let (own, lanes) = pool_of(method, 1).apply(look, file.as_raw_fd()).unwrap();
    assert_eq!(own.is_some(), method == StartMethod::Fork);
    assert_eq!(lanes, 2);
}

static CHANGED: AtomicU64 = AtomicU64::new(1);

fn a_global_changed_before_is_seen_by_a_fork_alone(method: StartMethod) {
    CHANGED.store(7, Relaxed);
    let pool = pool_of(method, 1);
    let expected = if method == StartMethod::Fork { 7 } else { 1 };
    assert_eq!(pool.apply(|(): ()| CHANGED.load(Relaxed), ()).unwrap(), expected);
}

fn a_worker_can_have_a_pool_of_its_own(method: StartMethod) {
    let nested = |name: String| {
        let method = *METHODS.iter().find(|method| format!("{method:?}") == name).unwrap();
        // A worker has one thread besides this library's: fork needs no permission.
        let pool = ProcessPool::builder().workers(2).start_method(method).build().unwrap();
        pool.map(|x: u64| x * x, 0..10).unwrap().into_iter().sum::<u64>()
    };
    assert_eq!(pool_of(method, 2).apply(nested, format!("{method:?}")).unwrap(), 285);
}

fn fork_servers() -> Vec<u32> {
    all_children().into_iter().filter(|pid| is_fork_server(*pid)).collect()
}

/// A task is in hand while the server is harmed; workers that die are replaced by it all the same.
fn harmed(signal: i32) {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let pool = pool_of(StartMethod::ForkServer, 2);
    let earlier = pool.apply_async(|gate: Gate| gate.wait(), gate.clone());
    for _ in 0..5 {
        let mut server = None;
        // A child has the server's name for a moment.
        eventually("there is one server", || {
            let servers = fork_servers();
            server = servers.first().copied().filter(|_| servers.len() == 1);
            server.is_some()
        });
        kill(server.unwrap(), signal);
        assert!(pool.apply(|(): ()| kill(std::process::id(), SIGKILL), ()).is_err());
        assert_eq!(pool.apply(|x: u64| x + 1, 1).unwrap(), 2);
    }
    gate.open();
    earlier.get().unwrap();
    crew(&pool, 2);
    drop(pool);
    assert_eq!(all_children(), []);
}

fn a_fork_server_does_not_mind_ctrl_c() {
    harmed(2);
}

fn a_fork_server_that_is_killed_is_started_again() {
    harmed(SIGKILL);
}

fn one_fork_server_serves_all_pools_and_goes_with_the_last() {
    let first = pool_of(StartMethod::ForkServer, 1);
    let second = pool_of(StartMethod::ForkServer, 1);
    crew(&first, 1);
    crew(&second, 1);
    // A child, the spare too, has the server's name for a moment.
    eventually("there is one server", || fork_servers().len() == 1);
    let servers = fork_servers();
    drop(first);
    eventually("it is there still", || fork_servers() == servers);
    drop(second);
    assert_eq!(all_children(), []);
}

fn spare() -> u32 {
    let mut spare = None;
    eventually("there is a spare", || {
        spare = all_children().into_iter().find(|pid| is_spare(*pid));
        spare.is_some()
    });
    spare.unwrap()
}

fn a_spare_that_is_killed_is_reaped_although_nobody_is_born() {
    let pools = [pool_of(StartMethod::ForkServer, 1), pool_of(StartMethod::ForkServer, 1)];
    pools.iter().for_each(|pool| assert_eq!(crew(pool, 1).len(), 1));
    let spare = spare();
    kill(spare, SIGKILL);
    eventually("it was reaped", || !all_children().contains(&spare));
    pools.iter().for_each(|pool| assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1));
    drop(pools);
    assert_eq!(all_children(), []);
}

/// The fork server's spare begins on the core of the caller that found its worker dead.
fn a_worker_that_follows_a_killed_one_may_use_every_core() {
    fn cores(task: &str) -> String {
        let status = std::fs::read_to_string(format!("/proc/self/task/{task}/status")).unwrap();
        status.lines().find(|line| line.starts_with("Cpus_allowed_list")).unwrap().to_owned()
    }
    fn of_worker(expected: String) -> (u32, bool) {
        let own = std::fs::read_link("/proc/thread-self").unwrap();
        let own = cores(own.file_name().unwrap().to_str().unwrap()) == expected;
        // The main thread may come after the first task.
        eventually("every thread may", || cores(&std::process::id().to_string()) == expected);
        (std::process::id(), own)
    }
    let expected = cores(&std::process::id().to_string());
    let pool = pool_of(StartMethod::ForkServer, 1);
    let mut workers = BTreeSet::new();
    for _ in 0..20 {
        let (worker, free) = pool.apply(of_worker, expected.clone()).unwrap();
        assert!(free && workers.insert(worker));
        spare();
        kill(worker, SIGKILL);
    }
}

fn a_birth_uses_the_spare_and_one_that_is_killed_costs_nothing() {
    let pool = pool_of(StartMethod::ForkServer, 1);
    let of_worker = |(): ()| std::process::id();
    let die = |(): ()| kill(std::process::id(), SIGKILL);
    crew(&pool, 1);
    let first = spare();
    assert!(pool.apply(die, ()).is_err());
    assert_eq!(pool.apply(of_worker, ()).unwrap(), first);
    kill(spare(), SIGKILL);
    assert!(pool.apply(die, ()).is_err());
    assert_ne!(pool.apply(of_worker, ()).unwrap(), first);
    spare();
    drop(pool);
    assert_eq!(all_children(), []);
}

fn the_programs_default_can_be_each_method_in_turn() {
    for method in METHODS {
        method.set_default();
        assert_eq!(StartMethod::default_method(), *method);
        let pool = ProcessPool::builder().workers(1).allow_fork_with_threads(true).build().unwrap();
        assert_eq!(pool.start_method(), *method);
        // A child begins with it too.
        let theirs = pool.apply(|(): ()| format!("{:?}", StartMethod::default_method()), ()).unwrap();
        assert_eq!(theirs, format!("{method:?}"));
    }
}

fn fork_beside_other_threads_is_refused() {
    // The test harness has a thread of its own.
    let error = ProcessPool::builder().workers(2).start_method(StartMethod::Fork).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    for words in ["other threads", "allow_fork_with_threads", "Spawn"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert_eq!(all_children(), []);
    assert!(builder_of(StartMethod::Fork).workers(1).build().is_ok());
}

static POOL: std::sync::OnceLock<ProcessPool> = std::sync::OnceLock::new();

fn a_pool_that_was_forked_along_refuses_its_calls() {
    let global = POOL.get_or_init(|| pool_of(StartMethod::Spawn, 1));
    let pool = pool_of(StartMethod::Fork, 1);
    let use_it = |x: u64| match POOL.get() {
        Some(pool) => pool.apply(|x: u64| x, x).map_err(|error| error.to_string()),
        None => Ok(0),
    };
    let error = pool.apply(use_it, 1).unwrap().unwrap_err();
    assert!(error.contains("fork"), "{error}");
    assert_eq!(global.apply(|x: u64| x, 5).unwrap(), 5);
    global.close();
    global.join().unwrap();
}

#[test]
fn the_list_begins_with_the_default() {
    assert_eq!(StartMethod::all(), METHODS);
    assert_eq!(StartMethod::all()[0], StartMethod::default_method());
}

/// Started through the loader the open image is the loader: executed again it would not be caught.
#[test]
fn a_program_that_cannot_be_executed_again_says_so() {
    const INNER: &str = "POOL_TEST_THROUGH_LOADER";
    if std::env::var_os(INNER).is_some() {
        for method in [StartMethod::Spawn, StartMethod::ForkServer] {
            let error = builder_of(method).workers(2).build().unwrap_err();
            assert!(error.to_string().contains("cannot be re-executed"), "{error}");
        }
        return;
    }
    guarded(|| {
        let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
        let Some(loader) = loaders.iter().find(|path| Path::new(path).exists()) else { return };
        let output = Command::new(loader)
            .arg(std::env::current_exe().unwrap())
            .args(["a_program_that_cannot_be_executed_again_says_so", "--exact", "--test-threads=1"])
            .env(INNER, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{output:?}");
    });
}
