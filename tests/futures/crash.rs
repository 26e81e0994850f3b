//! Tasks that fail on their way there, in a worker, or on their way back: every future ends, and says how.

use pool::futures::ProcessPoolExecutor;
use pool::{ErrorKind, StartMethod};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{SIGABRT, SIGKILL, Scratch, alone_on_every_start_method, kill, no_core_files};
use crate::{by, held, mark};

/// Where a value goes off: when it is encoded or decoded, in the program or in a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Place {
    EncodedHere,
    DecodedThere,
    EncodedThere,
    DecodedHere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Way {
    Error,
    Panic,
    Crash,
}

#[derive(Debug)]
struct Trap {
    place: Place,
    way: Way,
    /// The id of the program.
    home: u32,
}

use Place::*;
use Way::*;

impl Trap {
    fn goes_off(&self, place: Place) -> bool {
        let error = || -> bool {
            match self.way {
                Error => true,
                Panic => panic!("a trap"),
                Crash => std::process::abort(),
            }
        };
        self.place == place && error()
    }

    fn is_home(&self) -> bool {
        self.home == std::process::id()
    }
}

impl Serialize for Trap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.goes_off(if self.is_home() { EncodedHere } else { EncodedThere }) {
            return Err(S::Error::custom("a trap"));
        }
        (self.place, self.way, self.home).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Trap, D::Error> {
        let (place, way, home) = Deserialize::deserialize(deserializer)?;
        let trap = Trap { place, way, home };
        if trap.goes_off(if trap.is_home() { DecodedHere } else { DecodedThere }) {
            return Err(D::Error::custom("a trap"));
        }
        Ok(trap)
    }
}

/// Sends a trap there as an argument, or has one come back as a value.
fn through(executor: &ProcessPoolExecutor, place: Place, way: Way) -> ErrorKind {
    let home = std::process::id();
    let error = match place {
        EncodedHere | DecodedThere => {
            executor.submit(|_: Trap| (), Trap { place, way, home }).result().unwrap_err()
        }
        EncodedThere | DecodedHere => {
            let make = |(place, way, home)| Trap { place, way, home };
            executor.submit(make, (place, way, home)).result().unwrap_err()
        }
    };
    assert_eq!(executor.submit(|x: u64| x + 1, 1).result().unwrap(), 2, "it goes on after {place:?} {way:?}");
    error.kind()
}

fn an_argument_that_cannot_be_sent_is_an_error_of_its_future(method: StartMethod) {
    let executor = by(method).max_workers(2).build().unwrap();
    assert_eq!(through(&executor, EncodedHere, Error), ErrorKind::Encode);
    assert_eq!(through(&executor, EncodedHere, Panic), ErrorKind::Panicked);
}

fn an_argument_that_does_not_arrive_is_an_error_of_its_future(method: StartMethod) {
    let executor = by(method).max_workers(2).build().unwrap();
    assert_eq!(through(&executor, DecodedThere, Error), ErrorKind::Decode);
    assert_eq!(through(&executor, DecodedThere, Panic), ErrorKind::Panicked);
    assert_eq!(through(&executor, DecodedThere, Crash), ErrorKind::WorkerDied);
}

fn a_value_that_cannot_be_sent_is_an_error_of_its_future(method: StartMethod) {
    let executor = by(method).max_workers(2).build().unwrap();
    assert_eq!(through(&executor, EncodedThere, Error), ErrorKind::Encode);
    assert_eq!(through(&executor, EncodedThere, Panic), ErrorKind::Panicked);
    assert_eq!(through(&executor, EncodedThere, Crash), ErrorKind::WorkerDied);
}

fn a_value_that_does_not_arrive_is_an_error_of_its_future(method: StartMethod) {
    let executor = by(method).max_workers(2).build().unwrap();
    assert_eq!(through(&executor, DecodedHere, Error), ErrorKind::Decode);
    assert_eq!(through(&executor, DecodedHere, Panic), ErrorKind::Panicked);
}

fn crash(_: Vec<u8>) {
    std::process::abort();
}

fn a_worker_that_dies_costs_its_own_future_alone(method: StartMethod) {
    no_core_files();
    let executor = by(method).max_workers(2).build().unwrap();
    let others: Vec<_> = (0..20).map(|x: u64| executor.submit(|x: u64| x, x)).collect();
    let crashed = executor.submit(crash, Vec::new());
    let exited = executor.submit(|code: i32| -> u64 { std::process::exit(code) }, 3);
    assert_eq!(crashed.result().unwrap_err().exit().unwrap().signal(), Some(SIGABRT));
    let error = exited.result().unwrap_err();
    assert!(error.is_worker_died() && error.exit().unwrap().code() == Some(3), "{error}");
    for (x, other) in others.into_iter().enumerate() {
        assert_eq!(other.result().unwrap(), x as u64);
    }
    assert_eq!(executor.submit(|x: u64| x, 1).result().unwrap(), 1);
}

fn a_crash_beside_large_payloads_is_an_error_and_no_hang(method: StartMethod) {
    no_core_files();
    let executor = by(method).max_workers(2).build().unwrap();
    let futures: Vec<_> = (0..8).map(|_| executor.submit(crash, vec![7; 1 << 20])).collect();
    assert!(futures.into_iter().all(|future| future.result().unwrap_err().is_worker_died()));
    let sum = executor.submit(|bytes: Vec<u8>| bytes.len(), vec![7; 1 << 20]);
    assert_eq!(sum.result().unwrap(), 1 << 20);
}

fn a_crash_after_the_shutdown_is_an_error_and_no_hang(method: StartMethod) {
    no_core_files();
    let executor = by(method).max_workers(1).build().unwrap();
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let crashed = executor.submit(crash, Vec::new());
    let last = executor.submit(|x: u64| x, 1);
    executor.shutdown(false, false);
    gate.open();
    assert!(running.result().is_ok());
    assert!(crashed.result().unwrap_err().is_worker_died());
    assert_eq!(last.result().unwrap(), 1);
}

fn with_broken_on_worker_death_everything_else_is_broken(method: StartMethod) {
    let executor = by(method).max_workers(1).broken_on_worker_death(true).build().unwrap();
    let scratch = Scratch::new();
    let (gate, begun) = (scratch.gate("gate"), scratch.marks("begun"));
    let pid = executor.submit(|()| std::process::id(), ()).result().unwrap();
    let running = executor.submit(held, (begun.clone(), gate.clone()));
    begun.wait_for(1);
    let queued = executor.submit(mark, scratch.marks("ran"));
    kill(pid, SIGKILL);
    assert!(running.result().unwrap_err().is_worker_died());
    assert!(queued.result().unwrap_err().is_broken());
    assert!(executor.submit(|x: u64| x, 1).result().unwrap_err().is_broken());
    assert_eq!(scratch.marks("ran").count(), 0);
}

fn a_worker_killed_while_idle_costs_nothing(method: StartMethod) {
    let executor = by(method).max_workers(1).build().unwrap();
    for x in 0..5 {
        let pid = executor.submit(|()| std::process::id(), ()).result().unwrap();
        kill(pid, SIGKILL);
        // Whether the worker was seen to be dead before this came or after.
        match executor.submit(|x: u64| x, x).result() {
            Ok(value) => assert_eq!(value, x),
            Err(error) => assert!(error.is_worker_died(), "{error}"),
        }
    }
}

alone_on_every_start_method!(
    an_argument_that_cannot_be_sent_is_an_error_of_its_future,
    an_argument_that_does_not_arrive_is_an_error_of_its_future,
    a_value_that_cannot_be_sent_is_an_error_of_its_future,
    a_value_that_does_not_arrive_is_an_error_of_its_future,
    a_worker_that_dies_costs_its_own_future_alone,
    a_crash_beside_large_payloads_is_an_error_and_no_hang,
    a_crash_after_the_shutdown_is_an_error_and_no_hang,
    with_broken_on_worker_death_everything_else_is_broken,
    a_worker_killed_while_idle_costs_nothing,
);
