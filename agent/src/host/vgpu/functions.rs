//! Virtual functions that are on for a vGPU, and off without one.
//!
//! ```text
//! intent written --turned on--> vGPU made: intent ended, they stay
//!        |                \--- refused, or kerfd died: off again, intent ended
//!        \------ vGPU taken away ---> off, intent ended
//! ```
//! One intent stands for both ways, since both end alike: whoever uses the functions keeps them, and without anybody
//! they go off. Turning them off wipes a MIG layout, so they wait for its end, and are shown while they do.

use std::collections::BTreeSet;

use kerf_types::{PciAddress, VgpuGpu};

use super::{Host, HostError, VgpuRefusal};
use crate::errors::chain;
use crate::store::{VgpuRow, VgpuState, Work, WorkRow};

impl Host {
    /// Writes down that the functions of a GPU go off unless somebody uses them. One intent for a GPU is enough.
    pub(super) fn begin_functions(&mut self, gpu: PciAddress) -> Result<WorkRow, HostError> {
        let work = Work::Functions {
            gpu: gpu.to_string(),
        };
        if let Some(at) = self.open_work.iter().position(|row| row.work == work) {
            return Ok(self.open_work.remove(at));
        }
        let number = self.write(|store| store.begin_work(&work))?;
        Ok(WorkRow { number, work })
    }

    /// The functions of a GPU stay as they are: a vGPU was made on them.
    pub(super) fn keep_functions(&mut self, gpu: PciAddress, begun: Option<WorkRow>) {
        let gpu = gpu.to_string();
        let is_it =
            |row: &WorkRow| matches!(&row.work, Work::Functions { gpu: own } if *own == gpu);
        let (own, others) = std::mem::take(&mut self.open_work)
            .into_iter()
            .partition(is_it);
        self.open_work = others;
        let own: Vec<WorkRow> = own;
        for row in own.into_iter().chain(begun) {
            // The next look finds the vGPU, and tries again.
            if self.write(|store| store.end_work(row.number)).is_err() {
                self.open_work.push(row);
            }
        }
    }

    /// Does what is intended, and keeps the intent where that cannot be done yet.
    pub(super) async fn settle_functions(&mut self, row: WorkRow) -> Result<(), HostError> {
        let outcome = self.resume(&row).await;
        if let Err(error) = &outcome {
            let why = chain(error);
            tracing::warn!(error = %why, "virtual functions stay on");
            self.degrade("interrupted work", why, error.hint());
            self.open_work.push(row);
        }
        outcome
    }

    /// Turns the functions of a GPU off, unless somebody has found a use for them.
    pub(in crate::host) async fn resume_functions(
        &mut self,
        number: i64,
        gpu: &str,
    ) -> Result<(), HostError> {
        let gpu: PciAddress = gpu.parse()?;
        if self.are_idle(gpu).await? {
            let seen = self.turn(gpu, false).await?;
            self.vgpus.seen.insert(gpu, seen);
            tracing::info!(gpu.pci = %gpu, "virtual functions off again");
        }
        self.write(|store| store.end_work(number))
    }

    /// Whether they are on and nothing would be lost with them. An error where that cannot be said yet, or where
    /// something would be.
    async fn are_idle(&mut self, gpu: PciAddress) -> Result<bool, HostError> {
        let seen = match self.hardware.observe_vgpu(gpu).await {
            // Where its files are gone, its functions are.
            Err(error) if error.is_not_found() => return Ok(false),
            seen => seen?,
        };
        self.vgpus.seen.insert(gpu, seen.clone());
        if seen.sriov.is_none_or(|sriov| sriov.functions == 0) {
            return Ok(false);
        }
        if let Some(row) = self.unsettled_on(gpu) {
            let why = format!(
                "what becomes of the vGPU on {} is not known yet",
                row.function
            );
            return Err(VgpuRefusal::StaysOn { gpu, why }.into());
        }
        if seen.vgpus().next().is_some() {
            return Ok(false);
        }
        match self.lost_with_functions(&seen).await? {
            None => Ok(true),
            Some(why) => Err(VgpuRefusal::StaysOn { gpu, why }.into()),
        }
    }

    /// What turning them off would take from somebody.
    async fn lost_with_functions(&mut self, seen: &VgpuGpu) -> Result<Option<String>, HostError> {
        let gpu = seen.pci;
        let mut silent = seen.functions.iter().filter(|one| one.vgpus.is_none());
        if let Some(one) = silent.next() {
            let why = format!("{} does not say whether it carries a vGPU", one.pci);
            return Ok(Some(why));
        }
        let known = self.look_at(gpu).await?;
        if !known.instances.is_empty() {
            return Ok(Some("without them its MIG layout would be gone".to_owned()));
        }
        if let Some(process) = known.processes.first() {
            return Ok(Some(format!("process {} is on the GPU", process.pid)));
        }
        Ok(self.must_be_free(gpu).err().map(|error| chain(&error)))
    }

    /// A record of a vGPU on a GPU that is being made or taken away.
    pub(super) fn unsettled_on(&self, gpu: PciAddress) -> Option<&VgpuRow> {
        let gpu = gpu.to_string();
        self.unsettled().find(|row| row.gpu == gpu)
    }

    /// The same of a function.
    pub(super) fn unsettled_at(&self, function: &str) -> Option<&VgpuRow> {
        self.unsettled().find(|row| row.function == function)
    }

    fn unsettled(&self) -> impl Iterator<Item = &VgpuRow> {
        let rows = self.vgpus.rows.values();
        rows.filter(|row| row.state != VgpuState::Made)
    }

    /// GPUs of which something was begun that a worker of an earlier kerfd may still be doing.
    pub(super) fn in_doubt(&self) -> BTreeSet<PciAddress> {
        if !self.is_earlier_at_work() {
            return BTreeSet::new();
        }
        let functions = self.open_work.iter().filter_map(|row| match &row.work {
            Work::Functions { gpu } => Some(gpu),
            _ => None,
        });
        let gpus = functions.chain(self.unsettled().map(|row| &row.gpu));
        gpus.filter_map(|gpu| gpu.parse().ok()).collect()
    }

    /// Whether what is seen of a GPU's vGPUs may be otherwise in a moment, by an earlier kerfd's doing.
    pub(in crate::host) fn vgpus_are_in_doubt(&self, gpu: PciAddress) -> bool {
        self.in_doubt().contains(&gpu)
    }

    /// Nothing is changed where an earlier change may still come: it would befall what has taken its place.
    pub(super) fn refuse_in_doubt(&self, gpu: PciAddress) -> Result<(), HostError> {
        match self.vgpus_are_in_doubt(gpu) {
            true => Err(VgpuRefusal::InDoubt { gpu }.into()),
            false => Ok(()),
        }
    }
}
