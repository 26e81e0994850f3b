//! Views of a pool with options.

use std::time::Duration;

use pool::{ErrorKind, Pool, View};

use crate::support::{Backend, on_every_backend};

fn square(x: u64) -> u64 {
    x * x
}

fn views_combine_in_any_order<B: Backend>() {
    let pool = B::pool(2);
    let limit = Duration::from_secs(60);
    let views: Vec<View> = vec![
        pool.chunk_size(3),
        pool.window(5),
        pool.timeout(limit),
        pool.retries(2),
        pool.chunk_size(3).window(5).timeout(limit).retries(2),
        pool.retries(2).timeout(limit).window(5).chunk_size(3),
        pool.chunk_size(0).chunk_size(4),
        pool.window(2).chunk_size(100),
    ];
    let expected: Vec<u64> = (0..50).map(square).collect();
    for view in &views {
        assert_eq!(view.map(square, 0..50).unwrap(), expected, "{view:?}");
        assert_eq!(view.imap(square, 0..50).map(Result::unwrap).collect::<Vec<_>>(), expected, "{view:?}");
        assert_eq!(view.imap_unordered(square, 0..50).count(), 50);
        assert_eq!(view.apply(square, 7).unwrap(), 49);
        assert_eq!(view.starmap(|a: u64, b: u64| a * b, [(2, 3)]).unwrap(), [6]);
    }
}

fn a_view_leaves_the_pool_as_it_is<B: Backend>() {
    let pool = B::pool(2);
    let wrong = pool.chunk_size(0);
    assert!(wrong.map(square, 0..5).is_err());
    assert_eq!(pool.map(square, 0..3).unwrap(), [0, 1, 4]);
}

fn a_view_is_the_same_pool<B: Backend>() {
    let pool = B::pool(3);
    let view = pool.chunk_size(2);
    assert_eq!(view.workers(), 3);
    let copy = view.clone();
    view.close();
    assert_eq!(pool.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(copy.apply(square, 1).unwrap_err().kind(), ErrorKind::Closed);
    copy.join().unwrap();
}

fn a_view_that_outlives_its_pool_says_so<B: Backend>() {
    let pool = B::pool(1);
    let view = pool.chunk_size(2);
    drop(pool);
    assert_eq!(view.apply(square, 1).unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(view.map(square, 0..9).unwrap_err().kind(), ErrorKind::Terminated);
    assert_eq!(view.imap(square, 0..).next().unwrap().unwrap_err().kind(), ErrorKind::Terminated);
}

fn a_chunk_size_of_zero_is_refused<B: Backend>() {
    let pool = B::pool(2);
    let view = pool.chunk_size(0);
    let refused = |error: pool::Error| {
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("chunk_size"), "{error}");
    };
    refused(view.map(square, 0..5).unwrap_err());
    refused(view.map_async(square, 0..5).get().unwrap_err());
    refused(view.starmap(|a: u64, b: u64| a + b, [(1, 2)]).unwrap_err());
    for mut results in [view.imap(square, 0..), view.imap_unordered(square, 0..)] {
        refused(results.next().unwrap().unwrap_err());
        assert!(results.next().is_none());
    }
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
}

fn a_window_of_zero_is_refused<B: Backend>() {
    let pool = B::pool(2);
    let view = pool.window(0);
    for mut results in [view.imap(square, 0..), view.imap_unordered(square, 0..)] {
        let error = results.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.to_string().contains("window"), "{error}");
        assert!(results.next().is_none());
    }
    assert_eq!(pool.apply(square, 2).unwrap(), 4);
}

fn callbacks_hear_of_a_refused_option<B: Backend>() {
    let pool = B::pool(1);
    let (sender, heard) = std::sync::mpsc::channel();
    let handle = pool.chunk_size(0).map_async(square, 0..5);
    handle.on_error(move |error| sender.send(error.kind()).unwrap());
    assert_eq!(heard.recv().unwrap(), ErrorKind::InvalidArgument);
    assert!(handle.ready() && !handle.successful());
}

on_every_backend!(
    views_combine_in_any_order,
    a_view_leaves_the_pool_as_it_is,
    a_view_is_the_same_pool,
    a_view_that_outlives_its_pool_says_so,
    a_chunk_size_of_zero_is_refused,
    a_window_of_zero_is_refused,
    callbacks_hear_of_a_refused_option,
);
