//! Many `u64` to processes without waiting for the replies.
//!
//! A socket holds only so many messages, so a sender that never receives would block for ever
//! together with its child. Each child's replies are therefore received by a thread of their own.

use super::{Echo, WORDS, answer};
use crate::figure::Side;
use crate::{Result, timing, work};

/// The name of the side.
pub const PIPELINED: &str = "two ipc-channel workers, pipelined";

/// Each slice: the seconds until all `tasks` replies are there.
pub fn pipelined(tasks: usize) -> Result<Side> {
    let mut workers = [Echo::start(WORDS)?, Echo::start(WORDS)?];
    Ok(Side::peer(PIPELINED, move || {
        let (time, sum) = timing::once(|| all(&mut workers, 0..tasks as u64));
        assert_eq!(sum?, (1..=tasks as u64).sum(), "the replies differ");
        Ok(vec![time])
    }))
}

/// The name of the other process that does work.
pub const SPINS: &str = "ipc-spins";

/// Processes that do [`work::spin`], without any pool.
pub struct Spinners(Vec<Echo<u64>>);

impl Spinners {
    /// Starts so many.
    pub fn start(workers: usize) -> Result<Spinners> {
        Ok(Spinners((0..workers).map(|_| Echo::start(SPINS)).collect::<Result<_>>()?))
    }

    /// The sum of the results of so many tasks of so many turns.
    pub fn all(&mut self, turns: u64, tasks: usize) -> Result<u64> {
        all(&mut self.0, std::iter::repeat_n(turns, tasks))
    }
}

/// Does what it is told.
pub fn spins_child(address: &str) -> Result<()> {
    answer(address, work::spin)
}

/// Sends the words to the workers in turn; the sum of all replies.
fn all(workers: &mut [Echo<u64>], words: impl Iterator<Item = u64> + Clone) -> Result<u64> {
    let (count, tasks) = (workers.len(), words.clone().count());
    std::thread::scope(|scope| {
        let (mut requests, mut readers) = (Vec::new(), Vec::new());
        for (i, worker) in workers.iter_mut().enumerate() {
            requests.push(&worker.requests);
            let replies = &mut worker.replies;
            let due = (tasks + count - 1 - i) / count;
            let add = |sum: u64, reply: u64| sum.wrapping_add(reply);
            readers.push(
                scope.spawn(move || (0..due).try_fold(0, |sum, _| Result::Ok(add(sum, replies.recv()?)))),
            );
        }
        for (i, x) in words.enumerate() {
            requests[i % count].send(x)?;
        }
        let mut sums = readers.into_iter().map(|reader| reader.join().unwrap());
        sums.try_fold(0_u64, |all, sum| Ok(all.wrapping_add(sum?)))
    })
}
