//! Which core this thread is on, and leaving it.

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
