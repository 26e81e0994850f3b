//! The progress bar on standard error; there is none when that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(name: &'static str, steps: usize) -> Progress {
        let bar = ProgressBar::new(steps as u64).with_prefix(name);
        if let Ok(style) = ProgressStyle::with_template("{prefix:>5} {wide_bar} {pos}/{len} {msg:9}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    pub(crate) fn way(&self, name: &'static str) {
        self.0.set_message(name);
    }

    pub(crate) fn step(&self) {
        self.0.inc(1);
    }
}

/// The bar makes room for the table, or for the message of what went wrong.
impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
