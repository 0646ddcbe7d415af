//! A machine's state set aside and put back: for programs that begin many times from the same one.

use std::path::Path;

use super::{ControlError, change};
use crate::kernel::Kernel;
use crate::kernel::state::State;
use crate::model::machine::Machine;
use crate::store::Store;

/// A machine as it was at one moment: GPUs, instances, processes, faults, and its kernel where that remembers any.
#[derive(Clone, Debug)]
pub struct Snapshot {
    machine: Machine,
    kernel: Option<State>,
}

/// Takes a copy of the state of the machine in `dir`.
///
/// # Errors
/// `Store` without a machine in `dir`; `Kernel` where its kernel cannot be read.
pub fn snapshot(dir: &Path) -> Result<Snapshot, ControlError> {
    let machine = Store::new(dir).read()?;
    let kernel = Kernel::open(dir)?;
    let state = kernel.state()?;
    let remembers = state.amd.is_some() || state.vgpu.is_some();
    Ok(Snapshot {
        machine: Machine::clone(&machine),
        kernel: remembers.then_some(state),
    })
}

/// Puts such a copy back. Handles of clients go on to name what they named, if it was there then.
///
/// # Errors
/// `Store`, `Kernel`.
pub fn restore(dir: &Path, snapshot: &Snapshot) -> Result<(), ControlError> {
    change(dir, |machine, _| {
        *machine = snapshot.machine.clone();
        Ok(())
    })?;
    if let Some(state) = &snapshot.kernel {
        Kernel::open(dir)?.put_back(state)?;
    }
    Ok(())
}
