//! How a function crosses to another process without its bytes.
//!
//! A `fn` item or a capture-free closure is a type without content: any process of the same build
//! can call it, given only the address of code that was instantiated for that type. This file makes
//! that code. [`one`] and [`chunk`] are instantiated where the user calls the pool, and their
//! address, relative to the program's image, is what a request carries; there they decode the
//! argument, conjure the function out of its type, run it, and encode what came of it.
//!
//! Its `unsafe` is two expressions: in [`conjure`], and in [`is_same`], for this is the file of types that the compiler
//! knows and a generic caller does not.

#![allow(unsafe_code)]

use std::any::TypeId;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::function::{ContextSlot, TaskFn};
use crate::luggage::{self, Way};
use crate::outcome::{Failure, Ran, Status};
use crate::panics;
use crate::scratch::with_scratch;

/// The typed entry of a task function, as a worker calls it: the word of a [`ContextSlot`], the
/// context's bytes when it is fresh, the encoded argument, and where to put the [`Status`] and
/// encoding of what came of it (called exactly once).
///
/// It is made of nothing but primitive types, so that a transport can carry it without knowing
/// what a task is.
pub type Entry = fn(slot: u32, context: &[u8], input: &[u8], output: &mut dyn FnMut(u32, &[u8]));

/// Takes a task function out of the caller's hands for ever, which is what lets [`conjure`] lend it.
///
/// Refuses, when the program is built, a function that carries data.
pub(crate) fn give_up<F: Send + Sync + 'static>(f: F) {
    const {
        assert!(
            size_of::<F>() == 0 && !std::mem::needs_drop::<F>(),
            "a task function must capture nothing, because another process cannot have what it captured: \
             bind data with `with(context, |context, x| ..)`, and pass a `fn` item rather than a `fn` pointer"
        );
    }
    std::mem::forget(f);
}

/// A reference to the task function of type `F`.
#[inline(always)]
pub(crate) fn conjure<F: Send + Sync + 'static>() -> &'static F {
    const { assert!(size_of::<F>() == 0, "a task function must capture nothing: see the error before this one") }
    // SAFETY: F has no bytes (asserted), so a well-aligned dangling pointer is a valid place for it.
    // A value of it existed and was given up: `conjure` is reached only from `TaskFn::call`, and by
    // `lend`, for a function that passed `give_up`, in this process or in the one of the same build
    // that asked for it. F: Sync allows to share it between threads, F: 'static to do so for ever.
    unsafe { std::ptr::NonNull::<F>::dangling().as_ref() }
}

/// Whether `T` is `U` but for lifetimes, where it is not known that `T` has none. Folds to a constant.
pub(crate) fn is_same<T, U: 'static>() -> bool {
    trait Id {
        fn id(&self) -> TypeId
        where
            Self: 'static;
    }
    impl<T> Id for PhantomData<T> {
        fn id(&self) -> TypeId
        where
            Self: 'static,
        {
            TypeId::of::<T>()
        }
    }
    let phantom = PhantomData::<T>;
    let any: &(dyn Id + '_) = &phantom;
    // SAFETY: only the lifetime within the type is changed, of an object that has no data and lives as long as it is
    // used here. `id` is the same code for every lifetime. Nothing is made of what it says but a `bool`.
    let any = unsafe { std::mem::transmute::<&(dyn Id + '_), &(dyn Id + 'static)>(any) };
    any.id() == TypeId::of::<U>()
}

/// The entry for one item.
pub(crate) fn one<T, A>(slot: u32, context: &[u8], input: &[u8], output: &mut dyn FnMut(u32, &[u8]))
where
    T: TaskFn<A>,
    T::Output: Serialize + 'static,
    A: DeserializeOwned + 'static,
{
    serve(output, |output| {
        let bound = T::receive(ContextSlot::from_word(slot), context).map_err(Failure::undecodable)?;
        let arg: A = decode(input)?;
        let value = panics::catch(|| T::call(&bound, arg)).map_err(Failure::Panicked)?;
        encode(&value, Status::Value, output)
    });
}

/// The entry for a chunk of items. `STOP`: the first failure ends the chunk.
pub(crate) fn chunk<T, A, const STOP: bool>(
    slot: u32,
    context: &[u8],
    input: &[u8],
    output: &mut dyn FnMut(u32, &[u8]),
) where
    T: TaskFn<A>,
    T::Output: Serialize + 'static,
    A: DeserializeOwned + 'static,
{
    serve(output, |output| {
        let bound = T::receive(ContextSlot::from_word(slot), context).map_err(Failure::undecodable)?;
        let items: Vec<A> = decode(input)?;
        let ran = Ran::of::<T, A>(&bound, items, STOP);
        match ran.failures.is_empty() {
            true => encode(&ran.values, Status::Value, output),
            false => encode(&ran, Status::Mixed, output),
        }
    });
}

/// The same for a function that is at hand, with what it captured, and its argument.
pub(crate) fn at_hand<V: Serialize + 'static>(body: impl FnOnce() -> V, output: &mut dyn FnMut(u32, &[u8])) {
    serve(output, |output| {
        let value = panics::catch(body).map_err(Failure::Panicked)?;
        encode(&value, Status::Value, output)
    });
}

/// Runs `body`; whatever of the user's code panics in it (decoding, encoding, dropping), the one
/// outcome is put out.
fn serve(
    output: &mut dyn FnMut(u32, &[u8]),
    body: impl FnOnce(&mut dyn FnMut(u32, &[u8])) -> Result<(), Failure>,
) {
    let mut done = false;
    let mut once = |status: u32, bytes: &[u8]| {
        if !std::mem::replace(&mut done, true) {
            output(status, bytes);
        }
    };
    let failure = match panics::catch(|| body(&mut once)) {
        Ok(Ok(())) => return,
        Ok(Err(failure)) => failure,
        Err(panic) => Failure::Panicked(panic),
    };
    let status = match failure {
        Failure::Panicked(_) => Status::Panicked,
        Failure::Undecodable(_) | Failure::Unencodable(_) => Status::Failed,
    };
    let mut bytes = Vec::new();
    // Three strings and a number: it cannot fail to encode, and an empty failure would still be one.
    let _ = codec::encode(&failure, &mut bytes);
    once(status as u32, &bytes);
}

fn decode<V: DeserializeOwned + 'static>(input: &[u8]) -> Result<V, Failure> {
    codec::from_plain_slice(input).unwrap_or_else(|| codec::decode(input)).map_err(Failure::undecodable)
}

fn encode<V: Serialize + 'static>(
    value: &V,
    status: Status,
    output: &mut dyn FnMut(u32, &[u8]),
) -> Result<(), Failure> {
    if let Some((bytes, len)) = codec::number(value) {
        output(status as u32, &bytes[..len]);
        return Ok(());
    }
    if codec::with_plain(value, |bytes| output(status as u32, bytes)).is_some() {
        return Ok(());
    }
    with_scratch(|scratch| {
        let (encoded, _) = luggage::pack(Way::Back, || codec::encode(value, scratch));
        encoded.map_err(Failure::unencodable)?;
        output(status as u32, scratch);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_the_same_as_itself_alone() {
        fn of_borrowed(text: &str) -> [bool; 2] {
            fn is_words<I: Iterator>(_: I) -> bool {
                is_same::<I, std::str::SplitWhitespace<'static>>()
            }
            fn is_numbers<I: Iterator>(_: I) -> bool {
                is_same::<I, std::ops::Range<u64>>()
            }
            [is_words(text.split_whitespace()), is_numbers(text.bytes())]
        }
        assert!(is_same::<Vec<u8>, Vec<u8>>() && !is_same::<Vec<u8>, Vec<i8>>());
        assert!(is_same::<std::ops::Range<u64>, std::ops::Range<u64>>());
        assert!(!is_same::<std::ops::Range<u64>, std::ops::Range<usize>>());
        // But for lifetimes.
        assert_eq!(of_borrowed(&String::from("a b")), [true, false]);
    }
}
