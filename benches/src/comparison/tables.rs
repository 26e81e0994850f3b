//! The list of all tables.

mod chunks;
mod isolation;
mod lengths;
mod lives;
mod memory;
mod payloads;
mod workers;

use super::table::{Column, Table};

/// All tables, in the order of the report.
pub(super) fn all() -> Vec<Table> {
    [
        lengths::tables(),
        vec![chunks::table()],
        payloads::tables(),
        workers::tables(),
        vec![isolation::table(), lives::table(), memory::table()],
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The number of workers, where it does not change: as many as the machine has cores on which this was written.
const WORKERS: usize = 2;

/// Columns that are no numbers.
fn cases(labels: &[&str]) -> Vec<Column> {
    let column =
        |label: &&str| Column { label: (*label).to_owned(), x: None, long: false, rounds: usize::MAX };
    labels.iter().map(column).collect()
}
