//! By the number of items in a task.

use std::rc::Rc;

use super::WORKERS;
use super::lengths::spinning;
use crate::Result;
use crate::comparison::crew::{Crew, Grain};
use crate::comparison::entrant::like_kind;
use crate::comparison::table::{Axis, Column, Field, Reading, Scale, Table};

pub(super) fn table() -> Table {
    let sizes = [1, 10, 100, 1_000, 10_000];
    let column = |size: &usize| Column {
        label: size.to_string(),
        x: Some(*size as f64),
        long: *size > 1_000,
        rounds: usize::MAX,
    };
    let mut columns: Vec<Column> = sizes.iter().map(column).collect();
    columns.push(Column { label: "as it likes".into(), x: None, long: false, rounds: usize::MAX });
    Table {
        name: "chunks",
        title: "Items of 1 µs, so many in a task",
        question: "How many short items should a task have?",
        what: "Speed-up over a plain loop in the same language. Each item computes for 1 µs; 2 workers."
            .into(),
        axis: Axis::ChunkSize,
        reading: Reading::SpeedUp,
        columns,
        rounds: 5,
        ours: like_kind,
        notes: vec!["threadpool, rusty_pool, procspawn and ipc-channel know no chunks.".into()],
        start: Box::new(start),
    }
}

fn start() -> Result<Field> {
    let crew = Rc::new(Crew::start(WORKERS)?);
    let missing = crew.missing.clone();
    let sides = move |column: &Column, scale: Scale| {
        let grain = column.x.map_or(Grain::Default, |size| Grain::Chunk(size as usize));
        spinning(&crew, 1e-6, grain, scale)
    };
    Ok(Field { missing, sides: Box::new(sides) })
}
