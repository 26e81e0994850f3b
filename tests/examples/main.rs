//! The teaching programs of `examples`, run as their readers run them: what they print is what they say.
//!
//! Each runs in a folder of its own, and nothing of it is left when it has ended.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod printed;
mod processes;
mod server;
mod shared;
mod tasks;
mod tour;

/// Makes a `#[test]` of each function, in a program of its own, so that what is left behind is seen.
macro_rules! alone {
    ($($test:ident),+ $(,)?) => {
        mod alone {
            $(#[test] fn $test() {
                crate::support::alone(concat!(module_path!(), "::", stringify!($test)), super::$test)
            })+
        }
    };
}
use alone;

/// The same of functions that take a backend, for both.
macro_rules! on_both_backends {
    ($($test:ident),+ $(,)?) => {
        crate::on_both_backends! { "thread"; thread: $($test),+ }
        crate::on_both_backends! { "process"; process: $($test),+ }
    };
    ($backend:literal; $module:ident: $($test:ident),+) => {
        mod $module {
            $(#[test] fn $test() {
                let path = concat!(module_path!(), "::", stringify!($test));
                crate::support::alone(path, || super::$test($backend))
            })+
        }
    };
}
use on_both_backends;
