//! Shared objects: locks, values, queues, connections. A behaviour is a function of an [`Elsewhere`], run with the
//! other side on a thread and in a process by each start method, in a program of its own and under the watchdog;
//! what was there before is what is there after.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod array;
mod authentication;
mod barrier;
mod churn;
mod condition;
mod deaths_memory;
mod deaths_sync;
mod event;
mod listener;
mod lock;
mod manager;
mod objects;
mod once;
mod own_queue;
mod passing;
mod pipe;
mod queue;
mod rw_lock;
mod semaphore;
mod shareable_list;
mod shared_memory;
mod shared_vec;
mod sync_passing;
mod text_forms;
mod value;
mod wait;

pub(crate) use support::{Elsewhere, Party, by_itself, in_processes, with_the_other_side_everywhere};
