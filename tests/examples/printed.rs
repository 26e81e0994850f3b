//! What an example printed, line by line.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{Scratch, example};

/// All lines, in the order in which they were written, whichever process wrote them.
pub(crate) struct Printed {
    lines: Vec<Line>,
    text: String,
}

/// A line of `common::say`.
pub(crate) struct Line {
    pub(crate) pid: u32,
    /// The thread, which has the name of the worker.
    pub(crate) who: String,
    pub(crate) text: String,
}

impl Line {
    /// `07.482  pid 4711    ProcessPool-1-worker-2  begins one`; `None`: it is another line.
    pub(crate) fn read(line: &str) -> Option<Line> {
        let (time, rest) = line.split_once("  pid ")?;
        time.parse::<f64>().ok()?;
        let (pid, rest) = rest.split_once(' ')?;
        let (who, text) = rest.trim_start().split_once("  ")?;
        Some(Line { pid: pid.parse().ok()?, who: who.to_owned(), text: text.trim_start().to_owned() })
    }
}

/// Runs an example to its end, which must be a good one.
#[track_caller]
pub(crate) fn run(name: &str, arguments: &[&str]) -> Printed {
    let folder = Scratch::new();
    let output = Command::new(example(name)).args(arguments).current_dir(folder.path()).output().expect(name);
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.success(),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Printed { lines: text.lines().filter_map(Line::read).collect(), text }
}

impl Printed {
    /// All that was written, in other forms too.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The lines whose text begins so.
    pub(crate) fn all(&self, beginning: &str) -> Vec<&Line> {
        self.lines.iter().filter(|line| line.text.starts_with(beginning)).collect()
    }

    /// The one line whose text begins so.
    #[track_caller]
    pub(crate) fn one(&self, beginning: &str) -> &Line {
        let all = self.all(beginning);
        assert_eq!(all.len(), 1, "lines that begin with {beginning:?} in\n{}", self.text);
        all[0]
    }

    /// Where the first line is whose text begins so.
    #[track_caller]
    pub(crate) fn place(&self, beginning: &str) -> usize {
        let place = self.lines.iter().position(|line| line.text.starts_with(beginning));
        place.unwrap_or_else(|| panic!("no line begins with {beginning:?} in\n{}", self.text))
    }

    /// What comes from that line on, and what comes before it.
    #[track_caller]
    pub(crate) fn split(mut self, beginning: &str) -> (Printed, Printed) {
        let lines = self.lines.split_off(self.place(beginning));
        let text = self.text.clone();
        (self, Printed { lines, text })
    }

    /// Lines that begin so are from the main program's process alone, or from none but others.
    #[track_caller]
    pub(crate) fn ran_on(&self, backend: &str, beginning: &str) {
        let main = self.lines.iter().find(|line| line.who == "main").expect("a line of the main program").pid;
        let all = self.all(beginning);
        assert!(!all.is_empty(), "{beginning:?} in\n{}", self.text);
        for line in all {
            assert_eq!(line.pid == main, backend == "thread", "{}", self.text);
            assert!(line.who.contains("-worker-"), "{}", self.text);
        }
    }
}

/// Which processes wrote these lines.
pub(crate) fn pids(lines: &[&Line]) -> BTreeSet<u32> {
    lines.iter().map(|line| line.pid).collect()
}
