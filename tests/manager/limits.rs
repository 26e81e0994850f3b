//! What a client may cost: messages, connections, time.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use pool::shared::{Address, Client, Connection, Manager, ManagerError, Proxy};
use pool::{Process, codec};

use crate::mailbox::{Letter, Mailbox};
use crate::support::{by_itself, eventually};

by_itself!(
    a_call_and_a_reply_past_the_limit_are_errors_of_the_caller,
    a_channel_that_announces_more_than_the_limit_is_closed,
    more_connections_than_allowed_are_turned_away,
    silent_clients_keep_nobody_out,
    a_handshake_has_one_limit_of_time,
    calls_that_are_sent_ahead_are_answered_in_turn,
    a_client_that_reads_no_replies_costs_its_channel_alone,
);

const KEY: &[u8] = b"a key of the tests";
const TCP: &str = "127.0.0.1:0";

fn socket_of(manager: &Manager) -> String {
    match manager.address() {
        Some(Address::Tcp(address)) => address.clone(),
        other => panic!("{other:?}"),
    }
}

fn threads_of(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count()
}

/// A client of hand-made bytes, which has greeted.
fn stranger(manager: &Manager) -> Connection<(), ()> {
    let client: Connection<(), ()> = Client::new().key(KEY).connect(manager.address().unwrap()).unwrap();
    client.send_bytes(&[&b"pool-mgr"[..], &[1, 0, 0, 0], &[3], &[0; 8], &[0], &[0]].concat()).unwrap();
    assert_eq!(client.recv_bytes().unwrap()[12..16], [0, 0, 0, 0x40]);
    client
}

/// The head of a call of the mailbox that is published as `mailbox`.
fn call_of(client: &Connection<(), ()>, method: &str, argument: &[u8]) -> Vec<u8> {
    let name = [&7u64.to_le_bytes()[..], b"mailbox"].concat();
    let find = [&[0; 12][..], &[1, 0, 0, 0], &[8, 0, 0, 0xc0, 1], &name].concat();
    client.send_bytes(&find).unwrap();
    let found = client.recv_bytes().unwrap();
    let hash =
        method.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    [&found[4..12], &hash.to_le_bytes(), &[1, 0, 0, 0], argument].concat()
}

fn a_call_and_a_reply_past_the_limit_are_errors_of_the_caller() {
    let manager = Manager::builder().bind(TCP, KEY).max_message(10_000).start().unwrap();
    let remote = Manager::connect(manager.address().unwrap(), KEY).unwrap();
    for manager in [&manager, &remote] {
        let mailbox = manager.create(Mailbox::empty, ()).unwrap();
        let long = mailbox.call(&Mailbox::PUT, Letter::Bytes(vec![0; 10_000])).unwrap_err();
        assert!(matches!(long, ManagerError::TooLong(10_028)), "{long}");
        let long = mailbox.call(&Mailbox::REPEAT, 10_000).unwrap_err();
        assert!(matches!(long, ManagerError::TooLong(10_004)), "{long}");
        assert_eq!(mailbox.call(&Mailbox::REPEAT, 9_000).unwrap().len(), 9_000);
        mailbox.call(&Mailbox::PUT, Letter::Bytes(vec![0; 9_000])).unwrap();
        assert_eq!(mailbox.call(&Mailbox::COUNT, ()).unwrap(), 1);
    }
    // It cost no channel: the session has its first one still.
    assert_eq!(manager.status().unwrap().channels, 2);
}

fn a_channel_that_announces_more_than_the_limit_is_closed() {
    let manager = Manager::builder().bind(TCP, KEY).max_message(10_000).start().unwrap();
    let client = stranger(&manager);
    client.send_bytes(&[0; 10_001]).unwrap();
    assert!(client.recv_bytes().is_err());
    eventually("it is gone", || manager.status().unwrap().channels == 1);
}

fn more_connections_than_allowed_are_turned_away() {
    let manager = Manager::builder().bind(TCP, KEY).max_connections(3).start().unwrap();
    let address = manager.address().unwrap().clone();
    let remote = Manager::connect(&address, KEY).unwrap();
    let third = Manager::connect(&address, KEY).unwrap();
    let fourth = Manager::connect(&address, KEY).unwrap_err();
    assert!(matches!(fourth, ManagerError::TooManyConnections), "{fourth}");
    // By the door too.
    let mailbox = manager.create(Mailbox::empty, ()).unwrap();
    let mut bytes = Vec::new();
    codec::encode(&mailbox, &mut bytes).unwrap();
    let decode = |bytes: Vec<u8>| codec::decode::<Proxy<Mailbox>>(&bytes).unwrap_err().to_string();
    let refused = Process::spawn(decode, bytes).unwrap().join().unwrap();
    assert!(refused.contains("as many connections as it allows"), "{refused}");
    assert_eq!(remote.status().unwrap().channels, 3);
    drop(third);
    eventually("there is room again", || Manager::connect(&address, KEY).is_ok());
}

fn silent_clients_keep_nobody_out() {
    let manager = Manager::builder()
        .bind(TCP, KEY)
        .max_handshakes(4)
        .handshake_timeout(Duration::from_secs(3600))
        .start()
        .unwrap();
    let address = socket_of(&manager);
    let pid = manager.pid().unwrap();
    let before = threads_of(pid);
    let mut silent: Vec<TcpStream> = (0..12).map(|_| TcpStream::connect(&address).unwrap()).collect();
    eventually("four are being served", || threads_of(pid) == before + 4);
    // Each gives way after a second, the oldest first.
    let connected = Manager::connect(&*address, KEY).unwrap();
    connected.create(Mailbox::empty, ()).unwrap();
    let mut bytes = Vec::new();
    silent[0].read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len(), 128, "the server's challenge, and the end");
    drop(silent);
    eventually("all are gone", || threads_of(pid) == before + 1);
    drop(connected);
}

fn a_handshake_has_one_limit_of_time() {
    let limit = Duration::from_millis(300);
    let manager = Manager::builder().bind(TCP, KEY).handshake_timeout(limit).start().unwrap();
    // One that says a byte now and then, without and with the key.
    for has_key in [false, true] {
        let mut stream = match has_key {
            false => TcpStream::connect(socket_of(&manager)).unwrap(),
            true => {
                let client: Connection<(), ()> =
                    Client::new().key(KEY).connect(manager.address().unwrap()).unwrap();
                std::os::fd::OwnedFd::from(client).into()
            }
        };
        let began = Instant::now();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut buffer = [0; 200];
        while !matches!(stream.read(&mut buffer), Ok(0)) {
            assert!(began.elapsed() < Duration::from_secs(60), "{has_key}");
            if stream.write_all(&[0]).is_err() {
                break;
            }
        }
    }
    manager.create(Mailbox::empty, ()).unwrap();
}

fn calls_that_are_sent_ahead_are_answered_in_turn() {
    let manager = Manager::builder().bind(TCP, KEY).publish("mailbox", Mailbox::empty, ()).start().unwrap();
    let client = stranger(&manager);
    let count = call_of(&client, "count", &[]);
    (0..3).for_each(|_| client.send_bytes(&count).unwrap());
    (0..3).for_each(|_| assert_eq!(client.recv_bytes().unwrap()[..4], [0; 4]));
    assert_eq!(manager.find::<Mailbox>("mailbox").unwrap().call(&Mailbox::COUNT, ()).unwrap(), 0);
}

fn a_client_that_reads_no_replies_costs_its_channel_alone() {
    let manager = Manager::builder().bind(TCP, KEY).publish("mailbox", Mailbox::empty, ()).start().unwrap();
    let client = stranger(&manager);
    let repeat = call_of(&client, "repeat", &50_000_000u64.to_le_bytes());
    client.send_bytes(&repeat).unwrap();
    // The lock of the object is free while the reply goes nowhere.
    let mailbox = manager.find::<Mailbox>("mailbox").unwrap();
    for _ in 0..100 {
        mailbox.call(&Mailbox::PUT, Letter::Nothing).unwrap();
    }
    assert_eq!(manager.status().unwrap().channels, 2);
    drop(client);
    eventually("its channel ends with it", || manager.status().unwrap().channels == 1);
}
