//! A queue for many, a pipe for two.
//!
//! What to look for:
//! - Several processes get from one queue; each item goes to one of them. Who is free takes the next.
//! - Closing the queue is the end: what is in it is still got, and then `get` is an error. No "poison" item is needed.
//! - A pipe has two ends, each with the types that it sends and receives. When one end is dropped the other sees the
//!   end.

mod common;

use std::thread::sleep;
use std::time::Duration;

use common::say;
use pool::Process;
use pool::shared::{Connection, Queue, pipe};

fn square((numbers, squares): (Queue<u64>, Queue<(u64, u64)>)) -> u32 {
    let mut count = 0;
    while let Ok(number) = numbers.get() {
        say(format!("got {number}"));
        sleep(Duration::from_millis(20));
        squares.put((number, number * number)).expect("a queue that is open");
        count += 1;
    }
    say(format!("the queue is closed and empty; I had {count}"));
    count
}

fn shout(asked: Connection<String, String>) -> String {
    while let Ok(text) = asked.recv() {
        say(format!("was asked {text:?}"));
        asked.send(&text.to_uppercase()).expect("somebody who listens");
    }
    "the other end is gone".to_owned()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (numbers, squares) = (Queue::new()?, Queue::new()?);
    let workers = [(); 2].map(|()| Process::spawn(square, (numbers.clone(), squares.clone())));
    for number in 1..=6 {
        numbers.put(number)?;
    }
    numbers.close();
    for _ in 1..=6 {
        let (number, square) = squares.get()?;
        say(format!("{number} × {number} = {square}"));
    }
    let mut count = 0;
    for worker in workers {
        count += worker?.join()?;
    }
    say(format!("the workers had {count} in all"));

    let (here, there) = pipe::<String, String>()?;
    let child = Process::spawn(shout, there)?;
    for text in ["hello", "pipe"] {
        here.send(&text.to_owned())?;
        say(format!("the answer is {:?}", here.recv()?));
    }
    drop(here);
    say(format!("the child says: {}", child.join()?));
    Ok(())
}
