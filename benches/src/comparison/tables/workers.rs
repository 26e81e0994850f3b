//! By the number of workers: for work that computes, and for work that waits.

use super::lengths::spinning;
use crate::comparison::crew::{Crew, Grain, Job};
use crate::comparison::entrant::like_kind;
use crate::comparison::table::{Axis, Column, Entry, Field, Reading, Scale, Table};
use crate::{Result, work};

const NUMBERS: [usize; 3] = [1, 2, 4];
const WAIT_MICROS: u64 = 1_000;

pub(super) fn tables() -> Vec<Table> {
    vec![
        Table {
            name: "workers",
            title: "Tasks of 100 µs that compute, by workers",
            question: "What do more workers gain for work that computes, up to the number of cores and past it?",
            what: "Speed-up over a plain loop in the same language. Each item is a task of its own and computes for \
                   100 µs."
                .into(),
            start: Box::new(|| start(|crew, scale| spinning(crew, 1e-4, Grain::One, scale))),
            ..by_workers()
        },
        Table {
            name: "waits",
            title: "Tasks of 1 ms that wait, by workers",
            question: "What do more workers gain for work that waits, as for a disk or a network?",
            what: "Speed-up over a plain loop in the same language. Each item is a task of its own and sleeps for 1 ms."
                .into(),
            start: Box::new(|| start(waiting)),
            notes: vec!["The bare ipc-channel's other end has one function, which computes.".into()],
            ..by_workers()
        },
    ]
}

fn by_workers() -> Table {
    let column =
        |n: &usize| Column { label: n.to_string(), x: Some(*n as f64), long: false, rounds: usize::MAX };
    Table {
        name: "",
        title: "",
        question: "",
        what: String::new(),
        axis: Axis::Workers,
        reading: Reading::SpeedUp,
        columns: NUMBERS.iter().map(column).collect(),
        rounds: 5,
        ours: like_kind,
        notes: Vec::new(),
        start: Box::new(|| Err("a table of workers without entrants".into())),
    }
}

/// Crews of one number each; all are there all the time, and idle when it is not their turn.
fn start(entries: fn(&Crew, Scale) -> Result<Vec<Entry>>) -> Result<Field> {
    let crews: Vec<Crew> = NUMBERS.iter().map(|n| Crew::start(*n)).collect::<Result<_>>()?;
    let missing = crews[0].missing.clone();
    let sides = move |column: &Column, scale: Scale| {
        let crew = crews.iter().find(|crew| Some(crew.workers as f64) == column.x);
        entries(crew.ok_or("no crew of this number")?, scale)
    };
    Ok(Field { missing, sides: Box::new(sides) })
}

fn waiting(crew: &Crew, scale: Scale) -> Result<Vec<Entry>> {
    let most = (scale.turn() * 1e6) as usize / WAIT_MICROS as usize;
    let python = Some(("wait", WAIT_MICROS));
    let job = Job { f: work::wait, item: WAIT_MICROS, most, grain: Grain::One, python };
    Ok(crew.mapping(job, work::wait, scale))
}
