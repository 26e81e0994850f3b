//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread::available_parallelism;

use clap::{Parser, ValueEnum};

use crate::failure::Failure;

/// Is my work CPU-bound or I/O-bound, and does it want threads or processes?
///
/// Runs three workloads on the files of a folder: one after another, on a thread pool and on a
/// process pool; checks that all three ways give the same result, and says which pool suits.
#[derive(Parser)]
#[command(name = "compare", version)]
pub(crate) struct Args {
    /// The folder, or the one file, to work on [default: the crate sources that cargo unpacked here]
    path: Option<PathBuf>,

    /// Workers of each pool [default: one per core]
    #[arg(long, value_name = "N", value_parser = some_workers)]
    workers: Option<usize>,

    /// What to run
    #[arg(long, value_enum, default_value_t = Workload::All)]
    pub(crate) workload: Workload,

    /// Take at most this much of the files, in the order of their paths
    #[arg(long, value_name = "MIB", default_value = "64", value_parser = at_least_one)]
    limit: usize,

    /// Measure each way this often and give the median
    #[arg(long, value_name = "N", default_value = "5", value_parser = at_least_one)]
    pub(crate) rounds: usize,

    /// How often the cpu workload hashes each piece [default: what takes 1 s serially]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) repeats: Option<usize>,

    /// Print one JSON document, and nothing else, on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Workload {
    /// Count words and lines and hash, over and over
    Cpu,
    /// Fetch from a server that takes its time
    Io,
    /// Read, split into identifiers, count, merge
    Mixed,
    /// All three
    All,
}

/// One workload, after `all` is spelled out.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Cpu,
    Io,
    Mixed,
}

impl Workload {
    pub(crate) fn kinds(self) -> &'static [Kind] {
        match self {
            Workload::Cpu => &[Kind::Cpu],
            Workload::Io => &[Kind::Io],
            Workload::Mixed => &[Kind::Mixed],
            Workload::All => &[Kind::Cpu, Kind::Io, Kind::Mixed],
        }
    }
}

impl Args {
    /// The arguments of this program. Prints and exits itself on `--help` and on a wrong option.
    pub(crate) fn read() -> Args {
        Args::parse()
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers.unwrap_or_else(cores)
    }

    pub(crate) fn limit_bytes(&self) -> u64 {
        (self.limit as u64).saturating_mul(1 << 20)
    }

    /// The folder given, or cargo's: wherever this was just built, there are sources in it.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.path {
            return Ok(path.clone());
        }
        let home = std::env::var_os("CARGO_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
        let Some(home) = home else {
            return Err(Failure::of_input(
                "there is no home folder to look for crate sources in; give a PATH",
            ));
        };
        let folder = home.join("registry").join("src");
        if folder.is_dir() {
            return Ok(folder);
        }
        let folder = folder.display();
        Err(Failure::of_input(format!(
            "no PATH given, and there are no crate sources at {folder}, where cargo unpacks them; give a PATH"
        )))
    }
}

pub(crate) fn cores() -> usize {
    available_parallelism().map_or(1, NonZeroUsize::get)
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_string()),
        Ok(number) => Ok(number),
        Err(error) => Err(error.to_string()),
    }
}

/// A few thousand threads are where systems begin to refuse, and some end the program for it.
fn some_workers(text: &str) -> Result<usize, String> {
    const MOST: usize = 1024;
    match at_least_one(text)? {
        number if number > MOST => Err(format!("it must be at most {MOST}")),
        number => Ok(number),
    }
}
