//! A task on its way through this pool.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use pool_core::luggage::Luggage;
use pool_core::work::{Limits, Payload, Task};
use pool_core::{Carried, Entry};

use pool_ipc::own::Own;

use crate::{porter, scheduler};

pub(crate) struct Ticket {
    pub(crate) task: Task,
    pub(crate) entry: Entry,
    /// The encoded argument; `None` while it is in a lane, whose memory keeps it until the reply, unless it is
    /// to be kept for longer.
    pub(crate) input: Option<Payload>,
    /// Behind a pointer, because tickets are moved about and few have any of it.
    rare: Option<Box<Rare>>,
}

/// What the tasks of a call without options and contexts do not have.
#[derive(Default)]
struct Rare {
    limits: Limits,
    context: Option<Carried>,
    /// What goes along with the argument: it is kept until the task has ended.
    luggage: Option<Luggage>,
    /// As which number that was last sent to a worker.
    sent_as: u64,
}

impl Ticket {
    /// Encodes the task. `None`: it has ended, perhaps by not being encodable.
    pub(crate) fn of(task: Task) -> Option<Ticket> {
        match task.request() {
            Ok(Some(request)) => {
                let (input, luggage) = request.input.apart();
                let limits = task.limits().filter(|limits| **limits != Limits::default());
                let rare = match (limits, request.context, luggage) {
                    (None, None, None) => None,
                    (limits, context, luggage) => {
                        let limits = limits.copied().unwrap_or_default();
                        Some(Box::new(Rare { limits, context, luggage, sent_as: 0 }))
                    }
                };
                Some(Ticket { task, entry: request.entry, input: Some(input), rare })
            }
            Ok(None) => None,
            Err(error) => {
                task.end(pool_core::work::End::Failed(error));
                None
            }
        }
    }
}

impl Ticket {
    /// Whether it is this task's.
    pub(crate) fn is_of(&self, task: &Task) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.task), Arc::as_ptr(task))
    }

    /// What is bound to its function.
    pub(crate) fn context(&self) -> Option<&Carried> {
        self.rare.as_ref()?.context.as_ref()
    }

    /// The descriptors that have to be sent along with its argument.
    pub(crate) fn descriptors(&self) -> &[Own<OwnedFd>] {
        porter::descriptors(self.rare.as_ref().and_then(|rare| rare.luggage.as_ref()))
    }

    /// They were sent as this number.
    pub(crate) fn note_sent_as(&mut self, number: u64) {
        if let Some(rare) = &mut self.rare {
            rare.sent_as = number;
        }
    }

    /// As which number they were sent; `None`: there are none.
    pub(crate) fn sent_as(&self) -> Option<u64> {
        self.rare.as_ref().map(|rare| rare.sent_as).filter(|number| *number > 0)
    }

    /// Whether the task may have to be sent again after its reply.
    pub(crate) fn keeps_its_input(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.limits.retry_panics && rare.limits.retries > 0)
    }
}

impl scheduler::Ticket for Ticket {
    fn timeout(&self) -> Option<Duration> {
        self.rare.as_ref()?.limits.timeout
    }

    fn try_again(&mut self) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let left = rare.limits.retries.checked_sub(1);
        rare.limits.retries = left.unwrap_or(0);
        left.is_some()
    }

    fn retries_panics(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.limits.retry_panics)
    }

    fn wanted(&self) -> bool {
        self.task.wanted()
    }

    fn is_light(&self) -> bool {
        self.descriptors().is_empty()
    }
}
