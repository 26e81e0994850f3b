//! The files to work on, cut into pieces.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::find::{Skipped, find, unreadable};

/// No piece is longer, so that one big file cannot keep one worker busy while the others are done.
pub(crate) const PIECE: usize = 256 << 10;

/// A file, or a part of one: what a task is given. The worker reads the content itself.
///
/// The path crosses as an `OsString`, because serde refuses a `PathBuf` that is not UTF-8.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Piece {
    path: OsString,
    start: u64,
    pub(crate) len: usize,
}

impl Piece {
    /// The content; the error is a text, because `io::Error` is no serde type.
    pub(crate) fn read(&self) -> Result<Vec<u8>, String> {
        let mut content = vec![0; self.len];
        File::open(&self.path)
            .and_then(|mut file| file.seek(SeekFrom::Start(self.start)).map(|_| file))
            .and_then(|mut file| file.read_exact(&mut content))
            .map_err(|error| format!("cannot read {} again: {error}", Path::new(&self.path).display()))?;
        Ok(content)
    }
}

pub(crate) struct Input {
    pub(crate) root: PathBuf,
    pub(crate) found_files: usize,
    pub(crate) found_bytes: u64,
    /// How many of the files found are in `pieces`, whole or in part.
    pub(crate) files: usize,
    pub(crate) bytes: u64,
    /// The longest first: a long piece that starts last leaves the other workers idle.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Input {
    /// Finds the regular files under `root`, or `root` itself, and reads them in the order of their
    /// paths, up to `limit` bytes. Reading finds the unreadable ones, and brings the rest into the
    /// page cache, so that the first way to be timed does not pay for the disk.
    pub(crate) fn take(root: PathBuf, limit: u64) -> Result<Input, Failure> {
        let mut skipped = Vec::new();
        let found = find(&root, &mut skipped)?;
        let mut input = Input {
            found_files: found.len(),
            found_bytes: found.iter().map(|(_, len)| len).sum(),
            files: 0,
            bytes: 0,
            pieces: Vec::new(),
            skipped,
            root,
        };
        for (path, _) in found {
            if input.bytes == limit {
                break;
            }
            match cut(&path, limit - input.bytes) {
                Ok(pieces) => {
                    input.files += usize::from(!pieces.is_empty());
                    input.bytes += pieces.iter().map(|piece| piece.len as u64).sum::<u64>();
                    input.pieces.extend(pieces);
                }
                Err(error) if path == input.root => return Err(unreadable(&path, &error)),
                Err(error) => input.skipped.push(Skipped { path, reason: error.to_string() }),
            }
        }
        if input.pieces.is_empty() {
            return Err(input.nothing());
        }
        input.pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len));
        Ok(input)
    }

    fn nothing(&self) -> Failure {
        let root = self.root.display();
        match self.skipped.as_slice() {
            [] => {
                Failure::of_input(format!("there is nothing to read in {root}: it has no file with content"))
            }
            [first, ..] => {
                let count = self.skipped.len();
                Failure::of_input(format!("nothing in {root} can be read ({count} skipped, as {first})"))
            }
        }
    }
}

/// Reads a file, to `most` bytes, and says in which pieces it came.
fn cut(path: &Path, most: u64) -> io::Result<Vec<Piece>> {
    let mut file = File::open(path)?.take(most);
    let (mut pieces, mut start, mut content) = (Vec::new(), 0, Vec::new());
    loop {
        content.clear();
        let len = file.by_ref().take(PIECE as u64).read_to_end(&mut content)?;
        if len == 0 {
            return Ok(pieces);
        }
        pieces.push(Piece { path: path.into(), start, len });
        start += len as u64;
    }
}
