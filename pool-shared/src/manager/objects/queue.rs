//! Queues, in the server.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Duration;

use pool_core::codec::Plain;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::manager::error::{Fault, QueueState, Refusal};
use crate::manager::method::{self, Waits};
use crate::manager::objects::{opaque, proxy};
use crate::manager::server::{Caller, Ended, Line, Monitor, Patience, State};
use crate::manager::{Manager, ManagerError, Method, Methods, Proxy};
use crate::queue::{GetError, PutError};

type Result<T> = std::result::Result<T, ManagerError>;

const GETTERS: usize = 0;
const PUTTERS: usize = 1;
const JOINERS: usize = 2;

/// Memory for so many items is kept when a burst of them is over.
const KEPT: usize = 1 << 10;

/// A managed queue in the server; a joinable one knows what became of its items.
pub struct ManagedQueue<T, const JOINABLE: bool>(Monitor<Items<T>>);

struct Items<T> {
    items: VecDeque<T>,
    bound: usize,
    is_closed: bool,
    /// How many items each client has got and not reported; none has none. For a joinable queue.
    taken: HashMap<u128, u64>,
    /// How many those had who are gone.
    lost: u64,
    /// How often everything was done.
    times_done: u64,
    getters: Line,
    putters: Line,
    joiners: Line,
}

impl<T> State for Items<T> {
    const BARGES: bool = true;

    fn line(&mut self, number: usize) -> Option<&mut Line> {
        match number {
            GETTERS => Some(&mut self.getters),
            PUTTERS => Some(&mut self.putters),
            JOINERS => Some(&mut self.joiners),
            _ => None,
        }
    }

    fn ready(&self, line: usize) -> usize {
        let all = match line {
            JOINERS => self.is_done() || self.lost > 0,
            _ => self.is_closed,
        };
        match line {
            _ if all => usize::MAX,
            GETTERS => self.items.len(),
            PUTTERS => self.room(),
            _ => 0,
        }
    }
}

impl<T> Items<T> {
    fn room(&self) -> usize {
        self.bound.saturating_sub(self.items.len())
    }

    fn is_done(&self) -> bool {
        self.items.is_empty() && self.taken.is_empty() && self.lost == 0
    }

    fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front();
        if self.items.is_empty() && self.items.capacity() > KEPT {
            self.items = VecDeque::new();
        }
        item
    }

    fn took(&mut self, session: u128, count: u64) {
        if count > 0 {
            *self.taken.entry(session).or_default() += count;
        }
    }

    /// An item is done: one that this client got, or else one of those who are gone, or else any. `false`: there is
    /// none.
    fn done(&mut self, session: u128) -> bool {
        let own = self.taken.contains_key(&session).then_some(session);
        let holder = own.or_else(|| (self.lost == 0).then(|| self.taken.keys().next().copied()).flatten());
        match holder.and_then(|holder| self.taken.get_mut(&holder).map(|count| (holder, count))) {
            Some((holder, count)) => {
                *count -= 1;
                if *count == 0 {
                    self.taken.remove(&holder);
                }
            }
            None if self.lost > 0 => self.lost -= 1,
            None => return false,
        }
        if self.is_done() {
            self.times_done = self.times_done.wrapping_add(1);
        }
        true
    }
}

/// How a queue is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Status {
    len: u64,
    is_full: bool,
    is_closed: bool,
}

/// Several items. In the server they are bytes already, one behind the other, each behind its length: so a reply has as
/// many as there is room for. In a client they are decoded within the call, as any reply, for there may be proxies in
/// them.
enum Batch<T> {
    Bytes(Plain<Vec<u8>>),
    Items(Vec<T>),
}

/// Of the length before an item.
const LENGTH: usize = size_of::<u64>();
/// What is in a reply besides the items, at most.
const MARGIN: usize = 64;

impl<T> Serialize for Batch<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Batch::Bytes(bytes) => bytes.serialize(serializer),
            Batch::Items(_) => Err(S::Error::custom("items that have arrived")),
        }
    }
}

impl<'de, T: Queued> Deserialize<'de> for Batch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Batch<T>, D::Error> {
        let Plain(bytes) = Plain::<Vec<u8>>::deserialize(deserializer)?;
        let (mut rest, mut items) = (&bytes[..], Vec::new());
        while let Some((len, behind)) = rest.split_first_chunk::<LENGTH>() {
            let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
            let (item, behind) =
                behind.split_at_checked(len).ok_or_else(|| D::Error::custom("an item too short"))?;
            items.push(method::decode(item).map_err(|fault| D::Error::custom(fault.explain("get_many")))?);
            rest = behind;
        }
        Ok(Batch::Items(items))
    }
}

/// What an item can be.
pub trait Queued: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Queued for T {}

opaque!(ManagedQueue<T, const JOINABLE: bool>, <T, JOINABLE>);

impl<T: Queued, const JOINABLE: bool> ManagedQueue<T, JOINABLE> {
    /// Two methods for the same, so that items whose memory is their encoding cross as that.
    const PUT: Method<Self, T, ()> =
        Method::beside("put", |queue, caller, item| queue.put(caller, Patience::EVER, item));
    const PUT_FOR: Method<Self, (Patience, T), ()> =
        Method::beside("put_for", |queue, caller, (patience, item)| queue.put(caller, patience, item));
    /// How many were put before it was closed.
    const PUT_MANY: Method<Self, Vec<T>, u64> =
        Method::beside("put_many", |queue, caller, items| queue.put_many(caller, items));
    const GET: Method<Self, Patience, T> =
        Method::beside("get", |queue, caller, patience| queue.get(caller, patience));
    const GET_MANY: Method<Self, (Patience, u64), Batch<T>> =
        Method::beside("get_many", |queue, caller, (patience, most)| queue.get_many(caller, patience, most));
    const STATUS: Method<Self, (), Status> = Method::beside("status", |queue, _, ()| {
        let items = queue.0.lock();
        let len = items.items.len() as u64;
        Ok(Status { len, is_full: items.room() == 0, is_closed: items.is_closed })
    });
    const CLOSE: Method<Self, (), ()> = Method::beside("close", |queue, _, ()| {
        queue.0.lock().is_closed = true;
        Ok(())
    });
    const TASK_DONE: Method<Self, (), ()> = Method::beside("task_done", |queue, caller, ()| {
        if queue.0.lock().done(caller.session.id) { Ok(()) } else { Err(Refusal::NothingToReport.into()) }
    });
    const JOIN: Method<Self, Patience, ()> =
        Method::beside("join", |queue, caller, patience| queue.join(caller, patience));

    /// `bound`: 0 is none.
    fn new(bound: u64) -> Self {
        let bound = if bound == 0 { usize::MAX } else { usize::try_from(bound).unwrap_or(usize::MAX) };
        ManagedQueue(Monitor::new(Items {
            items: VecDeque::new(),
            bound,
            is_closed: false,
            taken: HashMap::new(),
            lost: 0,
            times_done: 0,
            getters: Line::default(),
            putters: Line::default(),
            joiners: Line::default(),
        }))
    }

    fn put(&self, caller: &Caller, patience: Patience, item: T) -> std::result::Result<(), Fault> {
        let mut item = Some(item);
        let put = self.0.wait(caller, patience, PUTTERS, |items, before| {
            if items.is_closed {
                return Some(Err(QueueState::Closed));
            }
            (items.room() > before).then(|| {
                items.items.extend(item.take());
                Ok(())
            })
        });
        answered(put, QueueState::Full)
    }

    fn put_many(&self, caller: &Caller, items: Vec<T>) -> std::result::Result<u64, Fault> {
        let (mut rest, mut count) = (items.into_iter(), 0);
        while rest.len() > 0 {
            let put = self.0.wait(caller, Patience::EVER, PUTTERS, |items, before| {
                if items.is_closed {
                    return Some(None);
                }
                let room = items.room().saturating_sub(before).min(rest.len());
                items.items.extend(rest.by_ref().take(room));
                (room > 0).then_some(Some(room as u64))
            })?;
            let Some(put) = put else { break };
            count += put;
        }
        Ok(count)
    }

    fn get(&self, caller: &Caller, patience: Patience) -> std::result::Result<T, Fault> {
        let got = self.0.wait(caller, patience, GETTERS, |items, before| {
            if items.items.len() > before
                && let Some(item) = items.pop()
            {
                items.took(caller.session.id, u64::from(JOINABLE));
                return Some(Ok(item));
            }
            (items.is_closed && items.items.is_empty()).then_some(Err(QueueState::Closed))
        });
        answered(got, QueueState::Empty)
    }

    fn get_many(
        &self,
        caller: &Caller,
        patience: Patience,
        most: u64,
    ) -> std::result::Result<Batch<T>, Fault> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(1);
        let mut got = VecDeque::new();
        let first = self.0.wait(caller, patience, GETTERS, |items, before| {
            let many = items.items.len().saturating_sub(before).min(most);
            if many > 0 {
                // Those behind `many` stay.
                let rest = items.items.split_off(many);
                got = std::mem::replace(&mut items.items, rest);
                items.took(caller.session.id, if JOINABLE { many as u64 } else { 0 });
                return Some(Ok(()));
            }
            (items.is_closed && items.items.is_empty()).then_some(Err(QueueState::Closed))
        });
        answered(first, QueueState::Empty)?;
        let limit = usize::try_from(caller.server.limits.message).unwrap_or(usize::MAX);
        let (mut bytes, mut failed) = (Vec::new(), None);
        while let Some(item) = got.front() {
            let at = bytes.len();
            bytes.extend_from_slice(&[0; LENGTH]);
            let encoded = method::encode(item, &mut bytes);
            let is_too_much = encoded.is_err() || bytes.len() + MARGIN > limit;
            if is_too_much && at > 0 {
                // It stays, for the next call.
                bytes.truncate(at);
                break;
            }
            let len = bytes.len() - at - LENGTH;
            bytes[at..at + LENGTH].copy_from_slice(&(len as u64).to_le_bytes());
            got.pop_front();
            if let Err(fault) = encoded {
                failed = Some(fault);
                break;
            }
        }
        if !got.is_empty() {
            let mut items = self.0.lock();
            for _ in 0..if JOINABLE { got.len() } else { 0 } {
                items.done(caller.session.id);
            }
            got.append(&mut items.items);
            items.items = got;
        }
        failed.map_or(Ok(Batch::Bytes(Plain(bytes))), Err)
    }

    fn join(&self, caller: &Caller, patience: Patience) -> std::result::Result<(), Fault> {
        let mut first = None;
        let joined = self.0.wait(caller, patience, JOINERS, |items, _| {
            let first = *first.get_or_insert(items.times_done);
            if items.is_done() || items.times_done != first {
                return Some(Ok(()));
            }
            (items.lost > 0).then_some(Err(Refusal::Lost(items.lost)))
        });
        match joined {
            Ok(joined) => joined.map_err(Fault::from),
            Err(Ended::Time) => Err(Refusal::NotDone.into()),
            Err(Ended::Unwanted) => Err(Ended::Unwanted.into()),
        }
    }
}

/// What the caller hears of a wait; at the end of its time, that the queue was still that.
fn answered<R>(
    outcome: std::result::Result<std::result::Result<R, QueueState>, Ended>,
    still: QueueState,
) -> std::result::Result<R, Fault> {
    match outcome {
        Ok(answer) => answer.map_err(|state| Refusal::Queue(state).into()),
        Err(Ended::Time) => Err(Refusal::Queue(still).into()),
        Err(Ended::Unwanted) => Err(Ended::Unwanted.into()),
    }
}

impl<T: Queued, const JOINABLE: bool> Waits for ManagedQueue<T, JOINABLE> {
    const NAME: &'static str = if JOINABLE { "joinable queue" } else { "queue" };

    fn methods() -> Methods<Self> {
        let methods = Methods::new()
            .with(&Self::PUT)
            .with(&Self::PUT_FOR)
            .with(&Self::PUT_MANY)
            .with(&Self::GET)
            .with(&Self::GET_MANY)
            .with(&Self::STATUS)
            .with(&Self::CLOSE);
        if JOINABLE { methods.with(&Self::TASK_DONE).with(&Self::JOIN) } else { methods }
    }

    fn forget(&self, session: u128) {
        let mut items = self.0.lock();
        items.lost += items.taken.remove(&session).unwrap_or(0);
    }

    fn wake(&self) {
        self.0.wake();
    }
}

/// What is the same for both kinds of queues.
macro_rules! queue {
    ($(#[$doc:meta])* $proxy:ident, $joinable:literal, $make:ident, $make_bounded:ident, $what:literal) => {
        $(#[$doc])*
        pub struct $proxy<T>(Proxy<ManagedQueue<T, $joinable>>);

        proxy!($proxy<T>, ManagedQueue<T, $joinable>);

        impl Manager {
            #[doc = concat!("A new ", $what, " with room for any number of items.")]
            ///
            /// # Errors
            /// [`Gone`](ManagerError::Gone): the server has ended.
            pub fn $make<T: Queued>(&self) -> Result<$proxy<T>> {
                self.create_waiting(ManagedQueue::<T, $joinable>::new, 0).map($proxy)
            }

            #[doc = concat!("A new ", $what, " with room for so many items (Python's `maxsize`).")]
            ///
            /// # Errors
            /// [`Misuse`](ManagerError::Misuse): `max_items` is 0; [`Gone`](ManagerError::Gone): the server has ended.
            pub fn $make_bounded<T: Queued>(&self, max_items: usize) -> Result<$proxy<T>> {
                if max_items == 0 {
                    return Err(ManagerError::Misuse("a queue that has no room for any item".to_owned()));
                }
                self.create_waiting(ManagedQueue::<T, $joinable>::new, max_items as u64).map($proxy)
            }
        }

        impl<T: Queued> $proxy<T> {
            /// Puts an item at the end. Waits while the queue is full.
            ///
            /// # Errors
            /// The queue is closed, or the call fails; with the item.
            pub fn put(&self, item: T) -> std::result::Result<(), PutError<T>> {
                let put = self.0.ask(&ManagedQueue::PUT, &item);
                put.map_err(|error| not_put(item, error))
            }

            /// Puts an item at the end if there is room.
            ///
            /// # Errors
            /// The queue is full or closed, or the call fails; with the item.
            pub fn try_put(&self, item: T) -> std::result::Result<(), PutError<T>> {
                self.put_for(Patience::NONE, item)
            }

            /// Puts an item at the end. Waits while the queue is full, for at most `timeout`.
            ///
            /// # Errors
            /// The queue is full or closed, or the call fails; with the item.
            pub fn put_timeout(&self, item: T, timeout: Duration) -> std::result::Result<(), PutError<T>> {
                self.put_for(timeout.into(), item)
            }

            fn put_for(&self, patience: Patience, item: T) -> std::result::Result<(), PutError<T>> {
                let argument = (patience, item);
                let put = self.0.ask(&ManagedQueue::PUT_FOR, &argument);
                put.map_err(|error| not_put(argument.1, error))
            }

            /// Puts items at the end, in one call. Waits while the queue is full, and puts as many as there is room for
            /// whenever there is; others may put theirs in between then.
            ///
            /// # Errors
            /// The queue is closed, or the call fails; with the items that are not in it. (If the server ends in the
            /// middle it is not known which those are: all are given.)
            pub fn put_many(&self, mut items: Vec<T>) -> std::result::Result<(), PutError<Vec<T>>> {
                match self.0.ask(&ManagedQueue::PUT_MANY, &items) {
                    Ok(count) if count == items.len() as u64 => Ok(()),
                    Ok(count) => {
                        let count = usize::try_from(count).unwrap_or(usize::MAX).min(items.len());
                        Err(PutError::Closed(items.split_off(count)))
                    }
                    Err(error) => Err(not_put(items, error)),
                }
            }

            /// Takes the first item. Waits while there is none.
            ///
            /// # Errors
            /// The queue is closed and nothing is left in it, or the call fails.
            pub fn get(&self) -> std::result::Result<T, GetError> {
                self.0.call(&ManagedQueue::GET, Patience::EVER).map_err(not_got)
            }

            /// Takes the first item if there is one.
            ///
            /// # Errors
            /// There is none; the queue is closed and nothing is left in it; the call fails.
            pub fn try_get(&self) -> std::result::Result<T, GetError> {
                self.0.call(&ManagedQueue::GET, Patience::NONE).map_err(not_got)
            }

            /// Takes the first item. Waits while there is none, for at most `timeout`.
            ///
            /// # Errors
            /// There is none; the queue is closed and nothing is left in it; the call fails.
            pub fn get_timeout(&self, timeout: Duration) -> std::result::Result<T, GetError> {
                self.0.call(&ManagedQueue::GET, timeout.into()).map_err(not_got)
            }

            /// Takes the first items, at most `most` of them, in one call. Waits while there is none. There are fewer
            /// also if more would be too long for a message.
            ///
            /// # Errors
            /// The queue is closed and nothing is left in it, or the call fails.
            pub fn get_many(&self, most: usize) -> std::result::Result<Vec<T>, GetError> {
                self.get_many_for(Patience::EVER, most)
            }

            /// As [`get_many`](Self::get_many), for at most `timeout`.
            ///
            /// # Errors
            /// There is none; the queue is closed and nothing is left in it; the call fails.
            pub fn get_many_timeout(
                &self,
                most: usize,
                timeout: Duration,
            ) -> std::result::Result<Vec<T>, GetError> {
                self.get_many_for(timeout.into(), most)
            }

            fn get_many_for(&self, patience: Patience, most: usize) -> std::result::Result<Vec<T>, GetError> {
                match self.0.call(&ManagedQueue::GET_MANY, (patience, most as u64)).map_err(not_got)? {
                    Batch::Items(items) => Ok(items),
                    Batch::Bytes(_) => Ok(Vec::new()),
                }
            }

            /// How many items are in it. Others may have changed that already.
            ///
            /// # Errors
            /// [`Gone`](ManagerError::Gone): the server has ended; so all that follow.
            pub fn len(&self) -> Result<usize> {
                Ok(usize::try_from(self.status()?.len).unwrap_or(usize::MAX))
            }

            /// As [`len`](Self::len), by Python's name.
            ///
            /// # Errors
            /// As [`len`](Self::len).
            pub fn qsize(&self) -> Result<usize> {
                self.len()
            }

            /// Whether there is no item in it.
            ///
            /// # Errors
            /// As [`len`](Self::len).
            pub fn is_empty(&self) -> Result<bool> {
                Ok(self.status()?.len == 0)
            }

            /// Whether it has as many items as it has room for.
            ///
            /// # Errors
            /// As [`len`](Self::len).
            pub fn is_full(&self) -> Result<bool> {
                Ok(self.status()?.is_full)
            }

            /// Closes it, for all: what is put from now on is refused, and what is got is what was left in it.
            ///
            /// # Errors
            /// As [`len`](Self::len).
            pub fn close(&self) -> Result<()> {
                self.0.call(&ManagedQueue::CLOSE, ())
            }

            /// Whether it is closed.
            ///
            /// # Errors
            /// As [`len`](Self::len).
            pub fn is_closed(&self) -> Result<bool> {
                Ok(self.status()?.is_closed)
            }

            fn status(&self) -> Result<Status> {
                self.0.call(&ManagedQueue::STATUS, ())
            }
        }
    };
}

queue!(
    /// A proxy of a queue of values between threads of all clients, as Python's `Manager().Queue()`.
    ///
    /// Items are any serde values, proxies among them. They come out in the order in which they went in, each once.
    /// Who waits to put or to get and dies takes and leaves nothing; an item that was got is the getter's, and gone with
    /// it. A [`JoinableQueueProxy`] notices that.
    ///
    /// ```
    /// use pool_process::Process;
    /// use pool_shared::{Manager, QueueProxy};
    ///
    /// let manager = Manager::start()?;
    /// let (numbers, squares) = (manager.queue()?, manager.bounded_queue(10)?);
    /// let square = |(numbers, squares): (QueueProxy<u64>, QueueProxy<u64>)| {
    ///     // Until it is closed, and nothing is left in it.
    ///     while let Ok(number) = numbers.get() {
    ///         squares.put(number * number).expect("a queue that is open");
    ///     }
    /// };
    /// let child = Process::spawn(square, (numbers.clone(), squares.clone()))?;
    /// numbers.put_many(vec![1, 2, 3])?;
    /// assert_eq!((squares.get()?, squares.get()?, squares.get()?), (1, 4, 9));
    /// numbers.close()?;
    /// child.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    QueueProxy, false, queue, bounded_queue, "queue"
);

queue!(
    /// A proxy of a [`QueueProxy`]'s queue whose items are reported as done by who got them, as Python's
    /// `Manager().JoinableQueue()`.
    ///
    /// The queue remembers how many items each process has got and not reported. If one ends with some, or drops its
    /// last proxy of the queue, nobody will report them: [`join`](JoinableQueueProxy::join) then ends with an error that
    /// says how many. Whoever makes up for them calls [`task_done`](JoinableQueueProxy::task_done) in its place.
    ///
    /// ```
    /// use pool_process::Process;
    /// use pool_shared::{JoinableQueueProxy, Manager};
    ///
    /// let manager = Manager::start()?;
    /// let work = manager.joinable_queue()?;
    /// let consumer = |work: JoinableQueueProxy<String>| {
    ///     while let Ok(text) = work.get() {
    ///         assert!(!text.is_empty());
    ///         work.task_done().expect("an item that was got");
    ///     }
    /// };
    /// let child = Process::spawn(consumer, work.clone())?;
    /// work.put("one".to_owned())?;
    /// work.put("two".to_owned())?;
    /// work.join()?;
    /// work.close()?;
    /// child.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    JoinableQueueProxy, true, joinable_queue, bounded_joinable_queue, "joinable queue"
);

impl<T: Queued> JoinableQueueProxy<T> {
    /// Reports an item as done: one that this process got, or else one of a process that has ended, or else of any.
    ///
    /// # Errors
    /// [`TaskDone`](ManagerError::TaskDone): every item that was got has been reported; and as
    /// [`len`](JoinableQueueProxy::len).
    pub fn task_done(&self) -> Result<()> {
        self.0.call(&ManagedQueue::TASK_DONE, ())
    }

    /// Waits until every item that was put has been got and reported as done.
    ///
    /// # Errors
    /// [`Join`](ManagerError::Join): processes ended with items that nobody has reported; see
    /// [`JoinError::Lost`](crate::JoinError::Lost); and as [`len`](JoinableQueueProxy::len).
    pub fn join(&self) -> Result<()> {
        self.0.call(&ManagedQueue::JOIN, Patience::EVER)
    }

    /// As [`join`](JoinableQueueProxy::join), for at most `timeout`.
    ///
    /// # Errors
    /// As `join`, or time is over.
    pub fn join_timeout(&self, timeout: Duration) -> Result<()> {
        self.0.call(&ManagedQueue::JOIN, timeout.into())
    }
}

fn not_put<T>(item: T, error: ManagerError) -> PutError<T> {
    match error {
        ManagerError::Queue(QueueState::Full) => PutError::Full(item),
        ManagerError::Queue(QueueState::Closed) => PutError::Closed(item),
        error => PutError::Failed(item, io::Error::other(error)),
    }
}

fn not_got(error: ManagerError) -> GetError {
    match error {
        ManagerError::Queue(QueueState::Empty) => GetError::Empty,
        ManagerError::Queue(QueueState::Closed) => GetError::Closed,
        error => GetError::Failed(io::Error::other(error)),
    }
}
