//! The files under a folder.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The files with content and their lengths, in the order of their paths. Links to files are
/// followed, links to folders are not; pipes, sockets and devices, which may block whoever opens
/// them, are passed over.
pub(crate) fn find(root: &Path, skipped: &mut Vec<Skipped>) -> Result<Vec<(PathBuf, u64)>, Failure> {
    let about = fs::metadata(root).map_err(|error| unreadable(root, &error))?;
    if about.is_file() {
        return Ok(vec![(root.to_path_buf(), about.len())]);
    }
    if !about.is_dir() {
        return Err(Failure::of_input(format!("{} is neither a folder nor a file", root.display())));
    }
    fs::read_dir(root).map_err(|error| unreadable(root, &error))?;

    let (mut found, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let mut skip = |path, error: io::Error| skipped.push(Skipped { path, reason: error.to_string() });
        let entries = fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.unwrap_or_else(|error| {
            skip(folder, error);
            Vec::new()
        }) {
            match entry.file_type().and_then(|kind| Ok((kind, fs::metadata(entry.path())?))) {
                Ok((kind, _)) if kind.is_dir() => folders.push(entry.path()),
                Ok((_, about)) if about.is_file() && about.len() > 0 => {
                    found.push((entry.path(), about.len()));
                }
                Ok(_) => {}
                Err(error) => skip(entry.path(), error),
            }
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::of_input(format!("cannot read {}: {error}", path.display()))
}

/// A path that was left out, and why.
pub(crate) struct Skipped {
    pub(crate) path: PathBuf,
    pub(crate) reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}
