//! What running a task gave, and the form in which another process sends it.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::error::{Error, ErrorKind, PanicInfo};
use crate::function::TaskFn;
use crate::panics;

/// The first word of a reply: what its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Status {
    /// The value, or for a chunk all its values.
    Value = 0,
    /// A [`Failure`] of the whole task.
    Failed = 1,
    /// A chunk, some items of which panicked: a [`Ran`].
    Mixed = 2,
    /// A [`Failure`] of the whole task that is a panic.
    Panicked = 3,
}

impl Status {
    pub(crate) fn from_word(word: u32) -> Option<Status> {
        [Status::Value, Status::Failed, Status::Mixed, Status::Panicked]
            .into_iter()
            .find(|status| *status as u32 == word)
    }
}

/// Why an item gave no value, as it crosses the boundary.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Failure {
    /// The user's code panicked.
    Panicked(PanicInfo),
    /// The argument or the context could not be decoded in the worker.
    Undecodable(String),
    /// The result could not be encoded in the worker.
    Unencodable(String),
}

impl Failure {
    pub(crate) fn undecodable(error: CodecError) -> Failure {
        Failure::Undecodable(error.to_string())
    }

    pub(crate) fn unencodable(error: CodecError) -> Failure {
        Failure::Unencodable(error.to_string())
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Panicked(panic) => Error::panicked(panic),
            Failure::Undecodable(text) => {
                Error::new(ErrorKind::Decode, format!("the argument, in the worker: {text}"))
            }
            Failure::Unencodable(text) => {
                Error::new(ErrorKind::Encode, format!("the result, in the worker: {text}"))
            }
        }
    }
}

/// What running a chunk gave: the values in order, and which items gave none.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ran<R> {
    pub(crate) values: Vec<R>,
    /// Position within the chunk, ascending, and why.
    pub(crate) failures: Vec<(usize, Failure)>,
}

impl<R> Ran<R> {
    /// Runs a chunk. After a panic it goes on with the next item, or ends there (`stop`).
    pub(crate) fn of<T, A>(bound: &T::Bound, items: Vec<A>, stop: bool) -> Ran<R>
    where
        T: TaskFn<A, Output = R>,
    {
        if stop {
            return Ran::until_failure::<T, A>(bound, items);
        }
        let mut ran = Ran { values: Vec::with_capacity(items.len()), failures: Vec::new() };
        ran.go_on::<T, A>(bound, items);
        ran
    }

    /// Goes on with a chunk, some of whose values are there already, behind an item that panicked.
    pub(crate) fn after<T, A>(bound: &T::Bound, values: Vec<R>, panic: PanicInfo, items: Vec<A>) -> Ran<R>
    where
        T: TaskFn<A, Output = R>,
    {
        let failures = vec![(values.len(), Failure::Panicked(panic))];
        let mut ran = Ran { values, failures };
        ran.go_on::<T, A>(bound, items);
        ran
    }

    fn go_on<T, A>(&mut self, bound: &T::Bound, items: Vec<A>)
    where
        T: TaskFn<A, Output = R>,
    {
        let mut items = items.into_iter();
        while let Err(panic) = extend::<T, A>(&mut self.values, bound, &mut items) {
            let at = self.values.len() + self.failures.len();
            self.failures.push((at, Failure::Panicked(panic)));
        }
    }

    /// Where the first failure is all that counts, values can take the place of their items in memory: a
    /// collected `Vec` does that by itself when they are of the same size.
    fn until_failure<T, A>(bound: &T::Bound, items: Vec<A>) -> Ran<R>
    where
        T: TaskFn<A, Output = R>,
    {
        let done = Cell::new(0);
        let run = |item| {
            let value = T::call(bound, item);
            done.set(done.get() + 1);
            value
        };
        match panics::catch(|| items.into_iter().map(run).collect()) {
            Ok(values) => Ran { values, failures: Vec::new() },
            Err(panic) => Ran { values: Vec::new(), failures: vec![(done.get(), Failure::Panicked(panic))] },
        }
    }
}

/// Runs items until one panics, adding their values to `values`.
///
/// Extending by an iterator of known length keeps the loop free of checks, and leaves the vector at the
/// number of values made when an item panics.
pub(crate) fn extend<T, A>(
    values: &mut Vec<T::Output>,
    bound: &T::Bound,
    items: &mut std::vec::IntoIter<A>,
) -> Result<(), PanicInfo>
where
    T: TaskFn<A>,
{
    panics::catch(|| values.extend(items.map(|item| T::call(bound, item))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_its_item_alone() {
        let odd_only = |x: u32| if x.is_multiple_of(2) { panic!("even {x}") } else { x };
        fn run<T: TaskFn<u32, Output = u32>>(f: T, stop: bool) -> Ran<u32> {
            Ran::of::<T, u32>(&f.bind(), vec![1, 2, 3, 4, 5], stop)
        }
        let ran = run(odd_only, false);
        assert_eq!(ran.values, [1, 3, 5]);
        assert_eq!(ran.failures.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 3]);
        let ran = run(odd_only, true);
        assert_eq!(ran.failures.iter().map(|f| f.0).collect::<Vec<_>>(), [1]);
    }
}
