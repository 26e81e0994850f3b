//! The lines a figure is printed as.
//!
//! ```text
//! apply
//!   one u64 to a worker and back, back to back; p50 of 10 000 in each of 15 rounds
//!     subject  apply                       1.31 µs   1.28 .. 1.35   (1.25 .. 1.61)
//!     limit    bare spinning ping-pong     142 ns    141 .. 143     (139 .. 160)
//!     ratio    × bare spinning ping-pong   9.2       9.0 .. 9.4     (8.1 .. 11)     at most 12  reached
//! ```
//!
//! After a median stand the quartiles and, in parentheses, the extremes of the rounds. A peer that
//! no bound refers to gets its ratio without a verdict.

use crate::figure::{Bound, Figure, Measured, Outcome, Reading, Role};
use crate::stats::{Spread, quantile};

/// Whether the bounds of a figure were reached; `None` where there was no subject.
pub type Verdict = Option<bool>;

/// Prints what was measured; what came out.
pub fn print(figure: &Figure, outcome: &Outcome, quick: bool) -> Verdict {
    let n = figure.count(quick);
    let measured = &outcome.sides;
    println!("\n{}", figure.name);
    let what = figure.what.replace("{n}", &grouped(n));
    let rounds = match measured.first().map_or(0, |side| side.rounds.len()) {
        1 => "one round".to_owned(),
        rounds => format!("{rounds} rounds"),
    };
    let others = match outcome.elsewhere {
        Some(share) => format!("; others used {:.0}% of the cores", share * 100.0),
        None => String::new(),
    };
    println!("  {what}; {rounds}{others}");
    for side in measured {
        print_side(figure, n, side);
    }
    let subject = measured.iter().find(|side| side.role == Role::Subject);
    let Some(subject) = subject else {
        println!("    no subject in this build (feature `subjects`)");
        return None;
    };
    let verdicts: Vec<bool> =
        figure.bounds.iter().map(|bound| print_bound(bound, n, subject, measured)).collect();
    print_other_ratios(figure, subject, measured);
    Some(verdicts.into_iter().all(|reached| reached))
}

fn print_side(figure: &Figure, n: usize, side: &Measured) {
    let role = match side.role {
        Role::Subject => "subject",
        Role::Limit => "limit",
        Role::Peer => "peer",
        Role::Remark => "remark",
    };
    let times = Spread::of(&side.rounds);
    match figure.reading {
        Reading::Time => {
            let note = singles(side);
            line(role, side.name, times, time, &note);
        }
        Reading::Rate(unit) => {
            let rates = times.falling(|time| n as f64 / time);
            let note = time(times.median);
            line(role, side.name, rates, |r| scaled(r, unit), &note);
        }
    }
}

/// How single times spread, where a round holds enough of them.
fn singles(side: &Measured) -> String {
    if side.singles.len() < 10 * side.rounds.len() {
        return String::new();
    }
    let [low, high] = [0.1, 0.9].map(|q| time(quantile(&side.singles, q)));
    format!("singles p10 {low} p90 {high}")
}

fn print_bound(bound: &Bound, n: usize, subject: &Measured, all: &[Measured]) -> bool {
    let other = |name| {
        let side = all.iter().find(|side| side.name == name);
        &side.expect("a bound names a side of its figure").rounds
    };
    let (label, values, wanted, reached) = match *bound {
        Bound::AtMost(most, name) => {
            let values = Spread::of(&ratios(&subject.rounds, other(name)));
            let label = format!("× the time of {name}");
            (label, values, format!("at most {most}"), values.median <= most)
        }
        Bound::AtLeast(least, name) => {
            let values = Spread::of(&ratios(other(name), &subject.rounds));
            let label = format!("× as fast as {name}");
            (label, values, format!("at least {least}"), values.median >= least)
        }
        Bound::PerSecond(least) => {
            let values = Spread::of(&subject.rounds).falling(|time| n as f64 / time / 1e6);
            let label = "million a second".to_owned();
            let wanted = format!("at least {}", least / 1e6);
            (label, values, wanted, values.median * 1e6 >= least)
        }
        Bound::Within(most) => {
            let values = Spread::of(&subject.rounds.iter().map(|time| time * 1e3).collect::<Vec<_>>());
            let label = "milliseconds".to_owned();
            (label, values, format!("at most {}", most * 1e3), values.median <= most * 1e3)
        }
        Bound::Nothing => {
            let values = Spread::of(&subject.rounds);
            let label = "seconds".to_owned();
            (label, values, "none".to_owned(), values.max == 0.0)
        }
    };
    let verdict = if reached { "reached" } else { "MISSED" };
    line("bound", &label, values, plain, &format!("{wanted}: {verdict}"));
    reached
}

impl Bound {
    fn names(&self, side: &str) -> bool {
        matches!(self, Bound::AtMost(_, name) | Bound::AtLeast(_, name) if *name == side)
    }
}

/// The ratios to the sides that no bound refers to, unless they are to nothing.
fn print_other_ratios(figure: &Figure, subject: &Measured, all: &[Measured]) {
    let bounded = |name| figure.bounds.iter().any(|bound| bound.names(name));
    for side in all {
        let ratios = Spread::of(&ratios(&side.rounds, &subject.rounds));
        let is_other = side.role != Role::Subject && !bounded(side.name);
        if is_other && ratios.max.is_finite() {
            let label = format!("× as fast as {}", side.name);
            line("ratio", &label, ratios, plain, "");
        }
    }
}

/// Above divided by below, round by round.
fn ratios(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(a, b)| a / b).collect()
}

fn line(head: &str, label: &str, spread: Spread, show: impl Fn(f64) -> String, note: &str) {
    let Spread { min, low, median, high, max } = spread;
    let [min, low, median, high, max] = [min, low, median, high, max].map(show);
    let quartiles = format!("{low} .. {high}");
    let extremes = format!("({min} .. {max})");
    let row = format!("    {head:8} {label:45} {median:>16}   {quartiles:35} {extremes:37} {note}");
    println!("{}", row.trim_end());
}

/// A time with three digits and a unit that suits it.
pub fn time(seconds: f64) -> String {
    match seconds {
        0.0 => "0 s".to_owned(),
        s if s < 1e-6 => format!("{} ns", plain(s * 1e9)),
        s if s < 1e-3 => format!("{} µs", plain(s * 1e6)),
        s if s < 1.0 => format!("{} ms", plain(s * 1e3)),
        s => format!("{} s", plain(s)),
    }
}

/// A rate with three digits and a unit that suits it.
pub fn scaled(rate: f64, unit: &str) -> String {
    match rate {
        r if r < 1e3 => format!("{} {unit}", plain(r)),
        r if r < 1e6 => format!("{} k{unit}", plain(r / 1e3)),
        r if r < 1e9 => format!("{} M{unit}", plain(r / 1e6)),
        r => format!("{} G{unit}", plain(r / 1e9)),
    }
}

/// A number with about three digits.
pub fn plain(number: f64) -> String {
    if number > 0.0 && number < 0.01 {
        return "< 0.01".to_owned();
    }
    let decimals = match number.abs() {
        0.0 => 0,
        n if n < 10.0 => 2,
        n if n < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$}")
}

/// A count with its thousands apart.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(time(1.4e-7), "140 ns");
        assert_eq!(time(0.0123), "12.3 ms");
        assert_eq!(scaled(1.5e6, "tasks/s"), "1.50 Mtasks/s");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(grouped(12), "12");
    }
}
