//! Behaviours that have another side: on a thread, or in a process by each start method.

use pool::{AsyncResult, Message, Pool, Process, StartMethod, TaskFn, ThreadPool};

use super::{Census, alone};

/// Where the other side of a behaviour runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    Thread,
    Process(StartMethod),
}

/// The other side, under way.
pub(crate) enum Party<R> {
    Thread(ThreadPool, AsyncResult<R>),
    Process(Process<R>),
}

impl Elsewhere {
    /// Runs `f(arg)` there.
    #[track_caller]
    pub(crate) fn start<F, A>(self, f: F, arg: A) -> Party<F::Output>
    where
        F: TaskFn<A>,
        A: Message,
        F::Output: Message,
    {
        match self {
            Elsewhere::Thread => {
                // A task function is called by a pool alone.
                let pool = ThreadPool::new(1).expect("a thread");
                let handle = pool.apply_async(f, arg);
                Party::Thread(pool, handle)
            }
            Elsewhere::Process(method) => {
                // The test harness has threads.
                let builder = Process::builder().start_method(method).allow_fork_with_threads(true);
                Party::Process(builder.spawn(f, arg).expect("a process"))
            }
        }
    }

    #[allow(dead_code)]
    pub(crate) fn is_process(self) -> bool {
        self != Elsewhere::Thread
    }

    /// Runs `body` in a program of its own; `path` is that of the test.
    pub(crate) fn run(self, path: &str, body: fn(Elsewhere)) {
        alone(path, || {
            let before = Census::take();
            body(self);
            before.assert_restored();
        });
    }
}

// Each kind of object uses its own part of this.
#[allow(dead_code)]
impl<R: Message> Party<R> {
    /// What came of it.
    #[track_caller]
    pub(crate) fn join(self) -> R {
        match self {
            Party::Thread(_pool, handle) => handle.get().expect("a thread that did not panic"),
            Party::Process(process) => process.join().expect("a process that did its work"),
        }
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Party::Thread(_, handle) => handle.ready(),
            Party::Process(process) => !process.is_alive(),
        }
    }

    /// Ends it at once, wherever it is, if it is a process.
    pub(crate) fn kill(self) {
        if let Party::Process(process) = self {
            process.kill();
            let _ = process.join();
        }
    }
}

/// Makes tests of functions of an [`Elsewhere`].
macro_rules! with_the_other_side_everywhere {
    ($($test:ident),+ $(,)?) => {
        mod thread {
            $crate::support::with_the_other_side_everywhere!(@ $crate::support::Elsewhere::Thread; $($test),+);
        }
        $crate::support::in_processes!($($test),+);
    };
    (@ $elsewhere:expr; $($test:ident),+) => {
        $(#[test] fn $test() {
            $elsewhere.run(concat!(module_path!(), "::", stringify!($test)), super::$test);
        })+
    };
}
pub(crate) use with_the_other_side_everywhere;

/// The same for what has no meaning between threads.
macro_rules! in_processes {
    ($($test:ident),+ $(,)?) => {
        mod spawn {
            $crate::support::with_the_other_side_everywhere!(@ $crate::support::Elsewhere::Process(pool::StartMethod::Spawn); $($test),+);
        }
        mod fork_server {
            $crate::support::with_the_other_side_everywhere!(@ $crate::support::Elsewhere::Process(pool::StartMethod::ForkServer); $($test),+);
        }
        mod fork {
            $crate::support::with_the_other_side_everywhere!(@ $crate::support::Elsewhere::Process(pool::StartMethod::Fork); $($test),+);
        }
    };
}
pub(crate) use in_processes;

/// Makes tests of functions that have no other side, or make their own.
macro_rules! by_itself {
    ($($test:ident),+ $(,)?) => {
        mod by_itself {
            $(#[test] fn $test() {
                $crate::support::alone(concat!(module_path!(), "::", stringify!($test)), || {
                    let before = $crate::support::Census::take();
                    super::$test();
                    before.assert_restored();
                });
            })+
        }
    };
}
pub(crate) use by_itself;
