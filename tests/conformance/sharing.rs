//! One pool for many users, pools in pools, and pools chosen at run time.

use std::sync::Arc;

use pool::{AnyPool, Pool};

use crate::support::{Backend, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

fn a_task_may_have_a_pool_of_its_own<B: Backend>() {
    let pool = B::pool(2);
    let nested = |n: u64| {
        let inner = B::pool(2);
        let sum: u64 = inner.map(square, 0..n).unwrap().into_iter().sum();
        inner.close();
        inner.join().unwrap();
        sum
    };
    let expected: Vec<u64> = (0..6).map(|n| (0..n).map(square).sum()).collect();
    assert_eq!(pool.chunk_size(1).map(nested, 0..6).unwrap(), expected);
}

fn a_task_may_drop_a_busy_pool_of_its_own<B: Backend>() {
    let pool = B::pool(1);
    let nested = |n: u64| {
        let inner = B::pool(1);
        let handles: Vec<_> = (0..100).map(|x| inner.apply_async(square, x + n)).collect();
        drop(inner);
        handles.into_iter().all(|handle| handle.ready())
    };
    assert_eq!(pool.map(nested, 0..3).unwrap(), [true; 3]);
}

/// Threads that wait for one pool at the same time take turns in seeing to its replies; whoever stops hands
/// that on. Nobody is forgotten when the one that it was handed to was not fast enough.
fn many_threads_wait_for_one_pool<B: Backend>() {
    let pool = B::pool(2);
    // Many rounds, because the last one to stop has nobody after it who would notice.
    for _ in 0..500 {
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let pool = &pool;
                scope.spawn(move || {
                    for x in 0..4 {
                        assert_eq!(pool.apply(square, x + thread).unwrap(), square(x + thread));
                    }
                });
            }
        });
    }
}

fn pools_three_deep<B: Backend>() {
    fn deeper<B: Backend>(levels: u32) -> u32 {
        match levels {
            0 => 0,
            _ => 1 + B::pool(1).apply(deeper::<B>, levels - 1).unwrap(),
        }
    }
    assert_eq!(deeper::<B>(3), 3);
}

fn a_pool_behind_a_reference_to_any<B: Backend>() {
    fn squares(pool: &dyn AnyPool) -> Vec<u64> {
        pool.chunk_size(2).map(square, 0..5).unwrap()
    }
    fn generic<P: Pool>(pool: P) -> u64 {
        pool.imap(square, 0..5).map(Result::unwrap).sum()
    }
    fn unsized_generic<P: Pool + ?Sized>(pool: &P) -> u64 {
        pool.apply(square, 5).unwrap()
    }
    let expected = [0, 1, 4, 9, 16];
    let pool = B::pool(2);
    assert_eq!(squares(&pool), expected);
    assert_eq!(generic(&pool), 30);
    assert_eq!(generic(&pool as &dyn AnyPool), 30);
    assert_eq!(unsized_generic::<dyn AnyPool>(&pool), 25);
    let boxed: Box<dyn AnyPool> = Box::new(pool);
    assert_eq!(squares(&*boxed), expected);
    assert_eq!(squares(&boxed), expected);
    assert_eq!(boxed.map(square, 0..5).unwrap(), expected);
    boxed.close();
    boxed.join().unwrap();
}

fn the_backend_is_chosen_at_run_time<B: Backend>() {
    fn chosen<B: Backend>(in_threads: bool) -> Box<dyn AnyPool + Send + Sync> {
        #[cfg(feature = "thread")]
        if in_threads {
            return Box::new(pool::ThreadPool::new(1).unwrap());
        }
        let _ = in_threads;
        Box::new(B::pool(1))
    }
    for pool in [chosen::<B>(false), chosen::<B>(true)] {
        assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
    }
}

fn eight_threads_share_a_pool<B: Backend>() {
    let pool = B::pool(2);
    std::thread::scope(|scope| {
        for thread in 0..8u64 {
            let pool = &pool;
            scope.spawn(move || {
                for x in 0..50 {
                    assert_eq!(pool.apply(square, thread * 100 + x).unwrap(), square(thread * 100 + x));
                }
                let from = thread * 1_000;
                assert_eq!(
                    pool.map(square, from..from + 200).unwrap(),
                    (from..from + 200).map(square).collect::<Vec<_>>()
                );
                let results = pool.window(5).imap(square, from..from + 50);
                assert_eq!(results.map(Result::unwrap).last(), Some(square(from + 49)));
            });
        }
    });
}

fn a_pool_in_an_arc_outlives_the_thread_that_made_it<B: Backend>() {
    let pool = std::thread::spawn(|| Arc::new(B::pool(2))).join().unwrap();
    assert_eq!(pool.map(square, 0..100).unwrap().len(), 100);
    let copy = pool.clone();
    let other = std::thread::spawn(move || copy.map(square, 0..100).unwrap().len());
    assert_eq!(other.join().unwrap(), 100);
    // Once more, when whatever the end of that thread set off has had its time.
    for x in 0..200 {
        assert_eq!(pool.apply(square, x).unwrap(), square(x));
    }
}

fn a_pool_is_dropped_in_another_thread<B: Backend>() {
    let pool = B::pool(2);
    let handle = pool.map_async(square, 0..100);
    std::thread::spawn(move || {
        pool.close();
        pool.join().unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(handle.get().unwrap().len(), 100);
}

on_every_backend!(
    a_task_may_have_a_pool_of_its_own,
    a_task_may_drop_a_busy_pool_of_its_own,
    pools_three_deep,
    a_pool_behind_a_reference_to_any,
    the_backend_is_chosen_at_run_time,
    eight_threads_share_a_pool,
    many_threads_wait_for_one_pool,
    a_pool_in_an_arc_outlives_the_thread_that_made_it,
    a_pool_is_dropped_in_another_thread,
);
