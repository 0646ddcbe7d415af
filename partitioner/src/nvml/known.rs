//! What of a GPU stays as it is while its driver is loaded and its MIG mode is what it was: who it is, its
//! profiles with their places, what its instances can hold.
//!
//! Owns the memory of that between a look at a GPU and the steps after it. A look reads everything anew and
//! replaces what was known; a step takes it out, and puts it back only when it went well, so that after any failure
//! the driver is asked again. Never holds a handle, and never an instance that counts as one that is there:
//! instances, their UUIDs and processes are read back by every step.

use std::cell::RefCell;
use std::collections::BTreeMap;

use kerf_types::inventory::Gpu;
use kerf_types::{GpuUuid, MigMode, PciAddress};

use super::ffi::InstanceProfile;
use super::instances::{ComputeProfiles, ToldCompute};

/// One GPU as it was read last.
#[derive(Debug)]
pub struct Known {
    /// All of it.
    pub gpu: Gpu,
    /// Its profiles as the driver writes them.
    pub raw: Vec<InstanceProfile>,
    /// What its instances can hold, as far as it was asked.
    pub compute: ComputeProfiles,
    /// The same with places.
    pub told: ToldCompute,
}

/// The GPUs that a worker has looked at.
#[derive(Debug, Default)]
pub struct KnownGpus(RefCell<BTreeMap<PciAddress, Known>>);

impl KnownGpus {
    /// Keeps what was read of a GPU. Without MIG there is nothing that a step would need.
    pub(super) fn put(&self, known: Known) {
        let mut all = self.0.borrow_mut();
        if known.gpu.mig_mode.is_on() {
            all.insert(known.gpu.pci, known);
        } else {
            all.remove(&known.gpu.pci);
        }
    }

    /// Takes out what is known of the GPU at this address, if it is still this one in this mode.
    pub(super) fn take(&self, pci: PciAddress, uuid: &GpuUuid, mode: MigMode) -> Option<Known> {
        let known = self.0.borrow_mut().remove(&pci);
        known.filter(|known| known.gpu.uuid == *uuid && known.gpu.mig_mode == mode)
    }

    /// Forgets the GPU at this address.
    pub(super) fn forget(&self, pci: PciAddress) {
        self.0.borrow_mut().remove(&pci);
    }
}
