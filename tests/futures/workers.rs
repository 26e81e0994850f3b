//! How many workers there are, and how they end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use std::time::Duration;

use pool::futures::{ProcessPoolExecutorBuilder, ThreadPoolExecutor};
use pool::{ErrorKind, Pool, StartMethod, ThreadPool};

use crate::support::{
    Census, SIGTERM, Scratch, Thread, alone, alone_on_every_start_method, crew, eventually,
};
use crate::{Executors, by, held, mark};

/// Counts the workers that are started.
fn counted(method: StartMethod) -> (ProcessPoolExecutorBuilder, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    let hook = move |_: &pool::Worker| {
        counter.fetch_add(1, SeqCst);
    };
    (by(method).pool(|pool| pool.on_worker_start(hook)), count)
}

fn many_tasks_start_as_many_processes_as_there_may_be(method: StartMethod) {
    let (builder, started) = counted(method);
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = builder.max_workers(3).build().unwrap();
    let futures: Vec<_> = (0..45).map(|_| executor.submit(held, (begun.clone(), gate.clone()))).collect();
    begun.wait_for(3);
    gate.open();
    // Before the shutdown: a pool that closes sends workers away early, and may want one again.
    for future in futures {
        future.result().unwrap();
    }
    executor.shutdown(true, false);
    assert_eq!(started.load(SeqCst), 3);
}

fn no_more_processes_start_than_are_needed(method: StartMethod) {
    let (builder, started) = counted(method);
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = builder.max_workers(4).build().unwrap();
    (0..20).for_each(|x: u64| assert_eq!(executor.submit(|x: u64| x, x).result().unwrap(), x));
    let first = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let second = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(2);
    gate.open();
    let _ = (first.result().unwrap(), second.result().unwrap());
    (0..20).for_each(|x: u64| assert_eq!(executor.submit(|x: u64| x, x).result().unwrap(), x));
    executor.shutdown(true, false);
    assert_eq!(started.load(SeqCst), 2);
}

/// The first worker is used to tasks so short that its lane is filled; the others start all the same.
fn long_tasks_behind_short_ones_have_workers_of_their_own(method: StartMethod) {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = by(method).max_workers(3).build().unwrap();
    let short: Vec<_> = (0..2_000).map(|x: u64| executor.submit(|x: u64| x, x)).collect();
    for future in short {
        future.result().unwrap();
    }
    (0..3).for_each(|_| drop(executor.submit(held, (begun.clone(), gate.clone()))));
    begun.wait_for(3);
    gate.open();
}

fn a_worker_is_replaced_after_so_many_tasks(method: StartMethod) {
    let executor = by(method).max_workers(1).max_tasks_per_child(3).build().unwrap();
    let pids: Vec<u32> =
        (0..7).map(|_| executor.submit(|()| std::process::id(), ()).result().unwrap()).collect();
    assert!(pids[0] == pids[1] && pids[1] == pids[2] && pids[2] != pids[3] && pids[3] == pids[5]);
    assert_ne!(pids[5], pids[6]);
}

fn with_one_task_for_each_worker_a_shutdown_loses_nothing(method: StartMethod) {
    let executor = by(method).max_workers(3).max_tasks_per_child(1).build().unwrap();
    let futures: Vec<_> = (0..6).map(|x: u64| executor.submit(|x: u64| x * x, x)).collect();
    executor.shutdown(true, false);
    let squares: Vec<u64> = futures.into_iter().map(|future| future.result().unwrap()).collect();
    assert_eq!(squares, [0, 1, 4, 9, 16, 25]);
}

fn workers_are_asked_to_end(method: StartMethod) {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = by(method).max_workers(1).build().unwrap();
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let queued = executor.submit(mark, scratch.marks("ran"));
    executor.terminate_workers();
    let error = running.result().unwrap_err();
    assert!(error.is_worker_died() && error.exit().unwrap().signal() == Some(SIGTERM), "{error}");
    assert!(queued.result().unwrap_err().is_cancelled());
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap_err().kind(), ErrorKind::Closed);
    executor.shutdown(true, false);
    assert_eq!(scratch.marks("ran").count(), 0);
}

fn workers_are_killed(method: StartMethod) {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = by(method).max_workers(1).build().unwrap();
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let queued = executor.submit(mark, scratch.marks("ran"));
    executor.kill_workers();
    assert_eq!(running.result().unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(queued.result().unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap_err().kind(), ErrorKind::Terminated);
    // The drop has nothing to wait for.
}

fn executors_of_processes_start_while_threads_submit(method: StartMethod) {
    static OVER: AtomicBool = AtomicBool::new(false);
    let threads = Thread::executor(1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !OVER.load(SeqCst) {
                threads.submit(|x: u64| x, 1).result().unwrap();
            }
        });
        for x in 0..20 {
            let executor = by(method).max_workers(2).build().unwrap();
            assert_eq!(executor.submit(|x: u64| x, x).result().unwrap(), x);
        }
        OVER.store(true, SeqCst);
    });
}

mod of_processes {
    use super::*;

    alone_on_every_start_method!(
        many_tasks_start_as_many_processes_as_there_may_be,
        no_more_processes_start_than_are_needed,
        long_tasks_behind_short_ones_have_workers_of_their_own,
        a_worker_is_replaced_after_so_many_tasks,
        with_one_task_for_each_worker_a_shutdown_loses_nothing,
        workers_are_asked_to_end,
        workers_are_killed,
        executors_of_processes_start_while_threads_submit,
    );
}

/// Threads of pools that are called `q`.
fn threads_there() -> usize {
    let threads = Census::take().threads;
    threads.iter().filter(|(name, _)| name.starts_with("q-worker-")).map(|(_, count)| count).sum()
}

fn threads_come_as_tasks_do_and_no_more() {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = ThreadPoolExecutor::builder().thread_name_prefix("q").max_workers(3).build().unwrap();
    eventually("the first thread was there", || threads_there() == 1);
    let mut futures = Vec::new();
    for running in 1..=3 {
        futures.push(executor.submit(held, (begun.clone(), gate.clone())));
        begun.wait_for(running);
        assert_eq!(threads_there(), running as usize);
    }
    futures.extend((0..20).map(|_| executor.submit(held, (begun.clone(), gate.clone()))));
    gate.open();
    for future in futures {
        future.result().unwrap();
    }
    assert_eq!(threads_there(), 3);
}

/// One task keeps a thread, and asks another of the same executor for something.
fn a_task_that_waits_for_a_task_of_its_executor_gets_it() {
    static EXECUTOR: std::sync::LazyLock<ThreadPoolExecutor> =
        std::sync::LazyLock::new(|| ThreadPoolExecutor::new(3).unwrap());
    let outer = |x: u64| EXECUTOR.submit(|x: u64| x + 1, x).result().unwrap() + 1;
    for x in 0..500 {
        assert_eq!(EXECUTOR.submit(outer, x).result().unwrap(), x + 2);
    }
}

fn idle_threads_leave_down_to_one_and_come_back() {
    let pool = ThreadPool::builder().workers(3).name("q").idle_timeout(Duration::from_millis(20));
    let pool = pool.build().unwrap();
    for _ in 0..3 {
        let _all = crew(&pool, 3);
        eventually("the idle threads left", || threads_there() == 1);
        assert_eq!(pool.workers(), 3);
    }
    pool.close();
    pool.join().unwrap();
    assert_eq!(threads_there(), 0);
}

fn there_may_be_more_threads_later_or_fewer() {
    let executor = ThreadPoolExecutor::builder().thread_name_prefix("q").max_workers(1).build().unwrap();
    executor.pool().resize(3).unwrap();
    let _all = crew(executor.pool(), 3);
    executor.pool().resize(2).unwrap();
    eventually("one has left", || threads_there() == 2);
    let _all = crew(executor.pool(), 2);
    executor.pool().resize(3).unwrap();
    let _all = crew(executor.pool(), 3);
}

/// More tasks wait than there are threads, when there may be more.
fn threads_come_for_what_waits_when_there_may_be_more() {
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let executor = ThreadPoolExecutor::new(1).unwrap();
    let futures: Vec<_> = (0..3).map(|_| executor.submit(held, (begun.clone(), gate.clone()))).collect();
    begun.wait_for(1);
    executor.pool().resize(3).unwrap();
    begun.wait_for(3);
    gate.open();
    for future in futures {
        future.result().unwrap();
    }
}

fn every_thread_that_comes_runs_the_initializer() {
    let scratch = Scratch::new();
    let initialized = scratch.marks("initialized");
    let executor = Thread::with_initializer(3, mark, initialized.clone()).unwrap();
    let _all = crew(executor.pool(), 3);
    assert_eq!(initialized.count(), 3);
}

fn an_executor_that_ends_while_threads_come_leaves_none() {
    for _ in 0..200 {
        let executor = ThreadPoolExecutor::builder().thread_name_prefix("q").max_workers(4).build().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..4).for_each(|x: u64| drop(executor.submit(|x: u64| x, x))));
            }
            scope.spawn(|| executor.shutdown(false, false));
        });
        executor.shutdown(true, false);
        // One that has been joined is on the system's list for a moment more.
        eventually("no thread is left", || threads_there() == 0);
    }
}

macro_rules! alone_on_threads {
    ($($test:ident),+ $(,)?) => {
        mod of_threads {
            $(#[test] fn $test() {
                alone(concat!(module_path!(), "::", stringify!($test)), super::$test)
            })+
            use super::alone;
        }
    };
}
alone_on_threads!(
    threads_come_as_tasks_do_and_no_more,
    a_task_that_waits_for_a_task_of_its_executor_gets_it,
    idle_threads_leave_down_to_one_and_come_back,
    there_may_be_more_threads_later_or_fewer,
    threads_come_for_what_waits_when_there_may_be_more,
    every_thread_that_comes_runs_the_initializer,
    an_executor_that_ends_while_threads_come_leaves_none,
);
