//! Objects of a manager. A behaviour is a function of an [`Elsewhere`], run with the other side on a thread and in a
//! process by each start method, in a program of its own and under the watchdog; what was there before is what is
//! there after.

#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod containers;
mod custom;
mod limits;
mod mailbox;
mod proxies;
mod remote;

pub(crate) use support::{Elsewhere, with_the_other_side_everywhere};
