//! Children: posix_spawn(3) of the open image of this program, pidfd_open(2), waitid(2).

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use super::{beside_streams, check, retry};
use crate::child::Ended;
use crate::own::{self, NoFork};

/// The running program, whatever has become of its file.
const IMAGE: &CStr = c"/proc/self/exe";

/// Starts this program again with the arguments it has, the environment it has plus `marker`, and of
/// its descriptors only the standard ones and `inherited` (by the same numbers).
///
/// posix_spawn shares the address space until the child has executed, so the cost does not grow with
/// the size of this process.
pub(crate) fn spawn_self(marker: (&str, String), inherited: &[BorrowedFd<'_>]) -> io::Result<u32> {
    let invalid = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let arguments = std::env::args_os().map(|argument| CString::new(argument.into_vec()).map_err(invalid));
    let mut arguments = arguments.collect::<io::Result<Vec<_>>>()?;
    if arguments.is_empty() {
        arguments.push(IMAGE.to_owned());
    }
    let mut environment = Vec::new();
    let reading = NoFork::begin();
    for (name, value) in std::env::vars_os().filter(|(name, _)| name != marker.0) {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        environment.push(CString::new(entry).map_err(invalid)?);
    }
    drop(reading);
    environment.push(CString::new(format!("{}={}", marker.0, marker.1)).map_err(io::Error::from)?);

    let mut actions = FileActions::new()?;
    for descriptor in inherited {
        actions.keep(descriptor)?;
    }
    let attributes = Attributes::new()?;
    let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
        strings.iter().map(|string| string.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
    };
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    let mut pid = 0;
    // SAFETY: the path and both arrays are null-terminated and outlive the call; the actions and the
    // attributes are initialised. posix_spawn does not write through argv and envp.
    let error = unsafe {
        libc::posix_spawn(&mut pid, IMAGE.as_ptr(), &actions.0, &attributes.0, argv.as_ptr(), envp.as_ptr())
    };
    if error != 0 { Err(io::Error::from_raw_os_error(error)) } else { Ok(pid as u32) }
}

struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<FileActions> {
        // SAFETY: all-zero is a valid place for `init` to write to; it is used only if that succeeds.
        unsafe {
            let mut actions = std::mem::zeroed();
            match libc::posix_spawn_file_actions_init(&mut actions) {
                0 => Ok(FileActions(actions)),
                error => Err(io::Error::from_raw_os_error(error)),
            }
        }
    }

    /// A dup2 onto itself clears close-on-exec in the child and nowhere else.
    fn keep(&mut self, descriptor: &BorrowedFd<'_>) -> io::Result<()> {
        let raw = descriptor.as_raw_fd();
        // SAFETY: `self.0` is initialised.
        match unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, raw, raw) } {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

/// A child starts with no signal blocked, whatever the starting thread blocks.
struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    fn new() -> io::Result<Attributes> {
        // SAFETY: `init` writes the attributes before they are used; the signal set is emptied before
        // it is passed.
        unsafe {
            let mut attributes = std::mem::zeroed();
            match libc::posix_spawnattr_init(&mut attributes) {
                0 => {}
                error => return Err(io::Error::from_raw_os_error(error)),
            }
            let mut attributes = Attributes(attributes);
            let mut none = std::mem::zeroed();
            libc::sigemptyset(&mut none);
            libc::posix_spawnattr_setsigmask(&mut attributes.0, &none);
            libc::posix_spawnattr_setflags(&mut attributes.0, libc::POSIX_SPAWN_SETSIGMASK as libc::c_short);
            Ok(attributes)
        }
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

/// A handle that names this child for ever, whatever becomes of its id. Readable once it has ended.
pub(crate) fn open_handle(pid: u32) -> io::Result<OwnedFd> {
    // SAFETY: a plain system call; the result is checked and owned.
    let handle = unsafe {
        let handle = libc::syscall(libc::SYS_pidfd_open, pid as libc::pid_t, 0) as libc::c_int;
        OwnedFd::from_raw_fd(check(handle)?)
    };
    beside_streams(handle)
}

/// Ends and reaps a child of this process that has no handle.
pub(crate) fn abandon(pid: u32) {
    // SAFETY: plain system calls. The child was not reaped, so its id is still its own.
    unsafe {
        libc::kill(pid as libc::pid_t, libc::SIGKILL);
        let _ = retry(|| libc::waitpid(pid as libc::pid_t, std::ptr::null_mut(), 0));
    }
}

pub(crate) const KILL: i32 = libc::SIGKILL;
pub(crate) const TERMINATE: i32 = libc::SIGTERM;

/// Sends a signal. A child that has ended and was not reaped takes it without effect.
pub(crate) fn signal(handle: BorrowedFd<'_>, number: i32) -> io::Result<()> {
    // SAFETY: a plain system call on a descriptor we own; a null siginfo is allowed.
    let result = unsafe {
        let info = std::ptr::null::<libc::siginfo_t>();
        libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), number, info, 0)
    };
    check(result as libc::c_int).map(drop)
}

/// Reaps this child and no other. `None`: it has not ended. A child that somebody else reaped, or
/// that the system reaps because the program ignores SIGCHLD, has ended in a way nobody can tell.
pub(crate) fn reap(handle: BorrowedFd<'_>) -> Option<Ended> {
    // SAFETY: all-zero is a valid siginfo_t; waitid fills it.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let waited = retry(|| {
        let flags = libc::WEXITED | libc::WNOHANG;
        // SAFETY: `info` is valid for writing.
        unsafe { libc::waitid(libc::P_PIDFD, handle.as_raw_fd() as libc::id_t, &mut info, flags) }
    });
    if waited.is_err() {
        return Some(Ended::Unknown);
    }
    // SAFETY: after waitid these fields are the ones it fills; all-zero if no child has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    match info.si_code {
        _ if pid == 0 => None,
        libc::CLD_EXITED => Some(Ended::Code(status)),
        _ => Some(Ended::Signal(status)),
    }
}

/// The resident size of a child that has not been reaped, in bytes: proc_pid_statm(5).
pub(crate) fn resident_bytes(pid: u32) -> io::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    // SAFETY: sysconf has no preconditions.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Ok(pages * u64::try_from(page).unwrap_or(4096))
}

/// This thread's id.
pub(crate) fn thread_id() -> u32 {
    // SAFETY: a plain system call that cannot fail.
    unsafe { libc::syscall(libc::SYS_gettid) as u32 }
}

/// When this thread, or the first one of this process, started, in ticks since the system did: proc_pid_stat(5).
/// `None`: it has ended, reaped or not. An error: the system does not say.
pub(crate) fn started(id: u32) -> io::Result<Option<u64>> {
    let text = match std::fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(text) => text,
        // It went between the opening and the reading.
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return if std::fs::exists("/proc/self/stat")? { Ok(None) } else { Err(error) };
        }
        Err(error) => return Err(error),
    };
    // The name, which may be anything, is in brackets; then come the state and, 19 fields further, the time.
    let mut fields = text.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
    let state = fields.next().unwrap_or_default();
    if ["Z", "X", "x"].contains(&state) {
        return Ok(None);
    }
    let started = fields.nth(18).and_then(|ticks| ticks.parse().ok());
    started.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Whether there is such a thread or process, ended and not reaped ones included.
pub(crate) fn exists(id: u32) -> bool {
    // SAFETY: signal 0 is none: a plain question.
    let missing = unsafe { libc::kill(id as libc::pid_t, 0) } != 0;
    !missing || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// fork(3): with the handlers that libraries registered for it. `None` in the child.
pub(crate) fn fork() -> io::Result<Option<u32>> {
    // SAFETY: the caller sees to it that the child runs no code that needs another thread.
    let pid = check(unsafe { libc::fork() })?;
    Ok((pid != 0).then_some(pid as u32))
}

/// Forks a child that is a sibling of this process, which has one thread. Its pid is in `born` before it
/// runs. `None` in the child.
pub(crate) fn fork_sibling(born: &AtomicU32) -> io::Result<Option<()>> {
    let flags = libc::CLONE_PARENT | libc::CLONE_PARENT_SETTID | libc::SIGCHLD;
    let own = OwnTid::ask();
    let (flags, own_tid) = match own.at {
        Some(at) => (flags | libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID, at),
        None => (flags, 0),
    };
    // SAFETY: without CLONE_VM this is a fork; the child goes on with this stack in a copy of the memory. The
    // kernel writes the pid to `born`, and to the place in the child where its C library keeps it.
    let pid = unsafe {
        #[cfg(target_arch = "x86_64")]
        let last = [own_tid, 0];
        #[cfg(not(target_arch = "x86_64"))]
        let last = [0, own_tid];
        libc::syscall(libc::SYS_clone, flags as libc::c_ulong, 0usize, born.as_ptr(), last[0], last[1])
    };
    let pid = check(pid as libc::c_int)?;
    if pid == 0 {
        own.restore_robust_list();
    }
    Ok((pid != 0).then_some(()))
}

/// What the C library's own fork does in the child, and a bare system call does not.
struct OwnTid {
    /// Where the library keeps the id of this thread.
    at: Option<usize>,
    /// The list of locks that the kernel releases when the thread dies.
    robust: (usize, usize),
}

impl OwnTid {
    fn ask() -> OwnTid {
        let (mut at, mut robust) = (0usize, (0usize, 0usize));
        // SAFETY: plain system calls that write one word to each of the places given.
        unsafe {
            // In musl the place is a lock and no id, and what musl does with an old id is right anyway.
            if cfg!(target_env = "musl") || libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut at) != 0 {
                at = 0;
            }
            let failed =
                libc::syscall(libc::SYS_get_robust_list, 0, &raw mut robust.0, &raw mut robust.1) != 0;
            if failed {
                robust = (0, 0);
            }
        }
        OwnTid { at: (at != 0).then_some(at), robust }
    }

    fn restore_robust_list(&self) {
        if self.robust.0 != 0 {
            // SAFETY: the same list at the same place, in the copy of the memory.
            unsafe { libc::syscall(libc::SYS_set_robust_list, self.robust.0, self.robust.1) };
        }
    }
}

/// Gives this thread a name, for those who list processes, and returns the one it had.
pub(crate) fn rename(name: &CStr) -> CString {
    let mut old = [0u8; 17];
    // SAFETY: the first call writes 16 bytes, the second reads a C string.
    unsafe {
        libc::prctl(libc::PR_GET_NAME, old.as_mut_ptr());
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
    }
    CStr::from_bytes_until_nul(&old).unwrap_or_default().to_owned()
}

/// How many threads this process has; `None` where the system does not say.
pub(crate) fn count_threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}

/// An error when there are threads besides one and this library's own.
pub(crate) fn no_foreign_threads() -> io::Result<()> {
    // A thread that was joined is on the system's list for a moment more.
    const MOMENT: Duration = Duration::from_millis(50);
    let start = Instant::now();
    loop {
        let foreign = count_threads().map(|count| count.saturating_sub(own::threads() + 1));
        match foreign {
            Some(0) => return Ok(()),
            Some(_) if start.elapsed() < MOMENT => std::thread::sleep(Duration::from_millis(1)),
            _ => {
                let text = match foreign {
                    Some(count) => format!(
                        "this program has other threads ({count}), whose locks would stay locked in a fork for \
                         ever; fork before they start, use StartMethod::Spawn or ForkServer, or allow it with \
                         `allow_fork_with_threads(true)`"
                    ),
                    None => "the system does not say which threads there are (no /proc?)".to_owned(),
                };
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            }
        }
    }
}
