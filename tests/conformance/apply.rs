//! One item at a time.

use pool::{Pool, TaskFn};

use crate::support::{Backend, on_every_backend, whoami};

fn double(x: u64) -> u64 {
    x * 2
}

fn apply_returns_the_result<B: Backend>() {
    let pool = B::pool(2);
    assert_eq!(pool.apply(double, 21).unwrap(), 42);
    assert_eq!(pool.apply(|text: String| text.len(), "four".to_owned()).unwrap(), 4);
    assert_eq!(pool.apply(|(a, b): (u64, u64)| a - b, (7, 2)).unwrap(), 5);
    pool.apply(|()| (), ()).unwrap();
}

fn apply_runs_in_a_worker<B: Backend>() {
    let pool = B::pool(1);
    let worker = pool.apply(|()| whoami(), ()).unwrap();
    assert_ne!(worker, whoami());
    assert_eq!(worker.0 != std::process::id(), B::IS_PROCESS);
    assert_eq!(worker, pool.apply(|()| whoami(), ()).unwrap(), "the one worker stays");
}

fn apply_async_gives_each_call_its_own_result<B: Backend>() {
    let pool = B::pool(2);
    let handles: Vec<_> = (0..500).map(|x| pool.apply_async(double, x)).collect();
    for (x, handle) in handles.into_iter().enumerate() {
        assert_eq!(handle.get().unwrap(), 2 * x as u64);
    }
}

fn one_after_another_on_one_worker<B: Backend>() {
    let pool = B::pool(1);
    for x in 0..300 {
        assert_eq!(pool.apply(double, x).unwrap(), 2 * x);
    }
}

fn functions_of_the_same_signature_are_told_apart<B: Backend>() {
    let pool = B::pool(2);
    for x in 0..20u64 {
        assert_eq!(pool.apply(|x: u64| x + 1, x).unwrap(), x + 1);
        assert_eq!(pool.apply(|x: u64| x + 2, x).unwrap(), x + 2);
        assert_eq!(pool.apply(double, x).unwrap(), 2 * x);
    }
}

fn a_function_generic_over_its_task_can_use_a_pool<B: Backend>() {
    fn twice<P: Pool, F: TaskFn<u64, Output = u64> + Copy>(pool: &P, f: F, x: u64) -> u64 {
        pool.apply(f, pool.apply(f, x).unwrap()).unwrap()
    }
    assert_eq!(twice(&B::pool(1), double, 3), 12);
}

on_every_backend!(
    apply_returns_the_result,
    apply_runs_in_a_worker,
    apply_async_gives_each_call_its_own_result,
    one_after_another_on_one_worker,
    functions_of_the_same_signature_are_told_apart,
    a_function_generic_over_its_task_can_use_a_pool,
);
