//! TPU chips as a guest of Google sees them: the kernel has no driver but vfio-pci, whose groups user space opens.
//! After `drivers/vfio/group.c` and `Documentation/driver-api/vfio.rst`. Unverified: everything else of the guest, such
//! as the device class and where the chips lie on its buses.

use super::super::CreateError;
use super::super::class::Device;
use super::super::nodes::Node;
use super::Site;
use crate::model::walk::iommu_group;

/// Minor of `/dev/vfio/vfio` among the miscellaneous devices (`VFIO_MINOR`).
const CONTAINER_MINOR: u32 = 196;

/// Writes the group of one chip; says its node.
pub fn write(site: &Site<'_>) -> Result<Vec<Node>, CreateError> {
    // Each chip is alone in its group, which has its number.
    let group = iommu_group(site.all, site.function).to_string();
    let (major, minor) = (site.majors[0], site.index);
    let path = format!("vfio/{group}");
    let node = (format!("dev/{path}"), major, minor, 0o600);
    let device = Device {
        class: "vfio",
        name: &group,
        parent: None,
        node: Some((major, minor, path)),
    };
    device.write(site.tree, &[])?;
    Ok(vec![node])
}

/// The node through which all groups are used.
pub fn container(majors: [u32; 2]) -> Node {
    (
        "dev/vfio/vfio".to_owned(),
        majors[1],
        CONTAINER_MINOR,
        0o666,
    )
}
