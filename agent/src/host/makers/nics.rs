//! RDMA interfaces that go with accelerators: those nearest to them, where the ask says how near (`nic=`).
//!
//! Verbs pass by the network namespace, and what they register stays locked in memory, so whether a container may have
//! them is the policy's to say ([`policy::may_have_nics`](super::super::policy::may_have_nics)). An interface is nobody's
//! own: the driver keeps its users apart, as it does processes.

use kerf_types::lease::Subject;
use kerf_types::{DeviceKind, LeasedDevice};

use super::gone;
use crate::cdi::CdiDevice;
use crate::host::devices::rdma;
use crate::host::{Host, HostError, Wanted, locality};

impl Host {
    /// The interfaces that come with these, by what was asked for. One without verbs (`ib_uverbs` is not loaded) was good
    /// for choosing accelerators, and there is nothing of it to give.
    pub(in crate::host) fn interfaces_for(
        &self,
        wanted: &Wanted,
        subjects: &[Subject],
        devices: &[LeasedDevice],
    ) -> Vec<LeasedDevice> {
        let Wanted::Ask(ask) = wanted else {
            return Vec::new();
        };
        if ask.constraints().is_none_or(|only| only.nic.is_none()) {
            return Vec::new();
        }
        let near = locality::nearby(&self.inventory, subjects, devices).nics;
        let all = self.inventory.rdma_nics();
        let own = all.filter(|nic| near.contains(&nic.name));
        let own = own.filter(|nic| !rdma::nodes(&self.config.paths.sysroot, &nic.name).is_empty());
        let device = |nic: &kerf_types::inventory::Nic| {
            Some(LeasedDevice {
                kind: DeviceKind::Nic,
                name: nic.name.parse().ok()?,
                pci: nic.pci,
                board: None,
            })
        };
        own.filter_map(device).collect()
    }

    /// What opens an interface.
    pub(super) fn opened_interface(&self, device: &LeasedDevice) -> Result<CdiDevice, HostError> {
        let nodes = rdma::nodes(&self.config.paths.sysroot, device.name.as_str());
        if nodes.is_empty() {
            return Err(gone(device));
        }
        let mut opened = CdiDevice {
            memlock: true,
            ..CdiDevice::default()
        };
        for path in nodes {
            self.open_node(&mut opened, &path)?;
        }
        Ok(opened)
    }
}
