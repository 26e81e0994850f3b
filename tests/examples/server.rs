//! `prefork_server` with clients, while its workers are killed.
//!
//! `POOL_SERVER_SECONDS=10 cargo test --release --features shared,futures --test examples server` is longer.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::printed::Line;
use crate::support::{Random, SIGKILL, SIGTERM, Scratch, children_of, eventually, example, is_alive, kill};

crate::alone!(only_requests_in_a_killed_workers_hands_fail, a_request_in_hand_is_answered_before_the_end);

const WORKERS: usize = 3;
const THREADS: usize = 2;
const CLIENTS: usize = 8;

struct Server {
    program: Child,
    address: String,
    folder: Scratch,
}

impl Server {
    fn start() -> Server {
        let folder = Scratch::new();
        let mut command = Command::new(example("prefork_server"));
        command.args(["--port", "0", "--workers", &WORKERS.to_string(), "--threads", &THREADS.to_string()]);
        let program = command.stdout(File::create(folder.path().join("printed")).unwrap()).spawn().unwrap();
        let mut server = Server { program, address: String::new(), folder };
        eventually("the server listens", || {
            let lines = server.printed();
            let address = lines.iter().find_map(|line| line.text.strip_prefix("listening on http://"));
            server.address = address.unwrap_or_default().to_owned();
            address.is_some()
        });
        server
    }

    /// What it has printed, in whole lines.
    fn printed(&self) -> Vec<Line> {
        let text = fs::read_to_string(self.folder.path().join("printed")).unwrap();
        text.split_inclusive('\n').filter_map(|line| Line::read(line.strip_suffix('\n')?)).collect()
    }

    fn workers(&self) -> Vec<u32> {
        children_of(self.program.id())
    }

    /// Asks it to end, and checks that it does, cleanly. Gives what it printed.
    fn end(&mut self) -> Vec<Line> {
        let workers = self.workers();
        kill(self.program.id(), SIGTERM);
        assert!(self.program.wait().unwrap().success());
        let printed = self.printed();
        assert_eq!(printed.last().map(|line| line.text.as_str()), Some("all workers have ended"));
        assert_eq!(printed.iter().filter(|line| line.text == "has finished").count(), WORKERS);
        assert!(!workers.iter().any(|pid| is_alive(*pid)));
        printed
    }
}

impl Drop for Server {
    /// A test that fails leaves nothing behind either: the workers go with the master.
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// How a request went: when, and who said to have it.
struct Request {
    began: Instant,
    ended: Instant,
    worker: Option<u32>,
    answered: bool,
}

fn ask(address: &str) -> Request {
    let began = Instant::now();
    // The socket is there as long as the master is: this never fails.
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut answer = Vec::new();
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n");
    let read = asked.and_then(|()| stream.read_to_end(&mut answer));
    let timed_out = read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!timed_out, "a request without an answer or an end");
    let text = String::from_utf8(answer).unwrap();
    let worker = text.split("\r\n\r\npid ").nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok());
    Request { began, ended: Instant::now(), worker, answered: text.ends_with("\ndone\n") }
}

/// A worker that was killed: its pid, when that began, and when it was seen to be gone.
struct Killed {
    pid: u32,
    from: Instant,
    to: Instant,
}

/// Ends the clients.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn only_requests_in_a_killed_workers_hands_fail() {
    let seconds = std::env::var("POOL_SERVER_SECONDS").map_or(1.0, |text| text.parse().expect("seconds"));
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    let mut server = Server::start();
    let over = AtomicBool::new(false);
    let (killed, requests) = thread::scope(|scope| {
        // Also when the strike fails.
        let over = Over(&over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut requests = Vec::new();
                    while !over.0.load(SeqCst) {
                        requests.push(ask(&server.address));
                    }
                    requests
                })
            })
            .collect();
        let killed = strike(&server, Duration::from_secs_f64(seconds), seed);
        over.0.store(true, SeqCst);
        let requests: Vec<Request> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        (killed, requests)
    });

    let failed: Vec<&Request> = requests.iter().filter(|request| !request.answered).collect();
    let workers: BTreeSet<u32> = requests.iter().filter_map(|request| request.worker).collect();
    println!(
        "{} requests to {} workers in {seconds} s; {} workers killed, {} requests failed",
        requests.len(),
        workers.len(),
        killed.len(),
        failed.len()
    );
    assert!(!killed.is_empty() && requests.len() > failed.len());
    assert!(failed.len() <= killed.len() * THREADS, "more than the dead had in hand");
    for request in failed {
        // Who had it was killed, and it was: if it had not said that it had it, somebody was killed meanwhile.
        let its = killed.iter().find(|killed| match request.worker {
            Some(worker) => killed.pid == worker,
            None => killed.from <= request.ended && request.began <= killed.to,
        });
        assert!(its.is_some(), "a request failed, and no worker was killed with it");
    }
    let lines = server.end();
    for Killed { pid, .. } in killed {
        let line = format!("{pid} ended with -9; ");
        assert!(lines.iter().any(|other| other.text.starts_with(&line)), "no word of {pid}");
    }
}

/// Kills workers at random, each when all are there.
fn strike(server: &Server, length: Duration, seed: u64) -> Vec<Killed> {
    println!("seed {seed}");
    let (mut random, mut killed) = (Random::new(seed), Vec::new());
    let start = Instant::now();
    while start.elapsed() < length || killed.is_empty() {
        let mut workers = Vec::new();
        eventually("all workers are there", || {
            workers = server.workers();
            workers.len() == WORKERS && workers.iter().all(|pid| is_alive(*pid))
        });
        // At an instant that nobody chose, while requests go on.
        thread::sleep(Duration::from_micros(random.below(40_000)));
        let pid = workers[random.below(WORKERS as u64) as usize];
        let from = Instant::now();
        kill(pid, SIGKILL);
        eventually("it is dead", || !is_alive(pid));
        killed.push(Killed { pid, from, to: Instant::now() });
    }
    killed
}

fn a_request_in_hand_is_answered_before_the_end() {
    let mut server = Server::start();
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = BufReader::new(stream);
    let mut line = String::new();
    while !line.starts_with("pid ") {
        line.clear();
        assert_ne!(answer.read_line(&mut line).unwrap(), 0);
    }
    server.end();
    let mut rest = String::new();
    answer.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "done\n");
}
