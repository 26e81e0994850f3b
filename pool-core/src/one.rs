//! The task of `apply` and `apply_async`: one item, its result, and the handle's view of both, in
//! one allocation.

use std::sync::Arc;

use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};

use crate::again;
use crate::backend::Backend;
use crate::codec::{self, CodecError};
use crate::error::{Error, ErrorKind, PanicInfo, Result, Worker};
use crate::event::Event;
use crate::function::{Carried, TaskFn};
use crate::handle::Pending;
use crate::luggage::{self, Way};
use crate::outcome::{Failure, Status};
use crate::panics;
use crate::scratch::with_scratch;
use crate::shim;
use crate::slot::{AsSlot, Callback, Raw, Slot};
use crate::work::{End, Limits, Payload, Request, Task, Work};

pub(crate) struct One<T: TaskFn<A>, A> {
    bound: T::Bound,
    /// Those of a call without options are not worth a place.
    limits: Option<Box<Limits>>,
    slot: Slot<A, T::Output, OneRaw<T::Output>>,
}

/// The outcome as it came. It is small, because all results of a call may wait at once: what is rare, or
/// large, is behind a pointer.
pub(crate) enum OneRaw<R> {
    Value(R),
    Failed(Error),
    /// An encoded value of a few bytes.
    Short {
        len: u8,
        bytes: [u8; SHORT],
    },
    Reply(Box<Reply>),
}

/// With its length and the kind of the outcome, such a value is two words.
const SHORT: usize = 14;

pub(crate) struct Reply {
    status: u32,
    output: Payload,
    worker: Option<Box<Worker>>,
}

impl<R> From<End> for OneRaw<R> {
    fn from(end: End) -> OneRaw<R> {
        match end {
            End::Failed(error) => OneRaw::Failed(error),
            End::Reply { status, output: Payload::Inline { len, bytes }, .. }
                if status == Status::Value as u32 && usize::from(len) <= SHORT =>
            {
                let mut short = [0; SHORT];
                short.copy_from_slice(&bytes.0[..SHORT]);
                OneRaw::Short { len, bytes: short }
            }
            End::Reply { status, output, worker } => {
                OneRaw::Reply(Box::new(Reply { status, output, worker }))
            }
        }
    }
}

impl<R: DeserializeOwned + Send + 'static> Raw<R> for OneRaw<R> {
    fn finish(self) -> Result<R> {
        let Reply { status, output, worker } = match self {
            OneRaw::Value(value) => return Ok(value),
            OneRaw::Failed(error) => return Err(error),
            OneRaw::Short { len, bytes } => return decode_slice(&bytes[..usize::from(len).min(SHORT)]),
            OneRaw::Reply(reply) => *reply,
        };
        match Status::from_word(status) {
            Some(Status::Value) => decode(output),
            Some(Status::Failed | Status::Panicked) => {
                Err(Error::from(decode::<Failure>(output)?).by(worker.as_deref()))
            }
            Some(Status::Mixed) | None => Err(unknown_status(status)),
        }
    }
}

pub(crate) fn unknown_status(status: u32) -> Error {
    Error::new(ErrorKind::Decode, format!("the worker's reply has the unknown status {status}"))
}

/// Decodes a few bytes that a worker sent.
fn decode_slice<V: DeserializeOwned + 'static>(bytes: &[u8]) -> Result<V> {
    decoded(panics::catch(|| codec::from_plain_slice(bytes).unwrap_or_else(|| codec::decode(bytes))))
}

/// Decodes what a worker sent.
pub(crate) fn decode<V: DeserializeOwned + 'static>(output: Payload) -> Result<V> {
    let (output, luggage) = output.apart();
    let decode = || {
        panics::catch(|| match output {
            Payload::Heap(bytes) if codec::is_plain::<V>() => {
                codec::from_plain(bytes).unwrap_or_else(|| Err(CodecError::custom("not a plain value")))
            }
            other => {
                codec::from_plain_slice(other.as_slice()).unwrap_or_else(|| codec::decode(other.as_slice()))
            }
        })
    };
    let Some(luggage) = luggage else { return decoded(decode()) };
    let unclaimed = || Ok(Err(CodecError::custom("nobody is there for what came along with it")));
    decoded(luggage::unpack(&luggage, decode).unwrap_or_else(unclaimed))
}

fn decoded<V>(decoded: std::result::Result<std::result::Result<V, CodecError>, PanicInfo>) -> Result<V> {
    match decoded {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            Err(Error::new(ErrorKind::Decode, format!("the result: {error}")).with_source(error))
        }
        Err(panic) => Err(Error::panicked(panic)),
    }
}

/// Encodes a value to be sent; an array is moved. The panics of the user's code are errors.
pub(crate) fn encode<V: Serialize + Send + 'static>(value: V) -> Result<Payload> {
    if let Some((bytes, len)) = codec::number(&value) {
        return Ok(Payload::copy_of(&bytes[..len]));
    }
    let encoded = panics::catch(|| match codec::into_plain(value) {
        Ok(plain) => Ok(Payload::Plain(plain)),
        Err(value) => with_scratch(|scratch| {
            let (encoded, luggage) = luggage::pack(Way::There, || codec::encode(&value, scratch));
            encoded?;
            let payload = match scratch.len() {
                0..=Payload::INLINE => Payload::copy_of(scratch),
                _ => Payload::Heap(std::mem::take(scratch)),
            };
            Ok(payload.with(luggage))
        }),
    });
    match encoded {
        Ok(Ok(payload)) => Ok(payload),
        Ok(Err(error)) => Err(encode_error("the argument", error)),
        Err(panic) => Err(Error::panicked(panic)),
    }
}

/// Encodes what is bound to a function. The panics of the user's code are errors.
pub(crate) fn carry<T: TaskFn<A>, A>(bound: &T::Bound) -> Result<Option<Carried>> {
    match panics::catch(|| T::carry(bound)) {
        Ok(carried) => carried.map_err(|error| encode_error("the context", error)),
        Err(panic) => Err(Error::panicked(panic)),
    }
}

pub(crate) fn encode_error(what: &str, error: CodecError) -> Error {
    Error::new(ErrorKind::Encode, format!("{what}: {error}")).with_source(error)
}

impl<T, A> One<T, A>
where
    T: TaskFn<A>,
    T::Output: Serialize + DeserializeOwned + Send + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    pub(crate) fn new(f: T, arg: A, limits: Limits) -> Arc<One<T, A>> {
        let bound = f.bind();
        let limits = (limits != Limits::default()).then(|| Box::new(limits));
        Arc::new(One { bound, limits, slot: Slot::new(Some(arg)) })
    }

    fn settle(self: &Arc<Self>, raw: OneRaw<T::Output>) -> bool {
        self.slot.settle(raw, || self.clone())
    }
}

impl<T, A> Work for One<T, A>
where
    T: TaskFn<A>,
    T::Output: Serialize + DeserializeOwned + Send + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    fn run(self: Arc<Self>) {
        let Some(arg) = self.slot.take_arg() else { return };
        let attempt = |arg| panics::catch(|| T::call(&self.bound, arg));
        let limits = self.limits.as_deref().copied().unwrap_or_default();
        let outcome =
            again::persistently(limits, arg, attempt, std::result::Result::is_err, || self.wanted());
        self.settle(match outcome {
            Ok(Ok(value)) => OneRaw::Value(value),
            Ok(Err(panic)) => OneRaw::Failed(Error::panicked(panic).by(Some(&Worker::this_thread()))),
            Err(error) => OneRaw::Failed(error),
        });
    }

    fn request(&self) -> Result<Option<Request>> {
        let Some(arg) = self.slot.take_arg() else { return Ok(None) };
        let input = encode(arg)?;
        let context = carry::<T, A>(&self.bound)?;
        Ok(Some(Request { entry: shim::one::<T, A>, context, input }))
    }

    fn end(self: Arc<Self>, end: End) {
        self.settle(end.into());
    }

    fn wanted(&self) -> bool {
        self.slot.is_pending()
    }

    fn withhold(&self) -> bool {
        self.slot.withhold()
    }

    fn release(&self) {
        self.slot.release();
    }

    fn limits(&self) -> Option<&Limits> {
        self.limits.as_deref()
    }
}

impl<T, A> AsSlot<A, T::Output, OneRaw<T::Output>> for One<T, A>
where
    T: TaskFn<A>,
    T::Output: Serialize + DeserializeOwned + Send + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    fn as_slot(&self) -> &Slot<A, T::Output, OneRaw<T::Output>> {
        &self.slot
    }
}

impl<T, A> Pending<T::Output> for One<T, A>
where
    T: TaskFn<A>,
    T::Output: Serialize + DeserializeOwned + Send + 'static,
    A: Serialize + DeserializeOwned + Send + 'static,
{
    fn event(&self) -> &Event {
        &self.slot.event
    }

    fn take(&self) -> Result<T::Output> {
        self.slot.take()
    }

    fn look(&self, show: &mut dyn FnMut(&Result<T::Output>)) {
        self.slot.look(show);
    }

    fn on_end(&self, callback: Callback<T::Output>, backend: &Arc<dyn Backend>) {
        self.slot.on_end(callback, backend);
    }

    fn cancel(self: Arc<Self>, backend: &dyn Backend) -> bool {
        let cancelled = self.settle(OneRaw::Failed(Error::new(ErrorKind::Cancelled, "")));
        if cancelled {
            backend.forget(&(self as Task));
        }
        cancelled
    }

    fn has_begun(self: Arc<Self>, backend: &dyn Backend) -> bool {
        if self.slot.is_settled() {
            return true;
        }
        !self.slot.has_arg() && backend.has_begun(&(self as Task))
    }

    fn withdraw(self: Arc<Self>, backend: &dyn Backend) -> bool {
        // Whoever takes the argument first has the task.
        let arg = self.slot.withhold_arg();
        // One that has ended is not looked for.
        if arg.is_none() && (self.slot.is_settled() || !backend.withdraw(&(self.clone() as Task))) {
            return false;
        }
        drop(arg); // The user's, never used.
        self.slot.end_withheld(OneRaw::Failed(Error::new(ErrorKind::Cancelled, "")));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hundreds of thousands of them may wait at once.
    #[test]
    fn a_task_and_its_handle_are_small() {
        fn size_of_task<T: TaskFn<u64, Output = u64>>(_: T) -> usize {
            size_of::<One<T, u64>>()
        }
        assert_eq!(size_of_task(|x: u64| x), 72);
        assert_eq!(size_of::<crate::AsyncResult<u64>>(), 40);
    }

    #[test]
    fn a_value_is_the_same_however_short_its_encoding() {
        for len in 0..2 * SHORT {
            let text = "x".repeat(len);
            let mut bytes = Vec::new();
            codec::encode(&(text.clone(), 7u8), &mut bytes).unwrap();
            let end =
                End::Reply { status: Status::Value as u32, output: Payload::copy_of(&bytes), worker: None };
            assert_eq!(OneRaw::<(String, u8)>::from(end).finish().unwrap(), (text, 7));
        }
    }
}
