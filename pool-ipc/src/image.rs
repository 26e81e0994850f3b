//! Naming a function across processes of the same build.
//!
//! The loader puts the program at another address in each process, so a function is named by its
//! distance from the image's base. That is a name only between processes that run the same image;
//! [`identity`] is what they compare first.

use std::io;
use std::sync::OnceLock;

use crate::sys::image::{MainImage, main_image};

/// A function that a lane can carry: a word and two byte strings in, a word and a byte string out
/// through the last argument. What they mean is between those who use the lane.
pub type Entry = fn(u32, &[u8], &[u8], &mut dyn FnMut(u32, &[u8]));

pub(crate) fn image() -> io::Result<MainImage> {
    static IMAGE: OnceLock<Option<MainImage>> = OnceLock::new();
    IMAGE
        .get_or_init(main_image)
        .ok_or_else(|| io::Error::other("the system does not say where the program's code lies"))
}

/// A number that differs between builds of the program, and between programs.
pub(crate) fn identity() -> io::Result<u64> {
    static IDENTITY: OnceLock<u64> = OnceLock::new();
    let image = image()?;
    Ok(*IDENTITY.get_or_init(|| {
        let mut hash = Fnv::new();
        hash.feed(env!("CARGO_PKG_VERSION").as_bytes());
        hash.feed(&(identity as *const () as usize).wrapping_sub(image.base()).to_le_bytes());
        image.fingerprint(|bytes| hash.feed(bytes));
        hash.0
    }))
}

/// The name of the function at `address`.
///
/// # Errors
/// The code is not part of the main program: another process would not find it.
pub(crate) fn name_of(address: usize) -> io::Result<u64> {
    let image = image()?;
    if image.has_code_at(address) {
        Ok(address.wrapping_sub(image.base()) as u64)
    } else {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the function is not part of the main program (a plug-in or a shared library is not re-executed)",
        ))
    }
}

/// The address that `name` stands for in this process, if it is code.
pub(crate) fn address_of(name: u64) -> io::Result<usize> {
    let image = image()?;
    let address = image.base().wrapping_add(name as usize);
    if image.has_code_at(address) {
        Ok(address)
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a request names code that this program does not have",
        ))
    }
}

/// The 64-bit FNV-1a hash (Fowler, Noll, Vo): enough to tell builds apart by accident; nobody is
/// kept out by it.
struct Fnv(u64);

impl Fnv {
    fn new() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }

    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_again_by_its_name() {
        let address = a_function_is_found_again_by_its_name as *const () as usize;
        assert_eq!(address_of(name_of(address).unwrap()).unwrap(), address);
    }

    #[test]
    fn code_of_a_library_and_data_have_no_name() {
        assert!(name_of(libc::getpid as *const () as usize).is_err());
        static DATA: u8 = 0;
        assert!(name_of(&raw const DATA as usize).is_err());
        assert!(address_of(u64::MAX / 2).is_err());
    }
}
