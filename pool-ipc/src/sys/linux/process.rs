//! Children: posix_spawn(3) of the open image of this program, pidfd_open(2), waitid(2).

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::{beside_streams, check, retry};
use crate::child::Ended;

/// The running program, whatever has become of its file.
const IMAGE: &std::ffi::CStr = c"/proc/self/exe";

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
    for (name, value) in std::env::vars_os().filter(|(name, _)| name != marker.0) {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        environment.push(CString::new(entry).map_err(invalid)?);
    }
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

/// Waits until the child has ended, `timeout` is over, or a signal came; `true`: it has ended.
pub(crate) fn wait(handle: BorrowedFd<'_>, timeout: Option<Duration>) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: handle.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // Rounded up: waking just before a deadline would be a busy loop.
    let milliseconds = timeout
        .map_or(-1, |timeout| timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX));
    // SAFETY: one valid pollfd.
    match check(unsafe { libc::poll(&mut poll, 1, milliseconds) }) {
        Ok(count) => Ok(count > 0),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(false),
        Err(error) => Err(error),
    }
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
