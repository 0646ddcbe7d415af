//! A vGPU is made.

use kerf_types::vgpu::VgpuFramework;
use kerf_types::{PciAddress, VgpuTypeId, VgpuUuid};
use nix::errno::Errno;

use super::carry_out;
use super::conditions::{Harmless, Mediated, Placed, Removed};
use crate::systree::transaction::{Before, Change, Condition, Done, Patience, Refusal, Undo};
use crate::systree::{SysTree, fact};
use crate::vgpu::observe::{mdev, mdev_type, observe, vfio};
use crate::vgpu::{VgpuError, table};

/// What shall be made.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub function: PciAddress,
    pub type_id: VgpuTypeId,
    pub uuid: VgpuUuid,
    pub placement: Option<u32>,
}

/// Makes it.
pub fn create(
    tree: &dyn SysTree,
    gpu: PciAddress,
    wanted: Wanted,
    patience: &mut dyn Patience,
) -> Result<(), VgpuError> {
    let seen = observe(tree, gpu)?;
    let why = match seen.sriov {
        Some(sriov) if sriov.functions == 0 => "its virtual functions are off",
        _ => "its driver is not one for vGPU hosts",
    };
    let framework = seen.framework.ok_or(VgpuError::NotOffered { gpu, why })?;
    let function = wanted.function;
    let place = seen.function(function);
    let place = place.ok_or(VgpuError::NoFunction { gpu, function })?;
    let vgpus = place.vgpus.as_ref();
    let vgpus = vgpus.ok_or(VgpuError::Unknown { function })?;
    if let (VgpuFramework::Vfio, Some(vgpu)) = (framework, vgpus.first()) {
        let found = format!("a vGPU of type {}", vgpu.type_id);
        return Err(VgpuError::Conflict { function, found });
    }
    let creatable = place.creatable.as_ref();
    let creatable = creatable.ok_or(VgpuError::Unknown { function })?;
    if !creatable.contains(&wanted.type_id) {
        return Err(VgpuError::no_room(function, wanted.type_id, creatable));
    }
    match framework {
        VgpuFramework::Mdev => mediated(tree, gpu, wanted, patience),
        VgpuFramework::Vfio => on_function(tree, wanted, patience),
    }
    .map_err(|error| full(error, wanted))
}

/// Its name is fresh, so whatever has it is ours, and is taken back by that name.
fn mediated(
    tree: &dyn SysTree,
    gpu: PciAddress,
    wanted: Wanted,
    patience: &mut dyn Patience,
) -> Result<(), VgpuError> {
    let Wanted {
        function,
        type_id,
        uuid,
        placement,
    } = wanted;
    if placement.is_some() {
        let why = "mediated devices are not told places";
        return Err(VgpuError::NotOffered { gpu, why });
    }
    let is_fresh = Removed(uuid).holds(tree);
    let pci = function;
    if !is_fresh.map_err(|cause| VgpuError::Unreadable { pci, cause })? {
        let found = format!("a vGPU {uuid} already");
        return Err(VgpuError::Conflict { function, found });
    }
    let change = Change {
        path: format!("{}/create", mdev_type(function, type_id)),
        value: uuid.to_string(),
        before: Before::Any,
        done: Done::Holds(Box::new(Mediated {
            uuid,
            function,
            type_id,
        })),
        undo: Undo::Write {
            path: format!("{}/remove", mdev(uuid)),
            value: "1".to_owned(),
            done: Box::new(Removed(uuid)),
        },
    };
    let written = carry_out(tree, function, &[change], patience)?;
    owned(written, 1, wanted)
}

/// The function has no name of its own for what it carries: see [`take_back`].
fn on_function(
    tree: &dyn SysTree,
    wanted: Wanted,
    patience: &mut dyn Patience,
) -> Result<(), VgpuError> {
    let function = wanted.function;
    let own = vfio(function);
    let mut changes = Vec::new();
    if let Some(place) = wanted.placement {
        changes.push(Change {
            path: format!("{own}/placement_id"),
            value: place.to_string(),
            before: Before::Any,
            done: Done::ReadsBack,
            // Without a vGPU it means nothing.
            undo: Undo::Write {
                path: format!("{own}/placement_id"),
                value: place.to_string(),
                done: Box::new(Harmless),
            },
        });
    }
    let placed = |place| Box::new(Placed { function, place });
    changes.push(Change {
        path: format!("{own}/current_vgpu_type"),
        value: wanted.type_id.to_string(),
        before: Before::Is("0".to_owned()),
        done: match wanted.placement {
            Some(place) => Done::ReadsBackAnd(placed(place)),
            None => Done::ReadsBack,
        },
        undo: Undo::Impossible,
    });
    let now = fact(tree, &format!("{own}/placement_id"));
    let now = now.as_deref().and_then(table::valid);
    let least = 1 + usize::from(wanted.placement.is_some() && now != wanted.placement);
    match carry_out(tree, function, &changes, patience) {
        Ok(written) => owned(written, least, wanted),
        Err(VgpuError::Stuck { left, cause, .. }) => {
            let pci = function;
            // The driver's word for a vGPU that was there first, maybe of the same type: never to be taken for ours.
            if matches!(cause.errno(), Some(Errno::EBUSY | Errno::EEXIST)) {
                let current = fact(tree, &format!("{own}/current_vgpu_type"));
                let found = match current.as_deref() {
                    Some("0") => return Err(VgpuError::Undone { pci, cause }),
                    Some(current) => format!("a vGPU of type {current}"),
                    None => "a vGPU".to_owned(),
                };
                let found = format!("{found} that was there first, as its driver says");
                return Err(VgpuError::Conflict { function, found });
            }
            Err(match take_back(tree, wanted, patience) {
                Ok(()) => VgpuError::Undone { pci, cause },
                Err(_) => VgpuError::Stuck { pci, left, cause },
            })
        }
        Err(error) => Err(error),
    }
}

/// Clears the function, but only of the type that was written there.
fn take_back(
    tree: &dyn SysTree,
    wanted: Wanted,
    patience: &mut dyn Patience,
) -> Result<(), VgpuError> {
    let change = Change {
        path: format!("{}/current_vgpu_type", vfio(wanted.function)),
        value: "0".to_owned(),
        before: Before::Is(wanted.type_id.to_string()),
        done: Done::ReadsBack,
        undo: Undo::Impossible,
    };
    match carry_out(tree, wanted.function, &[change], patience) {
        // Another type is there by now, which is none of ours.
        Ok(_) | Err(VgpuError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// A vGPU that was there before it was written is somebody else's.
fn owned(written: usize, least: usize, wanted: Wanted) -> Result<(), VgpuError> {
    if written >= least {
        return Ok(());
    }
    let (function, type_id) = (wanted.function, wanted.type_id);
    let found = format!("a vGPU of type {type_id} that somebody else has just made");
    Err(VgpuError::Conflict { function, found })
}

/// The driver's words for "no room" where the list still had it: somebody was faster.
fn full(error: VgpuError, wanted: Wanted) -> VgpuError {
    let VgpuError::Undone {
        cause: Refusal::Write { path, .. },
        ..
    } = &error
    else {
        return error;
    };
    match (path.ends_with("/placement_id"), error.errno()) {
        (false, Some(Errno::ENOSPC | Errno::EUSERS | Errno::EINVAL)) => {
            VgpuError::no_room(wanted.function, wanted.type_id, &[])
        }
        _ => error,
    }
}
