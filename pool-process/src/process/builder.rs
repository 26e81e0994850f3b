//! Configuring and starting a process.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use pool_core::work::Request;
use pool_core::{ContextSlot, Error, ErrorKind, Message, Result, TaskFn, single};
use pool_ipc::birth::{Birth, Setting};
use pool_ipc::own::Own;
use pool_ipc::parcel::{Parcel, Tray};
use pool_ipc::start_method::{StartMethod, Starter};

use super::life::{Life, prepare_end};
use super::{Process, Run, child};
use crate::identity::{Identity, Role, current_process};
use crate::logs::{Kit, note};
use crate::own::own;
use crate::porter;

/// Configures a [`Process`].
#[derive(Debug, Clone, Default)]
#[must_use = "a process is started by `spawn` or `run`"]
pub struct ProcessBuilder {
    name: Option<String>,
    daemon: bool,
    start_method: Option<StartMethod>,
    allow_fork_with_threads: bool,
    forward_logs: bool,
}

impl ProcessBuilder {
    /// The process's name, for errors, records and `current_process` there. Default: `Process-1`, counting the
    /// processes that this one starts, with the name of this one before it where that is a child itself:
    /// `Process-1:1`.
    pub fn name(mut self, name: impl Into<String>) -> ProcessBuilder {
        self.name = Some(name.into());
        self
    }

    /// Whether it ends with this program, however that ends: at a normal end it is killed and not waited for.
    /// Default: false. Unlike in Python a daemon may have children.
    pub fn daemon(mut self, daemon: bool) -> ProcessBuilder {
        self.daemon = daemon;
        self
    }

    /// How it is started. Default: [`StartMethod::default_method`].
    pub fn start_method(mut self, method: StartMethod) -> ProcessBuilder {
        self.start_method = Some(method);
        self
    }

    /// Whether [`StartMethod::Fork`] is used although the program has other threads: see its dangers.
    /// Default: no.
    pub fn allow_fork_with_threads(mut self, allow: bool) -> ProcessBuilder {
        self.allow_fork_with_threads = allow;
        self
    }

    /// Whether records that it makes with the crate `log` go to this program's logger, with the place where
    /// they were made, and as [`record_origin`](crate::record_origin) the process and thread. Default: false.
    ///
    /// Records of one thread keep their order. A process whose records are not taken in waits for that, at most a
    /// second, and then goes on; what it could not send is counted, and a warning says how many were lost. What was
    /// sent arrives, also when the process has died since. Its level is that which the program had when it was
    /// started. Events of the crate `tracing` are forwarded where its feature `log` is on and the process sets no
    /// subscriber.
    ///
    /// Where the process has a logger already (under a start method by which it has the program's memory, or
    /// because a constructor made one) it cannot start, and says so.
    #[cfg(feature = "log")]
    pub fn forward_logs(mut self, forward: bool) -> ProcessBuilder {
        self.forward_logs = forward;
        self
    }

    /// Starts a process that runs `f(arg)`. It is on its way when this returns; the argument is encoded, and
    /// this process holds nothing of it any more.
    ///
    /// # Errors
    /// [`Encode`](ErrorKind::Encode) when the argument cannot be encoded; [`Panicked`](ErrorKind::Panicked) when
    /// that panics; [`InvalidArgument`](ErrorKind::InvalidArgument) for a name with a control character;
    /// [`Os`](ErrorKind::Os) when the system refuses a process, or this program is one that cannot be executed
    /// again (the text says why).
    pub fn spawn<F, A>(self, f: F, arg: A) -> Result<Process<F::Output>>
    where
        F: TaskFn<A>,
        A: Message,
        F::Output: Message,
    {
        porter::hire();
        let (request, passed) = porter::along(|| single::request(f, arg));
        Ok(Process::new(self.start(&request?, &passed)?))
    }

    /// All that does not depend on the function's type: that is compiled for each.
    fn start(self, request: &Request, passed: &[Own<OwnedFd>]) -> Result<Arc<Life>> {
        let (slot, context) = match &request.context {
            None => (ContextSlot::NONE, &[][..]),
            Some(context) => (ContextSlot::new(0, true), &context.bytes[..]),
        };
        let ProcessBuilder { name, daemon, start_method, allow_fork_with_threads, forward_logs } = self;
        let method = start_method.unwrap_or_else(StartMethod::default_method);
        let name = name.unwrap_or_else(next_name);
        if name.contains(char::is_control) {
            let text = "a process's name with a control character; use printable text";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        let start = || {
            let parcel = Parcel::pack(request.entry, slot.to_word(), context, request.input.as_slice())?;
            let tray = Tray::create()?;
            let identity = Identity {
                name: name.clone(),
                role: Role::Process,
                index: None,
                daemon,
                start_method: Some(method),
                parent: None,
            };
            let kit = Kit::make(forward_logs)?;
            let mut descriptors = vec![parcel.as_fd(), tray.as_fd()];
            descriptors.extend(kit.descriptor());
            descriptors.extend(passed.iter().map(|passed| passed.as_fd()));
            let birth = Birth {
                entry: child::live,
                descriptors: &descriptors,
                words: &[&identity.to_word()?, kit.word()],
                setting: &Setting::default(),
                outlives_starter: !daemon,
            };
            // What a daemon is to die with is the program, and not the thread that happens to start it.
            let starter = match daemon {
                true => Starter::on_life_line(method, allow_fork_with_threads)?,
                false => Starter::new(method, allow_fork_with_threads)?,
            };
            if method == StartMethod::Fork {
                // Or else the child has it too, and writes it again.
                let _ = std::io::stdout().flush();
            }
            let child = starter.start(&birth)?;
            kit.follow(&name, child.pid());
            Ok(Life::new(name.clone(), child, tray, daemon, starter))
        };
        prepare_end();
        let life = start().map_err(|error: std::io::Error| {
            Error::new(ErrorKind::Os, format!("cannot start the process {name}: {error}")).with_source(error)
        })?;
        let life = Arc::new(life);
        note(|| format!("{} has started, pid {}", life.name, life.child.pid()), false);
        own().children.add(life.clone());
        Ok(life)
    }

    /// Starts a process that runs `value`.
    ///
    /// # Errors
    /// As [`spawn`](ProcessBuilder::spawn).
    pub fn run<V: Run>(self, value: V) -> Result<Process<V::Output>> {
        self.spawn(|mut value: V| value.run(), value)
    }
}

fn next_name() -> String {
    // ORDERING: only uniqueness matters.
    let number = own().named.fetch_add(1, Relaxed) + 1;
    let this = current_process();
    match this.role() {
        Role::Main => format!("Process-{number}"),
        Role::Worker | Role::Process => format!("{}:{number}", this.name()),
    }
}
