//! A table: its question, its columns, and the rounds in which it is filled.

use super::entrant::Who;
use crate::Result;
use crate::figure::{Side, take_turns};

/// What is measured together.
pub(super) struct Table {
    /// By which it is picked on the command line; also its anchor and the name of its plot.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// What it answers.
    pub(super) question: &'static str,
    /// What exactly a number is.
    pub(super) what: String,
    /// What changes from column to column.
    pub(super) axis: Axis,
    /// How its numbers are shown.
    pub(super) reading: Reading,
    pub(super) columns: Vec<Column>,
    pub(super) rounds: usize,
    /// With which of ours a peer is compared.
    pub(super) ours: fn(Who) -> Who,
    /// Those who cannot do what is asked, and why.
    pub(super) notes: Vec<String>,
    /// Starts whoever takes part; they end when what is given is dropped.
    pub(super) start: Box<dyn Fn() -> Result<Field>>,
}

/// Whoever takes part, ready.
pub(super) struct Field {
    /// Those who are not there, and why.
    pub(super) missing: Vec<String>,
    pub(super) sides: Sides,
}

/// Gives the entrants of a column.
pub(super) type Sides = Box<dyn Fn(&Column, Scale) -> Result<Vec<Entry>>>;

/// An entrant and what it does in its turn.
pub(super) type Entry = (Who, Side);

#[derive(Clone)]
pub(super) struct Column {
    pub(super) label: String,
    /// Its place on the axis; none where it is no number.
    pub(super) x: Option<f64>,
    /// Not a part of a quick run.
    pub(super) long: bool,
    /// No more rounds than this.
    pub(super) rounds: usize,
}

/// What an axis is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Axis {
    /// Seconds.
    TaskLength,
    /// Bytes.
    Payload,
    /// Items in a task.
    ChunkSize,
    Workers,
    /// Things that have no order: the table has no plot.
    Cases,
}

/// How a number is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Reading {
    /// The seconds of the serial loop of the same language, divided by these.
    SpeedUp,
    /// Seconds.
    Time,
    /// Bytes.
    Memory,
}

/// How much work a run is.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    pub(super) quick: bool,
}

impl Scale {
    /// Seconds that an entrant's turn may take, about.
    pub(super) fn turn(self) -> f64 {
        if self.quick { 0.002 } else { 0.02 }
    }
}

/// A table that has been filled.
pub(super) struct Measured {
    pub(super) table: Table,
    /// Of `table.columns`, those that were measured.
    pub(super) columns: Vec<(Column, Vec<Cell>)>,
    pub(super) missing: Vec<String>,
}

/// What an entrant gave in a column: a number for each round.
pub(super) struct Cell {
    pub(super) who: Who,
    pub(super) rounds: Vec<f64>,
}

impl Table {
    pub(super) fn measure(self, scale: Scale) -> Result<Measured> {
        let field = (self.start)()?;
        let rounds = if scale.quick { 1 } else { self.rounds };
        let mut columns = Vec::new();
        for column in self.columns.iter().filter(|column| !(scale.quick && column.long)) {
            let (names, sides): (Vec<Who>, Vec<Side>) = (field.sides)(column, scale)?.into_iter().unzip();
            let measured = take_turns(sides, rounds.min(column.rounds), 1)
                .map_err(|error| format!("{}: {error}", column.label))?;
            let cells = names.into_iter().zip(measured);
            let cells = cells.map(|(who, side)| Cell { who, rounds: side.rounds }).collect();
            columns.push((column.clone(), cells));
        }
        Ok(Measured { missing: field.missing, table: self, columns })
    }
}

impl Measured {
    pub(super) fn cell(&self, column: usize, who: Who) -> Option<&Cell> {
        self.columns[column].1.iter().find(|cell| cell.who == who)
    }

    /// The entrants, in the order in which they first appear.
    pub(super) fn entrants(&self) -> Vec<Who> {
        let mut all = Vec::new();
        for cell in self.columns.iter().flat_map(|(_, cells)| cells) {
            if !all.contains(&cell.who) {
                all.push(cell.who);
            }
        }
        all
    }
}

/// An entrant whose turn is `run(n)`: the seconds that `n` items took. It is asked for as many as fill a turn, a
/// multiple of `step`, but for no more than `most`, and gives the seconds of one.
pub(super) fn per_item(
    who: Who,
    step: usize,
    most: usize,
    scale: Scale,
    mut run: impl FnMut(usize) -> Result<f64> + 'static,
) -> Entry {
    let most = most.max(step).next_multiple_of(step);
    let mut count = None;
    let turn = move || {
        let count = match count {
            Some(count) => count,
            None => *count.insert(fitting(step, most, scale.turn(), &mut run)?),
        };
        Ok(vec![run(count)? / count as f64])
    };
    (who, Side::remark(who.name(), turn))
}

fn fitting(step: usize, most: usize, turn: f64, run: &mut dyn FnMut(usize) -> Result<f64>) -> Result<usize> {
    let mut count = step;
    loop {
        let time = run(count)?;
        if count >= most || time >= turn {
            return Ok(count);
        }
        // A first item that is slow tells little of those that follow: no more than eightfold at a time.
        let wanted = (count as f64 * turn / time.max(1e-9)).min(count as f64 * 8.0);
        let wanted = (wanted as usize).next_multiple_of(step).clamp(step, most);
        if wanted <= count {
            return Ok(count);
        }
        count = wanted;
    }
}

/// Columns at these lengths, in seconds.
pub(super) fn lengths(seconds: &[f64]) -> Vec<Column> {
    let column =
        |x: &f64| Column { label: short_time(*x), x: Some(*x), long: *x > 0.002, rounds: usize::MAX };
    seconds.iter().map(column).collect()
}

/// Columns at these sizes, in bytes.
pub(super) fn sizes(bytes: &[usize]) -> Vec<Column> {
    let column = |len: &usize| {
        let rounds = if *len > 32 << 20 { 3 } else { usize::MAX };
        Column { label: size(*len), x: Some(*len as f64), long: *len > 1 << 20, rounds }
    };
    bytes.iter().map(column).collect()
}

/// A round time.
pub(super) fn short_time(seconds: f64) -> String {
    match seconds {
        s if s < 0.9e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 0.9e-3 => format!("{:.0} µs", s * 1e6),
        s => format!("{:.0} ms", s * 1e3),
    }
}

/// A round size.
pub(super) fn size(bytes: usize) -> String {
    match bytes {
        b if b < 1 << 10 => format!("{b} B"),
        b if b < 1 << 20 => format!("{} KiB", b >> 10),
        b => format!("{} MiB", b >> 20),
    }
}
