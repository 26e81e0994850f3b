//! Functions that are nothing but their type, for those who send types their own way.
//!
//! A [`TaskFn`](crate::TaskFn) takes its argument by value. Who calls a function with a reference, as on an object
//! that it owns, gives it up here where it is passed, and has it lent where it is called.

use crate::shim;

/// Takes `f` out of the caller's hands for ever. A function that captures something is refused when the program is
/// built.
pub fn given<F: Send + Sync + 'static>(f: F) {
    shim::give_up(f);
}

/// The function of type `F`, which has been [`given`] in this process, or in one of the same build that has named the code
/// that calls this.
pub fn lent<F: Send + Sync + 'static>() -> &'static F {
    shim::conjure()
}
