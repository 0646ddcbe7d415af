//! Boards that are at another address than they were: after a reload the kernel may have numbered the bus anew. Owns
//! which leases that concerns, and that what they were given is given to nobody else; never moves a lease.

use std::collections::{BTreeMap, BTreeSet};

use kerf_types::lease::{Lease, Subject};
use kerf_types::{Gpu, GpuUuid, Inventory, LeasedDevice, PciAddress};

use super::Host;
use super::observe::gpu_name;

/// How the entry about a lease begins whose board is not where it was.
const ENTRY: &str = "board of lease ";

/// What to do about one.
const HINT: &str = "its place and its board are given to nobody until it ends: end its container, which may use either";

/// The board that a lease is on, wherever it is now.
fn board(subject: &Subject) -> &GpuUuid {
    match subject {
        Subject::Slice { parent, .. } => parent,
        Subject::Gpu { uuid, .. } => uuid,
    }
}

/// Whether the board of a lease is this GPU, and at another address than the lease says.
pub fn has_moved_to(subject: &Subject, gpu: &Gpu) -> bool {
    subject.gpu() != gpu.pci && *board(subject) == gpu.uuid
}

/// Whether a lease is on this GPU, or a part of it: at its address, whose device nodes its container has, or by its board.
pub fn is_on(subject: &Subject, gpu: &Gpu) -> bool {
    subject.gpu() == gpu.pci || has_moved_to(subject, gpu)
}

/// Whether two leases on these are never alive together, also where one was made before their board moved: what of a
/// board a place stood for then is not known.
pub fn conflict(one: &Subject, other: &Subject) -> bool {
    let is_moved = one.gpu() != other.gpu() && board(one) == board(other);
    is_moved || one.conflicts(other)
}

/// Whether a lease holds any of these, or what would be given together with one of them.
pub fn conflicts(lease: &Lease, subjects: &[Subject], devices: &[LeasedDevice]) -> bool {
    let mut own = lease.subjects.iter();
    let mut others = lease.devices.iter();
    own.any(|a| subjects.iter().any(|b| conflict(a, b)))
        || others.any(|a| devices.iter().any(|b| a.conflicts(b)))
}

/// Why it is not certain what a lease is on: its board is elsewhere, or another one is in its place. One that is gone
/// leaves no doubt.
fn doubt(subject: &Subject, inventory: &Inventory) -> Option<String> {
    let mut here = inventory.gpus.iter().filter(|gpu| !gpu.health.is_lost());
    let (board, was) = (board(subject), subject.gpu());
    let at = here.clone().find(|gpu| gpu.pci == was);
    if at.is_some_and(|gpu| gpu.uuid == *board) {
        return None;
    }
    match here.find(|gpu| has_moved_to(subject, gpu)) {
        Some(now) => Some(format!("{board} was at {was} and is at {} now", now.pci)),
        None => at.map(|gpu| format!("{} is at {was}, where {board} was", gpu.uuid)),
    }
}

impl Host {
    /// A board that is at another address by now is there alone: two entries of one UUID would be one GPU too many, and a
    /// name that means two. Where a lease still names the address, the entry stays until that has ended.
    pub(super) fn forget_moved(&mut self) {
        let Some(listed) = &self.listed else {
            return;
        };
        let is_here = |gpu: &&Gpu| listed.contains(&gpu.pci);
        let here: Vec<&Gpu> = self.inventory.gpus.iter().filter(is_here).collect();
        let leased = |pci: PciAddress| {
            let mut leases = self.leases.values().flat_map(|row| &row.lease.subjects);
            leases.any(|subject| subject.gpu() == pci)
        };
        let place = |gpu: &Gpu| {
            let now = here.iter().find(|other| other.uuid == gpu.uuid)?;
            Some((gpu.index, gpu.pci, now.pci))
        };
        let gone = self.inventory.gpus.iter().filter(|gpu| !is_here(gpu));
        let moved = gone.filter(|gpu| !leased(gpu.pci)).filter_map(place);
        let moved: Vec<(u32, PciAddress, PciAddress)> = moved.collect();
        for (index, was, now) in moved {
            let name = gpu_name(index, was);
            self.inventory.gpus.retain(|gpu| gpu.pci != was);
            self.unheard.remove(&was);
            self.heard.remove(&was);
            self.recovered(&name);
            self.find("gpu", name, format!("it is at {now} now"));
        }
    }

    /// Whether a lease is on any GPU at these addresses.
    pub(super) fn is_on_any(&self, subject: &Subject, gpus: &BTreeSet<PciAddress>) -> bool {
        let known = self.inventory.gpus.iter();
        let mut known = known.filter(|gpu| gpus.contains(&gpu.pci));
        gpus.contains(&subject.gpu()) || known.any(|gpu| has_moved_to(subject, gpu))
    }

    /// Says which leases are in doubt because boards have moved, for as long as they are.
    pub(super) fn note_doubts(&mut self) {
        let leases = self.leases.values().map(|row| &row.lease);
        let words = |lease: &Lease| {
            let mut subjects = lease.subjects.iter();
            let why = subjects.find_map(|subject| doubt(subject, &self.inventory))?;
            Some((format!("{ENTRY}{}", lease.id), why))
        };
        let doubts: BTreeMap<String, String> = leases.filter_map(words).collect();
        self.degrade_alone(ENTRY, doubts, HINT);
    }
}

#[cfg(test)]
mod tests;
