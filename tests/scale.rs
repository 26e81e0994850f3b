//! Much of everything: many pools, many workers, many items. Each says what it took.
//!
//! `POOL_SCALE=1 cargo test --release --test scale -- --nocapture` runs the full sizes, which take a minute;
//! otherwise some are smaller.

#![cfg(all(feature = "process", target_os = "linux"))]

mod support;

use std::time::Duration;

use pool::{ErrorKind, Pool, ProcessPool, StartMethod};
use support::{
    Census, alone_on_every_start_method, alone_within, children, crew, limit_descriptors, peak_resident,
    pool_of, reset_peak_resident, resident,
};

/// The full size, or a part of it.
fn size(full: u64, usual: u64) -> u64 {
    if std::env::var_os("POOL_SCALE").is_some() { full } else { usual }
}

const LIMIT: Duration = Duration::from_secs(300);

alone_on_every_start_method!(within super::LIMIT; pools_made_and_dropped, many_workers, items_in_constant_memory);

/// A thousand pools, one after another: some used, some not, some in mid work.
fn pools_made_and_dropped(method: StartMethod) {
    drop(pool_of(method, 2));
    let before = Census::settled();
    let (pools, mut at_first) = (size(1_000, 100), 0);
    for number in 0..pools {
        let pool = pool_of(method, 2);
        match number % 3 {
            0 => {}
            1 => assert_eq!(pool.apply(|x: u64| x * x, number).unwrap(), number * number),
            _ => drop(pool.map_async(|x: u64| x * x, 0..100)),
        }
        drop(pool);
        if number == pools / 10 {
            at_first = resident();
        }
    }
    before.assert_restored();
    let now = resident();
    println!(
        "\n{method:?}: {pools} pools; resident {} KiB early on, {} KiB after",
        at_first >> 10,
        now >> 10
    );
    assert!(now <= at_first + (8 << 20), "resident: {at_first} bytes, and later {now}");
}

fn many_workers(method: StartMethod) {
    let before = Census::take();
    {
        let (pool, workers) = (pool_of(method, 500), 500);
        let items = 0..10_000u64;
        let squares: Vec<u64> = items.clone().map(|x| x * x).collect();
        assert_eq!(pool.chunk_size(1).map(|x: u64| x * x, items).unwrap(), squares);
        assert_eq!(crew(&pool, workers).len(), workers, "all are at work at the same time");
        let census = Census::settled();
        println!(
            "\n{method:?}: {workers} workers, {} children, {} descriptors, {} threads; resident {} KiB",
            children().len(),
            census.descriptors.values().sum::<usize>(),
            census.threads.values().sum::<usize>(),
            resident() >> 10
        );
    }
    before.assert_restored();
}

/// With the usual limit of 1 024 descriptors there is room for 200 workers. Who asks for more is told.
#[test]
fn more_workers_than_descriptors() {
    alone_within(LIMIT, "scale::more_workers_than_descriptors", || {
        limit_descriptors(1_024);
        let before = Census::take();
        let error = ProcessPool::new(500).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.kind(), ErrorKind::Os, "{text}");
        assert!(text.contains("pool of 500") && text.contains("may have 1024 descriptors"), "{text}");
        assert!(text.contains("ulimit -n"), "{text}");
        before.assert_restored();
        let pool = ProcessPool::new(200).unwrap();
        assert_eq!(
            pool.chunk_size(1).map(|x: u64| x + 1, 0..1_000).unwrap(),
            (1..=1_000).collect::<Vec<_>>()
        );
        assert_eq!(crew(&pool, 200).len(), 200);
        drop(pool);
        before.assert_restored();
    });
}

/// Ten million items: what is in memory at any time does not depend on how many there are.
fn items_in_constant_memory(method: StartMethod) {
    let pool = pool_of(method, 2);
    let items = size(10_000_000, 1_000_000);
    let run = |count: u64| {
        reset_peak_resident();
        let mut next = 0;
        for result in pool.imap(|x: u64| x + 1, 0..count) {
            next += 1;
            assert_eq!(result.unwrap(), next);
        }
        assert_eq!(next, count);
        peak_resident()
    };
    let (few, many) = (run(items / 100), run(items));
    println!(
        "\n{method:?}: {} items: peak resident {} KiB; {items} items: {} KiB",
        items / 100,
        few >> 10,
        many >> 10
    );
    assert!(many <= few + (4 << 20), "peak resident: {few} bytes, and with more items {many}");
}
