//! The fault grid: every fault, at every stage of a worker's life, under every start method.
//!
//! Each cell is a test, `METHOD::STAGE::FAULT`, in a program of its own. It checks which error the task in hand
//! ends with, and what that says; that every other task ends as it should; that the pool is at full strength and
//! works, where it is to; and that nothing is left. What each cell expects is in `plan.rs`, with the reason for
//! each that cannot be. `cargo test --release --test faults -- --nocapture the_grid` prints the table.

#![cfg(all(feature = "process", target_os = "linux"))]

mod carriers;
mod fault;
mod initializer;
mod plan;
mod stages;
mod start;
#[path = "../support/mod.rs"]
mod support;

use pool::StartMethod;

use fault::Fault;
use plan::{Cell, Stage};

macro_rules! grid {
    ($($method:ident $value:expr),+ $(,)?) => {
        /// The start methods of the grid.
        const METHODS: &[StartMethod] = &[$($value),+];
        $(mod $method {
            stages! { $value;
                worker_start WorkerStart, initializer Initializer, decode Decode, running Running, encode Encode, idle Idle,
                close Close, terminate Terminate
            }
        })+
    };
}

macro_rules! stages {
    ($method:expr; $($name:ident $stage:ident),+) => {
        $(mod $name {
            faults! { $method; $stage;
                panic Panic, panic_that_panics_in_drop PanicThatPanicsInDrop, exit_1 Exit1, exit_0 Exit0,
                abort Abort, segv Segv, kill Kill, stop Stop, stack_overflow StackOverflow,
                out_of_memory OutOfMemory, encode_error EncodeError, decode_error DecodeError,
                huge_result HugeResult
            }
        })+
    };
}

macro_rules! faults {
    ($method:expr; $stage:ident; $($name:ident $fault:ident),+) => {
        $(#[test] fn $name() {
            #[allow(unused_imports)]
            use pool::StartMethod;
            use $crate::{fault::Fault, plan::Stage, stages, support};
            let path = concat!(module_path!(), "::", stringify!($name));
            support::alone(path, || stages::stage(Stage::$stage, Fault::$fault, $method));
        })+
    };
}

grid! {
    spawn StartMethod::Spawn,
    fork_server StartMethod::ForkServer,
    fork StartMethod::Fork,
}

/// How much of the grid there is: a fault or stage that is added has its row.
#[test]
fn the_grid() {
    for method in METHODS {
        let mut present = 0;
        for fault in Fault::ALL {
            for stage in Stage::ALL {
                let cell = plan::cell(stage, fault, *method);
                println!("{method:?} | {fault:?} | {stage:?} | {cell:?}");
                present += usize::from(!matches!(cell, Cell::Absent(_)));
            }
        }
        let all = Fault::ALL.len() * Stage::ALL.len();
        println!("{method:?}: {present} cells of {all}");
        assert!(present > all / 2);
    }
}
