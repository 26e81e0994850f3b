//! Keys: who has one is let in, and nobody else, whatever it sends.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use pool::shared::{
    Address, AuthenticationError, Client, ConnectError, Connection, ConnectionError, Listener,
};

use crate::support::{self, Random, Scratch};
use crate::{Elsewhere, by_itself, with_the_other_side_everywhere};

with_the_other_side_everywhere!(
    who_has_the_key_is_let_in_by_each_family,
    another_key_is_a_wrong_answer_here_and_a_refusal_there,
    a_listener_of_another_key_is_a_wrong_answer_here_and_a_refusal_there,
);

by_itself!(
    a_forged_answer_is_a_wrong_answer_here_and_a_refusal_there,
    a_forged_proof_of_the_listener_is_a_wrong_answer_there_and_a_refusal_here,
    an_answer_that_was_heard_before_is_wrong,
    ones_own_proof_sent_back_is_wrong,
    any_bytes_are_an_error,
    a_handshake_that_breaks_off_is_an_error,
    a_slow_handshake_runs_out_of_time,
    a_client_without_a_key_is_told_that_one_is_wanted,
    a_listener_without_a_key_is_not_believed_to_have_it,
    the_next_client_is_served_after_one_that_failed,
    keys_of_any_length_are_keys,
);

const KEY: &[u8] = b"a key that both sides have";
/// How many bytes the sides send: the greeting, a challenge and zeros; greeting, challenge and proof; the verdict and a proof.
const QUESTION: usize = 128;
const ANSWER: usize = 72;
const VERDICT: usize = 33;

type Accepted = Result<Connection<u32, String>, ConnectError>;
type Connected = Result<Connection<String, u32>, ConnectError>;

fn failed<C: std::fmt::Debug>(result: Result<C, ConnectError>) -> AuthenticationError {
    match result {
        Err(ConnectError::Authentication(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn listen(address: impl Into<Address>, key: &[u8]) -> Listener<u32, String> {
    Listener::bind(address.into()).unwrap().key(key)
}

fn connect(path: &Path, key: &[u8]) -> Connected {
    Client::new().key(key).connect(path)
}

fn who_has_the_key_is_let_in_by_each_family(elsewhere: Elsewhere) {
    fn send(address: Address) {
        let connection: Connection<String, u32> = Client::new().key(KEY).connect(&address).unwrap();
        connection.send(&"hello".to_owned()).unwrap();
        assert_eq!(connection.recv().unwrap(), 5);
    }
    let scratch = Scratch::new();
    let name = format!("pool-test-{}", std::process::id());
    let families = [
        scratch.path().join("socket").into(),
        Address::Abstract(name.into_bytes()),
        Address::Tcp("127.0.0.1:0".to_owned()),
    ];
    for address in families {
        let listener = listen(address, KEY);
        let party = elsewhere.start(send, listener.address().clone());
        let connection = listener.accept().unwrap();
        let text = connection.recv().unwrap();
        connection.send(&(text.len() as u32)).unwrap();
        party.join();
    }
}

fn another_key_is_a_wrong_answer_here_and_a_refusal_there(elsewhere: Elsewhere) {
    fn knock(path: PathBuf) {
        assert_eq!(failed(connect(&path, b"another")), AuthenticationError::Refused);
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    let party = elsewhere.start(knock, path);
    assert_eq!(failed(listener.accept()), AuthenticationError::WrongAnswer);
    party.join();
}

fn a_listener_of_another_key_is_a_wrong_answer_here_and_a_refusal_there(elsewhere: Elsewhere) {
    fn listen_with_another(path: PathBuf) {
        let listener = listen(&*path, b"another");
        assert_eq!(failed(listener.accept()), AuthenticationError::WrongAnswer);
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let party = elsewhere.start(listen_with_another, path.clone());
    support::eventually("somebody listened", || path.exists());
    // It may have the file, and not listen yet.
    let refused = loop {
        match connect(&path, KEY) {
            Err(ConnectError::System(_)) => {}
            other => break failed(other),
        }
    };
    assert_eq!(refused, AuthenticationError::Refused);
    party.join();
}

/// Has a client and a listener talk through somebody in between, who is given each part to change before it is passed on.
fn in_between(change: impl Fn(usize, &mut [u8]) + Sync) -> (Accepted, Connected) {
    let scratch = Scratch::new();
    let (front, back) = (scratch.path().join("front"), scratch.path().join("back"));
    let door = UnixListener::bind(&front).unwrap();
    let listener = listen(&*back, KEY);
    scope(|scope| {
        let client = scope.spawn(|| connect(&front, KEY));
        let accepted = scope.spawn(|| listener.accept());
        let (mut client_side, _) = door.accept().unwrap();
        let mut listener_side = UnixStream::connect(&back).unwrap();
        for (step, len) in [QUESTION, ANSWER, VERDICT, 1].into_iter().enumerate() {
            let (from, to) = match step % 2 {
                0 => (&mut listener_side, &mut client_side),
                _ => (&mut client_side, &mut listener_side),
            };
            let mut bytes = vec![0; len];
            if from.read_exact(&mut bytes).is_err() {
                break;
            }
            change(step, &mut bytes);
            let _ = to.write_all(&bytes);
        }
        drop((client_side, listener_side));
        (accepted.join().unwrap(), client.join().unwrap())
    })
}

fn a_forged_answer_is_a_wrong_answer_here_and_a_refusal_there() {
    let (accepted, connected) = in_between(|_, _| {});
    assert!(accepted.is_ok() && connected.is_ok(), "unchanged");
    // The last byte of the client's proof, and one of its challenge.
    for at in [ANSWER - 1, 10] {
        let (accepted, connected) = in_between(|step, bytes| {
            if step == 1 {
                bytes[at] ^= 1;
            }
        });
        assert_eq!(failed(accepted), AuthenticationError::WrongAnswer);
        assert_eq!(failed(connected), AuthenticationError::Refused);
    }
}

fn a_forged_proof_of_the_listener_is_a_wrong_answer_there_and_a_refusal_here() {
    let (accepted, connected) = in_between(|step, bytes| {
        if step == 2 {
            bytes[VERDICT - 1] ^= 0x80;
        }
    });
    assert_eq!(failed(connected), AuthenticationError::WrongAnswer);
    assert_eq!(failed(accepted), AuthenticationError::Refused);
    // A verdict that is none.
    let (accepted, connected) = in_between(|step, bytes| {
        if step == 2 {
            bytes[0] = 7;
        }
    });
    assert_eq!(failed(connected), AuthenticationError::Malformed);
    assert_eq!(failed(accepted), AuthenticationError::Ended);
}

/// The parts of a handshake that went well.
fn heard() -> [Vec<u8>; 4] {
    let parts = std::sync::Mutex::new([const { Vec::new() }; 4]);
    let (accepted, connected) = in_between(|step, bytes| parts.lock().unwrap()[step] = bytes.to_vec());
    assert!(accepted.is_ok() && connected.is_ok());
    parts.into_inner().unwrap()
}

/// What the listener says to a client that sends these bytes, and then no more.
fn accept_from(listener: &Listener<u32, String>, path: &Path, bytes: &[u8]) -> AuthenticationError {
    let mut raw = UnixStream::connect(path).unwrap();
    raw.write_all(bytes).unwrap();
    raw.shutdown(std::net::Shutdown::Write).unwrap();
    failed(listener.accept())
}

fn an_answer_that_was_heard_before_is_wrong() {
    let [_, answer, _, last] = heard();
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    for _ in 0..3 {
        let all = [&answer[..], &last].concat();
        assert_eq!(accept_from(&listener, &path, &all), AuthenticationError::WrongAnswer);
    }
}

fn ones_own_proof_sent_back_is_wrong() {
    let [_, _, verdict, _] = heard();
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    let mut raw = UnixStream::connect(&path).unwrap();
    scope(|scope| {
        let accepted = scope.spawn(|| listener.accept());
        let mut question = [0; QUESTION];
        raw.read_exact(&mut question).unwrap();
        // Its own challenge as ours, and a proof that a listener gave.
        raw.write_all(&[&question[..ANSWER - 32], &verdict[1..]].concat()).unwrap();
        assert_eq!(failed(accepted.join().unwrap()), AuthenticationError::WrongAnswer);
    });
    let mut answer = Vec::new();
    raw.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, [0; VERDICT], "no proof is given to who has shown none");
}

fn any_bytes_are_an_error() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    let mut random = Random::new(9);
    let before = support::peak_resident();
    for _ in 0..500 {
        let bytes: Vec<u8> = (0..random.below(3_000)).map(|_| random.below(256) as u8).collect();
        let error = accept_from(&listener, &path, &bytes);
        let expected =
            if bytes.len() < ANSWER { AuthenticationError::Ended } else { AuthenticationError::Malformed };
        assert_eq!(error, expected);
    }
    // To a client too.
    let path = scratch.path().join("raw");
    let door = UnixListener::bind(&path).unwrap();
    for _ in 0..500 {
        let bytes: Vec<u8> = (0..random.below(300)).map(|_| random.below(256) as u8).collect();
        scope(|scope| {
            let client = scope.spawn(|| connect(&path, KEY));
            let (mut raw, _) = door.accept().unwrap();
            let _ = raw.write_all(&bytes);
            drop(raw);
            let error = failed(client.join().unwrap());
            let expected = [AuthenticationError::Ended, AuthenticationError::Malformed];
            assert!(expected.contains(&error), "{error}");
        });
    }
    assert!(support::peak_resident() - before < 16 << 20);
}

fn a_handshake_that_breaks_off_is_an_error() {
    let [_, answer, ..] = heard();
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    for len in 0..ANSWER {
        assert_eq!(accept_from(&listener, &path, &answer[..len]), AuthenticationError::Ended);
    }
}

fn a_slow_handshake_runs_out_of_time() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let limit = Duration::from_millis(30);
    let listener = Listener::<u32, String>::bind(&*path).unwrap().key_within(KEY, limit);
    // Somebody who says nothing.
    let silent = UnixStream::connect(&path).unwrap();
    let before = Instant::now();
    assert_eq!(failed(listener.accept()), AuthenticationError::TimedOut);
    assert!(before.elapsed() >= limit);
    drop(silent);
    // Somebody who sends a byte now and then: each of them in time, and all of them not.
    scope(|scope| {
        let mut raw = UnixStream::connect(&path).unwrap();
        let slow = scope.spawn(move || {
            while raw.write_all(&[1]).is_ok() {
                sleep(Duration::from_millis(5));
            }
        });
        let error = failed(listener.accept());
        assert_eq!(error, AuthenticationError::TimedOut);
        slow.join().unwrap();
    });
    // A listener that does not come to the accept.
    let client: Connected = Client::new().key_within(KEY, limit).connect(&*path);
    assert_eq!(failed(client), AuthenticationError::TimedOut);
}

fn a_client_without_a_key_is_told_that_one_is_wanted() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    scope(|scope| {
        let accepted = scope.spawn(|| listener.accept());
        let client: Connection<String, u32> = Client::new().connect(&*path).unwrap();
        assert!(matches!(client.recv(), Err(ConnectionError::KeyWanted)));
        drop(client);
        assert_eq!(failed(accepted.join().unwrap()), AuthenticationError::Ended);
    });
}

fn a_listener_without_a_key_is_not_believed_to_have_it() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = Listener::<Vec<u8>, String>::bind(&*path).unwrap();
    scope(|scope| {
        let client = scope.spawn(|| connect(&path, KEY));
        // What it takes for a question is a message.
        listener.accept().unwrap().send_bytes(&[0; QUESTION]).unwrap();
        assert_eq!(failed(client.join().unwrap()), AuthenticationError::Malformed);
    });
}

fn the_next_client_is_served_after_one_that_failed() {
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = listen(&*path, KEY);
    scope(|scope| {
        for _ in 0..3 {
            let wrong = scope.spawn(|| connect(&path, b"wrong"));
            assert_eq!(failed(listener.accept()), AuthenticationError::WrongAnswer);
            wrong.join().unwrap().unwrap_err();
            let right = scope.spawn(|| connect(&path, KEY));
            listener.accept().unwrap().send(&1).unwrap();
            assert_eq!(right.join().unwrap().unwrap().recv().unwrap(), 1);
        }
    });
}

fn keys_of_any_length_are_keys() {
    let scratch = Scratch::new();
    for len in [0, 1, 64, 65, 10_000] {
        let path = scratch.path().join(len.to_string());
        let key = vec![7; len];
        let listener = listen(&*path, &key);
        scope(|scope| {
            let client = scope.spawn(|| connect(&path, &key));
            listener.accept().unwrap();
            client.join().unwrap().unwrap();
            let other = scope.spawn(|| connect(&path, &vec![8; len + 1]));
            assert_eq!(failed(listener.accept()), AuthenticationError::WrongAnswer);
            assert_eq!(failed(other.join().unwrap()), AuthenticationError::Refused);
        });
    }
}
