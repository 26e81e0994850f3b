//! Pipes: two-way connections and one-way ends, what goes through them, and what becomes of them when the other side
//! goes.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use pool::shared::{Connection, ConnectionError, Event, Receiver, Sender, one_way, pipe};
use pool::{ErrorKind, Passed, Pool, Process, ProcessPool, with};
use serde::{Deserialize, Serialize};

use crate::support::{self, Census, Random, Scratch, alone, disturb, duplicate};
use crate::{Elsewhere, by_itself, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    values_and_bytes_come_back_as_they_were,
    bytes_are_received_into_a_buffer_from_an_offset_on,
    a_poll_waits_as_long_as_it_is_told,
    large_messages_arrive,
    the_end_is_an_error_of_its_own,
    a_one_way_pipe_goes_one_way,
    the_starter_may_drop_its_copy_at_once,
    an_open_file_is_sent,
    a_descriptor_of_a_large_number_is_sent,
    an_empty_message_is_there_for_every_poll,
    a_poll_elsewhere_takes_nothing,
    connections_and_sockets_are_sent_and_used,
    one_way_ends_are_sent_and_keep_their_direction,
    signals_do_not_disturb_a_receive_nor_a_large_send,
    a_shared_object_that_is_sent_needs_no_keeper,
    many_ends_made_passed_and_dropped_leave_nothing,
);

const NO_TIME: Duration = Duration::ZERO;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reading {
    place: String,
    degrees: Vec<f32>,
    flag: Option<bool>,
}

fn reading() -> Reading {
    Reading { place: "attic".to_owned(), degrees: vec![21.5, -3.0], flag: Some(true) }
}

/// Sends back what comes, until the end.
fn echo<T: Serialize + serde::de::DeserializeOwned + 'static>(connection: Connection<T>) {
    loop {
        match connection.recv() {
            Ok(value) => connection.send(&value).unwrap(),
            Err(ConnectionError::End) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn values_and_bytes_come_back_as_they_were(elsewhere: Elsewhere) {
    let (here, there) = pipe::<Reading, Reading>().unwrap();
    let party = elsewhere.start(echo::<Reading>, there);
    for _ in 0..10 {
        here.send(&reading()).unwrap();
    }
    for _ in 0..10 {
        assert_eq!(here.recv().unwrap(), reading());
    }
    drop(here);
    party.join();

    let (here, there) = pipe::<Vec<i64>, Vec<i64>>().unwrap();
    let party = elsewhere.start(echo::<Vec<i64>>, there);
    let numbers: Vec<i64> = (0..1_000).map(|number| number * -7).collect();
    here.send(&numbers).unwrap();
    assert_eq!(here.recv().unwrap(), numbers);
    here.send_bytes(&[]).unwrap();
    assert_eq!(here.recv().unwrap(), []);
    // As bytes, what is no whole number of numbers would be an error there.
    here.send_bytes(&[1; 16]).unwrap();
    assert_eq!(here.recv_bytes().unwrap(), [1; 16]);
    drop(here);
    party.join();
}

fn bytes_are_received_into_a_buffer_from_an_offset_on(elsewhere: Elsewhere) {
    let (here, there) = pipe::<Vec<u8>, Vec<u8>>().unwrap();
    let party = elsewhere.start(echo::<Vec<u8>>, there);
    let mut buffer = [0; 10];
    here.send_bytes(b"hello").unwrap();
    assert_eq!(here.recv_bytes_into(&mut buffer, 0).unwrap(), 5);
    assert_eq!(&buffer, b"hello\0\0\0\0\0");
    here.send_bytes(b"world").unwrap();
    assert_eq!(here.recv_bytes_into(&mut buffer, 5).unwrap(), 5);
    assert_eq!(&buffer, b"helloworld");
    here.send_bytes(b"longer").unwrap();
    match here.recv_bytes_into(&mut buffer, 5) {
        Err(ConnectionError::TooSmall(message)) => assert_eq!(message, b"longer"),
        other => panic!("{other:?}"),
    }
    assert_eq!(&buffer, b"helloworld", "nothing was written");
    assert!(matches!(here.recv_bytes_into(&mut buffer, 11), Err(ConnectionError::System(_))));
    here.send_bytes(b"").unwrap();
    assert_eq!(here.recv_bytes_into(&mut buffer, 10).unwrap(), 0);
    drop(here);
    party.join();
}

fn a_poll_waits_as_long_as_it_is_told(elsewhere: Elsewhere) {
    fn answer(connection: Connection<u8>) {
        connection.recv().unwrap();
        connection.send(&1).unwrap();
        assert!(connection.poll(Duration::MAX), "the end");
    }
    let (here, there) = pipe::<u8, u8>().unwrap();
    let party = elsewhere.start(answer, there);
    assert!(!here.poll(NO_TIME));
    let before = Instant::now();
    assert!(!here.poll(Duration::from_millis(20)));
    assert!(before.elapsed() >= Duration::from_millis(20));
    here.send(&0).unwrap();
    assert!(here.poll(Duration::MAX));
    assert!(here.poll(NO_TIME));
    here.recv().unwrap();
    assert!(!here.poll(NO_TIME));
    drop(here);
    party.join();
}

fn large_messages_arrive(elsewhere: Elsewhere) {
    let (here, there) = pipe::<Vec<u64>, Vec<u64>>().unwrap();
    let party = elsewhere.start(echo::<Vec<u64>>, there);
    for bytes in [112, 120, 128, 1 << 16, 1 << 20, (16 << 20) + 8, 40 << 20] {
        let numbers: Vec<u64> = (0..bytes / 8).map(|number: u64| number.wrapping_mul(0x9e37_79b9)).collect();
        here.send(&numbers).unwrap();
        assert!(here.recv().unwrap() == numbers, "{bytes}");
    }
    drop(here);
    party.join();
    // Not as memory, but encoded.
    let (here, there) = pipe::<Vec<(u32, String)>, Vec<(u32, String)>>().unwrap();
    let party = elsewhere.start(echo::<Vec<(u32, String)>>, there);
    let rows: Vec<_> = (0..500_000).map(|number| (number, format!("row {number}"))).collect();
    here.send(&rows).unwrap();
    assert!(here.recv().unwrap() == rows);
    drop(here);
    party.join();
}

fn the_end_is_an_error_of_its_own(elsewhere: Elsewhere) {
    fn leave_a_word((connection, gone): (Connection<String>, Event)) {
        connection.send(&"last".to_owned()).unwrap();
        drop(connection);
        gone.set();
    }
    let (here, there) = pipe::<String, String>().unwrap();
    let gone = Event::new().unwrap();
    let party = elsewhere.start(leave_a_word, (there, gone.clone()));
    gone.wait();
    assert_eq!(here.recv().unwrap(), "last");
    assert!(here.poll(NO_TIME), "the end is something to receive");
    assert!(matches!(here.recv(), Err(ConnectionError::End)));
    assert!(matches!(here.recv(), Err(ConnectionError::End)), "it stays the end");
    assert!(matches!(here.send(&String::new()), Err(ConnectionError::End)));
    party.join();
    // A peer that leaves while something lies there for it unread.
    let (here, there) = pipe::<u8, u8>().unwrap();
    here.send(&1).unwrap();
    drop(there);
    assert!(matches!(here.recv(), Err(ConnectionError::End)));
}

fn a_one_way_pipe_goes_one_way(elsewhere: Elsewhere) {
    fn count(sender: Sender<u32>) {
        (0..100).for_each(|number| sender.send(&number).unwrap());
        sender.send_bytes(b"done").unwrap();
    }
    let (sender, receiver) = one_way::<u32>().unwrap();
    let party = elsewhere.start(count, sender);
    for number in 0..100 {
        assert_eq!(receiver.recv().unwrap(), number);
    }
    assert_eq!(receiver.recv_bytes().unwrap(), b"done");
    assert!(matches!(receiver.recv(), Err(ConnectionError::End)));
    party.join();
}

fn the_starter_may_drop_its_copy_at_once(elsewhere: Elsewhere) {
    fn answer(connection: Connection<u32>) {
        let number = connection.recv().unwrap();
        connection.send(&(number + 1)).unwrap();
    }
    let (here, there) = pipe::<u32, u32>().unwrap();
    // It is moved into the start, and dropped there as soon as it is encoded.
    let party = elsewhere.start(answer, there);
    here.send(&1).unwrap();
    assert_eq!(here.recv().unwrap(), 2);
    assert!(matches!(here.recv(), Err(ConnectionError::End)));
    party.join();
}

fn write_to_it(files: Receiver<Passed<File>>) {
    while let Ok(mut file) = files.recv() {
        file.write_all(b"from there").unwrap();
    }
}

fn check(file: &mut File) {
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "from there");
}

fn open(scratch: &Scratch) -> File {
    File::options()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(scratch.path().join("file"))
        .unwrap()
}

fn an_open_file_is_sent(elsewhere: Elsewhere) {
    let scratch = Scratch::new();
    let mut file = open(&scratch);
    let (sender, receiver) = one_way::<Passed<File>>().unwrap();
    let party = elsewhere.start(write_to_it, receiver);
    sender.send(&file.try_clone().unwrap().into()).unwrap();
    drop(sender);
    party.join();
    check(&mut file);
}

fn a_descriptor_of_a_large_number_is_sent(elsewhere: Elsewhere) {
    let scratch = Scratch::new();
    support::limit_descriptors(4_096);
    let mut file = open(&scratch);
    let (sender, receiver) = one_way::<Passed<File>>().unwrap();
    let party = elsewhere.start(write_to_it, receiver);
    let large = duplicate(&file, 1_000);
    assert!(large.as_raw_fd() >= 1_000);
    sender.send(&large.into()).unwrap();
    drop(sender);
    party.join();
    check(&mut file);
}

fn an_empty_message_is_there_for_every_poll(elsewhere: Elsewhere) {
    fn send(sender: Sender<String>) {
        sender.send_bytes(b"").unwrap();
    }
    let (sender, receiver) = one_way::<String>().unwrap();
    let party = elsewhere.start(send, sender);
    assert!(receiver.poll(Duration::MAX));
    party.join();
    for _ in 0..3 {
        assert!(receiver.poll(NO_TIME));
    }
    assert_eq!(receiver.recv().unwrap(), "");
}

fn a_poll_elsewhere_takes_nothing(elsewhere: Elsewhere) {
    fn poll((socket, over, polled): (Passed<OwnedFd>, Event, Event)) {
        let connection = Connection::<u64>::try_from(socket.into_inner()).unwrap();
        while !over.is_set() {
            connection.poll(Duration::from_millis(1));
            polled.set();
        }
    }
    let (sender, receiver) = pipe::<u64, u64>().unwrap();
    // The same end twice: one is read here, the other polled there.
    let copy: OwnedFd = receiver.as_fd().try_clone_to_owned().unwrap();
    let (over, polled) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(poll, (copy.into(), over.clone(), polled.clone()));
    polled.wait();
    for number in 0..2_000 {
        sender.send(&number).unwrap();
        assert_eq!(receiver.recv().unwrap(), number);
    }
    over.set();
    party.join();
}

/// What is sent through a connection: other ends, and plain sockets.
#[derive(Serialize, Deserialize)]
struct Tools {
    connection: Connection<String, u32>,
    unix: Passed<UnixStream>,
    tcp: Passed<TcpStream>,
}

fn connections_and_sockets_are_sent_and_used(elsewhere: Elsewhere) {
    fn use_them(tools: Receiver<Tools>) {
        let Tools { connection, mut unix, mut tcp } = tools.recv().unwrap();
        connection.send(&"through the connection".to_owned()).unwrap();
        assert_eq!(connection.recv().unwrap(), 7);
        unix.write_all(b"through the socket").unwrap();
        tcp.write_all(b"through the network").unwrap();
    }
    let (sender, receiver) = one_way::<Tools>().unwrap();
    let party = elsewhere.start(use_them, receiver);
    let (here, there) = pipe::<u32, String>().unwrap();
    let (mut unix, other) = UnixStream::pair().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    sender.send(&Tools { connection: there, unix: other.into(), tcp: client.into() }).unwrap();
    assert_eq!(here.recv().unwrap(), "through the connection");
    here.send(&7).unwrap();
    let mut text = String::new();
    unix.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through the socket");
    text.clear();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through the network");
    party.join();
}

fn one_way_ends_are_sent_and_keep_their_direction(elsewhere: Elsewhere) {
    fn use_them(ends: Receiver<(Sender<u32>, Receiver<u32>)>) {
        let (sender, receiver) = ends.recv().unwrap();
        while let Ok(number) = receiver.recv() {
            sender.send(&(number * 2)).unwrap();
        }
    }
    let (ends, receiver) = one_way().unwrap();
    let party = elsewhere.start(use_them, receiver);
    let ((to, from_here), (to_here, from)) = (one_way().unwrap(), one_way().unwrap());
    ends.send(&(to_here, from_here)).unwrap();
    for number in 0..10 {
        to.send(&number).unwrap();
        assert_eq!(from.recv().unwrap(), number * 2);
    }
    drop(to);
    party.join();
}

fn signals_do_not_disturb_a_receive_nor_a_large_send(elsewhere: Elsewhere) {
    const LARGE: usize = 8 << 20;
    fn receive((connection, go): (Connection<Vec<u8>>, Event)) {
        connection.send(&vec![1]).unwrap();
        go.wait();
        let bytes = connection.recv().unwrap();
        assert!(bytes.len() == LARGE && bytes.iter().all(|byte| *byte == 3));
    }
    let (here, there) = pipe::<Vec<u8>, Vec<u8>>().unwrap();
    let (one, other) = pipe::<u8, u8>().unwrap();
    // A receive that waits.
    let count = disturb(|| assert_eq!(one.recv().unwrap(), 9), || other.send(&9).unwrap());
    assert!(count >= 50, "{count}");
    let go = Event::new().unwrap();
    let party = elsewhere.start(receive, (there, go.clone()));
    assert_eq!(here.recv().unwrap(), [1]);
    // A send that has begun, and waits for room.
    let count = disturb(|| here.send(&vec![3; LARGE]).unwrap(), || go.set());
    assert!(count >= 50, "{count}");
    party.join();
}

fn a_shared_object_that_is_sent_needs_no_keeper(elsewhere: Elsewhere) {
    fn set((events, go): (Receiver<Event>, Event)) {
        go.wait();
        events.recv().unwrap().set();
    }
    let (sender, receiver) = one_way().unwrap();
    let (go, event) = (Event::new().unwrap(), Event::new().unwrap());
    let party = elsewhere.start(set, (receiver, go.clone()));
    sender.send(&event).unwrap();
    let late = Event::new().unwrap();
    sender.send(&late).unwrap();
    // Its memory is under way.
    drop(late);
    go.set();
    event.wait();
    party.join();
}

fn many_ends_made_passed_and_dropped_leave_nothing(elsewhere: Elsewhere) {
    fn use_them(ends: Receiver<Connection<u32>>) {
        while let Ok(end) = ends.recv() {
            let number = end.recv().unwrap();
            end.send(&number).unwrap();
        }
    }
    let count = std::env::var("POOL_CHURN").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let (sender, receiver) = one_way().unwrap();
    let party = elsewhere.start(use_them, receiver);
    let held = || Census::take().descriptors.values().sum::<usize>();
    let before = held();
    for number in 0..count {
        let (here, there) = pipe::<u32, u32>().unwrap();
        sender.send(&there).unwrap();
        drop(there);
        here.send(&number).unwrap();
        assert_eq!(here.recv().unwrap(), number);
    }
    if elsewhere.is_process() {
        // The line to the fork server's spare may have come meanwhile.
        let now = held();
        assert!(now <= before + 1, "{now} descriptors, {before} before");
    }
    drop(sender);
    party.join();
}

by_itself!(
    a_descriptor_that_did_not_come_along_is_an_error,
    what_is_no_stream_socket_is_refused_as_a_connection,
    a_message_beyond_the_limit_is_an_error,
    an_announced_length_takes_no_memory,
    a_message_that_breaks_off_is_an_error,
    any_bytes_are_an_error_or_a_value,
    waits_with_a_limit_of_time_end,
    too_many_descriptors_are_an_error,
    a_value_that_cannot_be_encoded_sends_nothing,
    ends_go_to_tasks_of_a_process_pool_and_come_back,
    peers_that_are_killed_leave_an_end_and_whole_messages,
    the_text_form_shows_the_descriptor,
);

fn a_descriptor_that_did_not_come_along_is_an_error() {
    let (raw, there) = pipe::<Vec<u8>, Vec<u8>>().unwrap();
    let receiver = Connection::<Passed<File>>::try_from(OwnedFd::from(there)).unwrap();
    // The encoding of a place in the list.
    raw.send_bytes(&0_u64.to_le_bytes()).unwrap();
    assert!(matches!(receiver.recv(), Err(ConnectionError::Decode(_))));
    // The message is over, and the next one can be received.
    let (sender, file) = (OwnedFd::from(raw), File::open("/dev/null").unwrap());
    let sender = Connection::<Passed<File>>::try_from(sender).unwrap();
    sender.send(&file.into()).unwrap();
    receiver.recv().unwrap();
}

fn what_is_no_stream_socket_is_refused_as_a_connection() {
    assert!(Connection::<u8>::try_from(OwnedFd::from(File::open("/dev/null").unwrap())).is_err());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(Connection::<u8>::try_from(OwnedFd::from(listener)).is_err());
    // Nor does one come out of a message.
    let (here, there) = pipe::<(Passed<File>, u64), ()>().unwrap();
    let there = Connection::<(), Connection<u8>>::try_from(OwnedFd::from(there)).unwrap();
    here.send(&(File::open("/dev/null").unwrap().into(), 100)).unwrap();
    assert!(matches!(there.recv(), Err(ConnectionError::Decode(_))));
}

fn a_message_beyond_the_limit_is_an_error() {
    let (mut here, mut there) = pipe::<Vec<u8>, Vec<u8>>().unwrap();
    here.set_limit(100);
    assert_eq!(here.limit(), 100);
    here.send(&vec![0; 100]).unwrap();
    match here.send(&vec![0; 101]) {
        Err(ConnectionError::TooLong { len: 101, limit: 100 }) => {}
        other => panic!("{other:?}"),
    }
    here.send(&vec![1; 1]).unwrap();
    assert_eq!((there.recv().unwrap().len(), there.recv().unwrap().len()), (100, 1));
    there.set_limit(50);
    here.send(&vec![0; 51]).unwrap();
    assert!(matches!(there.recv(), Err(ConnectionError::TooLong { len: 51, limit: 50 })));
    // Where the next message begins is not known.
    assert!(matches!(there.recv(), Err(ConnectionError::Torn)));
    there.send(&vec![0; 50]).unwrap();
    assert_eq!(here.recv().unwrap().len(), 50, "the other direction goes on");
}

fn an_announced_length_takes_no_memory() {
    for len in [1_u64 << 33, u64::MAX, 1 << 63] {
        let (mut raw, there) = UnixStream::pair().unwrap();
        let there = Connection::<Vec<u8>>::try_from(OwnedFd::from(there)).unwrap();
        raw.write_all(&len.to_le_bytes()).unwrap();
        raw.write_all(&[7; 5_000]).unwrap();
        drop(raw);
        let before = support::peak_resident();
        let error = there.recv().unwrap_err();
        let expected = if len == 1 << 33 {
            matches!(error, ConnectionError::Torn)
        } else {
            matches!(error, ConnectionError::TooLong { .. })
        };
        assert!(expected, "{error:?}");
        assert!(support::peak_resident() - before < 16 << 20);
    }
}

fn a_message_that_breaks_off_is_an_error() {
    let mut message = 1_000_u64.to_le_bytes().to_vec();
    message.extend([5; 1_000]);
    for len in [1, 7, 8, 9, 1_007] {
        let (mut raw, there) = UnixStream::pair().unwrap();
        let there = Connection::<Vec<u8>>::try_from(OwnedFd::from(there)).unwrap();
        raw.write_all(&message).unwrap();
        raw.write_all(&message[..len]).unwrap();
        drop(raw);
        assert_eq!(there.recv().unwrap(), [5; 1_000]);
        assert!(matches!(there.recv(), Err(ConnectionError::Torn)), "{len}");
        assert!(matches!(there.recv_bytes_into(&mut [0; 2_000], 0), Err(ConnectionError::Torn)), "{len}");
    }
}

fn any_bytes_are_an_error_or_a_value() {
    let mut random = Random::new(4);
    let before = support::peak_resident();
    for _ in 0..2_000 {
        let (mut raw, there) = UnixStream::pair().unwrap();
        let there = Connection::<u8, (String, Vec<Option<Reading>>)>::try_from(OwnedFd::from(there)).unwrap();
        let mut bytes: Vec<u8> = (0..random.below(400)).map(|_| random.below(256) as u8).collect();
        if random.below(2) == 0 && bytes.len() >= 8 {
            // A length that fits, so that there is something to decode.
            let len = bytes.len() as u64 - 8;
            bytes[..8].copy_from_slice(&len.to_le_bytes());
            bytes.resize(bytes.len().max(128), 0);
        }
        raw.write_all(&bytes).unwrap();
        drop(raw);
        // As many as there may be, and then the end or an error.
        while !matches!(there.recv(), Err(ConnectionError::End | ConnectionError::Torn)) {}
    }
    assert!(support::peak_resident() - before < 64 << 20);
}

fn waits_with_a_limit_of_time_end() {
    let (here, there) = pipe::<Vec<u8>, Vec<u8>>().unwrap();
    assert!(matches!(here.recv_timeout(NO_TIME), Err(ConnectionError::TimedOut)));
    assert!(matches!(here.recv_timeout(Duration::from_millis(5)), Err(ConnectionError::TimedOut)));
    there.send(&vec![1]).unwrap();
    assert_eq!(here.recv_timeout(Duration::MAX).unwrap(), [1]);
    // Nobody receives: there is room for some messages, and then a message that does not begin, or is torn.
    let filled = loop {
        match here.send_timeout(&vec![2; 10_000], Duration::from_millis(5)) {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(filled, ConnectionError::TimedOut | ConnectionError::Torn), "{filled:?}");
    // A message that stops in the middle.
    let (mut raw, there) = UnixStream::pair().unwrap();
    let there = Connection::<Vec<u8>>::try_from(OwnedFd::from(there)).unwrap();
    raw.write_all(&[8, 0, 0]).unwrap();
    assert!(matches!(there.recv_timeout(Duration::from_millis(5)), Err(ConnectionError::Torn)));
}

fn too_many_descriptors_are_an_error() {
    let (here, there) = pipe::<Vec<Passed<File>>, Vec<Passed<File>>>().unwrap();
    let files = |count| -> Vec<Passed<File>> {
        (0..count).map(|_| File::open("/dev/null").unwrap().into()).collect()
    };
    assert!(matches!(here.send(&files(254)), Err(ConnectionError::System(_))));
    here.send(&files(253)).unwrap();
    assert_eq!(there.recv().unwrap().len(), 253);
}

fn a_value_that_cannot_be_encoded_sends_nothing() {
    // Through TCP no descriptor can go along.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let other = listener.accept().unwrap().0;
    let one = Connection::<Vec<Connection<u8>>, ()>::try_from(OwnedFd::from(one)).unwrap();
    let other = Connection::<(), Vec<Connection<u8>>>::try_from(OwnedFd::from(other)).unwrap();
    let (here, _there) = pipe::<u8, u8>().unwrap();
    assert!(matches!(one.send(&vec![here]), Err(ConnectionError::Encode(_))));
    one.send(&vec![]).unwrap();
    assert!(other.recv().unwrap().is_empty());
}

fn ends_go_to_tasks_of_a_process_pool_and_come_back() {
    let pool = ProcessPool::new(1).unwrap();
    let (here, there) = pipe::<u8, u8>().unwrap();
    let end = pool.apply(
        |end: Connection<u8>| {
            end.send(&1).unwrap();
            end
        },
        there,
    );
    assert_eq!(here.recv().unwrap(), 1);
    let end = end.unwrap();
    end.send(&2).unwrap();
    assert_eq!(here.recv().unwrap(), 2);
    // The worker keeps nothing of it.
    drop(end);
    assert!(matches!(here.recv(), Err(ConnectionError::End)));
    // A context goes to any number of workers, any number of times.
    let (here, there) = pipe::<u8, u8>().unwrap();
    let error = pool.apply(with(there, |end: &Connection<u8>, x: u8| end.send(&x).unwrap()), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("connection"), "{error}");
    assert!(matches!(here.recv(), Err(ConnectionError::End)), "it is dropped");
}

/// Sends messages that can be checked, until it is killed.
fn send_without_end(connection: Connection<Vec<u8>>) {
    let mut random = Random::new(u64::from(std::process::id()));
    while connection.send(&message(&mut random)).is_ok() {}
}

fn message(random: &mut Random) -> Vec<u8> {
    let len = match random.below(4) {
        0 => random.below(300_000),
        _ => random.below(100),
    };
    let first = random.below(256) as u8;
    let mut message = len.to_le_bytes().to_vec();
    message.extend((0..len).map(|at| first.wrapping_add(at as u8)));
    message
}

fn peers_that_are_killed_leave_an_end_and_whole_messages() {
    let rounds = std::env::var("POOL_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(30);
    let mut random = Random::new(17);
    for _ in 0..rounds {
        let (here, there) = pipe::<Vec<u8>, Vec<u8>>().unwrap();
        let process = Process::spawn(send_without_end, there).unwrap();
        let alive_for = random.below(200);
        let mut received = 0;
        let error = loop {
            if received == alive_for {
                process.kill();
            }
            match here.recv() {
                Ok(message) => {
                    let (len, rest) = message.split_first_chunk().unwrap();
                    assert_eq!(u64::from_le_bytes(*len), rest.len() as u64);
                    let first = rest.first().copied().unwrap_or_default();
                    assert!(rest.iter().enumerate().all(|(at, byte)| *byte == first.wrapping_add(at as u8)));
                    received += 1;
                }
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ConnectionError::End | ConnectionError::Torn), "{error:?}");
        // And one that waits for room when the other is gone, or is told that it is gone.
        assert!(matches!(here.send(&vec![0; 1 << 20]), Err(ConnectionError::End)));
        assert!(process.join().is_err());
    }
}

fn the_text_form_shows_the_descriptor() {
    let (here, _there) = pipe::<u8, u8>().unwrap();
    assert_eq!(format!("{here:?}"), format!("Connection(descriptor {})", here.as_fd().as_raw_fd()));
}

/// A closure that captures goes on with the program's own ends.
#[test]
fn a_closure_of_fork_map_sends_through_a_captured_end() {
    alone(concat!(module_path!(), "::a_closure_of_fork_map_sends_through_a_captured_end"), || {
        let (sender, receiver) = one_way::<u32>().unwrap();
        let map = pool::ForkMap::new(2).allow_fork_with_threads(true);
        let sent = map.map(&[1, 2, 3], |number| sender.send(number).unwrap()).unwrap();
        assert_eq!(sent.len(), 3);
        let mut numbers: Vec<u32> = (0..3).map(|_| receiver.recv().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2, 3]);
    });
}

/// What a forked child has of the program's other ends is gone for it, and keeps nobody waiting.
#[test]
fn a_forked_child_has_no_copy_of_ends_that_it_was_not_given() {
    fn use_other((given, sees_end): (Receiver<u8>, Sender<bool>)) {
        let other = OTHER.get();
        let is_gone = other.is_some_and(|other| matches!(other.send(&1), Err(ConnectionError::End)));
        sees_end.send(&is_gone).unwrap();
        assert!(matches!(given.recv(), Err(ConnectionError::End)));
    }
    static OTHER: std::sync::OnceLock<Sender<u8>> = std::sync::OnceLock::new();
    alone(concat!(module_path!(), "::a_forked_child_has_no_copy_of_ends_that_it_was_not_given"), || {
        let (sender, receiver) = one_way().unwrap();
        OTHER.set(one_way().unwrap().0).unwrap();
        let (answers, answer) = one_way().unwrap();
        let party = Elsewhere::Process(pool::StartMethod::Fork).start(use_other, (receiver, answers));
        assert!(answer.recv().unwrap());
        drop(sender);
        party.join();
    });
}
