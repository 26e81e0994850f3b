//! A place where so many wait for each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manager::error::{Fault, Refusal};
use crate::manager::method::Waits;
use crate::manager::objects::{opaque, proxy};
use crate::manager::server::{Caller, Ended, Line, Monitor, Patience, State};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};

type Result<T> = std::result::Result<T, ManagerError>;

const MOST_PARTIES: u32 = 1 << 16;
/// The line of the parties of this round, and that of those who come while its action runs.
const INSIDE: usize = 0;
const OUTSIDE: usize = 1;

/// A managed barrier in the server.
pub struct ManagedBarrier(Monitor<Round>);

#[derive(Debug)]
struct Round {
    parties: u32,
    is_broken: bool,
    /// Of this round; what somebody who ran the action of another says, is late.
    number: u64,
    /// Of the parties.
    next: u64,
    /// Those that wait, and those of former rounds that have not left yet.
    there: Vec<Party>,
    /// The client that runs the action of this round, which is complete.
    acting: Option<u128>,
    inside: Line,
    outside: Line,
}

#[derive(Debug)]
struct Party {
    number: u64,
    /// Whether its round was completed, or broken.
    passed: Option<bool>,
}

impl State for Round {
    fn line(&mut self, number: usize) -> Option<&mut Line> {
        match number {
            INSIDE => Some(&mut self.inside),
            OUTSIDE => Some(&mut self.outside),
            _ => None,
        }
    }

    fn ready(&self, line: usize) -> usize {
        // Those inside are called when their round ends.
        if line == OUTSIDE && self.acting.is_none() { usize::MAX } else { 0 }
    }
}

/// What comes of an arrival.
#[derive(Debug, Serialize, Deserialize)]
enum Arrived {
    /// The round was completed; its place in it.
    Passed(u64),
    /// The round is complete, and this is the one to run its action.
    IsToAct(u64),
}

enum Place {
    Last(u64),
    Acts(u64),
    Waits { number: u64, index: u64 },
}

impl Round {
    fn waiting(&self) -> u64 {
        self.there.iter().filter(|party| party.passed.is_none()).count() as u64
    }

    /// `None`: not while an action runs.
    fn arrive(&mut self, session: u128, acts: bool) -> Option<std::result::Result<Place, Refusal>> {
        if self.is_broken {
            return Some(Err(Refusal::Broken));
        }
        if self.acting.is_some() {
            return None;
        }
        let index = self.waiting();
        if index + 1 < u64::from(self.parties) {
            let number = self.next;
            self.next += 1;
            self.there.push(Party { number, passed: None });
            return Some(Ok(Place::Waits { number, index }));
        }
        if acts {
            self.acting = Some(session);
            return Some(Ok(Place::Acts(self.number)));
        }
        self.end(true);
        Some(Ok(Place::Last(index)))
    }

    fn end(&mut self, passed: bool) {
        self.number = self.number.wrapping_add(1);
        self.acting = None;
        for party in &mut self.there {
            party.passed.get_or_insert(passed);
        }
        self.inside.call_all();
    }

    fn abort(&mut self) {
        self.is_broken = true;
        self.end(false);
    }

    /// What became of a party's round, with which the party leaves.
    fn leave(&mut self, number: u64) -> Option<bool> {
        let place = self.there.iter().position(|party| party.number == number && party.passed.is_some())?;
        self.there.swap_remove(place).passed
    }
}

opaque!(ManagedBarrier);

impl ManagedBarrier {
    /// How long, and whether it would run an action.
    const WAIT: Method<Self, (Patience, bool), Arrived> =
        Method::beside("wait", |barrier, caller, (patience, acts)| barrier.wait(caller, patience, acts));
    /// The action of this round was run.
    const ACTED: Method<Self, u64, u64> = Method::beside("acted", |barrier, _, number| {
        let mut round = barrier.0.lock();
        if round.is_broken || round.number != number || round.acting.is_none() {
            return Err(Refusal::Broken.into());
        }
        let index = round.waiting();
        round.end(true);
        Ok(index)
    });
    const ABORT: Method<Self, (), ()> = Method::beside("abort", |barrier, _, ()| {
        barrier.0.lock().abort();
        Ok(())
    });
    const RESET: Method<Self, (), ()> = Method::beside("reset", |barrier, _, ()| {
        let mut round = barrier.0.lock();
        round.end(false);
        round.is_broken = false;
        Ok(())
    });
    const IS_BROKEN: Method<Self, (), bool> =
        Method::beside("is_broken", |barrier, _, ()| Ok(barrier.0.lock().is_broken));
    const PARTIES: Method<Self, (), u32> =
        Method::beside("parties", |barrier, _, ()| Ok(barrier.0.lock().parties));
    const WAITING: Method<Self, (), u64> =
        Method::beside("waiting", |barrier, _, ()| Ok(barrier.0.lock().waiting()));

    fn new(parties: u32) -> ManagedBarrier {
        ManagedBarrier(Monitor::new(Round {
            parties: parties.clamp(1, MOST_PARTIES),
            is_broken: false,
            number: 0,
            next: 0,
            there: Vec::new(),
            acting: None,
            inside: Line::default(),
            outside: Line::default(),
        }))
    }

    fn wait(&self, caller: &Caller, patience: Patience, acts: bool) -> std::result::Result<Arrived, Fault> {
        let session = caller.session.id;
        let end = patience.end();
        let arrived = self.0.wait(caller, patience, OUTSIDE, |round, _| round.arrive(session, acts));
        let (number, index) = match arrived {
            Ok(Ok(Place::Last(index))) => return Ok(Arrived::Passed(index)),
            Ok(Ok(Place::Acts(number))) => return Ok(Arrived::IsToAct(number)),
            Ok(Ok(Place::Waits { number, index })) => (number, index),
            Ok(Err(refusal)) => return Err(refusal.into()),
            Err(Ended::Time) => {
                self.0.lock().abort();
                return Err(Refusal::Broken.into());
            }
            // It was not there yet.
            Err(Ended::Unwanted) => return Err(Ended::Unwanted.into()),
        };
        let left = Patience::until(end);
        let passed = self.0.wait_as(number, caller, left, INSIDE, |round, _| round.leave(number));
        let passed = passed.unwrap_or_else(|_| {
            // The round may have ended in this moment.
            let mut round = self.0.lock();
            round.leave(number).unwrap_or_else(|| {
                round.abort();
                round.leave(number);
                false
            })
        });
        if passed { Ok(Arrived::Passed(index)) } else { Err(Refusal::Broken.into()) }
    }
}

impl Waits for ManagedBarrier {
    const NAME: &'static str = "barrier";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::WAIT)
            .with(&Self::ACTED)
            .with(&Self::ABORT)
            .with(&Self::RESET)
            .with(&Self::IS_BROKEN)
            .with(&Self::PARTIES)
            .with(&Self::WAITING)
    }

    /// A party that waits leaves by itself, and breaks the barrier.
    fn forget(&self, session: u128) {
        let mut round = self.0.lock();
        if round.acting == Some(session) {
            round.abort();
        }
    }

    fn wake(&self) {
        self.0.wake();
    }
}

/// A proxy of a place where a number of parties wait until all of them are there, over and over, as Python's
/// `Manager().Barrier()`.
///
/// **A party whose process dies** while it waits breaks the barrier, as if it had called
/// [`abort`](BarrierProxy::abort), unless all others have come by then. So does one that dies or panics in the action
/// of a round.
///
/// ```
/// use pool_process::Process;
/// use pool_shared::{BarrierProxy, Manager};
///
/// let manager = Manager::start()?;
/// let barrier = manager.barrier(2)?;
/// let child = Process::spawn(|barrier: BarrierProxy| barrier.wait().ok(), barrier.clone())?;
/// let mine = barrier.wait_with(|| println!("both are here"))?;
/// assert_eq!(child.join()?, Some(1 - mine));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BarrierProxy(Proxy<ManagedBarrier>);

proxy!(BarrierProxy, ManagedBarrier);

impl Manager {
    /// A new barrier, for so many parties.
    ///
    /// # Errors
    /// [`Misuse`](ManagerError::Misuse): there are no parties, or more than 65 536; [`Gone`](ManagerError::Gone): the
    /// server has ended.
    pub fn barrier(&self, parties: u32) -> Result<BarrierProxy> {
        if parties == 0 || parties > MOST_PARTIES {
            let text = format!("a barrier of {parties} parties: there can be 1 to {MOST_PARTIES}");
            return Err(ManagerError::Misuse(text));
        }
        self.create_waiting(ManagedBarrier::new, parties).map(BarrierProxy)
    }
}

impl BarrierProxy {
    /// Waits until all parties are there. Each gets another number from 0 up; exactly one gets 0.
    ///
    /// # Errors
    /// [`Broken`](ManagerError::Broken): the barrier is, or the round was, by [`abort`](BarrierProxy::abort) or
    /// [`reset`](BarrierProxy::reset), a party's timeout, or its death; [`Gone`](ManagerError::Gone): the server has
    /// ended, so all that follow.
    pub fn wait(&self) -> Result<usize> {
        self.pass(Patience::EVER, None::<fn()>)
    }

    /// As [`wait`](BarrierProxy::wait), for at most `timeout`. If that is over, the barrier is broken.
    ///
    /// # Errors
    /// As [`wait`](BarrierProxy::wait), and the timeout.
    pub fn wait_timeout(&self, timeout: Duration) -> Result<usize> {
        self.pass(timeout.into(), None::<fn()>)
    }

    /// As [`wait`](BarrierProxy::wait). The last party that comes runs its `action`, here, before anybody goes on;
    /// where all bring the same, it is run exactly once in a round.
    ///
    /// # Errors
    /// As [`wait`](BarrierProxy::wait), and for the others a panic of the action, which breaks the barrier.
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<usize> {
        self.pass(Patience::EVER, Some(action))
    }

    /// As [`wait_with`](BarrierProxy::wait_with), for at most `timeout`, as
    /// [`wait_timeout`](BarrierProxy::wait_timeout).
    ///
    /// # Errors
    /// As both.
    pub fn wait_with_timeout(&self, timeout: Duration, action: impl FnOnce()) -> Result<usize> {
        self.pass(timeout.into(), Some(action))
    }

    fn pass(&self, patience: Patience, action: Option<impl FnOnce()>) -> Result<usize> {
        /// Breaks the barrier, unless the action has come to its end.
        struct Running<'a>(Option<&'a BarrierProxy>);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                // With the server all waits have ended.
                let _ = self.0.map(BarrierProxy::abort);
            }
        }
        let index = match self.0.call(&ManagedBarrier::WAIT, (patience, action.is_some()))? {
            Arrived::Passed(index) => index,
            Arrived::IsToAct(round) => {
                let mut running = Running(Some(self));
                action.into_iter().for_each(|action| action());
                running.0 = None;
                self.0.call(&ManagedBarrier::ACTED, round)?
            }
        };
        Ok(usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// Breaks the barrier: all who wait, and who come before a [`reset`](BarrierProxy::reset), get an error.
    ///
    /// # Errors
    /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
    pub fn abort(&self) -> Result<()> {
        self.0.call(&ManagedBarrier::ABORT, ())
    }

    /// Makes the barrier as new: all who wait get an error; who comes after that waits as at first.
    ///
    /// # Errors
    /// As [`abort`](BarrierProxy::abort).
    pub fn reset(&self) -> Result<()> {
        self.0.call(&ManagedBarrier::RESET, ())
    }

    /// Whether it is broken.
    ///
    /// # Errors
    /// As [`abort`](BarrierProxy::abort).
    pub fn is_broken(&self) -> Result<bool> {
        self.0.call(&ManagedBarrier::IS_BROKEN, ())
    }

    /// How many parties there are.
    ///
    /// # Errors
    /// As [`abort`](BarrierProxy::abort).
    pub fn parties(&self) -> Result<u32> {
        self.0.call(&ManagedBarrier::PARTIES, ())
    }

    /// How many parties wait.
    ///
    /// # Errors
    /// As [`abort`](BarrierProxy::abort).
    pub fn waiting(&self) -> Result<usize> {
        let waiting = self.0.call(&ManagedBarrier::WAITING, ())?;
        Ok(usize::try_from(waiting).unwrap_or(usize::MAX))
    }
}
