//! How a process ends, and what `join` makes of it.

use std::hint::black_box;
use std::process::exit;
use std::time::Duration;

use pool::{Error, ErrorKind, Exit, with};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::support::{SIGABRT, SIGKILL, SIGSEGV, kill};
use crate::{Case, on_every_start_method};

on_every_start_method!(
    a_panic_is_an_error_with_message_and_place,
    a_panic_is_reported_on_standard_error,
    exit_in_the_function_is_the_exit_code,
    an_err_is_a_value,
    deaths_by_signal,
    a_stack_overflow_is_told_from_other_faults,
    values_that_do_not_cross,
    an_argument_that_cannot_be_encoded_starts_nothing,
    large_values,
    a_bound_context,
    what_was_returned_counts_whatever_comes_after,
    names_are_checked,
);

fn a_panic_is_an_error_with_message_and_place(case: Case) {
    let child = case.spawn(|n: u32| -> u32 { panic!("no {n}") }, 7);
    let error = child.join().unwrap_err();
    assert!(error.is_panic());
    assert_eq!(error.panic().unwrap().message, "no 7");
    assert!(error.panic().unwrap().location.as_ref().unwrap().contains("outcome.rs:"));
    assert_eq!(error.worker().unwrap().pid, Some(child.pid()));
    assert_eq!(child.exit_code(), Some(101));
}

fn a_panic_is_reported_on_standard_error(case: Case) {
    let (_, output) = case.output(|_| {
        let child = case.builder().name("fragile").spawn(|n: u32| -> u32 { panic!("no {n}") }, 7).unwrap();
        child.join().unwrap_err();
    });
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("process 'fragile' panicked at tests/process/outcome.rs:"), "{text}");
    assert!(text.contains(":\nno 7\n"), "{text}");
}

#[track_caller]
fn died(error: &Error) -> Exit {
    assert_eq!(error.kind(), ErrorKind::ProcessDied, "{error}");
    error.exit().expect("how it ended")
}

fn exit_in_the_function_is_the_exit_code(case: Case) {
    for code in [0, 1, 7, 255] {
        let child = case.spawn(|code: i32| -> u32 { exit(code) }, code);
        let error = child.join().unwrap_err();
        assert_eq!((died(&error), child.exit_code()), (Exit::Code(code), Some(code)));
        assert!(error.to_string().contains(&format!("without a result: exit status {code}")), "{error}");
    }
}

fn an_err_is_a_value(case: Case) {
    let child = case.spawn(|text: String| text.parse::<u32>().map_err(|error| error.to_string()), "x".into());
    assert!(child.join().unwrap().unwrap_err().contains("invalid digit"));
    assert_eq!(child.exit_code(), Some(0));
}

fn deaths_by_signal(case: Case) {
    fn die(signal: i32) {
        kill(std::process::id(), signal);
        // Whichever thread it is that takes it.
        std::thread::sleep(Duration::MAX);
    }
    for signal in [SIGABRT, SIGKILL, SIGSEGV] {
        let child = case.spawn(die, signal);
        let error = child.join().unwrap_err();
        assert_eq!(died(&error), Exit::Signal { number: signal, stack_overflow: false });
        assert_eq!(child.exit_code(), Some(-signal));
    }
}

fn a_stack_overflow_is_told_from_other_faults(case: Case) {
    fn deeper(n: u64) -> u64 {
        let here = black_box([n; 64]);
        if black_box(true) { deeper(n + 1) + here[0] } else { 0 }
    }
    let error = case.spawn(deeper, 0).join().unwrap_err();
    assert_eq!(died(&error), Exit::Signal { number: SIGABRT, stack_overflow: true });
}

/// Encodes where it is told to, and decodes where it is told to.
#[derive(Debug)]
struct Stubborn {
    encodes: bool,
    decodes: bool,
}

impl Serialize for Stubborn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.encodes {
            true => serializer.serialize_bool(self.decodes),
            false => Err(serde::ser::Error::custom("I will not go")),
        }
    }
}

impl<'de> Deserialize<'de> for Stubborn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Stubborn, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Ok(Stubborn { encodes: true, decodes: true }),
            false => Err(serde::de::Error::custom("I will not come")),
        }
    }
}

fn values_that_do_not_cross(case: Case) {
    let child = case.spawn(|_: Stubborn| (), Stubborn { encodes: true, decodes: false });
    let error = child.join().unwrap_err();
    assert_eq!((error.kind(), child.exit_code()), (ErrorKind::Decode, Some(1)));
    assert!(error.to_string().contains("I will not come"), "{error}");

    let child = case.spawn(|()| Stubborn { encodes: false, decodes: true }, ());
    let error = child.join().unwrap_err();
    assert_eq!((error.kind(), child.exit_code()), (ErrorKind::Encode, Some(1)));
    assert!(error.to_string().contains("I will not go"), "{error}");

    // Decoded by the parent, so that the process itself did well.
    let child = case.spawn(|()| Stubborn { encodes: true, decodes: false }, ());
    let error = child.join().unwrap_err();
    assert_eq!((error.kind(), child.exit_code()), (ErrorKind::Decode, Some(0)));
}

fn an_argument_that_cannot_be_encoded_starts_nothing(case: Case) {
    let error = case.builder().spawn(|_: Stubborn| (), Stubborn { encodes: false, decodes: true });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Encode);
    assert!(pool::active_children().is_empty());
}

fn large_values(case: Case) {
    let child = case.spawn(
        |mut bytes: Vec<u8>| {
            bytes.reverse();
            bytes
        },
        (0..64 << 20).map(|n| (n % 251) as u8).collect(),
    );
    let bytes = child.join().unwrap();
    assert!(
        bytes.len() == 64 << 20
            && (0..64usize << 20).rev().zip(bytes).all(|(n, byte)| (n % 251) as u8 == byte)
    );
}

fn a_bound_context(case: Case) {
    let table = vec!["zero".to_owned(), "one".to_owned()];
    let child = case.spawn(with(table, |table: &Vec<String>, n: usize| table[n].clone()), 1);
    assert_eq!(child.join().unwrap(), "one");
}

fn what_was_returned_counts_whatever_comes_after(case: Case) {
    fn leave_a_bomb(n: u64) -> u64 {
        pool::at_exit(Some(0), || std::process::abort()).leave_to_exit();
        n
    }
    let child = case.spawn(leave_a_bomb, 3);
    assert_eq!(child.join().unwrap(), 3);
    assert_eq!(child.exit_code(), Some(-SIGABRT));
}

fn names_are_checked(case: Case) {
    let error = case.builder().name("a\nb").spawn(|()| (), ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let child = case.builder().name("ü: 1,2").spawn(|()| pool::current_process().name().to_owned(), ());
    assert_eq!(child.unwrap().join().unwrap(), "ü: 1,2");
}
