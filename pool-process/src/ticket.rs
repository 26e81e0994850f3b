//! A task on its way through this pool.

use std::time::Duration;

use pool_core::work::{Limits, Payload, Task};
use pool_core::{Carried, Entry};

use crate::scheduler;

pub(crate) struct Ticket {
    pub(crate) task: Task,
    pub(crate) entry: Entry,
    pub(crate) context: Option<Carried>,
    /// The encoded argument; `None` while it is in a lane, whose memory keeps it until the reply, unless it is
    /// to be kept for longer.
    pub(crate) input: Option<Payload>,
    limits: Limits,
}

impl Ticket {
    /// Encodes the task. `None`: it has ended, perhaps by not being encodable.
    pub(crate) fn of(task: Task) -> Option<Ticket> {
        match task.request() {
            Ok(Some(request)) => Some(Ticket {
                limits: task.limits(),
                task,
                entry: request.entry,
                context: request.context,
                input: Some(request.input),
            }),
            Ok(None) => None,
            Err(error) => {
                task.end(pool_core::work::End::Failed(error));
                None
            }
        }
    }
}

impl Ticket {
    /// Whether the task may have to be sent again after its reply.
    pub(crate) fn keeps_its_input(&self) -> bool {
        self.limits.retry_panics && self.limits.retries > 0
    }
}

impl scheduler::Ticket for Ticket {
    fn timeout(&self) -> Option<Duration> {
        self.limits.timeout
    }

    fn try_again(&mut self) -> bool {
        let left = self.limits.retries.checked_sub(1);
        self.limits.retries = left.unwrap_or(0);
        left.is_some()
    }

    fn retries_panics(&self) -> bool {
        self.limits.retry_panics
    }

    fn wanted(&self) -> bool {
        self.task.wanted()
    }
}
