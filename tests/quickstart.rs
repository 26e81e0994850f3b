//! The quick-start works wherever a user may put it, with no call in `main`: here from an integration
//! test, and as an example. `src/lib.rs` has it in a doctest and in a unit test, and
//! `tests/programs.rs` in a program.

#![cfg(feature = "process")]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use pool::{Pool, ProcessPool};

fn slow(name: String) -> usize {
    name.len()
}

fn parse(line: String) -> Option<u32> {
    line.trim().parse().ok()
}

#[test]
fn the_quick_start_works_in_an_integration_test() -> pool::Result<()> {
    support::guarded(|| {
        let pool = ProcessPool::new(4)?;
        let squares = pool.map(|x: u64| x * x, 0..1_000)?;
        assert_eq!(squares, (0..1_000).map(|x| x * x).collect::<Vec<u64>>());
        let handle = pool.apply_async(slow, "report.pdf".to_string());
        let lines = ["1", " 2 ", "three"].map(String::from);
        let parsed: Vec<_> = pool.imap(parse, lines).collect::<pool::Result<_>>()?;
        assert_eq!(parsed, [Some(1), Some(2), None]);
        assert_eq!(handle.get()?, 10);
        pool.close();
        pool.join()
    })
}

#[test]
fn the_example_runs() {
    support::guarded(|| {
        let output = Command::new(example("quickstart")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "the last square is 998001\nSome(1)\nSome(2)\nNone\n10\n"
        );
        assert!(output.stderr.is_empty(), "{output:?}");
    });
}

/// The example's program: cargo has built it beside this one, or is asked to.
fn example(name: &str) -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let profile = this.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    if !program.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([
            "build",
            "--offline",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
        ]);
        cargo.args(["--example", name]).arg("--target-dir").arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success());
    }
    program
}
