//! Runs one workload every way, round by round, and compares the results.

use std::fmt;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::progress::Progress;
use crate::spread::Spread;
use crate::ways::Way;

/// Some work that can be done every way, and a result to compare.
pub(crate) trait Workload {
    const NAME: &'static str;
    type Answer: PartialEq + fmt::Display;

    fn about(&self) -> String;
    fn items(&self) -> usize;
    /// Does all of it; calls `done` for each item.
    fn run(&self, way: &Way, done: &dyn Fn()) -> Result<Self::Answer, Failure>;
}

/// What is known of a workload when all rounds are done. `ways` is in the order serial, threads,
/// processes.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) about: String,
    pub(crate) items: usize,
    /// Share of the serial time in which a core worked for it, where the system says so.
    pub(crate) busy: Option<f64>,
    pub(crate) ways: [WayMeasured; 3],
}

pub(crate) struct WayMeasured {
    pub(crate) name: &'static str,
    pub(crate) times: Spread,
    /// The first answer of this way, as text.
    pub(crate) answer: String,
    /// Every round gave what the first serial one gave.
    pub(crate) same: bool,
}

impl Measured {
    pub(crate) fn same(&self) -> bool {
        self.ways.iter().all(|way| way.same)
    }
}

/// The ways take turns, and each round begins with another one, so that neither a slow moment of the
/// machine nor what the last way left behind falls on one of them alone.
pub(crate) fn measure<W: Workload>(work: &W, ways: &[Way; 3], rounds: usize) -> Result<Measured, Failure> {
    let progress = Progress::new(W::NAME, work.items() * rounds * ways.len());
    let mut first: [Option<W::Answer>; 3] = [const { None }; 3];
    let mut same = [true; 3];
    let mut times = [const { Vec::new() }; 3];
    let mut worked = Some(Duration::ZERO);

    for round in 0..rounds {
        for turn in 0..ways.len() {
            let index = (round + turn) % ways.len();
            let way = &ways[index];
            progress.way(way.name);
            let (began, work_before) = (Instant::now(), thread_work());
            let answer = work.run(way, &|| progress.step())?;
            times[index].push(began.elapsed());
            if way.is_serial() {
                worked =
                    worked.zip(thread_work()).zip(work_before).map(|((sum, now), then)| sum + now - then);
            }
            same[index] &= first[0].as_ref().is_none_or(|serial| *serial == answer);
            first[index].get_or_insert(answer);
        }
    }

    let serial_time: Duration = times[0].iter().sum();
    let one = |index: usize| WayMeasured {
        name: ways[index].name,
        times: Spread::of(&times[index]),
        answer: first[index].as_ref().map_or_else(String::new, W::Answer::to_string),
        same: same[index],
    };
    Ok(Measured {
        name: W::NAME,
        about: work.about(),
        items: work.items(),
        busy: worked
            .filter(|_| serial_time > ACCOUNT * rounds as u32)
            .map(|worked| (worked.as_secs_f64() / serial_time.as_secs_f64()).min(1.0)),
        ways: [one(0), one(1), one(2)],
    })
}

/// The kernel writes its account at ticks, some milliseconds apart: of shorter rounds it says nothing.
const ACCOUNT: Duration = Duration::from_millis(100);

/// How long this thread has been on a core. Linux only, and only if the kernel keeps the account.
fn thread_work() -> Option<Duration> {
    let account = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    account.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
