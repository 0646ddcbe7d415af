//! A vGPU is taken away: the one that is named, and no other.

use kerf_types::{PciAddress, VgpuTypeId, VgpuUuid};
use nix::errno::Errno;

use super::carry_out;
use super::conditions::Removed;
use crate::systree::transaction::{Before, Change, Done, Patience, Undo};
use crate::systree::{SysTree, fact};
use crate::vgpu::VgpuError;
use crate::vgpu::observe::{mdev, observe, vfio};

/// Takes it away. None on the function is done already; another one there is a conflict.
pub fn destroy(
    tree: &dyn SysTree,
    gpu: PciAddress,
    (function, type_id, uuid): (PciAddress, VgpuTypeId, Option<VgpuUuid>),
    patience: &mut dyn Patience,
) -> Result<(), VgpuError> {
    let seen = observe(tree, gpu)?;
    // Without the function there is no vGPU on it.
    let Some(place) = seen.function(function) else {
        return Ok(());
    };
    let vgpus = place.vgpus.as_ref();
    let vgpus = vgpus.ok_or(VgpuError::Unknown { function })?;
    let mut named = vgpus.iter().filter(|vgpu| vgpu.uuid == uuid);
    let Some(vgpu) = named.next() else {
        return match (uuid, vgpus.first()) {
            (None, Some(other)) => Err(other_kind(function, other.type_id)),
            _ => Ok(()),
        };
    };
    if vgpu.type_id != type_id {
        return Err(other_kind(function, vgpu.type_id));
    }
    if let Some(by) = vgpu.user.clone() {
        let pci = function;
        return Err(VgpuError::InUse { pci, by });
    }
    let change = match uuid {
        Some(uuid) => Change {
            path: format!("{}/remove", mdev(uuid)),
            value: "1".to_owned(),
            before: Before::Any,
            done: Done::Holds(Box::new(Removed(uuid))),
            undo: Undo::Impossible,
        },
        None => Change {
            path: format!("{}/current_vgpu_type", vfio(function)),
            value: "0".to_owned(),
            before: Before::Is(type_id.to_string()),
            done: Done::ReadsBack,
            undo: Undo::Impossible,
        },
    };
    match carry_out(tree, function, &[change], patience) {
        Ok(_) => Ok(()),
        Err(error) => settled(tree, function, uuid, error),
    }
}

/// What an error left: what is read counts, whatever the driver has answered.
fn settled(
    tree: &dyn SysTree,
    pci: PciAddress,
    uuid: Option<VgpuUuid>,
    error: VgpuError,
) -> Result<(), VgpuError> {
    use crate::systree::transaction::Condition;
    let VgpuError::Stuck { left, cause, .. } = error else {
        return Err(error);
    };
    let gone = match uuid {
        Some(uuid) => Removed(uuid).holds(tree).ok(),
        None => {
            let current = fact(tree, &format!("{}/current_vgpu_type", vfio(pci)));
            current.map(|current| current == "0")
        }
    };
    match gone {
        Some(true) => return Ok(()),
        Some(false) => {}
        None => return Err(VgpuError::Stuck { pci, left, cause }),
    }
    // Each of them was seen while a virtual machine held the function's VFIO group.
    Err(match cause.errno() {
        Some(Errno::EBUSY | Errno::EPERM | Errno::EIO) => {
            let by = "a virtual machine, as its driver says".to_owned();
            VgpuError::InUse { pci, by }
        }
        _ => VgpuError::Undone { pci, cause },
    })
}

fn other_kind(function: PciAddress, found: VgpuTypeId) -> VgpuError {
    let found = format!("a vGPU of type {found}, which is another one");
    VgpuError::Conflict { function, found }
}
