//! The example program `compare`, run as its users run it, and its verdicts on times made up here.

#![forbid(unsafe_code)]

#[path = "../examples/compare/spread.rs"]
mod spread;
#[path = "../examples/compare/verdict.rs"]
mod verdict;

#[path = "compare/program.rs"]
mod program;
#[path = "compare/verdicts.rs"]
mod verdicts;
