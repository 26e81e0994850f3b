//! Many `u64` to two processes without waiting for the replies.
//!
//! A socket holds only so many messages, so a sender that never receives would block for ever
//! together with its child. Each child's replies are therefore received by a thread of their own.

use super::{Echo, WORDS};
use crate::figure::Side;
use crate::{Result, timing};

/// The name of the side.
pub const PIPELINED: &str = "two ipc-channel workers, pipelined";

/// Each slice: the seconds until all `tasks` replies are there.
pub fn pipelined(tasks: usize) -> Result<Side> {
    let mut workers: [Echo<u64>; 2] = [Echo::start(WORDS)?, Echo::start(WORDS)?];
    Ok(Side::peer(PIPELINED, move || {
        let (time, sum) = timing::once(|| all(&mut workers, tasks as u64));
        assert_eq!(sum?, (1..=tasks as u64).sum(), "the replies differ");
        Ok(vec![time])
    }))
}

/// Sends the words up to `tasks` to the workers in turn; the sum of all replies.
fn all(workers: &mut [Echo<u64>; 2], tasks: u64) -> Result<u64> {
    std::thread::scope(|scope| {
        let (mut requests, mut readers) = (Vec::new(), Vec::new());
        for (i, worker) in workers.iter_mut().enumerate() {
            requests.push(&worker.requests);
            let replies = &mut worker.replies;
            let due = (tasks + 1 - i as u64) / 2;
            readers
                .push(scope.spawn(move || (0..due).try_fold(0, |sum, _| Result::Ok(sum + replies.recv()?))));
        }
        for x in 0..tasks {
            requests[(x % 2) as usize].send(x)?;
        }
        let sums = readers.into_iter().map(|reader| reader.join().unwrap());
        sums.sum()
    })
}
