//! vGPUs as devices of leases: for whoever runs a virtual machine in a container.
//!
//! Owns which of them are offered: those that kerf made, for others are their makers', each under the number of its record,
//! so that a lease is never served with what stands in its place later. A lease gives the VFIO nodes of the device and
//! nothing of NVIDIA's driver; making and taking away stay `kerf vgpu`'s.

use kerf_types::{DeviceKind, LeasedDevice, VgpuTypeId};

use super::Host;
use super::offer::Offer;
use crate::host::vgpu::{OwnVgpu, nodes_of};
use crate::store::VgpuState;

/// Base class of PCI bridges, which VFIO lets be in a group (`vfio_dev_driver_allowed`, vfio_main.c).
const BRIDGE: u16 = 0x06;

impl Host {
    /// Every vGPU that kerf made and that is there.
    pub(super) fn offered_vgpus(&self) -> Vec<Offer> {
        let own = self.own_vgpus().into_iter();
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
            index: None,
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
        if self.vgpus_are_in_doubt(gpu) {
            return Some(format!("what is on GPU {gpu} is not known now"));
        }
        if let Some(why) = self.is_held(gpu) {
            return Some(why.to_owned());
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
