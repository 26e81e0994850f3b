//! What follows from the numbers of a table: speed-ups, ratios to ours, crossing points, and who is quicker.

use super::entrant::{Kind, Who, Whose};
use super::table::{Column, Measured, Reading};
use crate::stats::{Spread, median};

/// A ratio this far from 1 is no tie.
pub(super) const TIE: f64 = 0.05;

/// How many times as fast as the plain loop of its language.
pub(super) fn speed_up(table: &Measured, column: usize, who: Who) -> Option<Spread> {
    quotient(table, column, who.serial(), who)
}

/// The numbers of `above` divided by those of `below`, round by round.
pub(super) fn quotient(table: &Measured, column: usize, above: Who, below: Who) -> Option<Spread> {
    let (above, below) = (table.cell(column, above)?, table.cell(column, below)?);
    let rounds: Vec<f64> = above.rounds.iter().zip(&below.rounds).map(|(a, b)| a / b).collect();
    Some(Spread::of(&rounds))
}

/// What `above` takes, divided by what `below` takes, where each is measured by the plain loop of its language, if the
/// table has that: two languages have two loops, and the question is what a pool adds.
fn compared(table: &Measured, column: usize, above: Who, below: Who) -> Option<Spread> {
    if table.table.reading != Reading::SpeedUp || above.serial() == below.serial() {
        return quotient(table, column, above, below);
    }
    let [above, its_loop, below, our_loop] = [above, above.serial(), below, below.serial()]
        .map(|who| table.cell(column, who).map(|cell| &cell.rounds));
    let (above, its_loop, below, our_loop) = (above?, its_loop?, below?, our_loop?);
    let rounds = 0..above.len();
    let rounds: Vec<f64> = rounds.map(|i| (above[i] / its_loop[i]) / (below[i] / our_loop[i])).collect();
    Some(Spread::of(&rounds))
}

/// The median of a cell.
pub(super) fn middle(table: &Measured, column: usize, who: Who) -> Option<f64> {
    Some(median(&table.cell(column, who)?.rounds))
}

/// A peer beside ours, in one column.
pub(super) struct Duel<'a> {
    pub(super) table: &'a Measured,
    pub(super) column: &'a Column,
    pub(super) ours: Who,
    pub(super) other: Who,
    /// How many times as much the other takes: below 1 it is ahead.
    pub(super) ratio: Spread,
}

/// Every peer beside that one of ours which does the same.
pub(super) fn duels(table: &Measured) -> Vec<Duel<'_>> {
    let pairs = table.entrants().into_iter().filter(|who| who.whose() != Whose::Ours);
    let pairs = pairs.map(|peer| ((table.table.ours)(peer), peer));
    all(table, pairs.filter(|(ours, _)| *ours != Who::Serial).collect())
}

/// Our pools beside the plain loop.
pub(super) fn duels_with_serial(table: &Measured) -> Vec<Duel<'_>> {
    let ours = [Who::ThreadPool, Who::Spawn];
    all(table, ours.map(|ours| (ours, Who::Serial)).to_vec())
}

/// Our processes beside our threads: a ratio above 1 means that the processes are ahead.
pub(super) fn processes_and_threads(table: &Measured) -> Vec<Duel<'_>> {
    all(table, vec![(Who::Spawn, Who::ThreadPool)])
}

fn all(table: &Measured, pairs: Vec<(Who, Who)>) -> Vec<Duel<'_>> {
    let mut duels = Vec::new();
    for (ours, other) in pairs {
        for (i, (column, _)) in table.columns.iter().enumerate() {
            if let Some(ratio) = compared(table, i, other, ours) {
                duels.push(Duel { table, column, ours, other, ratio });
            }
        }
    }
    duels
}

impl Duel<'_> {
    /// Whether the other is ahead, by more than a tie.
    pub(super) fn is_lost(&self) -> bool {
        self.ratio.median < 1.0 - TIE
    }

    /// Whether ours is ahead, by more than a tie.
    pub(super) fn is_won(&self) -> bool {
        self.ratio.median > 1.0 + TIE
    }
}

/// Where a curve goes above 1 for good.
#[derive(Debug, PartialEq)]
pub(super) enum Crossing {
    /// It is above from the first column on.
    Before(f64),
    At(f64),
    /// It is not above in any column; this is the last.
    After(f64),
    /// It is above in some columns, but not in the last.
    Lost(f64),
}

/// Where the speed-up of `who` over the plain loop goes above 1.
pub(super) fn crossing(table: &Measured, who: Who) -> Option<Crossing> {
    let columns = table.columns.iter().enumerate();
    let points = columns.filter_map(|(i, (column, _))| Some((column.x?, speed_up(table, i, who)?.median)));
    interpolated(&points.collect::<Vec<_>>())
}

/// The points' x grow. Between two of them the curve is taken to be straight over the logarithm of x.
fn interpolated(points: &[(f64, f64)]) -> Option<Crossing> {
    let (first, last) = (points.first()?, points.last()?);
    let Some(below) = points.iter().rposition(|(_, y)| *y < 1.0) else {
        return Some(Crossing::Before(first.0));
    };
    let Some(&(x1, y1)) = points.get(below + 1) else {
        let was_above = points.iter().any(|(_, y)| *y >= 1.0);
        return Some(if was_above { Crossing::Lost(last.0) } else { Crossing::After(last.0) });
    };
    let (x0, y0) = points[below];
    let part = (1.0 - y0) / (y1 - y0);
    Some(Crossing::At((x0.ln() + (x1.ln() - x0.ln()) * part).exp()))
}

/// The kinds of pool that a table has of ours, for its crossing points.
pub(super) fn crossed(table: &Measured) -> Vec<Who> {
    table.entrants().into_iter().filter(|who| who.kind() != Kind::Serial).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_crosses_between_the_last_point_below_and_the_next() {
        let at = interpolated(&[(1.0, 1.2), (10.0, 0.5), (100.0, 1.5), (1000.0, 1.9)]);
        let Some(Crossing::At(x)) = at else { panic!("{at:?}") };
        assert!((x - 10_f64.powf(1.5)).abs() < 1e-9, "{x}");
    }

    #[test]
    fn a_curve_that_stays_on_one_side_has_no_crossing() {
        assert_eq!(interpolated(&[(1.0, 1.2), (10.0, 1.5)]), Some(Crossing::Before(1.0)));
        assert_eq!(interpolated(&[(1.0, 0.2), (10.0, 0.5)]), Some(Crossing::After(10.0)));
        assert_eq!(interpolated(&[(1.0, 1.2), (10.0, 0.5)]), Some(Crossing::Lost(10.0)));
        assert_eq!(interpolated(&[]), None);
    }
}
