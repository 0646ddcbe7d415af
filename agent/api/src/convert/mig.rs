//! Profiles, places and instances of MIG.

use kerf_types::{
    Bytes, CiId, ComputeInstance, ComputeProfile, DeviceMinor, Engines, GiId, GpuInstance, MigMode,
    Placement, Profile, ProfileId,
};

use super::{At, ConvertError, GRID_LIMIT, distinct, each, number_error, parse, required};
use crate::v1;

impl From<MigMode> for v1::MigMode {
    fn from(mode: MigMode) -> Self {
        match mode {
            MigMode::Unsupported => Self::Unsupported,
            MigMode::Disabled => Self::Disabled,
            MigMode::Enabled => Self::Enabled,
            MigMode::EnablePending => Self::EnablePending,
            MigMode::DisablePending => Self::DisablePending,
        }
    }
}

impl From<&MigMode> for v1::MigMode {
    fn from(mode: &MigMode) -> Self {
        Self::from(*mode)
    }
}

impl TryFrom<v1::MigMode> for MigMode {
    type Error = ConvertError;

    fn try_from(mode: v1::MigMode) -> Result<Self, ConvertError> {
        match mode {
            v1::MigMode::Unspecified => Err(number_error("", 0, "a MIG mode")),
            v1::MigMode::Unsupported => Ok(Self::Unsupported),
            v1::MigMode::Disabled => Ok(Self::Disabled),
            v1::MigMode::Enabled => Ok(Self::Enabled),
            v1::MigMode::EnablePending => Ok(Self::EnablePending),
            v1::MigMode::DisablePending => Ok(Self::DisablePending),
        }
    }
}

/// Reads the number that stands for a mode on the wire; a newer peer may send one that nobody here knows.
pub(crate) fn mig_mode(field: &str, number: i32) -> Result<MigMode, ConvertError> {
    v1::MigMode::try_from(number)
        .map_err(|_| number_error(field, number, "a MIG mode"))
        .and_then(|mode| MigMode::try_from(mode).at(field))
}

impl From<&Placement> for v1::Placement {
    fn from(placement: &Placement) -> Self {
        Self {
            start: placement.start.into(),
            size: placement.size.into(),
        }
    }
}

impl TryFrom<v1::Placement> for Placement {
    type Error = ConvertError;

    fn try_from(placement: v1::Placement) -> Result<Self, ConvertError> {
        Self::try_new(placement.start, placement.size).at("")
    }
}

impl From<&Engines> for v1::Engines {
    fn from(engines: &Engines) -> Self {
        let Engines {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        } = *engines;
        Self {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        }
    }
}

impl From<v1::Engines> for Engines {
    fn from(engines: v1::Engines) -> Self {
        let v1::Engines {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        } = engines;
        Self {
            copy,
            decoder,
            encoder,
            jpeg,
            ofa,
        }
    }
}

impl From<&Profile> for v1::Profile {
    fn from(profile: &Profile) -> Self {
        Self {
            id: profile.id.0,
            name: profile.name.to_string(),
            slices: profile.slices,
            memory_bytes: profile.memory.0,
            sm_count: profile.sm_count,
            engines: Some((&profile.engines).into()),
            max_count: profile.max_count,
            placements: profile.placements.iter().map(Into::into).collect(),
            full_compute_profile: profile.full_compute_profile.map(|id| id.0),
            compute: profile.compute.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ComputeProfile> for v1::ComputeProfile {
    fn from(part: &ComputeProfile) -> Self {
        Self {
            id: part.id.0,
            slices: part.slices.into(),
            max_count: part.max_count,
            sm_count: part.sm_count,
            engines: Some((&part.engines).into()),
            placements: part.placements.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::ComputeProfile> for ComputeProfile {
    type Error = ConvertError;

    fn try_from(part: v1::ComputeProfile) -> Result<Self, ConvertError> {
        let slices = u8::try_from(part.slices)
            .map_err(|_| number_error("slices", part.slices, "a number of compute slices"))?;
        Ok(Self {
            id: ProfileId(part.id),
            slices,
            max_count: part.max_count,
            sm_count: part.sm_count,
            engines: part.engines.unwrap_or_default().into(),
            placements: places(part.placements)?,
        })
    }
}

/// Legal places, each once, sorted.
fn places(values: Vec<v1::Placement>) -> Result<Vec<Placement>, ConvertError> {
    let mut placements = each("placements", values, GRID_LIMIT, Placement::try_from)?;
    distinct("placements", &placements)?;
    placements.sort_unstable();
    Ok(placements)
}

impl TryFrom<v1::Profile> for Profile {
    type Error = ConvertError;

    fn try_from(profile: v1::Profile) -> Result<Self, ConvertError> {
        let compute = each(
            "compute",
            profile.compute,
            GRID_LIMIT,
            ComputeProfile::try_from,
        )?;
        distinct("compute", compute.iter().map(|part| part.id))?;
        Ok(Self {
            id: ProfileId(profile.id),
            name: parse("name", &profile.name)?,
            slices: profile.slices,
            memory: Bytes(profile.memory_bytes),
            sm_count: profile.sm_count,
            engines: required("engines", profile.engines)?.into(),
            max_count: profile.max_count,
            placements: places(profile.placements)?,
            full_compute_profile: profile.full_compute_profile.map(ProfileId),
            compute,
        })
    }
}

impl From<&GpuInstance> for v1::GpuInstance {
    fn from(instance: &GpuInstance) -> Self {
        Self {
            id: instance.id.0,
            profile: instance.profile.0,
            placement: Some((&instance.placement).into()),
            capability_minor: instance.capability_minor.map(|minor| minor.0),
            compute: instance.compute.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::GpuInstance> for GpuInstance {
    type Error = ConvertError;

    fn try_from(instance: v1::GpuInstance) -> Result<Self, ConvertError> {
        let compute = each(
            "compute",
            instance.compute,
            GRID_LIMIT,
            ComputeInstance::try_from,
        )?;
        distinct("compute", compute.iter().map(|compute| compute.id))?;
        Ok(Self {
            id: GiId(instance.id),
            profile: ProfileId(instance.profile),
            placement: placement(instance.placement)?,
            capability_minor: instance.capability_minor.map(DeviceMinor),
            compute,
        })
    }
}

/// The field `placement` of a message.
pub(crate) fn placement(value: Option<v1::Placement>) -> Result<Placement, ConvertError> {
    Placement::try_from(required("placement", value)?).at("placement")
}

/// A field that holds the place of a part in its GPU instance; unset for what is whole.
pub(crate) fn part_place(
    value: Option<v1::Placement>,
    field: &str,
) -> Result<Option<Placement>, ConvertError> {
    value.map(Placement::try_from).transpose().at(field)
}

impl From<&ComputeInstance> for v1::ComputeInstance {
    fn from(compute: &ComputeInstance) -> Self {
        Self {
            id: compute.id.0,
            profile: compute.profile.0,
            uuid: compute.uuid.to_string(),
            capability_minor: compute.capability_minor.map(|minor| minor.0),
            placement: compute.placement.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<v1::ComputeInstance> for ComputeInstance {
    type Error = ConvertError;

    fn try_from(compute: v1::ComputeInstance) -> Result<Self, ConvertError> {
        Ok(Self {
            id: CiId(compute.id),
            profile: ProfileId(compute.profile),
            uuid: parse("uuid", &compute.uuid)?,
            capability_minor: compute.capability_minor.map(DeviceMinor),
            placement: part_place(compute.placement, "placement")?,
        })
    }
}
