//! Queues between two processes: how many items a second go one way, and how long one takes there and back.

use pool::shared::Queue;
use pool::{Message, Process, TaskFn};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::limits::{futex_ping_pong, spin_ping_pong};
use crate::peers::cpython;
use crate::placement::Placement;
use crate::{Result, timing};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        Figure {
            name: "queue_one_way",
            what: "{n} u64 from another process through a queue without a bound",
            n: 1_000_000,
            reading: Reading::Rate("items/s"),
            slices: 1,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: |n| Ok(vec![one_way(n)?, cpython_one_way(QUEUE, n)?, cpython_one_way(SIMPLE_QUEUE, n)?]),
            bounds: &[Bound::PerSecond(5e6), Bound::AtLeast(30.0, QUEUE), Bound::AtLeast(30.0, SIMPLE_QUEUE)],
        },
        ping_pong("queue_ping_pong", Placement::Free),
        ping_pong("queue_ping_pong_two_cores", Placement::TwoCores),
        parked("queue_ping_pong_parked_one_core", Placement::OneCore),
        parked("queue_ping_pong_parked_two_cores", Placement::TwoCores),
    ]
}

/// The names of CPython's sides.
const QUEUE: &str = "CPython Queue";
const SIMPLE_QUEUE: &str = "CPython SimpleQueue";

/// What CPython does is so much less, and its time then so much more.
const FEWER: usize = 50;

fn ping_pong(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::Free => "a u64 there and back through two queues, back to back; p50, turns every {n}",
            _ => "the same with each process on a core of its own",
        },
        n: 2_500,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement,
        sides: |n| {
            let (there, back) = echo()?;
            let slice = move || timing::each(n, || round_trip(&there, &back));
            let python = cpython::side(QUEUE, PING_PONG, n).ok_or("there is no python3")?;
            Ok(vec![Side::subject("Queue", slice), spin_ping_pong::side(n)?, python])
        },
        bounds: &[Bound::AtMost(1.5, spin_ping_pong::NAME), Bound::AtLeast(30.0, QUEUE)],
    }
}

fn parked(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::OneCore => "a u64 there and back after each 1 ms of idleness, both on one core",
            _ => "the same with each process on a core of its own",
        },
        n: 50,
        reading: Reading::Time,
        slices: 4,
        max_rounds: usize::MAX,
        placement,
        sides: |n| {
            let (there, back) = echo()?;
            let slice = move || timing::after_idling(n, || round_trip(&there, &back));
            Ok(vec![Side::subject("Queue", slice), futex_ping_pong::side(n)?])
        },
        bounds: &[Bound::AtMost(1.5, futex_ping_pong::NAME)],
    }
}

/// A process that goes with the program.
fn start<A: Message, F: TaskFn<A, Output = ()>>(f: F, arg: A) -> Result<()> {
    Process::builder().daemon(true).spawn(f, arg)?;
    Ok(())
}

fn one_way(n: usize) -> Result<Side> {
    let (items, orders) = (Queue::<u64>::new()?, Queue::<u64>::new()?);
    let put = |(items, orders): (Queue<u64>, Queue<u64>)| {
        while let Ok(n) = orders.get() {
            (0..n).for_each(|item| items.put(item).expect("an open queue"));
        }
    };
    start(put, (items.clone(), orders.clone()))?;
    Ok(Side::subject("Queue", move || {
        let (time, all) = timing::once(|| -> Result<bool> {
            orders.put(n as u64)?;
            let mut whole = true;
            for item in 0..n as u64 {
                whole &= items.get()? == item;
            }
            Ok(whole)
        });
        assert!(all?);
        Ok(vec![time])
    }))
}

fn cpython_one_way(name: &'static str, n: usize) -> Result<Side> {
    let script = if name == QUEUE { ONE_WAY } else { ONE_WAY_SIMPLE };
    let side = cpython::side(name, script, n.div_ceil(FEWER)).ok_or("there is no python3")?;
    Ok(side.scaled(FEWER as f64))
}

fn echo() -> Result<(Queue<u64>, Queue<u64>)> {
    let (there, back) = (Queue::new()?, Queue::new()?);
    let echo = |(there, back): (Queue<u64>, Queue<u64>)| {
        while let Ok(item) = there.get() {
            back.put(item).expect("an open queue");
        }
    };
    start(echo, (there.clone(), back.clone()))?;
    Ok((there, back))
}

fn round_trip(there: &Queue<u64>, back: &Queue<u64>) -> Result<()> {
    there.put(41)?;
    assert_eq!(back.get()?, 41);
    Ok(())
}

const ONE_WAY: &str = "
import sys, time
from multiprocessing import get_context
context = get_context('fork')
n = int(sys.argv[1])
items, orders = context.Queue(), context.Queue()
def put():
    while True:
        for item in range(orders.get()):
            items.put(item)
context.Process(target=put, daemon=True).start()
orders.put(1)
items.get()
start = time.perf_counter()
orders.put(n)
for item in range(n):
    assert items.get() == item
print(time.perf_counter() - start)
";

const ONE_WAY_SIMPLE: &str = "
import sys, time
from multiprocessing import get_context
context = get_context('fork')
n = int(sys.argv[1])
items, orders = context.SimpleQueue(), context.SimpleQueue()
def put():
    while True:
        for item in range(orders.get()):
            items.put(item)
context.Process(target=put, daemon=True).start()
orders.put(1)
items.get()
start = time.perf_counter()
orders.put(n)
for item in range(n):
    assert items.get() == item
print(time.perf_counter() - start)
";

/// The median of single times.
const PING_PONG: &str = "
import statistics, sys, time
from multiprocessing import get_context
context = get_context('fork')
n = int(sys.argv[1])
there, back = context.Queue(), context.Queue()
def echo():
    while True:
        back.put(there.get())
context.Process(target=echo, daemon=True).start()
def trip():
    start = time.perf_counter()
    there.put(41)
    assert back.get() == 41
    return time.perf_counter() - start
trip()
print(statistics.median(trip() for _ in range(n)))
";
