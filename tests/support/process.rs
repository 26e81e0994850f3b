//! Processes as the kernel shows them. The only `unsafe` of the tests is here.

use std::fs;

pub(crate) const SIGKILL: i32 = libc::SIGKILL;
pub(crate) const SIGABRT: i32 = libc::SIGABRT;
pub(crate) const SIGSEGV: i32 = libc::SIGSEGV;

/// Sends a signal.
pub(crate) fn kill(pid: u32, signal: i32) {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1).expect("the id of one process");
    // SAFETY: kill(2) takes two numbers and touches no memory; the id is that of one process.
    unsafe { libc::kill(pid, signal) };
}

/// Deaths by signal leave no core file in the folder of the sources. Workers inherit it.
pub(crate) fn no_core_files() {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit, which the call only reads.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) };
}

/// Lets a debugger that we start attach to us, where the system restricts that to ancestors.
pub(super) fn allow_debuggers() {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_PTRACER takes numbers and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0)
    };
}

/// The children of this process, zombies included.
pub(crate) fn children() -> Vec<u32> {
    children_of(std::process::id())
}

fn children_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = tasks.flatten().map(|task| fs::read_to_string(task.path().join("children")));
    let mut children: Vec<u32> = lists
        .flatten()
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect();
    children.sort_unstable();
    children
}

/// Children, their children, and so on.
pub(crate) fn descendants(pid: u32) -> Vec<u32> {
    let mut all = children_of(pid);
    let mut next = 0;
    while next < all.len() {
        all.extend(children_of(all[next]));
        next += 1;
    }
    all
}

/// The letter in which the kernel gives a task's state.
fn state(stat: &str) -> Option<char> {
    // The name, in parentheses, may contain anything.
    let text = fs::read_to_string(stat).ok()?;
    text.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
}

/// Whether the process is there and no zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    !matches!(state(&format!("/proc/{pid}/stat")), None | Some('Z' | 'X'))
}

/// Whether no thread of the process runs.
pub(crate) fn is_asleep(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.flatten().all(|task| state(&task.path().join("stat").to_string_lossy()) == Some('S'))
}
