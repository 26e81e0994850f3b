//! The times of several rounds.

use std::time::Duration;

/// Seconds, at least one of them, in ascending order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    /// Panics when there is no time at all.
    pub(crate) fn of(times: &[Duration]) -> Spread {
        assert!(!times.is_empty(), "a spread is of at least one round");
        let mut seconds: Vec<f64> = times.iter().map(Duration::as_secs_f64).collect();
        seconds.sort_by(f64::total_cmp);
        Spread(seconds)
    }

    pub(crate) fn rounds(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn fastest(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 { self.0[middle] } else { (self.0[middle - 1] + self.0[middle]) / 2.0 }
    }

    pub(crate) fn slowest(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    /// How many times faster than `other`, by the medians.
    pub(crate) fn times_faster_than(&self, other: &Spread) -> f64 {
        other.median() / self.median()
    }

    /// By how much the slowest round took longer than the fastest: 0.5 is half as long again.
    pub(crate) fn width(&self) -> f64 {
        self.slowest() / self.fastest() - 1.0
    }

    /// Whether some round of the one was as fast as some round of the other.
    pub(crate) fn overlaps(&self, other: &Spread) -> bool {
        self.fastest() <= other.slowest() && other.fastest() <= self.slowest()
    }
}
