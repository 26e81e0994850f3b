//! `cargo run --release -p benches --bin features`: what each feature of `pool` compiles, and how long that takes from
//! nothing, as the rows of a table.
//!
//! Each set of features is built into a folder of its own that is empty before. The crates have been downloaded before
//! the time begins. A clean build is bound by the machine: compare rows of one run.

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use benches::{Result, machine, stats};
use clap::Parser;

/// Builds `pool` from nothing with each of its features.
#[derive(Parser)]
#[command(name = "features")]
struct Options {
    /// Only the rows of these names
    names: Vec<String>,
    /// How often each is built; the time is the median
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// With optimisation
    #[arg(long)]
    release: bool,
}

/// The name of a row, and its features.
const SETS: [(&str, &str); 11] = [
    ("none", ""),
    ("thread", "thread"),
    ("process", "process"),
    ("default", "thread,process"),
    ("default+log", "thread,process,log"),
    ("thread+futures", "thread,futures"),
    ("process+futures", "process,futures"),
    ("sync", "sync"),
    ("shared", "shared"),
    ("manager", "manager"),
    ("all", "thread,process,log,futures,sync,shared,manager"),
];

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("features: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if let Some(unknown) = options.names.iter().find(|name| SETS.iter().all(|(known, _)| name != known)) {
        return Err(format!("no row is named {unknown}").into());
    }
    machine::print_header();
    cargo(&["fetch"])?;
    println!("\n| features | crates compiled | a clean build |\n|---|---|---|");
    for (name, features) in SETS {
        if options.names.is_empty() || options.names.iter().any(|wanted| wanted == name) {
            let (mut crates, mut times) = (0, Vec::new());
            for _ in 0..options.rounds {
                let (count, time) = clean_build(features, options.release)?;
                crates = count;
                times.push(time);
            }
            println!("| `{name}` | {crates} | {:.1} s |", stats::median(&times));
        }
    }
    Ok(())
}

/// How many crates it compiles, and the seconds.
fn clean_build(features: &str, release: bool) -> Result<(usize, f64)> {
    let folder = std::env::temp_dir().join(format!("pool-features-{}", std::process::id()));
    let _there_was_none = std::fs::remove_dir_all(&folder);
    let target = folder.to_string_lossy();
    let mut arguments =
        vec!["build", "--package", "pool", "--lib", "--no-default-features", "--features", features];
    arguments.extend(["--target-dir", &target, "--color", "never"]);
    if release {
        arguments.push("--release");
    }
    let before = Instant::now();
    let text = cargo(&arguments)?;
    let time = before.elapsed().as_secs_f64();
    std::fs::remove_dir_all(&folder)?;
    Ok((text.lines().filter(|line| line.trim_start().starts_with("Compiling ")).count(), time))
}

/// What it says.
fn cargo(arguments: &[&str]) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("cargo {arguments:?}: {text}").into()) }
}
