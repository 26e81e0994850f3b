//! What threads of one process have in common, and processes have not.

use super::{WORKERS, cases};
use crate::comparison::crew::{Crew, Grain, Job};
use crate::comparison::entrant::like_kind;
use crate::comparison::table::{Axis, Column, Entry, Field, Reading, Scale, Table};
use crate::{Result, work};

const ARITHMETIC: &str = "arithmetic, 1 ms";
const LOCK: &str = "the same under a global lock";
const ALLOCATIONS: &str = "a map of 10 000 strings";
const PAGES: &str = "48 MiB of fresh memory";

pub(super) fn table() -> Table {
    Table {
        name: "isolation",
        title: "What threads share",
        question: "What do tasks lose that need something of which a process has only one?",
        what: "Speed-up over a plain loop in Rust, each item a task of its own; 2 workers. The global lock stands for a \
               library that must not be called by two threads at once. The map and the memory are made and dropped by \
               each task: threads share an allocator (glibc's) and an address space."
            .into(),
        axis: Axis::Cases,
        reading: Reading::SpeedUp,
        columns: cases(&[ARITHMETIC, LOCK, ALLOCATIONS, PAGES]),
        rounds: 9,
        ours: like_kind,
        notes: Vec::new(),
        start: Box::new(start),
    }
}

fn start() -> Result<Field> {
    let crew = Crew::in_rust(WORKERS)?;
    let sides = move |column: &Column, scale: Scale| Ok(entries(&crew, &column.label, scale));
    Ok(Field { missing: Vec::new(), sides: Box::new(sides) })
}

fn entries(crew: &Crew, case: &str, scale: Scale) -> Vec<Entry> {
    let turns = work::turns_in(1e-3);
    let most = (scale.turn() / 1e-3) as usize;
    let grain = Grain::One;
    match case {
        LOCK => {
            let job = Job { f: work::spin_locked, item: turns, most, grain, python: None };
            crew.mapping(job, work::spin_locked, scale)
        }
        ALLOCATIONS => {
            let job = Job { f: work::small_allocations, item: 10_000, most, grain, python: None };
            crew.mapping(job, work::small_allocations, scale)
        }
        PAGES => {
            let job = Job { f: work::fresh_pages, item: 48 << 20, most: 4, grain, python: None };
            crew.mapping(job, work::fresh_pages, scale)
        }
        _ => {
            let job = Job { f: work::spin, item: turns, most, grain, python: None };
            crew.mapping(job, work::spin, scale)
        }
    }
}
