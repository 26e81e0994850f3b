//! A pool in the server.

use std::time::Duration;

use pool::shared::{Manager, ManagerError, PoolProxy, ResultProxy};
use pool::{ErrorKind, ProcessPool};

use crate::support::{Scratch, eventually, is_alive};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    a_pool_in_the_server_works_for_the_other_side,
    a_result_can_be_taken_by_somebody_else,
    a_task_that_fails_says_how,
    a_pool_that_cannot_be_is_an_error,
    a_pool_ends_with_its_last_proxy,
    a_join_waits_for_what_is_under_way_and_disturbs_nobody,
    a_wait_of_somebody_who_is_killed_is_forgotten,
);

fn kind(error: ManagerError) -> ErrorKind {
    match error {
        ManagerError::Pool(error) => error.kind(),
        other => panic!("{other}"),
    }
}

fn a_pool_in_the_server_works_for_the_other_side(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(3).unwrap();
    let other = |pool: PoolProxy| {
        assert_eq!(pool.workers().unwrap(), 3);
        assert_eq!(pool.map(|x: i64| x * x, 0..100).unwrap(), (0..100).map(|x| x * x).collect::<Vec<i64>>());
        assert_eq!(pool.map(|x: i64| x, []).unwrap(), []);
        let handle =
            pool.apply_async(|(a, b): (i64, String)| format!("{a}{b}"), (1, "b".to_owned())).unwrap();
        handle.wait().unwrap();
        assert!(handle.ready().unwrap() && handle.successful().unwrap());
        assert_eq!(handle.get().unwrap(), "1b");
        pool.apply(|()| std::process::id(), ()).unwrap()
    };
    let worker = elsewhere.start(other, pool.clone()).join();
    assert!(worker != std::process::id() && Some(worker) != manager.pid() && is_alive(worker));
    let workers = pool.map(|_: u32| std::process::id(), 0..100).unwrap();
    assert!(workers.contains(&worker));
}

fn a_result_can_be_taken_by_somebody_else(elsewhere: Elsewhere) {
    let (manager, scratch) = (Manager::start().unwrap(), Scratch::new());
    let pool = manager.pool(1).unwrap();
    let gate = scratch.path().to_owned();
    let handle = pool.apply_async(|path| Scratch::at(path).gate("go").wait(), gate).unwrap();
    let second = pool.apply_async(|x: u32| x + 1, 1).unwrap();
    assert!(!handle.ready().unwrap());
    assert_eq!(kind(handle.get_timeout(Duration::from_millis(1)).unwrap_err()), ErrorKind::TimedOut);
    let other = elsewhere.start(|second: ResultProxy<u32>| second.get().unwrap(), second.clone());
    assert!(!second.wait_timeout(Duration::from_millis(1)).unwrap());
    scratch.gate("go").open();
    assert_eq!(other.join(), 2);
    assert_eq!(kind(second.get().unwrap_err()), ErrorKind::Taken);
    handle.get().unwrap();
}

fn a_task_that_fails_says_how(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(2).unwrap();
    let other = |pool: PoolProxy| {
        let error = pool.apply(|x: u32| assert!(x > 3, "{x} is too small"), 2).unwrap_err();
        assert!(error.to_string().contains("2 is too small"), "{error}");
        assert_eq!(kind(error), ErrorKind::Panicked);
        let ManagerError::Pool(error) = pool.map(|x: u32| 10 / x, [1, 0]).unwrap_err() else {
            panic!("another")
        };
        assert_eq!((error.kind(), error.item()), (ErrorKind::Panicked, Some(1)));
        let exit = |code: i32| assert!(code == 0 || std::process::exit(code));
        let ManagerError::Pool(error) = pool.apply(exit, 3).unwrap_err() else { panic!("another") };
        assert_eq!(error.exit().and_then(|exit| exit.code()), Some(3));
        pool.apply(|x: u32| x, 7).unwrap()
    };
    assert_eq!(elsewhere.start(other, pool).join(), 7);
}

fn a_pool_that_cannot_be_is_an_error(_elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    assert_eq!(kind(manager.pool(0).unwrap_err()), ErrorKind::InvalidArgument);
    let pool = manager
        .pool_with("named".to_owned(), |name: String| {
            ProcessPool::builder().workers(1).name(name).max_tasks_per_worker(1).build()
        })
        .unwrap();
    let name = |()| pool::current_process().name().to_owned();
    assert!(pool.apply(name, ()).unwrap().starts_with("named"));
    assert_ne!(
        pool.apply(|()| std::process::id(), ()).unwrap(),
        pool.apply(|()| std::process::id(), ()).unwrap()
    );
}

fn a_pool_ends_with_its_last_proxy(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let pool = manager.pool(1).unwrap();
    let other = |pool: PoolProxy| pool.apply(|()| std::process::id(), ()).unwrap();
    let worker = elsewhere.start(other, pool.clone()).join();
    drop(pool);
    eventually("the worker ends", || !is_alive(worker));
    eventually("all objects go", || manager.status().unwrap().objects == 0);
}

fn a_join_waits_for_what_is_under_way_and_disturbs_nobody(elsewhere: Elsewhere) {
    let (manager, scratch) = (Manager::start().unwrap(), Scratch::new());
    let pool = manager.pool(1).unwrap();
    assert_eq!(kind(pool.join().unwrap_err()), ErrorKind::StillOpen);
    let path = scratch.path().to_owned();
    let handle = pool.apply_async(|path| Scratch::at(path).gate("go").wait(), path).unwrap();
    pool.close().unwrap();
    let other = |pool: PoolProxy| pool.join().map_err(|error| error.to_string());
    let other = elsewhere.start(other, pool.clone());
    // Others are served while one joins.
    assert_eq!(kind(pool.apply(|()| (), ()).unwrap_err()), ErrorKind::Closed);
    assert!(!other.is_over());
    scratch.gate("go").open();
    other.join().unwrap();
    handle.get().unwrap();
    pool.terminate().unwrap();
    pool.join().unwrap();
}

fn a_wait_of_somebody_who_is_killed_is_forgotten(elsewhere: Elsewhere) {
    if !elsewhere.is_process() {
        return;
    }
    let (manager, scratch) = (Manager::start().unwrap(), Scratch::new());
    let pool = manager.pool(1).unwrap();
    let path = scratch.path().to_owned();
    let other = |(pool, path): (PoolProxy, std::path::PathBuf)| {
        let handle = pool.apply_async(|path| Scratch::at(path).gate("go").wait(), path.clone()).unwrap();
        Scratch::at(path).gate("waits").open();
        handle.get().is_ok()
    };
    let other = elsewhere.start(other, (pool.clone(), path));
    scratch.gate("waits").wait();
    assert_eq!(manager.status().unwrap().sessions, 2);
    other.kill();
    eventually("its session ends", || manager.status().unwrap().sessions == 1);
    assert_eq!(manager.status().unwrap().objects, 1);
    scratch.gate("go").open();
    assert_eq!(pool.apply(|x: u32| x, 7).unwrap(), 7);
}
