//! The mixed workload: read every piece, split it into identifiers, count them, and merge the counts
//! here, in the parent.
//!
//! Of the three this one sends the most back, a table of words per piece, and the merge is serial:
//! both are limits that real programs have.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::input::{Input, Piece};
use crate::report::grouped;
use crate::run::Workload;
use crate::ways::Way;

/// What a worker does. Nothing but the piece is told, so the context is empty.
fn summarise(_: &(), piece: Piece) -> Result<Summary, String> {
    let content = piece.read()?;
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for word in identifiers(&content) {
        *counts.entry(word).or_default() += 1;
    }
    Ok(Summary {
        longest: content.split(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap_or(0) as u64,
        words: counts.into_iter().map(|(word, count)| (word.to_string(), count)).collect(),
    })
}

/// Runs of ASCII letters, digits and `_` that do not begin with a digit. The rest may be anything:
/// text in another encoding, or no text at all.
fn identifiers(content: &[u8]) -> impl Iterator<Item = &str> {
    content
        .split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_'))
        .filter(|run| run.first().is_some_and(|first| !first.is_ascii_digit()))
        .filter_map(|run| str::from_utf8(run).ok())
}

#[derive(Serialize, Deserialize)]
struct Summary {
    longest: u64,
    words: Vec<(String, u64)>,
}

pub(crate) struct Mixed<'a> {
    input: &'a Input,
}

impl<'a> Mixed<'a> {
    pub(crate) fn new(input: &'a Input) -> Mixed<'a> {
        Mixed { input }
    }
}

impl Workload for Mixed<'_> {
    const NAME: &'static str = "mixed";
    type Answer = Answer;

    fn about(&self) -> String {
        "read every piece, count its identifiers, merge the counts in the parent".to_string()
    }

    fn items(&self) -> usize {
        self.input.pieces.len()
    }

    fn run(&self, way: &Way, done: &dyn Fn()) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        way.each((), summarise, self.input.pieces.iter().cloned(), |summary| {
            answer.merge(summary);
            done();
        })?;
        Ok(answer)
    }
}

#[derive(Default, PartialEq)]
pub(crate) struct Answer {
    longest: u64,
    words: HashMap<String, u64>,
}

impl Answer {
    fn merge(&mut self, summary: Summary) {
        self.longest = self.longest.max(summary.longest);
        for (word, count) in summary.words {
            *self.words.entry(word).or_default() += count;
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = grouped(self.words.values().sum());
        let distinct = grouped(self.words.len() as u64);
        let mut top: Vec<_> =
            self.words.iter().map(|(word, count)| (std::cmp::Reverse(count), word)).collect();
        top.sort();
        let top: Vec<&str> = top.iter().take(5).map(|(_, word)| word.as_str()).collect();
        let longest = grouped(self.longest);
        write!(f, "{total} identifiers, {distinct} different, most often ")?;
        write!(f, "{}; longest line {longest} bytes", top.join(" "))
    }
}
