//! The two ways in which the program ends badly.

use std::fmt;
use std::process::ExitCode;

/// What to tell the user, and the exit status that goes with it.
#[derive(Debug)]
pub(crate) struct Failure {
    text: String,
    code: u8,
}

impl Failure {
    /// What was asked makes no sense or cannot be read: exit status 2, as for a wrong option.
    pub(crate) fn of_input(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code: 2 }
    }

    /// The run itself went wrong: exit status 1.
    pub(crate) fn of_run(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), code: 1 }
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A task that failed on a worker, or a pool that could not be made.
impl From<pool::Error> for Failure {
    fn from(error: pool::Error) -> Failure {
        Failure::of_run(error.to_string())
    }
}
