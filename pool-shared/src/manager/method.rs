//! Methods: what a proxy may ask of an object.

use std::fmt;

use pool_core::codec::{self, CodecError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Fault;
use super::server::{Caller, Object};
use super::wire::{FAULT, VALUE};

/// A method of a managed `T`: it takes an `A` and gives an `R`. It is a constant, which the type lists in its
/// [`Methods`] and its users give to [`Proxy::call`](super::Proxy::call).
///
/// On the wire it is the hash of its name. The function captures nothing: it is a `fn` or a closure of its own arguments.
pub struct Method<T, A, R> {
    name: &'static str,
    id: u32,
    run: Run<T, A, R>,
}

pub(crate) enum Run<T, A, R> {
    /// Alone with the object.
    Alone(fn(&mut T, A) -> R),
    /// Beside others, on an object that looks after that itself; may wait.
    Beside(fn(&T, &Caller, A) -> Result<R, Fault>),
}

impl<T, A, R> Method<T, A, R> {
    /// The method of this name, which no other method of the type has.
    pub const fn new(name: &'static str, run: fn(&mut T, A) -> R) -> Method<T, A, R> {
        Method { name, id: hash(name), run: Run::Alone(run) }
    }

    pub(crate) const fn beside(
        name: &'static str,
        run: fn(&T, &Caller, A) -> Result<R, Fault>,
    ) -> Method<T, A, R> {
        Method { name, id: hash(name), run: Run::Beside(run) }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) const fn id(&self) -> u32 {
        self.id
    }
}

impl<T, A, R> fmt::Debug for Method<T, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Method").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The 32-bit FNV-1a hash (Fowler, Noll, Vo).
const fn hash(name: &str) -> u32 {
    let (bytes, mut hash, mut at) = (name.as_bytes(), 0x811c_9dc5_u32, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u32).wrapping_mul(0x0100_0193);
        at += 1;
    }
    hash
}

type Shim<T> = Box<dyn Fn(Access<'_, T>, &Caller, &[u8], &mut Vec<u8>) -> Result<(), Fault> + Send + Sync>;

/// How a method has its object.
pub(crate) enum Access<'a, T> {
    Alone(&'a mut T),
    Beside(&'a T),
}

/// The methods that a type shows to its proxies.
pub struct Methods<T> {
    /// In the order of the ids.
    listed: Vec<(u32, &'static str, Shim<T>)>,
}

impl<T: 'static> Methods<T> {
    /// None.
    #[expect(clippy::new_without_default, reason = "a type without methods is none to manage")]
    pub fn new() -> Methods<T> {
        Methods { listed: Vec::new() }
    }

    /// These and `method`.
    ///
    /// # Panics
    /// Another method has this name, or the same hash of a name.
    #[must_use]
    pub fn with<A, R>(mut self, method: &Method<T, A, R>) -> Methods<T>
    where
        A: DeserializeOwned + 'static,
        R: Serialize + 'static,
    {
        let shim: Shim<T> = match method.run {
            Run::Alone(run) => Box::new(move |access, _, input, output| match access {
                Access::Alone(object) => encode(&run(object, decode(input)?), output),
                Access::Beside(_) => Err(Fault::NoMethod),
            }),
            Run::Beside(run) => Box::new(move |access, caller, input, output| {
                let object = match &access {
                    Access::Alone(object) => &**object,
                    Access::Beside(object) => *object,
                };
                encode(&run(object, caller, decode(input)?)?, output)
            }),
        };
        self.list(method.id, method.name, shim);
        self
    }

    #[track_caller]
    fn list(&mut self, id: u32, name: &'static str, shim: Shim<T>) {
        match self.listed.binary_search_by_key(&id, |(id, ..)| *id) {
            Err(place) => self.listed.insert(place, (id, name, shim)),
            Ok(place) => panic!("two methods, `{}` and `{name}`, of one hash", self.listed[place].1),
        }
    }

    pub(crate) fn find(&self, id: u32) -> Option<&Shim<T>> {
        let place = self.listed.binary_search_by_key(&id, |(id, ..)| *id).ok()?;
        Some(&self.listed[place].2)
    }
}

impl<T> fmt::Debug for Methods<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.listed.iter().map(|(_, name, _)| name)).finish()
    }
}

/// A type whose values a [`Manager`](super::Manager)'s server can own, as with Python's `BaseManager.register`.
///
/// ```
/// use pool_shared::{Managed, Manager, Method, Methods};
///
/// struct Counter(u64);
///
/// impl Counter {
///     const ADD: Method<Counter, u64, u64> = Method::new("add", |counter, by| {
///         counter.0 += by;
///         counter.0
///     });
/// }
///
/// impl Managed for Counter {
///     const NAME: &'static str = "Counter";
///     fn methods() -> Methods<Counter> {
///         Methods::new().with(&Counter::ADD)
///     }
/// }
///
/// let manager = Manager::start()?;
/// let counter = manager.create(Counter, 40)?;
/// assert_eq!(counter.call(&Counter::ADD, 2)?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// One call at a time is run on an object, as a whole. One that panics gives its caller an error, and the object lives
/// on. What a method returns is a value, a `Result` too: the caller gets it as it is, inside of the call's own.
///
/// What the methods do not list is not there for proxies. Beside them [`Proxy::with`](super::Proxy::with) runs any
/// function on the object, for clients of the same build.
///
/// # Other objects
///
/// A method may get proxies, keep them and give them, and call them: in the server such a call takes no round trip. Of
/// something that its caller goes on with, an iterator say, it [makes an object](super::Proxy::here) and gives a proxy.
///
/// ```
/// use pool_shared::{Managed, Manager, Method, Methods, Proxy};
///
/// struct Countdown(u32);
///
/// impl Countdown {
///     const NEXT: Method<Countdown, (), Option<u32>> = Method::new("next", |countdown, ()| {
///         countdown.0 = countdown.0.checked_sub(1)?;
///         Some(countdown.0)
///     });
/// }
///
/// impl Managed for Countdown {
///     const NAME: &'static str = "Countdown";
///     fn methods() -> Methods<Countdown> {
///         Methods::new().with(&Countdown::NEXT)
///     }
/// }
///
/// struct Clock;
///
/// impl Clock {
///     const FROM: Method<Clock, u32, Result<Proxy<Countdown>, String>> = Method::new("from", |_, start| {
///         Proxy::here(Countdown(start)).map_err(|error| error.to_string())
///     });
/// }
///
/// impl Managed for Clock {
///     const NAME: &'static str = "Clock";
///     fn methods() -> Methods<Clock> {
///         Methods::new().with(&Clock::FROM)
///     }
/// }
///
/// let manager = Manager::start()?;
/// let clock = manager.create(|()| Clock, ())?;
/// let countdown = clock.call(&Clock::FROM, 2)??;
/// assert_eq!(countdown.call(&Countdown::NEXT, ())?, Some(1));
/// assert_eq!(countdown.call(&Countdown::NEXT, ())?, Some(0));
/// assert_eq!(countdown.call(&Countdown::NEXT, ())?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A method that calls its own object, or one whose method waits for it meanwhile, gets
/// [`Deadlock`](super::ManagerError::Deadlock).
pub trait Managed: Send + Sized + 'static {
    /// What the type is called in errors and to those that connect from other builds.
    const NAME: &'static str;

    /// What proxies may call.
    fn methods() -> Methods<Self>;
}

/// A type that looks after its own waiting: its methods run beside each other.
pub(crate) trait Waits: Send + Sync + Sized + 'static {
    const NAME: &'static str;

    fn methods() -> Methods<Self>;

    /// Takes back what `session` has of it.
    fn forget(&self, session: u128);

    /// Wakes all that wait, so that they look whether they still should.
    fn wake(&self);

    /// What a function gets that is to run on it, beside others; `None`: there is no such thing.
    fn lent(&self) -> Option<Self> {
        None
    }
}

#[inline]
pub(crate) fn decode<V: DeserializeOwned + 'static>(input: &[u8]) -> Result<V, Fault> {
    codec::from_plain_slice(input)
        .unwrap_or_else(|| codec::decode(input))
        .map_err(|error| Fault::Refused(format!("an argument cannot be decoded: {error}")))
}

#[inline]
pub(crate) fn encode<V: Serialize + 'static>(value: &V, output: &mut Vec<u8>) -> Result<(), Fault> {
    put(value, output).map_err(|error| Fault::Refused(format!("a result cannot be encoded: {error}")))
}

/// Appends what [`decode`] takes.
#[inline]
pub(crate) fn put<V: Serialize + 'static>(value: &V, bytes: &mut Vec<u8>) -> Result<(), CodecError> {
    match codec::with_plain(value, |plain| bytes.extend_from_slice(plain)) {
        Some(()) => Ok(()),
        None => codec::encode(value, bytes),
    }
}

/// How a marked function ends: a fault is all of its output then.
pub(crate) fn end(done: Result<(), Fault>, output: &mut Vec<u8>) -> u32 {
    let Err(fault) = done else { return VALUE };
    output.clear();
    // Numbers and texts: it cannot fail.
    let _ = codec::encode(&fault, output);
    FAULT
}

/// The fault that is the output of a marked function.
pub(crate) fn fault_of(output: &[u8]) -> Fault {
    codec::decode(output).unwrap_or_else(|_| Fault::Refused("a function of another kind".to_owned()))
}

/// Makes an [`Object`] of a value.
pub(crate) fn object_of<T: Managed>(value: T) -> Box<dyn Object> {
    Box::new(super::server::Guarded::new(value))
}
