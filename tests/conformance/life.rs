//! Making, closing, terminating, joining and dropping a pool.

use std::time::Duration;

use pool::{ErrorKind, Pool};

use crate::support::{Backend, Gate, Marks, Scratch, crew, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

fn hold((begun, gate): (Marks, Gate)) {
    begun.add();
    gate.wait();
}

fn a_pool_has_the_workers_asked_for<B: Backend>() {
    for workers in [1, 3] {
        let pool = B::pool(workers);
        assert_eq!(pool.workers(), workers);
        crew(&pool, workers);
    }
    let pool = B::of_default_size().unwrap();
    assert_eq!(pool.workers(), std::thread::available_parallelism().unwrap().get());
}

fn a_pool_of_no_workers_is_refused<B: Backend>() {
    let error = B::make(0).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains('0'), "{error}");
}

fn errors_name_the_worker_by_the_pools_name<B: Backend>() {
    let pool = B::named(1, "kitchen").unwrap();
    let scratch = Scratch::new();
    let gate = scratch.gate("gate");
    let error = pool.timeout(Duration::from_millis(5)).apply(|gate: Gate| gate.wait(), gate.clone());
    let error = error.unwrap_err();
    gate.open();
    let worker = error.worker().expect("the worker that ran out of time");
    assert!(worker.name.starts_with("kitchen"), "{}", worker.name);
    assert_eq!(worker.pid.is_some(), B::IS_PROCESS);
}

fn a_closed_pool_refuses<B: Backend>() {
    let pool = B::pool(2);
    pool.close();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.apply_async(square, 1).get().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.map(square, 0..10).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(pool.map_async(square, 0..10).get().unwrap_err().kind(), ErrorKind::Closed);
    assert!(pool.apply(square, 1).unwrap_err().is_closed());
    pool.join().unwrap();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
}

fn close_lets_queued_work_finish<B: Backend>() {
    let pool = B::pool(1);
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let first = pool.apply_async(hold, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let handles: Vec<_> = (0..50).map(|x| pool.apply_async(square, x)).collect();
    let mapped = pool.map_async(square, 0..50);
    pool.close();
    gate.open();
    pool.join().unwrap();
    assert!(first.ready() && mapped.ready());
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.get().unwrap(), x * x);
    }
    assert_eq!(mapped.get().unwrap(), (0..50).map(square).collect::<Vec<_>>());
}

fn join_of_an_open_pool_is_refused<B: Backend>() {
    let pool = B::pool(1);
    assert_eq!(pool.join().unwrap_err().kind(), ErrorKind::StillOpen);
    assert_eq!(pool.apply(square, 3).unwrap(), 9, "it goes on");
}

fn close_and_join_may_be_repeated<B: Backend>() {
    let pool = B::pool(2);
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    pool.close();
    pool.close();
    pool.join().unwrap();
    pool.join().unwrap();
    pool.close();
    pool.terminate();
    pool.join().unwrap();
}

fn join_from_several_threads<B: Backend>() {
    let pool = B::pool(2);
    let handle = pool.map_async(square, 0..1_000);
    pool.close();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| pool.join().unwrap());
        }
    });
    assert_eq!(handle.get().unwrap().len(), 1_000);
}

fn a_terminated_pool_refuses<B: Backend>() {
    let pool = B::pool(2);
    pool.terminate();
    pool.terminate();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(pool.map(square, 0..10).unwrap_err().kind(), ErrorKind::Terminated);
    pool.close();
    pool.join().unwrap();
    pool.join().unwrap();
    assert!(pool.apply(square, 1).unwrap_err().is_closed());
}

fn terminate_ends_ten_thousand_queued_tasks<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let (begun, gate) = (scratch.marks("begun"), scratch.gate("gate"));
    let mapped = pool.chunk_size(1).map_async(hold, vec![(begun.clone(), gate.clone()); 10_000]);
    begun.wait_for(2);
    pool.terminate();
    // A thread is not killed: the two that it has in hand run to their end.
    gate.open();
    pool.join().unwrap();
    assert_eq!(mapped.get().unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(begun.count(), 2);
}

fn terminate_ends_every_handle<B: Backend>() {
    let pool = B::pool(2);
    let handles: Vec<_> = (0..10_000).map(|x| pool.apply_async(square, x)).collect();
    pool.terminate();
    let (mut done, mut ended) = (0, 0);
    for (x, handle) in (0..).zip(handles) {
        match handle.get() {
            Ok(value) => done += u64::from(value == x * x),
            Err(error) => ended += u64::from(error.kind() == ErrorKind::Terminated),
        }
    }
    assert_eq!(done + ended, 10_000);
    pool.join().unwrap();
}

fn terminate_while_others_submit<B: Backend>() {
    for _ in 0..5 {
        let pool = B::pool(2);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    loop {
                        match pool.apply(square, 3) {
                            Ok(value) => assert_eq!(value, 9),
                            Err(error) => break assert_eq!(error.kind(), ErrorKind::Terminated),
                        }
                    }
                });
            }
            scope.spawn(|| while pool.map(square, 0..20).is_ok() {});
            assert_eq!(pool.apply(square, 3).unwrap(), 9);
            pool.terminate();
        });
        pool.join().unwrap();
    }
}

fn a_pool_dropped_with_work_queued<B: Backend>() {
    for _ in 0..5 {
        let pool = B::pool(2);
        let handles: Vec<_> = (0..1_000).map(|x| pool.apply_async(square, x)).collect();
        let mapped = pool.map_async(square, 0..1_000);
        drop(pool);
        for (x, handle) in (0..).zip(handles) {
            assert!(handle.ready(), "it has ended when the drop returns");
            match handle.get() {
                Ok(value) => assert_eq!(value, x * x),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Terminated),
            }
        }
        assert!(mapped.ready());
    }
}

fn a_pool_dropped_at_once<B: Backend>() {
    for workers in [1, 2, 4] {
        drop(B::pool(workers));
    }
}

fn a_pool_dropped_while_its_thread_panics<B: Backend>() {
    let unwound = std::panic::catch_unwind(|| {
        let pool = B::pool(2);
        let _handles: Vec<_> = (0..100).map(|x| pool.apply_async(square, x)).collect();
        std::panic::resume_unwind(Box::new(()));
    });
    assert!(unwound.is_err());
}

fn pools_do_not_disturb_each_other<B: Backend>() {
    let (first, second) = (B::pool(2), B::pool(2));
    let handle = first.map_async(square, 0..1_000);
    second.terminate();
    second.join().unwrap();
    assert_eq!(handle.get().unwrap().len(), 1_000);
    drop(second);
    assert_eq!(first.apply(square, 3).unwrap(), 9);
}

on_every_backend!(
    a_pool_has_the_workers_asked_for,
    a_pool_of_no_workers_is_refused,
    errors_name_the_worker_by_the_pools_name,
    a_closed_pool_refuses,
    close_lets_queued_work_finish,
    join_of_an_open_pool_is_refused,
    close_and_join_may_be_repeated,
    join_from_several_threads,
    a_terminated_pool_refuses,
    terminate_ends_ten_thousand_queued_tasks,
    terminate_ends_every_handle,
    terminate_while_others_submit,
    a_pool_dropped_with_work_queued,
    a_pool_dropped_at_once,
    a_pool_dropped_while_its_thread_panics,
    pools_do_not_disturb_each_other,
);
