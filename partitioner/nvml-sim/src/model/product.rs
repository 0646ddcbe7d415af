//! What is fixed about a GPU model. Owns the record of a product; the records themselves stand in
//! `tables`. Nothing here changes while a machine runs.

use serde::{Deserialize, Serialize};

use super::profile::{GiProfile, Media, gi_id};

/// The architectures that the simulator knows; it decides how MIG mode changes and whether GPM
/// exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// A30, A100: MIG mode needs a reset, no GPM.
    Ampere,
    /// H100, H200: MIG mode changes at once, GPM.
    Hopper,
    /// B200, GB200, RTX PRO 6000: as Hopper.
    Blackwell,
}

impl Architecture {
    /// `NVML_DEVICE_ARCH_*`.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Ampere => 7,
            Self::Hopper => 9,
            Self::Blackwell => 10,
        }
    }

    /// Hopper and what came after it: MIG mode changes without a reset, and GPM, the NVLink
    /// fabric's state and its fields exist.
    #[must_use]
    pub fn hopper_or_later(self) -> bool {
        match self {
            Self::Ampere => false,
            Self::Hopper | Self::Blackwell => true,
        }
    }
}

/// Power, in milliwatts.
#[derive(Clone, Copy, Debug)]
pub struct Power {
    /// Drawn when nothing runs.
    pub idle_mw: u32,
    /// Drawn when every multiprocessor is busy.
    pub full_mw: u32,
    /// Lowest limit that may be set.
    pub min_limit_mw: u32,
    /// Highest, and the default.
    pub max_limit_mw: u32,
}

/// Temperatures, in degrees Celsius.
#[derive(Clone, Copy, Debug)]
pub struct Thermal {
    /// Reached when nothing runs.
    pub idle_c: u32,
    /// Reached after minutes of full load.
    pub full_c: u32,
    /// Memory runs this much above the GPU when idle.
    pub memory_offset_c: u32,
    /// Where the driver throttles; the margin ("T.Limit") counts down to it.
    pub limit_c: u32,
    /// Where it slows down hard.
    pub slowdown_c: u32,
    /// Where it shuts down.
    pub shutdown_c: u32,
}

/// Clocks, in MHz.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Graphics and SM clock when idle.
    pub idle: u32,
    /// Graphics and SM clock under load, and the highest.
    pub max: u32,
    /// Memory clock, always.
    pub memory: u32,
    /// Video clock when idle.
    pub video_idle: u32,
    /// Video clock under load.
    pub video_max: u32,
}

/// NVLink as the GPU has it, wired or not.
#[derive(Clone, Copy, Debug)]
pub struct NvLink {
    /// Links of the GPU.
    pub links: u32,
    /// `NVML_NVLINK_VERSION_*`: 4 is 3.0, 6 is 4.0, 7 is 5.0; 0 for none.
    pub version: u32,
    /// Speed of one link and direction in MB/s.
    pub speed_mbps: u32,
}

/// Everything fixed about one GPU model.
#[derive(Debug)]
pub struct Product {
    /// As `nvmlDeviceGetName` prints it.
    pub name: &'static str,
    /// Architecture.
    pub architecture: Architecture,
    /// CUDA compute capability.
    pub compute_capability: (i32, i32),
    /// PCI device id (high half) and vendor (low half).
    pub device_id: u32,
    /// PCI subsystem ids, the same way.
    pub subsystem_id: u32,
    /// VBIOS version.
    pub vbios: &'static str,
    /// Board part number.
    pub board_part_number: &'static str,
    /// InfoROM image version.
    pub inforom_image: &'static str,
    /// InfoROM OEM object.
    pub inforom_oem: &'static str,
    /// InfoROM ECC object.
    pub inforom_ecc: &'static str,
    /// Memory as the driver reports it, in MiB.
    pub memory_mib: u64,
    /// Kept by driver and firmware, in KiB.
    pub reserved_kib: u64,
    /// What one compute slice of an instance costs in memory, in KiB.
    pub slice_overhead_kib: u64,
    /// BAR1 in MiB.
    pub bar1_mib: u64,
    /// BAR1 of one memory slice in MIG mode, in KiB.
    pub bar1_slice_kib: u64,
    /// Power.
    pub power: Power,
    /// Temperatures.
    pub thermal: Thermal,
    /// Clocks.
    pub clocks: Clocks,
    /// NVLink.
    pub nvlink: NvLink,
    /// Multiprocessors without MIG.
    pub multiprocessors: u32,
    /// Multiprocessors of one compute slice.
    pub multiprocessors_per_slice: u32,
    /// CUDA cores.
    pub cores: u32,
    /// Memory bus width in bits.
    pub memory_bus_bits: u32,
    /// Banks that row remapping can use.
    pub remap_banks: u32,
    /// Highest PCIe generation.
    pub pcie_generation: u32,
    /// `NVML_FI_DEV_IS_MIG_MODE_INDEPENDENT_MIG_QUERY_CAPABLE`: profiles and placements can be
    /// read while MIG mode is off. Where false, such a query answers NOT_SUPPORTED.
    pub mig_query_without_mode: bool,
    /// MIG devices at most.
    pub max_mig_devices: u32,
    /// Placement units of the grid.
    pub memory_slices: u32,
    /// Compute slices.
    pub compute_slices: u32,
    /// Media engines, which the instances share out among them.
    pub media: Media,
    /// GPU-instance profiles.
    pub gi_profiles: &'static [GiProfile],
    /// Profiles, by id, to which some drivers give another size: in MiB.
    pub other_memory: &'static [(u32, u64)],
    /// What the 3g in the lower half has more than the one in the upper half, in MiB, with a driver that gives the
    /// other sizes and does not treat siblings alike.
    pub uneven_mib: u64,
}

/// Which sizes of memory instances have, where dumps of different drivers disagree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MemoryFigures {
    /// Those of the profile table.
    #[default]
    Listed,
    /// Those of another driver: A100, B200, RTX PRO 6000; the same as listed elsewhere.
    Other,
    /// As `Other`, but a 3g has more in the lower half than its sibling: 20,224 and 20,096 MiB of an A100
    /// 40 GB. Which of the two has more is not known.
    Uneven,
}

/// The id of a pair in which the low half is the vendor's, as NVML tells them.
const fn high_half(ids: u32) -> u16 {
    let [.., low, high] = ids.to_le_bytes();
    u16::from_le_bytes([low, high])
}

impl Product {
    /// Its device id as PCI tells it.
    #[must_use]
    pub const fn pci_device(&self) -> u16 {
        high_half(self.device_id)
    }

    /// Its subsystem's id as PCI tells it.
    #[must_use]
    pub const fn pci_subsystem(&self) -> u16 {
        high_half(self.subsystem_id)
    }

    /// The id that the driver gives to an instance at that place.
    #[must_use]
    pub fn gi_id(&self, start: u32, size: u32) -> u32 {
        gi_id(self.memory_slices, start, size)
    }

    /// Memory of a profile as the driver describes it, in MiB.
    #[must_use]
    pub fn profile_mib(&self, profile: &GiProfile, figures: MemoryFigures) -> u64 {
        let mut other = self.other_memory.iter();
        let other = other.find(|(id, _)| figures != MemoryFigures::Listed && *id == profile.id);
        other.map_or(profile.memory_mib, |(_, mib)| *mib)
    }

    /// Memory of an instance that lies at `start`, in MiB.
    #[must_use]
    pub fn instance_mib(&self, profile: &GiProfile, start: u32, figures: MemoryFigures) -> u64 {
        let lower_of_two = profile.slices == 3 && start == 0;
        let extra = if figures == MemoryFigures::Uneven && lower_of_two {
            self.uneven_mib
        } else {
            0
        };
        self.profile_mib(profile, figures) + extra
    }

    /// The profile with that id, if the product has it.
    #[must_use]
    pub fn gi_profile(&self, id: u32) -> Option<&'static GiProfile> {
        self.gi_profiles.iter().find(|profile| profile.id == id)
    }

    /// The profile at that index of NVML's enumeration; most indices are holes.
    #[must_use]
    pub fn gi_profile_by_index(&self, index: u32) -> Option<&'static GiProfile> {
        self.gi_profiles
            .iter()
            .find(|profile| profile.index == index)
    }
}
