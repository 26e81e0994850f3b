//! What it costs to encode and decode a value, against the serde formats one would use instead.
//!
//! Each figure is one encode into a reused buffer and one decode from it, in nanoseconds: the
//! median of the repetitions, and in brackets the first and third quartile. The formats take turns
//! within a repetition, so that a change of the machine's pace meets all of them.
//!
//! `cargo run --release -p benches --bin codec`

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use pool_core::codec;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

const REPETITIONS: usize = 51;
/// How long one repetition of one format is to take.
const SLICE_NS: f64 = 1e6;

#[derive(Serialize, Deserialize, Clone)]
struct Small {
    id: u64,
    x: f64,
    y: f64,
    kind: u16,
    alive: bool,
}

/// Encodes and decodes a value once, through a buffer.
type Call<T> = fn(&T, &mut Vec<u8>);

fn ours<T: Serialize + DeserializeOwned>(value: &T, out: &mut Vec<u8>) {
    out.clear();
    codec::encode(black_box(value), out).unwrap();
    black_box(codec::decode::<T>(black_box(out)).unwrap());
}

fn plain<T: 'static>(value: &T, out: &mut Vec<u8>) {
    out.clear();
    codec::with_plain(black_box(value), |bytes| out.extend_from_slice(bytes)).unwrap();
    black_box(codec::from_plain_slice::<T>(black_box(out)).unwrap().unwrap());
}

fn postcard<T: Serialize + DeserializeOwned>(value: &T, out: &mut Vec<u8>) {
    out.clear();
    *out = postcard::to_extend(black_box(value), std::mem::take(out)).unwrap();
    black_box(postcard::from_bytes::<T>(black_box(out)).unwrap());
}

fn rmp<T: Serialize + DeserializeOwned>(value: &T, out: &mut Vec<u8>) {
    out.clear();
    rmp_serde::encode::write(out, black_box(value)).unwrap();
    black_box(rmp_serde::from_slice::<T>(black_box(out)).unwrap());
}

fn bincode<T: Serialize + DeserializeOwned>(value: &T, out: &mut Vec<u8>) {
    out.clear();
    bincode::serialize_into(&mut *out, black_box(value)).unwrap();
    black_box(bincode::deserialize::<T>(black_box(out)).unwrap());
}

/// Nanoseconds per call.
fn time<T>(call: Call<T>, value: &T, out: &mut Vec<u8>, calls: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..calls {
        call(value, out);
    }
    start.elapsed().as_nanos() as f64 / calls as f64
}

/// Prints one row; `None` where a format does not apply.
fn row<T: Serialize + DeserializeOwned>(name: &str, value: &T, plain: Option<Call<T>>) {
    let columns: [Option<Call<T>>; 5] =
        [Some(ours::<T>), plain, Some(postcard::<T>), Some(rmp::<T>), Some(bincode::<T>)];
    let mut out = Vec::new();
    let calls = columns.map(|call| {
        let call = call?;
        time(call, value, &mut out, 3);
        let once = time(call, value, &mut out, 3);
        Some((call, (SLICE_NS / once).clamp(1.0, 100_000.0) as usize))
    });
    let mut times = [const { Vec::new() }; 5];
    for _ in 0..REPETITIONS {
        for (column, times) in calls.iter().zip(&mut times) {
            if let Some((call, calls)) = *column {
                times.push(time(call, value, &mut out, calls));
            }
        }
    }
    print!("| {name} |");
    for times in &mut times {
        times.sort_by(f64::total_cmp);
        match times.len() {
            0 => print!(" |"),
            len => {
                let at = |quarter: usize| figure(times[(len - 1) * quarter / 4]);
                print!(" {} ({} to {}) |", at(2), at(1), at(3));
            }
        }
    }
    println!();
}

/// Three digits are what the spread allows.
fn figure(ns: f64) -> String {
    match ns {
        ns if ns < 100.0 => format!("{ns:.1}"),
        ns => format!("{ns:.0}"),
    }
}

fn main() {
    println!("encode + decode, ns: median of {REPETITIONS} (quartiles)\n");
    println!("| value | ours | ours, plain | postcard | rmp-serde | bincode 1.3 |");
    println!("|---|---|---|---|---|---|");

    let small = Small { id: 1 << 40, x: 1.5, y: -2.5, kind: 7, alive: true };
    // Over the whole width, as a format of variable width gains on small ones.
    let wide = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let numbers: Vec<u64> = (0..1000).map(wide).collect();
    let pairs: Vec<(u64, f64)> = (0..1000).map(|i| (wide(i), i as f64)).collect();
    let text = ("sixteen letters.".to_string(), vec![0.1_f64; 100]);
    let map: BTreeMap<String, String> =
        (0..1000).map(|i| (format!("key {i:04}"), format!("value {i}"))).collect();

    row("`u64`", &wide(1), None);
    row("struct of 5 fields", &small, None);
    row("`(String, Vec<f64>)`, 16 and 100", &text, None);
    row("`Vec<u64>`, 1000", &numbers, Some(plain::<Vec<u64>>));
    row("`Vec<(u64, f64)>`, 1000", &pairs, None);
    row("`Vec<u8>`, 1 MiB", &vec![200_u8; 1 << 20], Some(plain::<Vec<u8>>));
    row("`BTreeMap<String, String>`, 1000", &map, None);
    row("`Vec` of 1000 structs", &vec![small; 1000], None);
}
