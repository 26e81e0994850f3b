//! Processes as the kernel shows them. The only `unsafe` of the tests is here.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

pub(crate) const SIGKILL: i32 = libc::SIGKILL;
pub(crate) const SIGTERM: i32 = libc::SIGTERM;
pub(crate) const SIGABRT: i32 = libc::SIGABRT;
pub(crate) const SIGSEGV: i32 = libc::SIGSEGV;
pub(crate) const SIGCONT: i32 = libc::SIGCONT;
pub(crate) const SIGSTOP: i32 = libc::SIGSTOP;

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

/// How much memory of this process is resident, in bytes.
pub(crate) fn resident() -> u64 {
    status("VmRSS:")
}

/// The most that it ever was.
pub(crate) fn peak_resident() -> u64 {
    status("VmHWM:")
}

/// From here on.
pub(crate) fn reset_peak_resident() {
    fs::write("/proc/self/clear_refs", "5").expect("a kernel that resets the peak");
}

fn status(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("the state of this process");
    let line = text.lines().find_map(|line| line.strip_prefix(field)).expect(field);
    line.trim().trim_end_matches(" kB").parse::<u64>().expect(field) << 10
}

/// Lets this process map no more than `room` bytes beyond what it has.
pub(crate) fn limit_memory(room: u64) {
    let pages: u64 = fs::read_to_string("/proc/self/statm")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .expect("the size of this process");
    // SAFETY: sysconf takes a number.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    set_limit(libc::RLIMIT_AS, pages * page + room);
}

/// Lets this process map what it likes again, where the hard limit allows it.
pub(crate) fn unlimit_memory() {
    set_limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
}

/// Lets this process have at most `count` descriptors open.
pub(crate) fn limit_descriptors(count: u64) {
    set_limit(libc::RLIMIT_NOFILE, count);
}

/// Sets a soft limit, as far as the hard one allows.
fn set_limit(resource: libc::__rlimit_resource_t, limit: libc::rlim_t) {
    let mut both = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointers are to a live rlimit.
    unsafe {
        libc::getrlimit(resource, &mut both);
        both.rlim_cur = limit.min(both.rlim_max);
        libc::setrlimit(resource, &both);
    }
}

/// Touches memory that may not be touched.
pub(crate) fn violate_memory() {
    // SAFETY: a fresh mapping that nothing else knows of. That the write faults is what is wanted.
    unsafe {
        let nothing = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let page = libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, nothing, -1, 0);
        page.cast::<u8>().write_volatile(1);
    }
}

/// Sets a variable of the environment, for programs that this one starts.
pub(crate) fn set_environment(name: &str, value: &str) {
    // SAFETY: in the tests nobody reads the environment past std, which has a lock for it.
    unsafe { std::env::set_var(name, value) };
}

/// Whether the descriptor is readable, or becomes so within `timeout`.
pub(crate) fn is_readable(descriptor: BorrowedFd<'_>, timeout: Duration) -> bool {
    let mut poll = libc::pollfd { fd: descriptor.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid pollfd, for the time of the call.
    unsafe { libc::poll(&mut poll, 1, timeout.as_millis() as i32) == 1 }
}

/// Closes a descriptor that nobody here owns: a standard stream.
pub(crate) fn close(descriptor: i32) {
    assert!((0..=2).contains(&descriptor));
    // SAFETY: std does not mind a standard stream that is closed.
    unsafe { libc::close(descriptor) };
}

/// The system's ids of this process's threads; that of the main one is the process's.
pub(crate) fn threads() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").expect("the list of threads").flatten();
    threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()).collect()
}

/// Runs `body` on this thread, and sends the thread signals until `body` waits and has been disturbed; then calls
/// `release`. Returns how many signals it was.
pub(crate) fn disturb(body: impl FnOnce(), release: impl FnOnce() + Send) -> usize {
    extern "C" fn count(_: libc::c_int) {
        SIGNALS.fetch_add(1, Relaxed);
    }
    static SIGNALS: AtomicUsize = AtomicUsize::new(0);
    // SAFETY: the handler only adds to an atomic; without SA_RESTART a call that waits is interrupted. The
    // thread that the signals are sent to is here until `scope` ends.
    let this = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = count as *const () as usize;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut());
        libc::pthread_self()
    };
    let before = SIGNALS.load(Relaxed);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..50 {
                let seen = SIGNALS.load(Relaxed);
                // SAFETY: as above.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                while SIGNALS.load(Relaxed) == seen {
                    std::thread::yield_now();
                }
            }
            release();
        });
        body();
    });
    SIGNALS.load(Relaxed) - before
}

/// Lets a debugger that we start attach to us, where the system restricts that to ancestors.
pub(super) fn allow_debuggers() {
    #[cfg(target_os = "linux")]
    // SAFETY: PR_SET_PTRACER takes numbers and touches no memory.
    unsafe {
        libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0)
    };
}

/// The children of this process, zombies included, but for the fork server and the child that it has ready for the
/// next birth.
pub(crate) fn children() -> Vec<u32> {
    let mut children = all_children();
    children.retain(|pid| !is_fork_server(*pid) && !is_spare(*pid));
    children
}

/// The children of this process, zombies included.
pub(crate) fn all_children() -> Vec<u32> {
    children_of(std::process::id())
}

/// The same file by a number of at least `least`.
pub(crate) fn duplicate(file: &fs::File, least: i32) -> fs::File {
    use std::os::fd::{AsRawFd, FromRawFd};
    // SAFETY: a plain fcntl; the new descriptor is owned by nobody else.
    unsafe {
        let number = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, least);
        assert!(number >= least, "a descriptor");
        fs::File::from_raw_fd(number)
    }
}

pub(crate) fn is_fork_server(pid: u32) -> bool {
    is_named(pid, "pool-fork-serve")
}

/// A child of the fork server that waits for the next birth.
pub(crate) fn is_spare(pid: u32) -> bool {
    is_named(pid, "pool-spare")
}

fn is_named(pid: u32, name: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|own| own.trim() == name)
}

pub(crate) fn children_of(pid: u32) -> Vec<u32> {
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

/// Whether the process was stopped by a signal.
pub(crate) fn is_stopped(pid: u32) -> bool {
    state(&format!("/proc/{pid}/stat")) == Some('T')
}

/// This thread, as the kernel calls it.
pub(crate) fn own_thread() -> PathBuf {
    fs::read_link("/proc/thread-self").map(|path| Path::new("/proc").join(path)).expect("a thread")
}

pub(crate) fn is_thread_asleep(thread: &Path) -> bool {
    state(&thread.join("stat").to_string_lossy()) == Some('S')
}

/// Whether no thread of the process runs.
pub(crate) fn is_asleep(pid: u32) -> bool {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.flatten().all(|task| state(&task.path().join("stat").to_string_lossy()) == Some('S'))
}
