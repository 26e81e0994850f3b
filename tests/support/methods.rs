//! The suite of the process pool is written once; this is what differs between the start methods.

use pool::{ProcessPool, ProcessPoolBuilder, StartMethod};

/// All start methods.
pub(crate) const METHODS: &[StartMethod] = &[StartMethod::Spawn, StartMethod::ForkServer, StartMethod::Fork];

/// A pool of so many workers, started in this way.
#[track_caller]
pub(crate) fn pool_of(method: StartMethod, workers: usize) -> ProcessPool {
    builder_of(method).workers(workers).build().expect("a pool")
}

/// The same, to be configured. The test harness has threads, of which none holds a lock in a program that runs
/// one test.
pub(crate) fn builder_of(method: StartMethod) -> ProcessPoolBuilder {
    ProcessPool::builder().start_method(method).allow_fork_with_threads(true)
}

/// Makes a test for each start method of functions that take one: `METHOD::NAME`, in a program of its own.
macro_rules! alone_on_every_start_method {
    ($($test:ident),+ $(,)?) => {
        $crate::support::alone_on_every_start_method! { within $crate::support::limit(); $($test),+ }
    };
    (within $limit:expr; $($test:ident),+ $(,)?) => {
        $crate::support::alone_on_start_method! { spawn Spawn; $limit; $($test),+ }
        $crate::support::alone_on_start_method! { fork_server ForkServer; $limit; $($test),+ }
        $crate::support::alone_on_start_method! { fork Fork; $limit; $($test),+ }
    };
}
pub(crate) use alone_on_every_start_method;

macro_rules! alone_on_start_method {
    ($module:ident $method:ident; $limit:expr; $($test:ident),+) => {
        mod $module {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                let method = ::pool::StartMethod::$method;
                $crate::support::alone_within($limit, path, || super::$test(method))
            })+
        }
    };
}
pub(crate) use alone_on_start_method;
