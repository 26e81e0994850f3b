//! Managers with an address: who may come, who may not, and what is left.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread;

use pool::codec;
use pool::shared::{
    Address, AuthenticationError, Client, ConnectError, Connection, Dict, DictProxy, Listener, Manager,
    ManagerError, Proxy,
};
use pool::{Passed, Pool, Process, ProcessPool, StartMethod};
use serde::{Deserialize, Serialize};

use crate::mailbox::{Letter, Mailbox};
use crate::support::{SIGKILL, Scratch, by_itself, eventually, is_alive, kill};

by_itself!(
    two_other_processes_share_an_object_by_tcp_and_key,
    any_kind_of_address_will_do,
    a_server_can_start_again_at_once_at_the_same_address,
    a_scope_over_a_manager_that_was_started_elsewhere_ends_nothing,
    an_initializer_runs_once_in_the_server_before_anything_is_served,
    an_initializer_that_panics_is_an_error_of_the_start,
    registered_types_are_made_by_name,
    objects_are_there_from_the_start,
    a_server_in_this_process_serves_until_it_is_stopped,
    a_server_of_a_process_that_is_nothing_else_exits_with_0,
    a_proxy_goes_on_without_the_key_on_this_machine,
    a_proxy_elsewhere_needs_that_its_process_has_connected,
    two_links_to_one_server_know_each_others_proxies,
    a_wrong_key_is_an_error_of_both_sides_and_costs_the_server_nothing,
    who_listens_there_may_be_something_else,
    another_version_and_another_build_are_told,
    only_who_started_it_ends_a_manager,
    a_socket_file_goes_with_the_server_in_whatever_way_it_ends,
    the_death_of_the_owner_ends_the_server_and_its_file,
    calls_that_wait_hear_of_the_end,
    a_tcp_connection_is_kept_alive,
    a_client_of_hand_made_bytes_is_served,
);

const KEY: &[u8] = b"a key of the tests";
const TCP: &str = "127.0.0.1:0";

fn at_tcp() -> Manager {
    Manager::bind(TCP, KEY).unwrap()
}

fn address_of(manager: &Manager) -> Address {
    manager.address().unwrap().clone()
}

fn text(text: &str) -> Letter {
    Letter::Text(text.to_owned())
}

/// A mailbox that is published as `mailbox`.
fn mailbox_of(manager: &Manager) -> Proxy<Mailbox> {
    let mailbox = manager.create(Mailbox::empty, ()).unwrap();
    mailbox.publish("mailbox").unwrap();
    mailbox
}

fn find_at(address: &Address) -> Proxy<Mailbox> {
    Manager::connect(address, KEY).unwrap().find("mailbox").unwrap()
}

fn two_other_processes_share_an_object_by_tcp_and_key() {
    let manager = Manager::builder().bind(TCP, KEY).publish("mailbox", Mailbox::empty, ()).start().unwrap();
    let letters = vec![
        text("hall\u{e5} v\u{e4}rlden"),
        Letter::Bytes(b"hall\xe5 v\xe4rlden".to_vec()),
        Letter::Nothing,
    ];
    let put = |(address, letters): (Address, Vec<Letter>)| {
        let mailbox = find_at(&address);
        for letter in letters {
            mailbox.call(&Mailbox::PUT, letter).unwrap();
        }
        // Nothing was sent, and the connection goes on.
        let stuck = mailbox.call(&Mailbox::PUT, Letter::Stuck).unwrap_err();
        assert!(matches!(stuck, ManagerError::Encode(_)), "{stuck}");
        mailbox.call(&Mailbox::COUNT, ()).unwrap()
    };
    let take = |(address, count): (Address, usize)| {
        let mailbox = find_at(&address);
        (0..count).map(|_| mailbox.call(&Mailbox::TAKE, ()).unwrap().unwrap()).collect::<Vec<_>>()
    };
    let argument = (address_of(&manager), letters.clone());
    assert_eq!(Process::spawn(put, argument).unwrap().join().unwrap(), 3);
    let taken = Process::spawn(take, (address_of(&manager), 3)).unwrap().join().unwrap();
    assert_eq!(taken, letters);
    manager.shutdown().unwrap();
}

fn any_kind_of_address_will_do() {
    let scratch = Scratch::new();
    let name = format!("pool-test-{}", std::process::id());
    let addresses = [
        Address::Path(scratch.path().join("socket")),
        Address::Abstract(name.into()),
        Address::Tcp(TCP.into()),
    ];
    for address in addresses {
        let manager = Manager::bind(&address, KEY).unwrap();
        mailbox_of(&manager);
        let put =
            |address: Address| find_at(&address).call(&Mailbox::PUT, Letter::Bytes(vec![1; 100_000])).is_ok();
        assert!(Process::spawn(put, address_of(&manager)).unwrap().join().unwrap(), "{address}");
        // From this process too, whose link is another one than the manager's own.
        let letter = find_at(&address_of(&manager)).call(&Mailbox::TAKE, ()).unwrap();
        assert_eq!(letter, Some(Letter::Bytes(vec![1; 100_000])), "{address}");
        eventually("only the manager is there", || manager.status().unwrap().sessions == 1);
    }
}

fn a_server_can_start_again_at_once_at_the_same_address() {
    let scratch = Scratch::new();
    let first = at_tcp();
    let addresses = [address_of(&first), Address::Path(scratch.path().join("socket"))];
    drop(first);
    for address in addresses {
        for round in 0..5 {
            let manager = Manager::bind(&address, KEY).unwrap();
            assert_eq!(address_of(&manager), address);
            mailbox_of(&manager);
            // With a client that is connected as the server ends.
            let mailbox = find_at(&address);
            mailbox.call(&Mailbox::PUT, text("again")).unwrap();
            if round % 2 == 0 {
                manager.shutdown().unwrap()
            } else {
                drop(manager)
            }
            assert!(matches!(mailbox.call(&Mailbox::COUNT, ()), Err(ManagerError::Gone)));
        }
    }
}

fn a_scope_over_a_manager_that_was_started_elsewhere_ends_nothing() {
    let started = at_tcp();
    mailbox_of(&started);
    {
        let manager = Manager::connect(started.address().unwrap(), KEY).unwrap();
        let mailbox = manager.find::<Mailbox>("mailbox").unwrap();
        mailbox.call(&Mailbox::PUT, text("here")).unwrap();
        assert_eq!(manager.pid(), None);
    }
    assert_eq!(started.find::<Mailbox>("mailbox").unwrap().call(&Mailbox::COUNT, ()).unwrap(), 1);
    // An error, if the exit code is another one than 0.
    started.shutdown().unwrap();
}

/// Notes who runs it.
fn note((file, word): (PathBuf, String)) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(format!("{word} {}\n", std::process::id()).as_bytes()).unwrap();
}

fn an_initializer_runs_once_in_the_server_before_anything_is_served() {
    let scratch = Scratch::new();
    let file = scratch.path().join("notes");
    let manager = Manager::builder()
        .initializer(note, (file.clone(), "first".to_owned()))
        .initializer(note, (file.clone(), "second".to_owned()))
        .start()
        .unwrap();
    let pid = manager.pid().unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("first {pid}\nsecond {pid}\n"));
    let mailbox = manager.create(Mailbox::empty, ()).unwrap();
    mailbox.call(&Mailbox::PUT, text("served")).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 2);
    // A descriptor goes along, as to any process.
    let socket = TcpListener::bind(TCP).unwrap();
    let local = socket.local_addr().unwrap();
    let greet = |socket: Passed<TcpListener>| {
        thread::spawn(move || drop(socket.accept()));
    };
    let manager = Manager::builder().initializer(greet, Passed::from(socket)).start().unwrap();
    std::net::TcpStream::connect(local).unwrap();
    drop(manager);
}

fn an_initializer_that_panics_is_an_error_of_the_start() {
    let fail = |why: String| panic!("not today: {why}");
    let builder = Manager::builder().bind(TCP, KEY).initializer(fail, "no".to_owned());
    match builder.start().unwrap_err() {
        ManagerError::Panicked(panic) => {
            assert_eq!(panic.message, "not today: no");
            assert!(panic.location.unwrap().contains("remote.rs"));
        }
        other => panic!("{other}"),
    }
    let server = Manager::builder().bind(TCP, KEY).initializer(fail, "no".to_owned()).server();
    assert!(matches!(server.unwrap_err(), ManagerError::Panicked(_)));
    let none = |_: u32| -> Mailbox { panic!("no mailbox") };
    let published = Manager::builder().publish("mailbox", none, 1).start();
    assert!(matches!(published.unwrap_err(), ManagerError::Panicked(_)));
}

fn registered_types_are_made_by_name() {
    let manager = Manager::builder()
        .bind(TCP, KEY)
        .register("Mailbox", Mailbox::empty)
        .register("Full", Mailbox::holding)
        .start()
        .unwrap();
    let other = |address: Address| {
        let manager = Manager::connect(&address, KEY).unwrap();
        let empty: Proxy<Mailbox> = manager.create_named("Mailbox", ()).unwrap();
        let full: Proxy<Mailbox> =
            manager.create_named("Full", vec![Letter::Nothing, Letter::Nothing]).unwrap();
        let unknown = manager.create_named::<Mailbox, _>("Postbox", ()).unwrap_err();
        assert!(matches!(&unknown, ManagerError::NotFound(name) if name == "Postbox"), "{unknown}");
        let wrong = manager.create_named::<Mailbox, _>("Full", 1_u8).unwrap_err();
        assert!(matches!(wrong, ManagerError::Refused(_)), "{wrong}");
        (empty.call(&Mailbox::COUNT, ()).unwrap(), full.call(&Mailbox::COUNT, ()).unwrap())
    };
    assert_eq!(Process::spawn(other, address_of(&manager)).unwrap().join().unwrap(), (0, 2));
    eventually("they go with their proxies", || manager.status().unwrap().objects == 0);
}

fn objects_are_there_from_the_start() {
    let manager = Manager::builder()
        .publish("empty", Mailbox::empty, ())
        .publish("full", Mailbox::holding, vec![text("first")])
        .start()
        .unwrap();
    assert_eq!(manager.status().unwrap().objects, 2);
    assert_eq!(
        manager.find::<Mailbox>("full").unwrap().call(&Mailbox::TAKE, ()).unwrap(),
        Some(text("first"))
    );
    assert!(manager.withdraw("full").unwrap());
    assert!(matches!(manager.find::<Mailbox>("full"), Err(ManagerError::NotFound(_))));
    eventually("it goes with its name", || manager.status().unwrap().objects == 1);
}

fn a_server_in_this_process_serves_until_it_is_stopped() {
    let scratch = Scratch::new();
    for address in [Address::Tcp(TCP.into()), Address::Path(scratch.path().join("socket"))] {
        let builder = Manager::builder().bind(&address, KEY).publish("mailbox", Mailbox::empty, ());
        let server = builder.server().unwrap();
        thread::scope(|scope| {
            let serving = scope.spawn(|| server.serve_forever());
            let mailbox = find_at(server.address());
            mailbox.call(&Mailbox::PUT, text("to myself")).unwrap();
            let other = |mailbox: Proxy<Mailbox>| mailbox.call(&Mailbox::COUNT, ()).unwrap();
            assert_eq!(Process::spawn(other, mailbox.clone()).unwrap().join().unwrap(), 1);
            // Objects that hold each other.
            let manager = Manager::connect(server.address(), KEY).unwrap();
            let dict: DictProxy<u32, Proxy<Mailbox>> = manager.dict().unwrap();
            dict.insert(1, mailbox.clone()).unwrap();
            drop(manager);
            server.stop();
            serving.join().unwrap().unwrap();
            assert!(matches!(mailbox.call(&Mailbox::COUNT, ()), Err(ManagerError::Gone)));
        });
        assert!(matches!(server.serve_forever(), Err(ManagerError::Gone)));
        assert!(!scratch.path().join("socket").exists());
    }
    let nowhere = Manager::builder().server().unwrap_err();
    assert!(matches!(nowhere, ManagerError::Misuse(_)), "{nowhere}");
}

fn a_server_of_a_process_that_is_nothing_else_exits_with_0() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    /// Ends the server when it is told to by a call.
    struct Stopper;
    const STOP: pool::shared::Method<Stopper, (), ()> = pool::shared::Method::new("stop", |_, ()| {
        if let Some(server) = SERVER.get() {
            server.stop();
        }
    });
    impl pool::shared::Managed for Stopper {
        const NAME: &'static str = "Stopper";
        fn methods() -> pool::shared::Methods<Stopper> {
            pool::shared::Methods::new().with(&STOP)
        }
    }
    static SERVER: std::sync::OnceLock<pool::shared::ManagerServer> = std::sync::OnceLock::new();
    let serve = |path: PathBuf| {
        let builder = Manager::builder().bind(path, KEY).publish("stopper", |()| Stopper, ());
        let server = SERVER.get_or_init(|| builder.server().unwrap());
        server.serve_forever().is_ok()
    };
    let process = Process::spawn(serve, path.clone()).unwrap();
    let mut manager = None;
    eventually("it listens", || {
        manager = Manager::connect(Address::Path(path.clone()), KEY).ok();
        manager.is_some()
    });
    // The reply may not come any more.
    let _ = manager.unwrap().find::<Stopper>("stopper").unwrap().call(&STOP, ());
    assert!(process.join().unwrap());
    assert_eq!(process.exit_code(), Some(0));
    assert!(!path.exists());
}

fn a_proxy_goes_on_without_the_key_on_this_machine() {
    let manager = at_tcp();
    let mailbox = mailbox_of(&manager);
    // A process that came by address gives it to its own children and workers.
    let middle = |address: Address| {
        let mailbox = find_at(&address);
        let child = |mailbox: Proxy<Mailbox>| mailbox.call(&Mailbox::PUT, text("from a grandchild")).is_ok();
        assert!(Process::spawn(child, mailbox.clone()).unwrap().join().unwrap());
        let builder = Process::builder().start_method(StartMethod::Fork).allow_fork_with_threads(true);
        assert!(builder.spawn(child, mailbox.clone()).unwrap().join().unwrap());
        let pool = ProcessPool::new(1).unwrap();
        pool.apply(child, mailbox).unwrap()
    };
    assert!(Process::spawn(middle, address_of(&manager)).unwrap().join().unwrap());
    assert_eq!(mailbox.call(&Mailbox::COUNT, ()).unwrap(), 3);
}

/// The bytes of a proxy, as they are on another machine: there the name of the door leads nowhere.
fn elsewhere(proxy: &Proxy<Mailbox>) -> Vec<u8> {
    let mut bytes = Vec::new();
    codec::encode(proxy, &mut bytes).unwrap();
    let at = bytes.windows(8).position(|bytes| bytes == b"manager-").unwrap();
    bytes[at..at + 8].copy_from_slice(b"nowhere-");
    bytes
}

fn a_proxy_elsewhere_needs_that_its_process_has_connected() {
    let manager = at_tcp();
    let mailbox = mailbox_of(&manager);
    let bytes = elsewhere(&mailbox);
    assert!(!bytes.windows(KEY.len()).any(|bytes| bytes == KEY), "the key is nobody else's");
    let other = |(address, bytes): (Address, Vec<u8>)| {
        let unknown = codec::decode::<Proxy<Mailbox>>(&bytes).unwrap_err().to_string();
        assert!(
            unknown.contains("connect to it first") && unknown.contains(&address.to_string()),
            "{unknown}"
        );
        // The key stays known when nobody has the manager any more.
        drop(Manager::connect(&address, KEY).unwrap());
        let mailbox: Proxy<Mailbox> = codec::decode(&bytes).unwrap();
        mailbox.call(&Mailbox::PUT, text("from elsewhere")).unwrap();
        // What comes in a reply is of the same server.
        let manager = Manager::connect(&address, KEY).unwrap();
        let nested = manager.find::<Dict<u32, Proxy<Mailbox>>>("nested").unwrap();
        let inner = DictProxy::from(nested).get(&1).unwrap().unwrap();
        assert!(inner == mailbox);
        inner.call(&Mailbox::COUNT, ()).unwrap()
    };
    let nested = manager.dict::<u32, Proxy<Mailbox>>().unwrap();
    nested.insert(1, mailbox.clone()).unwrap();
    Proxy::from(nested).publish("nested").unwrap();
    assert_eq!(Process::spawn(other, (address_of(&manager), bytes)).unwrap().join().unwrap(), 1);
    // Without an address there is nothing to connect to.
    let local = Manager::start().unwrap();
    let bytes = elsewhere(&local.create(Mailbox::empty, ()).unwrap());
    let decode = |bytes: Vec<u8>| codec::decode::<Proxy<Mailbox>>(&bytes).unwrap_err().to_string();
    let gone = Process::spawn(decode, bytes).unwrap().join().unwrap();
    assert!(gone.contains(&ManagerError::Gone.to_string()), "{gone}");
}

fn two_links_to_one_server_know_each_others_proxies() {
    let manager = at_tcp();
    let mailbox = mailbox_of(&manager);
    let connected = Manager::connect(manager.address().unwrap(), KEY).unwrap();
    let dict = connected.dict::<u32, Proxy<Mailbox>>().unwrap();
    dict.insert(1, mailbox.clone()).unwrap();
    dict.get(&1).unwrap().unwrap().call(&Mailbox::PUT, text("inside")).unwrap();
    assert_eq!(mailbox.call(&Mailbox::COUNT, ()).unwrap(), 1);
    drop(dict);
    eventually("no ticket is left", || manager.status().unwrap().tickets == 0);
}

fn a_wrong_key_is_an_error_of_both_sides_and_costs_the_server_nothing() {
    let manager = at_tcp();
    let mailbox = mailbox_of(&manager);
    for key in [&b"another key"[..], b""] {
        let refused = Manager::connect(manager.address().unwrap(), key).unwrap_err();
        let is_refused = matches!(
            refused,
            ManagerError::Connect(ConnectError::Authentication(AuthenticationError::Refused))
        );
        assert!(is_refused, "{refused}");
    }
    assert_eq!(mailbox.call(&Mailbox::COUNT, ()).unwrap(), 0);
    eventually("nobody else is there", || manager.status().unwrap().channels == 1);
    let empty = Manager::bind(TCP, b"").unwrap_err();
    assert!(matches!(&empty, ManagerError::System(_)) && empty.to_string().contains("empty key"), "{empty}");
    let taken = Manager::bind(manager.address().unwrap(), KEY).unwrap_err();
    assert!(matches!(taken, ManagerError::Connect(ConnectError::System(_))), "{taken}");
}

fn who_listens_there_may_be_something_else() {
    // Nobody.
    let free = TcpListener::bind(TCP).unwrap().local_addr().unwrap();
    let nobody = Manager::connect(free, KEY).unwrap_err();
    assert!(matches!(nobody, ManagerError::Connect(ConnectError::System(_))), "{nobody}");
    // One that talks otherwise.
    let other = TcpListener::bind(TCP).unwrap();
    let address = other.local_addr().unwrap();
    let talks = thread::spawn(move || {
        use std::io::Write;
        other.accept().unwrap().0.write_all(&[b'x'; 128]).unwrap();
    });
    let malformed = Manager::connect(address, KEY).unwrap_err();
    let is_malformed = matches!(
        malformed,
        ManagerError::Connect(ConnectError::Authentication(AuthenticationError::Malformed))
    );
    assert!(is_malformed, "{malformed}");
    talks.join().unwrap();
    // One that has the key, and is no manager.
    let listener = Listener::<u32, ()>::bind(TCP).unwrap().key(KEY);
    let address = listener.address().clone();
    let sends = thread::spawn(move || listener.accept().unwrap().send(&5).unwrap());
    let something = Manager::connect(address, KEY).unwrap_err();
    assert!(matches!(something, ManagerError::NoManager), "{something}");
    sends.join().unwrap();
    // One that a client of something else connects to.
    let manager = at_tcp();
    let stranger: Connection<u32, u32> = Client::new().key(KEY).connect(manager.address().unwrap()).unwrap();
    stranger.send(&5).unwrap();
    let answer = stranger.recv_bytes().unwrap();
    assert_eq!(answer[..8], *b"pool-mgr");
    assert!(stranger.recv_bytes().is_err());
}

// What is on the wire, as docs/manager.md says.

#[derive(Serialize, Deserialize)]
struct Hello {
    build: u64,
    session: Option<u128>,
    lane: Option<()>,
}

#[derive(Serialize, Deserialize)]
struct Whereabouts {
    server: u128,
    door: String,
    address: Option<Address>,
}

#[derive(Serialize, Deserialize)]
struct Welcome {
    place: Whereabouts,
    session: u128,
    build: u64,
    limit: u64,
}

fn greeting(version: u32, content: &impl Serialize) -> Vec<u8> {
    let mut bytes = [b"pool-mgr", &version.to_le_bytes()[..]].concat();
    codec::encode(content, &mut bytes).unwrap();
    bytes
}

fn another_version_and_another_build_are_told() {
    let answer = |version: u32| {
        let listener = Listener::<(), ()>::bind(TCP).unwrap().key(KEY);
        let address = listener.address().clone();
        let serving = thread::spawn(move || {
            let client = listener.accept().unwrap();
            let hello = client.recv_bytes().unwrap();
            assert_eq!(hello[..12], *b"pool-mgr\x01\0\0\0");
            let hello: Hello = codec::decode(&hello[12..]).unwrap();
            let place = Whereabouts { server: 1, door: "nowhere".to_owned(), address: None };
            let welcome = Welcome { place, session: 2, build: hello.build ^ 1, limit: 1000 };
            client.send_bytes(&greeting(version, &Ok::<_, u32>(welcome))).unwrap();
            client
        });
        let connected = Manager::connect(address, KEY);
        (connected, serving.join().unwrap())
    };
    let (other_version, _client) = answer(2);
    assert!(matches!(other_version, Err(ManagerError::OtherVersion(2))));
    let (other_build, _client) = answer(1);
    let made = other_build.unwrap().create(Mailbox::empty, ()).unwrap_err();
    assert!(matches!(made, ManagerError::OtherBuild), "{made}");
    // The same, seen from a client of another version.
    let manager = at_tcp();
    let old: Connection<(), ()> = Client::new().key(KEY).connect(manager.address().unwrap()).unwrap();
    old.send_bytes(&greeting(0, &())).unwrap();
    assert_eq!(old.recv_bytes().unwrap()[..12], *b"pool-mgr\x01\0\0\0");
}

fn only_who_started_it_ends_a_manager() {
    let manager = at_tcp();
    let connected = Manager::connect(manager.address().unwrap(), KEY).unwrap();
    let refused = connected.shutdown().unwrap_err();
    assert!(matches!(refused, ManagerError::Misuse(_)), "{refused}");
    assert_eq!(manager.status().unwrap().objects, 0);
}

fn a_socket_file_goes_with_the_server_in_whatever_way_it_ends() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let start = || {
        let manager = Manager::bind(&*path, KEY).unwrap();
        assert!(path.exists());
        manager
    };
    start().shutdown().unwrap();
    assert!(!path.exists());
    drop(start());
    assert!(!path.exists());
    // The server is killed, and whoever started it hears of that.
    let manager = start();
    kill(manager.pid().unwrap(), SIGKILL);
    eventually("it is gone", || manager.status().is_err());
    drop(manager);
    assert!(!path.exists());
    // Another's file is left alone.
    let manager = start();
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(manager);
    assert!(path.exists());
    drop(other);
    std::fs::remove_file(&path).unwrap();
    // A program that ends without having dropped its manager.
    let forget = |path: PathBuf| std::mem::forget(Manager::bind(path, KEY).unwrap());
    Process::spawn(forget, path.clone()).unwrap().join().unwrap();
    eventually("its end removes the file", || !path.exists());
}

fn the_death_of_the_owner_ends_the_server_and_its_file() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let pid_file = scratch.path().join("pid");
    let own = |(path, pid_file): (PathBuf, PathBuf)| {
        let manager = Manager::bind(&*path, KEY).unwrap();
        mailbox_of(&manager);
        let pid = manager.pid().unwrap().to_string();
        std::fs::write(pid_file.with_extension("new"), pid).unwrap();
        std::fs::rename(pid_file.with_extension("new"), pid_file).unwrap();
        loop {
            thread::park();
        }
    };
    for method in crate::support::METHODS {
        let builder = Process::builder().start_method(*method).allow_fork_with_threads(true);
        let owner = builder.spawn(own, (path.clone(), pid_file.clone())).unwrap();
        eventually("it is there", || pid_file.exists());
        let server: u32 = std::fs::read_to_string(&pid_file).unwrap().parse().unwrap();
        std::fs::remove_file(&pid_file).unwrap();
        let mailbox = find_at(&Address::Path(path.clone()));
        mailbox.call(&Mailbox::PUT, text("still there")).unwrap();
        owner.kill();
        let died: Result<(), _> = owner.join();
        assert!(died.is_err());
        eventually("the server ends", || !is_alive(server));
        assert!(!path.exists(), "{method:?}");
        assert!(matches!(mailbox.call(&Mailbox::COUNT, ()), Err(ManagerError::Gone)));
    }
}

fn calls_that_wait_hear_of_the_end() {
    let scratch = Scratch::new();
    let wait = |(address, begun): (Address, PathBuf)| {
        let manager = Manager::connect(&address, KEY).unwrap();
        let mailbox = manager.create(Mailbox::empty, ()).unwrap();
        std::fs::write(begun, b"").unwrap();
        mailbox.call(&Mailbox::NEVER, ()).unwrap_err().to_string()
    };
    for (nth, address) in
        [Address::Path(scratch.path().join("socket")), Address::Tcp(TCP.into())].iter().enumerate()
    {
        for ends in [0, 1, 2] {
            let manager = Manager::bind(address, KEY).unwrap();
            let begun = scratch.path().join(format!("{nth}-{ends}"));
            let waits = Process::spawn(wait, (address_of(&manager), begun.clone())).unwrap();
            eventually("it has begun", || begun.exists());
            match ends {
                0 => manager.shutdown().unwrap(),
                1 => drop(manager),
                _ => kill(manager.pid().unwrap(), SIGKILL),
            }
            assert_eq!(waits.join().unwrap(), ManagerError::Gone.to_string());
        }
    }
}

fn a_tcp_connection_is_kept_alive() {
    let manager = at_tcp();
    let _connected = Manager::connect(manager.address().unwrap(), KEY).unwrap();
    let Some(Address::Tcp(address)) = manager.address() else { panic!("not TCP") };
    let port = format!(":{:04X}", address.rsplit_once(':').unwrap().1.parse::<u16>().unwrap());
    // Of each end: local and remote address, state, queues, then the timer: 02 is the one of keepalive; another one runs
    // until what was sent is acknowledged.
    eventually("both ends are looked after", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let ends = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let connected = ends.filter(|end| end[1].ends_with(&port) || end[2].ends_with(&port));
        let timers: Vec<_> =
            connected.filter(|end| end[3] == "01").map(|end| end[5][..2].to_owned()).collect();
        timers == ["02", "02"]
    });
}

/// As a program in another language would do it.
fn a_client_of_hand_made_bytes_is_served() {
    let manager = Manager::builder().bind(TCP, KEY).publish("mailbox", Mailbox::empty, ()).start().unwrap();
    let client: Connection<(), ()> = Client::new().key(KEY).connect(manager.address().unwrap()).unwrap();
    // magic, version; a struct of 3 fields: the build, no session, no lane.
    let hello = [&b"pool-mgr"[..], &[1, 0, 0, 0], &[3], &[0; 8], &[0], &[0]].concat();
    client.send_bytes(&hello).unwrap();
    let answer = client.recv_bytes().unwrap();
    assert_eq!(answer[..12], hello[..12]);
    // `Ok`: variant 0 with one value.
    assert_eq!(answer[12..16], [0, 0, 0, 0x40]);
    let call = |object: u64, method: u32, argument: &[u8]| {
        let head = [&object.to_le_bytes()[..], &method.to_le_bytes(), &1u32.to_le_bytes()].concat();
        client.send_bytes(&[&head, argument].concat()).unwrap();
        let reply = client.recv_bytes().unwrap();
        let (status, value) = reply.split_first_chunk::<4>().unwrap();
        (u32::from_le_bytes(*status), value.to_vec())
    };
    let name = [&7u64.to_le_bytes()[..], b"mailbox"].concat();
    // `Find`, variant 8, a struct of one field.
    let (status, found) = call(0, 0, &[&[8, 0, 0, 0xc0, 1], &name[..]].concat());
    assert_eq!(status, 0);
    let object = u64::from_le_bytes(found[..8].try_into().unwrap());
    assert_eq!(found[8..], [&7u64.to_le_bytes()[..], b"Mailbox"].concat());
    // FNV-1a of "put" and "take"; a `Letter::Text`.
    let letter = [&[0, 0, 0, 0x40], &5u64.to_le_bytes()[..], b"hello"].concat();
    assert_eq!(call(object, 0x6972_99ee, &letter), (0, vec![]));
    assert_eq!(call(object, 0x0a33_9056, &[]), (0, [&[1], &letter[..]].concat()));
    // `Fault::NoMethod`, variant 1.
    assert_eq!(call(object, 1, &[]), (1, vec![1, 0, 0, 0]));
}
