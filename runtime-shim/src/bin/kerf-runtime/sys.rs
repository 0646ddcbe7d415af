//! The program's entry, as the C library calls it.
//!
//! Rust's own start-up is left out: for a command line that is only passed on it would be half of the cost. What of
//! it the other verbs need is [`Start::settle`].

use std::ffi::{c_char, c_int};

use kerf_runtime::quick::Start;

#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, args: *mut *const c_char, env: *mut *const c_char) -> c_int {
    // SAFETY: these are what the C library gives to `main`: lists in its form, on the first stack, for as long as the
    // process lives. No thread has been started.
    let start = unsafe { Start::new(count, args, env) };
    crate::run(start)
}
