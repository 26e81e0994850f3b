//! Examples of what processes share.

use crate::printed::{pids, run};

crate::alone!(lock, queue_and_pipe, shared_value_and_array, manager);

fn lock() {
    let printed = run("lock", &[]);
    let (torn, whole) = printed.text().split_once("with a lock:").expect("two parts");
    // Without the lock the pieces are there, in whatever order.
    assert_eq!(torn.matches(" in pieces").count(), 10);
    let whole: Vec<_> = whole.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(whole.len(), 10, "{whole:?}");
    for line in whole {
        let who = line
            .strip_prefix("[Process-")
            .and_then(|line| line.strip_suffix(" and writes a line in pieces]"));
        let (number, pid) = who.and_then(|who| who.split_once(" is process ")).expect(line);
        assert!(number.parse::<u32>().is_ok() && pid.parse::<u32>().is_ok(), "{line}");
    }
}

fn queue_and_pipe() {
    let printed = run("queue_and_pipe", &[]);
    for number in 1..=6 {
        printed.one(&format!("{number} × {number} = {}", number * number));
        assert!(printed.one(&format!("got {number}")).who.starts_with("Process-"));
    }
    assert_eq!(printed.all("the queue is closed and empty; I had").len(), 2);
    printed.one("the workers had 6 in all");
    printed.one("the answer is \"HELLO\"");
    printed.one("the answer is \"PIPE\"");
    printed.one("the child says: the other end is gone");
}

fn shared_value_and_array() {
    let printed = run("shared_value_and_array", &[]);
    let lost = printed.one("without: ");
    let (left, rest) = lost.text["without: ".len()..].split_once(" of 200000, ").expect("what was lost");
    let (left, lost): (u64, u64) =
        (left.parse().unwrap(), rest.strip_suffix(" lost").unwrap().parse().unwrap());
    assert_eq!(left + lost, 200_000);
    printed.one("with: 200000 of 200000");
    let array = &printed.one("who wrote each place: ").text;
    let writers = pids(&printed.all("filled part"));
    assert_eq!(writers.len(), 4);
    for writer in writers {
        assert_eq!(array.matches(&writer.to_string()).count(), 8, "{array}");
    }
}

fn manager() {
    let printed = run("manager", &[]);
    assert!(printed.one("changed the dict and the lists").who.starts_with("Process-"));
    for text in [
        "changed",
        r#"1: "1""#,
        r#""2": 2"#,
        "0.25: None",
        "the list: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]",
        r#"the list in the dict: ["from the parent", "from the child"]"#,
        "9 and 4 times 1000: Some(4009)",
    ] {
        assert!(printed.text().contains(text), "{text}");
    }
}
