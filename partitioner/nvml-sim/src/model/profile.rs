//! MIG profiles and where they may lie. Owns the shapes (slices, legal starts, the driver's own
//! order of choice) as plain data; holds no state and knows no product.

/// The engines that an instance has to itself or shares with its siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engines {
    /// Copy engines.
    pub copy: u32,
    /// Video decoders.
    pub decoder: u32,
    /// Video encoders.
    pub encoder: u32,
    /// JPEG decoders.
    pub jpeg: u32,
    /// Optical flow engines.
    pub ofa: u32,
}

/// Media engines. A GPU has so many of each; an instance takes its own away from the others, so
/// that they are a second thing to pack beside the placement units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// Video decoders.
    pub decoder: u32,
    /// Video encoders.
    pub encoder: u32,
    /// JPEG decoders.
    pub jpeg: u32,
    /// Optical flow engines.
    pub ofa: u32,
}

impl Media {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            decoder: self.decoder + other.decoder,
            encoder: self.encoder + other.encoder,
            jpeg: self.jpeg + other.jpeg,
            ofa: self.ofa + other.ofa,
        }
    }

    /// What is left of it; never less than none.
    #[must_use]
    pub fn minus(self, taken: Self) -> Self {
        Self {
            decoder: self.decoder.saturating_sub(taken.decoder),
            encoder: self.encoder.saturating_sub(taken.encoder),
            jpeg: self.jpeg.saturating_sub(taken.jpeg),
            ofa: self.ofa.saturating_sub(taken.ofa),
        }
    }

    /// How many times `each` is in it; without end for what needs no engine.
    #[must_use]
    pub fn holds(self, each: Self) -> u32 {
        let kinds = [
            (self.decoder, each.decoder),
            (self.encoder, each.encoder),
            (self.jpeg, each.jpeg),
            (self.ofa, each.ofa),
        ];
        let times = kinds.map(|(left, need)| left.checked_div(need).unwrap_or(u32::MAX));
        times.into_iter().min().unwrap_or(u32::MAX)
    }
}

impl Engines {
    /// Those for media; copy engines are handed out with the compute slices.
    #[must_use]
    pub const fn media(self) -> Media {
        Media {
            decoder: self.decoder,
            encoder: self.encoder,
            jpeg: self.jpeg,
            ofa: self.ofa,
        }
    }
}

/// A GPU-instance profile of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiProfile {
    /// Index in NVML's enumeration (`NVML_GPU_INSTANCE_PROFILE_*`).
    pub index: u32,
    /// The id that `nvidia-smi mig -lgip` prints and that the create calls take.
    pub id: u32,
    /// Name without the leading `MIG `, such as `1g.10gb+me`.
    pub name: &'static str,
    /// Compute slices.
    pub slices: u32,
    /// Placement units taken.
    pub size: u32,
    /// Legal first units, ascending.
    pub starts: &'static [u32],
    /// The order in which the driver tries the starts when no placement is given. It is a bad
    /// one on purpose: 19,19,14,9 fails on it and 9,19,14,19 does not.
    pub default_order: &'static [u32],
    /// How many may exist at once.
    pub max_count: u32,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
    /// Engines of the instance.
    pub engines: Engines,
    /// Memory in MiB.
    pub memory_mib: u64,
}

impl GiProfile {
    /// Whether instances of it can draw: only a `+gfx` profile's can.
    #[must_use]
    pub fn graphics(&self) -> bool {
        self.name.ends_with("+gfx")
    }
}

/// A compute-instance profile. All products share them; which of them exist in an instance
/// follows from its slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CiProfile {
    /// Index in NVML's enumeration (`NVML_COMPUTE_INSTANCE_PROFILE_*`).
    pub index: u32,
    /// The id that `nvidia-smi mig -lcip` prints.
    pub id: u32,
    /// Compute slices.
    pub slices: u32,
}

/// 1c, 2c, 3c, 4c and 7c; an enumeration index that is missing here is a hole.
pub const CI_PROFILES: [CiProfile; 5] = [
    CiProfile {
        index: 0,
        id: 0,
        slices: 1,
    },
    CiProfile {
        index: 1,
        id: 1,
        slices: 2,
    },
    CiProfile {
        index: 2,
        id: 2,
        slices: 3,
    },
    CiProfile {
        index: 3,
        id: 3,
        slices: 4,
    },
    CiProfile {
        index: 4,
        id: 4,
        slices: 7,
    },
];

impl CiProfile {
    /// The starts at which this profile may lie in a GPU instance of `gi_slices`; empty where the
    /// profile does not exist. As printed by `nvidia-smi mig -lcipp` on the 7+8 family: 3c in a 7g
    /// lies at 0 and 4, and a 4g has no 3c. Instances of 1, 2 and 4 slices hold the same elsewhere.
    #[must_use]
    pub fn starts(&self, gi_slices: u32) -> &'static [u32] {
        match (gi_slices, self.slices) {
            (7, 1) => &[0, 1, 2, 3, 4, 5, 6],
            (7, 2) => &[0, 2, 4],
            (7, 3) => &[0, 4],
            (4, 1) => &[0, 1, 2, 3],
            (4, 2) => &[0, 2],
            (3, 1) => &[0, 1, 2],
            (2, 1) => &[0, 1],
            (7, 4 | 7) | (4, 4) | (3, 2 | 3) | (2, 2) | (1, 1) => &[0],
            _ => &[],
        }
    }

    /// Multiprocessors of this profile inside `gi`: a whole share when it fills the instance,
    /// otherwise the share of single slices (16 of an H100's 60 in a 3g).
    #[must_use]
    pub fn multiprocessors(&self, gi: &GiProfile, per_slice: u32) -> u32 {
        if self.slices == gi.slices {
            gi.multiprocessors
        } else {
            self.slices * per_slice
        }
    }

    /// The name as `nvidia-smi` prints it: `1c.3g.40gb`, or the instance's own where it fills it.
    #[must_use]
    pub fn name(&self, gi: &GiProfile) -> String {
        if self.slices == gi.slices {
            gi.name.to_owned()
        } else {
            format!("{}c.{}", self.slices, gi.name)
        }
    }
}

/// The GPU-instance id that the driver gives to a place on a grid of so many units. It depends on
/// the place alone, so an id comes back when a place does. Eight units: the whole GPU 0; 4-wide 1,
/// 2; 2-wide 3 to 6; 1-wide 7 to 13. Grids of four slices (4 and 12 units): the whole GPU 0,
/// halves 1, 2, quarters 3 to 6.
#[must_use]
pub fn gi_id(units: u32, start: u32, size: u32) -> u32 {
    if size >= units {
        return 0;
    }
    if units == 8 {
        return match size {
            4 => 1 + start / 4,
            2 => 3 + start / 2,
            _ => 7 + start,
        };
    }
    if size * 2 == units {
        1 + start / size
    } else {
        3 + start / size
    }
}

/// Whether `start..start+size` and `other` share a unit; both are (start, size).
#[must_use]
pub fn overlaps(a: (u32, u32), b: (u32, u32)) -> bool {
    a.0 < b.0 + b.1 && b.0 < a.0 + a.1
}
