//! Proxies: what everyone but the server has of an object.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use pool_core::{lend, panics};
use pool_ipc::marked::Marked;
use pool_ipc::own::generation;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::context::{self, Context};
use super::error::{Fault, ManagerError};
use super::link::Link;
use super::method::{Managed, Method, Waits, decode, encode, end, fault_of, object_of, put};
use super::server::{Apart, Caller, Object, Server};
use super::wire::{FAULT, Request, VALUE, Whereabouts};

type Result<T> = std::result::Result<T, ManagerError>;

/// A proxy of a managed `T`: its value is in the server's process, and methods are called there.
///
/// A clone is a proxy of the same object, and so is what another process decodes. The object goes with its last proxy,
/// in whatever way the processes that have them end.
pub struct Proxy<T> {
    handle: Arc<Handle>,
    /// The value is elsewhere.
    _type: PhantomData<fn(T) -> T>,
}

/// One count of an object.
pub(crate) struct Handle {
    object: u64,
    place: Place,
}

enum Place {
    /// In a client: by way of this link.
    Linked(Arc<Link>),
    /// In the server itself.
    Here(Arc<Server>),
}

/// A proxy as it crosses.
#[derive(Serialize, Deserialize)]
enum Encoded {
    /// Between a server and one of its clients, in a call or a reply.
    Known(u64),
    /// Anywhere else.
    Far { place: Whereabouts, object: u64, ticket: u64 },
}

impl<T: 'static> Proxy<T> {
    pub(crate) fn new(link: Arc<Link>, object: u64) -> Proxy<T> {
        Proxy::of(Handle { object, place: Place::Linked(link) })
    }

    fn of(handle: Handle) -> Proxy<T> {
        Proxy { handle: Arc::new(handle), _type: PhantomData }
    }

    /// Calls a method of the object.
    ///
    /// # Errors
    /// [`Panicked`](ManagerError::Panicked): the method panicked; [`NoMethod`](ManagerError::NoMethod): the type
    /// does not list it; [`Gone`](ManagerError::Gone): the server has ended; and what else a [`ManagerError`] is.
    #[inline]
    pub fn call<A, R>(&self, method: &Method<T, A, R>, argument: A) -> Result<R>
    where
        A: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.ask(method, &argument)
    }

    /// The same, for who wants the argument back.
    #[inline]
    pub(crate) fn ask<A, R>(&self, method: &Method<T, A, R>, argument: &A) -> Result<R>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        self.handle.call(method.id(), method.name(), argument)
    }

    /// A proxy of the object that a method of this one has made for the caller.
    pub(crate) fn sibling<U: 'static>(&self, object: u64) -> Result<Proxy<U>> {
        let place = match &self.handle.place {
            Place::Linked(link) => Place::Linked(self.handle.current(link)?.into_owned()),
            Place::Here(server) => Place::Here(server.clone()),
        };
        Ok(Proxy::of(Handle { object, place }))
    }

    /// Runs `f` on the object, alone with it, and gives what it returns: a change of any kind in one go. `f` captures
    /// nothing, as a task of a pool; `context` is what it gets along.
    ///
    /// # Errors
    /// As [`call`](Proxy::call); [`OtherBuild`](ManagerError::OtherBuild) if the server runs another build of the
    /// program.
    pub fn with<C, R, F>(&self, context: C, f: F) -> Result<R>
    where
        C: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
        F: Fn(&mut T, C) -> R + Copy + Send + Sync + 'static,
    {
        lend::given(f);
        self.handle.run(const { &Marked::new(run::<T, C, R, F>) }, &context)
    }

    /// A new object of this value in the server that runs this code, for a method that gives out a proxy: of an
    /// iterator, say, that its caller goes on with by calls.
    ///
    /// # Errors
    /// [`NoServer`](ManagerError::NoServer): this code is not run by a method of a managed object.
    pub fn here(value: T) -> Result<Proxy<T>>
    where
        T: Managed,
    {
        Proxy::inserted(object_of(value))
    }

    /// The same for one that waits by itself.
    pub(crate) fn here_apart(value: T) -> Result<Proxy<T>>
    where
        T: Waits,
    {
        Proxy::inserted(Box::new(Apart::new(value)))
    }

    fn inserted(object: Box<dyn Object>) -> Result<Proxy<T>> {
        let Context::Serving { server, .. } = context::current() else { return Err(ManagerError::NoServer) };
        let object = server.registry.insert(object);
        Ok(Proxy::of(Handle { object, place: Place::Here(server) }))
    }

    /// Gives the object a name, by which others [find](super::Manager::find) it; the name keeps it. Whatever had the
    /// name before has it no more.
    ///
    /// # Errors
    /// As [`call`](Proxy::call).
    pub fn publish(&self, name: &str) -> Result<()> {
        self.handle.publish(name)
    }
}

/// What the server calls for a closure.
fn run<T, C, R, F>(value: &mut dyn Any, input: &[u8], output: &mut Vec<u8>) -> u32
where
    T: 'static,
    C: DeserializeOwned + 'static,
    R: Serialize + 'static,
    F: Fn(&mut T, C) -> R + Copy + Send + Sync + 'static,
{
    let mut done = || -> std::result::Result<(), Fault> {
        let value = value
            .downcast_mut::<T>()
            .ok_or_else(|| Fault::Refused("a function for an object of another type".to_owned()))?;
        let context = decode(input)?;
        encode(&lend::lent::<F>()(value, context), output)
    };
    let done = done();
    end(done, output)
}

impl Handle {
    fn call<A, R>(&self, method: u32, name: &str, argument: &A) -> Result<R>
    where
        A: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        match &self.place {
            Place::Linked(link) => self.current(link)?.call(self.object, method, name, argument),
            Place::Here(server) => {
                let _context = context::serving(server, None);
                let mut input = Vec::new();
                let called = encode(argument, &mut input)
                    .and_then(|()| self.call_here(server, method, &input))
                    .and_then(|output| decode(&output));
                called.map_err(|fault| fault.explain(name))
            }
        }
    }

    fn call_here(
        &self,
        server: &Arc<Server>,
        method: u32,
        input: &[u8],
    ) -> std::result::Result<Vec<u8>, Fault> {
        let entry = server.registry.find(self.object).ok_or(Fault::NoObject)?;
        let caller = Caller::local(server, &server.own, &entry);
        let mut output = Vec::new();
        entry.object.call(method, &caller, input, &mut output)?;
        Ok(output)
    }

    fn run<C, R>(&self, function: &'static Marked, argument: &C) -> Result<R>
    where
        C: Serialize + 'static,
        R: DeserializeOwned + 'static,
    {
        match &self.place {
            Place::Linked(link) => {
                let link = self.current(link)?;
                link.needs_same_build()?;
                let function = function.name().ok_or(ManagerError::OtherBuild)?;
                let input = {
                    let _context = context::calling(&link);
                    let mut input = Vec::new();
                    put(argument, &mut input).map_err(ManagerError::Encode)?;
                    input
                };
                link.ask(&Request::Run { object: self.object, function, input })
            }
            Place::Here(server) => {
                let entry = server.registry.find(self.object).ok_or(ManagerError::NoObject)?;
                let _context = context::serving(server, None);
                let (mut input, mut output, mut status) = (Vec::new(), Vec::new(), FAULT);
                let ran = encode(argument, &mut input).and_then(|()| {
                    let mut body =
                        |value: &mut dyn Any| status = function.function()(value, &input, &mut output);
                    panics::catch(|| entry.object.with(&mut body))?
                });
                let value = ran.and_then(|()| match status {
                    VALUE => decode(&output),
                    _ => Err(fault_of(&output)),
                });
                value.map_err(|fault| fault.explain(""))
            }
        }
    }

    fn publish(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        match &self.place {
            Place::Linked(link) => self.current(link)?.ask(&Request::Publish { object: self.object, name }),
            Place::Here(server) => {
                server.registry.publish(self.object, name).map_err(|fault| fault.explain(""))
            }
        }
    }

    /// Whose object it is.
    fn server(&self) -> u128 {
        match &self.place {
            Place::Linked(link) => link.place.server,
            Place::Here(server) => server.place.server,
        }
    }

    /// The link of this process: in a forked child that is not the one of its parent.
    #[inline]
    fn current<'a>(&self, link: &'a Arc<Link>) -> Result<Cow<'a, Arc<Link>>> {
        if link.generation == generation() {
            return Ok(Cow::Borrowed(link));
        }
        let own = Link::to(&link.place)?;
        own.adopt_copy(self.object)?;
        Ok(Cow::Owned(own))
    }

    fn encoded(&self) -> Result<Encoded> {
        match (&self.place, context::current()) {
            (Place::Linked(link), context) => {
                // A forked child counts it itself.
                let link = self.current(link)?;
                if let Context::Calling(own) = context
                    && own.session == link.session
                {
                    // Whoever calls has it until the reply.
                    return Ok(Encoded::Known(self.object));
                }
                let ticket = link.ask(&Request::Ticket { object: self.object })?;
                Ok(Encoded::Far { place: link.place.clone(), object: self.object, ticket })
            }
            (Place::Here(server), Context::Serving { session: Some(session), .. }) => {
                server.registry.hold(self.object).ok_or(ManagerError::NoObject)?;
                session.add(self.object);
                Ok(Encoded::Known(self.object))
            }
            (Place::Here(server), _) => {
                let ticket =
                    server.registry.ticket(&server.own, self.object).map_err(|fault| fault.explain(""))?;
                Ok(Encoded::Far { place: server.place.clone(), object: self.object, ticket })
            }
        }
    }

    fn decoded(encoded: Encoded) -> Result<Handle> {
        match (encoded, context::current()) {
            (Encoded::Known(object), Context::Calling(link)) => {
                Ok(Handle { object, place: Place::Linked(link) })
            }
            (Encoded::Known(object), Context::Serving { server, session: Some(session) }) => {
                if !session.has(object) {
                    return Err(ManagerError::NoObject);
                }
                server.registry.hold(object).ok_or(ManagerError::NoObject)?;
                Ok(Handle { object, place: Place::Here(server) })
            }
            (Encoded::Known(_), _) => Err(ManagerError::NoServer),
            (Encoded::Far { place, object, ticket }, Context::Serving { server, .. })
                if server.place.server == place.server =>
            {
                if !(ticket != 0 && server.registry.redeem(ticket, object)) {
                    server.registry.hold(object).ok_or(ManagerError::NoObject)?;
                }
                Ok(Handle { object, place: Place::Here(server) })
            }
            (Encoded::Far { place, object, ticket }, _) => {
                let link = Link::to(&place)?;
                let () = link.ask(&Request::Adopt { object, ticket })?;
                Ok(Handle { object, place: Place::Linked(link) })
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        match &self.place {
            // A forked child has not counted its copy.
            Place::Linked(link) if link.generation != generation() => {}
            // If the server is gone, so is the object.
            Place::Linked(link) => drop(link.ask::<()>(&Request::Release { object: self.object })),
            Place::Here(server) => server.registry.release(self.object),
        }
    }
}

impl<T> Clone for Proxy<T> {
    fn clone(&self) -> Proxy<T> {
        Proxy { handle: self.handle.clone(), _type: PhantomData }
    }
}

/// Whether both are of the same object.
impl<T> PartialEq for Proxy<T> {
    fn eq(&self, other: &Proxy<T>) -> bool {
        self.handle.object == other.handle.object && self.handle.server() == other.handle.server()
    }
}

impl<T> Eq for Proxy<T> {}

impl<T> Hash for Proxy<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.handle.object, self.handle.server()).hash(state);
    }
}

impl<T> Serialize for Proxy<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.handle.encoded().map_err(S::Error::custom)?.serialize(serializer)
    }
}

impl<'de, T: 'static> Deserialize<'de> for Proxy<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Proxy<T>, D::Error> {
        let encoded = Encoded::deserialize(deserializer)?;
        Handle::decoded(encoded).map(Proxy::of).map_err(D::Error::custom)
    }
}

impl<T> fmt::Debug for Proxy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("of", &std::any::type_name::<T>())
            .field("object", &self.handle.object)
            .finish_non_exhaustive()
    }
}
