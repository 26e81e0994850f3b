//! Who waits, or holds: rows of a name and a number in words of a block.
//!
//! A row is taken and given back under the lock of the object that it belongs to; a name that is not 0 is that of a
//! row in use, and is stored last and taken out first. So wherever who does that is killed, a row is there or not.
//! The two bits in a name that name nobody are the object's to tell the row's owner something, who sleeps on them.

use std::time::{Duration, Instant};

use crate::raw::RawLock;
use crate::sync::{AtomicU64, FIRST, Relaxed, WHO, Waits, is_alive, wait_low, wake_low};

/// In a row of one that waits: look again.
const CALLED: u64 = FIRST;

#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// How many from the beginning may be in use.
    top: &'a AtomicU64,
    rows: &'a [AtomicU64],
}

#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) who: &'a AtomicU64,
    pub(crate) number: &'a AtomicU64,
}

/// How many words so many rows take.
pub(crate) const fn words_for(rows: usize) -> usize {
    1 + 2 * rows
}

// ORDERING of all accesses here, but for those that say more: rows are read and written under the lock, and what is
// changed without it is one word that is compared and swapped.
impl<'a> Rows<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Rows<'a> {
        let [top, rows @ ..] = words else { unreachable!("a block that was made or checked too small") };
        Rows { top, rows }
    }

    /// Those in use.
    pub(crate) fn iter(self) -> impl Iterator<Item = Row<'a>> {
        // Another process wrote it.
        let top = usize::try_from(self.top.load(Relaxed)).unwrap_or(usize::MAX);
        self.all().take(top).filter(|row| row.who() != 0)
    }

    fn all(self) -> impl Iterator<Item = Row<'a>> {
        self.rows.chunks_exact(2).map(|row| Row { who: &row[0], number: &row[1] })
    }

    /// A row with this name and number; `None`: all are in use.
    pub(crate) fn add(self, who: u64, number: u64) -> Option<Row<'a>> {
        let top = self.top.load(Relaxed);
        let mut last = 0;
        let mut free = None;
        for (place, row) in (0..=top).zip(self.all()) {
            if row.who.load(Relaxed) != 0 {
                last = place + 1;
            } else if free.is_none() {
                free = Some((place, row));
            }
        }
        let (place, row) = free?;
        row.number.store(number, Relaxed);
        self.top.store(last.max(place + 1), Relaxed);
        row.who.store(who, Relaxed);
        Some(row)
    }

    /// Takes out the rows of those who are dead.
    pub(crate) fn bury(self) {
        self.iter().filter(|row| !is_alive(row.who())).for_each(Row::remove);
    }
}

impl<'a> Row<'a> {
    /// The name, without bits.
    pub(crate) fn who(&self) -> u64 {
        self.who.load(Relaxed) & WHO
    }

    pub(crate) fn number(&self) -> u64 {
        self.number.load(Relaxed)
    }

    pub(crate) fn remove(self) {
        self.who.store(0, Relaxed);
    }

    fn is(&self, other: &Row<'_>) -> bool {
        std::ptr::eq(self.who, other.who)
    }
}

/// Those who wait, in the order in which they came.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// The number of the next who comes.
    ticket: &'a AtomicU64,
    rows: Rows<'a>,
}

/// How many words a line of so many takes.
pub(crate) const fn words_for_line(rows: usize) -> usize {
    1 + words_for(rows)
}

impl<'a> Line<'a> {
    pub(crate) fn new(words: &'a [AtomicU64]) -> Line<'a> {
        let [ticket, rows @ ..] = words else { unreachable!("a block that was made or checked too small") };
        Line { ticket, rows: Rows::new(rows) }
    }

    /// Goes to the end of the line. `None`: there is no room. A `note` of one bit can be read from the row.
    pub(crate) fn join(self, who: u64, note: bool) -> Option<Row<'a>> {
        let ticket = self.ticket.load(Relaxed);
        self.ticket.store(ticket.wrapping_add(1), Relaxed);
        let number = ticket << 1 | u64::from(note);
        self.rows.add(who, number).or_else(|| {
            self.rows.bury();
            self.rows.add(who, number)
        })
    }

    /// Who is first, of those with this note.
    pub(crate) fn first_with(self, which: impl Fn(bool) -> bool) -> Option<Row<'a>> {
        self.rows.iter().filter(|row| which(row.note())).min_by_key(Row::number)
    }

    pub(crate) fn first(self) -> Option<Row<'a>> {
        self.first_with(|_| true)
    }

    /// Whether nobody, or nobody with such a note, came before the owner of this row.
    pub(crate) fn is_next(self, row: Option<&Row<'a>>, which: impl Fn(bool) -> bool) -> bool {
        match (self.first_with(which), row) {
            (None, _) => true,
            (Some(first), Some(row)) => first.is(row) || first.number() > row.number(),
            (Some(_), None) => false,
        }
    }

    /// Takes out the first if it is dead, and so on. Everybody in line does, so whoever is first has somebody who
    /// looks.
    pub(crate) fn bury_first(self) {
        while let Some(first) = self.first().filter(|first| !is_alive(first.who())) {
            first.remove();
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Row<'a>> {
        self.rows.iter()
    }

    /// Waits at this place, if there is one, until `take` has taken what the line is for, at most until `end`. Then the
    /// place is given up, and `leave` tells those whose turn it may be now. Both are called under the lock.
    #[cold]
    pub(crate) fn wait(
        self,
        lock: RawLock<'_>,
        place: Option<Row<'a>>,
        end: Option<Instant>,
        take: impl Fn(Option<&Row<'a>>) -> bool,
        leave: impl FnOnce(),
    ) -> bool {
        let mut waits = Waits::until(end);
        loop {
            let slice = waits.slice();
            if let Some(slice) = slice {
                self.sleep(place.as_ref(), slice);
            }
            let _held = lock.hold();
            self.bury_first();
            let takes = take(place.as_ref());
            if takes || slice.is_none() {
                if let Some(row) = place {
                    row.remove();
                }
                leave();
                return takes;
            }
        }
    }

    /// Sleeps until called, or for a slice. For who has no row, a slice.
    fn sleep(self, row: Option<&Row<'a>>, slice: Duration) {
        match row {
            Some(row) => {
                let name = row.who();
                wait_low(row.who, name, Some(slice));
                row.who.fetch_and(WHO, Relaxed);
            }
            None => wait_low(self.rows.top, self.rows.top.load(Relaxed), Some(slice)),
        }
    }
}

impl Row<'_> {
    pub(crate) fn note(&self) -> bool {
        self.number() & 1 != 0
    }

    /// Has its owner look again.
    pub(crate) fn call(&self) {
        if self.who.fetch_or(CALLED, Relaxed) & CALLED == 0 {
            wake_low(self.who, 1);
        }
    }
}
