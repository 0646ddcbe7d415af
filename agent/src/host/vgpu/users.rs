//! Which processes have vGPUs open: asked of the worker for processes, which may look into every one.
//!
//! A virtual machine opens the VFIO group of the function or mediated device, or its own node where the kernel has such.
//! What cannot be looked into is unknown, and never nobody.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kerf_types::{PciAddress, Vgpu, VgpuUuid};

use super::Shown;
use crate::errors::chain;
use crate::process::holders::Seen;
use crate::process::workers::Processes;

/// A vGPU by its function and, for a mediated device, its name.
type Named = (PciAddress, Option<VgpuUuid>);

/// Who has which vGPU.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    users: BTreeMap<Named, String>,
    /// Whether all processes were looked into, so that nobody has what nobody is named for.
    pub are_known: bool,
}

impl Users {
    /// Looks, which takes as long as `/proc` does: some ten milliseconds for a thousand processes. What could not be looked
    /// at is unknown.
    pub async fn look(processes: &Processes, sysroot: &Path, gpus: &[Shown]) -> Self {
        let mut nodes: BTreeMap<Named, Vec<String>> = BTreeMap::new();
        for (function, vgpu) in gpus.iter().flat_map(|(gpu, _)| gpu.vgpus()) {
            nodes.insert((function, vgpu.uuid), nodes_of(sysroot, function, vgpu));
        }
        let seen = match nodes.is_empty() {
            true => Ok(Seen::default()),
            false => {
                let all = nodes.values().flatten().cloned();
                processes.holders_of(all.collect()).await
            }
        };
        match seen {
            Ok(seen) => Self::of(&nodes, &seen),
            Err(error) => {
                tracing::warn!(error = chain(&error), "users of vgpus not looked for");
                Self::default()
            }
        }
    }

    fn of(nodes: &BTreeMap<Named, Vec<String>>, seen: &Seen) -> Self {
        let user = |nodes: &Vec<String>| {
            let mut holders = seen.holders.iter();
            let holder = holders.find(|one| nodes.iter().any(|node| one.holds.contains(node)))?;
            Some(format!("process {} ({})", holder.pid, holder.command))
        };
        let users = nodes
            .iter()
            .filter_map(|(named, nodes)| Some((*named, user(nodes)?)));
        Self {
            users: users.collect(),
            are_known: seen.unread.is_empty() && nodes.values().all(|nodes| !nodes.is_empty()),
        }
    }

    /// Who has this one, as far as it was seen.
    pub fn of_vgpu(&self, function: PciAddress, uuid: Option<VgpuUuid>) -> Option<&String> {
        self.users.get(&(function, uuid))
    }
}

/// The nodes through which it is opened, as they are called under `/dev`. None where the kernel tells no group.
pub(in crate::host) fn nodes_of(sysroot: &Path, function: PciAddress, vgpu: &Vgpu) -> Vec<String> {
    let device = match vgpu.uuid {
        Some(uuid) => format!("sys/bus/mdev/devices/{uuid}"),
        None => format!("sys/bus/pci/devices/{function}"),
    };
    let device = sysroot.join(device);
    let group = fs::read_link(device.join("iommu_group")).ok();
    let group = group.and_then(|group| Some(group.file_name()?.to_str()?.to_owned()));
    let own = fs::read_dir(device.join("vfio-dev")).into_iter().flatten();
    let own = own
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    let own = own.map(|name| format!("/dev/vfio/devices/{name}"));
    let group = group.map(|group| format!("/dev/vfio/{group}"));
    group.into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests;
