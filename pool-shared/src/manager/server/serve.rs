//! A channel's thread: it greets, and then takes one call after the other.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use pool_core::{codec, panics};
use pool_ipc::marked::Marked;
use pool_ipc::own::Stays;
use pool_ipc::stream;

use super::handshake::Handshake;
use super::members::Slot;
use super::registry::{Entry, put_down};
use super::{Object, Server, Session, lock};
use crate::connection::{ConnectionError, Secret};
use crate::manager::channel::Channel;
use crate::manager::context;
use crate::manager::error::Fault;
use crate::manager::lane::{Closer, Lane, Side};
use crate::manager::method::{encode, fault_of};
use crate::manager::wire::{
    Answer, CALL, FAULT, Head, Hello, LaneMemory, Refusal, Request, SERVER, VALUE, Welcome,
};

/// What a marked function that makes an object fills.
pub(crate) type Maker = Option<Box<dyn Object>>;

/// A channel as others of the server see it.
pub(crate) struct Member {
    pub(super) token: u64,
    /// Nobody wants its answers any more.
    gone: AtomicBool,
    /// What its call waits for.
    blocked: Mutex<Option<Arc<Entry>>>,
    /// Wakes it if it waits for a call.
    closer: Option<Closer>,
    /// The socket. It is watched where nothing is to come through it: always beside a lane, otherwise while a call
    /// waits.
    socket: Stays<OwnedFd>,
}

impl Member {
    /// Its client is gone: it is not to wait any more, for whatever it waits.
    pub(super) fn dismiss(&self) {
        // ORDERING: before the look at what blocks it; pairs with `Caller::is_unwanted`.
        self.gone.store(true, SeqCst);
        let blocked = lock(&self.blocked).clone();
        if let Some(entry) = blocked {
            entry.object.wake();
        }
        match &self.closer {
            Some(closer) => closer.close(),
            None => stream::stop(self.socket.as_fd()),
        }
    }
}

/// Who calls a method.
pub(crate) struct Caller<'a> {
    pub(crate) server: &'a Arc<Server>,
    pub(crate) session: &'a Arc<Session>,
    /// Which of its threads.
    pub(crate) thread: u32,
    entry: &'a Arc<Entry>,
    /// `None`: the server itself.
    member: Option<&'a Arc<Member>>,
}

impl<'a> Caller<'a> {
    /// The server itself, on behalf of one of its objects.
    pub(crate) fn local(
        server: &'a Arc<Server>,
        session: &'a Arc<Session>,
        entry: &'a Arc<Entry>,
    ) -> Caller<'a> {
        Caller { server, session, thread: context::this_thread(), entry, member: None }
    }

    /// Whether nobody wants the answer any more.
    pub(crate) fn is_unwanted(&self) -> bool {
        // ORDERING: see `Member::dismiss`.
        self.member.is_some_and(|member| member.gone.load(SeqCst)) || self.server.stopping.load(SeqCst)
    }

    /// The same, and whether the client has gone in this moment, which the main thread may not have heard of yet. While a
    /// call waits nothing comes through its socket but the end.
    pub(super) fn is_gone(&self) -> bool {
        let ended = |member: &Arc<Member>| {
            let ended = stream::readable(member.socket.as_fd(), Some(Duration::ZERO));
            if ended {
                // Of whatever else came: it gets no answer, as when the main thread sees it first.
                member.gone.store(true, SeqCst);
            }
            ended
        };
        self.is_unwanted() || self.member.is_some_and(ended)
    }

    /// Owns `object` from now on, with one proxy of the caller's.
    pub(crate) fn insert(&self, object: Box<dyn Object>) -> u64 {
        let number = self.server.registry.insert(object);
        if self.member.is_some() {
            self.session.add(number);
        }
        number
    }

    /// Says that this call waits for its object, until the guard is dropped.
    pub(crate) fn blocked(&self) -> impl Drop {
        struct Blocked<'a>(&'a Arc<Server>, Option<&'a Arc<Member>>);
        impl Drop for Blocked<'_> {
            fn drop(&mut self) {
                let Some(member) = self.1 else { return };
                *lock(&member.blocked) = None;
                // ORDERING: a number that is shown.
                self.0.blocked.fetch_sub(1, Relaxed);
                if !member.has_lane() {
                    self.0.watch.remove(member.socket.as_fd());
                }
            }
        }
        if let Some(member) = self.member {
            *lock(&member.blocked) = Some(self.entry.clone());
            self.server.blocked.fetch_add(1, Relaxed);
            // That of a lane is watched all the time.
            if !member.has_lane() {
                // Without it the wait ends when the object changes, or never.
                let _ = self.server.watch.add(member.socket.as_fd(), member.token);
            }
        }
        Blocked(self.server, self.member)
    }
}

/// Serves whoever is at the other end of `socket`, until it goes.
pub(super) fn serve(server: &Arc<Server>, socket: OwnedFd, secret: Option<&Secret>, handshake: Handshake) {
    // Whoever was not let in has been told why, or is gone.
    let Ok(Some(Guest { channel, session, slot })) = greet(server, socket, secret) else { return };
    drop(handshake);
    let member = server.join(&channel);
    if let Ok(member) = &member {
        let _context = context::serving(server, Some(&session));
        Serving { server, session: &session, member, recent: None, is_last: false }.run(channel);
        server.part(member);
    }
    server.registry.leave(&session);
    drop(slot);
}

/// A client that has been let in.
struct Guest {
    channel: Channel,
    session: Arc<Session>,
    slot: Slot,
}

/// Lets a client in: shows the key, if one is wanted, and answers its greeting.
fn greet(server: &Arc<Server>, socket: OwnedFd, secret: Option<&Secret>) -> io::Result<Option<Guest>> {
    if let Some(secret) = secret
        && secret.receive(socket.as_fd()).is_err()
    {
        return Ok(None);
    }
    // The time of all of it is the main thread's to look after.
    let pause = Some(server.limits.handshake);
    let mut channel = Channel::new(socket, Side::Server)?;
    let refuse = |channel: &Channel, why: Refusal| {
        let _ = channel.greet(&Answer::Err(why), pause);
        Ok(None)
    };
    let hello = match channel.greeting::<Hello>(pause) {
        Ok(Ok(hello)) => hello,
        Ok(Err(_)) | Err(ConnectionError::Decode(_)) => return refuse(&channel, Refusal::Greeting),
        Err(_) => return Ok(None),
    };
    let Some(slot) = Slot::take(server) else { return refuse(&channel, Refusal::Full) };
    let lane = match hello.lane.filter(|_| channel.is_local()) {
        Some(LaneMemory(block)) => match Lane::new(block, Side::Server) {
            Ok(lane) => Some(lane),
            Err(_) => return refuse(&channel, Refusal::Greeting),
        },
        None => None,
    };
    let session = match server.registry.enter(hello.session) {
        Ok(session) => session,
        Err(_) if hello.session.is_some() => return refuse(&channel, Refusal::Session),
        Err(_) => return refuse(&channel, Refusal::System),
    };
    let welcome = Answer::Ok(Welcome {
        place: server.place.clone(),
        session: session.id,
        build: server.build,
        limit: server.limits.message,
    });
    if channel.greet(&welcome, pause).is_err() {
        server.registry.leave(&session);
        return Ok(None);
    }
    channel.go_on(lane, server.limits.message);
    Ok(Some(Guest { channel, session, slot }))
}

impl Member {
    pub(super) fn new(token: u64, channel: &Channel) -> io::Result<Member> {
        let closer = channel.closer();
        let socket = channel.as_fd().try_clone_to_owned()?;
        Ok(Member {
            token,
            gone: AtomicBool::new(false),
            blocked: Mutex::new(None),
            closer,
            socket: Stays::new(socket),
        })
    }

    /// Whether its socket says nothing but that its client is gone.
    pub(super) fn has_lane(&self) -> bool {
        self.closer.is_some()
    }

    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A channel's thread at work.
struct Serving<'a> {
    server: &'a Arc<Server>,
    session: &'a Arc<Session>,
    member: &'a Arc<Member>,
    recent: Option<Recent>,
    /// The server is to end when this call has been answered.
    is_last: bool,
}

/// The object of the last call, and the session's epoch then.
struct Recent {
    epoch: u64,
    object: u64,
    entry: Weak<Entry>,
}

impl Serving<'_> {
    fn run(&mut self, mut channel: Channel) {
        let limit = usize::try_from(self.server.limits.message).unwrap_or(usize::MAX);
        let (mut call, mut reply) = (Vec::new(), Vec::new());
        loop {
            const KEEP: usize = 1 << 20;
            for buffer in [&mut call, &mut reply] {
                buffer.clear();
                buffer.shrink_to(KEEP);
            }
            if channel.receive(&mut call, limit).is_err() || self.member.gone.load(SeqCst) {
                return;
            }
            self.answer(&call, &mut reply);
            if reply.len() > limit {
                let too_long = Fault::TooLong(reply.len() as u64);
                fail(too_long, &mut reply);
            }
            // Who was told to go while its call waited gets no answer, however soon that call ends.
            let is_answered = !self.member.gone.load(SeqCst) && channel.send(&reply).is_ok();
            if self.is_last {
                // With the main thread all others end: not before whoever asked has the answer.
                self.server.stop();
            }
            if !is_answered || self.server.stopping.load(SeqCst) {
                return;
            }
        }
    }

    fn answer(&mut self, call: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(&VALUE.to_le_bytes());
        let done = match Head::read(call) {
            Some((head, input)) if head.object == SERVER => self.control(input, reply),
            Some((head, input)) => self.call(head, input, reply),
            None => Err(Fault::Refused(format!("a call of fewer than {CALL} bytes"))),
        };
        if let Err(fault) = done {
            fail(fault, reply);
        }
    }

    fn call(&mut self, head: Head, input: &[u8], reply: &mut Vec<u8>) -> Result<(), Fault> {
        let epoch = self.session.epoch();
        let entry = self.current(head.object)?;
        let (server, session, member) = (self.server, self.session, Some(self.member));
        let caller = Caller { server, session, thread: head.thread, entry: &entry, member };
        let called = entry.object.call(head.method, &caller, input, reply);
        // Whoever gives its last proxy back while another of its threads calls has nothing of the object afterwards.
        if session.epoch() != epoch && !session.has(head.object) {
            entry.object.forget(session.id);
        }
        put_down(entry);
        called
    }

    /// The object of a call, which is that of the last call most likely. That it was is no reason for it to live on.
    fn current(&mut self, object: u64) -> Result<Arc<Entry>, Fault> {
        let epoch = self.session.epoch();
        if let Some(recent) = &self.recent
            && (recent.epoch, recent.object) == (epoch, object)
            && let Some(entry) = recent.entry.upgrade()
        {
            return Ok(entry);
        }
        let entry = self.entry(object)?;
        self.recent = Some(Recent { epoch, object, entry: Arc::downgrade(&entry) });
        Ok(entry)
    }

    /// An object that the session has a proxy of.
    fn entry(&self, object: u64) -> Result<Arc<Entry>, Fault> {
        let own = self.session.has(object);
        own.then(|| self.server.registry.find(object)).flatten().ok_or(Fault::NoObject)
    }

    /// What is asked of the server itself.
    fn control(&mut self, input: &[u8], reply: &mut Vec<u8>) -> Result<(), Fault> {
        let registry = &self.server.registry;
        let request = codec::decode(input)
            .map_err(|error| Fault::Refused(format!("a request that is none: {error}")))?;
        match request {
            Request::Create { maker, input } => {
                let maker = Marked::find(maker).ok_or(Fault::OtherBuild)?;
                encode(&self.make(maker, &input)?, reply)
            }
            Request::CreateNamed { name, input } => {
                let maker = registry.registered(&name).ok_or(Fault::NotFound(name))?;
                encode(&self.make(maker, &input)?, reply)
            }
            Request::Run { object, function, input } => {
                let entry = self.entry(object)?;
                let marked = Marked::find(function).ok_or(Fault::OtherBuild)?;
                let mut status = FAULT;
                let run = || entry.object.with(&mut |value| status = marked.function()(value, &input, reply));
                let ran = panics::catch(run);
                put_down(entry);
                ran??;
                if status == VALUE { Ok(()) } else { Err(fault_of(reply)) }
            }
            Request::Adopt { object, ticket } => {
                if !(ticket != 0 && registry.redeem(ticket, object)) {
                    registry.hold(object).ok_or(Fault::NoObject)?;
                }
                self.session.add(object);
                encode(&(), reply)
            }
            Request::Release { object } => {
                let last = self.session.remove(object).ok_or(Fault::NoObject)?;
                if last && let Some(entry) = registry.find(object) {
                    entry.object.forget(self.session.id);
                }
                registry.release(object);
                encode(&(), reply)
            }
            Request::Ticket { object } => {
                self.entry(object)?;
                encode(&registry.ticket(self.session, object)?, reply)
            }
            Request::Publish { object, name } => {
                self.entry(object)?;
                encode(&registry.publish(object, name)?, reply)
            }
            Request::Withdraw { name } => encode(&registry.withdraw(&name), reply),
            Request::Find { name } => {
                let entry = registry.published(&name).ok_or(Fault::NotFound(name))?;
                self.session.add(entry.number);
                encode(&(entry.number, entry.object.type_name().to_owned()), reply)
            }
            Request::Shutdown { owner } => {
                if owner != self.server.owner {
                    return Err(Fault::Misuse("who did not start the manager cannot end it".to_owned()));
                }
                self.is_last = true;
                encode(&(), reply)
            }
            Request::Status => {
                // ORDERING: numbers that stand for themselves.
                let channels = self.server.connections.load(Relaxed);
                encode(&registry.status(channels, self.server.blocked.load(Relaxed)), reply)
            }
        }
    }

    /// A new object, with one proxy of this session.
    fn make(&self, maker: &Marked, input: &[u8]) -> Result<u64, Fault> {
        let (mut made, mut output): (Maker, _) = (None, Vec::new());
        if panics::catch(|| maker.function()(&mut made, input, &mut output))? != VALUE {
            return Err(fault_of(&output));
        }
        let object = made.ok_or(Fault::OtherBuild)?;
        let number = self.server.registry.insert(object);
        self.session.add(number);
        Ok(number)
    }
}

/// Makes `reply` that of a fault.
fn fail(fault: Fault, reply: &mut Vec<u8>) {
    reply.clear();
    reply.extend_from_slice(&FAULT.to_le_bytes());
    // Numbers and texts: it cannot fail.
    let _ = codec::encode(&fault, reply);
}
