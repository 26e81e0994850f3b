//! Proxies: how they cross, and how long an object lives.

use pool::shared::{DictProxy, Managed, Manager, ManagerError, Method, Methods, Proxy};
use pool::{Pool, ProcessPool};

use crate::support::eventually;
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    what_the_other_side_changes_is_seen_here,
    an_object_goes_with_its_last_proxy,
    a_proxy_inside_an_object_keeps_what_it_is_of,
    a_proxy_that_is_given_back_outlives_its_giver,
    a_panic_of_a_method_is_the_callers_error_and_the_object_lives_on,
    a_function_has_the_object_alone,
    the_end_of_the_server_is_an_error,
    a_large_value_goes_both_ways,
    every_task_of_a_pool_can_have_it,
);

struct Counter(u64);

impl Counter {
    const ADD: Method<Counter, u64, u64> = Method::new("add", |counter, by| {
        assert!(by < 1000, "too much at once");
        counter.0 += by;
        counter.0
    });
    const SECRET: Method<Counter, (), u64> = Method::new("secret", |counter, ()| counter.0);
}

impl Managed for Counter {
    const NAME: &'static str = "Counter";

    fn methods() -> Methods<Counter> {
        Methods::new().with(&Counter::ADD)
    }
}

fn objects(manager: &Manager) -> usize {
    manager.status().unwrap().objects
}

fn what_the_other_side_changes_is_seen_here(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<String, u32>().unwrap();
    assert_eq!(dict.insert("a".to_owned(), 1).unwrap(), None);
    let other = |dict: DictProxy<String, u32>| {
        (dict.insert("a".to_owned(), 2).unwrap(), dict.insert("b".to_owned(), 3).unwrap())
    };
    assert_eq!(elsewhere.start(other, dict.clone()).join(), (Some(1), None));
    assert_eq!(dict.get("a").unwrap(), Some(2));
    assert_eq!(dict.get("b").unwrap(), Some(3));
    assert_eq!(dict.get("c").unwrap(), None);
    manager.shutdown().unwrap();
}

fn an_object_goes_with_its_last_proxy(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let counter = manager.create(Counter, 1).unwrap();
    let again = counter.clone();
    assert_eq!(objects(&manager), 1);
    drop(counter);
    assert_eq!(objects(&manager), 1);
    let other = |counter: Proxy<Counter>| counter.call(&Counter::ADD, 1).unwrap();
    let other = elsewhere.start(other, again);
    assert_eq!(other.join(), 2);
    eventually("the object goes", || objects(&manager) == 0);
    assert_eq!(manager.status().unwrap().tickets, 0);
}

fn a_proxy_inside_an_object_keeps_what_it_is_of(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let outer = manager.dict::<u32, Proxy<Counter>>().unwrap();
    let inner = manager.create(Counter, 5).unwrap();
    outer.insert(1, inner.clone()).unwrap();
    drop(inner);
    let other = |outer: DictProxy<u32, Proxy<Counter>>| {
        outer.get(&1).unwrap().unwrap().call(&Counter::ADD, 2).unwrap()
    };
    assert_eq!(elsewhere.start(other, outer.clone()).join(), 7);
    let inner = outer.get(&1).unwrap().unwrap();
    assert_eq!(inner.call(&Counter::ADD, 1).unwrap(), 8);
    drop(outer);
    eventually("the outer one goes", || objects(&manager) == 1);
    assert_eq!(inner.call(&Counter::ADD, 1).unwrap(), 9);
    drop(inner);
    eventually("the inner one goes", || objects(&manager) == 0);
}

fn a_proxy_that_is_given_back_outlives_its_giver(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<u32, Proxy<Counter>>().unwrap();
    dict.insert(1, manager.create(Counter, 5).unwrap()).unwrap();
    let other = |dict: DictProxy<u32, Proxy<Counter>>| dict.get(&1).unwrap().unwrap();
    let counter = elsewhere.start(other, dict).join();
    eventually("the dict goes", || objects(&manager) == 1);
    assert_eq!(counter.call(&Counter::ADD, 1).unwrap(), 6);
    drop(counter);
    eventually("all go", || objects(&manager) == 0);
}

fn a_panic_of_a_method_is_the_callers_error_and_the_object_lives_on(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let counter = manager.create(Counter, 1).unwrap();
    let other = |counter: Proxy<Counter>| {
        let panic = match counter.call(&Counter::ADD, 1000).unwrap_err() {
            ManagerError::Panicked(panic) => panic,
            other => panic!("{other}"),
        };
        assert!(panic.location.unwrap().contains("proxies.rs"));
        let unlisted = counter.call(&Counter::SECRET, ()).unwrap_err();
        assert!(matches!(&unlisted, ManagerError::NoMethod(name) if name == "secret"), "{unlisted}");
        panic.message
    };
    assert_eq!(elsewhere.start(other, counter.clone()).join(), "too much at once");
    assert_eq!(counter.call(&Counter::ADD, 1).unwrap(), 2);
    let panicked = manager.create(|_: u32| -> Counter { panic!("no such counter") }, 1).unwrap_err();
    assert!(panicked.to_string().contains("no such counter"), "{panicked}");
}

fn a_function_has_the_object_alone(elsewhere: Elsewhere) {
    const TIMES: u64 = 500;
    let manager = Manager::start().unwrap();
    let counter = manager.create(Counter, 0).unwrap();
    fn add(counter: Proxy<Counter>) {
        for _ in 0..TIMES {
            counter
                .with(1, |counter: &mut Counter, by: u64| {
                    let before = counter.0;
                    std::thread::yield_now();
                    counter.0 = before + by;
                })
                .unwrap();
        }
    }
    let other = elsewhere.start(add, counter.clone());
    add(counter.clone());
    other.join();
    assert_eq!(counter.with((), |counter: &mut Counter, ()| counter.0).unwrap(), 2 * TIMES);
}

fn the_end_of_the_server_is_an_error(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let counter = manager.create(Counter, 1).unwrap();
    let kept = counter.clone();
    manager.shutdown().unwrap();
    assert!(matches!(kept.call(&Counter::ADD, 1), Err(ManagerError::Gone)));
    let manager = Manager::start().unwrap();
    let counter = manager.create(Counter, 1).unwrap();
    let other = |counter: Proxy<Counter>| loop {
        match counter.call(&Counter::ADD, 1) {
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    };
    let other = elsewhere.start(other, counter.clone());
    while counter.call(&Counter::ADD, 0).unwrap() == 1 {
        std::thread::yield_now();
    }
    crate::support::kill(manager.pid().unwrap(), crate::support::SIGKILL);
    assert_eq!(other.join(), ManagerError::Gone.to_string());
    assert!(matches!(counter.call(&Counter::ADD, 1), Err(ManagerError::Gone)));
}

fn a_large_value_goes_both_ways(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<u32, Vec<u8>>().unwrap();
    let value: Vec<u8> = (0..3_000_000u32).map(|nth| (nth % 251) as u8).collect();
    dict.insert(1, value.clone()).unwrap();
    let other = |dict: DictProxy<u32, Vec<u8>>| dict.get(&1).unwrap().unwrap();
    assert!(elsewhere.start(other, dict).join() == value);
}

fn every_task_of_a_pool_can_have_it(_elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let counter = manager.create(Counter, 0).unwrap();
    let pool = ProcessPool::new(2).unwrap();
    let tasks: Vec<_> = (0..100).map(|_| counter.clone()).collect();
    pool.map(
        |counter: Proxy<Counter>| counter.call(&Counter::ADD, 1).map_err(|error| error.to_string()),
        tasks,
    )
    .unwrap()
    .into_iter()
    .for_each(|added| assert!(added.is_ok(), "{added:?}"));
    let add = pool::with(counter.clone(), |counter: &Proxy<Counter>, by: u64| {
        counter.call(&Counter::ADD, by).map_err(|error| error.to_string())
    });
    pool.map(add, [1; 100]).unwrap().into_iter().for_each(|added| assert!(added.is_ok(), "{added:?}"));
    assert_eq!(counter.call(&Counter::ADD, 0).unwrap(), 200);
}
