//! What the test programs share: the backends, a watchdog, the ledger of what a test leaves behind,
//! and the files through which a test and its tasks talk, in this process or another.

// Each test program uses its own part of this.
#![allow(dead_code, unused_imports, unused_macros)]

mod alone;
mod backends;
mod census;
#[cfg(all(feature = "process", feature = "thread"))]
mod elsewhere;
mod example;
mod meeting;
#[cfg(feature = "process")]
mod methods;
mod process;
mod random;
mod watchdog;

pub(crate) use alone::{alone, alone_with, alone_within};
#[cfg(feature = "thread")]
pub(crate) use backends::Thread;
pub(crate) use backends::{Backend, alone_on_every_backend, on_every_backend};
#[cfg(feature = "process")]
pub(crate) use backends::{Process, alone_by, method};
pub(crate) use census::Census;
#[cfg(all(feature = "process", feature = "thread"))]
pub(crate) use elsewhere::{Elsewhere, Party, by_itself, in_processes, with_the_other_side_everywhere};
pub(crate) use example::example;
pub(crate) use meeting::{Gate, Marks, Scratch, crew, eventually, whoami};
#[cfg(feature = "process")]
pub(crate) use methods::{METHODS, alone_on_every_start_method, alone_on_start_method, builder_of, pool_of};
pub(crate) use process::{
    SIGABRT, SIGCONT, SIGKILL, SIGSEGV, SIGSTOP, SIGTERM, all_children, children, children_of, close,
    descendants, disturb, duplicate, is_alive, is_asleep, is_fork_server, is_readable, is_spare, is_stopped,
    is_thread_asleep, kill, limit_descriptors, limit_memory, no_core_files, own_thread, peak_resident,
    reset_peak_resident, resident, set_environment, threads, unlimit_memory, violate_memory,
};
pub(crate) use random::Random;
pub(crate) use watchdog::{guarded, limit};
