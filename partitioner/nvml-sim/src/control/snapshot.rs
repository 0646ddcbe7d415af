//! A machine's state set aside and put back: for programs that begin many times from the same one.

use std::path::Path;

use super::{ControlError, change};
use crate::model::machine::Machine;
use crate::store::Store;

/// A machine as it was at one moment: GPUs, instances, processes, faults.
#[derive(Clone, Debug)]
pub struct Snapshot(Machine);

/// Takes a copy of the state of the machine in `dir`.
///
/// # Errors
/// `Store` without a machine in `dir`.
pub fn snapshot(dir: &Path) -> Result<Snapshot, ControlError> {
    let machine = Store::new(dir).read()?;
    Ok(Snapshot(Machine::clone(&machine)))
}

/// Puts such a copy back. Handles of clients go on to name what they named, if it was there then.
///
/// # Errors
/// `Store`.
pub fn restore(dir: &Path, snapshot: &Snapshot) -> Result<(), ControlError> {
    change(dir, |machine, _| {
        *machine = snapshot.0.clone();
        Ok(())
    })
}
