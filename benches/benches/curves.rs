//! `cargo bench -p benches --bench curves`: two curves of the pools, for whoever changes them. criterion compares each
//! point with that of the run before; the comparison with peers is the report's.

use std::time::Duration;

use benches::work;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pool::{Pool, ProcessPool, ThreadPool};

const WORKERS: usize = 2;

/// One argument to a worker and back, by its size.
fn round_trip(criterion: &mut Criterion) {
    let (threads, processes) = pools();
    let mut group = short(criterion, "round_trip");
    for len in [8, 1 << 10, 64 << 10, 1 << 20, 16 << 20] {
        group.throughput(Throughput::Bytes(len as u64));
        trip(&mut group, "threads", &threads, len);
        trip(&mut group, "processes", &processes, len);
    }
}

fn trip(group: &mut BenchmarkGroup<WallTime>, name: &str, pool: &impl Pool, len: usize) {
    group.bench_function(BenchmarkId::new(name, len), |bencher| {
        let mut bytes = Some(work::bytes(len));
        bencher.iter(|| bytes = bytes.take().and_then(|sent| pool.apply(|bytes: Vec<u8>| bytes, sent).ok()));
        assert!(bytes.is_some_and(|bytes| bytes.len() == len), "the echo differs");
    });
}

/// A map of 1 000 items, by the time that one takes.
fn map(criterion: &mut Criterion) {
    const ITEMS: usize = 1_000;
    work::calibrate();
    let (threads, processes) = pools();
    let mut group = short(criterion, "map");
    for nanos in [100, 1_000, 10_000] {
        let items = vec![work::turns_in(f64::from(nanos) * 1e-9); ITEMS];
        group.throughput(Throughput::Elements(ITEMS as u64));
        mapped(&mut group, "threads", &threads, nanos, &items);
        mapped(&mut group, "processes", &processes, nanos, &items);
    }
}

fn mapped(group: &mut BenchmarkGroup<WallTime>, name: &str, pool: &impl Pool, nanos: u32, items: &[u64]) {
    group.bench_function(BenchmarkId::new(name, format!("{nanos} ns")), |bencher| {
        bencher.iter(|| pool.map(work::spin, items.iter().copied()).map(|results| results.len()));
    });
}

fn pools() -> (ThreadPool, ProcessPool) {
    let threads = ThreadPool::new(WORKERS).expect("threads start");
    (threads, ProcessPool::new(WORKERS).expect("processes start"))
}

fn short<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500));
    group
}

criterion_group!(curves, round_trip, map);
criterion_main!(curves);
