//! The suite is written once; this is what differs between the backends.

use std::sync::OnceLock;

#[cfg(feature = "process")]
use pool::StartMethod;
use pool::{Message, Pool, Result, TaskFn};

#[cfg(feature = "process")]
use super::builder_of;

pub(crate) trait Backend: 'static {
    type Pool: Pool + Send + Sync + 'static;
    /// Whether values are encoded and a worker has a process id.
    const IS_PROCESS: bool;

    fn make(workers: usize) -> Result<Self::Pool>;
    fn named(workers: usize, name: &str) -> Result<Self::Pool>;
    fn of_default_size() -> Result<Self::Pool>;
    fn initialized<F, A>(workers: usize, f: F, arg: A) -> Result<Self::Pool>
    where
        F: TaskFn<A, Output = ()>,
        A: Message + Clone + Sync;

    /// A pool that lives as long as the program, for tests that run many cases.
    fn shared(workers: usize) -> &'static Self::Pool;

    fn pool(workers: usize) -> Self::Pool {
        Self::make(workers).expect("a pool")
    }
}

macro_rules! backend {
    ($name:ident, $pool:ty, $is_process:literal, $builder:expr) => {
        pub(crate) struct $name;

        impl Backend for $name {
            type Pool = $pool;
            const IS_PROCESS: bool = $is_process;

            fn make(workers: usize) -> Result<$pool> {
                $builder.workers(workers).build()
            }

            fn named(workers: usize, name: &str) -> Result<$pool> {
                $builder.workers(workers).name(name).build()
            }

            fn initialized<F, A>(workers: usize, f: F, arg: A) -> Result<$pool>
            where
                F: TaskFn<A, Output = ()>,
                A: Message + Clone + Sync,
            {
                $builder.workers(workers).initializer(f, arg).build()
            }

            fn of_default_size() -> Result<$pool> {
                $builder.build()
            }

            fn shared(workers: usize) -> &'static $pool {
                static POOLS: [OnceLock<$pool>; 5] = [const { OnceLock::new() }; 5];
                POOLS[workers].get_or_init(|| Self::pool(workers))
            }
        }
    };
}

#[cfg(feature = "thread")]
backend!(Thread, pool::ThreadPool, false, pool::ThreadPool::builder());
#[cfg(feature = "process")]
backend!(Process, pool::ProcessPool, true, builder_of(method()));

/// Tells a test program that runs one test, and its workers, how pools start theirs.
const METHOD: &str = "POOL_TEST_START_METHOD";

/// As the environment says. One type of backend serves all start methods, so that the suite is compiled for
/// processes once.
#[cfg(feature = "process")]
pub(crate) fn method() -> StartMethod {
    match std::env::var(METHOD).as_deref() {
        Ok("fork_server") => StartMethod::ForkServer,
        Ok("fork") => StartMethod::Fork,
        _ => StartMethod::Spawn,
    }
}

/// Runs the test at `path`, which is generic over the start method, in a program of its own.
#[cfg(feature = "process")]
pub(crate) fn alone_by(method: &str, path: &str, body: impl FnOnce()) {
    super::alone_with(&[(METHOD, method)], super::limit(), path, body);
}

/// Makes a `#[test]` for each backend of functions that are generic over it.
macro_rules! on_every_backend {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "thread")]
        mod thread {
            $(#[test] fn $test() {
                $crate::support::guarded(super::$test::<$crate::support::Thread>)
            })+
        }
        #[cfg(feature = "process")]
        mod process {
            $(#[test] fn $test() {
                $crate::support::guarded(super::$test::<$crate::support::Process>)
            })+
        }
        // Each in a program of its own, which is told the start method; and because tests that run beside it
        // may hold any lock while it forks.
        #[cfg(feature = "process")]
        mod fork_server {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                $crate::support::alone_by("fork_server", path, super::$test::<$crate::support::Process>)
            })+
        }
        #[cfg(feature = "process")]
        mod fork {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                $crate::support::alone_by("fork", path, super::$test::<$crate::support::Process>)
            })+
        }
    };
}
pub(crate) use on_every_backend;

/// The same, each test in a program of its own: see [`alone`](super::alone).
macro_rules! alone_on_every_backend {
    ($($test:ident),+ $(,)?) => {
        #[cfg(feature = "thread")]
        mod thread {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                $crate::support::alone(path, super::$test::<$crate::support::Thread>)
            })+
        }
        #[cfg(feature = "process")]
        mod process {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                $crate::support::alone(path, super::$test::<$crate::support::Process>)
            })+
        }
        #[cfg(feature = "process")]
        mod fork_server {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                $crate::support::alone_by("fork_server", path, super::$test::<$crate::support::Process>)
            })+
        }
        #[cfg(feature = "process")]
        mod fork {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                $crate::support::alone_by("fork", path, super::$test::<$crate::support::Process>)
            })+
        }
    };
}
pub(crate) use alone_on_every_backend;
