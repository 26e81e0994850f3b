//! Data bound to a function.

use pool::{ErrorKind, Pool, with};
use serde::{Deserialize, Deserializer, Serialize};

use crate::support::{Backend, Marks, Scratch, on_every_backend};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scale {
    name: String,
    factors: Vec<f64>,
}

fn scale() -> Scale {
    Scale { name: "metres".to_owned(), factors: vec![0.5, 2.0, 4.0] }
}

fn scaled(scale: &Scale, x: u32) -> (String, f64) {
    (scale.name.clone(), scale.factors[x as usize % 3] * f64::from(x))
}

fn a_vector_a_text_and_a_struct_can_be_bound<B: Backend>() {
    let pool = B::pool(2);
    let table: Vec<u64> = (0..1_000).map(|x| x * 3).collect();
    let expected: Vec<u64> = table.clone();
    assert_eq!(pool.map(with(table.clone(), |table, at: usize| table[at]), 0..1_000).unwrap(), expected);
    let greeted: Vec<String> = pool
        .imap(with("hello ".to_owned(), |hello, name: String| hello.clone() + &name), texts())
        .map(Result::unwrap)
        .collect();
    assert_eq!(greeted, ["hello a", "hello b"]);
    assert_eq!(pool.apply(with(scale(), scaled), 5).unwrap(), scaled(&scale(), 5));
    assert_eq!(pool.apply_async(with(table, |table, at: usize| table[at]), 9).get().unwrap(), 27);
}

fn texts() -> [String; 2] {
    ["a".to_owned(), "b".to_owned()]
}

fn every_method_takes_a_context<B: Backend>() {
    let pool = B::pool(2);
    let expected: Vec<_> = (0..50).map(|x| scaled(&scale(), x)).collect();
    for size in [1, 7] {
        let view = pool.chunk_size(size);
        assert_eq!(view.map(with(scale(), scaled), 0..50).unwrap(), expected);
        assert_eq!(view.map_async(with(scale(), scaled), 0..50).get().unwrap(), expected);
        let results: Vec<_> = view.imap(with(scale(), scaled), 0..50).map(Result::unwrap).collect();
        assert_eq!(results, expected);
        let mut results: Vec<_> =
            view.imap_unordered(with(scale(), scaled), 0..50).map(Result::unwrap).collect();
        results.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let mut sorted = expected.clone();
        sorted.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(results, sorted);
    }
}

fn two_contexts_of_one_function_are_told_apart<B: Backend>() {
    let pool = B::pool(2);
    let add = |offset: &u64, x: u64| offset + x;
    let mut ones = pool.window(4).imap(with(1, add), 0..);
    let mut thousands = pool.window(4).imap(with(1_000, add), 0..);
    for x in 0..200 {
        assert_eq!(ones.next().unwrap().unwrap(), 1 + x);
        assert_eq!(thousands.next().unwrap().unwrap(), 1_000 + x);
    }
}

fn contexts_of_different_types_are_told_apart<B: Backend>() {
    let pool = B::pool(1);
    let handles: Vec<_> = (0..40)
        .map(|x| {
            let number = pool.apply_async(with(x, |a: &u32, b: u32| a + b), 1);
            let text = pool.apply_async(with(x.to_string(), |a: &String, b: u32| format!("{a}{b}")), 1);
            let none = pool.apply_async(with((), |(): &(), b: u32| b), x);
            (x, number, text, none)
        })
        .collect();
    for (x, number, text, none) in handles {
        assert_eq!(number.get().unwrap(), x + 1);
        assert_eq!(text.get().unwrap(), format!("{x}1"));
        assert_eq!(none.get().unwrap(), x);
    }
}

/// A worker remembers the last 8 contexts; here more of them take turns.
fn more_contexts_than_a_worker_remembers<B: Backend>() {
    for workers in [1, 2] {
        let pool = B::pool(workers);
        for count in [8, 9, 17, 40] {
            let add = |offset: &Vec<u64>, x: u64| offset[0] + x;
            let mut all: Vec<_> =
                (0..count).map(|n| pool.window(2).imap(with(vec![n * 1_000; 100], add), 0..)).collect();
            for x in 0..30 {
                for (n, results) in (0..).zip(&mut all) {
                    assert_eq!(results.next().unwrap().unwrap(), n * 1_000 + x);
                }
            }
        }
    }
}

fn a_large_context<B: Backend>() {
    let pool = B::pool(2);
    let bytes = vec![7u8; 8 << 20];
    let sum = |bytes: &Vec<u8>, at: usize| u64::from(bytes[at]) + bytes.len() as u64;
    assert_eq!(pool.chunk_size(1).map(with(bytes, sum), 0..100).unwrap(), vec![7 + (8 << 20); 100]);
}

/// Leaves a mark whenever it is encoded or decoded.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "(Marks, Marks)", into = "(Marks, Marks)")]
struct Traced {
    encoded: Marks,
    decoded: Marks,
}

impl From<(Marks, Marks)> for Traced {
    fn from((encoded, decoded): (Marks, Marks)) -> Traced {
        decoded.add();
        Traced { encoded, decoded }
    }
}

impl From<Traced> for (Marks, Marks) {
    fn from(traced: Traced) -> (Marks, Marks) {
        traced.encoded.add();
        (traced.encoded, traced.decoded)
    }
}

fn a_context_is_encoded_once_per_call_and_decoded_once_per_worker<B: Backend>() {
    let pool = B::pool(2);
    let scratch = Scratch::new();
    let (encoded, decoded) = (scratch.marks("encoded"), scratch.marks("decoded"));
    let traced = Traced { encoded: encoded.clone(), decoded: decoded.clone() };
    let results = pool.chunk_size(1).map(with(traced, |_, x: u64| x), 0..500).unwrap();
    assert_eq!(results.len(), 500);
    if B::IS_PROCESS {
        assert_eq!(encoded.count(), 1);
        assert!((1..=2).contains(&decoded.count()), "decoded {} times by 2 workers", decoded.count());
    } else {
        assert_eq!((encoded.count(), decoded.count()), (0, 0), "threads share it");
    }
}

#[derive(Serialize)]
struct Undecodable(u64);

impl<'de> Deserialize<'de> for Undecodable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer)?;
        Err(serde::de::Error::custom("not in this world"))
    }
}

fn a_context_that_does_not_decode_is_an_error_of_every_task<B: Backend>() {
    let pool = B::pool(2);
    let ask = |context: &Undecodable, x: u64| context.0 + x;
    let results: Vec<_> = pool.imap(with(Undecodable(5), ask), 0..40).collect();
    assert_eq!(results.len(), 40);
    for (x, result) in (0..).zip(results) {
        match result {
            Err(error) if B::IS_PROCESS => {
                assert_eq!((error.kind(), error.item()), (ErrorKind::Decode, Some(x)));
                assert!(error.to_string().contains("not in this world"), "{error}");
            }
            result => assert_eq!(result.unwrap(), 5 + x as u64),
        }
    }
    assert_eq!(pool.apply(with(1, |a: &u64, b: u64| a + b), 2).unwrap(), 3);
}

fn a_panic_with_a_context_leaves_the_context_usable<B: Backend>() {
    let pool = B::pool(1);
    let divide = |by: &Vec<u64>, x: u64| by[0] / x;
    let results: Vec<_> = pool.imap(with(vec![10], divide), [1, 0, 2, 0, 5]).collect();
    let values: Vec<_> = results.iter().map(|result| result.as_ref().ok().copied()).collect();
    assert_eq!(values, [Some(10), None, Some(5), None, Some(2)]);
}

on_every_backend!(
    a_vector_a_text_and_a_struct_can_be_bound,
    every_method_takes_a_context,
    two_contexts_of_one_function_are_told_apart,
    contexts_of_different_types_are_told_apart,
    more_contexts_than_a_worker_remembers,
    a_large_context,
    a_context_is_encoded_once_per_call_and_decoded_once_per_worker,
    a_context_that_does_not_decode_is_an_error_of_every_task,
    a_panic_with_a_context_leaves_the_context_usable,
);
