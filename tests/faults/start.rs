//! Workers that do not come up: a constructor of this program goes wrong in them.

use std::ffi::{c_char, c_int};
use std::fs::File;

use pool::{ErrorKind, Pool, StartMethod};

use crate::fault::Fault;
use crate::stages::{assert_well, company, pids};
use crate::support::{
    Census, SIGCONT, SIGSTOP, Scratch, children, eventually, is_stopped, kill, pool_of, set_environment,
};

/// Which fault a worker commits as it starts, by its place in the list, and a file: once it is there, no
/// other worker does. Programs that have the variable from their start are workers.
const AT_START: &str = "POOL_TEST_FAULT_AT_START";

type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

#[used]
// SAFETY: the section holds pointers to functions of this type, which the loader calls once each.
#[unsafe(link_section = ".init_array")]
static ON_LOAD: Constructor = on_load;

extern "C" fn on_load(_: c_int, _: *const *const c_char, _: *const *const c_char) {
    let Ok(text) = std::env::var(AT_START) else { return };
    let Some((number, file)) = text.split_once(':') else { return };
    if file.is_empty() || File::create_new(file).is_ok() {
        let fault = number.parse().ok().and_then(|number: usize| Fault::ALL.get(number));
        match fault {
            // It may be let go on.
            Some(Fault::Stop) => kill(std::process::id(), SIGSTOP),
            Some(fault) => fault.commit(),
            None => {}
        }
    }
}

fn set(fault: Fault, file: &str) {
    let number = Fault::ALL.iter().position(|one| *one == fault).unwrap();
    set_environment(AT_START, &format!("{number}:{file}"));
}

/// The first worker dies as it starts; another takes its seat, and nothing is lost.
pub(crate) fn one_birth_fails(fault: Fault, method: StartMethod) {
    let scratch = Scratch::new();
    let died = scratch.path().join("died");
    set(fault, died.to_str().unwrap());
    let pool = pool_of(method, 2);
    assert_well(company(&pool, 20));
    let workers = pids(&pool);
    assert!(died.exists());
    Census::settled();
    assert_eq!(children(), workers, "no zombie, and nobody else");
}

/// The first worker is stopped as it starts, and let go on when the other has done what it could.
pub(crate) fn one_birth_is_late(fault: Fault, method: StartMethod) {
    let scratch = Scratch::new();
    let stopped = scratch.path().join("stopped");
    set(fault, stopped.to_str().unwrap());
    let pool = pool_of(method, 2);
    let company = company(&pool, 20);
    eventually("a worker was stopped", || children().into_iter().any(is_stopped));
    let late = children().into_iter().find(|pid| is_stopped(*pid)).unwrap();
    eventually("the other did the rest", || company.iter().filter(|handle| !handle.ready()).count() <= 1);
    kill(late, SIGCONT);
    assert_well(company);
    assert!(pids(&pool).contains(&late));
    // And one that is never let go on is no trouble at the end.
    std::fs::remove_file(stopped).unwrap();
    let pool = pool_of(method, 2);
    eventually("a worker was stopped", || children().into_iter().any(is_stopped));
    drop(pool);
}

/// Every worker dies as it starts: the pool says that it is broken, and starts no more.
pub(crate) fn every_birth_fails(fault: Fault, method: StartMethod) {
    set(fault, "");
    let pool = pool_of(method, 2);
    for handle in company(&pool, 20) {
        let error = handle.get().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Broken, "{error}");
        assert!(error.to_string().contains("die as they start"), "{error}");
    }
    assert_eq!(pool.apply(|x: u64| x, 1).unwrap_err().kind(), ErrorKind::Broken);
    // One more may have been on its way when the pool had enough.
    eventually("no worker was left", || children().is_empty());
    pool.close();
    pool.join().unwrap();
}
