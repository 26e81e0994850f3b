//! What this process may have: getrlimit(2).

use std::io;

/// What an error of the system that comes of a limit has to do with it, and how to raise it.
pub(crate) fn explain(error: &io::Error) -> Option<String> {
    match error.raw_os_error()? {
        libc::EMFILE => Some(format!(
            "this process may have {} descriptors; raise that (`ulimit -n`, RLIMIT_NOFILE)",
            soft_limit(libc::RLIMIT_NOFILE)?
        )),
        libc::ENFILE => Some("the whole system has no descriptors left (fs.file-max)".to_owned()),
        libc::EAGAIN => Some(format!(
            "this user may have {} processes and threads; raise that (`ulimit -u`, RLIMIT_NPROC), or the limit \
             of the container",
            soft_limit(libc::RLIMIT_NPROC)?
        )),
        _ => None,
    }
}

fn soft_limit(resource: libc::__rlimit_resource_t) -> Option<String> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live rlimit, which the call writes.
    super::check(unsafe { libc::getrlimit(resource, &mut limit) }).ok()?;
    Some(match limit.rlim_cur {
        libc::RLIM_INFINITY => "any number of".to_owned(),
        number => number.to_string(),
    })
}
