//! The AMD part of layouts: carried out behind NVIDIA's, kept, and brought back.
//!
//! A compute mode changes at once and is gone with the boot. A memory mode is asked for, of a whole hive, and comes when
//! the driver is loaded anew; the driver then chooses a compute mode by itself, so that the wanted one is set after it.
//! Until then the GPU does not have its layout, and what waits is told in `kerf status`. kerf never loads or unloads a
//! driver.

use std::collections::{BTreeMap, BTreeSet};

use kerf_api::json::history::HistoryGpu;
use kerf_planner::HostPlan;
use kerf_planner::host::GpuName;
use kerf_types::layout::{GpuSelector, Layout, LayoutRule};
use kerf_types::{AmdGpu, AmdWish, ComputePartition, Inventory, MemoryPartition, PciAddress};

use super::carry::Listener;
use super::kept::AWAITS_RELOAD;
use super::record::is_read;
use super::{Host, HostError, LayoutDone};
use crate::errors::chain;

/// The modes of each AMD GPU: compute, memory, and the memory mode that it was asked for.
pub type Modes = BTreeMap<
    PciAddress,
    (
        Option<ComputePartition>,
        Option<MemoryPartition>,
        Option<MemoryPartition>,
    ),
>;

/// The modes of the AMD GPUs now.
pub(super) fn modes(inventory: &Inventory) -> Modes {
    let gpus = inventory.amd.iter();
    gpus.map(|gpu| (gpu.pci, (gpu.compute, gpu.memory_mode, gpu.pending_memory)))
        .collect()
}

/// What an AMD GPU has now, as a rule to go back to; `None` where that cannot be said. A memory mode is not in it: a
/// driver forgets no request, so there is no way back from one.
pub(super) fn rule_of(gpu: &AmdGpu) -> Option<LayoutRule> {
    let wish = AmdWish {
        compute: Some(gpu.compute?),
        memory: None,
    };
    Some(LayoutRule {
        gpus: vec![GpuSelector::Pci(gpu.pci)],
        amd: Some(wish),
        ..LayoutRule::default()
    })
}

impl Host {
    /// AMD GPUs that the driver serves and that have never answered.
    pub(super) fn unread_amd(&self) -> Vec<GpuName> {
        let is_known = |pci: &PciAddress| self.inventory.amd.iter().any(|gpu| gpu.pci == *pci);
        let listed = (0..).zip(&self.listed_amd);
        let unread = listed.filter(|(_, pci)| !is_known(pci));
        unread
            .map(|(index, pci)| GpuName { index, pci: *pci })
            .collect()
    }

    /// AMD GPUs that are not yet as a layout wants them, because they wait for their driver.
    pub(super) fn awaits_reload(&self, layout: &Layout) -> BTreeSet<PciAddress> {
        let waits = |gpu: &&AmdGpu| {
            let wish = layout.wish_for(gpu);
            gpu.pending_memory.is_some() && wish.is_some_and(|wish| !wish.is_met_by(gpu))
        };
        let gpus = self.inventory.amd.iter().filter(waits);
        gpus.map(|gpu| gpu.pci).collect()
    }

    /// Carries out the AMD part of a plan; how many steps were before it, and how many there are.
    pub(super) async fn carry_out_amd(
        &mut self,
        plan: &HostPlan,
        (mut before, of): (usize, usize),
        progress: Listener<'_>,
        done: &mut LayoutDone,
    ) -> Result<(), HostError> {
        for change in &plan.amd {
            let steps = &change.steps;
            let outcome = self.run_steps_of(steps, (before, of), progress).await;
            before += steps.len();
            done.steps += steps.len();
            outcome?;
        }
        // A request is its hive's, and only the GPU that it was written to has been read back.
        let asked = plan.amd.iter().filter(|gpu| gpu.memory_later.is_some());
        let others: Vec<PciAddress> = asked.map(|change| change.gpu.pci).collect();
        for pci in others {
            let known = self.inventory.amd.iter().find(|gpu| gpu.pci == pci);
            if known.is_some_and(|gpu| gpu.pending_memory.is_none()) {
                self.look_at_amd(pci).await;
            }
        }
        Ok(())
    }

    /// Brings an AMD GPU back to what was kept for it, with its hive where the memory mode is another.
    pub(super) async fn bring_back_amd(&mut self, pci: PciAddress, wish: AmdWish) {
        let Some(gpu) = self.inventory.amd.iter().find(|gpu| gpu.pci == pci) else {
            return self.say_unmet(pci, "it is not in this host".to_owned());
        };
        if !gpu.health.is_ok() {
            return self.say_unmet(pci, "it is not well".to_owned());
        }
        if wish.is_met_by(gpu) {
            return self.is_back(pci);
        }
        if gpu.pending_memory.is_some() {
            return self.say_unmet(pci, AWAITS_RELOAD.to_owned());
        }
        let is_other = wish
            .memory
            .is_some_and(|mode| gpu.memory_mode != Some(mode));
        let gpus: Vec<PciAddress> = match &gpu.hive {
            Some(hive) if is_other => {
                let all = self.inventory.amd.iter();
                let linked = all.filter(|other| other.hive.as_ref() == Some(hive));
                linked.map(|other| other.pci).collect()
            }
            _ => vec![pci],
        };
        let (request, plan) = match self.plan_kept(&gpus) {
            Ok(planned) => planned,
            Err(error) => return self.say_unmet(pci, chain(&error)),
        };
        if let Err(error) = self.refuse_if_owned(&plan) {
            return self.say_unmet(pci, chain(&error));
        }
        if let Err(error) = self.carry_out_again(&request, plan).await {
            return self.give_up(pci, chain(&error));
        }
        match self.awaits_reload(&request.layout).contains(&pci) {
            true => self.say_unmet(pci, AWAITS_RELOAD.to_owned()),
            false => self.is_back(pci),
        }
    }

    /// What was read back of an AMD GPU, for the history.
    pub(super) fn readback_amd(&self, pci: &str) -> Option<HistoryGpu> {
        let mut gpus = self.inventory.amd.iter();
        let gpu = gpus.find(|gpu| gpu.pci.to_string() == *pci)?;
        if !is_read(&gpu.health) {
            return None;
        }
        let mut modes: Vec<String> = [
            gpu.compute.map(|mode| mode.to_string()),
            gpu.memory_mode.map(|mode| mode.to_string()),
        ]
        .into_iter()
        .flatten()
        .collect();
        let later = gpu.pending_memory;
        modes.extend(later.map(|mode| format!("{mode} when the driver is loaded anew")));
        Some(HistoryGpu {
            pci: pci.to_owned(),
            mig: "unsupported".to_owned(),
            slices: Vec::new(),
            modes: Some(modes.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests;
