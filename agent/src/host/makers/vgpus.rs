//! vGPUs as devices of leases: for whoever runs a virtual machine in a container.
//!
//! Owns which of them are offered: those that kerf made for containers, for others are their makers', each under the number
//! of its record, so that a lease is not served with what kerf makes in its place later. A lease gives the VFIO nodes of the device and
//! nothing of NVIDIA's driver; making and taking away stay `kerf vgpu`'s.

use kerf_types::{DeviceKind, LeasedDevice, VgpuTypeId};

use super::Host;
use super::offer::Offer;
use crate::host::vgpu::{OwnVgpu, nodes_of};
use crate::store::VgpuState;

/// Base class of PCI bridges, which VFIO lets be in a group (`vfio_dev_driver_allowed`, vfio_main.c).
const BRIDGE: u16 = 0x06;

impl Host {
    /// Every vGPU that kerf made for containers and that is there.
    pub(super) fn offered_vgpus(&self) -> Vec<Offer> {
        let own = self.own_vgpus().into_iter();
        let own = own.filter(|one| one.row.for_containers);
        own.filter_map(|one| self.offered_vgpu(&one)).collect()
    }

    fn offered_vgpu(&self, one: &OwnVgpu<'_>) -> Option<Offer> {
        let OwnVgpu { row, vgpu, .. } = one;
        let root = &self.config.paths.sysroot;
        let is_there = |node: &String| root.join(node.trim_start_matches('/')).exists();
        // A kernel without groups (`CONFIG_VFIO_GROUP`) has devices alone, an older one groups alone.
        let mut nodes = nodes_of(root, one.function, vgpu);
        nodes.retain(is_there);
        let name = match vgpu.uuid {
            Some(uuid) => uuid.to_string(),
            None => one.function.to_string(),
        };
        let map = &self.inventory.map;
        let gpu = self.gpu(one.gpu).ok();
        Some(Offer {
            device: LeasedDevice {
                kind: DeviceKind::Vgpu,
                name: name.parse().ok()?,
                pci: Some(one.function),
                board: Some(row.fence.to_string()),
            },
            sick: self.against(one, &nodes),
            nodes,
            ports: Vec::new(),
            numa_node: map.function(one.gpu).and_then(|gpu| gpu.numa_node),
            board: Some(one.gpu),
            index: gpu.map(|gpu| gpu.index),
            uuid: gpu.map(|gpu| gpu.uuid.clone()),
            parts: 1,
            visible: None,
            users: vgpu.user.clone().into_iter().collect(),
            vgpu_type: Some((VgpuTypeId(row.type_id), row.type_name.clone())),
        })
    }

    /// What is against giving a vGPU that is there.
    fn against(&self, one: &OwnVgpu<'_>, nodes: &[String]) -> Option<String> {
        let gpu = one.gpu;
        if one.row.state != VgpuState::Made {
            return Some("it is being made or taken away".to_owned());
        }
        if !self.gpu(gpu).is_ok_and(|gpu| gpu.health.is_ok()) || self.is_unread(gpu) {
            return Some(format!("GPU {gpu} does not answer"));
        }
        if nodes.is_empty() {
            return Some("this host has no VFIO node for it".to_owned());
        }
        // A mediated device is alone in its group. What shares that of a function could be reached by DMA.
        if one.vgpu.uuid.is_some() {
            return None;
        }
        let own = self.inventory.map.function(one.function);
        let Some(group) = own.and_then(|own| own.iommu_group) else {
            return Some("its IOMMU group was not seen yet".to_owned());
        };
        let mut all = self.inventory.map.pci.iter();
        let other = all.find(|other| {
            other.iommu_group == Some(group)
                && other.address != one.function
                && other.base_class() != Some(BRIDGE)
        })?;
        Some(format!("{} is in its IOMMU group as well", other.address))
    }
}
