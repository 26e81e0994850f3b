//! A function in a process of its own: what it returns, how it died, and a listener that it is given.
//!
//! What to look for:
//! - `join` gives what the function returned, where Python's gives nothing.
//! - The child that aborts costs an error, and the program goes on.
//! - The listener was opened here and is answered there: `Passed` takes descriptors along in the argument.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use pool::{Passed, Process, current_process};

fn product(n: u64) -> u64 {
    (1..=n).product()
}

/// Stands for a library that cannot be trusted.
fn crash(_: u64) -> u64 {
    std::process::abort()
}

fn serve(listener: Passed<TcpListener>) -> Result<(), String> {
    let (mut client, _) = listener.accept().map_err(|error| error.to_string())?;
    let text = format!("{} with id {} speaking", current_process().name(), std::process::id());
    client.write_all(text.as_bytes()).map_err(|error| error.to_string())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let child = Process::spawn(product, 20)?;
    println!("{} says {}", child.name(), child.join()?);

    let child = Process::spawn(crash, 20)?;
    if let Err(error) = child.join() {
        println!("{error}; exit code {:?}", child.exit_code());
    }

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = Process::builder().name("server").spawn(serve, Passed::from(listener))?;
    let mut text = String::new();
    TcpStream::connect(address)?.read_to_string(&mut text)?;
    println!("{text}");
    server.join()??;
    Ok(())
}
