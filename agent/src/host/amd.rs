//! The AMD GPUs of the host: looked at like any other, each for itself, and their requests remembered.
//!
//! A memory mode that was asked for takes hold when the driver is loaded anew, and the kernel shows nothing of it
//! meanwhile. So kerfd remembers it, with a copy in the run folder, which goes with the boot as the request does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kerf_types::inventory::Health;
use kerf_types::{AmdGpu, MemoryPartition, PciAddress};

use super::{Host, now};
use crate::errors::chain;
use crate::files::{self, Durability};
use crate::hardware::HardwareError;

/// Requests for memory modes, by GPU.
pub type Requests = BTreeMap<PciAddress, MemoryPartition>;

/// Name of their copy in the run folder.
const COPY: &str = "amd-requests.json";

impl Host {
    /// Reads the AMD GPUs that the driver serves. One that it no longer serves is lost until it comes back.
    pub(super) async fn observe_amd(&mut self, served: &[PciAddress]) {
        for pci in served {
            self.look_at_amd(*pci).await;
        }
        let known = self.inventory.amd.iter();
        let missing: Vec<PciAddress> = known
            .filter(|gpu| !gpu.health.is_lost() && !served.contains(&gpu.pci))
            .map(|gpu| gpu.pci)
            .collect();
        for pci in missing {
            self.set_amd_health(pci, Health::Lost { since: now() });
        }
    }

    /// Reads one and notes how it is.
    pub(super) async fn look_at_amd(&mut self, pci: PciAddress) {
        match self.hardware.observe_amd(pci).await {
            Ok(gpu) => self.take_amd(gpu),
            Err(error) => self.amd_failed(pci, &error),
        }
    }

    /// Takes over what was read of an AMD GPU, with what is remembered of it.
    pub(super) fn take_amd(&mut self, mut gpu: AmdGpu) {
        let name = amd_name(gpu.pci);
        match &gpu.health {
            Health::Ok => self.recovered(&name),
            Health::Unresponsive { operation, .. } => {
                let why = format!("it does not respond: {operation}");
                self.degrade(&name, why, "its neighbours go on");
            }
            _ => {}
        }
        self.remember(&gpu);
        gpu.pending_memory = self.amd_requests.get(&gpu.pci).copied();
        let known = &mut self.inventory.amd;
        match known.iter_mut().find(|known| known.pci == gpu.pci) {
            Some(known) => *known = gpu,
            None => {
                let text = format!("{} found", gpu.name);
                known.push(gpu);
                self.find("gpu", name, text);
            }
        }
        self.inventory.amd.sort_by_key(|gpu| gpu.pci);
    }

    /// A request that was just taken is new; one that the GPU has by now is no more. The hive changes as one, so
    /// the last request is that of all its GPUs, as the driver has it.
    fn remember(&mut self, gpu: &AmdGpu) {
        let before = self.amd_requests.clone();
        if let Some(mode) = gpu.pending_memory {
            let hive = self.inventory.amd.iter();
            let others = hive.filter(|other| other.hive.is_some() && other.hive == gpu.hive);
            let all: Vec<PciAddress> = others.map(|other| other.pci).chain([gpu.pci]).collect();
            self.amd_requests
                .extend(all.into_iter().map(|pci| (pci, mode)));
        }
        let has = |mode: &MemoryPartition| gpu.memory_mode == Some(*mode);
        if self.amd_requests.get(&gpu.pci).is_some_and(has) {
            self.amd_requests.remove(&gpu.pci);
        }
        if self.amd_requests != before {
            self.copy_requests();
        }
    }

    fn copy_requests(&mut self) {
        let written = files::replace(
            &self.requests_path(),
            &encode(&self.amd_requests),
            Durability::Volatile,
        );
        match written {
            Ok(()) => self.recovered("amd requests"),
            Err(error) => {
                let hint = "after a restart kerfd does not know which memory modes are pending";
                self.degrade("amd requests", error.to_string(), hint);
            }
        }
    }

    /// What an earlier kerfd of this boot asked for.
    pub(super) fn load_amd_requests(&mut self) {
        let bytes = std::fs::read(self.requests_path()).unwrap_or_default();
        self.amd_requests = decode(&bytes);
    }

    fn requests_path(&self) -> PathBuf {
        self.config.paths.run_dir.join(COPY)
    }

    /// Notes that an AMD GPU could not be read; what was known of it stays.
    pub(super) fn amd_failed(&mut self, pci: PciAddress, error: &HardwareError) {
        let known = self.inventory.amd.iter().find(|gpu| gpu.pci == pci);
        let since = match known.map(|gpu| &gpu.health) {
            Some(Health::Unresponsive { since, .. } | Health::Lost { since }) => *since,
            _ => now(),
        };
        let health = if error.is_lost() || error.is_not_found() {
            Health::Lost { since }
        } else {
            let operation = chain(error);
            Health::Unresponsive { since, operation }
        };
        self.set_amd_health(pci, health);
    }

    fn set_amd_health(&mut self, pci: PciAddress, health: Health) {
        let why = match &health {
            Health::Lost { .. } => "the driver serves it no longer".to_owned(),
            Health::Unresponsive { operation, .. } => operation.clone(),
            _ => "it is not well".to_owned(),
        };
        let hint = "its neighbours go on; it is let in again when it answers";
        let known = self.inventory.amd.iter_mut().find(|gpu| gpu.pci == pci);
        let is_lost = health.is_lost();
        let before = known.map(|gpu| std::mem::replace(&mut gpu.health, health));
        let is_lost_now = is_lost && before.is_some_and(|health| !health.is_lost());
        self.degrade_to(&amd_name(pci), why, hint, is_lost_now);
    }
}

/// How an AMD GPU is called in `kerf status`.
fn amd_name(pci: PciAddress) -> String {
    format!("amd gpu {pci}")
}

fn encode(requests: &Requests) -> Vec<u8> {
    let text = |(pci, mode): (&PciAddress, &MemoryPartition)| (pci.to_string(), mode.to_string());
    let texts: BTreeMap<String, String> = requests.iter().map(text).collect();
    // A map of texts always encodes.
    serde_json::to_vec(&texts).unwrap_or_default()
}

/// What can be made sense of: a copy that is damaged is one that is not there.
fn decode(bytes: &[u8]) -> Requests {
    let texts: BTreeMap<String, String> = serde_json::from_slice(bytes).unwrap_or_default();
    let known = texts.iter();
    known
        .filter_map(|(pci, mode)| Some((pci.parse().ok()?, mode.parse().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests;
