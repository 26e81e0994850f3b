//! One figure: its sides, measured in turn, and what its subject must reach.
//!
//! ```text
//!  warm-up   each side once, thrown away
//!  round 1   slice 1: subject, limit, peer     slice 2: peer, limit, subject     ..
//!  round 2   slice 1: peer, limit, subject     ..
//! ```
//!
//! A round gives one number for each side: the median of all its times in that round. The ratio
//! of a round is that of two such numbers, so a neighbour that disturbs the machine for some
//! seconds disturbs both of them; the verdict is the median of these ratios. Figures whose times
//! depend on the scheduler's mood cut a round into many slices.

use crate::Result;
use crate::machine::Busy;
use crate::placement::Placement;
use crate::stats::median;

/// What is measured, and what must be reached.
pub struct Figure {
    /// By which it is picked on the command line.
    pub name: &'static str,
    /// What one time is; `{n}` stands for the count.
    pub what: &'static str,
    /// How much of it.
    pub n: usize,
    /// How its times are shown.
    pub reading: Reading,
    /// How often the sides take turns within a round.
    pub slices: usize,
    /// No more rounds than this, for figures that take long by nature.
    pub max_rounds: usize,
    /// Where the processes are.
    pub placement: Placement,
    /// Starts what the sides need for so much; it ends when they are dropped.
    pub sides: fn(usize) -> Result<Vec<Side>>,
    /// What the subject must reach.
    pub bounds: &'static [Bound],
}

/// How times are shown.
#[derive(Clone, Copy, PartialEq)]
pub enum Reading {
    /// As they are, and how single ones spread.
    Time,
    /// As the count divided by the time.
    Rate(&'static str),
}

/// What the subject must reach. Names are those of other sides.
#[derive(Clone, Copy)]
pub enum Bound {
    /// At most so many times the time of the other.
    AtMost(f64, &'static str),
    /// At least so many times as fast as the other.
    AtLeast(f64, &'static str),
    /// At least so many a second.
    PerSecond(f64),
    /// At most so many seconds.
    Within(f64),
    /// No time at all.
    Nothing,
}

/// Why a side is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Role {
    /// It is the pool.
    Subject,
    /// Nothing on this machine does it faster.
    Limit,
    /// Others do it so.
    Peer,
    /// It is good to know; no bound refers to it.
    Remark,
}

/// Seconds: one for each time something was done.
type Slice = Box<dyn FnMut() -> Result<Vec<f64>>>;

/// One of those who take turns.
pub struct Side {
    name: &'static str,
    role: Role,
    slice: Slice,
}

impl Side {
    /// The pool's side.
    pub fn subject(name: &'static str, slice: impl FnMut() -> Result<Vec<f64>> + 'static) -> Side {
        Side::new(name, Role::Subject, slice)
    }

    /// What the machine allows.
    pub fn limit(name: &'static str, slice: impl FnMut() -> Result<Vec<f64>> + 'static) -> Side {
        Side::new(name, Role::Limit, slice)
    }

    /// What another crate reaches.
    pub fn peer(name: &'static str, slice: impl FnMut() -> Result<Vec<f64>> + 'static) -> Side {
        Side::new(name, Role::Peer, slice)
    }

    /// What is shown beside.
    pub fn remark(name: &'static str, slice: impl FnMut() -> Result<Vec<f64>> + 'static) -> Side {
        Side::new(name, Role::Remark, slice)
    }

    /// The same, whose times are taken so many times: for one that does only a part of the work.
    pub fn scaled(mut self, by: f64) -> Side {
        let mut slice = self.slice;
        self.slice = Box::new(move || Ok(slice()?.into_iter().map(|time| time * by).collect()));
        self
    }

    fn new(name: &'static str, role: Role, slice: impl FnMut() -> Result<Vec<f64>> + 'static) -> Side {
        let slice = Box::new(slice);
        Side { name, role, slice }
    }
}

/// What a figure gave.
pub struct Outcome {
    /// What each side gave.
    pub sides: Vec<Measured>,
    /// The share of all cores that others used meanwhile, if that can be told.
    pub elsewhere: Option<f64>,
}

/// What a side gave.
pub struct Measured {
    /// The side's.
    pub name: &'static str,
    /// The side's.
    pub role: Role,
    /// One number for each round, in seconds.
    pub rounds: Vec<f64>,
    /// Every single time, in seconds.
    pub singles: Vec<f64>,
}

impl Figure {
    /// Measures all sides in up to so many rounds.
    pub fn measure(&self, rounds: usize, quick: bool) -> Result<Outcome> {
        let busy = Busy::now();
        let build = || (self.sides)(self.count(quick));
        let measure = |sides| take_turns(sides, rounds.min(self.max_rounds), self.slices);
        let sides = self.placement.during(build, measure)?;
        let elsewhere = busy.elsewhere_since();
        Ok(Outcome { sides, elsewhere })
    }

    /// The count in this run: a tenth in a quick one.
    pub fn count(&self, quick: bool) -> usize {
        if quick { self.n.div_ceil(10) } else { self.n }
    }
}

/// What the sides give in so many rounds; before those, one of each that does not count.
pub fn take_turns(mut sides: Vec<Side>, rounds: usize, slices: usize) -> Result<Vec<Measured>> {
    if rounds > 1 {
        for side in &mut sides {
            (side.slice)()?;
        }
    }
    let mut measured: Vec<Measured> = sides.iter().map(Measured::nothing_of).collect();
    for round in 0..rounds {
        let mut times = vec![Vec::new(); sides.len()];
        for slice in 0..slices {
            for turn in 0..sides.len() {
                let forth = (round + slice) % 2 == 0;
                let i = if forth { turn } else { sides.len() - 1 - turn };
                times[i].extend((sides[i].slice)()?);
            }
        }
        for (measured, times) in measured.iter_mut().zip(times) {
            measured.rounds.push(median(&times));
            measured.singles.extend(times);
        }
    }
    Ok(measured)
}

impl Measured {
    fn nothing_of(side: &Side) -> Measured {
        Measured { name: side.name, role: side.role, rounds: Vec::new(), singles: Vec::new() }
    }
}
