//! Types of one's own: what their methods may do in the server.

use std::sync::Barrier;

use pool::shared::{DictProxy, ListProxy, Managed, Manager, ManagerError, Method, Methods, Proxy};
use serde::{Deserialize, Serialize};

use crate::support::{by_itself, eventually};
use crate::{Elsewhere, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    what_a_method_returns_is_a_value_also_if_it_is_an_error,
    only_listed_methods_can_be_called,
    a_method_gives_a_proxy_of_an_iterator,
    a_method_works_on_other_objects_of_the_server,
    a_method_that_calls_its_own_object_gets_an_error,
    of_objects_that_wait_for_each_other_one_gets_an_error,
    a_method_lends_another_object,
    a_value_that_panics_as_it_is_dropped_disturbs_nobody,
    the_scope_of_a_manager_that_was_started_before_ends_it,
);

by_itself!(an_object_goes_although_another_thread_called_it_last, no_server_no_object_in_it);

/// An account, whose methods are its public ones.
struct Account {
    balance: u64,
    #[expect(dead_code, reason = "what is dropped")]
    log: Vec<String>,
}

/// Why nothing was paid.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Refusal {
    Short { of: u64 },
}

impl Account {
    const PAY: Method<Account, u64, Result<u64, Refusal>> = Method::new("pay", |account, amount| {
        let Some(left) = account.balance.checked_sub(amount) else {
            return Err(Refusal::Short { of: amount - account.balance });
        };
        account.balance = left;
        Ok(left)
    });
    const PUT: Method<Account, u64, ()> = Method::new("put", |account, amount| account.balance += amount);
    const BALANCE: Method<Account, (), u64> = Method::new("balance", |account, ()| account.balance);
    const AUDIT: Method<Account, (), u64> = Method::new("audit", |account, ()| account.balance * 1000);
    /// Pays into an account that is in the same server.
    const TRANSFER: Method<Account, (Proxy<Account>, u64), Result<(), String>> =
        Method::new("transfer", |account, (to, amount)| {
            let left = account.balance.checked_sub(amount).ok_or("too little")?;
            to.call(&Account::PUT, amount).map_err(|error| error.to_string())?;
            account.balance = left;
            Ok(())
        });
}

impl Managed for Account {
    const NAME: &'static str = "Account";

    fn methods() -> Methods<Account> {
        Methods::new()
            .with(&Account::PAY)
            .with(&Account::PUT)
            .with(&Account::BALANCE)
            .with(&Account::TRANSFER)
    }
}

fn account(manager: &Manager, balance: u64) -> Proxy<Account> {
    manager.create(|balance| Account { balance, log: Vec::new() }, balance).unwrap()
}

fn what_a_method_returns_is_a_value_also_if_it_is_an_error(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let account = account(&manager, 50);
    let other = |account: Proxy<Account>| {
        assert_eq!(account.call(&Account::PAY, 20).unwrap(), Ok(30));
        account.call(&Account::PAY, 31).unwrap()
    };
    assert_eq!(elsewhere.start(other, account.clone()).join(), Err(Refusal::Short { of: 1 }));
    assert_eq!(account.call(&Account::BALANCE, ()).unwrap(), 30);
}

fn only_listed_methods_can_be_called(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let account = account(&manager, 50);
    let other = |account: Proxy<Account>| {
        let error = account.call(&Account::AUDIT, ()).unwrap_err();
        assert!(matches!(&error, ManagerError::NoMethod(name) if name == "audit"), "{error}");
        // A method of the same name that means something else is none of the type's either.
        const PAY: Method<Account, (u64, String), u64> = Method::new("pay", |_, (amount, _)| amount);
        let error = account.call(&PAY, (1, String::new())).unwrap_err();
        assert!(matches!(&error, ManagerError::Refused(_)), "{error}");
    };
    elsewhere.start(other, account.clone()).join();
    assert_eq!(account.call(&Account::BALANCE, ()).unwrap(), 50);
}

/// Squares, one with each call.
struct Squares {
    next: u64,
    end: u64,
}

impl Squares {
    const NEXT: Method<Squares, (), Option<u64>> = Method::new("next", |squares, ()| squares.next());
    const MANY: Method<Squares, usize, Vec<u64>> =
        Method::new("many", |squares, count| squares.take(count).collect());
}

impl Iterator for Squares {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let next = self.next;
        self.next += 1;
        (next < self.end).then_some(next * next)
    }
}

impl Managed for Squares {
    const NAME: &'static str = "Squares";

    fn methods() -> Methods<Squares> {
        Methods::new().with(&Squares::NEXT).with(&Squares::MANY)
    }
}

/// Makes iterators.
struct Mathematician;

impl Mathematician {
    const SQUARES: Method<Mathematician, u64, Proxy<Squares>> =
        Method::new("squares", |_, end| Proxy::here(Squares { next: 0, end }).expect("this is the server"));
}

impl Managed for Mathematician {
    const NAME: &'static str = "Mathematician";

    fn methods() -> Methods<Mathematician> {
        Methods::new().with(&Mathematician::SQUARES)
    }
}

fn a_method_gives_a_proxy_of_an_iterator(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let mathematician = manager.create(|()| Mathematician, ()).unwrap();
    let other = |mathematician: Proxy<Mathematician>| {
        let squares = mathematician.call(&Mathematician::SQUARES, 7).unwrap();
        let mut seen = Vec::new();
        while let Some(square) = squares.call(&Squares::NEXT, ()).unwrap() {
            seen.push(square);
            if seen.len() == 3 {
                seen.extend(squares.call(&Squares::MANY, 2).unwrap());
            }
        }
        seen
    };
    assert_eq!(elsewhere.start(other, mathematician).join(), [0, 1, 4, 9, 16, 25, 36]);
    eventually("both go", || manager.status().unwrap().objects == 0);
}

fn a_method_works_on_other_objects_of_the_server(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let (from, to) = (account(&manager, 50), account(&manager, 0));
    let other = |(from, to): (Proxy<Account>, Proxy<Account>)| {
        from.call(&Account::TRANSFER, (to.clone(), 20)).unwrap().unwrap();
        from.call(&Account::TRANSFER, (to, 31)).unwrap().unwrap_err()
    };
    assert_eq!(elsewhere.start(other, (from.clone(), to.clone())).join(), "too little");
    let balances = [from, to].map(|account| account.call(&Account::BALANCE, ()).unwrap());
    assert_eq!(balances, [30, 20]);
    eventually("both go", || manager.status().unwrap().objects == 0);
}

fn a_method_that_calls_its_own_object_gets_an_error(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let account = account(&manager, 50);
    let other = |account: Proxy<Account>| account.call(&Account::TRANSFER, (account.clone(), 1)).unwrap();
    assert_eq!(
        elsewhere.start(other, account.clone()).join().unwrap_err(),
        ManagerError::Deadlock.to_string()
    );
    let list = manager.list([1]).unwrap();
    let len =
        list.with_lock(list.clone(), |_, list: ListProxy<i32>| list.len().map_err(|error| error.to_string()));
    assert_eq!(len.unwrap(), Err(ManagerError::Deadlock.to_string()));
    assert_eq!(account.call(&Account::BALANCE, ()).unwrap(), 50);
}

fn of_objects_that_wait_for_each_other_one_gets_an_error(elsewhere: Elsewhere) {
    /// Of the server.
    static BOTH: Barrier = Barrier::new(2);
    fn put((own, other): (Proxy<Account>, Proxy<Account>)) -> bool {
        let put = own.with(other, |_, other: Proxy<Account>| {
            BOTH.wait();
            other.call(&Account::PUT, 1).map_err(|error| error.to_string())
        });
        match put.unwrap() {
            Ok(()) => true,
            Err(error) if error == ManagerError::Deadlock.to_string() => false,
            Err(error) => panic!("{error}"),
        }
    }
    let manager = Manager::start().unwrap();
    let (a, b) = (account(&manager, 0), account(&manager, 0));
    let other = elsewhere.start(put, (a.clone(), b.clone()));
    let own = put((b.clone(), a.clone()));
    assert_ne!(own, other.join());
    let sum: u64 = [a, b].iter().map(|account| account.call(&Account::BALANCE, ()).unwrap()).sum();
    assert_eq!(sum, 1);
}

fn a_method_lends_another_object(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let dict = manager.dict::<String, ListProxy<u32>>().unwrap();
    let list = manager.list([1, 2, 3]).unwrap();
    dict.insert("list".to_owned(), list.clone()).unwrap();
    let other = |dict: DictProxy<String, ListProxy<u32>>| {
        let doubled = dict.with_lock(2, |dict, by: u32| {
            let list = dict.get("list").ok_or("none")?;
            let doubled = list.with_lock(by, |list, by: u32| {
                list.iter_mut().for_each(|item| *item *= by);
                list.len()
            });
            let panicked = list.with_lock((), |list, ()| list[9]).map_err(|error| error.to_string());
            Proxy::from(list.clone()).publish("the list").map_err(|error| error.to_string())?;
            Ok::<_, String>((doubled.map_err(|error| error.to_string())?, panicked.unwrap_err()))
        });
        doubled.unwrap().unwrap()
    };
    let (doubled, panicked) = elsewhere.start(other, dict.clone()).join();
    assert!(doubled == 3 && panicked.contains("panicked"), "{doubled}, {panicked}");
    drop((dict, list));
    let found = ListProxy::<u32>::from(manager.find("the list").unwrap());
    assert_eq!(found.to_vec().unwrap(), [2, 4, 6]);
}

/// Cannot be dropped without a panic.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a bomb");
    }
}

impl Managed for Bomb {
    const NAME: &'static str = "Bomb";

    fn methods() -> Methods<Bomb> {
        Methods::new()
    }
}

fn a_value_that_panics_as_it_is_dropped_disturbs_nobody(elsewhere: Elsewhere) {
    let manager = Manager::start().unwrap();
    let list = manager.list([1]).unwrap();
    let bombs: Vec<Proxy<Bomb>> = (0..3).map(|_| manager.create(|()| Bomb, ()).unwrap()).collect();
    let other = |(list, bombs): (ListProxy<i32>, Vec<Proxy<Bomb>>)| {
        drop(bombs);
        list.push(2).unwrap();
    };
    elsewhere.start(other, (list.clone(), bombs.clone())).join();
    drop(bombs);
    eventually("the bombs go", || manager.status().unwrap().objects == 1);
    assert_eq!(list.to_vec().unwrap(), [1, 2]);
    eventually("the other side goes", || manager.status().unwrap().sessions == 1);
}

fn the_scope_of_a_manager_that_was_started_before_ends_it(elsewhere: Elsewhere) {
    let started = Manager::start().unwrap();
    let kept = {
        let manager = started;
        let list = manager.list([1]).unwrap();
        elsewhere.start(|list: ListProxy<i32>| list.push(2).unwrap(), list.clone()).join();
        assert_eq!(list.len().unwrap(), 2);
        list
    };
    assert!(matches!(kept.len(), Err(ManagerError::Gone)));
}

fn an_object_goes_although_another_thread_called_it_last() {
    let manager = Manager::start().unwrap();
    let outer = manager.list([manager.list([1]).unwrap()]).unwrap();
    let both = Barrier::new(2);
    // Calls at the same time: each thread has its own channel, and leaves it behind.
    while manager.status().unwrap().channels < 2 {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    both.wait();
                    (0..100).for_each(|_| assert_eq!(outer.len().unwrap(), 1));
                });
            }
        });
    }
    drop(outer);
    eventually("both lists go", || manager.status().unwrap().objects == 0);
}

fn no_server_no_object_in_it() {
    assert!(matches!(Proxy::here(Mathematician), Err(ManagerError::NoServer)));
}
