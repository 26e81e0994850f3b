//! A web server as nginx is one: a master, and a worker process for each core, all on one listening socket.
//!
//! ```text
//! cargo run --example prefork_server --features shared        then: curl http://127.0.0.1:8080/
//! ```
//!
//! What to look for:
//! - The master binds the socket and passes it on. The kernel gives each client to whichever worker accepts first; ask
//!   several times, and other pids, workers and threads answer.
//! - Kill a worker (`kill -9 PID`): another takes its place, on the same socket. Clients that nobody had accepted wait
//!   in the socket's queue meanwhile, so only the requests in the dead worker's hands are lost.
//! - SIGTERM or Ctrl-C to the master ends it cleanly: each worker finishes what it has in hand. The workers are told by
//!   the end of a pipe, which comes also when the master is killed, so they are never left alone.

mod common;

use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use clap::Parser;
use common::{here, say};
use pool::shared::{Waitable, wait};
use pool::{Passed, Process};
use signal_hook::consts::{SIGINT, SIGTERM};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
struct Args {
    #[arg(long, default_value_t = 8080)]
    port: u16,
    #[arg(long, default_value_t = pool::cpu_count())]
    workers: usize,
    /// In each worker.
    #[arg(long, default_value_t = 4)]
    threads: usize,
}

fn answer(mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    // The head of a request ends with an empty line. What it asks for does not matter here.
    let request = BufReader::new((&client).take(8192));
    if request.lines().map_while(io::Result::ok).any(|line| line.is_empty()) {
        let who = format!("pid {} {}\n", std::process::id(), here());
        let length = who.len() + "done\n".len();
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{who}")?;
        thread::sleep(Duration::from_millis(2)); // The work.
        client.write_all(b"done\n")?;
    }
    Ok(())
}

/// A thread of a worker. All threads of all workers see a client come; the first one gets it.
fn serve(listener: &TcpListener, stop: &PipeReader) -> io::Result<()> {
    while !wait(&[stop, listener], None)?.contains(&0) {
        if let Ok((client, _)) = listener.accept() {
            // A client that breaks off is its own affair.
            let _ = answer(client);
        }
    }
    Ok(())
}

fn worker((listener, stop, threads): (Passed<TcpListener>, Passed<PipeReader>, usize)) {
    say("serves");
    thread::scope(|scope| {
        for number in 1..=threads {
            let thread = thread::Builder::new().name(format!("{}-thread-{number}", here()));
            thread.spawn_scoped(scope, || serve(&listener, &stop)).expect("a thread");
        }
    });
    say("has finished");
}

fn main() -> Result<()> {
    let args = Args::parse();
    let listener = TcpListener::bind(("127.0.0.1", args.port))?;
    listener.set_nonblocking(true)?;
    let (signal, sender) = UnixStream::pair()?;
    for number in [SIGTERM, SIGINT] {
        signal_hook::low_level::pipe::register(number, sender.try_clone()?)?;
    }
    let (stop, open) = io::pipe()?;
    let start = |number: usize| -> Result<Process<()>> {
        let given = (listener.try_clone()?.into(), stop.try_clone()?.into(), args.threads);
        Ok(Process::builder().name(format!("worker-{number}")).spawn(worker, given)?)
    };
    let mut workers = (1..=args.workers).map(start).collect::<Result<Vec<_>>>()?;
    say(format!("listening on http://{}", listener.local_addr()?));

    loop {
        let ends: Vec<_> = workers.iter().map(Process::sentinel).collect();
        let mut things: Vec<&dyn Waitable> = ends.iter().map(|end| end as _).collect();
        things.push(&signal);
        let ready = wait(&things, None)?;
        if ready.contains(&workers.len()) {
            break;
        }
        for place in ready {
            let dead = std::mem::replace(&mut workers[place], start(place + 1)?);
            let (pid, code) = (dead.pid(), dead.exit_code().unwrap_or_default());
            say(format!("{pid} ended with {code}; {} takes its place", workers[place].pid()));
        }
    }
    say("asked to end");
    drop(open);
    for worker in workers {
        worker.join()?;
    }
    say("all workers have ended");
    Ok(())
}
