//! From a body to NVML's return code, and what may keep a call from doing what it should. Owns how
//! the call that runs on this thread goes wrong.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use super::call;
use crate::fuse::Fuse;
use crate::model::mischief::Mischief;
use crate::model::status::Status;

thread_local! {
    static MISCHIEF: Cell<Option<Mischief>> = const { Cell::new(None) };
}

/// Turns a body's result into NVML's return code. A panic is a defect of ours and must not unwind
/// into C.
pub fn answer(function: &str, body: impl FnOnce() -> Result<(), Status>) -> u32 {
    let Some(fuse) = call::fuse() else {
        return answered(function, None, body);
    };
    let begun = Instant::now();
    let code = answered(function, Some(&fuse), body);
    fuse.spent(function, begun.elapsed());
    code
}

fn answered(function: &str, fuse: Option<&Fuse>, body: impl FnOnce() -> Result<(), Status>) -> u32 {
    let mischief = match interference(function, fuse) {
        Ok(mischief) => mischief,
        Err(code) => return code,
    };
    MISCHIEF.set(mischief);
    let done = catch_unwind(AssertUnwindSafe(body));
    MISCHIEF.set(None);
    match (done, mischief) {
        (Ok(Ok(())), Some(Mischief::Late(code))) => code,
        (Ok(Ok(())), _) => 0,
        (Ok(Err(status)), _) => status.code(),
        (Err(_), _) => Status::Unknown.code(),
    }
}

/// Waits as long as the machine was told to, and says how the call goes wrong; the error is the
/// code with which it was told to answer. A client without the right to write sees a mischief for
/// as long as nobody counts it.
fn interference(function: &str, fuse: Option<&Fuse>) -> Result<Option<Mischief>, u32> {
    if let Some(code) = fuse.and_then(|fuse| fuse.stops(function)) {
        return Err(code);
    }
    let Some(machine) = call::undisturbed() else {
        // The start is the only call that a machine can refuse before it.
        let refused = function
            .starts_with("nvmlInit")
            .then(|| call::start_refused(function));
        return refused.flatten().map_or(Ok(None), Err);
    };
    let delay_us = machine.delay_us(function);
    if delay_us > 0 {
        thread::sleep(Duration::from_micros(delay_us));
    }
    let mischief = match machine.armed(function) {
        None => None,
        // Without end: there is nothing to count.
        Some(armed) if armed.left.is_none() => Some(armed.how),
        Some(_) => call::counted(function),
    };
    match mischief {
        Some(Mischief::Answer(code)) => Err(code),
        other => Ok(other),
    }
}

/// Whether what this call changes is to be forgotten.
pub fn forgets() -> bool {
    MISCHIEF.get() == Some(Mischief::Forget)
}

/// Makes an instance at `start`, or at the first other of the `legal` places that is free where this call is to
/// choose another one.
pub fn at_or_elsewhere<T>(
    start: Option<u32>,
    legal: &[u32],
    mut make: impl FnMut(Option<u32>) -> Result<T, Status>,
) -> Result<T, Status> {
    if start.is_some() && MISCHIEF.get() == Some(Mischief::Elsewhere) {
        let mut others = legal.iter().filter(|&&other| Some(other) != start);
        if let Some(made) = others.find_map(|&other| make(Some(other)).ok()) {
            return Ok(made);
        }
    }
    make(start)
}
