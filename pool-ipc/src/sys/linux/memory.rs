//! Shared segments: memfd_create(2), sealed so that the other side cannot shrink them under us.

use std::ffi::CStr;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;

use super::{beside_streams, check, retry};

/// A new segment of `size` bytes. It takes memory only where it is written, and its size is final:
/// a mapping of it never faults because the other side cut it short.
pub(crate) fn segment(name: &CStr, size: u64) -> io::Result<File> {
    let file = growing(name, size)?;
    seal(&file, libc::F_SEAL_SHRINK | libc::F_SEAL_GROW)?;
    Ok(file)
}

/// A new segment of `size` bytes that anybody who has it can make larger or smaller: to be read and
/// written as a file, not to be mapped beyond what nobody takes away.
pub(crate) fn growing(name: &CStr, size: u64) -> io::Result<File> {
    // SAFETY: `name` is a valid C string; the result is checked and owned.
    let descriptor = unsafe {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        OwnedFd::from_raw_fd(check(libc::memfd_create(name.as_ptr(), flags))?)
    };
    let file = File::from(beside_streams(descriptor)?);
    file.set_len(size)?;
    Ok(file)
}

/// A new segment that holds `parts`, one after the other, and that nobody can change.
pub(crate) fn sealed(name: &CStr, parts: &[&[u8]]) -> io::Result<File> {
    let mut file = growing(name, 0)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    seal(&file, libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE)?;
    Ok(file)
}

/// Has nobody write the segment ever again, by whatever way. Refused while somebody has it mapped for writing.
pub(crate) fn freeze(file: &File) -> io::Result<()> {
    seal(file, libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE)
}

fn seal(file: &File, seals: libc::c_int) -> io::Result<()> {
    // SAFETY: a plain fcntl on a descriptor we own.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals | libc::F_SEAL_SEAL) }).map(drop)
}

/// The same segment as a descriptor that can only be mapped for reading.
pub(crate) fn read_only(segment: &File) -> io::Result<File> {
    File::open(format!("/proc/self/fd/{}", segment.as_raw_fd()))
}

/// Whether nobody can make the segment shorter.
pub(crate) fn is_fixed(segment: &File) -> bool {
    has_seal(segment, libc::F_SEAL_SHRINK)
}

/// Whether nobody can write the segment: it is [frozen](freeze).
pub(crate) fn is_unwritable(segment: &File) -> bool {
    has_seal(segment, libc::F_SEAL_WRITE)
}

fn has_seal(segment: &File, seal: libc::c_int) -> bool {
    // SAFETY: a plain fcntl on a descriptor we own. What has no seals answers an error.
    let seals = unsafe { libc::fcntl(segment.as_raw_fd(), libc::F_GET_SEALS) };
    seals >= 0 && seals & seal != 0
}

/// The permission by which a frozen segment is marked: its mode is all of it that still can be changed. (Bits to
/// execute it may be sealed, depending on how the system is set up.)
const UNMARKED: u32 = 0o040;

/// Marks a segment for everybody who has it.
pub(crate) fn mark(segment: &File) {
    // Whoever is not told by it only remembers the segment for longer.
    if let Ok(meta) = segment.metadata() {
        let mode = meta.permissions().mode() & 0o777 & !UNMARKED;
        let _ = segment.set_permissions(Permissions::from_mode(mode));
    }
}

/// Whether it was [marked](mark).
pub(crate) fn is_marked(segment: &File) -> bool {
    segment.metadata().is_ok_and(|meta| meta.permissions().mode() & UNMARKED == 0)
}

/// Another process's segment, by its descriptor there: proc_pid_fd(5).
pub(crate) fn open_of(pid: u32, descriptor: i32) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // What is not a segment (a terminal, a pipe) must neither block nor become ours.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let path = format!("/proc/{pid}/fd/{descriptor}");
    let file = File::options().read(true).write(true).custom_flags(flags).open(path)?;
    Ok(File::from(beside_streams(file.into())?))
}

/// How many bytes of the segment have memory behind them.
pub(crate) fn allocated(segment: &File) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(segment.metadata()?.blocks() * 512)
}

/// Gives the memory behind a range back; it reads as zeros from then on.
pub(crate) fn give_back(segment: &File, offset: u64, len: u64) -> io::Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let (offset, len) = (offset as libc::off_t, len as libc::off_t);
    // SAFETY: a plain fallocate on a descriptor we own.
    retry(|| unsafe { libc::fallocate(segment.as_raw_fd(), mode, offset, len) }).map(drop)
}

/// Fresh pages are the price of large values: below this the allocator has warm ones.
const LARGE: usize = 4 << 20;

/// An empty vector with room for `len` bytes, or an error where the memory is not to be had. The
/// memory of a large one is asked for in huge pages, which cost far less to fault in.
pub fn reserve_bytes(len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    if len >= LARGE {
        let page = 4096;
        let start = (bytes.as_ptr() as usize).next_multiple_of(page);
        let end = (bytes.as_ptr() as usize + len) & !(page - 1);
        // SAFETY: advice on whole pages inside an allocation we own; it changes no content. Its
        // failure (no huge pages here) does not matter.
        unsafe { libc::madvise(start as *mut libc::c_void, end - start, libc::MADV_HUGEPAGE) };
    }
    Ok(bytes)
}
