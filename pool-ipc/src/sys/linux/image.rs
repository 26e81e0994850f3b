//! Where the code of the main program lies: its ELF program headers, found by getauxval(3).

use std::mem::size_of;
use std::slice;

use crate::birth::Constructor;

/// The main program as it is loaded in this process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MainImage {
    /// What every address in the file is relative to, here.
    base: usize,
    headers: &'static [libc::Elf64_Phdr],
}

const PT_PHDR: u32 = 6;

/// `None` when the system does not say, which the caller turns into an error.
pub(crate) fn main_image() -> Option<MainImage> {
    // SAFETY: getauxval has no preconditions.
    let (at, count) =
        unsafe { (libc::getauxval(libc::AT_PHDR) as usize, libc::getauxval(libc::AT_PHNUM) as usize) };
    if at == 0 || count == 0 {
        return None;
    }
    // SAFETY: the kernel passed the address and number of the program headers of the main program,
    // which stay mapped and unchanged as long as the process lives.
    let headers: &'static [libc::Elf64_Phdr] = unsafe { slice::from_raw_parts(at as *const _, count) };
    let by_own_entry =
        headers.iter().find(|header| header.p_type == PT_PHDR).map(|header| header.p_vaddr as usize);
    // A static program may not list its headers; they follow the file's header in its first segment.
    let first = headers.iter().find(|header| header.p_type == libc::PT_LOAD && header.p_offset == 0);
    let by_first_segment = first.map(|header| header.p_vaddr as usize + size_of::<libc::Elf64_Ehdr>());
    let listed = by_own_entry.or(by_first_segment)?;
    Some(MainImage { base: at.checked_sub(listed)?, headers })
}

impl MainImage {
    pub(crate) fn base(&self) -> usize {
        self.base
    }

    /// Whether what the kernel executed is this program, and not a loader that was given its name: the
    /// kernel maps a loader beside a program that names one.
    pub(crate) fn was_executed(&self) -> bool {
        // SAFETY: getauxval has no preconditions.
        let has_loader = unsafe { libc::getauxval(libc::AT_BASE) } != 0;
        has_loader || !self.headers.iter().any(|header| header.p_type == libc::PT_INTERP)
    }

    /// Whether `address` is code of the main program, and not of a library loaded beside it.
    pub(crate) fn has_code_at(&self, address: usize) -> bool {
        self.headers.iter().any(|header| {
            let start = self.base.wrapping_add(header.p_vaddr as usize);
            header.p_type == libc::PT_LOAD
                && header.p_flags & libc::PF_X != 0
                && address.wrapping_sub(start) < header.p_memsz as usize
        })
    }

    /// Whether `len` bytes from `address` on are constants of the main program: in a part that is not writable, or
    /// in the one that the loader made unwritable when it had filled in the addresses.
    pub(crate) fn has_constant_at(&self, address: usize, len: usize) -> bool {
        let Some(last) = address.checked_add(len) else { return false };
        self.headers.iter().any(|header| {
            let start = self.base.wrapping_add(header.p_vaddr as usize);
            let end = start.wrapping_add(header.p_memsz as usize);
            let is_constant = header.p_type == libc::PT_GNU_RELRO
                || header.p_type == libc::PT_LOAD && header.p_flags & (libc::PF_W | libc::PF_R) == libc::PF_R;
            is_constant && start <= address && last <= end
        })
    }

    /// Bytes that differ between builds: the layout of the program, its build id where the linker
    /// gave it one, and which file it is.
    pub(crate) fn fingerprint(&self, mut feed: impl FnMut(&[u8])) {
        use std::os::unix::fs::MetadataExt;
        for header in self.headers {
            for word in [header.p_type, header.p_flags] {
                feed(&word.to_le_bytes());
            }
            for word in [header.p_offset, header.p_vaddr, header.p_filesz, header.p_memsz] {
                feed(&word.to_le_bytes());
            }
        }
        for note in self.headers.iter().filter(|header| header.p_type == libc::PT_NOTE) {
            let start = self.base.wrapping_add(note.p_vaddr as usize);
            // SAFETY: a note segment is mapped readable for as long as the process lives.
            feed(unsafe { slice::from_raw_parts(start as *const u8, note.p_memsz as usize) });
        }
        if let Ok(file) = std::fs::metadata("/proc/self/exe") {
            for word in [file.dev(), file.ino(), file.size()] {
                feed(&word.to_le_bytes());
            }
        }
    }

    /// The constructors of the main program that the loader would call after `own`.
    pub(crate) fn later_constructors(&self, own: Constructor) -> &'static [usize] {
        let Some(dynamic) = self.headers.iter().find(|header| header.p_type == libc::PT_DYNAMIC) else {
            return &[];
        };
        let at = self.base.wrapping_add(dynamic.p_vaddr as usize) as *const [usize; 2];
        let (mut array, mut bytes) = (0, 0);
        for index in 0..dynamic.p_memsz as usize / size_of::<[usize; 2]>() {
            // SAFETY: the dynamic section is mapped readable, and `index` is inside its size.
            match unsafe { at.add(index).read() } {
                [0, _] => break,
                [DT_INIT_ARRAY, value] => array = value,
                [DT_INIT_ARRAYSZ, value] => bytes = value,
                _ => {}
            }
        }
        if array == 0 {
            return &[];
        }
        // SAFETY: the array of constructors, relocated before the first of them runs.
        let all: &'static [usize] = unsafe {
            slice::from_raw_parts(self.base.wrapping_add(array) as *const usize, bytes / size_of::<usize>())
        };
        let next = all.iter().position(|entry| *entry == own as usize).map_or(all.len(), |own| own + 1);
        &all[next..]
    }
}

const DT_INIT_ARRAY: usize = 25;
const DT_INIT_ARRAYSZ: usize = 27;
