//! The shortest life a process of this program can have: spawned, executed, at the start of
//! `main`, gone, and waited for. A new pool that re-executes the program cannot give a result
//! sooner than its first worker reaches `main`.

use std::process::{Command, Stdio};

use crate::figure::Side;
use crate::{Result, child, timing};

/// The name of the side.
pub const NAME: &str = "bare spawn, exec, exit, wait";

/// Each slice: the seconds of each of `times` lives, one after the other.
pub fn side(times: usize) -> Result<Side> {
    let program = child::program()?;
    Ok(Side::limit(NAME, move || {
        timing::each(times, || {
            let status =
                Command::new(&program).args([child::MARK, child::EXIT]).stdin(Stdio::null()).status()?;
            status.success().then_some(()).ok_or_else(|| format!("{status}").into())
        })
    }))
}
