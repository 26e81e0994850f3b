//! Objects of a manager. A behaviour is a function of an [`Elsewhere`], run with the other side on a thread and in a
//! process by each start method, in a program of its own and under the watchdog; what was there before is what is
//! there after. What objects of shared memory and those of a manager have in common is tested by one code, which lies in
//! `tests/shared/`.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

#[path = "../shared/barrier.rs"]
mod barrier;
#[path = "../shared/condition.rs"]
mod condition;
mod containers;
mod custom;
mod deaths;
#[path = "../shared/deaths_sync.rs"]
mod deaths_sync;
#[path = "../shared/event.rs"]
mod event;
mod hostile;
mod limits;
#[path = "../shared/lock.rs"]
mod lock;
mod mailbox;
mod objects;
mod pool;
mod proxies;
#[path = "../shared/queue/mod.rs"]
mod queue;
mod queues;
mod remote;
#[path = "../shared/semaphore.rs"]
mod semaphore;
mod sync;

pub(crate) use support::{Elsewhere, Party, in_processes, with_the_other_side_everywhere};
