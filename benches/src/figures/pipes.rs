//! Pipes between two processes: a value there and back, and messages of a mebibyte.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use pool::shared::{Connection, pipe};
use pool::{Message, Passed, Process, TaskFn};

use crate::figure::{Bound, Figure, Reading, Side};
use crate::peers::cpython;
use crate::placement::Placement;
use crate::{Result, timing};

pub(super) fn figures() -> Vec<Figure> {
    vec![
        ping_pong("pipe_ping_pong", Placement::Free),
        ping_pong("pipe_ping_pong_one_core", Placement::OneCore),
        ping_pong("pipe_ping_pong_two_cores", Placement::TwoCores),
        Figure {
            name: "pipe_1mib",
            what: "{n} messages of 1 MiB to another process, and an answer when it has them all",
            n: 200,
            reading: Reading::Rate("messages/s"),
            slices: 4,
            max_rounds: usize::MAX,
            placement: Placement::Free,
            sides: large,
            bounds: &[Bound::AtLeast(0.8, SOCKETS)],
        },
    ]
}

/// The name of the limit.
const SOCKETS: &str = "bare socket pair";

const MIB: usize = 1 << 20;

fn ping_pong(name: &'static str, placement: Placement) -> Figure {
    Figure {
        name,
        what: match placement {
            Placement::Free => "a u64 through a pipe to another process and back; p50, turns every {n}",
            Placement::OneCore => "the same with both processes on one core",
            Placement::TwoCores => "the same with each process on a core of its own",
        },
        n: 2_000,
        reading: Reading::Time,
        slices: 8,
        max_rounds: usize::MAX,
        placement,
        sides: round_trips,
        bounds: &[Bound::AtMost(1.5, SOCKETS)],
    }
}

/// A process that goes with the program.
fn start<A: Message, F: TaskFn<A, Output = ()>>(f: F, arg: A) -> Result<()> {
    Process::builder().daemon(true).spawn(f, arg)?;
    Ok(())
}

fn round_trips(trips: usize) -> Result<Vec<Side>> {
    let (here, there) = pipe::<u64, u64>()?;
    start(
        |there: Connection<u64>| {
            while let Ok(number) = there.recv() {
                there.send(&number).expect("the other side");
            }
        },
        there,
    )?;
    let subject = Side::subject("Connection", move || {
        timing::each(trips, || {
            here.send(&41)?;
            assert_eq!(here.recv()?, 41);
            Ok(())
        })
    });
    let (mut near, far) = UnixStream::pair()?;
    start(
        |far: Passed<UnixStream>| {
            let (mut far, mut number) = (far.into_inner(), [0; 8]);
            while far.read_exact(&mut number).is_ok() {
                far.write_all(&number).expect("the other side");
            }
        },
        far.into(),
    )?;
    let limit = Side::limit(SOCKETS, move || {
        let mut number = [0; 8];
        timing::each(trips, || {
            near.write_all(&41_u64.to_le_bytes())?;
            near.read_exact(&mut number)?;
            Ok(())
        })
    });
    let python = cpython::side("multiprocessing.Pipe", PYTHON_PING_PONG, trips);
    Ok([subject, limit].into_iter().chain(python).collect())
}

fn large(messages: usize) -> Result<Vec<Side>> {
    let (here, there) = pipe::<Vec<f64>, Vec<f64>>()?;
    start(
        |there: Connection<Vec<f64>>| {
            let mut buffer = vec![0; MIB];
            while let Ok(len) = there.recv_bytes_into(&mut buffer, 0) {
                if len < MIB {
                    there.send_bytes(b"").expect("the other side");
                }
            }
        },
        there,
    )?;
    let bytes = vec![7_u8; MIB];
    let subject = Side::subject("Connection, into a buffer", move || {
        let send = || -> Result<()> {
            for _ in 0..messages {
                here.send_bytes(&bytes)?;
            }
            here.send_bytes(b"")?;
            here.recv_bytes()?;
            Ok(())
        };
        let (time, sent) = timing::once(send);
        sent.map(|()| vec![time])
    });
    let (here, there) = pipe::<Vec<f64>, Vec<f64>>()?;
    start(
        |there: Connection<Vec<f64>>| {
            while let Ok(numbers) = there.recv() {
                if numbers.is_empty() {
                    there.send(&numbers).expect("the other side");
                }
            }
        },
        there,
    )?;
    let numbers = vec![0.5; MIB / size_of::<f64>()];
    let vectors = Side::remark("Connection, as Vec<f64>", move || {
        let send = || -> Result<()> {
            for _ in 0..messages {
                here.send(&numbers)?;
            }
            here.send(&vec![])?;
            here.recv()?;
            Ok(())
        };
        let (time, sent) = timing::once(send);
        sent.map(|()| vec![time])
    });
    let (mut near, far) = UnixStream::pair()?;
    start(
        |far: Passed<UnixStream>| {
            let (mut far, mut buffer) = (far.into_inner(), vec![0; MIB]);
            while far.read_exact(&mut buffer).is_ok() {
                if buffer[0] == 0 {
                    far.write_all(&[0]).expect("the other side");
                }
            }
        },
        far.into(),
    )?;
    let (bytes, last) = (vec![7_u8; MIB], vec![0_u8; MIB]);
    let limit = Side::limit(SOCKETS, move || {
        let send = || -> Result<()> {
            for _ in 1..messages {
                near.write_all(&bytes)?;
            }
            near.write_all(&last)?;
            near.read_exact(&mut [0])?;
            Ok(())
        };
        let (time, sent) = timing::once(send);
        sent.map(|()| vec![time])
    });
    let python = cpython::side("multiprocessing.Pipe, bytes", PYTHON_LARGE, messages);
    Ok([subject, limit, vectors].into_iter().chain(python).collect())
}

const PYTHON_PING_PONG: &str = r"
import multiprocessing, sys, time
def echo(there):
    while (number := there.recv()) is not None:
        there.send(number)
context = multiprocessing.get_context('fork')
here, there = context.Pipe()
child = context.Process(target=echo, args=(there,))
child.start()
times = []
for _ in range(int(sys.argv[1])):
    before = time.perf_counter()
    here.send(41)
    here.recv()
    times.append(time.perf_counter() - before)
here.send(None)
child.join()
times.sort()
print(times[len(times) // 2])
";

const PYTHON_LARGE: &str = r"
import multiprocessing, sys, time
def take(there):
    there.send_bytes(b'')
    while there.recv_bytes():
        pass
    there.send_bytes(b'')
context = multiprocessing.get_context('fork')
here, there = context.Pipe()
child = context.Process(target=take, args=(there,))
child.start()
here.recv_bytes()
message = bytes(1 << 20)
before = time.perf_counter()
for _ in range(int(sys.argv[1])):
    here.send_bytes(message)
here.send_bytes(b'')
here.recv_bytes()
print(time.perf_counter() - before)
child.join()
";
