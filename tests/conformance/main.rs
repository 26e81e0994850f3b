//! One suite, written once, run on every backend: what a pool promises does not depend on what its
//! workers are. Where it does (a thread is not killed, a process encodes its values), the test says so.
//!
//! A behaviour is a function generic over [`support::Backend`]; `on_every_backend!` at the end of a
//! module makes the tests `MODULE::thread::NAME` and `MODULE::process::NAME` of it. Each runs under
//! the watchdog, so that a hang fails and says where.

#![cfg(any(feature = "thread", feature = "process"))]

#[path = "../support/mod.rs"]
mod support;

mod apply;
mod callbacks;
mod context;
mod drops;
mod future;
mod handle;
mod imap;
mod input;
mod ladder;
mod life;
mod map;
mod options;
mod panics;
mod properties;
mod refused;
mod sharing;
mod star;
mod supervised;
mod timeouts;
mod values;
