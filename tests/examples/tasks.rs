//! Examples of pools: what waits, what runs where, what a limit does.

use std::fs;

use crate::on_both_backends;
use crate::printed::{Printed, pids, run};
use crate::support::Scratch;

on_both_backends!(
    hello_pool,
    async_results,
    four_workers_five_tasks,
    callbacks,
    starvation,
    executors,
    word_count,
);

crate::alone!(recycle, true_parallelism, untrusted);

fn on(name: &str, backend: &str) -> Printed {
    run(name, &["--backend", backend])
}

fn hello_pool(backend: &str) {
    let (first, second) = on("hello_pool", backend).split("apply_async:");
    let mut last = 0;
    for message in ["one", "two", "three", "four"] {
        // Each begins when the one before was got.
        for beginning in ["begins", "ends", "got"] {
            let place = first.place(&format!("{beginning} {message}"));
            assert!(place > last, "{}", first.text());
            last = place;
        }
    }
    second.ran_on(backend, "begins");
    // Three workers: the fourth waits for one that has ended, and nobody before it does.
    let order = second.all("");
    let ends = order.iter().position(|line| line.text.starts_with("ends")).unwrap();
    assert!(order[..ends].iter().all(|line| line.text != "begins four"), "{}", second.text());
    assert!(second.place("all four are under way") < second.place("got one"));
    assert_eq!(second.all("got").len(), 4);
}

fn async_results(backend: &str) {
    let printed = on("async_results", backend);
    printed.ran_on(backend, "begins");
    printed.one("not yet: timed out: no result within 50ms; ready: false");
    printed.one("the second is there; successful: true");
    let got: Vec<_> = printed.all("got").into_iter().map(|line| line.text.clone()).collect();
    assert_eq!(got, ["got 400", "got 100", "got 300", "got 200"]);
    printed.one("the sum is 1000");
}

fn four_workers_five_tasks(backend: &str) {
    let printed = on("four_workers_five_tasks", backend);
    printed.ran_on(backend, "begins");
    let begins = printed.all("begins").len();
    assert_eq!((begins, printed.all("ends").len()), (5, 5));
    // When the last of the five begins, one has ended before it.
    let lines = printed.all("");
    let last = lines.iter().rposition(|line| line.text.starts_with("begins")).unwrap();
    assert!(lines[..last].iter().any(|line| line.text.starts_with("ends")), "{}", printed.text());
    printed.one("five tasks took the time of ");
}

fn callbacks(backend: &str) {
    let printed = on("callbacks", backend);
    printed.ran_on(backend, "parses");
    for callback in ["success: 12", "success: 30", "error: the task panicked: \"twelve\" is no number"] {
        let line = printed.one(callback);
        // `main`, when the task had ended before the callback was given.
        assert!(line.who.ends_with("-callbacks") || line.who == "main", "{}", line.who);
        assert_eq!(line.pid, printed.one("the sum is 42").pid);
    }
    assert!(printed.one("error: ").text.contains("examples/callbacks.rs:"), "{}", printed.text());
    printed.one("2 of 3 handles are successful");
}

fn starvation(backend: &str) {
    let (first, second) = on("starvation", backend).split("with a timeout:");
    first.ran_on(backend, "begins");
    assert_eq!(first.all("begins").len(), 6, "{}", first.text());
    first.one("5 of 11 tasks have not begun, and never will");
    second.one("task 0 is done");
    assert_eq!(second.all("timed out: the task ran longer than its timeout of 500ms").len(), 10);
    second.one("1 done, 10 ended by the timeout, none waits");
    if backend == "process" {
        assert!(pids(&second.all("begins")).len() > 5, "{}", second.text());
    }
}

fn executors(backend: &str) {
    let printed = on("executors", backend);
    printed.ran_on(backend, "had a nap");
    assert_eq!(printed.all("as_completed: ").len(), 3);
    let mapped: Vec<_> = printed.all("map: ").into_iter().map(|line| line.text.clone()).collect();
    assert_eq!(mapped, ["map: 30", "map: 10", "map: 20"]);
    printed.one("the first of an endless map: [1, 2, 3, 4, 5]");
    printed.one("a future for each: 200010000 in");
    printed.one("a map in chunks: 200010000 in");
    printed.one("had a nap of 50 ms");
}

fn word_count(backend: &str) {
    let folder = Scratch::new();
    fs::create_dir(folder.path().join("more")).unwrap();
    for number in 0..20 {
        fs::write(folder.path().join(format!("{number}.txt")), "twice, Twice: once").unwrap();
    }
    fs::write(folder.path().join("more/one.md"), "twice").unwrap();
    fs::write(folder.path().join("image.png"), "twice").unwrap();
    fs::write(folder.path().join("binary.rs"), b"\xff\xfe").unwrap();
    let printed = run("word_count", &[folder.path().to_str().unwrap(), "--backend", backend]);
    printed.one("22 files in");
    let complaint = printed.one(folder.path().join("binary.rs").to_str().unwrap());
    assert!(complaint.text.contains("valid UTF-8"), "{}", complaint.text);
    let counted = printed.all("").into_iter().filter_map(|line| line.text.split_once(" × "));
    assert_eq!(counted.collect::<Vec<_>>(), [("41", "twice"), ("20", "once")]);
    let files = printed.all(if backend == "thread" { "ThreadPool" } else { "ProcessPool" });
    let files: u32 =
        files.iter().map(|line| line.text.split(' ').rev().nth(1).unwrap().parse::<u32>().unwrap()).sum();
    assert_eq!(files, 22, "{}", printed.text());
}

fn recycle() {
    let printed = run("recycle", &[]);
    let (items, ready) = (printed.all("item"), printed.all("initializer: loads model.bin"));
    assert_eq!(items.len(), 8);
    assert!(items.iter().all(|line| !line.text.contains("task 3")), "{}", printed.text());
    assert!(pids(&items).len() >= 4 && pids(&items).is_subset(&pids(&ready)), "{}", printed.text());
    assert_eq!(pids(&ready).len(), ready.len(), "once in each worker\n{}", printed.text());
    let summary = format!("8 tasks were done by {} processes", pids(&items).len());
    printed.one(&summary);
}

fn true_parallelism() {
    let printed = run("true_parallelism", &["--count", "100000", "--workers", "2"]);
    for way in ["serial", "threads", "processes"] {
        printed.one(&format!("{way}: 100000 in "));
    }
    let all = printed.all("counted");
    assert_eq!(all.len(), 6);
    let here = printed.one("serial").pid;
    assert!(all[..4].iter().all(|line| line.pid == here), "{}", printed.text());
    assert!(all[4..].iter().all(|line| line.pid != here), "{}", printed.text());
}

fn untrusted() {
    let printed = run("untrusted", &[]);
    printed.one("good.txt: 2 brackets");
    let deep = printed.one("deep.txt: the parser failed: item 1: the worker died: signal ");
    assert!(deep.text.contains("its stack overflowed"), "{}", deep.text);
    printed.one("loop.txt: the parser failed: item 2: timed out: ");
    printed.one("bomb.txt: the parser failed: item 3: the worker died: signal 6 (SIGABRT)");
    printed.one("open.txt: the parser says: 2 brackets are opened and 1 closed");
    printed.one("lock.txt: 0 brackets");
    printed.one("last.txt: 4 brackets");
    // The first try, and the other.
    for (file, tries) in [("good", 1), ("deep", 2), ("loop", 1), ("bomb", 2), ("lock", 2), ("last", 1)] {
        let lines = printed.all(&format!("parses {file}.txt"));
        assert_eq!((lines.len(), pids(&lines).len()), (tries, tries), "{file} in\n{}", printed.text());
    }
}
