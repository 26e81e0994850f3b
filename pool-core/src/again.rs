//! Trying a task again after a panic, on a worker that shares this process's memory.
//!
//! The function takes its argument by value, and after a panic the argument is gone. So that of a task that
//! is to be tried again is encoded before, as if it went elsewhere, and each further try has a copy.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Error, Result};
use crate::one::{decode, encode_error};
use crate::panics;
use crate::work::{Limits, Payload};

/// Runs `attempt` on `arg`, and again on copies of it while it says that it panicked, someone wants the
/// result, and the limits allow.
///
/// # Errors
/// The argument cannot be encoded, or its copy not be decoded.
pub(crate) fn persistently<A, V>(
    limits: Limits,
    arg: A,
    mut attempt: impl FnMut(A) -> V,
    panicked: impl Fn(&V) -> bool,
    wanted: impl Fn() -> bool,
) -> Result<V>
where
    A: Serialize + DeserializeOwned + Send + 'static,
{
    let mut copies = match limits.retry_panics && limits.retries > 0 {
        true => Some(Copies::of(&arg, limits.retries)?),
        false => None,
    };
    let mut arg = arg;
    // One place calls it: it is the user's function, and compiled into each place.
    loop {
        let outcome = attempt(arg);
        match &mut copies {
            Some(copies) if panicked(&outcome) && copies.left > 0 && wanted() => arg = copies.next()?,
            _ => return Ok(outcome),
        }
    }
}

/// What further tries begin with.
struct Copies {
    encoded: Vec<u8>,
    left: u32,
}

impl Copies {
    #[cold]
    fn of<A: Serialize + 'static>(arg: &A, left: u32) -> Result<Copies> {
        let encoded = panics::catch(|| match codec::with_plain(arg, <[u8]>::to_vec) {
            Some(bytes) => Ok(bytes),
            None => {
                let mut bytes = Vec::new();
                codec::encode(arg, &mut bytes).map(|()| bytes)
            }
        });
        match encoded {
            Ok(Ok(encoded)) => Ok(Copies { encoded, left }),
            Ok(Err(error)) => Err(encode_error("the argument, to keep a copy", error)),
            Err(panic) => Err(Error::panicked(panic)),
        }
    }

    #[cold]
    fn next<A: DeserializeOwned + 'static>(&mut self) -> Result<A> {
        self.left -= 1;
        decode(Payload::copy_of(&self.encoded))
    }
}
