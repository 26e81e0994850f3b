//! Objects of a manager: how long a call takes there and back, and how many a second one client and two get done.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use pool::shared::{DictProxy, ListProxy, LockProxy, Manager, Queue, QueueProxy};
use pool::{Message, Passed, Process, TaskFn};
use serde::{Deserialize, Serialize};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::limits::{futex_ping_pong, spin_ping_pong};
use crate::peers::cpython;
use crate::placement::Placement;
use crate::{Result, timing};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        round_trip("manager_round_trip", Placement::Free),
        round_trip("manager_round_trip_two_cores", Placement::TwoCores),
        parked("manager_round_trip_parked_one_core", Placement::OneCore),
        parked("manager_round_trip_parked_two_cores", Placement::TwoCores),
        by_tcp("manager_round_trip_tcp", Placement::Free),
        by_tcp("manager_round_trip_tcp_two_cores", Placement::TwoCores),
        one("manager_dict_get", "{n} gets from a managed dict", |n| both(DictGet, n)),
        one("manager_dict_set", "{n} sets of a managed dict", |n| both(DictSet, n)),
        one("manager_list_append", "{n} appends to a managed list", |n| both(ListAppend, n)),
        one("manager_queue", "{n} puts into a managed queue, each got again", |n| both(QueuePair, n)),
        one("manager_lock", "{n} times a managed lock taken and given back", |n| both(LockPair, n)),
        two("manager_dict_get_two_clients", "{n} gets by each of two processes", |n| both_twice(DictGet, n)),
        two("manager_dict_set_two_clients", "{n} sets by each of two processes", |n| both_twice(DictSet, n)),
        two("manager_list_append_two_clients", "{n} appends by each of two processes", |n| {
            both_twice(ListAppend, n)
        }),
        two("manager_queue_two_clients", "{n} puts and gets by each of two processes", |n| {
            both_twice(QueuePair, n)
        }),
        two("manager_lock_two_clients", "{n} times taken and given back by each of two processes", |n| {
            both_twice(LockPair, n)
        }),
        many("manager_many_gets", "{n} values from a managed dict in one call", |n| {
            at_once(n, |dict, _, n| {
                assert_eq!(dict.get_many((0..n as u64).map(|nth| nth % KEYS))?.len(), n);
                Ok(())
            })
        }),
        many("manager_many_sets", "{n} values into a managed dict in one call", |n| {
            at_once(n, |dict, _, n| Ok(dict.update((0..n as u64).map(|nth| (nth, nth)))?))
        }),
        many("manager_many_appends", "{n} items behind those of a managed list in one call", |n| {
            at_once(n, |_, list, n| Ok(list.extend(0..n as u64)?))
        }),
    ]
}

use What::*;

/// What is done to an object, again and again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum What {
    DictGet,
    DictSet,
    ListAppend,
    QueuePair,
    LockPair,
}

/// The objects, as a client has them.
#[derive(Clone, Serialize, Deserialize)]
struct Objects {
    dict: DictProxy<u64, u64>,
    list: ListProxy<u64>,
    queue: QueueProxy<u64>,
    lock: LockProxy,
}

impl Objects {
    fn new(manager: &Manager) -> Result<Objects> {
        let dict = manager.dict()?;
        dict.update((0..KEYS).map(|key| (key, key)))?;
        Ok(Objects { dict, list: manager.list([])?, queue: manager.queue()?, lock: manager.lock()? })
    }
}

const KEYS: u64 = 100;

impl What {
    fn run(self, objects: &Objects, n: usize) -> Result<()> {
        for nth in 0..n as u64 {
            let key = nth % KEYS;
            match self {
                DictGet => assert!(objects.dict.get(&key)?.is_some()),
                DictSet => drop(objects.dict.insert(key, nth)?),
                ListAppend => objects.list.push(nth)?,
                QueuePair => {
                    objects.queue.put(nth)?;
                    objects.queue.get()?;
                }
                LockPair => {
                    objects.lock.acquire()?;
                    objects.lock.release()?;
                }
            }
        }
        Ok(())
    }

    /// The same in Python, by the names `d`, `i`.
    fn in_python(self) -> &'static str {
        match self {
            DictGet => "d[i % 100]",
            DictSet => "d[i % 100] = i",
            ListAppend => "l.append(i)",
            QueuePair => "q.put(i); q.get()",
            LockPair => "lock.acquire(); lock.release()",
        }
    }
}

/// The name of CPython's side.
const CPYTHON: &str = "CPython Manager";

/// What CPython does is so much less, and its time then so much more.
const FEWER: usize = 20;

fn one(name: &'static str, what: &'static str, sides: fn(usize) -> Result<Vec<Side>>) -> Figure {
    Figure {
        name,
        what,
        n: 40_000,
        reading: Reading::Rate("calls/s"),
        slices: 1,
        max_rounds: usize::MAX,
        placement: Placement::Free,
        sides,
        bounds: &[Bound::AtLeast(10.0, CPYTHON)],
    }
}

fn two(name: &'static str, what: &'static str, sides: fn(usize) -> Result<Vec<Side>>) -> Figure {
    Figure { n: 20_000, ..one(name, what, sides) }
}

/// What many elements in one call are measured by.
fn many(name: &'static str, what: &'static str, sides: fn(usize) -> Result<Vec<Side>>) -> Figure {
    Figure {
        n: 100_000,
        reading: Reading::Rate("elements/s"),
        bounds: &[Bound::PerSecond(1e6)],
        ..one(name, what, sides)
    }
}

/// One call for so many elements.
type AtOnce = fn(&DictProxy<u64, u64>, &ListProxy<u64>, usize) -> Result<()>;

fn at_once(n: usize, call: AtOnce) -> Result<Vec<Side>> {
    let manager = Manager::start()?;
    let objects = Objects::new(&manager)?;
    Ok(vec![Side::subject("Manager", move || {
        let _manager = &manager;
        let (time, done) = timing::once(|| call(&objects.dict, &objects.list, n));
        done?;
        Ok(vec![time])
    })])
}

/// A client here, and CPython's.
fn both(what: What, n: usize) -> Result<Vec<Side>> {
    let manager = Manager::start()?;
    let objects = Objects::new(&manager)?;
    let ours = Side::subject("Manager", move || {
        let _manager = &manager;
        let (time, done) = timing::once(|| what.run(&objects, n));
        done?;
        Ok(vec![time])
    });
    Ok(vec![ours, python(1, what, n)?])
}

/// Two processes that are clients of the same objects, and CPython's.
fn both_twice(what: What, n: usize) -> Result<Vec<Side>> {
    let manager = Manager::start()?;
    let objects = Objects::new(&manager)?;
    let (orders, done) = (Queue::<u64>::new()?, Queue::<bool>::new()?);
    for _ in 0..2 {
        let client = |(what, objects, orders, done): (What, Objects, Queue<u64>, Queue<bool>)| {
            while let Ok(n) = orders.get() {
                let well = what.run(&objects, n as usize).is_ok();
                done.put(well).expect("an open queue");
            }
        };
        start(client, (what, objects.clone(), orders.clone(), done.clone()))?;
    }
    let ours = Side::subject("Manager", move || {
        let _manager = &manager;
        let (time, well) = timing::once(|| -> Result<bool> {
            orders.put(n as u64)?;
            orders.put(n as u64)?;
            Ok(done.get()? & done.get()?)
        });
        assert!(well?, "a client failed");
        Ok(vec![time])
    });
    Ok(vec![ours, python(2, what, n)?])
}

/// A process that goes with the program.
fn start<A: Message, F: TaskFn<A, Output = ()>>(f: F, arg: A) -> Result<()> {
    Process::builder().daemon(true).spawn(f, arg)?;
    Ok(())
}

fn python(clients: usize, what: What, n: usize) -> Result<Side> {
    let script = format!("clients, work = {clients}, '{}'\n{PYTHON}", what.in_python());
    let side = cpython::side(CPYTHON, script.leak(), n.div_ceil(FEWER)).ok_or("there is no python3")?;
    Ok(side.scaled(FEWER as f64))
}

/// Clients are processes that are there when the time begins.
const PYTHON: &str = "
import sys, time
from multiprocessing import get_context
context = get_context('fork')
n = int(sys.argv[1])
def client(d, l, q, lock, ready, go, done):
    exec('def run(d, l, q, lock):\\n  for i in range(n):\\n    ' + work, globals())
    ready.release()
    go.acquire()
    run(d, l, q, lock)
    done.release()
if __name__ == '__main__':
    manager = context.Manager()
    d = manager.dict({i: i for i in range(100)})
    l, q, lock = manager.list(), manager.Queue(), manager.Lock()
    ready, go, done = (context.Semaphore(0) for _ in range(3))
    for _ in range(clients):
        context.Process(target=client, args=(d, l, q, lock, ready, go, done), daemon=True).start()
    for _ in range(clients):
        ready.acquire()
    start = time.perf_counter()
    for _ in range(clients):
        go.release()
    for _ in range(clients):
        done.acquire()
    print(time.perf_counter() - start)
";

fn round_trip(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::Free => "a get from a managed dict, back to back; p50, turns every {n}",
            _ => "the same with each process on a core of its own",
        },
        n: 2_500,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement,
        sides: |n| {
            let (manager, dict) = dict()?;
            let slice = move || {
                let _manager = &manager;
                timing::each(n, || get(&dict))
            };
            Ok(vec![Side::subject("Manager", slice), spin_ping_pong::side(n)?])
        },
        bounds: &[Bound::AtMost(1.6, spin_ping_pong::NAME)],
    }
}

fn parked(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::OneCore => "a get from a managed dict after each 1 ms of idleness, both on one core",
            _ => "the same with each process on a core of its own",
        },
        n: 50,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement,
        sides: |n| {
            let (manager, dict) = dict()?;
            let slice = move || {
                let _manager = &manager;
                timing::after_idling(n, || get(&dict))
            };
            Ok(vec![Side::subject("Manager", slice), futex_ping_pong::side(n)?])
        },
        bounds: &[Bound::AtMost(1.6, futex_ping_pong::NAME)],
    }
}

fn by_tcp(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::Free => "a get from a managed dict over TCP on this machine; p50, turns every {n}",
            _ => "the same with each process on a core of its own",
        },
        n: 1_000,
        reading: Reading::Time,
        slices: 8,
        max_rounds: usize::MAX,
        placement,
        sides: |n| {
            let manager = Manager::bind("127.0.0.1:0", b"figures")?;
            let address = manager.address().ok_or("a manager without an address")?.clone();
            // A client that came by the address, and not by the door of this machine.
            let remote = Manager::connect(&address, b"figures")?;
            let dict = remote.dict()?;
            dict.insert(41, 42)?;
            let subject = Side::subject("Manager", move || {
                let _managers = (&manager, &remote);
                timing::each(n, || get(&dict))
            });
            Ok(vec![subject, bare_tcp(n)?])
        },
        bounds: &[Bound::AtMost(1.6, TCP)],
    }
}

/// The name of the limit.
const TCP: &str = "bare TCP ping-pong";

fn bare_tcp(trips: usize) -> Result<Side> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let echo = |listener: Passed<TcpListener>| {
        let (mut stream, _) = listener.accept().expect("who connects");
        stream.set_nodelay(true).expect("a TCP stream");
        let mut number = [0; 8];
        while stream.read_exact(&mut number).is_ok() {
            stream.write_all(&number).expect("the other side");
        }
    };
    start(echo, listener.into())?;
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(Side::limit(TCP, move || {
        let mut number = [0; 8];
        timing::each(trips, || {
            stream.write_all(&41_u64.to_le_bytes())?;
            stream.read_exact(&mut number)?;
            Ok(())
        })
    }))
}

fn dict() -> Result<(Manager, DictProxy<u64, u64>)> {
    let manager = Manager::start()?;
    let dict = manager.dict()?;
    dict.insert(41, 42)?;
    Ok((manager, dict))
}

fn get(dict: &DictProxy<u64, u64>) -> Result<()> {
    assert_eq!(dict.get(&41)?, Some(42));
    Ok(())
}
