//! Clients that are killed at any instant while they use everything that a manager has: all counts add up, nobody
//! hangs, no lock stays held, and the server has in the end what it had in the beginning.
//!
//! `POOL_STORM_SECONDS=30 POOL_STORM_CLIENTS=64 cargo test --release --features manager --test manager deaths -- --nocapture`
//! is the long one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pool::StartMethod;
use pool::shared::{
    BarrierProxy, ConditionProxy, DictProxy, EventProxy, JoinError, JoinableQueueProxy, ListProxy, LockProxy,
    Manager, ManagerError, QueueProxy, RLockProxy, SemaphoreProxy,
};
use serde::{Deserialize, Serialize};

use crate::support::{Census, Random, alone_within, eventually};
use crate::{Elsewhere, Party};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

/// How long, in seconds.
fn length() -> Duration {
    Duration::from_secs(number("POOL_STORM_SECONDS", 3))
}

fn clients() -> usize {
    number("POOL_STORM_CLIENTS", 16) as usize
}

/// What a storm may take besides its length.
const CALM: Duration = Duration::from_secs(120);

const ROOM: u64 = 3;
/// No call takes so long, whoever dies.
const LONG: Duration = Duration::from_secs(60);

/// All that the clients use.
#[derive(Clone, Serialize, Deserialize)]
struct All {
    /// The totals of each client, which it alone changes: how many items it has put, got; how often it was inside.
    books: DictProxy<(u64, Book), u64>,
    list: ListProxy<(u64, u64)>,
    queue: QueueProxy<(u64, u64)>,
    work: JoinableQueueProxy<u64>,
    lock: LockProxy,
    /// What the lock guards: two that are equal whenever nobody has it.
    pair: (DictProxy<u64, u64>, ListProxy<u64>),
    again: RLockProxy,
    inside: LockProxy,
    gate: SemaphoreProxy,
    room: SemaphoreProxy,
    changed: ConditionProxy,
    ready: EventProxy,
    meeting: BarrierProxy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Book {
    Put,
    Got,
    Pushed,
    Added,
}

/// Uses one after the other, until there is an end.
fn client((all, who): (All, u64)) {
    let mut random = Random::new(who);
    let (mut put, mut got, mut pushed, mut added) = (0, 0, 0, 0);
    let note = |book, count: u64| all.books.insert((who, book), count).map(drop);
    while !all.ready.is_set().unwrap() {
        match random.below(9) {
            // First what is to be done is noted, or first it is done, so that a death between makes one too many or too
            // few, on the side that the end reckons with.
            0 => {
                put += 1;
                note(Book::Put, put).unwrap();
                all.queue.put_timeout((who, put), LONG).unwrap();
            }
            1 => {
                if all.queue.get_timeout(Duration::from_millis(random.below(3))).is_ok() {
                    got += 1;
                    note(Book::Got, got).unwrap();
                }
            }
            2 => {
                pushed += 1;
                note(Book::Pushed, pushed).unwrap();
                all.list.push((who, pushed)).unwrap();
            }
            3 => {
                let guard = all.lock.lock_timeout(LONG).unwrap().expect("the lock, in time");
                if guard.is_abandoned().unwrap() {
                    // Whoever died had changed one, perhaps, and not the other.
                    let first = all.pair.0.get(&0).unwrap().unwrap();
                    all.pair.1.set(0, first).unwrap();
                    guard.clear_abandoned().unwrap();
                }
                let first = all.pair.0.get(&0).unwrap().unwrap();
                assert_eq!(all.pair.1.get(0).unwrap(), Some(first), "half done, and nobody said so");
                added += 1;
                note(Book::Added, added).unwrap();
                all.pair.0.insert(0, first + 1).unwrap();
                all.pair.1.set(0, first + 1).unwrap();
            }
            4 => {
                let _once = all.again.lock_timeout(LONG).unwrap().expect("the lock, in time");
                let _twice = all.again.lock().unwrap();
                assert!(all.inside.try_acquire().unwrap(), "two at once");
                all.inside.release().unwrap();
            }
            5 => {
                let _permit = all.gate.permit_timeout(LONG).unwrap().expect("a permit, in time");
                assert!(all.room.try_permit().unwrap().is_some(), "more than there are permits");
            }
            6 => {
                let _guard = all.changed.lock().unwrap();
                all.changed.notify(1).unwrap();
                all.changed.wait_timeout(Duration::from_millis(random.below(3))).unwrap();
            }
            7 => {
                if all.work.put_timeout(who, LONG).is_ok()
                    && all.work.get_timeout(Duration::from_millis(1)).is_ok()
                {
                    all.work.task_done().unwrap();
                }
            }
            _ => match all.meeting.wait_timeout(Duration::from_millis(random.below(10))) {
                Ok(_) => {}
                Err(ManagerError::Broken(_)) => all.meeting.reset().unwrap(),
                Err(error) => panic!("{error}"),
            },
        }
    }
}

#[test]
fn a_storm_of_clients_leaves_all_counts_right_and_the_server_as_it_was() {
    let path =
        concat!(module_path!(), "::a_storm_of_clients_leaves_all_counts_right_and_the_server_as_it_was");
    alone_within(length() * 4 + CALM, path, || {
        let before = Census::take();
        storm();
        before.assert_restored();
    });
}

fn storm() {
    let manager = Manager::start().unwrap();
    let server = manager.pid().unwrap();
    let all = All {
        books: manager.dict().unwrap(),
        list: manager.list([]).unwrap(),
        queue: manager.bounded_queue(100_000).unwrap(),
        work: manager.joinable_queue().unwrap(),
        lock: manager.lock().unwrap(),
        pair: (manager.dict().unwrap(), manager.list([0]).unwrap()),
        again: manager.rlock().unwrap(),
        inside: manager.lock().unwrap(),
        gate: manager.semaphore(ROOM as u32).unwrap(),
        room: manager.semaphore(ROOM as u32).unwrap(),
        changed: manager.condition().unwrap(),
        ready: manager.event().unwrap(),
        meeting: manager.barrier(3).unwrap(),
    };
    all.pair.0.insert(0, 0).unwrap();
    let objects = manager.status().unwrap().objects;
    let calm = state_of(server);

    let mut next = 0;
    let mut start = || {
        next += 1;
        Elsewhere::Process(StartMethod::Fork).start(client, (all.clone(), next))
    };
    let mut running: Vec<Party<()>> = (0..clients()).map(|_| start()).collect();
    eventually("all are there", || manager.status().unwrap().sessions == clients() + 1);
    let crowd = state_of(server);
    let mut random = Random::new(u64::from(std::process::id()));
    let (begun, mut killed) = (Instant::now(), 0_u64);
    while begun.elapsed() < length() {
        // A third of them, each two seconds, at instants of all kinds.
        let pause = Duration::from_secs(2).as_micros() as u64 * 6 / clients() as u64;
        std::thread::sleep(Duration::from_micros(random.below(pause)));
        let place = random.below(running.len() as u64) as usize;
        running.swap_remove(place).kill();
        killed += 1;
        running.push(start());
    }
    let at_the_end = state_of(server);
    all.ready.set().unwrap();
    running.into_iter().for_each(Party::join);
    eventually("only this one is left", || manager.status().unwrap().sessions == 1);

    let status = manager.status().unwrap();
    assert_eq!((status.objects, status.waiting, status.tickets), (objects, 0, 0));
    let items = add_up(&all, killed);
    // What they left is not the server's for ever.
    all.list.clear().unwrap();
    all.books.clear().unwrap();
    let left = state_of(server);
    println!(
        "{} clients, {killed} killed and replaced, {:?}: {items}\nthe server: {calm:?} at first, {crowd:?} with all clients, \
         {at_the_end:?} at the end of the storm, {left:?} alone again",
        clients(),
        begun.elapsed(),
    );
    eventually("the server has the descriptors and threads that it had", || {
        let now = state_of(server);
        (now.descriptors, now.threads) == (calm.descriptors, calm.threads)
    });
    assert!(at_the_end.resident < crowd.resident + (64 << 20), "memory grew: {crowd:?}, then {at_the_end:?}");
}

/// What there is when nobody uses it any more.
fn add_up(all: &All, killed: u64) -> String {
    let of = |book| {
        let books = all.books.items().unwrap().into_iter();
        books.filter(|((_, of), _)| *of == book).map(|(_, count)| count).sum::<u64>()
    };
    // A client that was killed may have noted one that it did not do, or not noted one that it did.
    let near = |noted: u64, there: u64, what: &str| {
        assert!(noted.abs_diff(there) <= killed, "{what}: {noted} noted, {there} there, {killed} killed");
    };
    let left = all.queue.get_many_timeout(usize::MAX, Duration::ZERO).unwrap_or_default();
    let (put, got) = (of(Book::Put), of(Book::Got));
    near(put, got + left.len() as u64, "items in the queue");
    let mut once: Vec<_> = left.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), left.len(), "an item came twice");

    let mut list: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    all.list
        .to_vec()
        .unwrap()
        .into_iter()
        .for_each(|(who, number)| list.entry(who).or_default().push(number));
    // What a client pushed is there whole and in order.
    assert!(list.values().all(|numbers| numbers.iter().copied().eq(1..=numbers.len() as u64)));
    let pushed = of(Book::Pushed);
    near(pushed, list.values().map(Vec::len).sum::<usize>() as u64, "items in the list");

    let guard = all.lock.try_lock().unwrap().expect("a lock that nobody has");
    let sums = (all.pair.0.get(&0).unwrap().unwrap(), all.pair.1.get(0).unwrap().unwrap());
    assert!(sums.0 == sums.1 || guard.is_abandoned().unwrap(), "{sums:?}");
    near(of(Book::Added), sums.0, "additions under the lock");
    drop(guard);
    for lock in [&all.lock, &all.inside] {
        assert!(!lock.is_locked().unwrap());
    }
    assert!(!all.again.is_locked().unwrap() && all.changed.try_acquire().unwrap());
    assert_eq!(all.changed.waiting().unwrap(), 0);
    all.changed.release().unwrap();
    assert_eq!((all.gate.available().unwrap(), all.room.available().unwrap()), (ROOM, ROOM));
    assert_eq!(all.meeting.waiting().unwrap(), 0);

    // Items that were got and not reported died with who had got them.
    while all.work.try_get().is_ok() {
        all.work.task_done().unwrap();
    }
    let lost = match all.work.join() {
        Ok(()) => 0,
        Err(ManagerError::Join(JoinError::Lost(lost))) => lost,
        Err(error) => panic!("{error}"),
    };
    assert!(lost as u64 <= killed);
    (0..lost).for_each(|_| all.work.task_done().unwrap());
    all.work.join().unwrap();
    assert!(all.work.task_done().is_err());
    format!("{put} put, {got} got, {pushed} pushed, {} added, {lost} lost", sums.0)
}

/// What a process has.
#[derive(Debug, Clone, Copy)]
struct State {
    resident: u64,
    descriptors: usize,
    threads: usize,
}

fn state_of(pid: u32) -> State {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let count = |what: &str| std::fs::read_dir(format!("/proc/{pid}/{what}")).unwrap().count();
    let resident = resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    State { resident, descriptors: count("fd"), threads: count("task") }
}
