//! Nothing is left behind: no child, zombie, thread, descriptor or file, however a pool ends. Each
//! test runs in a program of its own, so that it can count.

#![cfg(all(any(feature = "thread", feature = "process"), target_os = "linux"))]

mod support;

use std::time::Duration;

use pool::Pool;
use support::{Backend, Census, Gate, Marks, Scratch, alone_on_every_backend, crew, eventually};

alone_on_every_backend!(
    after_close_and_join,
    after_terminate_and_join,
    after_drop_of_an_idle_pool,
    after_drop_at_once,
    after_drop_in_mid_work,
    after_drop_with_handles_held,
    after_fifty_pools,
    after_pools_that_are_refused,
    after_panics,
    after_timeouts,
    after_callbacks_and_futures,
    after_imap_dropped_half_way,
    after_large_values,
    after_nested_pools,
    descriptors_do_not_grow_with_tasks,
);

fn square(x: u64) -> u64 {
    x * x
}

/// What was there before is what is there after.
fn nothing_left(body: impl FnOnce()) {
    let before = Census::settled();
    body();
    before.assert_restored();
}

fn after_close_and_join<B: Backend>() {
    let before = Census::settled();
    let pool = B::pool(2);
    assert_eq!(pool.map(square, 0..100).unwrap().len(), 100);
    pool.close();
    pool.join().unwrap();
    before.assert_nobody_left();
    drop(pool);
    before.assert_restored();
}

fn after_terminate_and_join<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(2);
        let handle = pool.map_async(square, 0..10_000);
        pool.terminate();
        pool.join().unwrap();
        assert!(handle.ready());
    });
}

fn after_drop_of_an_idle_pool<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(3);
        crew(&pool, 3);
    });
}

fn after_drop_at_once<B: Backend>() {
    for workers in [1, 2, 5] {
        nothing_left(|| drop(B::pool(workers)));
    }
}

fn hold((begun, gate): (Marks, Gate)) {
    begun.add();
    gate.wait();
}

fn after_drop_in_mid_work<B: Backend>() {
    nothing_left(|| {
        let scratch = Scratch::new();
        let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
        let pool = B::pool(2);
        let _mapped = pool.chunk_size(1).map_async(hold, vec![(begun.clone(), gate.clone()); 1_000]);
        begun.wait_for(2);
        let queued = pool.apply_async(square, 3);
        std::thread::scope(|scope| {
            // A thread is not killed: its task runs to its end, once the queue is gone.
            scope.spawn(|| {
                queued.wait();
                gate.open();
            });
            drop(pool);
        });
    });
}

fn after_drop_with_handles_held<B: Backend>() {
    let before = Census::take();
    let pool = B::pool(2);
    let view = pool.chunk_size(2);
    let handles: Vec<_> = (0..100).map(|x| pool.apply_async(square, x)).collect();
    let results = pool.imap(square, 0..);
    drop(pool);
    before.assert_nobody_left();
    drop((view, handles, results));
    before.assert_restored();
}

fn after_fifty_pools<B: Backend>() {
    drop(B::pool(2));
    nothing_left(|| {
        for n in 0..50 {
            let pool = B::pool(2);
            match n % 3 {
                0 => {}
                1 => assert_eq!(pool.apply(square, n).unwrap(), n * n),
                _ => drop(pool.map_async(square, 0..50)),
            }
        }
    });
}

fn after_pools_that_are_refused<B: Backend>() {
    nothing_left(|| (0..20).for_each(|_| assert!(B::make(0).is_err())));
}

fn after_panics<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(2);
        for _ in 0..20 {
            assert!(pool.map(|x: u64| 1 / x, 0..10).is_err());
        }
    });
}

fn after_timeouts<B: Backend>() {
    nothing_left(|| {
        let scratch = Scratch::new();
        let gate = scratch.gate("gate");
        let pool = B::pool(2);
        let view = pool.timeout(Duration::from_millis(10));
        for _ in 0..5 {
            assert!(view.apply(|gate: Gate| gate.wait(), gate.clone()).unwrap_err().is_timeout());
        }
        // A thread that was left behind leaves when its task does.
        gate.open();
        assert_eq!(pool.apply(square, 3).unwrap(), 9);
    });
}

fn after_callbacks_and_futures<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(2);
        for x in 0..50 {
            pool.apply_async(square, x).on_success(|_| {}).on_error(|_| {});
            let mut future = pool.apply_async(square, x);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = std::future::Future::poll(std::pin::Pin::new(&mut future), &mut context);
        }
    });
}

fn after_imap_dropped_half_way<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(2);
        for _ in 0..20 {
            assert_eq!(pool.imap(square, 0..).take(10).count(), 10);
        }
    });
}

fn after_large_values<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(2);
        let handles: Vec<_> = (0..8u8).map(|n| pool.apply_async(|x: Vec<u8>| x, vec![n; 4 << 20])).collect();
        assert!(handles.into_iter().all(|handle| handle.get().unwrap().len() == 4 << 20));
    });
}

fn after_nested_pools<B: Backend>() {
    nothing_left(|| {
        let pool = B::pool(2);
        let nested = |n: u64| B::pool(2).map(square, 0..n).unwrap().len();
        assert_eq!(pool.map(nested, 0..4).unwrap(), [0, 1, 2, 3]);
    });
}

fn descriptors_do_not_grow_with_tasks<B: Backend>() {
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let pool = B::pool(2);
    crew(&pool, 2);
    let before = Census::settled();
    let stuck: Vec<_> = (0..2).map(|_| pool.apply_async(|gate: Gate| gate.wait(), gate.clone())).collect();
    let handles: Vec<_> = (0..5_000).map(|x| pool.apply_async(square, x)).collect();
    let large: Vec<_> = (0..16).map(|_| pool.apply_async(|x: Vec<u8>| x, vec![1; 1 << 20])).collect();
    before.assert_no_more();
    gate.open();
    stuck.into_iter().for_each(|handle| handle.get().unwrap());
    assert!(handles.into_iter().all(|handle| handle.get().is_ok()));
    assert!(large.into_iter().all(|handle| handle.get().is_ok()));
    before.assert_no_more();
}

/// The watchdog of all these tests does its own work.
#[test]
fn the_watchdog_shows_the_stacks_of_a_test_that_hangs() {
    const HANG: &str = "POOL_TEST_HANG";
    const SELF: &str = "the_watchdog_shows_the_stacks_of_a_test_that_hangs";
    if std::env::var_os(HANG).is_some() {
        support::no_core_files();
        support::guarded(|| eventually("pigs flew", || false));
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([SELF, "--exact", "--test-threads=1"])
        .envs([(HANG, "1"), ("POOL_TEST_LIMIT", "1")])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("is not over after 1s"), "{text}");
    assert!(text.contains("watchdog State:"), "{text}");
}
