//! What a server does before it serves anybody: initializers, objects that are there from the start, types by name.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use pool_core::codec::{self, CodecError};
use pool_core::{lend, panics};
use pool_ipc::marked::Marked;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::context;
use super::error::Fault;
use super::method::{decode, end, put};
use super::server::{Maker, Server};
use super::wire::VALUE;

/// What is to be done, in order.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Plan {
    types: Vec<(String, Function)>,
    steps: Vec<Step>,
}

#[derive(Serialize, Deserialize)]
struct Step {
    /// What it makes is published under this name; `None`: it makes nothing.
    name: Option<String>,
    function: Function,
    argument: Argument,
}

/// A function of this build, as it crosses.
#[derive(Clone, Copy)]
struct Function(&'static Marked);

/// An argument, which is encoded where it crosses: descriptors go along then.
enum Argument {
    Given(Encode),
    Came(Vec<u8>),
}

type Encode = Box<dyn Fn(&mut Vec<u8>) -> Result<(), CodecError> + Send>;

impl Plan {
    /// Makes objects with `marked` for who asks for a `name`.
    pub(crate) fn register(&mut self, name: String, marked: &'static Marked) {
        self.types.push((name, Function(marked)));
    }

    /// Calls `marked`, and publishes what it makes if there is a name for it.
    pub(crate) fn add<A: Serialize + Send + 'static>(
        &mut self,
        name: Option<String>,
        marked: &'static Marked,
        argument: A,
    ) {
        let argument = Argument::Given(Box::new(move |bytes| put(&argument, bytes)));
        self.steps.push(Step { name, function: Function(marked), argument });
    }

    pub(crate) fn types(&self) -> HashMap<String, &'static Marked> {
        self.types.iter().map(|(name, function)| (name.clone(), function.0)).collect()
    }

    /// Does what is to be done, on a server that nobody knows of yet.
    pub(crate) fn carry_out(self, server: &Arc<Server>) -> Result<(), Fault> {
        let _context = context::serving(server, None);
        self.steps.into_iter().try_for_each(|step| step.carry_out(server))
    }
}

impl Step {
    fn carry_out(self, server: &Arc<Server>) -> Result<(), Fault> {
        let input = self.argument.into_bytes().map_err(|error| Fault::Refused(error.to_string()))?;
        let (mut made, mut output): (Maker, _) = (None, Vec::new());
        let status = panics::catch(|| self.function.0.function()(&mut made, &input, &mut output))?;
        if status != VALUE {
            let fault = codec::decode(&output);
            return Err(fault.unwrap_or_else(|error| Fault::Refused(error.to_string())));
        }
        match (self.name, made) {
            (Some(name), Some(object)) => {
                let number = server.registry.insert(object);
                server.registry.publish(number, name)?;
                server.registry.release(number);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Argument {
    fn into_bytes(self) -> Result<Vec<u8>, CodecError> {
        match self {
            Argument::Given(encode) => {
                let mut bytes = Vec::new();
                encode(&mut bytes).map(|()| bytes)
            }
            Argument::Came(bytes) => Ok(bytes),
        }
    }
}

/// What the server calls for an initializer.
pub(crate) fn initialise<A, F>(_: &mut dyn Any, input: &[u8], output: &mut Vec<u8>) -> u32
where
    A: DeserializeOwned + 'static,
    F: Fn(A) + Copy + Send + Sync + 'static,
{
    end(decode(input).map(lend::lent::<F>()), output)
}

impl Serialize for Function {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let name =
            self.0.name().ok_or_else(|| S::Error::custom("a function of another part of the program"))?;
        name.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Function {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Function, D::Error> {
        let found = Marked::find(u64::deserialize(deserializer)?);
        found.map(Function).ok_or_else(|| D::Error::custom("a function of another build of the program"))
    }
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Argument::Given(encode) => {
                let mut bytes = Vec::new();
                encode(&mut bytes).map_err(S::Error::custom)?;
                bytes.serialize(serializer)
            }
            Argument::Came(bytes) => bytes.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Argument, D::Error> {
        Vec::deserialize(deserializer).map(Argument::Came)
    }
}
