//! What every worker of a pool does before its first task.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result, Worker};
use crate::function::{Carried, TaskFn};
use crate::luggage::Luggage;
use crate::one::{OneRaw, carry, encode};
use crate::panics;
use crate::shim::{self, Entry};
use crate::slot::Raw;
use crate::work::{End, Payload};

/// A function bound to its argument, both encoded: any worker can run it, any number of times.
#[derive(Debug, Clone)]
pub struct EncodedInitializer {
    /// The code that decodes, runs and encodes.
    pub entry: Entry,
    /// The bound context, when the function has one.
    pub context: Option<Carried>,
    /// The encoded argument.
    pub input: Arc<[u8]>,
    /// What goes along with it.
    pub luggage: Option<Luggage>,
}

impl EncodedInitializer {
    /// Encodes `arg`, and what is bound to `f`.
    ///
    /// # Errors
    /// [`Encode`](crate::ErrorKind::Encode), or the panic of the code that encodes.
    pub fn new<F, A>(f: F, arg: A) -> Result<EncodedInitializer>
    where
        F: TaskFn<A, Output = ()>,
        A: Serialize + DeserializeOwned + Send + 'static,
    {
        let bound = f.bind();
        let (input, luggage) = encode(arg)?.apart();
        let context = carry::<F, A>(&bound)?;
        let input = input.as_slice().into();
        Ok(EncodedInitializer { entry: shim::one::<F, A>, context, input, luggage })
    }

    /// What a worker's reply to it says.
    ///
    /// # Errors
    /// What the initializer failed with.
    pub fn outcome(status: u32, output: Payload) -> Result<()> {
        OneRaw::<()>::from(End::Reply { status, output, worker: None }).finish()
    }
}

/// A function bound to its argument, for workers that share this process's memory.
#[derive(Clone)]
pub struct SharedInitializer(Arc<dyn Fn() -> Result<()> + Send + Sync>);

impl SharedInitializer {
    /// Each worker gets a copy of `arg`.
    pub fn new<F, A>(f: F, arg: A) -> SharedInitializer
    where
        F: TaskFn<A, Output = ()>,
        A: Clone + Send + Sync + 'static,
    {
        let bound = f.bind();
        SharedInitializer(Arc::new(move || {
            // Cloning may panic as the function may: both are the initializer's.
            panics::catch(|| F::call(&bound, arg.clone()))
                .map_err(|panic| Error::panicked(panic).by(Some(&Worker::this_thread())))
        }))
    }

    /// Runs it on this thread.
    ///
    /// # Errors
    /// The panic of the user's code.
    pub fn run(&self) -> Result<()> {
        (self.0)()
    }
}

impl std::fmt::Debug for SharedInitializer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedInitializer")
    }
}
