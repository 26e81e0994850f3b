//! Clients that send anything: random, truncated, oversized and replayed messages, before and after they have been let
//! in, through a socket and through a lane. The server serves the honest ones beside them, does not end, and does not
//! grow.
//!
//! `POOL_TEST_MESSAGES` says how many messages; 10 million take some minutes, and `POOL_TEST_LIMIT` seconds for the
//! watchdog that are more than those.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;
use std::time::{Duration, Instant};

use pool::codec;
use pool::shared::{Address, Client, Connection, Managed, Manager, Method, Methods, Proxy};
use pool_ipc::shared::{Block, Place, knock, wake};
use pool_ipc::{passing, stream};
use serde::Serialize;

use crate::support::{Random, by_itself, eventually};

by_itself!(the_server_bears_whatever_clients_send, a_message_while_its_own_call_waits_ends_that_client_alone,);

const KEY: &[u8] = b"a key of the tests";

struct Target(u64);

impl Target {
    const ADD: Method<Target, u64, u64> = Method::new("add", |target, by| {
        target.0 = target.0.wrapping_add(by);
        target.0
    });
    const ECHO: Method<Target, Vec<u8>, Vec<u8>> = Method::new("echo", |_, bytes| bytes);
}

impl Managed for Target {
    const NAME: &'static str = "Target";

    fn methods() -> Methods<Target> {
        Methods::new().with(&Target::ADD).with(&Target::ECHO)
    }
}

/// What is asked of the server itself, in the order in which it is on the wire.
#[derive(Serialize)]
enum Request {
    Create { maker: u64, input: Vec<u8> },
    CreateNamed { name: String, input: Vec<u8> },
    Run { object: u64, function: u64, input: Vec<u8> },
    Adopt { object: u64, ticket: u64 },
    Release { object: u64 },
    Ticket { object: u64 },
    Publish { object: u64, name: String },
    Withdraw { name: String },
    Find { name: String },
    Shutdown { owner: u128 },
    Status,
}

/// Makes messages.
struct Source {
    random: Random,
    sent: Vec<Vec<u8>>,
}

impl Source {
    fn new(seed: u64) -> Source {
        Source { random: Random::new(seed), sent: Vec::new() }
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        let len = self.random.below(most);
        (0..len).map(|_| self.random.below(256) as u8).collect()
    }

    /// Mostly a small one: those mean something.
    fn number(&mut self) -> u64 {
        match self.random.below(4) {
            0 => self.random.below(u64::MAX),
            1 => self.random.below(1 << 24) * 8,
            _ => self.random.below(12),
        }
    }

    fn name(&mut self) -> String {
        ["a", "b", "c", "target", "Target", "", "\u{e5}"][self.random.below(7) as usize].to_owned()
    }

    fn request(&mut self) -> Request {
        match self.random.below(12) {
            0 => Request::Create { maker: self.number(), input: self.bytes(40) },
            1 => Request::CreateNamed { name: self.name(), input: self.bytes(12) },
            2 => Request::Run { object: self.number(), function: self.number(), input: self.bytes(40) },
            3 => Request::Adopt { object: self.number(), ticket: self.number() },
            4 => Request::Release { object: self.number() },
            // Each is kept for a while.
            5 if self.random.below(100) == 0 => Request::Ticket { object: self.number() },
            6 => Request::Publish { object: self.number(), name: self.name() },
            7 => Request::Withdraw { name: self.name() },
            8 => Request::Find { name: self.name() },
            9 => Request::Shutdown { owner: u128::from(self.number()) },
            10 => Request::Status,
            _ => Request::CreateNamed {
                name: "Target".to_owned(),
                input: self.number().to_le_bytes().to_vec(),
            },
        }
    }

    /// A call, or something like one.
    fn call(&mut self) -> Vec<u8> {
        let mut call = Vec::new();
        match self.random.below(10) {
            0 => return self.bytes(300),
            1 if !self.sent.is_empty() => {
                let nth = self.random.below(self.sent.len() as u64) as usize;
                return self.sent[nth].clone();
            }
            2..=4 => {
                let method =
                    [0x3b39_1274, 0, self.random.below(1 << 32) as u32][self.random.below(3) as usize];
                call.extend_from_slice(&self.number().to_le_bytes());
                call.extend_from_slice(&method.to_le_bytes());
                call.extend_from_slice(&[1, 0, 0, 0]);
                call.extend(self.bytes(60));
            }
            _ => {
                call.extend_from_slice(&[0; 16]);
                codec::encode(&self.request(), &mut call).unwrap();
            }
        }
        match self.random.below(6) {
            0 => call.truncate(self.random.below(call.len() as u64 + 1) as usize),
            1 if !call.is_empty() => {
                let at = self.random.below(call.len() as u64) as usize;
                call[at] ^= 1 << self.random.below(8);
            }
            // A length within that nothing is behind.
            2 if call.len() > 32 => call[20..28].copy_from_slice(&u64::MAX.to_le_bytes()),
            _ => {}
        }
        if self.sent.len() < 100 {
            self.sent.push(call.clone());
        } else {
            let nth = self.random.below(100) as usize;
            self.sent[nth].clone_from(&call);
        }
        call
    }
}

/// How many messages are left, for all clients together.
struct Budget(AtomicU64);

impl Budget {
    /// `false`: none.
    fn take(&self, count: u64) -> bool {
        // ORDERING: a number that stands for itself.
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(count)).is_ok()
    }
}

/// As it is on a socket: the length, and at least 120 bytes.
fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = (message.len() as u64).to_le_bytes().to_vec();
    frame.extend_from_slice(message);
    frame.resize(frame.len().max(128), 0);
    frame
}

/// Whether a whole frame came.
fn read_frame(stream: &mut impl Read) -> bool {
    let mut cell = [0; 128];
    if stream.read_exact(&mut cell).is_err() {
        return false;
    }
    let len = u64::from_le_bytes(cell[..8].try_into().unwrap());
    let mut rest = vec![0; (len as usize).saturating_sub(120)];
    stream.read_exact(&mut rest).is_ok()
}

fn hello(lane: Option<(u128, u32, u64)>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Lane {
        id: u128,
        pid: u32,
        place: u64,
    }
    #[derive(Serialize)]
    struct Hello {
        build: u64,
        session: Option<u128>,
        lane: Option<Lane>,
    }
    let lane = lane.map(|(id, pid, place)| Lane { id, pid, place });
    let mut bytes = b"pool-mgr\x01\0\0\0".to_vec();
    codec::encode(&Hello { build: 1, session: None, lane }, &mut bytes).unwrap();
    bytes
}

/// Says something to a server that has not let it in.
fn knock_at_the_gate(address: &str, source: &mut Source) {
    let Ok(mut stream) = TcpStream::connect(address) else { return };
    let mut challenge = [0; 128];
    match source.random.below(4) {
        0 => drop(stream.write_all(&source.bytes(400))),
        1 => {
            let _ = stream.read_exact(&mut challenge);
            let _ = stream.write_all(&[&b"pool-au\xff"[..], &source.bytes(70)].concat());
        }
        2 => {
            // Its own challenge, back.
            let _ = stream.read_exact(&mut challenge);
            let _ = stream.write_all(&challenge[..72]);
            let _ = stream.read(&mut challenge);
        }
        _ => drop(stream.write_all(&frame(&hello(None)))),
    }
}

/// A client that has the key.
fn by_socket(address: &str, source: &mut Source, budget: &Budget) {
    const BATCH: u64 = 32;
    while budget.take(BATCH) {
        if source.random.below(4) == 0 {
            knock_at_the_gate(address, source);
        }
        let Ok(client) = Client::new().key(KEY).connect::<(), ()>(address) else { continue };
        let mut stream: TcpStream = std::os::fd::OwnedFd::from(client).into();
        let greeting = if source.random.below(8) == 0 { source.call() } else { hello(None) };
        if stream.write_all(&frame(&greeting)).is_err() || !read_frame(&mut stream) {
            continue;
        }
        for _ in 0..64 {
            if !budget.take(BATCH) {
                return;
            }
            let batch: Vec<u8> = (0..BATCH).flat_map(|_| frame(&source.call())).collect();
            if stream.write_all(&batch).is_err() || !(0..BATCH).all(|_| read_frame(&mut stream)) {
                break;
            }
        }
        match source.random.below(3) {
            // More than the limit, or more than comes.
            0 => drop(stream.write_all(&[&source.number().to_le_bytes()[..], &[0; 120]].concat())),
            1 => drop(stream.write_all(&source.bytes(127))),
            _ => {}
        }
    }
}

const LANE: u32 = 96;
const LANE_BYTES: usize = 4096 + 2 * (32 << 10);
const TURN: u32 = 4;

/// A client on this machine.
fn by_lane(door: &str, source: &mut Source, budget: &Budget) {
    while budget.take(1) {
        let Ok(mut stream) = knock(door) else { continue };
        let block = Block::create(LANE, LANE_BYTES).unwrap();
        if !greet(&mut stream, &block, source) {
            continue;
        }
        let (own, len, other) = (&block.words()[0], &block.words()[1], &block.words()[32]);
        let mut seen = 0;
        for _ in 0..2000 {
            if !budget.take(1) {
                return;
            }
            let call = source.call();
            let first = call.len().min(52);
            block.write(12, &call[..first]).unwrap();
            block.write(4096, &call[first..]).unwrap();
            len.store(call.len() as u32, Relaxed);
            own.fetch_add(TURN, AcqRel);
            wake(own, 1);
            let until = Instant::now() + Duration::from_secs(20);
            while other.load(Acquire) & !1 == seen {
                if Instant::now() > until {
                    panic!("no answer to {call:x?}");
                }
                thread::yield_now();
            }
            seen = other.load(Acquire) & !1;
            if seen & 2 != 0 {
                break;
            }
            let long = block.words()[33].load(Relaxed) as usize > 52 + (32 << 10);
            if long {
                break;
            }
        }
        // Nothing that is agreed upon.
        for _ in 0..source.random.below(20) {
            if !budget.take(1) {
                return;
            }
            len.store(source.random.below(1 << 32) as u32, Relaxed);
            match source.random.below(3) {
                0 => drop(own.fetch_add(TURN, AcqRel)),
                1 => own.store(source.random.below(1 << 32) as u32, Release),
                _ => other.store(source.random.below(1 << 32) as u32, Release),
            }
            wake(own, 1);
            wake(other, 1);
        }
        if source.random.below(2) == 0 {
            let _ = stream.write_all(&source.bytes(200));
        }
    }
}

fn greet(stream: &mut UnixStream, block: &Block, source: &mut Source) -> bool {
    let (location, descriptors) = passing::apart(|| block.locate().unwrap());
    let lane = match location.place {
        Place::Listed(place) => (location.id, 0, place),
        Place::Held { .. } => panic!("no descriptor goes along"),
    };
    let lane = match source.random.below(8) {
        0 => (source.random.below(9).into(), 0, lane.2),
        1 => (lane.0, std::process::id(), source.random.below(9)),
        2 => (lane.0, 0, source.number()),
        _ => lane,
    };
    let greeting = if source.random.below(8) == 0 { source.call() } else { hello(Some(lane)) };
    let cell = frame(&greeting);
    let sent = stream::send(stream.as_fd(), &[std::io::IoSlice::new(&cell)], &descriptors, true);
    let mut answer = [0; 128];
    // `Ok(..)`, behind the length, the magic and the version.
    sent.is_ok() && stream.read_exact(&mut answer).is_ok() && answer[20..24] == [0, 0, 0, 0x40] && {
        let len = u64::from_le_bytes(answer[..8].try_into().unwrap()) as usize;
        stream.read_exact(&mut vec![0; len.saturating_sub(120)]).is_ok()
    }
}

/// What the server has: resident bytes, descriptors, threads.
fn size_of(pid: u32) -> (u64, usize, usize) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let resident: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    let count = |of: &str| std::fs::read_dir(format!("/proc/{pid}/{of}")).unwrap().count();
    (resident << 10, count("fd"), count("task"))
}

fn the_server_bears_whatever_clients_send() {
    let messages =
        std::env::var("POOL_TEST_MESSAGES").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000u64);
    let manager = Manager::builder()
        .bind("127.0.0.1:0", KEY)
        .max_message(1 << 20)
        .handshake_timeout(Duration::from_secs(5))
        .register("Target", Target)
        .publish("target", Target, 0)
        .start()
        .unwrap();
    let pid = manager.pid().unwrap();
    let Some(Address::Tcp(address)) = manager.address().cloned() else { panic!("not TCP") };
    let (own, mut bytes) = (manager.create(Target, 0).unwrap(), Vec::new());
    codec::encode(&own, &mut bytes).unwrap();
    let at = bytes.windows(8).position(|bytes| bytes == b"manager-").unwrap();
    let door = String::from_utf8(bytes[at..at + 40].to_vec()).unwrap();
    drop(codec::decode::<Proxy<Target>>(&bytes).unwrap());

    let settled = || {
        for name in ["a", "b", "c", "target", "Target", "", "\u{e5}"] {
            manager.withdraw(name).unwrap();
        }
        eventually("only the honest are there", || manager.status().unwrap().channels == 1);
        eventually("no thread is left", || size_of(pid).2 == 3 || size_of(pid).2 == 4);
        (size_of(pid), manager.status().unwrap())
    };
    let run = |messages: u64, seed: u64| {
        let (budget, over) = (Budget(AtomicU64::new(messages)), AtomicBool::new(false));
        let honest = thread::scope(|scope| {
            let honest = scope.spawn(|| {
                let remote = Manager::connect(&*address, KEY).unwrap();
                let (mine, mut calls) = (remote.create(Target, 0).unwrap(), 0);
                while !over.load(Relaxed) {
                    calls += 1;
                    // Who has the key may use all objects: others may have added to it.
                    mine.call(&Target::ADD, 1).unwrap();
                    let bytes = vec![calls as u8; 100];
                    assert_eq!(mine.call(&Target::ECHO, bytes.clone()).unwrap(), bytes);
                }
                calls
            });
            let hostile: Vec<_> = (0..4)
                .map(|nth| {
                    let (budget, address, door) = (&budget, &address, &door);
                    scope.spawn(move || {
                        let mut source = Source::new(seed + nth);
                        match nth % 2 {
                            0 => by_socket(address, &mut source, budget),
                            _ => by_lane(door, &mut source, budget),
                        }
                    })
                })
                .collect();
            let hostile = hostile.into_iter().map(|client| client.join()).collect::<Vec<_>>();
            over.store(true, Relaxed);
            hostile.into_iter().for_each(|client| client.unwrap());
            honest.join().unwrap()
        });
        assert!(honest > 0);
        honest
    };

    let began = Instant::now();
    let warm = messages / 4;
    let mut honest = run(warm, 1);
    let before = settled();
    honest += run(messages - warm, 100);
    let after = settled();
    println!(
        "{messages} messages, {honest} honest calls of two, {:?}: {before:?}, then {after:?}",
        began.elapsed()
    );
    assert!(after.0.0 < before.0.0 + (8 << 20), "memory");
    assert!(after.0.1 <= before.0.1 && after.0.2 <= before.0.2, "descriptors and threads");
    assert!(own.call(&Target::ADD, 0).is_ok());
    let connected: Connection<(), ()> = Client::new().key(KEY).connect(&*address).unwrap();
    drop(connected);
    // An error, if its exit code is another one than 0.
    manager.shutdown().unwrap();
}

/// A client waits for the answer before it says more, so what comes meanwhile is nothing that is agreed upon.
fn a_message_while_its_own_call_waits_ends_that_client_alone() {
    /// The 32-bit FNV-1a hash of "wait".
    const WAIT: u32 = 0x892e_4ca0;

    let manager = Manager::builder().bind("127.0.0.1:0", KEY).start().unwrap();
    let Some(Address::Tcp(address)) = manager.address().cloned() else { panic!("not TCP") };
    let (event, mut bytes) = (manager.event().unwrap(), Vec::new());
    codec::encode(&event, &mut bytes).unwrap();
    let number = |from_end| {
        let at = bytes.len() - from_end;
        u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
    };
    let (object, ticket) = (number(16), number(8));

    let client = Client::new().key(KEY).connect::<(), ()>(&*address).unwrap();
    let mut stream: TcpStream = std::os::fd::OwnedFd::from(client).into();
    stream.write_all(&frame(&hello(None))).unwrap();
    assert!(read_frame(&mut stream));
    let mut adopt = vec![0; 16];
    codec::encode(&Request::Adopt { object, ticket }, &mut adopt).unwrap();
    stream.write_all(&frame(&adopt)).unwrap();
    assert!(read_frame(&mut stream));

    let mut wait = object.to_le_bytes().to_vec();
    wait.extend_from_slice(&WAIT.to_le_bytes());
    wait.extend_from_slice(&[1, 0, 0, 0]);
    // For ever.
    wait.extend_from_slice(&u64::MAX.to_le_bytes());
    stream.write_all(&frame(&wait)).unwrap();
    eventually("it waits", || manager.status().unwrap().waiting == 1);
    stream.write_all(&frame(&adopt)).unwrap();
    assert!(!read_frame(&mut stream), "the connection is closed without an answer");
    eventually("nobody waits", || manager.status().unwrap().waiting == 0);
    eventually("only the honest are there", || manager.status().unwrap().channels == 1);

    event.set().unwrap();
    event.wait().unwrap();
    manager.shutdown().unwrap();
}
