//! Against a model; and against somebody who writes anything into the memory. What runs in several processes is in the
//! facade's `tests/shared`.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use pool_ipc::shared::{Block, is_alive, this_thread};

use super::words::{Side, Words};
use super::*;
use crate::ends::END_WORDS;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// From nothing to four times the first ring; small ones are frequent.
    fn item(&mut self) -> Vec<u8> {
        let most = [1, 40, 5_000, 70_000, 1 << 18][self.below(5) as usize];
        let (len, first) = (self.below(most) as usize, self.next() as u8);
        (0..len).map(|place| first.wrapping_add(place as u8)).collect()
    }
}

/// Any operations give what they give on a `VecDeque`.
#[test]
fn a_queue_is_a_vec_deque() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let bound = (seed % 3 == 0).then(|| 1 + random.below(20) as usize);
        let queue = match bound {
            Some(bound) => Queue::<Vec<u8>>::bounded(bound).unwrap(),
            None => Queue::new().unwrap(),
        };
        let bound = bound.unwrap_or(usize::MAX);
        let mut model = VecDeque::new();
        for _ in 0..400 {
            match random.below(9) {
                0..4 => {
                    let item = random.item();
                    let put = match random.below(2) {
                        0 => queue.try_put(item.clone()),
                        _ => queue.put_timeout(item.clone(), Duration::ZERO),
                    };
                    match put {
                        Ok(()) => model.push_back(item),
                        Err(PutError::Full(back)) => assert!(model.len() == bound && back == item),
                        Err(other) => panic!("{other}"),
                    }
                }
                4..7 => match (queue.try_get(), model.pop_front()) {
                    (Ok(item), Some(expected)) => assert!(item == expected, "seed {seed}"),
                    (Err(GetError::Empty), None) => {}
                    (got, expected) => panic!("{got:?} instead of {expected:?}"),
                },
                7 => match model.is_empty() {
                    true => assert!(queue.get_timeout(Duration::ZERO).unwrap_err().is_empty()),
                    false => assert!(queue.get().ok() == model.pop_front()),
                },
                _ => {
                    // A burst is over.
                    while let Some(expected) = model.pop_front() {
                        assert!(queue.get().unwrap() == expected, "seed {seed}");
                    }
                }
            }
            assert_eq!(queue.len(), model.len());
            assert_eq!((queue.is_empty(), queue.is_full()), (model.is_empty(), model.len() == bound));
        }
        queue.close();
        assert!(queue.put(Vec::new()).unwrap_err().is_closed());
        for expected in model {
            assert!(queue.get().unwrap() == expected);
        }
        assert!(queue.get().unwrap_err().is_closed() && queue.try_get().unwrap_err().is_closed());
    }
}

fn allocated(queue: &Core) -> u64 {
    use std::os::fd::AsFd;
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::File::from(queue.block().as_fd().try_clone_to_owned().unwrap());
    file.metadata().unwrap().blocks() * 512
}

#[test]
fn a_queue_takes_memory_where_it_is_written_and_gives_that_of_a_burst_back() {
    let queue = Queue::new().unwrap();
    queue.put(1_u64).unwrap();
    assert!(allocated(&queue.0.core) <= 4 * 4096);
    const BURST: u64 = 1_200_000;
    for number in 0..BURST {
        queue.put(number).unwrap();
    }
    assert!(allocated(&queue.0.core) >= BURST * 16);
    assert_eq!(queue.get().unwrap(), 1);
    for number in 0..BURST {
        assert_eq!(queue.get().unwrap(), number);
    }
    assert!(allocated(&queue.0.core) <= 1 << 17, "{}", allocated(&queue.0.core));
}

#[test]
fn an_item_that_cannot_be_decoded_is_gone_and_the_next_is_not() {
    let numbers = Queue::<u64>::new().unwrap();
    let texts = Queue::<Option<String>>(Typed::of(numbers.0.core.clone()));
    numbers.put(7).unwrap();
    numbers.put(8).unwrap();
    assert!(matches!(texts.get(), Err(GetError::Failed(_))));
    assert_eq!(numbers.get().unwrap(), 8);
}

#[test]
fn what_is_no_queue_is_refused() {
    let block = Block::create(Kind::Queue as u32, 4096).unwrap();
    assert!(Core::of(Kind::Queue, block).is_err());
    assert!(Queue::<u8>::bounded(0).is_err());
}

/// Who dies when its item is there, or taken, and before it has noted that for who comes next, leaves a note that is
/// behind.
#[test]
fn who_comes_after_one_that_died_goes_on_from_the_count() {
    let dead = std::thread::spawn(this_thread).join().unwrap();
    while is_alive(dead) {
        std::thread::yield_now();
    }
    let queue = Queue::new().unwrap();
    let words = Words::of(queue.0.core.block());
    let dies = |side: Side, before| {
        words.end(side).set_own(before);
        // With the lock.
        queue.0.core.block().words64()[side as usize / 2].store(dead, Relaxed);
    };
    for number in [1_u64, 2] {
        let before = words.tail().own();
        queue.put(number).unwrap();
        dies(Side::Tail, before);
    }
    queue.put(3).unwrap();
    let before = words.head().own();
    assert_eq!(queue.get().unwrap(), 1);
    dies(Side::Head, before);
    assert_eq!((queue.get().unwrap(), queue.get().unwrap(), queue.len()), (2, 3, 0));
    dies(Side::Tail, words.tail().own());
    queue.close();
    assert!(queue.put(4).unwrap_err().is_closed());
}

/// Whoever has the queue can write anything into its memory. The others get errors, or items that nobody put, or have
/// to wait as if the lock were held; they do not panic, do not read or write elsewhere and do not take memory.
#[test]
fn anything_in_its_memory_gives_errors() {
    const WAIT: Duration = Duration::from_micros(100);
    for seed in 0..400 {
        let mut random = Random(seed);
        let queue = JoinableQueue::<Vec<u64>>::new().unwrap();
        let core = &queue.0.core;
        for _ in 0..random.below(20) {
            queue.put(vec![1; random.below(3_000) as usize]).unwrap();
        }
        let ledger = core.block().len().min(1 << 17) / 4;
        for _ in 0..30 {
            let (tail, head, lines) = (Side::Tail as u64, Side::Head as u64, END_WORDS as u64 / 2);
            let place = match random.below(3) {
                // The words of the queue and the ends; and of the ledger and the ring.
                0 | 1 => {
                    [0, tail, tail + lines, head, head + lines][random.below(5) as usize] + random.below(16)
                }
                _ => random.below(ledger as u64),
            };
            let value = match random.below(3) {
                0 => random.next() as u32,
                1 => u32::MAX,
                _ => random.below(64) as u32,
            };
            // Who holds a lock can keep it: its holder is somebody who is not there.
            let is_lock = [tail, tail + 1, head, head + 1].contains(&place);
            let value = if is_lock { random.next() as u32 | 1 << 22 } else { value };
            core.block().words()[place as usize].store(value, Relaxed);
            if is_lock {
                core.block().words()[place as usize ^ 1].store(random.next() as u32 | 1 << 22, Relaxed);
            }
        }
        for _ in 0..10 {
            let _ = queue.try_get();
            let _ = queue.get_timeout(WAIT);
            let _ = queue.try_put(vec![random.next(); 20]);
            let _ = queue.put_timeout(vec![2; 9_000], WAIT);
            let _ = (queue.task_done(), queue.join_timeout(WAIT), queue.len(), queue.is_full());
        }
        queue.close();
        let _ = format!("{queue:?}");
    }
}
