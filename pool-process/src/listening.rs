//! Who listens for replies, and how they are told.
//!
//! | listener | who it is                                                  | how it is told   |
//! |----------|------------------------------------------------------------|------------------|
//! | Awake    | the leader: a caller that waits, and is looking            | it looks         |
//! | Asleep   | the leader, asleep                                         | the pool's bell  |
//! | Nobody   | the supervisor, and only if it is needed                   | the lane's alarm |
//!
//! Only the leader moves the listener. It stops leading without the hub's lock: it writes Nobody and then
//! reads whether the supervisor is needed; whoever makes it needed writes that and then reads the
//! listener. With a sequentially consistent fence in between on both sides, one of them arms the alarms.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::*, fence};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    Nobody,
    Awake,
    Asleep,
}

#[derive(Debug)]
pub(crate) struct Listening {
    listener: AtomicU8,
    needed: AtomicBool,
}

impl Listening {
    pub(crate) fn new() -> Listening {
        Listening { listener: AtomicU8::new(Listener::Nobody as u8), needed: AtomicBool::new(false) }
    }

    pub(crate) fn listener(&self) -> Listener {
        match self.listener.load(Relaxed) {
            0 => Listener::Nobody,
            1 => Listener::Awake,
            _ => Listener::Asleep,
        }
    }

    /// The leader is there, or has fallen asleep. Asleep is set under the hub's lock, so that whoever
    /// visits the hub after that sees it.
    pub(crate) fn set(&self, listener: Listener) {
        self.listener.store(listener as u8, Relaxed);
    }

    /// Under the hub's lock: whether the supervisor is needed when there is no leader.
    pub(crate) fn set_needed(&self, needed: bool) {
        if self.needed.load(Relaxed) != needed {
            self.needed.store(needed, Relaxed);
            // ORDERING: pairs with the fence in `stop`.
            fence(SeqCst);
        }
    }

    /// The leader leaves; returns whether the alarms have to be armed.
    pub(crate) fn stop(&self) -> bool {
        self.set(Listener::Nobody);
        // ORDERING: pairs with the fence in `set_needed`.
        fence(SeqCst);
        self.needed.load(Relaxed)
    }
}
