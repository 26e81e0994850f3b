//! CPython's `multiprocessing`, where there is a `python3`.
//!
//! A script of a few lines does the work and measures it itself, from when all its processes are there: what it costs
//! to start them is not in the times.

use std::process::{Command, Stdio};

use crate::Result;
use crate::figure::Side;

/// A side that runs `script`, which prints seconds, with `n` as its argument. `None`: there is no `python3`.
pub fn side(name: &'static str, script: &'static str, n: usize) -> Option<Side> {
    let there = Command::new("python3").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return None;
    }
    Some(Side::peer(name, move || Ok(vec![seconds(script, n)?])))
}

fn seconds(script: &str, n: usize) -> Result<f64> {
    let output =
        Command::new("python3").args(["-c", script, &n.to_string()]).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        return Err(format!("python3 ended with {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}
