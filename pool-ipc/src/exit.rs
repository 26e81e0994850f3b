//! The end of this process: what runs when it exits normally.

use std::io;
use std::sync::Mutex;

use crate::sys::exit;

/// What to call at the end, once it is asked for.
static AT_END: Mutex<Option<fn()>> = Mutex::new(None);

/// Has `run` called, once, when this process returns from `main` or calls `exit`; a second call changes
/// nothing. A forked child has it from its parent.
///
/// # Errors
/// The system refuses.
pub fn at_exit(run: fn()) -> io::Result<()> {
    let mut at_end = AT_END.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if at_end.is_none() {
        exit::at_exit(end)?;
        *at_end = Some(run);
    }
    Ok(())
}

extern "C" fn end() {
    let run = *AT_END.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(run) = run {
        // Nothing may unwind into the C library. The panic has been reported.
        let _ = std::panic::catch_unwind(run);
    }
}

/// Lets the terminal's Ctrl-C end this process, which a process that was just born ignores.
pub fn heed_interrupts() {
    exit::heed_interrupts();
}

/// Has this process ignore the terminal's Ctrl-C again.
pub fn ignore_interrupts() {
    exit::ignore_interrupts();
}

/// Bytes that nobody can guess.
///
/// # Errors
/// The system has none.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    exit::random(&mut bytes)?;
    Ok(bytes)
}
