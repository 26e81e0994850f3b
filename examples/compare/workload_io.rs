//! The I/O workload: fetch pages from a server that takes its time.
//!
//! The server is a part of this program, at a loopback address, and waits a fixed time before it
//! answers. So what a fetch costs is waiting, as with a database or a web service, and not work.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::failure::Failure;
use crate::input::Input;
use crate::report::grouped;
use crate::run::Workload;
use crate::ways::Way;

const DELAY: Duration = Duration::from_millis(5);
const PAGES: usize = 200;
/// A page is the beginning of a piece.
const PAGE: usize = 16 << 10;

/// What a worker does: ask for one page by its number and read the answer to its end.
fn fetch(port: &u16, number: u32) -> Result<(u64, u64), String> {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(&number.to_le_bytes())?;
        let mut page = Vec::new();
        stream.read_to_end(&mut page)?;
        Ok(page)
    };
    let page = ask().map_err(|error| format!("cannot fetch page {number}: {error}"))?;
    let mut hasher = DefaultHasher::new();
    page.hash(&mut hasher);
    Ok((page.len() as u64, hasher.finish()))
}

pub(crate) struct Io {
    port: u16,
    pages: u32,
}

impl Io {
    /// Starts the server, with pages from all over the input. It ends with the program.
    ///
    /// It has a thread for each worker that may ask: one thread that accepts for all is too slow for
    /// hundreds of them, and who does not fit into the queue of the listener tries again in a second.
    pub(crate) fn serve(input: &Input, workers: usize) -> Result<Io, Failure> {
        let count = input.pieces.len().min(PAGES);
        let pages = (0..count).map(|index| {
            let mut page = input.pieces[index * input.pieces.len() / count].read()?;
            page.truncate(PAGE);
            Ok(page)
        });
        let pages: Arc<[Vec<u8>]> = pages.collect::<Result<_, String>>().map_err(Failure::of_run)?;

        let listen = || {
            let listener = Arc::new(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?);
            for _ in 0..workers.min(count) {
                let (listener, pages) = (listener.clone(), pages.clone());
                thread::Builder::new().name("server".into()).spawn(move || answer_all(&listener, &pages))?;
            }
            Ok(listener.local_addr()?.port())
        };
        let port = listen().map_err(|error: io::Error| {
            Failure::of_run(format!("the loopback server cannot start: {error}"))
        })?;
        Ok(Io { port, pages: count as u32 })
    }
}

fn answer_all(listener: &TcpListener, pages: &[Vec<u8>]) {
    for stream in listener.incoming().flatten() {
        // Who gets no answer, or half of one, finds out; nobody else needs to know.
        let _ = answer(stream, pages);
    }
}

fn answer(mut stream: TcpStream, pages: &[Vec<u8>]) -> io::Result<()> {
    let mut number = [0; 4];
    stream.read_exact(&mut number)?;
    thread::sleep(DELAY);
    match pages.get(u32::from_le_bytes(number) as usize) {
        Some(page) => stream.write_all(page),
        None => Ok(()),
    }
}

impl Workload for Io {
    const NAME: &'static str = "io";
    type Answer = Answer;

    fn about(&self) -> String {
        format!("fetch {} pages from a loopback server that answers after {DELAY:?}", self.pages)
    }

    fn items(&self) -> usize {
        self.pages as usize
    }

    fn run(&self, way: &Way, done: &dyn Fn()) -> Result<Answer, Failure> {
        let mut answer = Answer(Vec::with_capacity(self.items()));
        way.each(self.port, fetch, 0..self.pages, |page| {
            answer.0.push(page);
            done();
        })?;
        Ok(answer)
    }
}

/// Length and hash of each page.
#[derive(PartialEq)]
pub(crate) struct Answer(Vec<(u64, u64)>);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = grouped(self.0.iter().map(|(len, _)| len).sum());
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        write!(f, "{} pages of {bytes} bytes in all, hash {:016x}", self.0.len(), hasher.finish())
    }
}
