//! Both halves of a lane in one process: the pool's on the test's thread, the worker's on another.

use std::fs::File;
use std::sync::{Arc, mpsc};
use std::thread;

use super::*;
use crate::Entry;
use crate::bell::Bell;
use crate::line::FarEnd;
use crate::segment::Segment;
use crate::sync::Ordering::*;

fn echo(word: u32, context: &[u8], input: &[u8], output: &mut dyn FnMut(u32, &[u8])) {
    output(word, &[context, input].concat());
}

fn request<'a>(context: &'a [u8], input: &'a [u8]) -> Request<'a> {
    Request { entry: echo, word: 7, context, input, luggage: None }
}

/// A lane whose worker serves as many requests as it is told to.
fn lane() -> (PoolLane, mpsc::Sender<usize>) {
    let bell = Bell::create().unwrap();
    let (lane, ends) = PoolLane::create().unwrap();
    let (turns, turn) = mpsc::channel::<usize>();
    thread::spawn(move || {
        let mut worker = WorkerLane::attach(
            ends.requests.into_inner(),
            ends.replies.into_inner(),
            ends.alarm.into_inner(),
            bell,
        )
        .unwrap();
        let (_near, far) = crate::sys::socket::pair().unwrap();
        let luggage = Luggage::new(Arc::new(FarEnd::new(far)));
        for _ in turn.iter().flat_map(|turns| 0..turns) {
            worker.serve(&luggage);
        }
    });
    (lane, turns)
}

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn bytes(output: Output) -> Vec<u8> {
    match output {
        Output::Inline(len, words) => bytes_of(&words)[..len.into()].to_vec(),
        Output::Heap(bytes) => bytes,
    }
}

/// The next reply, when it comes.
fn reply(lane: &mut PoolLane) -> (u32, Vec<u8>) {
    loop {
        if let Some(reply) = lane.receive() {
            let reply = reply.unwrap();
            return (reply.status, bytes(reply.output));
        }
        thread::yield_now();
    }
}

#[test]
fn payloads_of_every_size_come_back() {
    let (mut lane, turns) = lane();
    for len in [0, 1, INLINE - 1, INLINE, INLINE + 1, 4096, (1 << 20) + 1, 5 << 20, 100] {
        let input: Vec<u8> = (0..len).map(|i| i as u8).collect();
        lane.send(request(b"", &input)).unwrap();
        lane.flush();
        turns.send(1).unwrap();
        assert!(reply(&mut lane) == (7, input), "{len} bytes");
    }
    assert!(lane.has_spare_memory());
    lane.trim();
    assert!(!lane.has_spare_memory());
}

#[test]
fn a_context_comes_before_the_input() {
    let (mut lane, turns) = lane();
    lane.send(request(b"context ", b"input")).unwrap();
    lane.flush();
    turns.send(1).unwrap();
    assert_eq!(reply(&mut lane), (7, b"context input".to_vec()));
}

#[test]
fn a_full_lane_refuses_and_goes_on() {
    let (mut lane, turns) = lane();
    for number in 0..CAPACITY {
        lane.send(request(b"", &number.to_le_bytes())).unwrap();
    }
    assert!(lane.send(request(b"", b"one too many")).is_err());
    lane.flush();
    turns.send(CAPACITY).unwrap();
    for number in 0..CAPACITY {
        assert_eq!(reply(&mut lane).1, number.to_le_bytes());
    }
}

#[test]
fn what_was_not_begun_comes_back_in_order() {
    let (mut lane, turns) = lane();
    let large = vec![9; 5000];
    for input in [&b"zero"[..], b"one", &large, b"three"] {
        lane.send(request(b"", input)).unwrap();
    }
    lane.flush();
    turns.send(1).unwrap();
    assert_eq!(reply(&mut lane).1, b"zero");
    let returned: Vec<Vec<u8>> =
        lane.take_back().into_iter().map(|returned| bytes(returned.input.unwrap())).collect();
    assert_eq!(returned, [b"one".to_vec(), large, b"three".to_vec()]);
    assert_eq!(lane.outstanding(), 0);
    // The slots are used again.
    lane.send(request(b"", b"four")).unwrap();
    lane.flush();
    turns.send(1).unwrap();
    assert_eq!(reply(&mut lane).1, b"four");
}

#[test]
fn taking_back_beside_a_busy_worker_loses_and_doubles_nothing() {
    let (mut lane, turns) = lane();
    turns.send(usize::MAX).unwrap();
    let mut next = 0u32;
    let mut waiting: Vec<u32> = Vec::new();
    let mut answered = Vec::new();
    while answered.len() < 20_000 {
        while lane.outstanding() < 50 {
            let number = waiting.pop().unwrap_or_else(|| (next, next += 1).0);
            lane.send(request(b"", &number.to_le_bytes())).unwrap();
        }
        lane.flush();
        for returned in lane.take_back() {
            waiting.push(u32::from_le_bytes(bytes(returned.input.unwrap()).try_into().unwrap()));
        }
        while let Some(reply) = lane.receive() {
            let Output::Inline(4, words) = reply.unwrap().output else { panic!("not a number") };
            answered.push(u32::from_le_bytes(bytes_of(&words)[..4].try_into().unwrap()));
        }
    }
    while lane.outstanding() > 0 {
        answered.push(u32::from_le_bytes(reply(&mut lane).1.try_into().unwrap()));
    }
    answered.extend(waiting);
    answered.sort_unstable();
    assert!(answered.into_iter().eq(0..next));
}

#[test]
fn code_that_is_not_the_programs_is_refused() {
    let (mut lane, _turns) = lane();
    // SAFETY: the pointer is never called; it only has to lie outside of the program's code.
    let stranger = unsafe { std::mem::transmute::<*const (), Entry>(libc::getpid as *const ()) };
    let refused = lane.send(Request { entry: stranger, ..request(b"", b"") }).unwrap_err();
    assert!(refused.to_string().contains("not part of the main program"));
}

/// A lane whose worker's side is the test's to write.
fn hostile() -> (PoolLane, Segment) {
    let (mut lane, ends) = PoolLane::create().unwrap();
    lane.send(request(b"", b"please")).unwrap();
    lane.flush();
    let replies = Segment::map(File::from(ends.replies.into_inner()), size_of::<WorkerHead>(), true).unwrap();
    (lane, replies)
}

fn write_reply(replies: &Segment, slot: Slot, replied: u32) {
    let head = replies.head().cast::<WorkerHead>();
    // SAFETY: the head is mapped for writing.
    unsafe {
        (*head).slots[0] = slot;
        (*head).words.replied.0.store(replied, Release);
    }
}

const HONEST: Slot = Slot { what: 0, len: 0, word: 0, flags: 0, core: 0, place: [0; INLINE / 8] };

#[test]
fn replies_that_nobody_asked_for_are_an_error() {
    for replied in [2, 1000, u32::MAX] {
        let (mut lane, replies) = hostile();
        write_reply(&replies, HONEST, replied);
        assert!(matches!(lane.receive(), Some(Err(_))), "{replied}");
    }
}

#[test]
fn a_length_with_no_memory_behind_it_is_an_error() {
    for (at, len) in
        [(0, 1 << 39), (0, u64::MAX), (u64::MAX, 8), (u64::MAX - 4, u64::MAX), (1 << 40, 1), (0, 2 << 20)]
    {
        let (mut lane, replies) = hostile();
        let place = [at, 0, 0, 0, 0];
        write_reply(&replies, Slot { len, flags: IN_ARENA, place, ..HONEST }, 1);
        assert!(matches!(lane.receive(), Some(Err(_))), "{len} bytes at {at}");
    }
}

#[test]
fn an_inline_length_is_cut_to_what_there_is() {
    let (mut lane, replies) = hostile();
    write_reply(&replies, Slot { len: u64::MAX, ..HONEST }, 1);
    assert!(matches!(lane.receive(), Some(Ok(Reply { output: Output::Inline(40, _), .. }))));
}

#[test]
fn a_claim_beyond_what_was_sent_is_not_believed() {
    let (mut lane, replies) = hostile();
    let head = replies.head().cast::<WorkerHead>();
    // SAFETY: the head is mapped.
    unsafe { (*head).words.claimed.0.store(77, Release) };
    assert_eq!(lane.in_hand(), 0);
    assert_eq!(lane.take_back().len(), 1);
}

#[test]
fn a_worker_cannot_write_a_request() {
    let (_lane, ends) = PoolLane::create().unwrap();
    assert!(Segment::map(File::from(ends.requests.into_inner()), size_of::<PoolHead>(), true).is_err());
}

#[test]
fn the_end_of_the_thread_that_answers_is_seen() {
    let (lane, ends) = PoolLane::create().unwrap();
    let (told, tell) = mpsc::channel();
    let (leave, stay) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let [requests, replies, alarm] = [ends.requests, ends.replies, ends.alarm].map(Own::into_inner);
        let worker = WorkerLane::attach(requests, replies, alarm, Bell::create().unwrap()).unwrap();
        worker.report_end().unwrap();
        told.send(()).unwrap();
        assert!(stay.recv().is_err());
    });
    tell.recv().unwrap();
    assert!(!lane.is_forsaken());
    drop(leave);
    worker.join().unwrap();
    assert!(lane.is_forsaken());
}
