//! What a fresh worker does before anything else, because std's own start-up has not run.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering::*};

use super::check;

/// Settles a fresh child: it ignores a closed pipe, leaves the terminal's Ctrl-C to its parent, blocks no
/// signal, and if asked, and only then, dies with the thread that started it. Returns `false` when `parent` is gone
/// already.
pub(crate) fn settle_in(parent: u32, dies_with_starter: bool) -> io::Result<bool> {
    // SAFETY: plain system calls with scalar arguments, but for two that are given a valid signal set or
    // action. Dispositions are set before the process has a second thread. A handler that does nothing,
    // unlike ignoring, is not passed on to programs that a task starts.
    unsafe {
        check(libc::prctl(libc::PR_SET_PDEATHSIG, if dies_with_starter { libc::SIGKILL } else { 0 }))?;
        // The parent may have died before the call above.
        if dies_with_starter && libc::getppid() as u32 != parent {
            return Ok(false);
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        check(libc::sigaction(libc::SIGINT, &action, std::ptr::null_mut()))?;
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        check(libc::sigprocmask(libc::SIG_SETMASK, &none, std::ptr::null_mut()))?;
    }
    Ok(true)
}

/// Has this process die with the thread that started it, until it [settles in](settle_in).
pub(crate) fn die_with_starter() -> io::Result<()> {
    // SAFETY: a plain system call with scalar arguments.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

extern "C" fn nothing(_: libc::c_int) {}

/// Gives this process the standard streams that it was born without: std's start-up would have. What it opens
/// next does not become one by accident then.
pub(crate) fn open_streams() {
    for stream in 0..=2 {
        // SAFETY: plain system calls with a constant path. The lowest free number is what open(2) gives.
        unsafe {
            if libc::fcntl(stream, libc::F_GETFD) == -1 {
                libc::open(c"/dev/null".as_ptr(), libc::O_RDWR);
            }
        }
    }
}

/// Closes what a library opened without close-on-exec in the parent: all but the standard descriptors
/// and `line`, which is passed on to no program.
pub(crate) fn close_all_but(line: &impl AsFd) {
    let line = line.as_fd().as_raw_fd();
    let (below, above) = ((3, line - 1), (line + 1, libc::c_int::MAX));
    // SAFETY: nothing of ours lives on these descriptors; the process is seconds old and has run
    // no task. The flag is set on a descriptor that we own.
    unsafe {
        for (first, last) in [below, above] {
            if first <= last {
                libc::syscall(libc::SYS_close_range, first, last, 0);
            }
        }
        libc::fcntl(line, libc::F_SETFD, libc::FD_CLOEXEC);
    }
}

/// In a fork: closes this library's descriptors but `line`, and forgets whose stack was looked after.
pub(crate) fn close_own(own: &mut BTreeSet<RawFd>, line: BorrowedFd<'_>) {
    NOTE.store(std::ptr::null_mut(), Relaxed);
    own.retain(|own| {
        let keep = *own == line.as_raw_fd();
        if !keep {
            // SAFETY: it is the copy of a descriptor whose owner, in this copy of the memory, is never used.
            unsafe { libc::close(*own) };
        }
        keep
    });
}

/// In a fork: has a socket whose other end is gone in the place of each of these.
pub(crate) fn deaden(descriptors: &BTreeSet<RawFd>) {
    if descriptors.is_empty() {
        return;
    }
    // Without a descriptor to spare they stay what they are.
    let Ok((dead, _)) = super::socket::stream_pair() else { return };
    for descriptor in descriptors {
        // SAFETY: the owner in this copy of the memory goes on owning the number, behind which is another socket now.
        unsafe { libc::dup3(dead.as_raw_fd(), *descriptor, libc::O_CLOEXEC) };
    }
}

/// The guard area of the task thread's stack, for the handler.
static GUARD: (AtomicUsize, AtomicUsize) = (AtomicUsize::new(0), AtomicUsize::new(0));
/// Where the handler notes a stack overflow for the parent to read.
static NOTE: AtomicPtr<AtomicU32> = AtomicPtr::new(std::ptr::null_mut());

/// Makes an overflow of this thread's stack be reported: on standard error as std does, and in
/// `note`, which must stay valid for as long as the process lives.
pub(crate) fn report_stack_overflow(note: &'static AtomicU32) -> io::Result<()> {
    // SAFETY: the attributes are initialised by pthread_getattr_np before they are read and destroyed
    // once; the alternate stack is a fresh mapping that is never unmapped.
    unsafe {
        let mut attributes: libc::pthread_attr_t = std::mem::zeroed();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return Err(io::Error::last_os_error());
        }
        let (mut low, mut size, mut guard) = (std::ptr::null_mut(), 0, 0);
        libc::pthread_attr_getstack(&attributes, &mut low, &mut size);
        libc::pthread_attr_getguardsize(&attributes, &mut guard);
        libc::pthread_attr_destroy(&mut attributes);
        // C libraries differ in whether the guard is counted as part of the stack: both sides of its
        // end are taken for it, as std does.
        GUARD.0.store((low as usize).saturating_sub(guard), Relaxed);
        GUARD.1.store(low as usize + guard, Relaxed);
        // ORDERING: Release for GUARD and the note; pairs with the load in `on_fault`.
        NOTE.store(std::ptr::from_ref(note).cast_mut(), Release);

        let stack = libc::mmap(
            std::ptr::null_mut(),
            HANDLER_STACK,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        if stack == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let alternate = libc::stack_t { ss_sp: stack, ss_flags: 0, ss_size: HANDLER_STACK };
        check(libc::sigaltstack(&alternate, std::ptr::null_mut()))?;
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            check(libc::sigaction(signal, &action, std::ptr::null_mut()))?;
        }
    }
    Ok(())
}

const HANDLER_STACK: usize = 64 << 10;

/// Runs on the alternate stack. Only async-signal-safe calls.
extern "C" fn on_fault(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a valid siginfo_t for SA_SIGINFO; SIGSEGV and SIGBUS fill si_addr.
    let address = unsafe { (*info).si_addr() } as usize;
    if (GUARD.0.load(Relaxed)..GUARD.1.load(Relaxed)).contains(&address) {
        // SAFETY: `report_stack_overflow` stored a pointer that is valid for ever. write(2) of a
        // constant and abort(3) are async-signal-safe.
        unsafe {
            // ORDERING: pairs with the store in `report_stack_overflow`; the note's with `stack_overflowed`.
            if let Some(note) = NOTE.load(Acquire).as_ref() {
                note.store(1, Release);
            }
            let text = "\npool: the stack overflowed; the process aborts\n";
            libc::write(2, text.as_ptr().cast(), text.len());
            libc::abort();
        }
    }
    // Not ours: the default action takes the process as soon as this handler returns.
    // SAFETY: both calls are async-signal-safe.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Leaves the process at once, without exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}
