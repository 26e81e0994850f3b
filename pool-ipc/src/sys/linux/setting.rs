//! Applying a [`Setting`] to this process, in which no other thread runs yet.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;

use super::check;
use crate::birth::Setting;

/// Applies it, or says what cannot be.
pub(crate) fn apply(setting: &Setting) -> io::Result<()> {
    let Setting { environment, directory, niceness, cores, memory } = setting;
    for (name, value) in environment {
        // Not through std, whose lock a thread of the starter may have held when this process was forked.
        let text = |text: &std::ffi::OsStr| CString::new(text.as_bytes()).map_err(io::Error::from);
        let (c_name, c_value) = (text(name)?, value.as_deref().map(text).transpose()?);
        // SAFETY: both are valid C strings, which setenv copies; this is the only thread.
        let done = check(unsafe {
            match &c_value {
                Some(value) => libc::setenv(c_name.as_ptr(), value.as_ptr(), 1),
                None => libc::unsetenv(c_name.as_ptr()),
            }
        });
        done.map_err(|error| because(format!("the variable {name:?} cannot be set"), error))?;
    }
    if let Some(directory) = directory {
        std::env::set_current_dir(directory)
            .map_err(|error| because(format!("it cannot work in {}", directory.display()), error))?;
    }
    if let Some(niceness) = niceness {
        let done = if (-20..=19).contains(niceness) {
            // SAFETY: numbers; 0 means this process.
            check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, *niceness) }).map(drop)
        } else {
            Err(io::Error::other("it goes from -20 to 19"))
        };
        done.map_err(|error| because(format!("its niceness cannot be {niceness}"), error))?;
    }
    if let Some(cores) = cores {
        run_on(cores).map_err(|error| because(format!("it cannot run on the cores {cores:?}"), error))?;
        super::core::forget_home();
    }
    if let Some(memory) = memory {
        let limit = libc::rlimit { rlim_cur: *memory, rlim_max: *memory };
        // SAFETY: the limit is valid and only read.
        check(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) })
            .map_err(|error| because(format!("its memory cannot be limited to {memory} bytes"), error))?;
    }
    Ok(())
}

fn because(what: String, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

fn run_on(cores: &[usize]) -> io::Result<()> {
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: all-zero is a valid empty set; CPU_SET is given cores inside it; the calls are given sets
    // of the right size.
    unsafe {
        let mut wanted: libc::cpu_set_t = std::mem::zeroed();
        for core in cores {
            if *core >= 8 * size {
                return Err(io::Error::other(format!("there is no core {core}")));
            }
            libc::CPU_SET(*core, &mut wanted);
        }
        check(libc::sched_setaffinity(0, size, &wanted))?;
        // The kernel leaves out silently what it does not have, as long as something is left.
        let mut got: libc::cpu_set_t = std::mem::zeroed();
        check(libc::sched_getaffinity(0, size, &mut got))?;
        match cores.iter().find(|core| !libc::CPU_ISSET(**core, &got)) {
            Some(core) => Err(io::Error::other(format!("core {core} is not to be had here"))),
            None => Ok(()),
        }
    }
}
