//! A task function that is called once, by a process of its own and outside of any pool.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::error::{Error, Result};
use crate::function::TaskFn;
use crate::luggage::Luggage;
use crate::one::{carry, decode, encode, unknown_status};
use crate::outcome::{Failure, Status};
use crate::pool::Message;
use crate::shim;
use crate::work::{Payload, Request};

/// What the process needs to call `f(arg)`.
///
/// # Errors
/// The argument or the context cannot be encoded, or panics as it is.
pub fn request<F, A>(f: F, arg: A) -> Result<Request>
where
    F: TaskFn<A>,
    A: Message,
    F::Output: Message,
{
    let bound = f.bind();
    let input = encode(arg)?;
    let context = carry::<F, A>(&bound)?;
    Ok(Request { entry: shim::one::<F, A>, context, input })
}

/// Runs what needs no request, because this process is a copy of the one that asks; puts out a status and bytes for
/// [`finish`], once, whatever panics in it.
pub fn run<R: Serialize + 'static>(body: impl FnOnce() -> R, output: &mut dyn FnMut(u32, &[u8])) {
    shim::at_hand(body, output);
}

/// What `f` returned, from the status and the bytes that its entry put out, and what came along. They are not trusted.
///
/// # Errors
/// `f` panicked, a value could not be encoded or decoded there, or the result cannot be decoded here.
pub fn finish<R: DeserializeOwned + Send + 'static>(
    status: u32,
    output: Vec<u8>,
    luggage: Option<Luggage>,
) -> Result<R> {
    match Status::from_word(status) {
        Some(Status::Value) => decode(Payload::Heap(output).with(luggage)),
        Some(Status::Failed | Status::Panicked) => Err(decode::<Failure>(Payload::Heap(output))?.into()),
        Some(Status::Mixed) | None => Err(unknown_status(status)),
    }
}

/// Why the entry gave no value, for the process that called it to report.
pub fn failure(status: u32, output: &[u8]) -> Option<Error> {
    match Status::from_word(status) {
        Some(Status::Failed | Status::Panicked) => codec::decode::<Failure>(output).ok().map(Error::from),
        Some(Status::Value | Status::Mixed) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::function::{ContextSlot, with};

    /// As the process does it.
    fn call(request: &Request) -> (u32, Vec<u8>) {
        let (slot, context) = match &request.context {
            None => (ContextSlot::NONE, &[][..]),
            Some(context) => (ContextSlot::new(0, true), &context.bytes[..]),
        };
        let mut outcome = None;
        (request.entry)(slot.to_word(), context, request.input.as_slice(), &mut |status, bytes| {
            outcome = Some((status, bytes.to_vec()));
        });
        outcome.unwrap()
    }

    #[test]
    fn a_value_comes_back() {
        let (status, output) = call(&request(with(3u64, |k, x: u64| k * x), 14).unwrap());
        assert!(failure(status, &output).is_none());
        assert_eq!(finish::<u64>(status, output, None).unwrap(), 42);
    }

    #[test]
    fn a_closure_at_hand_is_run_with_what_it_captured() {
        let text = String::from("abc");
        let call = |body: &dyn Fn() -> usize| {
            let mut outcome = None;
            run(body, &mut |status, bytes| outcome = Some((status, bytes.to_vec())));
            let (status, output) = outcome.unwrap();
            finish::<usize>(status, output, None)
        };
        assert_eq!(call(&|| text.len()).unwrap(), 3);
        assert!(call(&|| panic!("no {text}")).unwrap_err().is_panic());
    }

    #[test]
    fn a_panic_comes_back_and_can_be_reported() {
        let (status, output) = call(&request(|x: u64| 1 / x, 0).unwrap());
        assert!(failure(status, &output).unwrap().is_panic());
        assert!(finish::<u64>(status, output, None).unwrap_err().is_panic());
    }

    #[test]
    fn an_outcome_that_makes_no_sense_is_an_error() {
        assert_eq!(finish::<u64>(9, Vec::new(), None).unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(finish::<u64>(0, vec![1, 2, 3], None).unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(finish::<u64>(1, vec![7], None).unwrap_err().kind(), ErrorKind::Decode);
    }
}
