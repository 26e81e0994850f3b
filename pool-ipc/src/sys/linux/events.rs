//! Waiting for many handles at once: epoll(7) and eventfd(2).

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::{beside_streams, check, retry};
use crate::own::Own;

/// A set of descriptors to wait for.
#[derive(Debug)]
pub(crate) struct Poll(Own<OwnedFd>);

impl Poll {
    pub(crate) fn new() -> io::Result<Poll> {
        // SAFETY: a plain system call; the result is checked and owned.
        let poll = unsafe { OwnedFd::from_raw_fd(check(libc::epoll_create1(libc::EPOLL_CLOEXEC))?) };
        Ok(Poll(Own::new(beside_streams(poll)?)))
    }

    /// `token` is given back by `wait` while `descriptor` is readable. Closing it takes it out of the set, when it has
    /// no copy.
    pub(crate) fn add(&self, descriptor: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: token };
        let (poll, raw) = (self.0.as_raw_fd(), descriptor.as_raw_fd());
        // SAFETY: `event` is valid for the call.
        check(unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_ADD, raw, &mut event) }).map(drop)
    }

    pub(crate) fn remove(&self, descriptor: BorrowedFd<'_>) {
        let (poll, raw) = (self.0.as_raw_fd(), descriptor.as_raw_fd());
        // SAFETY: a null event is allowed for EPOLL_CTL_DEL.
        unsafe { libc::epoll_ctl(poll, libc::EPOLL_CTL_DEL, raw, std::ptr::null_mut()) };
    }

    /// Sleeps until a descriptor is ready or `timeout` is over; appends the tokens of the ready ones.
    pub(crate) fn wait(&self, timeout: Option<Duration>, ready: &mut Vec<u64>) {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 64];
        // SAFETY: `events` is valid for writing that many.
        let count =
            unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), 64, milliseconds(timeout)) };
        ready.extend(events.iter().take(count.max(0) as usize).map(|event| event.u64));
    }
}

/// Waits until `descriptor` is readable (`true`), for at most `timeout` (`false`).
pub(crate) fn readable(descriptor: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    ready(descriptor, libc::POLLIN, timeout)
}

/// Waits until `descriptor` has room (`true`), for at most `timeout` (`false`).
pub(crate) fn writable(descriptor: BorrowedFd<'_>, timeout: Option<Duration>) -> bool {
    ready(descriptor, libc::POLLOUT, timeout)
}

/// Whether nothing more will come of `descriptor`: both directions are over.
pub(crate) fn is_over(descriptor: BorrowedFd<'_>) -> bool {
    // Asked for nothing the system tells that alone.
    ready(descriptor, 0, Some(Duration::ZERO))
}

/// Waits until one of these is readable or at its end, for at most `timeout`; the places of all that are.
pub(crate) fn readable_of(
    descriptors: &[BorrowedFd<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<usize>> {
    let wanted = |descriptor: &BorrowedFd<'_>| libc::pollfd {
        fd: descriptor.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let mut all: Vec<_> = descriptors.iter().map(wanted).collect();
    poll(&mut all, timeout)?;
    Ok((0..all.len()).filter(|nth| all[*nth].revents != 0).collect())
}

fn ready(descriptor: BorrowedFd<'_>, events: libc::c_short, timeout: Option<Duration>) -> bool {
    let mut wanted = [libc::pollfd { fd: descriptor.as_raw_fd(), events, revents: 0 }];
    // For one descriptor the call fails for want of memory alone; whoever hears "ready" goes on to a call that says so.
    poll(&mut wanted, timeout).is_err() || wanted[0].revents != 0
}

/// poll(2), again after every signal.
fn poll(wanted: &mut [libc::pollfd], timeout: Option<Duration>) -> io::Result<()> {
    let until = timeout.map(|timeout| Instant::now().checked_add(timeout));
    loop {
        // A time past the end of time is none.
        let left = until.flatten().map(|until| until.saturating_duration_since(Instant::now()));
        // SAFETY: so many valid pollfds.
        let count =
            unsafe { libc::poll(wanted.as_mut_ptr(), wanted.len() as libc::nfds_t, milliseconds(left)) };
        match check(count) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(1..) => return Ok(()),
            _ if until.flatten().is_some_and(|until| until <= Instant::now()) => return Ok(()),
            _ => {}
        }
    }
}

/// A descriptor that becomes readable when rung.
#[derive(Debug)]
pub(crate) struct Alarm(Own<OwnedFd>);

impl Alarm {
    pub(crate) fn new() -> io::Result<Alarm> {
        // SAFETY: a plain system call; the result is checked and owned.
        let alarm = unsafe {
            let flags = libc::EFD_CLOEXEC | libc::EFD_NONBLOCK;
            OwnedFd::from_raw_fd(check(libc::eventfd(0, flags))?)
        };
        Ok(Alarm(Own::new(beside_streams(alarm)?)))
    }

    pub(crate) fn from_descriptor(descriptor: OwnedFd) -> Alarm {
        Alarm(Own::new(descriptor))
    }

    pub(crate) fn into_descriptor(self) -> OwnedFd {
        self.0.into_inner()
    }

    pub(crate) fn try_clone(&self) -> io::Result<Alarm> {
        Ok(Alarm(Own::new(self.0.try_clone()?)))
    }

    pub(crate) fn ring(&self) {
        let one = 1u64;
        // A full counter is as loud as it gets, so the result does not matter.
        // SAFETY: eight valid bytes.
        let _ = retry(|| unsafe { libc::write(self.raw(), (&raw const one).cast(), 8) as libc::c_int });
    }

    pub(crate) fn silence(&self) {
        let mut count = 0u64;
        // SAFETY: eight bytes to write to. A silent alarm gives EAGAIN, which is what is wanted.
        let _ = retry(|| unsafe { libc::read(self.raw(), (&raw mut count).cast(), 8) as libc::c_int });
    }

    fn raw(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Rounded up: waking just before a deadline would be a busy loop.
fn milliseconds(timeout: Option<Duration>) -> libc::c_int {
    timeout
        .map_or(-1, |timeout| timeout.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX))
}
