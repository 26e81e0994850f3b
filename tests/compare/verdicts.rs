//! What the program says about given times.

use std::time::Duration;

use crate::spread::Spread;
use crate::verdict::{Figures, Verdict};

fn times(milliseconds: [u64; 3]) -> Spread {
    Spread::of(&milliseconds.map(Duration::from_millis))
}

fn verdict(busy: f64, serial: [u64; 3], threads: [u64; 3], processes: [u64; 3]) -> Verdict {
    let (serial, threads, processes) = (&times(serial), &times(threads), &times(processes));
    Figures { workers: 2, cores: 2, items: 100, busy: Some(busy), serial, threads, processes }.verdict()
}

#[test]
fn a_spread_sorts_and_takes_the_middle() {
    let spread = times([30, 10, 20]);
    assert_eq!((spread.fastest(), spread.median(), spread.slowest()), (0.010, 0.020, 0.030));
    assert!((spread.width() - 2.0).abs() < 1e-9);
    let even = Spread::of(&[Duration::from_secs(4), Duration::from_secs(2)]);
    assert_eq!(even.median(), 3.0);
}

#[test]
fn overlapping_rounds_are_noise() {
    let said = verdict(1.0, [1000, 1000, 1000], [500, 510, 700], [600, 610, 620]);
    assert_eq!((said.bound, said.suits), ("CPU-bound", "threads or processes"));
    assert!(said.why.contains("noise"), "{}", said.why);
}

#[test]
fn less_than_a_tenth_is_no_reason_to_choose() {
    let said = verdict(1.0, [1000, 1000, 1000], [500, 500, 500], [540, 540, 540]);
    assert_eq!(said.suits, "threads or processes");
    assert!(said.why.contains("less than a tenth apart"), "{}", said.why);
}

#[test]
fn the_faster_pool_is_named_with_its_lead() {
    let said = verdict(1.0, [1000, 1000, 1000], [500, 500, 510], [600, 600, 620]);
    assert_eq!(said.suits, "threads");
    assert!(said.why.starts_with("20 % faster"), "{}", said.why);

    let said = verdict(0.5, [1000, 1000, 1000], [750, 750, 750], [500, 500, 500]);
    assert_eq!((said.bound, said.suits), ("in between", "processes"));
    assert!(said.why.starts_with("50 % faster"), "{}", said.why);
}

#[test]
fn a_pool_that_gains_nothing_is_not_recommended() {
    let said = verdict(1.0, [1000, 1000, 1000], [950, 950, 950], [1200, 1200, 1200]);
    assert_eq!(said.suits, "serial");

    let (one, two) = (&times([10, 10, 10]), &times([9, 10, 10]));
    let figures =
        Figures { workers: 2, cores: 2, items: 1, busy: None, serial: one, threads: two, processes: one };
    let said = figures.verdict();
    assert_eq!((said.bound, said.suits), ("unknown", "serial"));
    assert!(said.why.contains("one item"), "{}", said.why);
}

#[test]
fn one_round_or_a_short_one_tells_nothing_apart() {
    let said = verdict(1.0, [10, 10, 10], [5, 5, 5], [8, 8, 8]);
    assert_eq!(said.suits, "threads or processes");
    assert!(said.why.contains("too little"), "{}", said.why);

    let once = |milliseconds| Spread::of(&[Duration::from_millis(milliseconds)]);
    let (serial, threads, processes) = (&once(1000), &once(500), &once(900));
    let figures = Figures { workers: 2, cores: 2, items: 9, busy: Some(1.0), serial, threads, processes };
    assert!(figures.verdict().why.contains("too little"));
}

#[test]
fn waiting_work_is_told_to_try_more_workers() {
    let said = verdict(0.02, [1000, 1000, 1000], [500, 500, 500], [505, 500, 500]);
    assert_eq!(said.bound, "I/O-bound");
    assert!(said.why.contains("try --workers 8"), "{}", said.why);

    let said = verdict(0.02, [1000, 1000, 1000], [800, 800, 800], [805, 800, 800]);
    assert!(!said.why.contains("try"), "{}", said.why);
}
