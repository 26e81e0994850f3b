//! An object, whatever its type.

use std::any::Any;
use std::sync::{Arc, Mutex};

use pool_core::panics;

use super::turns::Turns;
use super::{Caller, lock};
use crate::manager::error::Fault;
use crate::manager::method::{Access, Managed, Methods, Waits};

/// What the server owns.
pub(crate) trait Object: Send + Sync {
    /// Runs a method, whose value goes behind what `output` has.
    fn call(&self, method: u32, caller: &Caller, input: &[u8], output: &mut Vec<u8>) -> Result<(), Fault>;

    /// Runs `body` with the value alone.
    fn with(&self, body: &mut dyn FnMut(&mut dyn Any)) -> Result<(), Fault>;

    /// What its type is called.
    fn type_name(&self) -> &'static str;

    /// Takes back what a session has of it.
    fn forget(&self, _session: u128) {}

    /// Wakes all that wait for it.
    fn wake(&self) {}
}

/// A value behind a lock of its own.
pub(crate) struct Guarded<T> {
    value: Turns<T>,
    methods: Arc<Methods<T>>,
}

impl<T: Managed> Guarded<T> {
    pub(crate) fn new(value: T) -> Guarded<T> {
        Guarded { value: Turns::new(value), methods: table(T::methods) }
    }
}

impl<T: Managed> Object for Guarded<T> {
    fn call(&self, method: u32, caller: &Caller, input: &[u8], output: &mut Vec<u8>) -> Result<(), Fault> {
        let shim = self.methods.find(method).ok_or(Fault::NoMethod)?;
        // A method that panicked has left the value as it is; that is its caller's to judge.
        let mut value = self.value.take()?;
        panics::catch(|| shim(Access::Alone(&mut value), caller, input, output))?
    }

    fn with(&self, body: &mut dyn FnMut(&mut dyn Any)) -> Result<(), Fault> {
        body(&mut *self.value.take()?);
        Ok(())
    }

    fn type_name(&self) -> &'static str {
        T::NAME
    }
}

/// A value that looks after its own waiting.
pub(crate) struct Apart<T> {
    value: T,
    methods: Arc<Methods<T>>,
}

impl<T: Waits> Apart<T> {
    pub(crate) fn new(value: T) -> Apart<T> {
        Apart { value, methods: table(T::methods) }
    }
}

impl<T: Waits> Object for Apart<T> {
    fn call(&self, method: u32, caller: &Caller, input: &[u8], output: &mut Vec<u8>) -> Result<(), Fault> {
        let shim = self.methods.find(method).ok_or(Fault::NoMethod)?;
        panics::catch(|| shim(Access::Beside(&self.value), caller, input, output))?
    }

    fn with(&self, body: &mut dyn FnMut(&mut dyn Any)) -> Result<(), Fault> {
        let Some(mut value) = self.value.lent() else {
            return Err(Fault::Refused("an object of this type cannot be lent to a function".to_owned()));
        };
        body(&mut value);
        Ok(())
    }

    fn type_name(&self) -> &'static str {
        T::NAME
    }

    fn forget(&self, session: u128) {
        self.value.forget(session);
    }

    fn wake(&self) {
        self.value.wake();
    }
}

/// The methods of a type, made once.
fn table<T: 'static>(make: fn() -> Methods<T>) -> Arc<Methods<T>> {
    use std::any::TypeId;
    use std::collections::HashMap;
    static TABLES: Mutex<Option<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>> = Mutex::new(None);
    let known = lock(&TABLES).get_or_insert_default().get(&TypeId::of::<T>()).cloned();
    if let Some(Ok(table)) = known.map(Arc::downcast) {
        return table;
    }
    // The user's code, which may panic.
    let table = Arc::new(make());
    lock(&TABLES).get_or_insert_default().insert(TypeId::of::<T>(), table.clone());
    table
}
