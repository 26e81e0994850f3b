//! The CPU workload: count the words and lines of every piece, and hash it over and over.

use std::fmt;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::input::{Input, Piece};
use crate::report::grouped;
use crate::run::Workload;
use crate::ways::Way;

/// How long a serial round shall take on this machine.
const SERIAL_SECONDS: f64 = 1.0;

/// What a worker does, and the whole of what it is told: how often, and which piece.
fn examine(repeats: &usize, piece: Piece) -> Result<Facts, String> {
    let content = piece.read()?;
    Ok(Facts {
        words: content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() as u64,
        lines: content.split_inclusive(|&byte| byte == b'\n').count() as u64,
        digest: hash(&content, *repeats),
    })
}

/// Each hash goes into the next, so that none can be left out.
fn hash(content: &[u8], repeats: usize) -> [u8; 32] {
    (0..repeats)
        .fold([0; 32], |digest, _| Sha256::new().chain_update(digest).chain_update(content).finalize().into())
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Facts {
    words: u64,
    lines: u64,
    digest: [u8; 32],
}

pub(crate) struct Cpu<'a> {
    input: &'a Input,
    repeats: usize,
}

impl<'a> Cpu<'a> {
    pub(crate) fn new(input: &'a Input, repeats: Option<usize>) -> Cpu<'a> {
        Cpu { input, repeats: repeats.unwrap_or_else(|| repeats_for(input.bytes)) }
    }
}

/// Machines hash at very different speeds, so this one is asked.
fn repeats_for(bytes: u64) -> usize {
    let sample = vec![b'x'; 1 << 20];
    let fastest = (0..8).map(|_| {
        let began = Instant::now();
        std::hint::black_box(hash(&sample, 1));
        began.elapsed()
    });
    let seconds_per_byte = fastest.min().unwrap_or_default().as_secs_f64() / sample.len() as f64;
    (SERIAL_SECONDS / (seconds_per_byte * bytes as f64)).ceil() as usize
}

impl Workload for Cpu<'_> {
    const NAME: &'static str = "cpu";
    type Answer = Answer;

    fn about(&self) -> String {
        format!("words, lines and {} × SHA-256 of every piece", grouped(self.repeats as u64))
    }

    fn items(&self) -> usize {
        self.input.pieces.len()
    }

    fn run(&self, way: &Way, done: &dyn Fn()) -> Result<Answer, Failure> {
        let mut answer = Answer(Vec::with_capacity(self.items()));
        way.each(self.repeats, examine, self.input.pieces.iter().cloned(), |facts| {
            answer.0.push(facts);
            done();
        })?;
        Ok(answer)
    }
}

#[derive(PartialEq)]
pub(crate) struct Answer(Vec<Facts>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = grouped(self.0.iter().map(|facts| facts.words).sum());
        let lines = grouped(self.0.iter().map(|facts| facts.lines).sum());
        let mut all = Sha256::new();
        self.0.iter().for_each(|facts| all.update(facts.digest));
        let [a, b, c, d, ..]: [u8; 32] = all.finalize().into();
        write!(f, "{words} words, {lines} lines, hash of the hashes {a:02x}{b:02x}{c:02x}{d:02x}…")
    }
}
