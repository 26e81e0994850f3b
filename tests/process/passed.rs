//! Descriptors in the argument of a process.

use std::fs::File;
use std::io::{PipeWriter, Read, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use pool::{ErrorKind, Passed, Pool, ProcessPool, with};

use crate::support::Scratch;
use crate::{Case, on_every_start_method};

on_every_start_method!(
    a_listener_is_served_by_the_child,
    several_arrive_each_in_its_place,
    hundreds_arrive,
    the_copy_is_the_childs_alone,
    elsewhere_it_is_refused,
);

fn a_listener_is_served_by_the_child(case: Case) {
    fn echo(listener: Passed<UnixListener>) -> String {
        let (mut client, _) = listener.accept().unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }
    let scratch = Scratch::new();
    let path = scratch.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let child = case.spawn(echo, Passed::from(listener));
    UnixStream::connect(path).unwrap().write_all(b"hello").unwrap();
    assert_eq!(child.join().unwrap(), "hello");
}

fn several_arrive_each_in_its_place(case: Case) {
    type Argument = (Option<Passed<OwnedFd>>, Vec<Passed<File>>, Passed<PipeWriter>);
    fn copy((nothing, files, mut output): Argument) -> bool {
        for mut file in files {
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            output.write_all(text.as_bytes()).unwrap();
        }
        nothing.is_none()
    }
    let scratch = Scratch::new();
    let files = ["one ", "two ", "three"].map(|text| {
        let path = scratch.path().join(text);
        std::fs::write(&path, text).unwrap();
        Passed::from(File::open(path).unwrap())
    });
    let (mut input, output) = pipe().unwrap();
    let child = case.spawn(copy, (None, files.into(), output.into()));
    let mut text = String::new();
    input.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two three");
    assert!(child.join().unwrap());
}

fn hundreds_arrive(case: Case) {
    let (input, output) = pipe().unwrap();
    let copies: Vec<Passed<OwnedFd>> =
        (0..300).map(|_| OwnedFd::from(output.try_clone().unwrap()).into()).collect();
    let child = case.spawn(|copies: Vec<Passed<OwnedFd>>| copies.len(), copies);
    assert_eq!(child.join().unwrap(), 300);
    drop((input, output));
}

fn the_copy_is_the_childs_alone(case: Case) {
    let (mut input, output) = pipe().unwrap();
    let child = case.spawn(|output: Passed<PipeWriter>| drop(output), Passed::from(output));
    // The end comes when nobody has the other side any more: this process gave it away.
    let mut rest = Vec::new();
    input.read_to_end(&mut rest).unwrap();
    child.join().unwrap();
}

fn elsewhere_it_is_refused(case: Case) {
    let (_input, output) = pipe().unwrap();
    let pool = ProcessPool::builder()
        .workers(1)
        .start_method(case.method)
        .allow_fork_with_threads(true)
        .build()
        .unwrap();
    let bound = with(Passed::from(output), |_: &Passed<PipeWriter>, _: u64| ());
    let error = pool.apply(bound, 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert!(error.to_string().contains("not in a context"), "{error}");
}
