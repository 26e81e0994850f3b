//! CPython's `multiprocessing`, where there is a `python3`.
//!
//! A script of a few lines does the work and measures it itself, from when all its processes are there: what it costs
//! to start them is not in the times. A figure runs a script for each time; the comparison asks a [`Session`], a
//! Python that stays, so that its pool is as warm as ours.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

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

/// A Python that runs `peers.py`, which says what it can be asked.
pub struct Session {
    name: &'static str,
    process: Child,
    /// None only while it is dropped.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Session {
    /// Starts the script; it takes some time until [`ready`](Session::ready). An error where there is no `python3`.
    pub fn start(name: &'static str, workers: usize) -> Result<Session> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers.py");
        let mut process = Command::new("python3")
            .args([script, name, &workers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What it starts belongs to its group, and ends with that.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("python3: {error}"))?;
        let (questions, answers) = (process.stdin.take(), process.stdout.take());
        let answers = BufReader::new(answers.ok_or("python3 has no output")?);
        Ok(Session { name, process, questions, answers })
    }

    /// Its version, or an error that says why it is not there.
    pub fn ready(&mut self) -> Result<String> {
        let line = self.line()?;
        match line.split_once(' ') {
            Some(("ready", version)) => Ok(version.to_owned()),
            Some(("missing", why)) => Err(why.to_owned().into()),
            _ => Err(format!("{}: {line:?} is no greeting", self.name).into()),
        }
    }

    /// The number that it answers.
    pub fn ask(&mut self, question: &str) -> Result<f64> {
        let to = self.questions.as_mut().ok_or("the session has ended")?;
        writeln!(to, "{question}")?;
        let line = self.line()?;
        line.parse().map_err(|_| format!("{}, asked {question}: {line}", self.name).into())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line)? {
            0 => Err(format!("{} has ended", self.name).into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It ends its pool and then itself. Some pools do not end, and some leave processes.
        // Of a process that was forked meanwhile the input may be open still, so its end would not be seen.
        if let Some(mut questions) = self.questions.take() {
            let _ = writeln!(questions, "end");
        }
        let late = Instant::now() + Duration::from_secs(2);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(5));
        }
        // SAFETY: a plain system call. The group was made for this child; while one of it lives, its number names no other.
        unsafe { libc::kill(-(self.process.id() as libc::pid_t), libc::SIGKILL) };
        let _ = self.process.wait();
    }
}
