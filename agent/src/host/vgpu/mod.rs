//! vGPUs of the host: looked at with everything else, made and taken away on request, and remembered.
//!
//! ```text
//! (record) making --seen--> made --asked for--> unmaking --not seen--> (none)
//!             | not seen       | another one, or none, is seen; another boot
//!             +----------------+--------------------------------------> (none)
//! ```
//! Only what a record speaks of is ever taken away, and only while the function shows what the record says. Every
//! other vGPU is foreign: shown, and never touched. GPUs with vGPUs get no leases but those on vGPUs.
//!
//! A function of the vendor-specific framework shows a type and no name, so what somebody puts in the place of ours
//! between two looks, of the same type and at the same place, cannot be told from ours. A mediated device can.

mod create;
mod delete;
mod error;
mod functions;
mod guard;
mod judge;
mod look;
mod lost;
#[cfg(test)]
mod tests;
mod users;
mod uses;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use kerf_api::json::history::{HistoryEntry, HistoryKind, Requester};
use kerf_types::lease::Lease;
use kerf_types::{DeviceKind, LeasedDevice, PciAddress, Step, Timestamp, Vgpu, VgpuGpu};
use tokio::sync::oneshot;

pub(in crate::host) use error::STAYS_ON;
pub use error::VgpuRefusal;
pub use users::Users;
pub(in crate::host) use users::nodes_of;
pub use uses::{VgpuUse, VgpuUses};

use super::{Host, HostError, record};
use crate::store::VgpuRow;

/// Name of the entry for records that do not read.
const RECORDS: &str = "vgpu records";

/// Prefix of the entries in `kerf status`, for each GPU whose vGPUs do not read.
const DEGRADED: &str = "vgpus of";

/// What the owner knows of vGPUs.
#[derive(Debug, Default)]
pub struct Vgpus {
    /// Records by fence.
    rows: BTreeMap<u64, VgpuRow>,
    /// What each GPU showed at the last look that it answered.
    seen: BTreeMap<PciAddress, VgpuGpu>,
    /// GPUs whose vGPUs have never been read, and not for want of any.
    unread: BTreeSet<PciAddress>,
    /// When all that have some answered last.
    pub(super) looked: Option<Timestamp>,
}

/// A vGPU of kerf's that is there.
#[derive(Debug, Clone, Copy)]
pub(in crate::host) struct OwnVgpu<'h> {
    /// kerf's record of it.
    pub row: &'h VgpuRow,
    /// The GPU that it is of.
    pub gpu: PciAddress,
    /// The function that it is on.
    pub function: PciAddress,
    /// What is seen of it.
    pub vgpu: &'h Vgpu,
}

/// A vGPU that is to be made.
#[derive(Debug, Clone)]
pub struct NewVgpu {
    /// Index, UUID or address of the GPU.
    pub gpu: String,
    /// A type's number or name.
    pub kind: String,
    /// The function; the first that is free where none is named.
    pub function: Option<PciAddress>,
    /// Where it shall lie, on a GPU that mixes sizes.
    pub placement: Option<u32>,
    /// Whether virtual functions may be turned on for it.
    pub enable_sriov: bool,
    /// Whether it is leased to containers that ask.
    pub for_containers: bool,
    /// For whom.
    pub by: Requester,
}

/// A vGPU that is to be taken away.
#[derive(Debug, Clone)]
pub struct OldVgpu {
    /// The function's address, or the UUID of a mediated device.
    pub name: String,
    /// The one that is meant, by its number; the one that is there where none is named.
    pub fence: Option<u64>,
    /// Whether virtual functions are turned off afterwards.
    pub disable_sriov: bool,
    /// Who asks.
    pub by: Requester,
}

/// A GPU with kerf's records of it.
pub type Shown = (VgpuGpu, Vec<VgpuRow>);

/// What is asked of the owner about vGPUs. What there are stands in the picture of the host.
#[derive(Debug)]
pub struct VgpuCommand {
    /// What.
    pub wish: VgpuWish,
    /// Where the record of the vGPU that was made or taken away goes.
    pub reply: oneshot::Sender<Result<VgpuRow, HostError>>,
}

/// A change of one vGPU.
#[derive(Debug)]
pub enum VgpuWish {
    /// Make one.
    Create(NewVgpu),
    /// Take one away.
    Delete(OldVgpu),
}

impl VgpuWish {
    fn record(&self) -> HistoryEntry {
        match self {
            Self::Create(wish) => {
                let what = format!("vGPU {} on GPU {}", wish.kind, wish.gpu);
                record::of_vgpu(HistoryKind::VgpuCreate, wish.by, what)
            }
            Self::Delete(wish) => {
                let what = format!("vGPU {}", wish.name);
                record::of_vgpu(HistoryKind::VgpuDelete, wish.by, what)
            }
        }
    }
}

impl Vgpus {
    /// What is seen of the vGPU that a record speaks of.
    fn own<'h>(&'h self, row: &'h VgpuRow) -> Option<OwnVgpu<'h>> {
        let gpu = self.seen.get(&row.gpu.parse().ok()?)?;
        let mut vgpus = gpu.vgpus();
        let (function, vgpu) = vgpus.find(|(function, vgpu)| judge::is_it(row, *function, vgpu))?;
        Some(OwnVgpu {
            row,
            gpu: gpu.pci,
            function,
            vgpu,
        })
    }
}

impl Host {
    /// Does what is asked. A requester that went away does not need its answer.
    pub(super) async fn vgpu(&mut self, command: VgpuCommand) {
        let outcome = match (self.begin_record(command.wish.record()), command.wish) {
            (Err(error), _) => Err(error),
            (Ok(_), VgpuWish::Create(wish)) => self.create_vgpu(&wish).await,
            (Ok(_), VgpuWish::Delete(wish)) => self.delete_vgpu(&wish).await,
        };
        self.show_vgpus(&outcome).await;
        drop(command.reply.send(outcome));
    }

    /// What was done is read back, and seen by everybody before the one who asked has an answer.
    async fn show_vgpus(&mut self, outcome: &Result<VgpuRow, HostError>) {
        self.look_at_vgpus().await;
        self.end_record(outcome.as_ref().map(|_| ()));
        self.settle().await;
    }

    /// Turns the virtual functions of a GPU on or off.
    async fn turn(&mut self, gpu: PciAddress, enabled: bool) -> Result<VgpuGpu, HostError> {
        let step = Step::SetSriov { gpu, enabled };
        let begun = Instant::now();
        let outcome = self.hardware.apply_vgpu(&step).await;
        self.note_tried(step.to_string(), begun, outcome.as_ref().err());
        let seen = outcome?;
        let how = if enabled { "on" } else { "off" };
        let text = format!("virtual functions {how}");
        self.events.add("gpu", &gpu.to_string(), &text);
        Ok(seen)
    }

    /// Takes up what the store knows.
    pub(super) fn load_vgpus(&mut self) -> Result<(), HostError> {
        let (rows, damaged) = self.store.vgpus()?;
        if !damaged.is_empty() {
            let hint = "their vGPUs count as none of kerf's: see `kerf vgpu list` for those that are foreign";
            self.degrade(RECORDS, damaged.join("; "), hint);
        }
        self.vgpus.rows = rows.into_iter().map(|row| (row.fence, row)).collect();
        Ok(())
    }

    /// The vGPUs that a GPU showed last, in words.
    pub(super) fn vgpus_in_words(&self, gpu: PciAddress) -> Vec<String> {
        let Some(seen) = self.vgpus.seen.get(&gpu) else {
            return Vec::new();
        };
        let one = |(function, vgpu): (PciAddress, &kerf_types::Vgpu)| {
            let mut rows = self.vgpus.rows.values();
            let is_it = |row: &&VgpuRow| {
                row.function == function.to_string()
                    && judge::find(row, std::slice::from_ref(vgpu)).is_some()
            };
            let name = rows.find(is_it).map(|row| row.type_name.as_str());
            let name = name.or_else(|| seen.type_name(vgpu.type_id));
            match name {
                Some(name) => format!("vGPU {name} on {function}"),
                None => format!("vGPU of type {} on {function}", vgpu.type_id),
            }
        };
        seen.vgpus().map(one).collect()
    }

    /// Those that kerf made, as they showed themselves last; a record whose vGPU is not there now has none.
    pub(in crate::host) fn own_vgpus(&self) -> Vec<OwnVgpu<'_>> {
        let rows = self.vgpus.rows.values();
        rows.filter_map(|row| self.vgpus.own(row)).collect()
    }

    /// A fresh look at the GPUs of a lease's vGPUs.
    pub(in crate::host) async fn look_at_own_vgpus(
        &mut self,
        devices: &[LeasedDevice],
    ) -> Result<(), HostError> {
        let rows = devices.iter().filter_map(|device| self.row_of(device));
        let gpus = rows.filter_map(|row| row.gpu.parse().ok());
        for gpu in gpus.collect::<BTreeSet<PciAddress>>() {
            self.look_at_vgpus_of(gpu).await?;
        }
        Ok(())
    }

    /// The record that a lease's device names; `None` once its vGPU is known to be gone, and for every other device.
    pub(in crate::host) fn row_of(&self, device: &LeasedDevice) -> Option<&VgpuRow> {
        let fence = device
            .board
            .as_deref()
            .filter(|_| device.kind == DeviceKind::Vgpu)?;
        self.vgpus.rows.get(&fence.parse().ok()?)
    }

    /// Whether a vGPU of a record may be there although its GPU does not show it.
    pub(in crate::host) fn is_unseen(&self, row: &VgpuRow) -> bool {
        self.vgpus.own(row).is_none()
    }

    /// The lease that has the vGPU of a record.
    pub(super) fn lease_on(&self, row: &VgpuRow) -> Option<&Lease> {
        let is_it = |device: &LeasedDevice| {
            self.row_of(device)
                .is_some_and(|own| own.fence == row.fence)
        };
        let mut leases = self.leases.values().map(|row| &row.lease);
        leases.find(|lease| lease.devices.iter().any(is_it))
    }

    /// Every GPU with kerf's records, as it showed itself last.
    pub(super) fn shown_vgpus(&self) -> Vec<Shown> {
        let gpus = self.vgpus.seen.values();
        gpus.map(|gpu| {
            let own = gpu.pci.to_string();
            let rows = self.vgpus.rows.values().filter(|row| row.gpu == own);
            (gpu.clone(), rows.cloned().collect())
        })
        .collect()
    }

    /// Writes a record. What is to follow must not begin where that fails.
    fn put_vgpu(&mut self, row: VgpuRow) -> Result<(), HostError> {
        self.write(|store| store.put_vgpu(&row))?;
        self.vgpus.rows.insert(row.fence, row);
        Ok(())
    }

    fn forget_vgpu(&mut self, fence: u64) -> Result<(), HostError> {
        self.write(|store| store.delete_vgpu(fence))?;
        self.vgpus.rows.remove(&fence);
        Ok(())
    }
}
