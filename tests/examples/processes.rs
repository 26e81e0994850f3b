//! Examples of single processes, and of how they begin and end.

use crate::printed::{pids, run};

crate::alone!(process, processes, start_methods, zombies_and_orphans);

fn process() {
    let printed = run("process", &[]);
    let lines: Vec<_> = printed.text().lines().collect();
    assert_eq!(lines[0], "Process-1 says 2432902008176640000");
    assert!(lines[1].starts_with("the process ended without a result: signal 6 (SIGABRT) (Process-2, pid "));
    assert!(lines[1].ends_with("; exit code Some(-6)"), "{}", lines[1]);
    assert!(lines[2].starts_with("server with id ") && lines[2].ends_with(" speaking"), "{}", lines[2]);
}

fn processes() {
    let printed = run("processes", &[]);
    let main = printed.one("0 children are left").pid;
    for (name, deed, code) in
        [("Ann", "returns", 0), ("Ben", "panics", 101), ("Cem", "exits", 3), ("Dot", "aborts", -6)]
    {
        let child = printed.one(&format!("is {name}, child of {main}, and {deed}"));
        assert_eq!(child.who, name);
        assert_ne!(child.pid, main);
        printed.one(&format!("started {name}, pid {}, exit code", child.pid));
        printed.one(&format!("{name} ended with Some({code})"));
    }
    printed.one("Ann ended with Some(0): returns well");
    printed.one("Eva: timed out: the process has not ended within 200ms");
    printed.one("Eva ended with Some(-15): the process ended without a result: signal 15 (SIGTERM)");
}

fn start_methods() {
    let printed = run("start_methods", &[]);
    printed.one("the program: the rate is 7");
    printed.one("Spawn: the rate is 1");
    printed.one("ForkServer: the rate is 1");
    printed.one("Fork: the rate is 7");
    assert_eq!(pids(&printed.all("")).len(), 4);
}

fn zombies_and_orphans() {
    let printed = run("zombies_and_orphans", &[]);
    let main = printed.one("the child ").pid;
    assert!(printed.one("the child ").text.ends_with(&format!("state and parent: Z {main}; a zombie")));
    printed.one("the program has asked how; state and parent: none; it is gone");
    let orphan =
        printed.all("").into_iter().find(|line| line.text.ends_with("; an orphan")).expect("an orphan");
    assert!(!orphan.text.contains(&format!(" {main};")), "{}", orphan.text);
    let worker = printed.one("the worker died: exit status 3");
    assert!(worker.text.ends_with("state and parent: none; no zombie"), "{}", worker.text);
    assert!(printed.one("it was killed; ").text.ends_with("its workers have ended: no orphans"));
}
