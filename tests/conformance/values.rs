//! What may cross: every size and shape comes back as it was.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use pool::{Message, Pool, codec};
use serde::{Deserialize, Serialize};

use crate::support::{Backend, on_every_backend};

/// Through every method that takes one value.
#[track_caller]
fn echo<B: Backend, T: Message + Clone + PartialEq + Debug>(value: T) {
    let pool = B::shared(2);
    assert_eq!(pool.apply(|value: T| value, value.clone()).unwrap(), value);
    assert_eq!(pool.map(|value: T| value, vec![value.clone(); 3]).unwrap(), vec![value.clone(); 3]);
    assert_eq!(pool.imap(|value: T| value, [value.clone()]).next().unwrap().unwrap(), value);
}

/// Bytes that show when one of them is in the wrong place.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
}

fn bytes_of_every_size<B: Backend>() {
    let pool = B::pool(2);
    let sizes = [0, 1, 7, 39, 40, 41, 4_095, 4_096, 4_097, 65_536, (1 << 20) + 1];
    for len in sizes {
        assert!(pool.apply(|value: Vec<u8>| value, bytes(len)).unwrap() == bytes(len), "{len} bytes");
    }
    let all = || sizes.map(bytes).to_vec();
    assert!(pool.map(|value: Vec<u8>| value, all()).unwrap() == all());
    assert!(pool.imap(|value: Vec<u8>| value, all()).map(Result::unwrap).eq(all()));
}

fn bytes_that_only_come_or_only_go<B: Backend>() {
    let pool = B::pool(2);
    for len in [0, 41, 100_000, 3 << 20] {
        assert_eq!(pool.apply(|value: Vec<u8>| value.len(), bytes(len)).unwrap(), len);
        assert!(pool.apply(bytes, len).unwrap() == bytes(len));
    }
}

fn sixty_four_mebibytes<B: Backend>() {
    let pool = B::pool(1);
    let value = bytes(64 << 20);
    let back = pool.apply(|value: Vec<u8>| value, value.clone()).unwrap();
    assert!(back == value);
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap(), 1);
}

fn large_values_joined_out_of_order<B: Backend>() {
    let pool = B::pool(2);
    let value = |n: u8| vec![n; 1 << 20];
    let handles: Vec<_> = (0..4).map(|n| pool.apply_async(|value: Vec<u8>| value, value(n))).collect();
    for (n, handle) in (0..4).zip(handles).rev() {
        assert!(handle.get().unwrap() == value(n));
    }
    // Far more than is in flight at once, before anything is taken.
    let handles: Vec<_> = (0..40).map(|n| pool.apply_async(|value: Vec<u8>| value, value(n))).collect();
    for (n, handle) in (0..40).zip(handles).rev() {
        assert!(handle.get().unwrap() == value(n));
    }
}

fn sizes_that_change_from_task_to_task<B: Backend>() {
    let pool = B::pool(1);
    for round in 0..200usize {
        let len = [0, 40, 41, 1_000, 300_000][round % 5] + round;
        assert!(pool.apply(|value: Vec<u8>| value, bytes(len)).unwrap() == bytes(len), "round {round}");
    }
}

fn vectors_of_numbers<B: Backend>() {
    echo::<B, _>((0..10_000).map(f64::from).collect::<Vec<f64>>());
    echo::<B, _>(vec![f64::INFINITY, -0.0, f64::MIN_POSITIVE]);
    echo::<B, Vec<u64>>(vec![0, 1, u64::MAX]);
    echo::<B, Vec<i128>>(vec![i128::MIN, i128::MAX]);
    echo::<B, Vec<u16>>(Vec::new());
    echo::<B, Vec<Vec<f32>>>(vec![vec![1.0, 2.0], vec![]]);
    let not_a_number =
        B::shared(1).apply(|value: Vec<f64>| value, vec![f64::from_bits(0x7ff8_0000_0000_0bad)]);
    assert_eq!(not_a_number.unwrap()[0].to_bits(), 0x7ff8_0000_0000_0bad);
}

fn text<B: Backend>() {
    for text in ["", "a", "grüße, 世界 🦀", &"x".repeat(100_000)] {
        echo::<B, _>(text.to_owned());
    }
    echo::<B, _>(vec!["a".to_owned(), String::new(), "ü".to_owned()]);
    echo::<B, _>('🦀');
    echo::<B, _>(PathBuf::from("/a/b"));
}

fn numbers_and_small_things<B: Backend>() {
    echo::<B, _>(());
    echo::<B, _>(true);
    echo::<B, _>((u8::MAX, i8::MIN, u16::MAX, i16::MIN, u32::MAX, i32::MIN, u64::MAX, i64::MIN));
    echo::<B, _>((u128::MAX, i128::MIN, usize::MAX, isize::MIN));
    echo::<B, _>((1.5f32, f64::MAX));
    echo::<B, _>([1u8, 2, 3]);
    echo::<B, _>([[0u64; 3]; 2]);
    echo::<B, _>(Duration::new(1, 2));
    echo::<B, _>(vec![(); 1_000]);
}

fn options_and_results<B: Backend>() {
    echo::<B, Option<u64>>(None);
    echo::<B, _>(Some(7u64));
    echo::<B, Option<Option<()>>>(Some(None));
    echo::<B, Result<u64, String>>(Ok(1));
    echo::<B, Result<u64, String>>(Err("no".to_owned()));
    echo::<B, _>(Box::new(7u64));
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Point {
    x: f64,
    y: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(Point, f64),
    Polygon { name: Option<String>, points: Vec<Point> },
    Group(Vec<Shape>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Drawing {
    title: String,
    shapes: Vec<Shape>,
    by_name: HashMap<String, Vec<u8>>,
    #[serde(skip)]
    cache: Option<u64>,
    unit: (),
}

fn drawing() -> Drawing {
    let points = vec![Point { x: 0.0, y: 1.0 }; 3];
    Drawing {
        title: "house".to_owned(),
        shapes: vec![
            Shape::Nothing,
            Shape::Circle(Point { x: 1.0, y: 2.0 }, 3.0),
            Shape::Group(vec![
                Shape::Polygon { name: Some("roof".to_owned()), points },
                Shape::Group(vec![]),
            ]),
        ],
        by_name: HashMap::from([("a".to_owned(), vec![1, 2]), (String::new(), vec![])]),
        cache: None,
        unit: (),
    }
}

fn structs_enums_and_maps<B: Backend>() {
    echo::<B, _>(Point { x: 1.0, y: -1.0 });
    echo::<B, _>(drawing());
    echo::<B, _>(vec![drawing(); 50]);
    echo::<B, _>((0..1_000).map(|n| (n, n.to_string())).collect::<HashMap<u64, String>>());
    echo::<B, _>(BTreeMap::from([((1u8, 'a'), Some(1u64)), ((2, 'b'), None)]));
    echo::<B, _>((1u64, "two".to_owned(), vec![3.0], Some((4u8, Shape::Nothing))));
}

fn wrapped_values<B: Backend>() {
    echo::<B, _>((1u64, codec::Plain(vec![1.0f64; 1_000])));
    echo::<B, _>(codec::Described(drawing()));
}

on_every_backend!(
    bytes_of_every_size,
    bytes_that_only_come_or_only_go,
    sixty_four_mebibytes,
    large_values_joined_out_of_order,
    sizes_that_change_from_task_to_task,
    vectors_of_numbers,
    text,
    numbers_and_small_things,
    options_and_results,
    structs_enums_and_maps,
    wrapped_values,
);
