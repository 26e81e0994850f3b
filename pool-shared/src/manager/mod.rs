//! A server process that owns ordinary objects, and proxies of them. `docs/manager.md` in the repository is the shape
//! of it.

mod builder;
mod channel;
mod context;
mod error;
mod host;
mod lane;
mod link;
mod method;
mod objects;
mod plan;
mod proxy;
mod server;
mod start;
mod wire;

pub use builder::ManagerBuilder;
pub use error::{ManagerError, QueueState};
pub use host::ManagerServer;
pub use method::{Managed, Method, Methods};
pub use objects::*;
pub use proxy::Proxy;
pub use server::ServerStatus;
pub use start::Manager;
