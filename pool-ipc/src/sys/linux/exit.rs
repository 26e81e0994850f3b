//! The end of this process: atexit(3). What ends it: signal(2). And a secret for it: getrandom(2).

use std::io;

use super::retry;

/// Has `run` called when this process exits normally, before what was asked for earlier.
pub(crate) fn at_exit(run: extern "C" fn()) -> io::Result<()> {
    // SAFETY: a function of the program that does not unwind; it stays where it is for as long as the
    // program runs.
    if unsafe { libc::atexit(run) } == 0 { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

/// Lets the terminal's Ctrl-C end this process, as it does any program.
pub(crate) fn heed_interrupts() {
    // SAFETY: a disposition that runs no code.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
}

/// Has the terminal's Ctrl-C do nothing to this process.
pub(crate) fn ignore_interrupts() {
    // SAFETY: a disposition that runs no code.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

/// Fills `bytes` with random ones, fit for a secret.
pub(crate) fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        // SAFETY: `rest` is valid for writing its length.
        let got =
            retry(|| unsafe { libc::getrandom(rest.as_mut_ptr().cast(), rest.len(), 0) as libc::c_int })?;
        filled += got as usize;
    }
    Ok(())
}
