//! Who holds a function's VFIO group open: a virtual machine, whose vGPU is not taken away.
//!
//! A worker of the packages' unit sees no process but its own (`ProtectProc=invisible`), so that nobody is seen here says
//! nothing: kerfd looks itself before it tells anybody, and the driver's own refusal stands before a vGPU that is in use.

use std::collections::BTreeMap;

use kerf_types::PciAddress;

use crate::systree::SysTree;

/// Processes by the IOMMU group that they have open. Those of which the descriptors cannot be read are not seen: the
/// driver's own refusal stands behind this.
pub type Holders = BTreeMap<String, u32>;

/// Looks through the descriptors of all processes.
pub fn holders(tree: &dyn SysTree) -> Holders {
    let mut found = Holders::new();
    for name in tree.list("/proc").unwrap_or_default() {
        let Ok(pid) = name.parse::<u32>() else {
            continue;
        };
        let folder = format!("/proc/{pid}/fd");
        for fd in tree.list(&folder).unwrap_or_default() {
            let Ok(target) = tree.link(&format!("{folder}/{fd}")) else {
                continue;
            };
            let group = target.rsplit_once("dev/vfio/").map(|(_, group)| group);
            if let Some(group) = group.filter(|group| *group != "vfio") {
                found.entry(group.to_owned()).or_insert(pid);
            }
        }
    }
    found
}

/// The process that has a function's group open.
pub fn holder(tree: &dyn SysTree, holders: &Holders, function: PciAddress) -> Option<u32> {
    let link = tree.link(&format!("/sys/bus/pci/devices/{function}/iommu_group"));
    let link = link.ok()?;
    holders.get(link.rsplit('/').next()?).copied()
}
