//! A storm: workers are killed at random instants, several each second, while tasks that may be retried run
//! through `imap_unordered`. Every result comes once, none is lost, nothing hangs, and neither memory nor
//! descriptors grow.
//!
//! `POOL_STORM_SECONDS=60 cargo test --release --test storm -- --nocapture` is the storm of a minute, which is
//! of a million tasks or more. `POOL_STORM_SEED` repeats the instants and choices of one that was printed.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use pool::{Pool, StartMethod};
use support::{
    Census, Random, SIGKILL, alone_on_every_start_method, children, crew, kill, pool_of, resident,
};

const WORKERS: usize = 4;
/// So many tasks there are at least, each second.
const TASKS_PER_SECOND: u64 = 1_000_000 / 60;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect(name))
}

alone_on_every_start_method!(within super::length() * 4 + super::CALM; a_storm);

/// What a storm may take besides its length.
const CALM: Duration = Duration::from_secs(60);

fn length() -> Duration {
    Duration::from_secs(number("POOL_STORM_SECONDS", 3))
}

fn a_storm(method: StartMethod) {
    let before = Census::take();
    weather(method);
    before.assert_restored();
}

fn weather(method: StartMethod) {
    let length = length();
    let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    let seed = number("POOL_STORM_SEED", now as u64);
    println!("\n{method:?}: POOL_STORM_SEED={seed}");
    let pool = pool_of(method, WORKERS);
    crew(&pool, WORKERS);
    let calm = Census::settled();
    let (over, samples) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let tasks = thread::scope(|scope| {
        let _over = Over(&over);
        let (abated, has_abated) = channel();
        let (whole, is_whole) = channel::<()>();
        let (over, samples) = (&over, &samples);
        scope.spawn(move || {
            strike(seed, over, samples);
            drop(abated);
            // A thread that ends while a worker is forked may hold a lock of the standard library, and that worker could
            // start no thread: `Fork` asks of a program that its threads do not come and go meanwhile.
            let _ = is_whole.recv();
        });
        let start = Instant::now();
        let least = TASKS_PER_SECOND * length.as_secs();
        let items = (0..).take_while(|x| *x < least || start.elapsed() < length).map(Item::new);
        let mut ledger = Ledger::default();
        // A task may be struck more than once.
        for result in pool.retries(50).imap_unordered(work, items) {
            let item = result.expect("a task that may be retried is never lost");
            item.assert_was_worked_on();
            ledger.enter(item.number);
        }
        over.store(true, SeqCst);
        // Until the last worker was killed.
        let _: Result<(), _> = has_abated.recv();
        crew(&pool, WORKERS);
        drop(whole);
        ledger.close()
    });
    let samples = samples.into_inner().unwrap();
    assert_flat(&samples, &calm);
    println!(
        "{method:?}: {tasks} tasks, each done once; {} kills; resident {} KiB at first, {} KiB at most; \
         {} descriptors in the calm, {} at most",
        samples.len(),
        samples[0].resident >> 10,
        samples.iter().map(|sample| sample.resident).max().unwrap() >> 10,
        calm.descriptors.values().sum::<usize>(),
        samples.iter().map(|sample| sample.descriptors).max().unwrap(),
    );
    calm.assert_no_more();
}

/// Says that the storm is over, also when a task was lost.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// What the program has after a kill.
struct Sample {
    resident: u64,
    descriptors: usize,
}

/// Kills one worker after another, until it is over.
fn strike(seed: u64, over: &AtomicBool, samples: &Mutex<Vec<Sample>>) {
    let mut random = Random::new(seed);
    while !over.load(SeqCst) {
        // The instants are the input of this test, and nothing waits for them.
        thread::sleep(Duration::from_micros(random.below(200_000)));
        let alive = children();
        if !alive.is_empty() {
            kill(alive[random.below(alive.len() as u64) as usize], SIGKILL);
            let descriptors = Census::take().descriptors.values().sum();
            samples.lock().unwrap().push(Sample { resident: resident(), descriptors });
        }
    }
}

/// The first third of the storm may warm things up; from then on nothing grows.
fn assert_flat(samples: &[Sample], calm: &Census) {
    assert!(samples.len() >= 6, "{} kills", samples.len());
    let most = |samples: &[Sample]| samples.iter().map(|sample| sample.resident).max().unwrap();
    let (first, rest) = samples.split_at(samples.len() / 3);
    let (first, rest) = (most(first), most(rest));
    assert!(rest <= first + (16 << 20), "resident: {first} bytes at most, and later {rest}");
    // A worker that is born has a few more than one that is up.
    let bound = calm.descriptors.values().sum::<usize>() + 8 * WORKERS;
    let most = samples.iter().map(|sample| sample.descriptors).max().unwrap();
    assert!(most <= bound, "{most} descriptors; {bound} at most were expected");
}

/// An argument, and the result made of it: its number, and bytes that follow from that.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct Item {
    number: u64,
    bytes: Vec<u8>,
}

impl Item {
    /// Most are small, and one in a thousand does not fit into a slot or a page.
    fn new(number: u64) -> Item {
        let length = if number.is_multiple_of(1_000) { 100_000 } else { number % 16 };
        Item { number, bytes: vec![number as u8; length as usize] }
    }

    /// It is what [`work`] makes of the item of its number.
    #[track_caller]
    fn assert_was_worked_on(&self) {
        let item = Item::new(self.number);
        assert!(
            self.bytes.len() == item.bytes.len() && self.bytes.iter().zip(item.bytes).all(|(a, b)| *a == !b)
        );
    }
}

/// One task in a hundred takes its time, so that some are struck in the middle.
fn work(mut item: Item) -> Item {
    if item.number.is_multiple_of(100) {
        let start = Instant::now();
        while start.elapsed() < Duration::from_micros(500) {
            std::hint::spin_loop();
        }
    }
    item.bytes.iter_mut().for_each(|byte| *byte = !*byte);
    item
}

/// Which tasks have given a result. It needs memory for those alone that came before their turn.
#[derive(Default)]
struct Ledger {
    /// All before this have.
    next: u64,
    ahead: BTreeSet<u64>,
}

impl Ledger {
    fn enter(&mut self, number: u64) {
        assert!(number >= self.next && self.ahead.insert(number), "{number} came twice");
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
    }

    /// Returns how many there were.
    fn close(self) -> u64 {
        assert!(self.ahead.is_empty(), "{} never came", self.next);
        self.next
    }
}
