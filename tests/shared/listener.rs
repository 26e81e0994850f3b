//! Listeners and clients: where they meet, and what is left when one goes.

use std::fs::{self, File};
use std::io::Write;
use std::thread::scope;
use std::time::{Duration, Instant};

use pool::shared::{Address, Client, ConnectError, Connection, ConnectionError, Event, Listener};
use pool::{Passed, Process};

use crate::support::{Scratch, disturb};
use crate::{Elsewhere, by_itself, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    the_other_side_connects_and_sends_through_each_family,
    a_client_may_connect_send_and_leave_before_the_accept,
    values_go_both_ways_between_many_clients_and_a_listener,
    a_listener_is_passed_on_and_accepts_there,
    a_close_of_a_listener_that_was_passed_on_ends_accepts_everywhere,
);

by_itself!(
    a_second_bind_to_an_address_in_use_fails,
    an_accept_after_the_close_fails,
    a_close_ends_accepts_that_wait,
    an_abstract_name_is_an_address_and_free_again_afterwards,
    the_socket_file_goes_with_its_listener_alone,
    the_file_of_a_killed_listener_stays_and_refuses_another,
    an_accept_waits_as_long_as_it_is_told,
    a_signal_does_not_end_an_accept,
    a_pipe_of_windows_is_refused,
    nobody_there_is_an_error,
    descriptors_go_through_a_socket_file_and_not_through_tcp,
    threads_accept_at_the_same_time,
    a_forked_child_does_not_keep_the_address,
    the_text_form_shows_the_address_and_no_key,
);

/// An address of each family.
fn families(scratch: &Scratch) -> [Address; 3] {
    let name = format!("pool-test-{}", std::process::id());
    [
        scratch.path().join("socket").into(),
        Address::Abstract(name.into_bytes()),
        Address::Tcp("127.0.0.1:0".to_owned()),
    ]
}

fn bind(address: &Address) -> Listener<u32, String> {
    Listener::bind(address).unwrap()
}

fn connect(address: &Address) -> Connection<String, u32> {
    Client::new().connect(address).unwrap()
}

fn the_other_side_connects_and_sends_through_each_family(elsewhere: Elsewhere) {
    fn send(address: Address) {
        let connection = connect(&address);
        connection.send(&"hello".to_owned()).unwrap();
        assert_eq!(connection.recv().unwrap(), 5);
    }
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        let party = elsewhere.start(send, listener.address().clone());
        let connection = listener.accept().unwrap();
        let text = connection.recv().unwrap();
        connection.send(&(text.len() as u32)).unwrap();
        assert!(matches!(connection.recv(), Err(ConnectionError::End)));
        party.join();
    }
}

fn a_client_may_connect_send_and_leave_before_the_accept(elsewhere: Elsewhere) {
    fn send(address: Address) {
        connect(&address).send(&"hello".to_owned()).unwrap();
    }
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        elsewhere.start(send, listener.address().clone()).join();
        let connection = listener.accept().unwrap();
        assert_eq!(connection.recv().unwrap(), "hello");
        assert!(matches!(connection.recv(), Err(ConnectionError::End)));
    }
}

fn values_go_both_ways_between_many_clients_and_a_listener(elsewhere: Elsewhere) {
    fn ask((address, count): (Address, usize)) {
        let connections: Vec<_> = (0..count).map(|_| connect(&address)).collect();
        for connection in &connections {
            connection.send(&"x".repeat(100_000)).unwrap();
            assert_eq!(connection.recv().unwrap(), 100_000);
        }
    }
    const COUNT: usize = 20;
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        let party = elsewhere.start(ask, (listener.address().clone(), COUNT));
        let connections: Vec<_> = (0..COUNT).map(|_| listener.accept().unwrap()).collect();
        for connection in connections {
            let text = connection.recv().unwrap();
            connection.send(&(text.len() as u32)).unwrap();
        }
        party.join();
    }
}

fn a_second_bind_to_an_address_in_use_fails() {
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        match Listener::<(), ()>::bind(listener.address()) {
            Err(ConnectError::System(error)) => assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse),
            other => panic!("{other:?}"),
        }
        // The first one still listens.
        let client = connect(listener.address());
        listener.accept().unwrap().send(&1).unwrap();
        assert_eq!(client.recv().unwrap(), 1);
        let address = listener.address().clone();
        drop((listener, client));
        bind(&address);
    }
}

fn an_accept_after_the_close_fails() {
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        let address = listener.address().clone();
        let client = connect(&address);
        let accepted = listener.accept().unwrap();
        listener.close();
        listener.close();
        assert!(matches!(listener.accept(), Err(ConnectError::Closed)));
        assert!(matches!(listener.accept_timeout(Duration::ZERO), Err(ConnectError::Closed)));
        assert!(Client::new().connect::<(), ()>(&address).is_err());
        // What was accepted stays.
        accepted.send(&3).unwrap();
        assert_eq!(client.recv().unwrap(), 3);
    }
}

fn a_close_ends_accepts_that_wait() {
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        let wait = || listener.accept();
        scope(|scope| {
            let waiting = [scope.spawn(wait), scope.spawn(wait)];
            // Whether they wait by now or not: the close is seen.
            listener.close();
            for waits in waiting {
                assert!(matches!(waits.join().unwrap(), Err(ConnectError::Closed)));
            }
        });
    }
}

fn an_abstract_name_is_an_address_and_free_again_afterwards() {
    let address = Address::try_from("\0pool-test a name").unwrap();
    assert_eq!(address, Address::Abstract(b"pool-test a name".to_vec()));
    assert_eq!(address.to_string(), "@pool-test a name");
    for _ in 0..3 {
        let listener = bind(&address);
        let client = connect(&address);
        listener.accept().unwrap().send(&1).unwrap();
        assert_eq!(client.recv().unwrap(), 1);
    }
    assert!(Client::new().connect::<(), ()>(&address).is_err());
}

fn the_socket_file_goes_with_its_listener_alone() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    drop(bind(&path.clone().into()));
    assert!(!path.exists(), "dropped");
    let listener = bind(&path.clone().into());
    listener.close();
    assert!(!path.exists(), "closed");
    // Somebody else has put something there since.
    fs::write(&path, "mine").unwrap();
    drop(listener);
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    fs::remove_file(&path).unwrap();
    let listener = bind(&path.clone().into());
    fs::remove_file(&path).unwrap();
    let other = bind(&path.clone().into());
    drop(listener);
    let client = connect(other.address());
    other.accept().unwrap().send(&1).unwrap();
    assert_eq!(client.recv().unwrap(), 1);
    // What is there already is no matter of ours.
    drop(other);
    fs::write(&path, "mine").unwrap();
    assert!(Listener::<(), ()>::bind(&*path).is_err());
    assert!(path.exists());
}

fn the_file_of_a_killed_listener_stays_and_refuses_another() {
    fn listen((address, ready): (Address, Event)) {
        let listener = bind(&address);
        ready.set();
        let _ = listener.accept();
    }
    let scratch = Scratch::new();
    let address = Address::from(scratch.path().join("socket"));
    let ready = Event::new().unwrap();
    let process = Process::spawn(listen, (address.clone(), ready.clone())).unwrap();
    ready.wait();
    process.kill();
    let _ = process.join();
    assert!(Client::new().connect::<(), ()>(&address).is_err());
    let error = Listener::<(), ()>::bind(&address).unwrap_err();
    assert!(error.to_string().contains("remove it"), "{error}");
    fs::remove_file(scratch.path().join("socket")).unwrap();
    bind(&address);
}

fn an_accept_waits_as_long_as_it_is_told() {
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        assert!(matches!(listener.accept_timeout(Duration::ZERO), Err(ConnectError::TimedOut)));
        let before = Instant::now();
        assert!(matches!(listener.accept_timeout(Duration::from_millis(10)), Err(ConnectError::TimedOut)));
        assert!(before.elapsed() >= Duration::from_millis(10));
        let _client = connect(listener.address());
        listener.accept_timeout(Duration::MAX).unwrap();
    }
}

fn a_signal_does_not_end_an_accept() {
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        let count = disturb(|| drop(listener.accept().unwrap()), || drop(connect(listener.address())));
        assert!(count >= 50, "{count}");
    }
}

fn a_pipe_of_windows_is_refused() {
    for text in [r"\\.\pipe\pool", r"\\server\pipe\x", ""] {
        let error = Listener::<(), ()>::bind(text).unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{error}");
        let error = Client::new().connect::<(), ()>(text).unwrap_err();
        assert!(matches!(error, ConnectError::Address(_)), "{error}");
    }
    let error = Address::try_from(r"\\.\pipe\pool").unwrap_err().to_string();
    assert!(error.contains("Windows") && error.contains(r"\\.\pipe\pool"), "{error}");
}

fn nobody_there_is_an_error() {
    let scratch = Scratch::new();
    let nowhere = scratch.path().join("nowhere");
    assert!(matches!(Client::new().connect::<(), ()>(&*nowhere), Err(ConnectError::System(_))));
    assert!(matches!(Client::new().connect::<(), ()>("\0pool-test-nobody"), Err(ConnectError::System(_))));
    let too_long = scratch.path().join("x".repeat(200));
    assert!(matches!(Listener::<(), ()>::bind(&*too_long), Err(ConnectError::System(_))));
    assert!(matches!(Listener::<(), ()>::bind("999.1.1.1:80"), Err(ConnectError::System(_))));
}

fn descriptors_go_through_a_socket_file_and_not_through_tcp() {
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = Listener::<(), Passed<File>>::bind(&address).unwrap();
        let client: Connection<Passed<File>, ()> = Client::new().connect(listener.address()).unwrap();
        let accepted = listener.accept().unwrap();
        let path = scratch.path().join("file");
        let sent = client.send(&File::create(&path).unwrap().into());
        if let Address::Tcp(_) = address {
            assert!(matches!(sent, Err(ConnectionError::Encode(_))));
            continue;
        }
        sent.unwrap();
        accepted.recv().unwrap().write_all(b"through").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "through");
    }
}

fn threads_accept_at_the_same_time() {
    const COUNT: u32 = 50;
    let scratch = Scratch::new();
    let listener = bind(&scratch.path().join("socket").into());
    let serve = || {
        let mut served = 0;
        loop {
            match listener.accept() {
                Ok(connection) => {
                    served += 1;
                    connection.send(&7).unwrap();
                }
                Err(ConnectError::Closed) => return served,
                Err(error) => panic!("{error}"),
            }
        }
    };
    scope(|scope| {
        let servers = [scope.spawn(serve), scope.spawn(serve), scope.spawn(serve)];
        for _ in 0..COUNT {
            assert_eq!(connect(listener.address()).recv().unwrap(), 7);
        }
        listener.close();
        assert_eq!(servers.map(|server| server.join().unwrap()).iter().sum::<u32>(), COUNT);
    });
}

fn a_forked_child_does_not_keep_the_address() {
    fn wait((ready, over): (Event, Event)) {
        ready.set();
        over.wait();
    }
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address);
        let address = listener.address().clone();
        let (ready, over) = (Event::new().unwrap(), Event::new().unwrap());
        let party = Elsewhere::Process(pool::StartMethod::Fork).start(wait, (ready.clone(), over.clone()));
        ready.wait();
        drop(listener);
        assert!(Client::new().connect::<(), ()>(&address).is_err());
        bind(&address);
        over.set();
        party.join();
    }
}

fn the_text_form_shows_the_address_and_no_key() {
    let listener = Listener::<(), ()>::bind("\0pool-test-text").unwrap().key(b"secret");
    assert_eq!(format!("{listener:?}"), "Listener { address: @pool-test-text, has_key: true }");
    assert_eq!(format!("{:?}", Client::new().key(b"secret")), "Client { has_key: true }");
}

fn a_listener_is_passed_on_and_accepts_there(elsewhere: Elsewhere) {
    fn serve(listener: Listener<u32, String>) {
        let connection = listener.accept().unwrap();
        let text = connection.recv().unwrap();
        connection.send(&(text.len() as u32)).unwrap();
    }
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let listener = bind(&address).key(b"secret");
        let other = elsewhere.start(serve, listener.try_clone().unwrap());
        let client = Client::new().key(b"secret");
        let connection: Connection<String, u32> = client.connect(listener.address()).unwrap();
        connection.send(&"hello".to_owned()).unwrap();
        assert_eq!(connection.recv().unwrap(), 5);
        other.join();
        if let Address::Path(path) = listener.address() {
            assert!(path.exists(), "the file is the one's that bound it");
        }
    }
}

fn a_close_of_a_listener_that_was_passed_on_ends_accepts_everywhere(elsewhere: Elsewhere) {
    fn wait((listener, begun): (Listener<u32, String>, Event)) {
        begun.set();
        assert!(matches!(listener.accept(), Err(ConnectError::Closed)));
    }
    let scratch = Scratch::new();
    for address in families(&scratch) {
        let (listener, begun) = (bind(&address), Event::new().unwrap());
        let other = elsewhere.start(wait, (listener.try_clone().unwrap(), begun.clone()));
        begun.wait();
        listener.close();
        other.join();
        assert!(listener.try_clone().is_err());
        assert!(matches!(listener.accept(), Err(ConnectError::Closed)));
    }
}
