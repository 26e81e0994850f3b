//! `AsyncResult`: a result to come.

use std::sync::mpsc;
use std::time::Duration;

use pool::{AsyncResult, ErrorKind, Pool};

use crate::support::{
    Backend, Gate, Marks, Scratch, crew, eventually, is_thread_asleep, on_every_backend, own_thread,
};

const LONG: Duration = Duration::from_secs(60);

fn wait_at(gate: Gate) -> u64 {
    gate.wait();
    7
}

fn get_timeout_runs_out_and_then_succeeds<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let handle = pool.apply_async(wait_at, gate.clone());
    for _ in 0..3 {
        let error = handle.get_timeout(Duration::from_millis(5)).unwrap_err();
        assert!(error.is_timeout());
        assert!(!handle.ready());
    }
    assert!(handle.get_timeout(Duration::ZERO).unwrap_err().is_timeout());
    gate.open();
    assert_eq!(handle.get_timeout(LONG).unwrap(), 7);
    assert_eq!(handle.get_timeout(LONG).unwrap_err().kind(), ErrorKind::Taken);
    assert_eq!(handle.get().unwrap_err().kind(), ErrorKind::Taken);
}

fn a_timeout_past_the_end_of_time_is_none<B: Backend>() {
    let pool = B::pool(1);
    assert_eq!(pool.apply_async(|x: u64| x, 1).get_timeout(Duration::MAX).unwrap(), 1);
    assert!(pool.apply_async(|x: u64| x, 1).wait_timeout(Duration::MAX));
}

fn wait_ready_and_successful<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let handle = pool.apply_async(wait_at, gate.clone());
    assert!(!handle.wait_timeout(Duration::from_millis(5)));
    assert!(!handle.ready() && !handle.successful());
    gate.open();
    assert!(handle.wait_timeout(LONG));
    handle.wait();
    assert!(handle.ready() && handle.successful());
    assert_eq!(handle.get().unwrap(), 7);

    let failed = pool.apply_async(|x: u64| 1 / x, 0);
    failed.wait();
    assert!(failed.ready() && !failed.successful());
    assert!(failed.get().unwrap_err().is_panic());
}

fn ready_becomes_true_without_a_wait<B: Backend>() {
    let pool = B::pool(2);
    let handle = pool.map_async(|x: u64| x, 0..100);
    crate::support::eventually("the handle was ready", || handle.ready());
    assert_eq!(handle.get().unwrap().len(), 100);
}

fn handles_are_joined_in_any_order<B: Backend>() {
    let pool = B::pool(2);
    let submit = || -> Vec<AsyncResult<u64>> { (0..300).map(|x| pool.apply_async(|x| x, x)).collect() };
    for (x, handle) in submit().into_iter().enumerate().rev() {
        assert_eq!(handle.get().unwrap(), x as u64);
    }
    let mut handles: Vec<_> = submit().into_iter().enumerate().collect();
    let mut seed = 12_345usize;
    while !handles.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (x, handle) = handles.swap_remove((seed >> 33) % handles.len());
        assert_eq!(handle.get().unwrap(), x as u64);
    }
}

fn handles_are_joined_from_many_threads<B: Backend>() {
    let pool = B::pool(2);
    let handles: Vec<_> = (0..64).map(|x: u64| (x, pool.apply_async(|x: u64| x + 1, x))).collect();
    std::thread::scope(|scope| {
        for (x, handle) in handles {
            scope.spawn(move || assert_eq!(handle.get().unwrap(), x + 1));
        }
    });
}

fn several_threads_wait_for_one_handle<B: Backend>() {
    let pool = B::pool(1);
    for _ in 0..50 {
        let scratch = Scratch::new();
        let gate = scratch.gate("gate");
        let handle = pool.apply_async(wait_at, gate.clone());
        let (sender, waiting) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    sender.send(()).unwrap();
                    handle.wait();
                    assert!(handle.ready() && handle.successful());
                });
            }
            (0..4).for_each(|_| waiting.recv().unwrap());
            gate.open();
        });
        assert_eq!(handle.get().unwrap(), 7);
    }
}

fn handles_outlive_the_pool<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let hold = |(begun, gate): (Marks, Gate)| {
        begun.add();
        gate.wait();
    };
    let in_hand = pool.apply_async(hold, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let waiting: Vec<_> = (0..20).map(|_| pool.apply_async(hold, (begun.clone(), gate.clone()))).collect();
    let mapped = pool.map_async(hold, vec![(begun.clone(), gate.clone()); 20]);
    std::thread::scope(|scope| {
        // A pool of threads is gone when the task in hand is over, which is when those that waited are.
        scope.spawn(|| {
            waiting[0].wait();
            gate.open();
        });
        drop(pool);
    });
    match in_hand.get() {
        Ok(()) => assert!(!B::IS_PROCESS, "a process is killed"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Terminated),
    }
    for handle in waiting {
        assert_eq!(handle.get().unwrap_err().kind(), ErrorKind::Terminated);
    }
    assert_eq!(mapped.get().unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(begun.count(), 1);
}

fn results_outlive_the_pool<B: Backend>() {
    let pool = B::pool(2);
    let handles: Vec<_> = (0..50).map(|x: u64| pool.apply_async(|x: u64| vec![x; 1_000], x)).collect();
    let mapped = pool.map_async(|x: u64| x.to_string(), 0..50);
    pool.close();
    pool.join().unwrap();
    drop(pool);
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.get().unwrap(), vec![x; 1_000]);
    }
    assert_eq!(mapped.get().unwrap()[49], "49");
}

fn a_dropped_handle_lets_the_call_go_on<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let ran = scratch.marks("ran");
    for _ in 0..20 {
        drop(pool.apply_async(|ran: Marks| ran.add(), ran.clone()));
    }
    drop(pool.map_async(|ran: Marks| ran.add(), vec![ran.clone(); 20]));
    pool.close();
    pool.join().unwrap();
    assert_eq!(ran.count(), 40);
}

fn cancel_a_pending_call<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let (gate, ran) = (scratch.gate("gate"), scratch.marks("ran"));
    let first = pool.apply_async(wait_at, gate.clone());
    let cancelled: Vec<_> = (0..10).map(|_| pool.apply_async(|ran: Marks| ran.add(), ran.clone())).collect();
    let last = pool.apply_async(|x: u64| x, 3);
    for handle in &cancelled {
        assert!(handle.cancel());
        assert!(!handle.cancel(), "it has ended by the first");
        assert!(handle.ready() && !handle.successful());
    }
    gate.open();
    assert_eq!((first.get().unwrap(), last.get().unwrap()), (7, 3));
    for handle in cancelled {
        assert!(handle.get().unwrap_err().is_cancelled());
    }
    assert_eq!(ran.count(), 0, "a cancelled task never runs");
}

fn cancel_a_running_call<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let before = crew(&pool, 2);
    let hold = |(begun, gate): (Marks, Gate)| {
        begun.add();
        gate.wait();
    };
    let running = pool.apply_async(hold, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let other = pool.apply_async(wait_at, gate.clone());
    assert!(running.cancel());
    assert!(running.get().unwrap_err().is_cancelled());
    gate.open();
    assert_eq!(other.get().unwrap(), 7, "the neighbour is not touched");
    let kept = crew(&pool, 2).intersection(&before).count();
    assert_eq!(kept, if B::IS_PROCESS { 1 } else { 2 }, "only a process is killed, and replaced");
}

fn cancel_what_has_ended<B: Backend>() {
    let pool = B::pool(1);
    let handle = pool.apply_async(|x: u64| x, 3);
    handle.wait();
    assert!(!handle.cancel());
    assert_eq!(handle.get().unwrap(), 3);
}

fn cancel_a_map<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let hold = |(begun, gate): (Marks, Gate)| {
        begun.add();
        gate.wait();
    };
    let mapped = pool.chunk_size(1).map_async(hold, vec![(begun.clone(), gate.clone()); 50]);
    begun.wait_for(1);
    assert!(mapped.cancel());
    assert!(!mapped.cancel());
    assert!(mapped.get().unwrap_err().is_cancelled());
    gate.open();
    pool.close();
    pool.join().unwrap();
    assert!(begun.count() < 10, "{} of 50 were begun for nobody", begun.count());
}

/// Whatever ends a call wakes who waits for it: here nothing comes from a worker.
fn cancel_wakes_who_waits<B: Backend>() {
    let pool = B::pool(1);
    for _ in 0..20 {
        let scratch = Scratch::new();
        let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
        let hold = |(begun, gate): (Marks, Gate)| {
            begun.add();
            gate.wait();
        };
        let first = pool.apply_async(hold, (begun.clone(), gate.clone()));
        begun.wait_for(1);
        let mapped = pool.map_async(|x: u64| x, 0..10);
        let (sender, thread) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                sender.send(own_thread()).unwrap();
                mapped.wait();
            });
            let thread = thread.recv().unwrap();
            eventually("the waiter slept", || is_thread_asleep(&thread));
            assert!(mapped.cancel());
            waiter.join().unwrap();
        });
        assert!(!first.ready(), "the wait did not end because something else did");
        gate.open();
        first.get().unwrap();
    }
}

fn debug_tells_pending_from_ready<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let handle = pool.apply_async(wait_at, gate.clone());
    assert_eq!(format!("{handle:?}"), "AsyncResult(pending)");
    gate.open();
    handle.wait();
    assert_eq!(format!("{handle:?}"), "AsyncResult(ready)");
}

on_every_backend!(
    get_timeout_runs_out_and_then_succeeds,
    a_timeout_past_the_end_of_time_is_none,
    wait_ready_and_successful,
    ready_becomes_true_without_a_wait,
    handles_are_joined_in_any_order,
    handles_are_joined_from_many_threads,
    several_threads_wait_for_one_handle,
    handles_outlive_the_pool,
    results_outlive_the_pool,
    a_dropped_handle_lets_the_call_go_on,
    cancel_a_pending_call,
    cancel_a_running_call,
    cancel_what_has_ended,
    cancel_a_map,
    cancel_wakes_who_waits,
    debug_tells_pending_from_ready,
);
