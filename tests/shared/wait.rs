//! Waiting for many things at once.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

use pool::Passed;
use pool::shared::{
    Client, Connection, ConnectionError, Event, Listener, Receiver, Sender, Waitable, one_way, pipe, wait,
};

use crate::support::{disturb, eventually};
use crate::{Elsewhere, Party, by_itself, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    all_messages_of_four_pipes_are_collected_until_the_end_of_each,
    all_messages_of_slow_senders_are_collected,
    all_bytes_of_four_sockets_are_collected_until_the_end_of_each,
    all_bytes_of_slow_sockets_are_collected,
    a_wait_returns_exactly_what_is_ready,
    pipes_and_sentinels_are_waited_for_together,
);

by_itself!(
    no_time_looks_and_returns,
    a_wait_lasts_as_long_as_it_is_told,
    a_wait_for_nothing_lasts_its_time,
    a_signal_does_not_end_a_wait,
    a_listener_is_ready_when_somebody_connects,
    the_same_thing_twice_is_ready_twice,
);

const NO_TIME: Option<Duration> = Some(Duration::ZERO);
const SENDERS: u32 = 4;
const MESSAGES: u32 = 10;

fn send((sender, number, is_slow): (Sender<(u32, u32)>, u32, bool)) {
    for message in 0..MESSAGES {
        if is_slow {
            sleep(Duration::from_millis(u64::from((number * 7 + message) % 5)));
        }
        sender.send(&(number, message)).unwrap();
    }
}

fn collect(elsewhere: Elsewhere, is_slow: bool) {
    let (parties, mut receivers): (Vec<_>, Vec<Receiver<(u32, u32)>>) = (0..SENDERS)
        .map(|number| {
            let (sender, receiver) = one_way().unwrap();
            (elsewhere.start(send, (sender, number, is_slow)), receiver)
        })
        .collect();
    let mut messages = Vec::new();
    while !receivers.is_empty() {
        let things: Vec<&dyn Waitable> = receivers.iter().map(|receiver| receiver as &dyn Waitable).collect();
        let ready = wait(&things, None).unwrap();
        assert!(!ready.is_empty());
        for place in ready.into_iter().rev() {
            match receivers[place].recv() {
                Ok(message) => messages.push(message),
                Err(ConnectionError::End) => drop(receivers.remove(place)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    parties.into_iter().for_each(Party::join);
    messages.sort_unstable();
    let expected: Vec<_> =
        (0..SENDERS).flat_map(|number| (0..MESSAGES).map(move |message| (number, message))).collect();
    assert_eq!(messages, expected);
}

fn all_messages_of_four_pipes_are_collected_until_the_end_of_each(elsewhere: Elsewhere) {
    collect(elsewhere, false);
}

fn all_messages_of_slow_senders_are_collected(elsewhere: Elsewhere) {
    collect(elsewhere, true);
}

fn write((address, is_slow): (String, bool)) {
    let mut socket = TcpStream::connect(address).unwrap();
    for message in 0..MESSAGES {
        if is_slow {
            sleep(Duration::from_millis(u64::from(message % 5)));
        }
        socket.write_all(format!("{message}\n").as_bytes()).unwrap();
    }
}

fn collect_bytes(elsewhere: Elsewhere, is_slow: bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let parties: Vec<_> = (0..SENDERS).map(|_| elsewhere.start(write, (address.clone(), is_slow))).collect();
    let mut sockets: Vec<(TcpStream, String)> =
        (0..SENDERS).map(|_| (listener.accept().unwrap().0, String::new())).collect();
    let mut texts = Vec::new();
    while !sockets.is_empty() {
        let things: Vec<&dyn Waitable> = sockets.iter().map(|(socket, _)| socket as &dyn Waitable).collect();
        for place in wait(&things, None).unwrap().into_iter().rev() {
            let mut bytes = [0; 32];
            let len = sockets[place].0.read(&mut bytes).unwrap();
            sockets[place].1.push_str(std::str::from_utf8(&bytes[..len]).unwrap());
            if len == 0 {
                texts.push(sockets.remove(place).1);
            }
        }
    }
    parties.into_iter().for_each(Party::join);
    let expected: String = (0..MESSAGES).map(|message| format!("{message}\n")).collect();
    assert!(texts.len() == SENDERS as usize && texts.iter().all(|text| *text == expected), "{texts:?}");
}

fn all_bytes_of_four_sockets_are_collected_until_the_end_of_each(elsewhere: Elsewhere) {
    collect_bytes(elsewhere, false);
}

fn all_bytes_of_slow_sockets_are_collected(elsewhere: Elsewhere) {
    collect_bytes(elsewhere, true);
}

fn a_wait_returns_exactly_what_is_ready(elsewhere: Elsewhere) {
    fn send_on((first, third, socket): (Sender<u8>, Connection<u8>, Passed<UnixStream>)) {
        third.send(&3).unwrap();
        assert_eq!(third.recv().unwrap(), 0);
        (&*socket).write_all(b"x").unwrap();
        first.send(&1).unwrap();
        assert_eq!(third.recv().unwrap(), 0);
    }
    let (sender, first) = one_way::<u8>().unwrap();
    let (second_sender, second) = one_way::<u8>().unwrap();
    let (third, there) = pipe::<u8, u8>().unwrap();
    let (mut socket, other) = UnixStream::pair().unwrap();
    let party = elsewhere.start(send_on, (sender, there, other.into()));
    assert_eq!(wait(&[&first, &second, &third, &socket], None).unwrap(), [2]);
    assert_eq!(third.recv().unwrap(), 3);
    assert_eq!(wait(&[&first, &second, &third, &socket], NO_TIME).unwrap(), []);
    third.send(&0).unwrap();
    assert!(first.poll(Duration::MAX));
    // The socket came before it.
    assert_eq!(wait(&[&first, &second, &third, &socket], None).unwrap(), [0, 3]);
    socket.read_exact(&mut [0]).unwrap();
    first.recv().unwrap();
    assert_eq!(wait(&[&first, &second, &third, &socket], NO_TIME).unwrap(), []);
    third.send(&0).unwrap();
    drop(second_sender);
    party.join();
    // At their ends, all of them.
    assert_eq!(wait(&[&first, &second, &third, &socket], None).unwrap(), [0, 1, 2, 3]);
}

fn pipes_and_sentinels_are_waited_for_together(elsewhere: Elsewhere) {
    fn end_when_told((go, sender): (Event, Sender<u8>)) {
        go.wait();
        sender.send(&1).unwrap();
    }
    if !elsewhere.is_process() {
        // A thread has no sentinel.
        return;
    }
    let go = Event::new().unwrap();
    let (never, (sender, receiver)) = (Event::new().unwrap(), one_way().unwrap());
    let (unused, silent) = one_way::<u8>().unwrap();
    let Party::Process(process) = elsewhere.start(end_when_told, (go.clone(), sender)) else {
        panic!("a process")
    };
    let Party::Process(other) = elsewhere.start(|never: Event| never.wait(), never.clone()) else {
        panic!("a process")
    };
    let (sentinel, others) = (process.sentinel(), other.sentinel());
    let things: [&dyn Waitable; 4] = [&others, &receiver, &sentinel, &silent];
    assert_eq!(wait(&things, NO_TIME).unwrap(), []);
    go.set();
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        let ready = wait(&things, None).unwrap();
        assert!(ready.iter().all(|place| [1, 2].contains(place)), "{ready:?}");
        seen.extend(ready);
    }
    assert_eq!(wait(&things, None).unwrap(), [1, 2], "a message and then the end; the process has ended");
    drop(unused);
    // A child by fork has a copy of its sender until it has run for a moment.
    eventually("the other end is gone", || wait(&things, None).unwrap() == [1, 2, 3]);
    never.set();
    process.join().unwrap();
    other.join().unwrap();
}

fn no_time_looks_and_returns() {
    let (sender, receiver) = one_way::<u8>().unwrap();
    assert_eq!(wait(&[&receiver], NO_TIME).unwrap(), []);
    assert_eq!(wait(&[], NO_TIME).unwrap(), []);
    sender.send(&1).unwrap();
    assert_eq!(wait(&[&receiver], NO_TIME).unwrap(), [0]);
}

fn a_wait_lasts_as_long_as_it_is_told() {
    let (_sender, receiver) = one_way::<u8>().unwrap();
    let (before, time) = (Instant::now(), Duration::from_millis(20));
    assert_eq!(wait(&[&receiver], Some(time)).unwrap(), []);
    assert!(before.elapsed() >= time);
}

fn a_wait_for_nothing_lasts_its_time() {
    let (before, time) = (Instant::now(), Duration::from_millis(5));
    assert_eq!(wait(&[], Some(time)).unwrap(), []);
    assert!(before.elapsed() >= time);
}

fn a_signal_does_not_end_a_wait() {
    let (sender, receiver) = one_way::<u8>().unwrap();
    let count = disturb(|| assert_eq!(wait(&[&receiver], None).unwrap(), [0]), || sender.send(&1).unwrap());
    assert!(count >= 50, "{count}");
}

fn a_listener_is_ready_when_somebody_connects() {
    let listener = Listener::<u8>::bind("127.0.0.1:0").unwrap();
    assert_eq!(wait(&[&listener], NO_TIME).unwrap(), []);
    let client: Connection<u8> = Client::new().connect(listener.address()).unwrap();
    assert_eq!(wait(&[&listener], None).unwrap(), [0]);
    let accepted = listener.accept().unwrap();
    assert_eq!(wait(&[&listener, &accepted], NO_TIME).unwrap(), []);
    client.send(&1).unwrap();
    assert_eq!(wait(&[&listener, &accepted], None).unwrap(), [1]);
}

fn the_same_thing_twice_is_ready_twice() {
    let (sender, receiver) = one_way::<u8>().unwrap();
    sender.send(&1).unwrap();
    assert_eq!(wait(&[&receiver, &receiver], None).unwrap(), [0, 1]);
}
