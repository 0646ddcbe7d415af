//! The modes, how the driver reads them, and which it takes.

use serde::{Deserialize, Serialize};

/// Compute partition mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Compute {
    /// One partition.
    Spx,
    /// Two.
    Dpx,
    /// Three.
    Tpx,
    /// Four.
    Qpx,
    /// One for each XCC.
    Cpx,
}

/// Memory partition mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Memory {
    /// One NUMA domain.
    Nps1,
    /// Two.
    Nps2,
    /// Four.
    Nps4,
    /// Eight.
    Nps8,
}

impl Compute {
    const ALL: [(&'static str, Self); 5] = [
        ("SPX", Self::Spx),
        ("DPX", Self::Dpx),
        ("TPX", Self::Tpx),
        ("QPX", Self::Qpx),
        ("CPX", Self::Cpx),
    ];

    /// As the driver reads it: the first three letters count, in either case, whatever follows.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        by_prefix(&Self::ALL, value)
    }

    /// As the driver prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(&Self::ALL, self)
    }

    /// Partitions of a GPU with `xccs`.
    #[must_use]
    pub fn partitions(self, xccs: u32) -> u32 {
        match self {
            Self::Spx => 1,
            Self::Dpx => 2,
            Self::Tpx => 3,
            Self::Qpx => 4,
            Self::Cpx => xccs,
        }
    }

    /// Whether the driver takes it: `amdgpu_gfx_set_compute_partition` counts XCCs, and
    /// `__aqua_vanjaram_is_valid_mode` memory domains.
    #[must_use]
    pub fn is_valid(self, xccs: u32, memory: Memory) -> bool {
        let domains = memory.domains();
        let counted = match self {
            Self::Spx | Self::Cpx => true,
            Self::Dpx => xccs.is_multiple_of(4),
            Self::Tpx => xccs == 6,
            Self::Qpx => xccs == 8,
        };
        let compatible = match self {
            Self::Spx | Self::Tpx => domains == 1,
            Self::Dpx => domains <= 2,
            Self::Qpx | Self::Cpx => domains == 1 || domains == 4,
        };
        xccs > 0 && xccs.is_multiple_of(2) && counted && compatible
    }

    /// The mode in which the driver comes up with this memory mode (`__aqua_vanjaram_get_auto_mode`).
    #[must_use]
    pub fn at_load(xccs: u32, memory: Memory) -> Self {
        match memory.domains() {
            1 => Self::Spx,
            domains if domains == xccs => Self::Cpx,
            domains if domains * 2 == xccs => Self::Qpx,
            2 => Self::Dpx,
            _ => Self::Cpx,
        }
    }
}

impl Memory {
    const ALL: [(&'static str, Self); 4] = [
        ("NPS1", Self::Nps1),
        ("NPS2", Self::Nps2),
        ("NPS4", Self::Nps4),
        ("NPS8", Self::Nps8),
    ];

    /// As the driver reads it: four letters, in either case, whatever follows.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        by_prefix(&Self::ALL, value)
    }

    /// As the driver prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        name(&Self::ALL, self)
    }

    /// NUMA domains of the memory.
    #[must_use]
    pub fn domains(self) -> u32 {
        match self {
            Self::Nps1 => 1,
            Self::Nps2 => 2,
            Self::Nps4 => 4,
            Self::Nps8 => 8,
        }
    }
}

/// The kernel's `strncasecmp` with the length of the name.
fn by_prefix<T: Copy>(all: &[(&str, T)], value: &[u8]) -> Option<T> {
    let starts = |name: &str| {
        let start = value.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    let mut all = all.iter();
    all.find(|(name, _)| starts(name)).map(|(_, mode)| *mode)
}

fn name<T: Copy + PartialEq>(all: &[(&'static str, T)], mode: T) -> &'static str {
    let mut all = all.iter();
    all.find(|(_, other)| *other == mode)
        .map_or("UNKNOWN", |(name, _)| name)
}
