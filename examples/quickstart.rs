//! The program of the README: a pool in a few lines.
//!
//! What to look for:
//! - `main` begins with the work: nothing is registered, and nothing is called for the workers.
//! - `map` gives all results at once, `imap` one by one as the loop asks, `apply_async` a handle for later.
//! - Put `ThreadPool` for `ProcessPool`, and it runs on threads.

use pool::{Pool, ProcessPool}; // or ThreadPool: the only word that changes

fn slow(name: String) -> usize {
    name.len()
}

fn parse(line: String) -> Option<u32> {
    line.trim().parse().ok()
}

fn main() -> pool::Result<()> {
    let pool = ProcessPool::new(4)?;
    let squares = pool.map(|x: u64| x * x, 0..1_000)?; // no init call in main, no macro
    println!("the last square is {}", squares[999]);

    let handle = pool.apply_async(slow, "report.pdf".to_string());
    let lines = ["1", " 2 ", "three"].map(String::from);
    for r in pool.imap(parse, lines) {
        println!("{:?}", r?); // lazy, ordered, bounded
    }
    println!("{}", handle.get()?);
    pool.close();
    pool.join()
}
