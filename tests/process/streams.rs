//! Standard streams that are closed, or have something in them.

use std::fs;

use crate::support::close;
use crate::{Case, on_every_start_method};

on_every_start_method!(
    a_child_starts_though_the_streams_of_its_parent_are_closed,
    a_child_may_close_its_own_streams,
    what_the_parent_has_not_flushed_is_written_once,
);

fn a_child_starts_though_the_streams_of_its_parent_are_closed(case: Case) {
    fn speak(n: u64) -> u64 {
        println!("nobody reads this");
        eprintln!("nor this");
        n + 1
    }
    let (scratch, output) = case.output(|folder| {
        (0..=2).for_each(close);
        let child = case.spawn(speak, 6);
        println!("nor this");
        let result = format!("{:?} {:?}", child.join(), child.exit_code());
        fs::write(folder.path().join("result"), result).unwrap();
    });
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(scratch.path().join("result")).unwrap(), "Ok(7) Some(0)");
}

fn a_child_may_close_its_own_streams(case: Case) {
    let child = case.spawn(
        |()| {
            print!("left in the buffer");
            (0..=2).for_each(close);
        },
        (),
    );
    child.join().unwrap();
    assert_eq!(child.exit_code(), Some(0));
}

fn what_the_parent_has_not_flushed_is_written_once(case: Case) {
    let (_, output) = case.output(|_| {
        print!("said once");
        case.spawn(|()| print!(" and this"), ()).join().unwrap();
    });
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!((text.matches("said once").count(), text.matches("and this").count()), (1, 1), "{text}");
}
