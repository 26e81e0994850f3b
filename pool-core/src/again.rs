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
    if !limits.retry_panics || limits.retries == 0 {
        return Ok(attempt(arg));
    }
    let encoded = panics::catch(|| match codec::with_plain(&arg, <[u8]>::to_vec) {
        Some(bytes) => Ok(bytes),
        None => {
            let mut bytes = Vec::new();
            codec::encode(&arg, &mut bytes).map(|()| bytes)
        }
    });
    let bytes = match encoded {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => return Err(encode_error("the argument, to keep a copy", error)),
        Err(panic) => return Err(Error::panicked(panic)),
    };
    let mut outcome = attempt(arg);
    for _ in 0..limits.retries {
        if !panicked(&outcome) || !wanted() {
            break;
        }
        outcome = attempt(decode(Payload::copy_of(&bytes))?);
    }
    Ok(outcome)
}
