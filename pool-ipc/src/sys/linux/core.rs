//! Which core this thread is on, and leaving it.

use std::sync::Mutex;

/// The core that this thread runs on now; `None` where the system does not say.
pub fn current_core() -> Option<u16> {
    // SAFETY: no preconditions.
    u16::try_from(unsafe { libc::sched_getcpu() }).ok().filter(|core| *core != NO_CORE)
}

/// A core that nobody is on.
pub(crate) const NO_CORE: u16 = u16::MAX;

/// How many cores this thread may run on; 1 where the system does not say.
pub(crate) fn allowed_cores() -> u32 {
    // SAFETY: all-zero is a valid empty set; the kernel fills it, and is told its size.
    unsafe {
        let mut all: libc::cpu_set_t = std::mem::zeroed();
        match libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut all) {
            0 => libc::CPU_COUNT(&all).try_into().unwrap_or(1),
            _ => 1,
        }
    }
}

/// Moves this thread to another of the cores that it may use, and leaves it free to move again: for a
/// moment `core` is not among them. Returns `false` when there is no other.
pub(crate) fn leave_core(core: u16) -> bool {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: all-zero is a valid empty set; the kernel fills it, and is passed sets of the right size.
    // CPU_CLR ignores a core beyond the set.
    unsafe {
        let mut all: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size, &mut all) != 0 || libc::CPU_COUNT(&all) < 2 {
            return false;
        }
        let mut others = all;
        if usize::from(core) < 8 * size {
            libc::CPU_CLR(usize::from(core), &mut others);
        }
        let moved = libc::sched_setaffinity(0, size, &others) == 0;
        libc::sched_setaffinity(0, size, &all);
        moved
    }
}

/// Where this process may run, if it is one that can be [brought](bring) to one core.
static HOME: Mutex<Option<libc::cpu_set_t>> = Mutex::new(None);

/// Remembers where this process, which has one thread, may run: a child of it is going to be brought to some core.
pub(crate) fn remember_home() {
    // SAFETY: as in `allowed_cores`.
    let home = unsafe {
        let mut home: libc::cpu_set_t = std::mem::zeroed();
        let known = libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut home) == 0;
        known.then_some(home)
    };
    *HOME.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = home;
}

/// It runs where it was told to, and has no other home.
pub(crate) fn forget_home() {
    *HOME.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
}

/// Has a child that sleeps wake on this thread's core (`here`), for a thread that is about to sleep itself; or on any
/// other that it may use. Its threads [roam](roam) again when they are there.
pub(crate) fn bring(pid: u32, here: bool) {
    let Some(core) = current_core() else { return };
    let (pid, size) = (pid as libc::pid_t, size_of::<libc::cpu_set_t>());
    if usize::from(core) >= 8 * size {
        return;
    }
    // SAFETY: as in `leave_core`; CPU_SET is given a core inside the set. If it fails, the child wakes elsewhere.
    unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        // What cannot be known, the child does not remember.
        if libc::sched_getaffinity(pid, size, &mut cores) != 0 {
            return;
        }
        if here {
            libc::CPU_ZERO(&mut cores);
            libc::CPU_SET(usize::from(core), &mut cores);
        } else {
            libc::CPU_CLR(usize::from(core), &mut cores);
        }
        libc::sched_setaffinity(pid, size, &cores);
    }
}

/// Lets this thread run wherever its process may.
pub fn roam() {
    let home = *HOME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(home) = home {
        // SAFETY: the set was filled by the kernel.
        unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &home) };
    }
}
