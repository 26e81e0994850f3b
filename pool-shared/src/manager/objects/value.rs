//! One value.

use super::{ManagedItem, Result};
use crate::manager::{Managed, Manager, Method, Methods, Proxy};

/// A managed value as it is in the server.
#[derive(Debug)]
pub struct ManagedValue<T>(pub T);

impl<T: ManagedItem> ManagedValue<T> {
    const GET: Method<Self, (), T> = Method::new("get", |value, ()| value.0.clone());
    const SET: Method<Self, T, ()> = Method::new("set", |value, new| value.0 = new);
    const REPLACE: Method<Self, T, T> =
        Method::new("replace", |value, new| std::mem::replace(&mut value.0, new));
}

impl<T: ManagedItem> Managed for ManagedValue<T> {
    const NAME: &'static str = "value";

    fn methods() -> Methods<Self> {
        Methods::new().with(&Self::GET).with(&Self::SET).with(&Self::REPLACE)
    }
}

impl Manager {
    /// A new value.
    ///
    /// # Errors
    /// As [`create`](Manager::create).
    pub fn value<T: ManagedItem>(&self, value: T) -> Result<ValueProxy<T>> {
        self.create(ManagedValue, value).map(ValueProxy)
    }
}

/// A proxy of one value in a [`Manager`]'s server, of any type, as Python's `Manager().Value()`. For plain numbers
/// between processes of one machine a [`Value`](crate::Value) is far quicker.
///
/// ```
/// use pool_shared::Manager;
///
/// let manager = Manager::start()?;
/// let name = manager.value("Ada".to_owned())?;
/// name.with_lock(" Lovelace".to_owned(), |name, more: String| name.push_str(&more))?;
/// assert_eq!(name.get()?, "Ada Lovelace");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every method fails with [`Gone`](crate::ManagerError::Gone) once the server has ended.
pub struct ValueProxy<T>(Proxy<ManagedValue<T>>);

impl<T: ManagedItem> ValueProxy<T> {
    /// The value.
    pub fn get(&self) -> Result<T> {
        self.0.call(&ManagedValue::GET, ())
    }

    /// Puts another in its place.
    pub fn set(&self, value: T) -> Result<()> {
        self.0.call(&ManagedValue::SET, value)
    }

    /// Puts another in its place, and gives the one that was there.
    pub fn replace(&self, value: T) -> Result<T> {
        self.0.call(&ManagedValue::REPLACE, value)
    }
}

super::proxy!(ValueProxy<T>, ManagedValue<T>);
super::with_lock!(ValueProxy<T: ManagedItem>, T, |value| &mut value.0);
