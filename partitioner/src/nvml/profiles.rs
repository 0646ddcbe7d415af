//! MIG profiles of a GPU, as its driver describes them, in kerf's words.

use kerf_types::{Bytes, Engines, Profile, ProfileId, ProfileName};
use nvml_wrapper::Device;

use super::error::NvmlError;
use super::ffi::{self, InstanceProfile};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every profile with its legal places, from what [`ffi::instance_profiles`] found.
pub fn profiles(
    device: &Device<'_>,
    raw: &[InstanceProfile],
    gpu_memory: Bytes,
) -> Result<Vec<Profile>, NvmlError> {
    let mut profiles: Vec<Profile> = Vec::new();
    for found in raw {
        if profiles.iter().any(|known| known.id.0 == found.id) {
            continue;
        }
        let Some(name) = name(found, gpu_memory) else {
            tracing::warn!(
                mig.profile = found.id,
                name = found.name,
                "profile with a name of unknown form left out"
            );
            continue;
        };
        let mut placements = ffi::placements(device, found.id)?;
        placements.sort_unstable();
        placements.dedup();
        profiles.push(profile(found, name, placements));
    }
    Ok(profiles)
}

fn profile(
    found: &InstanceProfile,
    name: ProfileName,
    placements: Vec<kerf_types::Placement>,
) -> Profile {
    Profile {
        id: ProfileId(found.id),
        name,
        slices: found.slices,
        memory: Bytes(found.memory_mib.saturating_mul(MIB)),
        sm_count: found.sm_count,
        engines: engines(found.engines),
        max_count: found.max_count,
        placements,
        full_compute_profile: full_compute_profile(found.slices),
        compute: Vec::new(),
    }
}

/// Engines in the order in which the profiles tell them.
pub(super) fn engines([copy, decoder, encoder, jpeg, ofa]: [u32; 5]) -> Engines {
    Engines {
        copy,
        decoder,
        encoder,
        jpeg,
        ofa,
    }
}

/// The compute instance profile of so many slices, by nvml.h's `NVML_COMPUTE_INSTANCE_PROFILE_*`, whose
/// numbers drivers use as ids. A live instance tells for certain, see
/// [`super::instances::learn_compute`], but there may be none yet to ask.
pub(super) fn full_compute_profile(slices: u32) -> Option<ProfileId> {
    let id = match slices {
        1..=4 => slices - 1,
        7 => 4,
        8 => 5,
        6 => 6,
        _ => return None,
    };
    Some(ProfileId(id))
}

/// The driver's name, or, from drivers before 525, the one that NVIDIA's tools form from the figures.
fn name(found: &InstanceProfile, gpu_memory: Bytes) -> Option<ProfileName> {
    if let Some(name) = &found.name {
        return name.parse().ok();
    }
    let attribute = match found.enumerator {
        // NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1 and 2_SLICE_REV1: with media engines.
        7 | 8 => "+me",
        _ => "",
    };
    format!(
        "{}g.{}gb{attribute}",
        found.slices,
        named_gigabytes(found.memory_mib, gpu_memory)?
    )
    .parse()
    .ok()
}

/// Memory as profile names give it: the share of the GPU rounded up to eighths, of the GPU's memory
/// rounded up to whole GiB (go-nvlib, `getMigMemorySizeInGB`).
fn named_gigabytes(memory_mib: u64, gpu_memory: Bytes) -> Option<u64> {
    let bytes = memory_mib.checked_mul(MIB)?;
    let eighths = bytes
        .checked_mul(8)?
        .checked_next_multiple_of(gpu_memory.0)?
        .checked_div(gpu_memory.0)?;
    let whole = gpu_memory.0.div_ceil(GIB);
    Some((eighths * whole + 4) / 8)
}

#[cfg(test)]
mod tests {
    //! Names of old drivers come out as NVIDIA's tools print them.

    use super::*;

    #[test]
    fn names_without_a_name_follow_the_memory() {
        let a100_40 = Bytes(40_960 * MIB);
        let named = |mib| named_gigabytes(mib, a100_40);
        assert_eq!(
            [4_864, 9_856, 20_096, 40_192].map(named),
            [5, 10, 20, 40].map(Some)
        );
        let h100_80 = Bytes(81_559 * MIB);
        let named = |mib| named_gigabytes(mib, h100_80);
        assert_eq!(
            [9_984, 20_096, 40_448, 81_152].map(named),
            [10, 20, 40, 80].map(Some)
        );
        assert_eq!(named_gigabytes(1, Bytes(0)), None);
    }
}
