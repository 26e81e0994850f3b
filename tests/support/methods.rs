//! The suite of the process pool is written once; this is what differs between the start methods.

use pool::{ProcessPool, StartMethod};

/// All start methods.
pub(crate) const METHODS: &[StartMethod] = &[StartMethod::Spawn];

/// A pool of so many workers, started in this way.
#[track_caller]
pub(crate) fn pool_of(method: StartMethod, workers: usize) -> ProcessPool {
    ProcessPool::builder().workers(workers).start_method(method).build().expect("a pool")
}

/// Makes a test for each start method of functions that take one: `METHOD::NAME`, in a program of its own.
macro_rules! alone_on_every_start_method {
    ($($test:ident),+ $(,)?) => {
        $crate::support::alone_on_every_start_method! { within $crate::support::limit(); $($test),+ }
    };
    (within $limit:expr; $($test:ident),+ $(,)?) => {
        $crate::support::alone_on_start_method! { spawn Spawn; $limit; $($test),+ }
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
