//! By the length of a task: what a task costs beside its work.

use std::rc::Rc;

use super::WORKERS;
use crate::comparison::crew::{Crew, Grain, Job};
use crate::comparison::entrant::like_kind;
use crate::comparison::table::{Axis, Column, Entry, Field, Reading, Scale, Table, lengths};
use crate::{Result, work};

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "tasks",
            title: "A task for each item",
            question: "From which length on is a task worth sending, to a thread and to a process?",
            what: "Speed-up over a plain loop in the same language. Each item computes for so long and is a task of \
                   its own (`chunk_size(1).map`, `with_max_len(1)`, one job, `chunksize=1`); 2 workers."
                .into(),
            axis: Axis::TaskLength,
            reading: Reading::SpeedUp,
            columns: lengths(&[1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
            rounds: 5,
            ours: like_kind,
            notes: vec!["Python's entrants are asked from 1 µs on: a call of a function takes it some 50 ns.".into()],
            start: Box::new(|| start(Grain::One)),
        },
        Table {
            name: "maps",
            title: "A map, in chunks as each pool likes",
            question: "What does a plain `map` gain, if the pool may put many items into a task?",
            what: "As above, but with `map` as it is, without a word about chunks; 2 workers.".into(),
            axis: Axis::TaskLength,
            reading: Reading::SpeedUp,
            columns: lengths(&[1e-7, 1e-6, 1e-5, 1e-4, 1e-3]),
            rounds: 5,
            ours: like_kind,
            notes: vec!["threadpool, rusty_pool, procspawn and ipc-channel have no map.".into()],
            start: Box::new(|| start(Grain::Default)),
        },
    ]
}

fn start(grain: Grain) -> Result<Field> {
    let crew = Rc::new(Crew::start(WORKERS)?);
    let missing = crew.missing.clone();
    let sides = move |column: &Column, scale: Scale| spinning(&crew, column.x.unwrap_or(1e-6), grain, scale);
    Ok(Field { missing, sides: Box::new(sides) })
}

/// All of the crew with items of so many seconds.
pub(super) fn spinning(crew: &Crew, seconds: f64, grain: Grain, scale: Scale) -> Result<Vec<Entry>> {
    let most = (scale.turn() / seconds).ceil() as usize;
    let python = match crew.python_serial() {
        Some(python) if seconds > 0.9e-6 => Some(("spin", python.ask(&format!("turns {seconds}"))? as u64)),
        _ => None,
    };
    let item = work::turns_in(seconds);
    let job = Job { f: work::spin, item, most, grain, python };
    let mut entries = crew.mapping(job, work::spin, scale);
    if grain == Grain::One {
        entries.push(crew.spinning(item, most, scale));
    }
    Ok(entries)
}
