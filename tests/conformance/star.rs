//! Functions of several arguments.

use pool::{Pool, star, with};

use crate::support::{Backend, on_every_backend};

fn power(base: u64, exponent: u32) -> u64 {
    base.pow(exponent)
}

fn pairs() -> Vec<(u64, u32)> {
    (0..50).map(|n| (n, (n % 4) as u32)).collect()
}

fn starmap_spreads_tuples<B: Backend>() {
    let pool = B::pool(2);
    let expected: Vec<u64> = pairs().into_iter().map(|(base, exponent)| power(base, exponent)).collect();
    assert_eq!(pool.starmap(power, pairs()).unwrap(), expected);
    for size in [1, 3, 1_000] {
        assert_eq!(pool.chunk_size(size).starmap(power, pairs()).unwrap(), expected);
    }
}

fn starmap_async_equals_the_serial_one<B: Backend>() {
    let pool = B::pool(2);
    let handle = pool.starmap_async(|a: u8, b: String, c: bool| format!("{a}{b}{c}"), texts());
    assert_eq!(handle.get().unwrap(), ["1xtrue", "2yfalse"]);
}

fn texts() -> [(u8, String, bool); 2] {
    [(1, "x".to_owned(), true), (2, "y".to_owned(), false)]
}

fn star_works_with_every_method<B: Backend>() {
    let pool = B::pool(2);
    assert_eq!(pool.apply(star(power), (2, 5)).unwrap(), 32);
    assert_eq!(pool.apply_async(star(power), (3, 2)).get().unwrap(), 9);
    let all: Vec<u64> = pool.imap(star(power), [(2, 1), (2, 2)]).map(Result::unwrap).collect();
    assert_eq!(all, [2, 4]);
    assert_eq!(pool.map(star(|a: u64| a + 1), [(1,), (2,)]).unwrap(), [2, 3]);
}

fn star_takes_up_to_eight_arguments<B: Backend>() {
    let pool = B::pool(1);
    let sum = |a: u8, b: u16, c: u32, d: u64, e: i8, f: i16, g: i32, h: i64| {
        i64::from(a) + i64::from(b) + i64::from(c) + d as i64 + i64::from(e) + i64::from(f) + i64::from(g) + h
    };
    assert_eq!(pool.apply(star(sum), (1, 2, 3, 4, 5, 6, 7, 8)).unwrap(), 36);
}

fn a_context_and_a_tuple_go_together<B: Backend>() {
    let pool = B::pool(2);
    let shifted = with(100u64, |offset, (a, b): (u64, u64)| offset + a * b);
    assert_eq!(pool.map(shifted, [(1, 2), (3, 4)]).unwrap(), [102, 112]);
}

on_every_backend!(
    starmap_spreads_tuples,
    starmap_async_equals_the_serial_one,
    star_works_with_every_method,
    star_takes_up_to_eight_arguments,
    a_context_and_a_tuple_go_together,
);
