//! Looking at the hardware. What cannot be read is kept as it was last seen, with its sickness named.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use kerf_api::partitioner::v1::{Opened, failure::Code};
use kerf_types::inventory::{Health, Nic, NumaNode};
use kerf_types::{Gpu, HostMap, PciAddress};

use super::changes::{self, Change, Platform};
use super::{Host, HostError, now};
use crate::errors::chain;
use crate::hardware::{GpuKey, HardwareError};

impl Host {
    /// Reads everything anew, GPU by GPU. The caller settles, so that names and picture follow in order.
    pub(super) async fn observe_all(&mut self) {
        if self.maintenance.is_some() {
            return;
        }
        self.observe_hardware().await;
        self.look_for_cutters();
    }

    async fn observe_hardware(&mut self) {
        self.allowed = crate::process::allowed();
        let amd = self.observe_platform().await;
        self.observe_amd(&amd).await;
        self.listed_amd = amd;
        match self.hardware.open().await {
            Ok(opened) => self.observe_gpus(opened).await,
            Err(error) => self.driver_failed(&error),
        }
        // Tables of sixteen GPUs take some ten milliseconds; the other tasks of this thread go on meanwhile.
        tokio::task::block_in_place(|| self.rings.note(&self.inventory));
        self.look_at_vgpus().await;
    }

    /// Every GPU that the driver serves. A worker has the driver open from its start on, so that this one is gone shows
    /// in a call on a GPU first. One that is loaded anew is found by the next worker, which is asked once more; it may be
    /// another release, whose files have other names.
    async fn observe_gpus(&mut self, opened: Opened) {
        let mut count = self.take_driver(opened);
        for key in self.keys(count) {
            let mut seen = self.hardware.observe(key).await;
            if seen.as_ref().is_err_and(HardwareError::is_no_driver) {
                seen = self.hardware.observe(key).await;
                if !seen.as_ref().is_err_and(HardwareError::is_no_driver) {
                    match self.hardware.open().await {
                        Ok(opened) => count = self.take_driver(opened),
                        Err(error) => return self.driver_failed(&error),
                    }
                }
            }
            match seen {
                Ok(gpu) => self.take_gpu(gpu),
                Err(error) if error.is_no_driver() => return self.driver_failed(&error),
                Err(error) => self.gpu_failed(key, &error),
            }
        }
        self.recovered("driver");
        self.forget_moved();
        self.note_missing(count);
        self.find_driver_files();
    }

    /// Takes over what the driver is; returns how many GPUs it counts.
    fn take_driver(&mut self, opened: Opened) -> u32 {
        self.inventory.driver = opened.driver.and_then(|driver| driver.try_into().ok());
        opened.gpu_count
    }

    /// What to call the GPUs that the driver serves. NVML's indices move when one drops out, and a worker counts
    /// them once, so they serve only where the kernel driver names no addresses, and there for a GPU's first
    /// look alone: calls on one GPU are told apart by its name.
    fn keys(&self, count: u32) -> Vec<GpuKey> {
        if let Some(all) = &self.listed {
            return all.iter().copied().map(GpuKey::Pci).collect();
        }
        let known = |index: &u32| self.inventory.gpus.iter().find(|gpu| gpu.index == *index);
        (0..count)
            .map(|index| known(&index).map_or(GpuKey::Index(index), |gpu| GpuKey::Pci(gpu.pci)))
            .collect()
    }

    /// A GPU that the driver no longer serves has dropped out; its entry says so until it comes back.
    fn note_missing(&mut self, count: u32) {
        let listed = match &self.listed {
            Some(listed) => listed.as_slice(),
            // The kernel driver names none, and NVML serves none.
            None if count == 0 => &[],
            None => return,
        };
        let gpus = self.inventory.gpus.iter();
        let missing: Vec<PciAddress> = gpus
            .filter(|gpu| !listed.contains(&gpu.pci) && !gpu.health.is_lost())
            .map(|gpu| gpu.pci)
            .collect();
        for pci in missing {
            self.set_health(pci, Health::Lost { since: now() });
        }
    }

    /// Looks at one GPU now.
    pub(super) async fn look_at(&mut self, pci: PciAddress) -> Result<&Gpu, HostError> {
        let gpu = self.hardware.observe(GpuKey::Pci(pci)).await?;
        self.take_gpu(gpu);
        self.gpu(pci)
    }

    /// The host apart from its GPUs; returns which AMD GPUs it has.
    async fn observe_platform(&mut self) -> Vec<PciAddress> {
        let facts = match self.hardware.observe_host().await {
            Ok(facts) => facts,
            Err(error) => {
                self.degrade("worker", chain(&error), "see the log of kerf-partitioner");
                return self.listed_amd.clone();
            }
        };
        self.recovered("worker");
        let nodes: Result<Vec<NumaNode>, _> = facts
            .numa_nodes
            .into_iter()
            .map(NumaNode::try_from)
            .collect();
        let nics: Result<Vec<Nic>, _> = facts.nics.into_iter().map(Nic::try_from).collect();
        self.inventory.problems = facts.problems;
        let listed: Result<Vec<PciAddress>, _> =
            facts.gpus.iter().map(|address| address.parse()).collect();
        let listed = listed.ok().filter(|all| !all.is_empty());
        if self.listed.is_none() && listed.is_some() {
            // The kernel's driver has come: NVML need not be left alone for as long as one that was not there.
            self.hardware.driver_has_come().await;
        }
        self.listed = listed;
        let amd = facts.amd_gpus.iter();
        let amd: Vec<PciAddress> = amd.filter_map(|address| address.parse().ok()).collect();
        // A worker of an earlier release tells none: then the last one stands.
        let map = facts.map.map_or_else(
            || Ok(HostMap::clone(&self.inventory.map)),
            HostMap::try_from,
        );
        match (nodes, nics, map) {
            (Ok(nodes), Ok(nics), Ok(map)) => {
                self.tell_changes(&nodes, &nics, &map, &amd);
                self.inventory.numa_nodes = nodes;
                self.inventory.nics = nics;
                // Whoever has the map of before keeps that one; one that is the same is not handed out anew.
                if *self.inventory.map != map {
                    self.inventory.map = Arc::new(map);
                }
            }
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                self.inventory.problems.push(error.to_string());
            }
        }
        amd
    }

    /// Tells those who watch what is not as it was at the last look; the first one has nothing to compare with.
    fn tell_changes(
        &mut self,
        numa_nodes: &[NumaNode],
        nics: &[Nic],
        map: &HostMap,
        amd: &[PciAddress],
    ) {
        let old = &self.inventory;
        if old.map.pci.is_empty() && old.numa_nodes.is_empty() {
            return;
        }
        // Of one that is lost already its reader has nothing more to tell, nor of any while its driver does not answer.
        let is_read = !self.degraded.contains_key("driver");
        let gpus = old
            .gpus
            .iter()
            .filter(|gpu| is_read && !gpu.health.is_lost());
        let amd_gpus = old.amd.iter().filter(|gpu| !gpu.health.is_lost());
        let known = gpus.map(|gpu| gpu.pci).chain(amd_gpus.map(|gpu| gpu.pci));
        let known: BTreeSet<PciAddress> = known.collect();
        let listed = self.listed.iter().flatten();
        let served: BTreeSet<PciAddress> = listed.chain(amd).copied().collect();
        let before = Platform {
            numa_nodes: &old.numa_nodes,
            nics: &old.nics,
            map: &old.map,
            served: &known,
        };
        let after = Platform {
            numa_nodes,
            nics,
            map,
            served: &served,
        };
        let changes = changes::of_platform(before, after);
        for Change { subject, text } in changes {
            self.find("device", subject, text);
        }
    }

    fn driver_failed(&mut self, error: &HardwareError) {
        let had_none = self.inventory.gpus.is_empty();
        if error.is_no_driver() && self.config.paths.nvml.is_none() && had_none {
            // A host without NVIDIA GPUs is a healthy host; one that had some and has no driver any more is not.
            self.recovered("driver");
            return;
        }
        let status = self.hardware.status();
        let why = if status.driver_hangs {
            format!(
                "it does not respond: {} workers are stuck in its calls",
                status.stuck_in_driver
            )
        } else {
            chain(error)
        };
        let hint = "running containers go on; kerfd recovers when the driver answers";
        self.degrade("driver", why.clone(), hint);
        let now = now();
        for gpu in self
            .inventory
            .gpus
            .iter_mut()
            .filter(|gpu| gpu.health.is_ok())
        {
            gpu.health = Health::Unresponsive {
                since: now,
                operation: why.clone(),
            };
        }
    }

    /// Reads one GPU and notes how it is.
    pub(super) async fn observe_gpu(&mut self, key: GpuKey) {
        match self.hardware.observe(key).await {
            Ok(gpu) => self.take_gpu(gpu),
            Err(error) => self.gpu_failed(key, &error),
        }
    }

    /// Takes over what was read of a GPU.
    pub(super) fn take_gpu(&mut self, mut gpu: Gpu) {
        self.shared.without_own(&mut gpu);
        self.lives.note(&gpu);
        self.unheard.remove(&gpu.pci);
        self.heard.insert(gpu.pci, Instant::now());
        // It may have been without a place in the inventory, or at another index.
        self.recovered(&unread_name(GpuKey::Pci(gpu.pci)));
        self.recovered(&unread_name(GpuKey::Index(gpu.index)));
        let known = self.gpu(gpu.pci).map(|known| known.index);
        if let Ok(index) = known
            && index != gpu.index
        {
            self.recovered(&gpu_name(index, gpu.pci));
        }
        let name = gpu_name(gpu.index, gpu.pci);
        if gpu.health.is_ok() {
            self.recovered(&name);
        } else {
            let why = health_text(&gpu.health);
            self.degrade(
                &name,
                why,
                "its neighbours go on; drain and reset or replace it",
            );
        }
        let gpus = &mut self.inventory.gpus;
        let texts = match gpus.iter_mut().find(|known| known.pci == gpu.pci) {
            Some(known) => {
                let texts = changes::of_gpu(known, &gpu);
                *known = gpu;
                texts
            }
            None => {
                let text = format!("{} ({}) found", gpu.name, gpu.uuid);
                gpus.push(gpu);
                vec![text]
            }
        };
        gpus.sort_by_key(|gpu| (gpu.index, gpu.pci));
        for text in texts {
            self.find("gpu", name.clone(), text);
        }
    }

    /// Notes that a GPU could not be read; what was known of it stays.
    pub(super) fn gpu_failed(&mut self, key: GpuKey, error: &HardwareError) {
        let Some(gpu) = self.inventory.gpus.iter().find(|gpu| match key {
            GpuKey::Pci(pci) => gpu.pci == pci,
            GpuKey::Index(index) => gpu.index == index,
        }) else {
            let why = format!("it has never been read: {}", chain(error));
            self.degrade(&unread_name(key), why, "its neighbours go on");
            return;
        };
        self.unheard.insert(gpu.pci);
        self.heard.remove(&gpu.pci);
        let since = match &gpu.health {
            Health::Unresponsive { since, .. }
            | Health::Lost { since }
            | Health::ResetRequired { since } => *since,
            _ => now(),
        };
        let silent = |operation: String| Health::Unresponsive { since, operation };
        let health = match error {
            error if error.is_lost() || error.is_not_found() => Health::Lost { since },
            HardwareError::Failed {
                code: Code::ResetRequired,
                ..
            } => Health::ResetRequired { since },
            HardwareError::Unresponsive { operation, .. }
            | HardwareError::Deadline { operation, .. } => silent(operation.clone()),
            // The whole driver is at fault, which has an entry of its own.
            HardwareError::DriverHangs { .. } => return,
            error if error.is_no_driver() => return,
            // Whatever else comes of asking it: it cannot be trusted until it answers properly.
            error => silent(chain(error)),
        };
        self.set_health(gpu.pci, health);
    }

    /// Notes how a GPU is that is not well.
    fn set_health(&mut self, pci: PciAddress, health: Health) {
        let Some(gpu) = self.inventory.gpus.iter_mut().find(|gpu| gpu.pci == pci) else {
            return;
        };
        let (name, why) = (gpu_name(gpu.index, pci), health_text(&health));
        let is_lost_now = health.is_lost() && !gpu.health.is_lost();
        gpu.health = health;
        let hint = "its neighbours go on; it is let in again when it answers";
        self.degrade_to(&name, why, hint, is_lost_now);
    }

    /// The GPU at this address, or a clear error.
    pub(super) fn gpu(&self, pci: PciAddress) -> Result<&Gpu, HostError> {
        self.inventory
            .gpus
            .iter()
            .find(|gpu| gpu.pci == pci)
            .ok_or_else(|| HostError::NotFound {
                what: "GPU",
                name: pci.to_string(),
            })
    }
}

/// How a GPU is called in `kerf status`.
pub fn gpu_name(index: u32, pci: PciAddress) -> String {
    format!("gpu {index} ({pci})")
}

/// How one is called that has never been read.
fn unread_name(key: GpuKey) -> String {
    match key {
        GpuKey::Pci(pci) => format!("gpu {pci}"),
        GpuKey::Index(index) => format!("gpu {index}"),
    }
}

fn health_text(health: &Health) -> String {
    match health {
        Health::Ok => "well".to_owned(),
        Health::Lost { since } => format!("the driver has lost it since {since}"),
        Health::Unresponsive { since, operation } => {
            format!("it does not respond since {since} ({operation})")
        }
        Health::ResetRequired { since } => format!("it needs a reset since {since}"),
        Health::Xid { since, code } => format!("it reported XID {code} at {since}"),
        Health::Maintenance { since } => format!("it is in maintenance since {since}"),
    }
}

#[cfg(test)]
mod tests;
