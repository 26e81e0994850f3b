//! A worker process, from its pool's side: its lane, its line, its life.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use pool_core::luggage::Luggage;
use pool_core::{Carried, ContextSlot, EncodedInitializer, Entry, Worker};
use pool_ipc::bell::Bell;
use pool_ipc::birth::{Birth, Setting};
use pool_ipc::child::Child;
use pool_ipc::lane::{Ends, PoolLane, Request, Returned};
use pool_ipc::line::Command;
use pool_ipc::own::Own;
use pool_ipc::start_method::Starter;

use crate::identity::{Identity, Role};
use crate::logs::Kit;
use crate::porter;
use crate::ticket::Ticket;
use crate::worker;

pub(crate) struct Post {
    pub(crate) lane: PoolLane,
    pub(crate) child: Child,
    pub(crate) name: String,
    /// Differs between all workers that this pool ever had.
    pub(crate) birth: u64,
    /// The worker said that it is ready, or has given a reply, and the scheduler knows.
    pub(crate) ready: bool,
    /// The supervisor has heard that it is ready, which may be later than its first reply: from then on it has time to
    /// look ahead.
    pub(crate) heard: bool,
    contexts: Contexts,
    /// What its next reply answers is the initializer.
    pub(crate) initializing: bool,
    /// How often something was sent along over the line.
    sent_along: u64,
    /// Its end was seen before its process had ended.
    pub(crate) forsaken: bool,
    /// Something was sent, taken in or taken back since the worker was last asked to tell.
    pub(crate) changed: bool,
}

/// What a worker needs that is made before it is born, on any thread.
pub(crate) struct Outfit {
    lane: PoolLane,
    ends: Ends,
}

/// What a worker is started by, and with.
pub(crate) struct Means<'a> {
    pub(crate) bell: &'a Bell,
    pub(crate) starter: &'a Starter,
    pub(crate) setting: &'a Setting,
    pub(crate) haste: Haste,
}

/// How fast a birth is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Haste {
    /// It takes what it takes.
    None,
    /// It is there at once or not at all: on the core of the calling thread, which is about to sleep.
    Here,
    /// The same, on another core.
    Elsewhere,
}

impl Outfit {
    pub(crate) fn make() -> io::Result<Outfit> {
        let (lane, ends) = PoolLane::create()?;
        Ok(Outfit { lane, ends })
    }
}

impl Post {
    /// Starts a worker. The calling thread is its life line, or that of the fork server.
    pub(crate) fn fill(
        name: String,
        index: usize,
        birth: u64,
        means: &Means<'_>,
        outfit: Outfit,
        kit: Kit,
    ) -> io::Result<Post> {
        let Outfit { lane, ends } = outfit;
        let mut descriptors =
            vec![ends.requests.as_fd(), ends.replies.as_fd(), ends.alarm.as_fd(), means.bell.descriptor()];
        descriptors.extend(kit.descriptor());
        let identity = Identity {
            name: name.clone(),
            role: Role::Worker,
            index: Some(index),
            daemon: true,
            start_method: Some(means.starter.method()),
            parent: None,
        };
        let birth_of_it = Birth {
            entry: worker::live,
            descriptors: &descriptors,
            words: &[&identity.to_word()?, kit.word()],
            setting: means.setting,
            outlives_starter: false,
        };
        let child = match means.haste {
            Haste::None => means.starter.start(&birth_of_it)?,
            Haste::Here => means.starter.start_at_once(&birth_of_it, true)?,
            Haste::Elsewhere => means.starter.start_at_once(&birth_of_it, false)?,
        };
        kit.follow(&name, child.pid());
        Ok(Post {
            lane,
            child,
            name,
            birth,
            ready: false,
            heard: false,
            contexts: Contexts::default(),
            initializing: false,
            sent_along: 0,
            forsaken: false,
            changed: true,
        })
    }

    pub(crate) fn worker(&self) -> Worker {
        Worker { name: self.name.clone(), pid: Some(self.child.pid()) }
    }

    /// Whether it is seen now that the worker ends, with something in its lane.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.lane.outstanding() > 0 && !self.forsaken && self.lane.is_forsaken()
    }

    /// Puts a task into the lane, with its context if the worker does not have it.
    pub(crate) fn send(&mut self, ticket: &mut Ticket) -> io::Result<()> {
        let Some(input) = ticket.input.take() else {
            return Err(io::Error::new(io::ErrorKind::OutOfMemory, "no memory to read its argument back"));
        };
        let luggage = self.send_along(ticket.descriptors());
        if let Ok(Some(number)) = luggage {
            ticket.note_sent_as(number);
        }
        let sent =
            luggage.and_then(|luggage| self.put(ticket.entry, ticket.context(), input.as_slice(), luggage));
        if ticket.keeps_its_input() {
            ticket.input = Some(input);
        }
        sent
    }

    /// Puts what every worker does first into the lane.
    pub(crate) fn initialize(&mut self, initializer: &EncodedInitializer) -> io::Result<()> {
        self.initializing = true;
        let luggage = self.send_along(porter::descriptors(initializer.luggage.as_ref()))?;
        self.put(initializer.entry, initializer.context.as_ref(), &initializer.input, luggage)
    }

    /// Sends what goes along with the next request, and gives the number to be sent with it.
    fn send_along(&mut self, descriptors: &[Own<OwnedFd>]) -> io::Result<Option<u64>> {
        if descriptors.is_empty() {
            return Ok(None);
        }
        self.sent_along += 1;
        self.child.line().send_descriptors(self.sent_along, descriptors)?;
        Ok(Some(self.sent_along))
    }

    /// What came along with the reply that was just received.
    pub(crate) fn came_along(&self) -> io::Result<Luggage> {
        self.child.line().descriptors().map(porter::came)
    }

    /// What was sent along with this ticket is not needed any more: its request was taken back.
    pub(crate) fn discard(&self, ticket: &Ticket) {
        if let Some(number) = ticket.sent_as() {
            // It fails when the worker is gone.
            let _ = self.child.line().send(Command::Discard(number));
        }
    }

    fn put(
        &mut self,
        entry: Entry,
        context: Option<&Carried>,
        input: &[u8],
        luggage: Option<u64>,
    ) -> io::Result<()> {
        let (slot, bytes) = match context {
            None => (ContextSlot::NONE, &[][..]),
            Some(context) => match self.contexts.place(context.id) {
                (index, true) => (ContextSlot::new(index, true), &context.bytes[..]),
                (index, false) => (ContextSlot::new(index, false), &[][..]),
            },
        };
        let sent = self.lane.send(Request { entry, word: slot.to_word(), context: bytes, input, luggage });
        if sent.is_err() {
            self.contexts.forget(slot);
        }
        self.changed = true;
        sent
    }

    /// Takes back what the worker has not begun.
    pub(crate) fn take_back(&mut self) -> Vec<Returned> {
        self.changed = true;
        let returned = self.lane.take_back();
        for request in &returned {
            self.contexts.forget(ContextSlot::from_word(request.word));
        }
        returned
    }

    pub(crate) fn dismiss(&self) {
        // It fails when the worker is gone, which is all that is wanted.
        let _ = self.child.line().send(Command::Leave);
    }
}

/// Which contexts a worker remembers, by slot: the newest overwrites the oldest.
#[derive(Default)]
struct Contexts {
    ids: [Option<u64>; ContextSlot::COUNT],
    next: usize,
}

impl Contexts {
    /// A request did not get to the worker, nor did the context that it may have brought.
    fn forget(&mut self, slot: ContextSlot) {
        if slot.is_fresh() {
            self.ids[slot.index()] = None;
        }
    }

    /// The slot of a context, and whether it has to be sent along.
    fn place(&mut self, id: u64) -> (usize, bool) {
        if let Some(index) = self.ids.iter().position(|known| *known == Some(id)) {
            return (index, false);
        }
        let index = self.next;
        self.next = (index + 1) % ContextSlot::COUNT;
        self.ids[index] = Some(id);
        (index, true)
    }
}
