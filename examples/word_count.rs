//! Count the words of all text files of a folder: by default, the sources and documents of this library.
//!
//! What to look for:
//! - `imap_unordered` gives each result as it comes, whichever file it is of: the bar moves, and no worker waits for
//!   another. It takes files as it goes, so a folder of any size needs little memory.
//! - What crosses is small: a path to the worker, a table of words back. The worker reads the file itself.
//! - A file that cannot be read is a value here, `Err`, as any other. It ends nothing.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use common::{Args, here, say};
use indicatif::ProgressBar;
use pool::Pool;

#[derive(Parser)]
struct Command {
    /// Where the files are.
    #[arg(default_value = env!("CARGO_MANIFEST_DIR"))]
    folder: PathBuf,
    #[command(flatten)]
    args: Args,
}

type Words = HashMap<String, u64>;

/// Who counted, and what.
fn count(file: PathBuf) -> (String, Result<Words, String>) {
    let mut words = Words::new();
    let read = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()));
    let counted = read.map(|text| {
        for word in text.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.len() > 3) {
            *words.entry(word.to_lowercase()).or_default() += 1;
        }
        words
    });
    (format!("{} (pid {})", here(), std::process::id()), counted)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() && name != "target" && !name.starts_with('.') {
            find(&path, files)?;
        } else if [".rs", ".md", ".txt", ".toml"].iter().any(|end| name.ends_with(end)) {
            files.push(path);
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Command { folder, args } = Command::parse();
    let mut files = Vec::new();
    find(&folder, &mut files)?;
    say(format!("{} files in {}", files.len(), folder.display()));

    let pool = args.pool(4)?;
    let (mut words, mut counted_by) = (Words::new(), BTreeMap::<String, u32>::new());
    // The bar draws itself on a terminal, and nowhere else.
    let bar = ProgressBar::new(files.len() as u64);
    for result in bar.wrap_iter(pool.imap_unordered(count, files)) {
        let (worker, counted) = result?;
        *counted_by.entry(worker).or_default() += 1;
        match counted {
            Ok(counted) => {
                counted.into_iter().for_each(|(word, times)| *words.entry(word).or_default() += times)
            }
            Err(complaint) => say(complaint),
        }
    }

    for (worker, files) in counted_by {
        say(format!("{worker} counted {files} files"));
    }
    let mut words: Vec<_> = words.into_iter().collect();
    words.sort_by(|(one, times), (other, more)| more.cmp(times).then(one.cmp(other)));
    for (word, times) in words.iter().take(10) {
        say(format!("{times:>6} × {word}"));
    }
    Ok(())
}
