//! Functions that somebody else may name, although nothing that he says is trusted.
//!
//! A lane's worker calls whatever its pool names. A server whose clients may be hostile cannot. It is given the
//! place of a constant instead: a [`Marked`], a function beside a mark that nothing else in the program has. Whoever
//! makes up a place does not hit the mark, and calls nothing.

use std::any::Any;
use std::fmt;

use crate::image::image;

/// A function of the program that clients may name: on what, the input, the output; what the result means is between
/// those who use it.
pub type Function = fn(&mut dyn Any, &[u8], &mut Vec<u8>) -> u32;

/// A function that may be named. It is to be a constant of the program: `const { &Marked::new(f) }`.
#[repr(C)]
pub struct Marked {
    before: u64,
    function: Function,
    behind: u64,
}

/// 128 random bits. Where they are in the program's image with a word between them, there is a constant of this type.
const MARK: [u64; 2] = [0x9d2f_61c7_3b58_e40b, 0x56e1_88fa_0c93_d7a5];

impl Marked {
    /// Marks `function`.
    pub const fn new(function: Function) -> Marked {
        Marked { before: MARK[0], function, behind: MARK[1] }
    }

    /// The name of this constant between processes of the same build; `None`: it is not part of the main program.
    pub fn name(&'static self) -> Option<u64> {
        let image = image().ok()?;
        let address = std::ptr::from_ref(self).addr();
        image.has_constant_at(address, size_of::<Marked>()).then(|| address.wrapping_sub(image.base()) as u64)
    }

    /// The constant that has this name, if one has.
    pub fn find(name: u64) -> Option<&'static Marked> {
        let image = image().ok()?;
        let address = image.base().wrapping_add(usize::try_from(name).ok()?);
        if !address.is_multiple_of(align_of::<Marked>())
            || !image.has_constant_at(address, size_of::<Marked>())
        {
            return None;
        }
        // SAFETY: the image has that many bytes there, which are mapped for as long as the process lives and which
        // nobody writes any more; they are aligned, and any bytes are three words.
        let [before, function, behind] = unsafe { *(address as *const [u64; 3]) };
        if [before, behind] != MARK || !image.has_code_at(function as usize) {
            return None;
        }
        // SAFETY: as above; and around the mark there is a constant of this type: nothing else has it.
        Some(unsafe { &*(address as *const Marked) })
    }

    /// The function.
    pub fn function(&self) -> Function {
        self.function
    }
}

/// A number that differs between builds of the program, and between programs: names of [`Marked`]s mean something
/// where it is the same.
///
/// # Errors
/// The system does not say where the program's code lies.
pub fn build() -> std::io::Result<u64> {
    crate::image::identity()
}

impl fmt::Debug for Marked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Marked").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(number: &mut dyn Any, _: &[u8], _: &mut Vec<u8>) -> u32 {
        number.downcast_mut::<u32>().map_or(0, |number| *number * 2)
    }

    fn marked() -> &'static Marked {
        const { &Marked::new(double) }
    }

    #[test]
    fn a_marked_function_is_found_again_by_its_name() {
        let name = marked().name().unwrap();
        let found = Marked::find(name).unwrap();
        assert_eq!((found.function())(&mut 21u32, &[], &mut Vec::new()), 42);
    }

    #[test]
    fn no_other_place_of_the_program_is_marked() {
        let name = marked().name().unwrap();
        let image = image().unwrap();
        let mut found = Vec::new();
        for place in (0..1 << 27).step_by(4) {
            if image.has_constant_at(image.base().wrapping_add(place), size_of::<Marked>()) {
                found.extend(Marked::find(place as u64).map(|_| place as u64));
            }
        }
        // A compiler may have made several of the one, each with the function behind it.
        assert!(found.contains(&name), "{name:x} in {found:x?}");
        for place in found {
            let function = Marked::find(place).unwrap().function();
            assert_eq!(function(&mut 4u32, &[], &mut Vec::new()), 8);
        }
    }

    #[test]
    fn made_up_names_are_nothing() {
        let name = marked().name().unwrap();
        for other in [0, 1, name + 1, name + 8, name + 16, u64::MAX, u64::MAX - 23, 1 << 40] {
            assert!(Marked::find(other).is_none());
        }
        let on_stack = Marked::new(double);
        let base = image().unwrap().base();
        let place = (&raw const on_stack).addr().wrapping_sub(base);
        assert!(Marked::find(place as u64).is_none(), "not of the image");
    }
}
