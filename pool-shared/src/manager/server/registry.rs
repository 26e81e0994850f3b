//! The objects, counted; the names and tickets by which they are found.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use pool_core::panics;
use pool_ipc::exit::random;
use pool_ipc::marked::Marked;

use super::{Object, Session, lock};
use crate::manager::error::Fault;

/// How long a ticket is good when the process that took it has ended.
const GRACE: Duration = Duration::from_secs(60);

pub(crate) struct Registry {
    objects: RwLock<HashMap<u64, Arc<Entry>>>,
    next: AtomicU64,
    names: Mutex<HashMap<String, u64>>,
    tickets: Mutex<HashMap<u64, Ticket>>,
    sessions: Mutex<HashMap<u128, Arc<Session>>>,
    /// Types that any build may make objects of.
    types: HashMap<String, &'static Marked>,
}

/// An object, and how many proxies there are of it, names and tickets included.
pub(crate) struct Entry {
    pub(crate) number: u64,
    count: Mutex<u64>,
    pub(crate) object: Box<dyn Object>,
}

struct Ticket {
    object: u64,
    session: u128,
    /// Once its session has ended.
    end: Option<Instant>,
}

/// Lets go of an object, which may be the last that somebody does with it.
pub(crate) fn put_down(entry: Arc<Entry>) {
    if let Some(entry) = Arc::into_inner(entry) {
        // The user's code, which may panic; there is nobody to tell.
        let _ = panics::catch(|| drop(entry));
    }
}

thread_local! {
    /// Objects that nobody has any more, while one of them is dropped: it may hold others.
    static GONE: RefCell<Option<Vec<Arc<Entry>>>> = const { RefCell::new(None) };
}

impl Registry {
    pub(super) fn new(types: HashMap<String, &'static Marked>) -> Registry {
        Registry {
            objects: RwLock::default(),
            next: AtomicU64::new(1),
            names: Mutex::default(),
            tickets: Mutex::default(),
            sessions: Mutex::default(),
            types,
        }
    }

    /// Owns `object` from now on, with one proxy of it.
    pub(crate) fn insert(&self, object: Box<dyn Object>) -> u64 {
        // ORDERING: a number that stands for itself.
        let number = self.next.fetch_add(1, Relaxed);
        let entry = Arc::new(Entry { number, count: Mutex::new(1), object });
        self.objects.write().unwrap_or_else(PoisonError::into_inner).insert(number, entry);
        number
    }

    /// The object of this number, if it is there.
    pub(crate) fn find(&self, number: u64) -> Option<Arc<Entry>> {
        self.objects.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Counts one more proxy of an object that is there.
    pub(crate) fn hold(&self, number: u64) -> Option<Arc<Entry>> {
        let entry = self.find(number)?;
        let mut count = lock(&entry.count);
        if *count == 0 {
            return None;
        }
        *count += 1;
        drop(count);
        Some(entry)
    }

    /// Counts one less; with the last the object goes.
    pub(crate) fn release(&self, number: u64) {
        self.release_many(number, 1);
    }

    fn release_many(&self, number: u64, many: u64) {
        let Some(entry) = self.find(number) else { return };
        let mut count = lock(&entry.count);
        *count = count.saturating_sub(many);
        if *count > 0 {
            return;
        }
        drop(count);
        self.objects.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        // What it holds is released as it is dropped; one behind the other and not one inside the other, for there
        // may be many.
        let first = GONE.with_borrow_mut(|gone| match gone {
            Some(gone) => {
                gone.push(entry.clone());
                false
            }
            None => {
                *gone = Some(Vec::new());
                true
            }
        });
        if first {
            let mut next = Some(entry);
            while let Some(entry) = next {
                put_down(entry);
                next = GONE.with_borrow_mut(|gone| gone.as_mut().and_then(Vec::pop));
            }
            GONE.set(None);
        }
    }

    /// A ticket for an object of this session.
    pub(crate) fn ticket(&self, session: &Session, object: u64) -> Result<u64, Fault> {
        self.hold(object).ok_or(Fault::NoObject)?;
        let number = loop {
            let number = u64::from_ne_bytes(random().map_err(|error| Fault::Refused(error.to_string()))?);
            if number != 0 && !lock(&self.tickets).contains_key(&number) {
                break number;
            }
        };
        lock(&self.tickets).insert(number, Ticket { object, session: session.id, end: None });
        self.expire();
        Ok(number)
    }

    /// Takes the count that a ticket is good for; `false`: it is none for this object, or was used.
    pub(crate) fn redeem(&self, number: u64, object: u64) -> bool {
        let mut tickets = lock(&self.tickets);
        let good = tickets.get(&number).is_some_and(|ticket| ticket.object == object);
        if good {
            tickets.remove(&number);
        }
        good
    }

    /// Drops the tickets whose time is over.
    fn expire(&self) {
        let now = Instant::now();
        let mut over = Vec::new();
        lock(&self.tickets).retain(|_, ticket| {
            let is_over = ticket.end.is_some_and(|end| end <= now);
            if is_over {
                over.push(ticket.object);
            }
            !is_over
        });
        over.into_iter().for_each(|object| self.release(object));
    }

    /// Gives an object a name, which keeps it.
    pub(crate) fn publish(&self, object: u64, name: String) -> Result<(), Fault> {
        self.hold(object).ok_or(Fault::NoObject)?;
        let before = lock(&self.names).insert(name, object);
        before.into_iter().for_each(|object| self.release(object));
        Ok(())
    }

    /// Takes a name back; whether something had it.
    pub(super) fn withdraw(&self, name: &str) -> bool {
        let before = lock(&self.names).remove(name);
        before.inspect(|object| self.release(*object)).is_some()
    }

    /// The object of this name, counted once more.
    pub(super) fn published(&self, name: &str) -> Option<Arc<Entry>> {
        let object = *lock(&self.names).get(name)?;
        self.hold(object)
    }

    pub(super) fn registered(&self, name: &str) -> Option<&'static Marked> {
        self.types.get(name).copied()
    }

    /// The session of this id with one more channel, or a new one.
    pub(super) fn enter(&self, id: Option<u128>) -> Result<Arc<Session>, Fault> {
        let mut sessions = lock(&self.sessions);
        let session = match id {
            Some(id) => {
                sessions.get(&id).cloned().ok_or_else(|| Fault::Refused("no such session".to_owned()))?
            }
            None => {
                let id = u128::from_ne_bytes(random().map_err(|error| Fault::Refused(error.to_string()))?);
                let session = Arc::new(Session::new(id));
                sessions.insert(id, session.clone());
                session
            }
        };
        *lock(&session.channels) += 1;
        Ok(session)
    }

    /// One channel less; with the last the session ends, and with it what it has.
    pub(super) fn leave(&self, session: &Session) {
        {
            let mut sessions = lock(&self.sessions);
            let mut channels = lock(&session.channels);
            *channels -= 1;
            if *channels > 0 {
                return;
            }
            sessions.remove(&session.id);
        }
        session.end();
        let end = Instant::now().checked_add(GRACE);
        for ticket in lock(&self.tickets).values_mut().filter(|ticket| ticket.session == session.id) {
            ticket.end = end;
        }
        for (object, count) in session.take_counts() {
            if let Some(entry) = self.find(object) {
                entry.object.forget(session.id);
            }
            self.release_many(object, count);
        }
        self.expire();
    }

    /// Drops all objects.
    pub(crate) fn clear(&self) {
        // Outside of the lock: an object may hold others.
        let objects = std::mem::take(&mut *self.objects.write().unwrap_or_else(PoisonError::into_inner));
        objects.into_values().for_each(put_down);
    }

    pub(super) fn status(&self, channels: usize, waiting: usize) -> super::ServerStatus {
        super::ServerStatus {
            objects: self.objects.read().unwrap_or_else(PoisonError::into_inner).len(),
            sessions: lock(&self.sessions).len(),
            channels,
            waiting,
            tickets: lock(&self.tickets).len(),
        }
    }
}
