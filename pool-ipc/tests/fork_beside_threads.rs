//! A fork beside threads of this library that begin and end. Alone in its program: threads of the test
//! harness may be forked beside only when they neither begin nor end.

#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use pool_ipc::birth::{Birth, Born, Setting};
use pool_ipc::child::Ended;
use pool_ipc::own;
use pool_ipc::start_method::{StartMethod, Starter};

/// Longer than it takes a child to start a thread; one that comes to it never will.
const BOUND: Duration = Duration::from_secs(60);

fn start_a_thread(born: Born) {
    let text = std::thread::spawn(|| "a thread").join().unwrap();
    let [says] = <[_; 1]>::try_from(born.descriptors).unwrap();
    std::fs::File::from(says).write_all(text.as_bytes()).unwrap();
}

#[test]
fn the_child_can_start_threads() {
    let starter = Starter::new(StartMethod::Fork, true).unwrap();
    let enough = Arc::new(AtomicBool::new(false));
    let churns = [(); 4].map(|()| {
        let until = enough.clone();
        let churn = own::thread("churn".to_owned(), move || {
            while !until.load(Relaxed) {
                own::thread("moment".to_owned(), || {}).unwrap().join().unwrap();
            }
        });
        churn.unwrap()
    });
    for _ in 0..300 {
        let (mut hears, says) = std::io::pipe().unwrap();
        let (descriptors, setting) = ([says.as_fd()], Setting::default());
        let birth = Birth {
            entry: start_a_thread,
            descriptors: &descriptors,
            words: &[],
            setting: &setting,
            outlives_starter: false,
        };
        let child = starter.start(&birth).unwrap();
        drop(says);
        if !child.wait(Some(BOUND)).unwrap() {
            child.kill();
            panic!("the child cannot start a thread");
        }
        assert_eq!(child.reap().unwrap(), Ended::Code(0));
        let mut text = String::new();
        hears.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a thread");
    }
    enough.store(true, Relaxed);
    for churn in churns {
        churn.join().unwrap();
    }
}
