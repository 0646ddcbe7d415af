//! What MIG has made of a GPU: its mode, its GPU instances and their compute instances.

use crate::ids::{CiId, DeviceMinor, GiId, MigUuid, ProfileId};
use crate::placement::{Placement, UnitMask};

/// MIG mode of a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MigMode {
    /// The GPU has no MIG.
    Unsupported,
    /// MIG is off.
    Disabled,
    /// MIG is on.
    Enabled,
    /// MIG is off and will be on after a GPU reset.
    EnablePending,
    /// MIG is on and will be off after a GPU reset.
    DisablePending,
}

impl MigMode {
    /// Whether instances can be made now.
    pub fn is_on(self) -> bool {
        matches!(self, Self::Enabled | Self::DisablePending)
    }
}

/// A GPU instance that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuInstance {
    /// Its id, unique on the GPU while it lives.
    pub id: GiId,
    /// Its profile.
    pub profile: ProfileId,
    /// Where it lies.
    pub placement: Placement,
    /// Minor of its `/dev/nvidia-caps/nvidia-cap<minor>` node, if the driver names one.
    pub capability_minor: Option<DeviceMinor>,
    /// Its compute instances, by id.
    pub compute: Vec<ComputeInstance>,
}

impl GpuInstance {
    /// Whether it is divided: each of its compute instances is a part with a place of its own.
    pub fn is_divided(&self) -> bool {
        let mut taken = UnitMask::default();
        let fits = |one: &ComputeInstance| match one.placement {
            Some(place) if !taken.overlaps(place.mask()) => {
                taken = taken.union(place.mask());
                true
            }
            _ => false,
        };
        !self.compute.is_empty() && self.compute.iter().all(fits)
    }
}

/// A compute instance that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputeInstance {
    /// Its id, unique in the GPU instance while it lives.
    pub id: CiId,
    /// Its compute instance profile.
    pub profile: ProfileId,
    /// Its place in the GPU instance, in compute slices; `None` for the one that fills it.
    pub placement: Option<Placement>,
    /// UUID of the MIG device that it makes visible.
    pub uuid: MigUuid,
    /// Minor of its capability node, if the driver names one.
    pub capability_minor: Option<DeviceMinor>,
}
