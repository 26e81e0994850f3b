//! Attributes of any type.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::{ManagedItem, Result};
use crate::manager::{Managed, Manager, ManagerError, Method, Methods, Proxy};

/// A managed namespace as it is in the server: attributes of any type, in the order of their names.
#[derive(Default)]
pub struct Namespace(BTreeMap<String, Box<dyn Attribute>>);

/// A value with what is known of its type.
trait Attribute: Any + Send {
    fn type_name(&self) -> &'static str;
    fn show(&self) -> String;
}

impl<V: fmt::Debug + Send + 'static> Attribute for V {
    fn type_name(&self) -> &'static str {
        type_name::<V>()
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }
}

impl Namespace {
    const REMOVE: Method<Self, String, bool> = Method::new("remove", |space, name| space.remove(&name));
    const CONTAINS: Method<Self, String, bool> = Method::new("contains", |space, name| space.contains(&name));
    const NAMES: Method<Self, (), Vec<String>> = Method::new("names", |space, ()| space.names());
    const CLEAR: Method<Self, (), ()> = Method::new("clear", |space, ()| space.0.clear());
    const SHOW: Method<Self, (), String> = Method::new("show", |space, ()| format!("{space:?}"));

    /// Puts `value` under `name`, whatever was there before.
    pub fn set<V: fmt::Debug + Send + 'static>(&mut self, name: impl Into<String>, value: V) {
        self.0.insert(name.into(), Box::new(value));
    }

    /// The attribute of this name, if it is a `V`.
    pub fn get<V: 'static>(&self, name: &str) -> Option<&V> {
        let attribute: &dyn Any = &**self.0.get(name)?;
        attribute.downcast_ref()
    }

    /// The attribute of this name, if it is a `V`, to change it.
    pub fn get_mut<V: 'static>(&mut self, name: &str) -> Option<&mut V> {
        let attribute: &mut dyn Any = &mut **self.0.get_mut(name)?;
        attribute.downcast_mut()
    }

    /// Takes the attribute of this name out; whether there was one.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Whether there is an attribute of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The names of all attributes.
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

/// As Python's: without the attributes whose names begin with `_`.
impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Namespace(")?;
        let shown = self.0.iter().filter(|(name, _)| !name.starts_with('_'));
        for (nth, (name, value)) in shown.enumerate() {
            let comma = if nth > 0 { ", " } else { "" };
            write!(f, "{comma}{name}={}", value.show())?;
        }
        f.write_char(')')
    }
}

impl Managed for Namespace {
    const NAME: &'static str = "namespace";

    fn methods() -> Methods<Self> {
        Methods::new()
            .with(&Self::REMOVE)
            .with(&Self::CONTAINS)
            .with(&Self::NAMES)
            .with(&Self::CLEAR)
            .with(&Self::SHOW)
    }
}

impl Manager {
    /// A new namespace, with nothing in it.
    ///
    /// # Errors
    /// As [`create`](Manager::create).
    pub fn namespace(&self) -> Result<NamespaceProxy> {
        self.create(|()| Namespace::default(), ()).map(NamespaceProxy)
    }
}

/// A proxy of a namespace in a [`Manager`]'s server, as Python's `Manager().Namespace()`: attributes with names, each
/// of a type of its own.
///
/// ```
/// use pool_shared::{Manager, ManagerError};
///
/// let manager = Manager::start()?;
/// let space = manager.namespace()?;
/// space.set("name", "Ada".to_owned())?;
/// space.set("age", 36)?;
/// space.set("_secret", 0.5)?;
/// assert_eq!(space.get::<i32>("age")?, Some(36));
/// assert!(matches!(space.get::<f64>("age"), Err(ManagerError::OtherType { .. })));
/// assert_eq!(space.show()?, r#"Namespace(age=36, name="Ada")"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Every method fails with [`Gone`](ManagerError::Gone) once the server has ended. What handles values runs code of
/// their types, and fails with [`OtherBuild`](ManagerError::OtherBuild) on a server of another build.
pub struct NamespaceProxy(Proxy<Namespace>);

impl NamespaceProxy {
    /// Puts `value` under `name`, whatever was there before.
    pub fn set<V: ManagedItem + fmt::Debug>(&self, name: &str, value: V) -> Result<()> {
        self.with_lock((name.to_owned(), value), |space, (name, value): (String, V)| space.set(name, value))
    }

    /// A copy of the attribute of this name.
    ///
    /// # Errors
    /// [`OtherType`](ManagerError::OtherType): it is no `V`.
    pub fn get<V: ManagedItem>(&self, name: &str) -> Result<Option<V>> {
        let got: std::result::Result<Option<V>, String> =
            self.with_lock(name.to_owned(), |space, name: String| match space.0.get(&name) {
                None => Ok(None),
                Some(attribute) => match space.get::<V>(&name) {
                    Some(value) => Ok(Some(value.clone())),
                    None => Err(attribute.type_name().to_owned()),
                },
            })?;
        got.map_err(|found| ManagerError::OtherType { name: name.to_owned(), found })
    }

    /// Takes the attribute of this name out; whether there was one. Python's `del`.
    pub fn remove(&self, name: &str) -> Result<bool> {
        self.0.call(&Namespace::REMOVE, name.to_owned())
    }

    /// Whether there is an attribute of this name. Python's `hasattr`.
    pub fn contains(&self, name: &str) -> Result<bool> {
        self.0.call(&Namespace::CONTAINS, name.to_owned())
    }

    /// The names of all attributes, in alphabetical order.
    pub fn names(&self) -> Result<Vec<String>> {
        self.0.call(&Namespace::NAMES, ())
    }

    /// Takes all attributes out.
    pub fn clear(&self) -> Result<()> {
        self.0.call(&Namespace::CLEAR, ())
    }

    /// The text form that Python has: all attributes but those whose names begin with `_`.
    pub fn show(&self) -> Result<String> {
        self.0.call(&Namespace::SHOW, ())
    }
}

#[rustfmt::skip] // It takes the empty brackets away.
super::proxy!(NamespaceProxy<>, Namespace);
#[rustfmt::skip]
super::with_lock!(NamespaceProxy<>, Namespace, |space| space);
