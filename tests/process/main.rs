//! `Process`, who a process is, and what runs at its end. A behaviour is a function of a [`Case`], run with each
//! start method, in a program of its own and under the watchdog; what was there before is what is there after.

#![cfg(all(feature = "process", target_os = "linux"))]

#[path = "../support/mod.rs"]
mod support;

mod end;
mod identity;
mod life;
mod outcome;
mod passed;
mod streams;

use std::mem::ManuallyDrop;
use std::process::{Command, Output, Stdio};

use pool::{Message, Process, ProcessBuilder, StartMethod, TaskFn};
use support::{Census, Scratch};

/// One behaviour with one start method.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) method: StartMethod,
    /// The path of the test, in this program.
    path: &'static str,
}

/// The test's folder, in the program that it started.
type Folder = ManuallyDrop<Scratch>;

/// Set in a program that a test starts to see what becomes of it.
const FOLDER: &str = "POOL_TEST_FOLDER";

impl Case {
    pub(crate) fn builder(self) -> ProcessBuilder {
        // The test harness has threads.
        Process::builder().start_method(self.method).allow_fork_with_threads(true)
    }

    #[track_caller]
    pub(crate) fn spawn<F, A>(self, f: F, arg: A) -> Process<F::Output>
    where
        F: TaskFn<A>,
        A: Message,
        F::Output: Message,
    {
        self.builder().spawn(f, arg).expect("a process")
    }

    /// A program that runs `body`, which is given a folder, and then returns from its `main`; and that folder.
    /// In that program this does not return.
    pub(crate) fn program(self, body: impl FnOnce(Folder)) -> (Scratch, Command) {
        if let Some(folder) = std::env::var_os(FOLDER) {
            body(Scratch::at(folder.into()));
            // As the test harness would, without its words on the standard output.
            std::process::exit(0);
        }
        let scratch = Scratch::new();
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let (_, path) = self.path.split_once("::").expect("the path of a test");
        command
            .args([path, "--exact", "--nocapture", "--test-threads=1", "--quiet"])
            .env(FOLDER, scratch.path())
            .stdin(Stdio::null());
        (scratch, command)
    }

    /// Runs that program to its end.
    pub(crate) fn output(self, body: impl FnOnce(Folder)) -> (Scratch, Output) {
        let (scratch, mut command) = self.program(body);
        let output = command.output().expect("the program");
        (scratch, output)
    }

    fn run(self, body: fn(Case)) {
        support::alone(self.path, || {
            let before = Census::take();
            body(self);
            before.assert_restored();
        });
    }
}

/// Makes tests of functions of a [`Case`].
macro_rules! on_every_start_method {
    ($($test:ident),+ $(,)?) => {
        mod spawn {
            $crate::on_every_start_method!(@ pool::StartMethod::Spawn; $($test),+);
        }
        mod fork_server {
            $crate::on_every_start_method!(@ pool::StartMethod::ForkServer; $($test),+);
        }
        mod fork {
            $crate::on_every_start_method!(@ pool::StartMethod::Fork; $($test),+);
        }
    };
    (@ $method:expr; $($test:ident),+) => {
        $(#[test] fn $test() {
            let path = concat!(module_path!(), "::", stringify!($test));
            $crate::Case { method: $method, path }.run(super::$test)
        })+
    };
}
pub(crate) use on_every_start_method;
