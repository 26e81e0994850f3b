//! The program: the list of all figures with their bounds, and the command line that picks them.

mod bytes;
mod executors;
mod futures;
mod jobs;
mod lives;
mod locks;
mod managers;
mod maps;
mod memory;
mod pipes;
mod queues;
mod round_trips;

use std::process::ExitCode;

use clap::Parser;

use crate::figure::Figure;
use crate::peers::procspawn;
use crate::{child, lines, machine};

/// Measures the figures of `pool` against the machine's limits and against its peers.
#[derive(Parser)]
#[command(name = "figures")]
struct Options {
    /// Parts of names of figures; the word `figures` stands for all of them
    names: Vec<String>,
    /// Only the figure of exactly this name (may be repeated)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// How many rounds; each gives one ratio
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// A tenth of the work in three rounds: shows that everything runs, proves nothing
    #[arg(long)]
    quick: bool,
    /// Only the names of the figures and what they measure
    #[arg(long)]
    list: bool,
    /// Ignored; cargo gives it to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// All figures, in the order they are printed.
fn all() -> Vec<Figure> {
    [
        round_trips::figures(),
        jobs::figures(),
        maps::figures(),
        bytes::figures(),
        lives::figures(),
        locks::figures(),
        managers::figures(),
        memory::figures(),
        pipes::figures(),
        queues::figures(),
        executors::figures(),
        futures::figures(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The whole program. Fails if a figure could not be measured; a missed bound is no failure.
pub fn main() -> ExitCode {
    child::run_if_child();
    procspawn::run_if_worker();
    let options = Options::parse();
    let figures: Vec<Figure> = all().into_iter().filter(|f| options.wants(f)).collect();
    if let Some(unknown) = options.only.iter().find(|name| !is_known(name)) {
        eprintln!("figures: no figure is named {unknown}; --list names them");
        return ExitCode::from(2);
    }
    if options.list {
        for figure in figures {
            println!("{:25} {}", figure.name, figure.what);
        }
        return ExitCode::SUCCESS;
    }
    if figures.is_empty() {
        return ExitCode::SUCCESS;
    }
    machine::print_header();
    options.measure(&figures)
}

fn is_known(name: &str) -> bool {
    all().iter().any(|figure| figure.name == name)
}

impl Options {
    fn wants(&self, figure: &Figure) -> bool {
        let part = |word: &String| word == "figures" || figure.name.contains(word.as_str());
        let by_part = self.names.is_empty() || self.names.iter().any(part);
        let by_name = self.only.is_empty() || self.only.iter().any(|name| name == figure.name);
        by_part && by_name
    }

    fn measure(&self, figures: &[Figure]) -> ExitCode {
        let rounds = if self.quick { 3 } else { self.rounds.into() };
        let (mut verdicts, mut failed) = (Vec::new(), false);
        for figure in figures {
            match figure.measure(rounds, self.quick) {
                Ok(measured) => verdicts.push(lines::print(figure, &measured, self.quick)),
                Err(error) => {
                    println!("\n{}\n  not measured: {error}", figure.name);
                    failed = true;
                }
            }
        }
        let count = |wanted| verdicts.iter().filter(|v| **v == wanted).count();
        let (reached, missed) = (count(Some(true)), count(Some(false)));
        println!("\n{} figures: {reached} reached, {missed} missed", figures.len());
        ExitCode::from(u8::from(failed))
    }
}
