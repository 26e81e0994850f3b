//! The quick-start works wherever a user may put it, with no call in `main`: here from an integration
//! test, and as an example. `src/lib.rs` has it in a doctest and in a unit test, and
//! `tests/programs.rs` in a program.

#![cfg(feature = "process")]

mod support;

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
        let output = Command::new(support::example("quickstart")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "the last square is 998001\nSome(1)\nSome(2)\nNone\n10\n"
        );
        assert!(output.stderr.is_empty(), "{output:?}");
    });
}
