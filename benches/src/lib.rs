//! The figures of `pool`: what it must reach, measured beside what the machine allows and what
//! its peers reach.
//!
//! A number alone says little: a virtual machine wakes a sleeping process in 8 µs or in 80 µs
//! depending on where it sleeps, and a busy neighbour halves everything. So no figure is compared
//! with a number from another day. Each one runs its **subject** (the pool) and its
//! **yardsticks** (limits of the machine, peers) in the same program, in turn, round after round,
//! and its verdict is the median of the ratios *within* a round. [`figure`] measures, [`figures`]
//! is the list.
//!
//! [`comparison`] is another program: every backend beside its peers, over lengths of tasks, sizes of payloads, chunks
//! and workers. What it finds is `REPORT.md`. `cargo bench -p benches --bench curves` is for who changes the pools.
//!
//! ```text
//! figures ──> figure ──> lines         what is measured and must be reached; the rounds; the lines
//!    ├──> subjects                     the pool's side of each figure
//!    ├──> limits                       bare spinning, bare futex, bare copies, bare spawn, bare fork
//!    ├──> peers                        ipc-channel, procspawn, rayon, threadpool, rusty_pool, CPython
//! comparison                            its tables, and the report that it writes
//! ```

pub mod child;
pub mod comparison;
pub mod figure;
pub mod figures;
pub mod limits;
pub mod lines;
pub mod machine;
pub mod peers;
pub mod placement;
pub mod process_tree;
pub mod shared;
pub mod stats;
pub mod subjects;
pub mod timing;
pub mod work;

/// Any error ends the measurement of its figure, with a message.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// What every measurement gives.
pub type Result<T> = std::result::Result<T, Error>;
